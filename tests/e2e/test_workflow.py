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


def act(workflow: str, account: Account, home: Path) -> str:
    """Run a workflow of this folder; give act's log."""
    command = [str(ACT), "push", "--workflows", f"tests/e2e/{workflow}", "--rm"]
    command += ["--platform", "ubuntu-latest=python:3.13-slim-trixie", "--pull=false"]
    for name, value in account.environ.items():
        command += ["--env", f"{name}={value}"]
    ended = subprocess.run(  # noqa: S603 - our own
        command,
        cwd=REPOSITORY,
        # A home of its own: act keeps settings and a cache there, and asks a question where it finds none.
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home), "XDG_CONFIG_HOME": str(home)},
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.mark.usefixtures("image")  # act's own build of it is then found in the cache
def test_promoted_and_seen_by_later_steps(account: Account, world: World, tmp_path: Path) -> None:
    log = act("workflow.yml", account, tmp_path)
    seen = re.search(r"a later step sees promoted, version 1 at (\S+)", log)
    assert seen, log
    assert get(f"{seen[1]}/health") == (200, {"status": "ok"})
    assert world.alias_version() == "1"


@pytest.mark.usefixtures("image")
def test_the_job_keeps_the_lock_between_its_steps_and_gives_it_back_at_its_end(
    account: Account, world: World, tmp_path: Path
) -> None:
    log = act("keep.yml", account, tmp_path)
    order = [
        "This job holds the lock of hello",
        "another tool deploys",
        "held, token 1, as an earlier step has taken it",
        "a later step sees promoted",
        "Run Post ./",
        "gave back the lock of hello",
    ]
    places = [log.find(text) for text in order]
    assert -1 not in places, log
    assert places == sorted(places), log
    assert log.count("gave back the lock of hello") == 1, log
    assert "::warning" not in log, log
    assert world.alias_version() == "1"
    lock = world.records("lock")[0]
    assert ("owner" in lock, lock["token"], lock.get("tickets", [])) == (False, 1, [])
