"""Fixtures of the image's tests: the image, built once, and a runner that starts it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.client import Account
from tests.e2e.act import ACT, Act
from tests.repository import commit, git
from tests.runner import REPOSITORY, ContainerRunner, docker

IMAGE = "promote-on-success:e2e"


@pytest.fixture(scope="session")
def image() -> str:
    """Build the image as nektos/act does, with the classic builder, so that act finds the layers in the cache."""
    ended = subprocess.run(  # noqa: S603 - our own
        [docker(), "build", "--network", "host", "--tag", IMAGE, str(REPOSITORY)],
        check=False,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout
    return IMAGE


@pytest.fixture
def runner(tmp_path: Path, account: Account, image: str) -> Iterator[ContainerRunner]:
    """A runner of the image with the tests' function in ``function/`` of its workspace."""
    made = ContainerRunner(tmp_path, account.environ, image)
    shutil.copytree(REPOSITORY / "tests" / "function", made.workspace / "function")
    yield made
    made.close()


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a repository with the current image sources, action.yml, and the function."""
    made = tmp_path_factory.mktemp("repository")
    rules = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").split()
    patterns = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    for pattern in [*patterns, ".dockerignore", "Dockerfile", "action.yml"]:
        for source in REPOSITORY.glob(pattern):
            target = made / source.relative_to(REPOSITORY)
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)
    shutil.copytree(REPOSITORY / "tests" / "function", made / "function")
    git(made, "init", "--quiet", "--initial-branch=main")
    git(made, "remote", "add", "origin", "https://github.com/octo/hello.git")
    commit(made, "first")
    return made


@pytest.fixture
def act(image: str, repository: Path, account: Account, tmp_path: Path) -> Iterator[Act]:
    """Return a function that starts a workflow. Workflows that still run at the end are cancelled."""
    assert image  # act's own build then finds the dependencies in the cache
    started: list[subprocess.Popen[str]] = []

    def start(workflow: str, *options: str) -> subprocess.Popen[str]:
        command = [str(ACT), "push", "--workflows", str(REPOSITORY / "tests" / "e2e" / workflow), "--rm", *options]
        command += ["--platform", "ubuntu-latest=python:3.13-slim-trixie", "--pull=false"]
        for name, value in account.environ.items():
            command += ["--env", f"{name}={value}"]
        process = subprocess.Popen(  # noqa: S603 - our own
            command,
            cwd=repository,
            # A separate home, because act keeps settings and a cache there, and asks a question if it finds none.
            env={**os.environ, **dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(tmp_path))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:  # if it were killed, it would leave its containers behind
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
