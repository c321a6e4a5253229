"""Fixtures of the image's tests: the image, built once, and a runner that starts it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.client import Account
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
