"""``rollback``: to what an environment served before, at once, whatever other runs do."""

import signal
import time
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.client import Account
from tests.past import Pasts
from tests.runner import Ended, Runner, Started
from tests.world import FUNCTION, World

pytestmark = pytest.mark.usefixtures("history")

ROLLBACK = {"command": "rollback", "function-name": FUNCTION, "environment": "preprod", "github-deployments": "false"}
LOCK = {"command": "lock", "function-name": FUNCTION}


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], account: Account) -> Ended:
    """Versions 1, 2 and 3 were served, in this order."""

    def make() -> Ended:
        *_, last = [release(runner, inputs, number) for number in (1, 2, 3)]
        return last

    last = pasts.of("commits 1, 2 and 3 were served", runner, account, inputs, make)
    account.forget()
    return last


def release(runner: Runner, inputs: Mapping[str, str], number: int) -> Ended:
    """Promote something new."""
    (runner.workspace / "function" / "commit").write_text(str(number))
    ended = runner.run(inputs, commit=f"{number}" * 40, run_id=number)
    assert ended.result == "promoted", ended.log
    return ended


def back(runner: Runner, given: Mapping[str, str] = {}, run_id: int = 9) -> Ended:
    ended = runner.run({**ROLLBACK, **given}, commit="9" * 40, run_id=run_id)
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (0, "rolled-back", "false"), ended.log
    return ended


def assert_refused(ended: Ended, reason: str) -> None:
    assert (ended.code, ended.result) == (1, "refused"), ended.log
    assert len(ended.errors) == 1
    assert reason.lower() in ended.errors[0].message.lower()


def writes(account: Account) -> list[str]:
    reads = ("Get", "List", "Query", "Scan", "Describe", "Invoke")
    return [call.name for call in account.calls() if not call.operation.startswith(reads)]


def moves(world: World) -> list[tuple[str, str, str]]:
    """Return the history with the kind of each move."""
    return [(item["previous"], item["version"], item["kind"]) for item in world.records("promotion")]


def assert_agreed(world: World, version: str) -> None:
    """Assert that alias, ledger and history agree."""
    environment: Mapping[str, Any] = world.records("environment")[0]
    assert (world.alias_version(), environment["version"]) == (version, version)
    assert "pending" not in environment
    assert world.history()[-1][1] == version
    # Each move begins where the previous one ended, with nothing missing.
    assert [previous for previous, _ in world.history()] == ["", *[moved for _, moved in world.history()][:-1]]


def test_a_second_rollback_goes_further_back_and_a_promotion_starts_again(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    step = runner.start(LOCK, run_id=7)
    assert step.wait().result == "locked"
    world.account.forget()
    first = back(runner, {"reason": "it sends every mail twice"})
    names = [call.name for call in world.account.calls()]
    assert [name for name in names if "Alias" in name] == [
        "lambda.ListAliases",
        "lambda.GetAlias",
        "lambda.UpdateAlias",
    ]
    # The lock stays with its holder.
    assert (first.outputs["version"], first.outputs["previous-version"]) == ("2", "3")
    assert world.lock_owner().startswith("7/")
    entry = world.records("promotion")[-1]
    assert (entry["reason"], entry["by"]) == ("it sends every mail twice", "octocat")
    assert (entry["commit"], entry["code_sha256"]) == ("2" * 40, world.code_sha256("2"))
    assert runner.post(LOCK, run_id=7, environ=step.saved).code == 0

    assert back(runner).outputs["version"] == "1"
    assert_refused(runner.run(ROLLBACK, run_id=9), "served nothing before version 1")
    assert_agreed(world, "1")
    (runner.workspace / "function" / "commit").write_text("4")
    assert runner.run(inputs, commit="4" * 40, run_id=10).result == "promoted"
    assert back(runner, run_id=11).outputs["version"] == "1"
    assert moves(world)[3:] == [
        ("3", "2", "rollback"),
        ("2", "1", "rollback"),
        ("1", "4", "promotion"),
        ("4", "1", "rollback"),
    ]
    assert_agreed(world, "1")
    assert promoted.outputs["version"] == "3"


def test_a_rollback_to_a_version_that_the_environment_never_served_does_not_return_either(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    (runner.workspace / "function" / "commit").write_text("4")
    other = runner.run({**inputs, "environment": "stage"}, commit="4" * 40, run_id=4)
    assert (other.result, other.outputs["version"]) == ("promoted", "4"), other.log
    assert back(runner, {"version": "4"}).outputs["previous-version"] == "3"
    # Version 3 was rolled back, with a reason that lasts.
    assert back(runner).outputs["version"] == "2"
    assert (world.alias_version("stage"), promoted.outputs["version"]) == ("4", "3")


def test_a_rollback_to_a_version_needs_an_existing_one_with_a_passed_verdict(
    runner: Runner, world: World, promoted: Ended
) -> None:
    world.overwrite_latest("def handler(event, context): return {}")
    unverified = world.function.publish_version(FunctionName=FUNCTION)["Version"]
    world.settle()
    world.function.delete_function(FunctionName=FUNCTION, Qualifier="2")
    world.account.forget()
    before = world.items()
    reason = f"version {unverified} of hello has no passed verdict"
    assert_refused(runner.run({**ROLLBACK, "version": unverified}, run_id=9), reason)
    assert_refused(runner.run({**ROLLBACK, "version": "2"}, run_id=9), "does not exist")
    assert_refused(runner.run(ROLLBACK, run_id=9), "does not exist")
    assert_refused(runner.run({**ROLLBACK, "environment": "nowhere"}, run_id=9), "nowhere of hello does not exist")
    without = runner.run({**ROLLBACK, "version": unverified, "override": "true"}, run_id=9)
    assert (without.code, [error.title for error in without.errors]) == (1, ["Input reason"]), without.log
    overriding = {"version": unverified, "override": "true", "reason": "nothing else is left"}
    for given, version in (({"version": "1"}, "1"), (overriding, unverified)):
        planned = runner.run({**ROLLBACK, **given, "dry-run": "true"}, run_id=9)
        assert (planned.code, planned.result) == (0, "planned"), planned.log
        assert f"roll back to version {version}" in planned.outputs["summary"]
    assert (writes(world.account), world.items()) == ([], before)

    assert back(runner, {"version": "1"}).outputs["version"] == "1"
    assert runner.run({**ROLLBACK, "version": "1"}, run_id=9).result == "unchanged"
    assert back(runner, overriding).outputs["version"] == unverified
    entry = world.records("promotion")[-1]
    assert (entry["kind"], entry["reason"]) == ("rollback", "nothing else is left")
    assert_agreed(world, unverified)
    assert promoted.outputs["version"] == "3"


def test_a_dry_run_says_what_a_rollback_would_do_wherever_it_was_started(
    runner: Runner, world: World, promoted: Ended
) -> None:
    """An older commit does not matter. Checks would have no effect, so they are refused."""
    given = {**ROLLBACK, "dry-run": "true"}
    refused = runner.run({**given, "checks": "GET /health 200"}, commit="1" * 40, run_id=1)
    assert (refused.code, refused.errors[0].title) == (1, "Input checks"), refused.log
    planned = runner.run(given, commit="1" * 40, run_id=1)
    assert (planned.code, planned.result) == (0, "planned"), planned.log
    assert "roll back to version 2" in planned.outputs["summary"]
    assert (writes(world.account), promoted.outputs["version"]) == ([], "3")


@pytest.mark.parametrize("first", ["run", "rollback"])
def test_a_rollback_beside_a_run_that_promotes_leaves_ledger_and_alias_in_agreement(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, first: str
) -> None:
    """Both have read the alias and the ledger. One of them can begin its release, and the other decides again."""
    (runner.workspace / "function" / "commit").write_text("4")
    held = world.account.inject("hold-before", "dynamodb.TransactWriteItems")

    def run() -> Started:
        return runner.start(inputs, commit="4" * 40, run_id=10)

    def rollback() -> Started:
        return runner.start({**ROLLBACK, "version": "2"}, commit="9" * 40, run_id=9)

    second, begin = (rollback(), run) if first == "run" else (run(), rollback)
    held.wait_until_hit(30)
    second.process.send_signal(signal.SIGSTOP)  # or it would repeat the call if the other one takes long
    ended = begin().wait()
    assert ended.code == 0, ended.log
    held.release()
    time.sleep(0.5)  # for the response to arrive
    second.process.send_signal(signal.SIGCONT)
    late = second.wait()
    assert (late.code, late.annotations) == (0, ()), late.log
    assert "deciding again" in late.log
    expected = [("3", "4", "promotion"), ("4", "2", "rollback")]
    if first == "rollback":
        expected = [("3", "2", "rollback"), ("2", "4", "promotion")]
    assert moves(world)[3:] == expected
    assert_agreed(world, expected[-1][1])
    assert (world.lock_owner(), promoted.outputs["version"]) == ("", "3")


def test_a_rollback_from_a_version_that_is_not_served_any_more_is_not_made(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """The rollback was meant to leave version 3, and was started without knowing version 4."""
    held = world.account.inject("hold-before", "dynamodb.TransactWriteItems")
    rollback = runner.start(ROLLBACK, commit="9" * 40, run_id=9)
    held.wait_until_hit(30)
    release(runner, inputs, 4)
    held.release()
    ended = rollback.wait()
    assert (ended.code, ended.result, len(ended.errors)) == (1, "failed", 1), ended.log
    assert "moved from version 3 to 4 since the run read it" in ended.errors[0].message
    assert_agreed(world, "4")
    assert promoted.outputs["version"] == "3"


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_rollback_that_meets_an_unfinished_release_rolls_it_back(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, *, is_sent: bool
) -> None:
    """The run is killed before its alias moved, or after: then its promotion is recorded, and rolled back."""
    (runner.workspace / "function" / "commit").write_text("4")
    held = world.account.inject("hold-after" if is_sent else "hold-before", "lambda.UpdateAlias")
    killed = runner.start(inputs, commit="4" * 40, run_id=10)
    held.wait_until_hit(30)
    killed.kill()
    world.account.clear_faults()
    planned = runner.run({**ROLLBACK, "dry-run": "true"}, run_id=11)
    assert "would complete the unfinished release if it is a rollback, or else return to what" in planned.summary
    ended = back(runner, {"reason": "it hangs"})
    assert (ended.code, ended.result, ended.outputs["version"]) == (0, "rolled-back", "3"), ended.log
    assert ("the unfinished release of run 10 was rolled back" in ended.log) is not is_sent
    assert moves(world)[3:] == ([("3", "4", "promotion"), ("4", "3", "rollback")] if is_sent else [])
    assert_agreed(world, "3")
    [entry] = [entry for entry in world.records("environment")[0]["rolled_back"] if entry["version"] == "4"]
    assert (entry["commit"], entry["reason"], entry["by"]) == ("4" * 40, "it hangs", "octocat")
    # What was rolled back stays out.
    again = runner.run(inputs, commit="4" * 40, run_id=10, attempt=2)
    assert (again.code, again.result) == (1, "refused"), again.log
    assert world.alias_version() == promoted.outputs["version"] == "3"


def test_a_move_whose_answer_was_lost_is_done(runner: Runner, world: World, promoted: Ended) -> None:
    world.account.inject("cut-after", "lambda.UpdateAlias", times=0)
    ended = back(runner, {"reason": "why"})
    assert ended.errors == []
    world.account.clear_faults()
    assert moves(world)[-1] == ("3", "2", "rollback")
    assert_agreed(world, "2")
    assert promoted.outputs["version"] == "3"


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("following", ["run", "rollback"])
def test_a_killed_rollback_is_completed_with_its_reason(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, following: str, *, is_sent: bool
) -> None:
    """The next run completes it before its own release. The next rollback completes it, and goes no further back."""
    held = world.account.inject("hold-after" if is_sent else "hold-before", "lambda.UpdateAlias")
    killed = runner.start({**ROLLBACK, "reason": "it is slow"}, commit="9" * 40, run_id=9)
    held.wait_until_hit(20)
    killed.kill()
    world.account.clear_faults()
    assert (world.alias_version(), world.history()[-1]) == ("2" if is_sent else "3", ("2", "3"))
    expected = []
    if following == "run":
        (runner.workspace / "function" / "commit").write_text("4")
        ended = runner.run(inputs, commit="4" * 40, run_id=10)
        assert ended.result == "promoted", ended.log
        expected = [("2", "4", "promotion")]
    else:
        ended = back(runner, {"reason": "again"}, run_id=10)
        assert (ended.code, ended.result, ended.outputs["version"]) == (0, "rolled-back", "2"), ended.log
        assert "the unfinished rollback of run 9 was completed" in ended.outputs["summary"]
    assert moves(world)[3:] == [("3", "2", "rollback"), *expected], ended.log
    entry = world.records("promotion")[3]
    assert (entry["reason"], entry["by"]) == ("it is slow", "octocat")
    assert_agreed(world, world.alias_version())
    stays_out = [entry["version"] for entry in world.records("environment")[0]["rolled_back"]]
    assert stays_out == ([] if following == "run" else ["3"])
    assert promoted.outputs["version"] == "3"


def test_two_rollbacks_at_once_are_one(runner: Runner, world: World, promoted: Ended) -> None:
    held = world.account.inject("hold-before", "lambda.UpdateAlias")
    first = runner.start({**ROLLBACK, "reason": "first"}, commit="9" * 40, run_id=9)
    held.wait_until_hit(30)
    second = back(runner, {"reason": "second"}, run_id=11)
    held.release()
    ended = first.wait()
    assert (ended.code, ended.result) == (second.code, second.result) == (0, "rolled-back"), ended.log + second.log
    assert moves(world)[3:] == [("3", "2", "rollback")]
    assert_agreed(world, "2")
    assert promoted.outputs["version"] == "3"


def test_a_rollback_that_another_run_records_stays_a_rollback(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """The run has read the ledger before the release of the rollback began, and sees the alias after its move."""
    reading = world.hold("hold-after", "execute-api.Invoke")
    (runner.workspace / "function" / "commit").write_text("4")
    run = runner.start(inputs, commit="4" * 40, run_id=10)
    reading.wait_until_hit(30)
    moving = world.account.inject("hold-after", "lambda.UpdateAlias")
    rollback = runner.start({**ROLLBACK, "reason": "it is slow"}, commit="9" * 40, run_id=9)
    moving.wait_until_hit(20)
    reading.release()
    ended = run.wait()
    assert ended.result == "promoted", ended.log
    moving.release()
    late = rollback.wait()
    assert (late.code, late.result) == (0, "rolled-back"), late.log
    assert moves(world)[3:] == [("3", "2", "rollback"), ("2", "4", "promotion")]
    assert world.records("promotion")[3]["reason"] == "it is slow"
    assert_agreed(world, "4")
    assert promoted.outputs["version"] == "3"


@pytest.mark.timeout(300)
def test_a_rollback_killed_after_any_call_is_whole_after_the_next_run(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    back_to_1 = {**ROLLBACK, "version": "1", "reason": "r", "endpoints": "none"}
    served, number, is_killed = "3", 0, True
    while is_killed:
        number += 1
        held = world.account.inject("hold-after", nth=number)
        started = runner.start(back_to_1, commit="9" * 40, run_id=100 + 2 * number)
        while not held.is_hit_within(0.1) and started.process.poll() is None:
            pass
        is_killed = held.hit
        if is_killed:
            started.kill()
        world.account.clear_faults()
        if not is_killed:
            assert started.wait().result == "rolled-back"
        # The next run completes a rollback that has begun.
        has_begun = world.alias_version() == "1" or "pending" in world.records("environment")[0]
        (runner.workspace / "function" / "commit").write_text(f"after {number}")
        given = {**inputs, "diverged": "promote"}  # what was rolled back may be newer
        ended = runner.run(given, commit=f"{3 + number:x}" * 40, run_id=101 + 2 * number)
        assert (ended.code, ended.result) == (0, "promoted"), f"call {number}:\n{ended.log}"
        now = world.alias_version()
        expected = [(served, "1", "rollback"), ("1", now, "promotion")] if has_begun else [(served, now, "promotion")]
        assert moves(world)[-len(expected) :] == expected, f"call {number}:\n{ended.log}"
        assert_agreed(world, now)
        served = now
    assert number > 6
    assert promoted.outputs["version"] == "3"


def test_a_re_run_of_a_rollback_goes_no_further_back(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """The rollback is killed after its move, and the post step of its job completes the record."""
    held = world.account.inject("hold-after", "lambda.UpdateAlias")
    killed = runner.start(ROLLBACK, commit="9" * 40, run_id=9)
    held.wait_until_hit(60)
    killed.kill()
    world.account.clear_faults()
    assert [post.code for post in runner.finish()][-1] == 0
    assert_agreed(world, "2")
    again = runner.run(ROLLBACK, commit="9" * 40, run_id=9, attempt=2)
    assert (again.code, again.result, len(again.errors)) == (0, "unchanged", 0), again.log
    assert "an earlier attempt of this run has rolled it back" in again.outputs["summary"]
    assert (world.alias_version(), again.outputs["version"]) == ("2", "2")
    # A new run goes further back. So does an attempt after a later promotion.
    assert back(runner, run_id=10).outputs["version"] == "1"
    release(runner, inputs, 4)
    later = runner.run(ROLLBACK, commit="9" * 40, run_id=10, attempt=2)
    assert (later.result, later.outputs["version"], promoted.outputs["version"]) == ("rolled-back", "1", "3"), later.log
