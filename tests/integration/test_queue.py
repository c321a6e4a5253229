"""``queue`` and ``lock-timeout``: which waiting run another one supersedes, and how long a run waits in total."""

import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import pytest

from promote.core.clock import SystemClock
from sandbox.client import Account
from tests.conftest import counting, make_runner
from tests.integration.test_application import NAMES, Application
from tests.runner import Runner, Started
from tests.world import TABLE, World

pytestmark = pytest.mark.usefixtures("history")

LEASE = 12
"""Seconds. A waiting run shows after a quarter of it that it is alive. Only then does it supersede others."""


def living(world: World) -> set[int]:
    """Return the runs that wait and have shown that they are alive."""
    return {int(ticket["run_id"]) for lock in world.records("lock") for ticket in lock["tickets"] if ticket["beat"]}


class Line:
    """Runs that wait for one lock, which another run holds until ``open``.

    All have the same commit, so the order of commits supersedes no run.
    """

    def __init__(self, runner: Runner, inputs: Mapping[str, str], world: World) -> None:
        self._runner, self._world = runner, world
        self._inputs = {**inputs, "lease": f"{LEASE}"}
        self._held = world.account.inject("hold-before", "lambda.CreateFunction")
        self._runs: dict[int, Started] = {}
        self._start(1, {}, {})
        self._held.wait_until_hit(60)

    def join(self, run_id: int, environ: Mapping[str, str] | None = None, **inputs: str) -> None:
        """Start a run with other code, and wait until it is in the queue."""
        self._start(run_id, inputs, environ or {}).wait_for("held by")

    def _start(self, run_id: int, inputs: Mapping[str, str], environ: Mapping[str, str]) -> Started:
        (self._runner.workspace / "function" / "commit").write_text(str(run_id))
        given = counting({**self._inputs, **{name.replace("_", "-"): value for name, value in inputs.items()}})
        self._runs[run_id] = self._runner.start(given, run_id=run_id, environ=environ)
        return self._runs[run_id]

    def open(self, newest: int, *superseded: int) -> dict[int, str]:
        """Let the lock go, and return the result of each run.

        Before that, ``newest`` is known to be alive, and each of ``superseded`` has ended.
        """
        deadline = time.monotonic() + 60
        while newest not in living(self._world):
            assert time.monotonic() < deadline, "the run does not renew its ticket"
            time.sleep(0.05)
        results = {run_id: self._runs.pop(run_id).wait().result for run_id in superseded}
        self._held.release()
        return results | {run_id: started.wait().result for run_id, started in self._runs.items()}


def test_a_newer_run_supersedes_an_older_one_of_the_same_branch_and_environment_only(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    """Seven runs wait for one lock. One is like the newest one, and each of the others differs from it in one thing."""
    waiting = Line(runner, inputs, world)
    waiting.join(2)
    waiting.join(3, queue="fifo")
    waiting.join(4, {"GITHUB_REF": "refs/heads/hotfix"})
    waiting.join(5, environment="prod")
    waiting.join(6, {"GITHUB_REPOSITORY": "octo/fork"})
    waiting.join(7, command="deploy", checks="", isolation="version")
    waiting.join(8, function_name="hello = function\nother = function", artifact="")
    waiting.join(9)
    promoted = dict.fromkeys((1, 3, 4, 5, 6, 8, 9), "promoted")
    assert waiting.open(9, 2) == {**promoted, 2: "superseded", 7: "deployed"}
    assert {record["run_id"] for record in world.records("promotion")} == set(promoted)


def test_an_older_run_that_waits_in_order_of_arrival_is_not_superseded(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    """With ``queue: fifo``, no run is superseded, whatever the newer one says."""
    waiting = Line(runner, inputs, world)
    waiting.join(2, queue="fifo")
    waiting.join(3, queue="newest")
    assert waiting.open(3) == dict.fromkeys((1, 2, 3), "promoted")
    assert [record["run_id"] for record in world.records("promotion")] == [1, 2, 3]


class Simulated(SystemClock):
    """A clock that moves only in ``sleep``. At certain times, something happens."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.later: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        while self.later and self.later[0][0] <= self.seconds:
            self.later.pop(0)[1]()
        super().sleep(0.002)  # for the sandbox, whose updates take real time


@pytest.mark.parametrize(
    ("freed", "result", "waited"),
    [((18, 25), "promoted", 25), ((18, 40), "failed", 30), ((31, 20), "failed", 30)],
    ids=["all-in-time", "the-second-too-late", "the-first-too-late"],
)
def test_the_locks_of_several_functions_share_the_lock_timeout(
    tmp_path: Path, account: Account, freed: tuple[int, int], result: str, waited: int
) -> None:
    """Two of three locks are busy. The run waits for one after the other, and 30 seconds in total."""
    clock = Simulated()
    application, world = Application(tmp_path / "runner", account, clock), World(account)
    first = application.run(1, lease="3600")
    assert first.result == "promoted", first.log
    application.change(*NAMES, text="2")
    before = application.serves()
    tokens = count(len(NAMES))
    other = make_runner(tmp_path / "other", account)
    for name in ("api", "mail"):
        kept = other.run({"command": "lock", "function-name": name}, run_id=next(tokens))
        assert kept.result == "locked", kept.log

    def free(name: str) -> None:
        [held] = [item for item in world.records("lock") if item["pk"].endswith(f":{name}")]
        world.table.update_item(
            TableName=TABLE,
            Key={"pk": {"S": held["pk"]}, "sk": {"S": "lock"}},
            UpdateExpression="REMOVE #owner, kept_by",
            ExpressionAttributeNames={"#owner": "owner"},
        )

    start = clock.seconds
    times = sorted(zip(freed, ("api", "mail"), strict=True))
    clock.later = [(start + seconds, lambda name=name: free(name)) for seconds, name in times]  # type: ignore[misc]
    ended = application.run(2, lock_timeout="0.5", lease="3600")
    assert ended.result == result, ended.log
    if result == "promoted":
        assert waited <= float(ended.outputs["lock-wait-seconds"]) < waited + 1
        assert application.serves() == dict.fromkeys(NAMES, "2")
    else:
        assert waited <= round(clock.seconds - start, 6) < waited + 1
        assert len(ended.errors) == 1
        assert ended.errors[0].message.startswith("The lock was not free within 0.5 minutes")
        assert application.serves() == before
        assert [item["pk"].rpartition(":")[2] for item in world.records("lock") if item.get("owner")] == [
            name for seconds, name in times if seconds > waited
        ]
