"""Make a release: ``python -m tools.release check|point|notes``, as .github/workflows/release.yml calls it.

It uses only the standard library, because the release job installs nothing.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BUILT_ON_THE_SPOT = "  image: Dockerfile\n"


def require_releasable(version: str, project: str, changelog: str, tags: Collection[str]) -> None:
    """Refuse a ``version`` that pyproject.toml, CHANGELOG.md and the repository's tags do not agree with.

    Raises:
        ValueError: the message says what to correct.

    """
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
        raise ValueError(f"{version!r} is not a valid version: write it like 1.2.3")
    if (written := tomllib.loads(project)["project"]["version"]) != version:
        raise ValueError(f"pyproject.toml has the version {written}, not {version}")
    found = sections(changelog)
    if found.get("Unreleased"):
        raise ValueError(f"CHANGELOG.md still has changes under Unreleased: move them under {version}")
    named = [name for name in found if name != "Unreleased"]
    if named[:1] != [version] or not found[version]:
        raise ValueError(
            f"the first section of CHANGELOG.md is not that of {version}, or it is empty: add a section '## {version}'"
        )
    earlier = {*named[1:], *(tag.removeprefix("v") for tag in tags if re.fullmatch(r"v\d+\.\d+\.\d+", tag))}
    if f"v{version}" in tags:
        raise ValueError(f"the tag v{version} exists: a version is released once")
    if later := [name for name in earlier if _numbers(name) >= _numbers(version)]:
        raise ValueError(f"{version} is not newer than {max(later, key=_numbers)}")


def sections(changelog: str) -> Mapping[str, str]:
    """Return the changelog's text of each version, newest first. The rest of a heading, such as a date, is dropped.

    Raises:
        ValueError: a version has two sections.

    """
    found: dict[str, str] = {}
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        name = heading.split()[0]
        if name in found:
            raise ValueError(f"CHANGELOG.md has two sections of {name}")
        found[name] = text.strip()
    return found


def point(action: str, image: str) -> str:
    """Return ``action``, the text of action.yml, with the published ``image`` in place of the Dockerfile.

    Raises:
        ValueError: the image is not named by its digest, or the Dockerfile is not named exactly once.

    """
    if not re.fullmatch(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}", image):
        raise ValueError(f"{image!r} does not name an image by its digest")
    if action.count(BUILT_ON_THE_SPOT) != 1:
        raise ValueError(f"action.yml does not have exactly one line {BUILT_ON_THE_SPOT.strip()!r}")
    return action.replace(BUILT_ON_THE_SPOT, f"  image: docker://{image}\n")


def notes(version: str, changelog: str, image: str) -> str:
    """Return the release's text in Markdown: the changes, and the image with the command that verifies it."""
    repository = image.partition("/")[2].partition("@")[0]
    return f"""{sections(changelog)[version]}

### Image

`{image}`, for amd64 and arm64. Its provenance is attested:

```console
$ gh attestation verify oci://{image} --repo {repository}
```
"""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def main(arguments: list[str], repository: Path) -> str:
    """Run a command, and return the text to print.

    Raises:
        ValueError: the command failed; the message says what to correct.

    """
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="check whether a version can be released")
    check.add_argument("version")
    check.add_argument("--released", default="", help="the repository's tags")
    commands.add_parser("point", help="point action.yml at an image").add_argument("image")
    text = commands.add_parser("notes", help="print a release's text")
    text.add_argument("version")
    text.add_argument("image")
    given = parser.parse_args(arguments)
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    if given.command == "notes":
        return notes(given.version, changelog, given.image)
    if given.command == "point":
        action = repository / "action.yml"
        action.write_text(point(action.read_text(encoding="utf-8"), given.image), encoding="utf-8")
        return f"action.yml names {given.image}"
    project = (repository / "pyproject.toml").read_text(encoding="utf-8")
    require_releasable(given.version, project, changelog, given.released.split())
    return f"{given.version} can be released"


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:], REPOSITORY) + "\n")
    except ValueError as error:
        sys.exit(f"release: {error}")
