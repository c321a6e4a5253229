"""A workflow with ``uses: ./``, run by nektos/act: this repository is the user's, with the tests' function."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.client import Account
from tests.runner import REPOSITORY
from tests.world import World, get

ACT = Path(sys.executable).with_name("act")


@pytest.mark.usefixtures("image")  # act's own build of it is then found in the cache
def test_promoted_and_seen_by_later_steps(account: Account, world: World, tmp_path: Path) -> None:
    command = [str(ACT), "push", "--workflows", "tests/e2e/workflow.yml", "--rm"]
    command += ["--platform", "ubuntu-latest=python:3.13-slim-trixie", "--pull=false"]
    for name, value in account.environ.items():
        command += ["--env", f"{name}={value}"]
    ended = subprocess.run(  # noqa: S603 - our own
        command,
        cwd=REPOSITORY,
        # A home of its own: act keeps settings and a cache there, and asks a question where it finds none.
        env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
    )
    assert ended.returncode == 0, ended.stdout
    seen = re.search(r"a later step sees promoted, version 1 at (\S+)", ended.stdout)
    assert seen, ended.stdout
    assert get(f"{seen[1]}/health") == (200, {"status": "ok"})
    assert world.alias_version() == "1"
