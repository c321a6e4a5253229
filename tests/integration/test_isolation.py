"""``isolation: version``: a candidate is verified at its own preview endpoint, which is always removed."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from promote.aws.dynamodb import Table
from promote.core.clock import SystemClock
from promote.core.run import Run
from promote.state.ledger import Ledger
from sandbox.client import Account
from tests.clock import Time
from tests.conftest import make_inputs, make_runner
from tests.past import Pasts, first_release
from tests.repository import line
from tests.runner import Ended, Runner, edit
from tests.world import FUNCTION, TABLE, World, archive, get

pytestmark = pytest.mark.usefixtures("history")

ASK = """python3 -c 'import os, urllib.request; urllib.request.urlopen(os.environ["PROMOTE_URL"] + "/health")'"""
"""A script that does not distinguish API Gateway's own responses."""
UNTIL = "until [ -e {0} ]; do sleep 0.1; done; "
"""A script that waits for a file."""


@pytest.fixture
def alone(inputs: dict[str, str]) -> dict[str, str]:
    return {**inputs, "isolation": "version", "queue": "fifo", "checks": "GET /health 200 status == 'ok'"}


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, alone: dict[str, str], account: Account) -> Ended:
    """Commit 1 is served. Commit 2 is in the workspace."""
    ended = first_release(pasts, runner, account, alone)
    change(runner, "2")
    account.forget()
    return ended


def change(runner: Runner, text: str) -> None:
    (runner.workspace / "function" / "commit").write_text(text)


def previews(world: World) -> list[Mapping[str, object]]:
    return [item for item in world.records("endpoint") if item["sk"].startswith("endpoint#preview#")]


def let_time_pass(world: World) -> None:
    """Set the last heartbeat of each preview back. Without another one, its run is dead."""
    for item in previews(world):
        world.table.update_item(
            TableName=TABLE,
            Key={"pk": {"S": str(item["pk"])}, "sk": {"S": str(item["sk"])}},
            UpdateExpression="SET alive = alive - :hour",
            ConditionExpression="attribute_exists(alive)",
            ExpressionAttributeValues={":hour": {"N": "3600"}},
        )


def permitted(world: World) -> list[str]:
    """Return the versions that API Gateway may invoke by their numbers."""
    found = []
    for version in world.versions():
        try:
            world.function.get_policy(FunctionName=FUNCTION, Qualifier=version)
        except world.function.exceptions.ResourceNotFoundException:
            continue
        found.append(version)
    return found


def assert_nothing_is_left(world: World, *, apis: int = 2) -> None:
    assert (previews(world), permitted(world), len(world.apis())) == ([], [], apis)


def assert_agreed(world: World) -> None:
    environment = world.records("environment")[0]
    assert environment["version"] == world.alias_version() == world.history()[-1][1]
    assert "pending" not in environment
    assert world.lock_owner() == ""


def until(condition: bool, deadline: float) -> bool:  # noqa: FBT001 - a condition
    """Return whether to wait longer."""
    assert time.monotonic() < deadline, "it has not come to that"
    time.sleep(0 if condition else 0.05)
    return not condition


def commands() -> Iterator[str]:
    """Return the command lines of all processes."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def test_a_run_killed_after_any_call_leaves_nothing_when_its_post_step_has_run(
    runner: Runner, alone: dict[str, str], world: World, promoted: Ended
) -> None:
    given = alone
    whole = runner.run(given, commit="2" * 40, run_id=2)
    assert whole.result == "promoted", whole.log
    names = [call.name for call in world.account.calls()]
    # The steps before and after are as in any run. Other tests kill runs there.
    first, last = names.index("apigatewayv2.CreateApi") - 1, names.index("dynamodb.DeleteItem") + 1
    for number in range(first, last + 1):
        change(runner, f"killed {number}")
        held = world.account.inject("hold-after", nth=number)
        started = runner.start(given, commit="3" * 40, run_id=2 + number)
        held.wait_until_hit(30)
        started.kill()
        world.account.clear_faults()
        posted = runner.post(given, run_id=2 + number, environ=started.saved)
        assert (posted.code, posted.annotations) == (0, ()), f"killed after call {number}:\n{posted.log}"
        assert_nothing_is_left(world)
        assert world.lock_owner() == ""
    ended = runner.run(given, commit="f" * 40, run_id=3 + last)
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    assert_nothing_is_left(world)
    assert_agreed(world)
    assert get(promoted.outputs["environment-url"] + "/health") == (200, {"status": "ok"})


def test_what_killed_runs_have_left_is_removed_by_later_ones_when_nobody_uses_it_any_more(
    runner: Runner, alone: dict[str, str], world: World, promoted: Ended
) -> None:
    moments = (
        ("hold-after", "apigatewayv2.CreateApi"),
        ("hold-after", "lambda.AddPermission"),
        ("hold-before", "execute-api.Invoke"),
        ("hold-after", "apigatewayv2.DeleteApi"),
    )
    for number, (kind, moment) in enumerate(moments, 2):
        change(runner, f"killed at {moment}")
        held = world.account.inject(kind, moment)
        started = runner.start(alone, commit=f"{number}" * 40, run_id=number)
        held.wait_until_hit(30)
        started.kill()
        world.account.clear_faults()
    assert len(previews(world)) == len(moments)
    let_time_pass(world)

    # A failed removal does not fail the run.
    change(runner, "removing fails")
    world.account.inject("error-before", "apigatewayv2.DeleteApi", times=0, status=403, code="AccessDeniedException")
    ended = runner.run(alone, commit="9" * 40, run_id=9)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert {annotation.kind for annotation in ended.annotations} == {"warning"}
    assert any("of a dead run could not be removed" in annotation.message for annotation in ended.annotations)
    assert any("could not be removed" in annotation.message for annotation in ended.annotations)
    world.account.clear_faults()
    # Of run 5, only the record was left.
    assert {item["run_id"] for item in previews(world)} == {2, 3, 4, 9}
    let_time_pass(world)
    change(runner, "removing works")
    ended = runner.run(alone, commit="a" * 40, run_id=10)
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    assert "which run 9 has left" in ended.log
    assert_nothing_is_left(world)
    assert_agreed(world)
    assert get(promoted.outputs["environment-url"] + "/health") == (200, {"status": "ok"})


def test_an_endpoint_that_cannot_be_removed_is_removed_by_the_post_step(
    runner: Runner, alone: dict[str, str], world: World, promoted: Ended
) -> None:
    operations = ("apigatewayv2.DeleteApi", "lambda.RemovePermission")
    for number, operation in enumerate(operations, 2):
        change(runner, operation)
        world.account.inject("error-before", operation, times=0, status=400, code="AccessDeniedException")
        started = runner.start(alone, commit=f"{number}" * 40, run_id=number)
        ended = started.wait()
        assert (ended.code, ended.result) == (0, "promoted"), ended.log
        assert [annotation.kind for annotation in ended.annotations] == ["warning"], ended.annotations
        assert "could not be removed" in ended.annotations[0].message
        failing = runner.post(alone, run_id=number, environ=started.saved)
        assert (failing.code, [annotation.kind for annotation in failing.annotations]) == (0, ["warning"]), failing.log
        world.account.clear_faults()
        assert len(previews(world)) == 1
        posted = runner.post(alone, run_id=number, environ=started.saved)
        assert (posted.code, posted.annotations) == (0, ()), posted.log
        assert_nothing_is_left(world)
    assert promoted.result == "promoted"


def test_a_cancelled_verification_takes_its_endpoint_and_its_processes_away(
    runner: Runner, alone: dict[str, str], world: World, promoted: Ended
) -> None:
    marker = f"sleep 77.{os.getpid()}"
    started = runner.start({**alone, "checks": "", "test-command": marker}, commit="2" * 40, run_id=2)
    deadline = time.monotonic() + 60
    while until(any(command.startswith(marker) for command in commands()), deadline):
        pass
    assert world.lock_owner() == ""
    # The runner sends SIGTERM after 7.5 seconds, and kills after 10. This signal alone is enough.
    started.process.send_signal(signal.SIGINT)
    ended = started.wait()
    assert (ended.code, ended.result, len(ended.errors)) == (1, "failed", 1), ended.log
    assert "cancelled" in ended.errors[0].message
    assert_nothing_is_left(world)
    deadline = time.monotonic() + 60
    while until(not any(command.startswith(marker) for command in commands()), deadline):
        pass
    assert world.alias_version() == promoted.outputs["version"]


def test_runs_that_verify_the_same_version_have_an_endpoint_each_for_as_long_as_they_need_it(
    runner: Runner, alone: dict[str, str], world: World, promoted: Ended
) -> None:
    """The long verification sends heartbeats, so others leave it alone."""
    given = {**alone, "checks": "", "lease": "8"}
    long = runner.start({**given, "test-command": UNTIL.format("long") + ASK}, commit="2" * 40, run_id=5)
    long.wait_for("at http")
    short = runner.start({**given, "test-command": UNTIL.format("short") + ASK}, commit="2" * 40, run_id=6)
    short.wait_for("at http")
    found = previews(world)
    assert [(item["version"], item["lease"]) for item in found] == [("2", 8), ("2", 8)]
    assert len({str(item["endpoint"]) for item in found}) == 2
    assert len(world.apis()) == 4
    (runner.workspace / "short").touch()
    ended = short.wait()
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert (len(previews(world)), len(world.apis()), permitted(world)) == (1, 3, ["2"])

    let_time_pass(world)
    aged = previews(world)
    deadline = time.monotonic() + 60
    while until(previews(world) != aged, deadline):
        pass
    change(runner, "3")
    other = runner.run(alone, commit="3" * 40, run_id=7)
    assert (other.code, other.result) == (0, "promoted"), other.log
    assert "has left" not in other.log
    assert (len(previews(world)), long.process.poll()) == (1, None)
    (runner.workspace / "long").touch()
    late = long.wait()
    # It has passed, but too late.
    assert (late.code, late.result, late.annotations) == (0, "superseded", ()), late.log
    assert_nothing_is_left(world)
    assert world.history() == [("", "1"), ("1", "2"), ("2", "3")]
    assert promoted.outputs["version"] == "1"


def test_what_api_gateway_says_at_a_fresh_endpoint_is_not_what_the_function_says(
    runner: Runner, alone: dict[str, str], world: World, promoted: Ended
) -> None:
    """Neither for a script nor for a check that expects 404."""
    given = {**alone, "checks": "GET /nothing 404 error", "test-command": ASK}
    fresh = world.account.inject("error-before", "execute-api.Invoke", times=4, status=404, message="Not Found")
    ended = runner.run(given, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    assert fresh.hit
    assert_nothing_is_left(world)

    change(runner, "3")
    world.account.inject("error-before", "execute-api.Invoke", times=0, status=500, message="Internal Server Error")
    blocked = runner.run(given, commit="3" * 40, run_id=3)
    assert (blocked.code, blocked.result, len(blocked.errors)) == (1, "blocked", 1), blocked.log
    assert world.records("version")[2]["verdict"]["outcome"] == "inconclusive"
    assert "does not reach the function" in blocked.errors[0].message
    assert_nothing_is_left(world)
    assert (world.alias_version(), promoted.outputs["version"]) == ("2", "1")


CRASHES = {
    "at import": ("import json", "import json, no_such_module"),
    "in the handler": ('path = event["rawPath"]', 'path = event["rawPath"]; raise OSError("no database")'),
}


@pytest.mark.parametrize("isolation", ["latest", "version"])
@pytest.mark.parametrize(("crash", "command"), [("at import", ""), ("at import", "true"), ("in the handler", "true")])
def test_a_crash_at_a_new_endpoint_is_the_functions_and_says_why(
    runner: Runner, world: World, isolation: str, crash: str, command: str
) -> None:
    """API Gateway sends the same response if it may not invoke the function."""
    edit(runner.workspace, *CRASHES[crash])
    inputs = make_inputs(world.account)
    ended = runner.run({**inputs, "isolation": isolation, "test-command": command})
    assert (ended.code, ended.result, len(ended.errors)) == (1, "blocked", 1), ended.log
    assert world.records("version")[0]["verdict"]["outcome"] == "failed"
    assert ("no_such_module" if crash == "at import" else "no database") in ended.errors[0].message
    assert "payload format" not in ended.errors[0].message
    assert world.alias_version() == ""


def test_a_handler_for_payload_format_1_gets_a_hint(runner: Runner, world: World) -> None:
    edit(runner.workspace, 'event["rawPath"]', 'event["path"] if event["httpMethod"] else ""')
    ended = runner.run(make_inputs(world.account))
    assert (ended.code, ended.result, len(ended.errors)) == (1, "blocked", 1), ended.log
    assert (
        "'httpMethod'. An event of payload format 1.0 raises none: let the handler read format 2.0, which the"
        in ended.errors[0].message
    )


@pytest.mark.parametrize("isolation", ["latest", "version"])
@pytest.mark.parametrize("checks", ["GET /health 200\nGET /missing 404\nHEAD /missing 404", "GET /missing 404"])
def test_a_404_in_api_gateways_words_is_the_functions_once_another_answer_was(
    runner: Runner, inputs: dict[str, str], world: World, isolation: str, checks: str
) -> None:
    edit(
        runner.workspace,
        'if path == "/health":',
        'if path == "/missing":\n        return answer(404, {"message": "Not Found"})\n    if path == "/health":',
    )
    ended = runner.run({**inputs, "isolation": isolation, "checks": checks})
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    # It is not waited for, as for an endpoint that is not ready.
    asked = [call for call in world.account.calls() if call.name == "execute-api.Invoke"]
    assert len(asked) < 15
    assert world.alias_version() == "1"


PROVIDER = "arn:aws:lambda:us-east-1:123456789012:capacity-provider:fleet"
SPECIAL: dict[str, tuple[dict[str, Any], str]] = {
    "managed": (
        {"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": PROVIDER}}},
        "whose unqualified ARN invokes $LATEST.PUBLISHED",
    ),
    "SnapStart": ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "$LATEST has no snapshot"),
    "durable": ({"DurableConfig": {"ExecutionTimeout": 60, "RetentionPeriodInDays": 1}}, "only with a qualified ARN"),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_function_that_does_not_run_in_latest_as_its_versions_do_is_verified_as_a_version(
    runner: Runner, inputs: dict[str, str], world: World, kind: str
) -> None:
    configuration, reason = SPECIAL[kind]
    source = (runner.workspace / "function" / "app.py").read_text()
    world.function.create_function(
        FunctionName=FUNCTION,
        Runtime="python3.13",
        Handler="app.handler",
        Role=inputs["role"],
        Code={"ZipFile": archive({"app.py": source})},
        **configuration,
    )
    world.settle()
    (runner.workspace / "event.json").write_text('{"rawPath": "/health"}')
    world.account.forget()
    commands: tuple[dict[str, str], ...] = (
        {},
        {"command": "deploy", "checks": ""},
        {"dry-run": "true"},
        {"latest-url": "https://example.com"},
    )
    for different in (*commands, {"checks": "", "test-command": "true"}):
        refused = runner.run({**inputs, **different})
        assert (refused.code, [error.title for error in refused.errors]) == (1, ["Input isolation"]), refused.log
        assert reason in refused.errors[0].message
        assert "isolation: version" in refused.errors[0].message
    names = [call.operation for call in world.account.calls()]
    assert not [name for name in names if not name.startswith(("Get", "List", "Query", "Describe"))]

    # An event is sent to the version itself.
    invoked = {**inputs, "checks": "", "invoke": "event.json statusCode == `200`", "endpoints": "none"}
    first = runner.run(invoked)
    assert (first.code, first.result) == (0, "promoted"), first.log
    edit(runner.workspace, "Hello", "Good morning")
    ended = runner.run({**inputs, "isolation": "version", "checks": "GET /health"}, commit="d" * 40, run_id=1001)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log


def test_a_broken_candidate_is_blocked_while_latest_is_already_anothers(
    runner: Runner, alone: dict[str, str], world: World, promoted: Ended
) -> None:
    """Exactly the candidate is verified, whatever $LATEST is by then."""
    edit(runner.workspace, '"status": "ok"', '"status": "broken"')
    held = world.account.inject("hold-before", "execute-api.Invoke", nth=2)
    started = runner.start(alone, commit="2" * 40, run_id=2)
    held.wait_until_hit(30)
    edit(runner.workspace, '"status": "broken"', '"status": "ok"')
    change(runner, "fixed")
    fixed = runner.run(alone, commit="3" * 40, run_id=3)
    assert (fixed.result, world.alias_version()) == ("promoted", "3"), fixed.log
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert "status == 'ok' is false" in ended.errors[0].message
    assert "The broken build is still at" not in ended.errors[0].message
    records = {item["version"]: item["verdict"]["outcome"] for item in world.records("version")}
    assert records == {"1": "passed", "2": "failed", "3": "passed"}
    assert_nothing_is_left(world)
    assert (world.alias_version(), promoted.outputs["version"]) == ("3", "1")


def test_ten_runs_verify_at_the_same_time(tmp_path: Path, account: Account) -> None:
    world = World(account)
    given = {**make_inputs(account), "isolation": "version", "queue": "fifo", "checks": "", "test-command": "sleep 5"}
    runners = []
    for number in range(11):
        runners.append(make_runner(tmp_path / str(number), account))
        change(runners[number], str(number))
        line(runners[number].workspace)
    assert runners[0].run(given, commit="0" * 40, run_id=100).result == "promoted"
    world.account.forget()
    started = [
        runner.start(given, commit=f"{number:040x}", run_id=101 + number)
        for number, runner in enumerate(runners[1:], 1)
    ]
    ended = [run.wait(200) for run in started]
    logs = "\n".join(run.log for run in ended)
    assert {(run.code, run.result) for run in ended} <= {(0, "promoted"), (0, "superseded")}, logs
    # The benchmarks measure how long that takes. Here, most of them have an endpoint at the same time.
    calls = [call.operation for call in world.account.calls() if call.service == "apigatewayv2"]
    made = list(accumulate({"CreateApi": 1, "DeleteApi": -1}.get(call, 0) for call in calls))
    assert max(made) >= 5, logs
    # The newest one is served, whichever was verified last.
    assert world.records("environment")[0]["run_id"] == 111
    assert {item["verdict"]["outcome"] for item in world.records("version") if "verdict" in item} == {"passed"}
    assert_nothing_is_left(world)
    assert_agreed(world)


class Skewed(SystemClock):
    """A clock that is wrong by some hours."""

    def __init__(self, hours: int) -> None:
        self._wrong = timedelta(hours=hours)

    def now(self) -> datetime:
        return super().now() + self._wrong


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_run_with_a_wrong_clock_removes_the_previews_of_dead_runs_alone(
    tmp_path: Path, account: Account, world: World, inputs: dict[str, str], hours: int
) -> None:
    runner = make_runner(tmp_path / "skewed", account, Skewed(hours))
    line(runner.workspace)
    assert runner.run(inputs, commit="1" * 40, run_id=1).result == "promoted"
    arn = world.records("lock")[0]["pk"]
    for operation, alive in (("live", time.time()), ("dead", time.time() - 100)):
        run = Run("c" * 40, 7, 1, "", operation)
        Ledger(Table(lambda: world.table, TABLE, SystemClock()), arn, run, Time(alive)).previews.begin("1", "", 30)
    change(runner, "2")
    ended = runner.run({**inputs, "isolation": "version"}, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    assert [item["operation"] for item in previews(world)] == ["live"]
