"""Workflows with ``uses: ./``, run by nektos/act in a repository with the action and the tests' function.

act is not GitHub's runner: it passes no ``STATE_*`` to a container, has other mounts, and ends containers differently.
test_image.py tests what the runner itself does.
"""

import re
import signal
import time

from sandbox.client import Account
from tests.e2e.act import Act, end
from tests.world import World, get


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
