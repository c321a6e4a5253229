"""A release's checks, its action.yml and its notes."""

import shutil
from pathlib import Path

import pytest
import yaml

from tools.document import REPOSITORY
from tools.release import main, point, require_releasable, sections

IMAGE = f"ghcr.io/org/promote-on-success@sha256:{'0' * 64}"
PROJECT = '[project]\nversion = "1.2.3"\n'
CHANGELOG = (
    "# Changelog\n\n## Unreleased\n\n## 1.2.3 (2026-01-02)\n\n### Fixed\n\n- One thing.\n\n## 1.2.2\n\n- Another.\n"
)
TAGS = ("v1", "v1.2.1", "v1.2.2")


def test_a_version_that_all_agree_to_can_be_released() -> None:
    require_releasable("1.2.3", PROJECT, CHANGELOG, TAGS)


@pytest.mark.parametrize(
    ("version", "project", "changelog", "tags", "said"),
    [
        ("v1.2.3", PROJECT, CHANGELOG, TAGS, "not a valid version"),
        ("1.2.3; reboot", PROJECT, CHANGELOG, TAGS, "not a valid version"),
        ("1.02.3", PROJECT, CHANGELOG, TAGS, "not a valid version"),
        ("1.2.4", PROJECT, CHANGELOG, TAGS, "pyproject.toml has the version 1.2.3, not 1.2.4"),
        ("1.2.3", PROJECT, CHANGELOG.replace("Unreleased\n", "Unreleased\n\n- More.\n"), TAGS, "under Unreleased"),
        ("1.2.3", PROJECT, CHANGELOG.replace("1.2.3", "1.2.4"), TAGS, "add a section '## 1.2.3'"),
        ("1.2.3", PROJECT, "# Changelog\n", TAGS, "add a section '## 1.2.3'"),
        ("1.2.3", PROJECT, "## 1.2.3\n\n## 1.2.2\n\n- One.\n", TAGS, "add a section '## 1.2.3'"),
        ("1.2.3", PROJECT, "## 1.2.2\n\n- One.\n\n## 1.2.3\n\n- Two.\n", TAGS, "add a section '## 1.2.3'"),
        ("1.2.3", PROJECT, "## 1.2.3\n\n- One.\n\n## 1.2.3\n\n- Two.\n", TAGS, "two sections of 1.2.3"),
        ("1.2.3", PROJECT, CHANGELOG.replace("1.2.2", "1.10.0"), TAGS, "not newer than 1.10.0"),
        ("1.2.3", PROJECT, CHANGELOG, (*TAGS, "v1.2.3"), "the tag v1.2.3 exists"),
        ("1.2.3", PROJECT, CHANGELOG, (*TAGS, "v1.10.0"), "not newer than 1.10.0"),
    ],
)
def test_no_other_version_can_be_released(
    version: str, project: str, changelog: str, tags: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        require_releasable(version, project, changelog, tags)


def test_a_releases_action_differs_in_the_image_alone() -> None:
    action = (REPOSITORY / "action.yml").read_text(encoding="utf-8")
    released = yaml.safe_load(point(action, IMAGE))
    assert released["runs"].pop("image") == f"docker://{IMAGE}"
    built = yaml.safe_load(action)
    assert built["runs"].pop("image") == "Dockerfile"
    assert released == built


@pytest.mark.parametrize(
    "image", [IMAGE.replace("@sha256:", ":1.2.3-"), IMAGE[:-1], IMAGE.upper(), f"{IMAGE}\n  args: [x]", ""]
)
def test_an_image_is_named_by_its_digest_or_not_at_all(image: str) -> None:
    with pytest.raises(ValueError, match="by its digest"):
        point("  image: Dockerfile\n", image)


@pytest.mark.parametrize("action", ["", "  image: Dockerfile\n" * 2, f"  image: docker://{IMAGE}\n"])
def test_an_action_without_one_place_for_the_image_is_refused(action: str) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        point(action, IMAGE)


def test_the_commands_that_the_workflow_gives(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "action.yml", tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    assert main(["check", "1.2.3", "--released", "v1\nv1.2.2"], tmp_path) == "1.2.3 can be released"
    main(["point", IMAGE], tmp_path)
    assert f"image: docker://{IMAGE}\n" in (tmp_path / "action.yml").read_text()
    notes = main(["notes", "1.2.3", IMAGE], tmp_path)
    assert notes.startswith("### Fixed\n\n- One thing.\n\n### Image\n")
    assert f"gh attestation verify oci://{IMAGE} --repo org/promote-on-success\n" in notes


def test_the_changelog_can_be_read() -> None:
    found = sections((REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert found
    assert all(text for name, text in found.items() if name != "Unreleased")
