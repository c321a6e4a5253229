"""Workflows with ``uses: ./``, run by nektos/act in a repository with the action and the tests' function.

act is not GitHub's runner: it passes no ``STATE_*`` to a container, has other mounts, and ends containers differently.
test_image.py tests what the runner itself does.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.client import Account
from tests.repository import commit, git
from tests.runner import REPOSITORY
from tests.world import World, get

ACT = Path(sys.executable).with_name("act")

Act = Callable[[str], subprocess.Popen[str]]
"""Starts a workflow of this folder."""


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

    def start(workflow: str) -> subprocess.Popen[str]:
        command = [str(ACT), "push", "--workflows", str(REPOSITORY / "tests" / "e2e" / workflow), "--rm"]
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


def end(process: subprocess.Popen[str], *, code: int) -> str:
    """Wait for act's end and return its log."""
    log, _ = process.communicate(timeout=100)
    assert process.returncode == code, log
    return log


def in_order(log: str, *texts: str) -> bool:
    """Whether the log has all of these, in this order."""
    places = [log.find(text) for text in texts]
    return -1 not in places and places == sorted(places)


def test_promoted_and_seen_by_later_steps(act: Act, world: World) -> None:
    log = end(act("workflow.yml"), code=0)
    seen = re.search(r"a later step sees promoted, version 1 at (\S+)", log)
    assert seen, log
    assert get(f"{seen[1]}/health") == (200, {"status": "ok"})
    assert world.alias_version() == "1"


def test_blocked_and_seen_by_later_steps(act: Act, world: World) -> None:
    log = end(act("blocked.yml"), code=1)
    assert "a later step sees blocked, promoted false, version 1" in log, log
    assert "this step is skipped" not in log, log
    assert "Job failed" in log, log
    assert (world.alias_version(), world.lock_owner()) == ("", "")


def test_cancelled_while_it_verifies(act: Act, account: Account, world: World) -> None:
    """act kills the main step's container at once, so only the post step can act."""
    hold = account.inject("hold-before", "execute-api.Invoke", times=0)
    process = act("workflow.yml")
    hold.wait_until_hit(timeout=60)
    assert world.lock_owner()
    process.send_signal(signal.SIGINT)
    log = end(process, code=1)
    assert "a later step sees" not in log, log
    assert in_order(log, "Run Post ./", "released the lock of hello", "Job failed"), log
    assert (world.alias_version(), world.lock_owner()) == ("", "")


def test_one_job_holds_the_lock_deploys_tests_and_promotes(act: Act, world: World) -> None:
    log = end(act("steps.yml"), code=0)
    assert in_order(
        log,
        "This job holds the lock of hello",
        "another tool deploys",
        "held, token 1, acquired by an earlier step",
        '{"status": "ok"}',
        "a later step sees promoted",
        "Run Post Promote",
        "Run Post Deploy",
        "Run Post Hold",
        "Job succeeded",
    ), log
    assert log.count("released the lock of hello") == 1, log
    assert "::warning" not in log, log
    assert world.alias_version() == "1"
    lock = world.records("lock")[0]
    assert ("owner" in lock, lock["token"], lock.get("tickets", [])) == (False, 1, [])


def test_two_jobs_race(act: Act, account: Account, world: World) -> None:
    hold = account.inject("hold-before", "execute-api.Invoke")
    process = act("race.yml")
    hold.wait_until_hit(timeout=60)
    deadline = time.monotonic() + 60
    while not world.records("lock")[0].get("tickets"):
        assert time.monotonic() < deadline, "the other job does not wait for the lock"
        time.sleep(0.05)
    hold.release()
    log = end(process, code=0)
    assert in_order(log, "held, token 1", "held, token 2"), log
    assert "next in the queue" in log, log
    assert sorted(re.findall(r"\| (?:one|two) sees (\w+)", log)) == ["promoted", "unchanged"], log
    assert (world.versions(), world.alias_version(), len(world.history())) == (["1"], "1", 1)
    lock = world.records("lock")[0]
    assert ("owner" in lock, lock["token"], lock.get("tickets", [])) == (False, 2, [])
