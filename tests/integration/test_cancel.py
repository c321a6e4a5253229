"""A run is cancelled at every moment that matters, as the runner does it: real signals to a real process.

The sandbox holds one exact call, so that the run is there when the signal arrives. As with AWS, a call whose client
disconnects has had its effect or has not: ``hold-after`` and ``hold-before``.
"""

import json
import signal
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from types import FrameType

import pytest

from sandbox.client import Call, Fault
from tests.past import Pasts, first_release
from tests.runner import Ended, Runner, Started, edit
from tests.world import FUNCTION, World

pytestmark = pytest.mark.usefixtures("history")

LOCK_FREE, EXIT = 5.0, 7.0
"""Seconds after the signal. The runner sends SIGTERM after 7.5 and kills after 10."""

by_signal = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: str(number.name))

COMMIT = "2" * 40


@pytest.fixture
def number(request: pytest.FixtureRequest) -> Signals:
    """Return one of the two, always the same for a test. For each phase, half of the cases get each of them."""
    return (signal.SIGINT, signal.SIGTERM)[zlib.crc32(request.node.name.encode()) % 2]


@dataclass(frozen=True)
class Cancelled:
    """How a run ended that received a signal. Times are seconds after it."""

    ended: Ended
    freed: float
    """Until the run had neither the lock nor a ticket."""
    seconds: float
    late: list[str]
    """Changes of function and endpoints that began after it."""


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], world: World) -> Ended:
    """Commit 1 is served. Commit 2 is in the workspace."""
    ended = first_release(pasts, runner, world.account, inputs)
    (runner.workspace / "function" / "commit").write_text("2")
    world.account.forget()
    return ended


def has_place(world: World, run_id: int) -> bool:
    """Whether the run holds the lock or waits for it."""
    for item in world.records("lock"):
        owners = [str(item.get("owner", "")), *(str(ticket["owner"]) for ticket in item.get("tickets", []))]
        if any(owner.startswith(f"{run_id}/") for owner in owners):
            return True
    return False


def is_change(call: Call) -> bool:
    return call.service in ("lambda", "apigatewayv2") and not call.operation.startswith(("Get", "List"))


def cancel(started: Started, world: World, numbers: list[Signals], *, pause: float = 0.0, run_id: int = 2) -> Cancelled:
    """Send the signals, ``pause`` seconds apart, and wait for the end of the run."""
    since = time.monotonic()
    freed, sent, is_moved = 0.0, 0, world.alias_version() == "2"
    while started.process.poll() is None:
        while sent < len(numbers) and time.monotonic() - since >= sent * pause:
            started.process.send_signal(numbers[sent])
            sent += 1
        if not freed and not has_place(world, run_id):
            freed = time.monotonic() - since
        if time.monotonic() - since > 2 * EXIT:
            started.process.kill()
        time.sleep(0.05)
    seconds = time.monotonic() - since
    assert not has_place(world, run_id), "the lock is still the run's"
    late = [call.name for call in world.account.calls() if call.started > since and is_change(call)]
    # A release that has begun is rolled back by other RevisionIds, so that a move on its way fails.
    late = [name for name in late if is_moved or name not in ("lambda.UpdateAlias", "lambda.CreateAlias")]
    return Cancelled(started.wait(), freed or seconds, seconds, late)


def assert_good_end(cancelled: Cancelled, result: str = "failed") -> None:
    """True at every moment: the end is quick, the report is true, and nothing new begins."""
    ended = cancelled.ended
    assert "Traceback" not in ended.log, ended.log
    assert (ended.code, ended.result) == (0 if result == "promoted" else 1, result), ended.log
    assert [error.title for error in ended.errors] == ([] if result == "promoted" else ["Cancelled"]), ended.log
    assert cancelled.freed <= LOCK_FREE, ended.log
    assert cancelled.seconds <= EXIT, ended.log
    assert cancelled.late == [], ended.log


def assert_next_run_ends_well(runner: Runner, inputs: dict[str, str], world: World, *, is_promoted: bool) -> None:
    """Run the job again. Nothing that the cancelled run has left prevents it, and nothing is reported twice."""
    world.account.clear_faults()
    ended = runner.run({**inputs, "lock-timeout": "0.1"}, commit=COMMIT, run_id=2, attempt=2)
    assert (ended.code, ended.result) == (0, "unchanged" if is_promoted else "promoted"), ended.log
    assert (world.alias_version(), world.history()) == ("2", [("", "1"), ("1", "2")])
    assert "pending" not in world.records("environment")[0]
    assert world.lock_owner() == ""


@pytest.mark.parametrize(
    ("kind", "operation", "nth"),
    [
        ("hold-before", "lambda.GetFunctionConfiguration", 1),  # it reads; it does not have the lock yet
        ("hold-before", "dynamodb.UpdateItem", 1),  # it requests the lock
        ("hold-after", "dynamodb.UpdateItem", 1),
        ("hold-before", "lambda.UpdateFunctionCode", 1),
        ("hold-after", "lambda.UpdateFunctionCode", 1),
        ("hold-before", "lambda.GetFunctionConfiguration", 2),  # it waits for the new version
        ("hold-before", "dynamodb.PutItem", 1),  # it records the candidate during the checks
        ("hold-before", "execute-api.Invoke", 1),  # it verifies
        ("hold-before", "dynamodb.TransactWriteItems", 1),  # the verdict, with the intent
        ("hold-after", "dynamodb.TransactWriteItems", 1),
        ("hold-before", "lambda.UpdateAlias", 1),
    ],
)
def test_a_run_cancelled_before_the_move_leaves_the_environment_as_it_was(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner,
    inputs: dict[str, str],
    world: World,
    promoted: Ended,
    kind: str,
    operation: str,
    nth: int,
    number: Signals,
) -> None:
    held = world.hold(kind, operation, nth)
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    held.wait_until_hit(20)
    assert_good_end(cancel(started, world, [number]))
    assert (world.alias_version(), world.history()) == (promoted.outputs["version"], [("", "1")])
    assert_next_run_ends_well(runner, inputs, world, is_promoted=False)


@pytest.mark.parametrize(
    ("kind", "operation", "nth"),
    [
        ("hold-after", "lambda.UpdateAlias", 1),  # it has moved the alias, and has no response yet
        ("hold-before", "dynamodb.TransactWriteItems", 2),  # it records that
        ("hold-after", "dynamodb.TransactWriteItems", 2),
    ],
)
def test_a_run_cancelled_after_the_move_finds_out_and_records_it(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner,
    inputs: dict[str, str],
    world: World,
    promoted: Ended,
    kind: str,
    operation: str,
    nth: int,
    number: Signals,
) -> None:
    assert promoted.outputs["version"] == "1"
    assert_found_out(world.account.inject(kind, operation, nth=nth), runner, inputs, world, number)


@by_signal
def test_a_run_cancelled_as_it_looks_at_a_damaged_endpoint_has_promoted(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, number: Signals
) -> None:
    assert promoted.outputs["version"] == "1"
    policy = json.loads(world.function.get_policy(FunctionName=FUNCTION, Qualifier="preprod")["Policy"])
    for statement in policy["Statement"]:
        world.function.remove_permission(FunctionName=FUNCTION, Qualifier="preprod", StatementId=statement["Sid"])
    # Two checks, and a request to the environment's endpoint at the same time. The one after the move is the fourth.
    assert_found_out(world.account.inject("hold-before", "execute-api.Invoke", nth=4), runner, inputs, world, number)


def assert_found_out(held: Fault, runner: Runner, inputs: dict[str, str], world: World, number: Signals) -> None:
    """Cancel a run where ``held`` holds it, after the move, and assert that it has found and recorded the move."""
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    held.wait_until_hit(20)
    assert world.alias_version() == "2"
    cancelled = cancel(started, world, [number])
    assert_good_end(cancelled, "promoted")
    assert cancelled.ended.outputs["promoted"] == "true"
    assert any("cancelled" in annotation.message for annotation in cancelled.ended.annotations)
    # By this run, not by the next one.
    assert world.history() == [("", "1"), ("1", "2")]
    assert "pending" not in world.records("environment")[0]
    assert_next_run_ends_well(runner, inputs, world, is_promoted=True)


@by_signal
@pytest.mark.parametrize("kind", ["hold-before", "hold-after"])
def test_a_first_promotion_is_found_out_like_any_other(
    runner: Runner, inputs: dict[str, str], world: World, kind: str, number: Signals
) -> None:
    is_moved = kind == "hold-after"
    held = world.account.inject(kind, "lambda.CreateAlias")
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    held.wait_until_hit(20)
    assert_good_end(cancel(started, world, [number]), "promoted" if is_moved else "failed")
    assert world.history() == ([("", "1")] if is_moved else [])
    world.account.clear_faults()
    ended = runner.run(inputs, commit=COMMIT, run_id=2, attempt=2)
    assert (ended.code, ended.result) == (0, "unchanged" if is_moved else "promoted"), ended.log
    assert (world.alias_version(), world.history(), world.lock_owner()) == ("1", [("", "1")], "")


@pytest.mark.parametrize(
    ("kind", "operation", "nth"),
    [
        ("hold-after", "dynamodb.CreateTable", 1),
        ("hold-after", "lambda.CreateFunction", 1),
        ("hold-before", "lambda.GetFunctionConfiguration", 2),  # the new function is on its way
        ("hold-after", "apigatewayv2.CreateApi", 1),  # the endpoint of $LATEST, under the lock
        ("hold-after", "lambda.AddPermission", 1),
        ("hold-before", "lambda.PublishVersion", 1),
    ],
)
def test_a_first_run_cancelled_on_the_way_is_taken_up_by_the_next(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, kind: str, operation: str, nth: int, number: Signals
) -> None:
    held = world.account.inject(kind, operation, nth=nth)
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    held.wait_until_hit(20)
    assert_good_end(cancel(started, world, [number]))
    assert world.alias_version() == ""
    world.account.clear_faults()
    ended = runner.run(inputs, commit=COMMIT, run_id=2, attempt=2)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert (world.history(), world.lock_owner(), len(world.apis())) == ([("", "1")], "", 2)


@by_signal
def test_a_run_cancelled_while_it_makes_the_environments_endpoint_has_promoted(
    runner: Runner, inputs: dict[str, str], world: World, number: Signals
) -> None:
    held = world.account.inject("hold-after", "apigatewayv2.CreateApi", nth=2)
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    held.wait_until_hit(20)
    assert_good_end(cancel(started, world, [number]), "promoted")
    assert world.history() == [("", "1")]
    world.account.clear_faults()
    ended = runner.run(inputs, commit=COMMIT, run_id=2, attempt=2)
    assert (ended.code, ended.result, len(world.apis())) == (0, "unchanged", 2), ended.log


@contextmanager
def another_holds(runner: Runner, inputs: dict[str, str], world: World) -> Iterator[tuple[Started, Fault]]:
    """Let run 9 hold the lock until the fault is released."""
    held = world.account.inject("hold-before", "lambda.UpdateFunctionCode")
    holder = runner.start(inputs, commit="9" * 40, run_id=9)
    try:
        held.wait_until_hit(20)
        yield holder, held
    finally:
        if holder.process.poll() is None:
            holder.kill()


@contextmanager
def in_line(runner: Runner, inputs: dict[str, str], **different: str) -> Iterator[Started]:
    """Let run 2 wait, in order of arrival. Run 9 is a newer one of its branch."""
    waiting = runner.start({**inputs, "queue": "fifo", **different}, commit=COMMIT, run_id=2)
    try:
        yield waiting
    finally:
        if waiting.process.poll() is None:
            waiting.kill()


@by_signal
def test_a_run_cancelled_in_line_leaves_it(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, number: Signals
) -> None:
    with another_holds(runner, inputs, world) as (holder, held), in_line(runner, inputs) as waiting:
        waiting.wait_for("held by run 9")
        assert len(world.records("lock")[0]["tickets"]) == 1
        assert_good_end(cancel(waiting, world, [number]))
        assert world.lock_owner().startswith("9/")
        held.release()
        ended = holder.wait()
    assert (ended.code, ended.result, promoted.result) == (0, "promoted", "promoted"), ended.log
    assert world.lock_owner() == ""


@by_signal
@pytest.mark.parametrize("kind", ["hold-before", "hold-after"])
def test_a_run_cancelled_as_it_joins_the_line_is_not_in_it(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, kind: str, number: Signals
) -> None:
    with another_holds(runner, inputs, world) as (holder, held):
        joins = world.account.inject(kind, "dynamodb.UpdateItem", nth=2)
        with in_line(runner, inputs) as waiting:
            joins.wait_until_hit(20)
            assert has_place(world, 2) == (kind == "hold-after")
            assert_good_end(cancel(waiting, world, [number]))
        held.release()
        ended = holder.wait()
    assert (ended.result, promoted.result) == ("promoted", "promoted"), ended.log


@by_signal
@pytest.mark.parametrize("kind", ["hold-before", "hold-after"])
def test_a_run_cancelled_as_its_turn_comes_does_not_keep_the_lock(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, kind: str, number: Signals
) -> None:
    # Its ticket needs no heartbeat, which the fault could confuse with the acquisition.
    with another_holds(runner, inputs, world) as (holder, held), in_line(runner, inputs, lease="21600") as waiting:
        waiting.wait_for("held by run 9")
        # The holder releases in a transaction, so the next of these calls is the waiter's.
        takes = world.account.inject(kind, "dynamodb.UpdateItem")
        held.release()
        takes.wait_until_hit(20)
        assert_good_end(cancel(waiting, world, [number]))
        assert holder.wait().result == promoted.result == "promoted"
    assert world.records("lock")[0].get("tickets", []) == []


@by_signal
@pytest.mark.parametrize("kind", ["hold-before", "hold-after"])
def test_a_blocked_run_cancelled_as_it_gives_the_lock_back_gives_it_back(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, kind: str, number: Signals
) -> None:
    edit(runner.workspace, '"ok"', '"broken"')
    # The lock, the verdict, the release.
    held = world.account.inject(kind, "dynamodb.UpdateItem", nth=3)
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    held.wait_until_hit(20)
    assert_good_end(cancel(started, world, [number]))
    assert world.alias_version() == promoted.outputs["version"]
    assert world.records("version")[1]["verdict"]["outcome"] == "failed"


AS_THE_RUNNER = ([signal.SIGINT, signal.SIGTERM], 1.0)
AT_ONCE = ([signal.SIGINT] * 5, 0.0)
BOTH_AT_ONCE = ([signal.SIGINT, signal.SIGTERM], 0.0)
WITHOUT_PAUSE = ([signal.SIGINT, signal.SIGTERM] * 500, 0.005)
"""Signals, and the seconds between them."""


@pytest.mark.parametrize(("numbers", "pause"), [AS_THE_RUNNER, AT_ONCE, BOTH_AT_ONCE, WITHOUT_PAUSE])
def test_further_signals_do_not_disturb_the_tidying_up(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, numbers: list[Signals], pause: float
) -> None:
    verifies = world.hold("hold-before", "execute-api.Invoke")
    slow = world.account.inject("latency", "dynamodb.UpdateItem", nth=2, seconds=1.5)  # the release
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    verifies.wait_until_hit(20)
    cancelled = cancel(started, world, numbers, pause=pause)
    assert slow.hit
    assert_good_end(cancelled)
    assert world.alias_version() == promoted.outputs["version"]
    assert_next_run_ends_well(runner, inputs, world, is_promoted=False)


@pytest.mark.parametrize(
    ("numbers", "pause"), [([signal.SIGINT, signal.SIGTERM], 0.3), AT_ONCE, BOTH_AT_ONCE, WITHOUT_PAUSE]
)
def test_further_signals_do_not_disturb_finding_out_about_a_move(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, numbers: list[Signals], pause: float
) -> None:
    moves = world.account.inject("hold-after", "lambda.UpdateAlias")
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    moves.wait_until_hit(20)
    slow = world.account.inject("latency", "lambda.GetAlias", nth=2, seconds=0.6)  # the first one is the test's own
    cancelled = cancel(started, world, numbers, pause=pause)
    assert slow.hit
    assert_good_end(cancelled, "promoted")
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2")]


@by_signal
def test_a_run_cancelled_while_it_still_loads_its_modules_ends_like_any_other(
    runner: Runner, inputs: dict[str, str], world: World, number: Signals
) -> None:
    """This takes a tenth of a second or more. Signals stay pending until the handlers are installed."""
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    wait_until(lambda: started.process.poll() is not None or is_blocked(started, number), pause=0.001)
    started.process.send_signal(number)
    ended = started.wait()
    assert "Traceback" not in ended.log, ended.log
    assert (ended.code, [error.title for error in ended.errors]) == (1, ["Cancelled"]), ended.log
    assert world.items() == []


def is_blocked(started: Started, number: Signals) -> bool:
    """Whether a signal is pending for the process. /proc/PID/status has a bit for each."""
    with suppress(OSError):
        status = Path(f"/proc/{started.process.pid}/status").read_text(encoding="utf-8")
        blocked = next(line for line in status.splitlines() if line.startswith("SigBlk:")).split()[1]
        return bool(int(blocked, 16) & 1 << (number - 1))
    return False


def test_a_move_that_arrives_only_after_the_run_has_gone_fails(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """A request may be on its way longer than a cancelled run may live: the rollback changes the RevisionId."""
    slow = world.account.inject("latency", "lambda.UpdateAlias", seconds=3)
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    slow.wait_until_hit(20)
    cancelled = cancel(started, world, [signal.SIGINT])
    assert_good_end(cancelled)
    time.sleep(3)
    assert world.alias_version() == "1"
    assert_next_run_ends_well(runner, inputs, world, is_promoted=False)
    assert promoted.result == "promoted"


def test_a_lock_had_only_after_the_run_has_gone_is_given_back_by_the_post_step(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    slow = world.account.inject("latency", "dynamodb.UpdateItem", seconds=3)
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    slow.wait_until_hit(20)
    started.process.send_signal(signal.SIGINT)
    assert started.wait().code == 1
    wait_until(lambda: has_place(world, 2))
    assert runner.post(inputs, run_id=2, environ=started.saved).code == 0
    assert not has_place(world, 2)
    assert promoted.result == "promoted"


@by_signal
@pytest.mark.parametrize("kind", ["hold-before", "hold-after"])
def test_a_lock_step_cancelled_as_it_takes_the_lock_does_not_keep_it(
    runner: Runner, world: World, promoted: Ended, kind: str, number: Signals
) -> None:
    held = world.account.inject(kind, "dynamodb.UpdateItem")
    started = runner.start({"command": "lock", "function-name": "hello"}, run_id=2)
    held.wait_until_hit(20)
    assert_good_end(cancel(started, world, [number]))
    assert promoted.result == "promoted"


@by_signal
def test_a_run_cancelled_inside_a_lock_of_its_job_leaves_that_to_the_job(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, number: Signals
) -> None:
    locked = runner.start({"command": "lock", "function-name": "hello"}, run_id=2)
    assert locked.wait().result == "locked"
    held = world.hold("hold-before", "execute-api.Invoke")
    started = runner.start(inputs, commit=COMMIT, run_id=2)
    held.wait_until_hit(20)
    started.process.send_signal(number)
    ended = started.wait(EXIT)
    assert (ended.code, [error.title for error in ended.errors]) == (1, ["Cancelled"]), ended.log
    assert has_place(world, 2)
    world.account.clear_faults()
    assert runner.post(inputs, run_id=2, environ=started.saved).code == 0
    assert not has_place(world, 2)
    assert promoted.outputs["version"] == world.alias_version()


@by_signal
def test_a_post_step_that_is_cancelled_gives_back_all_the_same(
    runner: Runner, world: World, promoted: Ended, number: Signals
) -> None:
    locked = runner.start({"command": "lock", "function-name": "hello"}, run_id=2)
    assert locked.wait().result == "locked"
    slow = world.account.inject("latency", "dynamodb.Query", seconds=0.5)
    post = runner.start({}, run_id=2, environ=locked.saved, is_post=True)
    slow.wait_until_hit(20)
    post.process.send_signal(number)
    ended = post.wait(EXIT)
    assert "Traceback" not in ended.log, ended.log
    assert (ended.code, world.lock_owner(), promoted.result) == (0, "", "promoted"), ended.log


def wait_until(condition: Callable[[], bool], timeout: float = 20, pause: float = 0.05) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it has not come true")
        time.sleep(pause)


@contextmanager
def signal_on(name: str) -> Iterator[list[str]]:
    """Send SIGTERM to this process when it enters the function with this name. Yield where that was."""
    where: list[str] = []

    def trace(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == name and not where:
            where.append(frame.f_code.co_filename)
            signal.raise_signal(signal.SIGTERM)

    sys.settrace(trace)
    try:
        yield where
    finally:
        sys.settrace(None)


@pytest.mark.parametrize("name", ["keep_moved", "promoted", "after_move", "announce", "retain"])
def test_a_run_cancelled_between_two_calls_after_the_move_has_promoted(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, name: str
) -> None:
    """The system sends a signal at any time, not only during a call."""
    with signal_on(name) as where:
        ended = runner.run({**inputs, "keep-versions": "5"}, commit=COMMIT, run_id=2)
    assert where, f"no function {name} was called"
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (0, "promoted", "true"), ended.log
    assert "The run was cancelled" in ended.log
    assert (promoted.outputs["version"], world.alias_version()) == ("1", "2")
    assert_next_run_ends_well(runner, inputs, world, is_promoted=True)
