"""A release, as far as one machine goes: the steps of release.yml that publish, and a workflow that uses the tag.

The registry is on this machine, the repository on GitHub is a bare one, and ``gh`` is a script. What is left out is the
build on two architectures, its SBOM and its attestation.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.e2e.act import Act, end
from tests.e2e.registry import registry
from tests.repository import commit, git
from tests.runner import REPOSITORY, docker
from tests.world import World

pytestmark = pytest.mark.timeout(300)

VERSION = "1.2.3"


@pytest.fixture
def published(image: str, tmp_path: Path) -> Iterator[str]:
    """Push the image to a registry, remove its name here, and return its name with the digest."""
    (tmp_path / "registry").mkdir()
    with registry(tmp_path / "registry") as host:
        name = f"{host}/org/promote-on-success"
        run("tag", image, f"{name}:{VERSION}")
        pushed = run("push", f"{name}:{VERSION}")
        run("image", "rm", f"{name}:{VERSION}")
        found = re.search(r"digest: (sha256:[0-9a-f]{64})", pushed)
        assert found, pushed
        yield f"{name}@{found[1]}"
        subprocess.run([docker(), "image", "rm", f"{name}@{found[1]}"], check=False, capture_output=True)  # noqa: S603 - our own


def run(*arguments: str) -> str:
    ended = subprocess.run([docker(), *arguments], check=False, capture_output=True, text=True)  # noqa: S603 - our own
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def clone(repository: Path, tmp_path: Path) -> Path:
    """Return a clone of a bare repository whose ``main`` is ready for the release."""
    bare, made = tmp_path / "bare.git", tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(bare))
    git(tmp_path, "clone", "--quiet", str(bare), str(made))
    shutil.copytree(REPOSITORY / "tools", made / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (made / "pyproject.toml").write_text(re.sub(r'(?m)^version = ".*"$', f'version = "{VERSION}"', project))
    (made / "CHANGELOG.md").write_text(f"# Changelog\n\n## Unreleased\n\n## {VERSION} (2026-01-31)\n\n- It works.\n")
    commit(made, f"Prepare {VERSION}")
    git(made, "push", "--quiet", "origin", "main")
    return made


def steps(job: str) -> Mapping[str, str]:
    """Return the scripts of a job of release.yml, by the names of their steps."""
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
    return {step.get("name", step["run"]): step["run"] for step in workflow["jobs"][job]["steps"] if "run" in step}


def carry_out(script: str, clone: Path, environ: Mapping[str, str]) -> None:
    """Run a step's script as a runner does, with a ``gh`` that keeps what it gets."""
    programs = clone.parent / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "python").unlink(missing_ok=True)
    (programs / "python").symlink_to(sys.executable)
    (programs / "gh").write_text(f'#!/bin/sh\n[ "$1" = auth ] || {{ echo "$@"; cat; }} > {clone.parent}/gh.txt\n')
    (programs / "gh").chmod(0o755)
    ended = subprocess.run(  # noqa: S603 - our own
        ["/bin/bash", "-e", "-o", "pipefail", "-c", script],
        cwd=clone,
        check=False,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, f"{script}\n{ended.stdout}{ended.stderr}"


def test_a_workflow_with_the_tag_of_a_release_promotes(  # noqa: PLR0917 - fixtures
    act: Act, clone: Path, published: str, repository: Path, tmp_path: Path, world: World
) -> None:
    environ = {"VERSION": VERSION, "IMAGE": published, "GH_TOKEN": "none"}
    for script in steps("version").values():
        carry_out(script, clone, environ)
    publishing = steps("publish")
    assert list(publishing) == ["Point action.yml at the image", "Commit beside main, and tag", "Release"]
    for script in publishing.values():
        carry_out(script, clone, environ)
    # A second attempt of the job finds what the first one has left, and changes nothing.
    tags = git(tmp_path / "bare.git", "tag", "--list").split()
    assert tags == ["v1", f"v{VERSION}"]
    released = git(tmp_path / "bare.git", "rev-parse", f"v{VERSION}")
    git(clone, "checkout", "--quiet", "--force", "main")
    for name in list(publishing)[:2]:
        carry_out(publishing[name], clone, environ)
    assert git(tmp_path / "bare.git", "rev-parse", f"v{VERSION}") == released
    assert git(tmp_path / "bare.git", "diff", "--name-only", "main", "v1").split() == ["action.yml"]
    notes = (tmp_path / "gh.txt").read_text()
    assert notes.startswith(f"release create v{VERSION} --verify-tag")
    assert "- It works." in notes
    assert published in notes

    action = tmp_path / "action"
    git(tmp_path, "clone", "--quiet", "--branch", "v1", str(tmp_path / "bare.git"), str(action))
    log = end(act("released.yml", "--local-repository", f"org/promote-on-success@v1={action}"), code=0)
    assert "a later step sees promoted, version 1" in log, log
    assert f"docker://{published}" in log or published in log, log
    assert world.alias_version() == "1"
    assert repository.is_dir()
