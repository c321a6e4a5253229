"""What the report of a run says, where it could be something else than what is so."""

import signal

import pytest

from tests.runner import Runner
from tests.world import FUNCTION, World

pytestmark = pytest.mark.usefixtures("history")

PROMOTE = {"command": "promote", "function-name": FUNCTION, "environment": "preprod", "endpoints": "none"}
ROLLBACK = {"command": "rollback", "function-name": FUNCTION, "environment": "preprod", "endpoints": "none"}
OVERRIDE = {"override": "true", "reason": "it is urgent"}


def change(runner: Runner, number: int) -> None:
    (runner.workspace / "function" / "commit").write_text(str(number))


@pytest.fixture
def two(runner: Runner, inputs: dict[str, str], world: World) -> World:
    """Versions 1 and 2 were promoted."""
    for number in (1, 2):
        change(runner, number)
        ended = runner.run(inputs, commit=f"{number}" * 40, run_id=number)
        assert ended.result == "promoted", ended.log
    return world


def test_a_dry_run_says_that_an_external_change_would_be_ended(runner: Runner, two: World) -> None:
    given = {**PROMOTE, "version": "2", **OVERRIDE}
    same = runner.run({**given, "dry-run": "true"}, run_id=3)
    assert same.outputs["summary"] == "Dry run: nothing would change; preprod of hello serves version 2 already."
    assert (same.outputs["version"], same.outputs["candidate"]) == ("", "")
    assert "was not promoted" not in same.summary
    two.function.update_alias(FunctionName=FUNCTION, Name="preprod", Description="of another tool")
    described = runner.run({**given, "dry-run": "true"}, run_id=4)
    assert described.outputs["summary"].endswith("serves version 2; a run would promote version 2.")
    two.function.update_alias(
        FunctionName=FUNCTION, Name="preprod", RoutingConfig={"AdditionalVersionWeights": {"1": 0.25}}
    )
    shared = runner.run({**given, "dry-run": "true"}, run_id=5)
    assert shared.outputs["summary"].endswith("serves version 2; a run would promote version 2.")


def test_a_lower_version_is_refused_although_the_alias_follows_latest(
    runner: Runner, inputs: dict[str, str], two: World
) -> None:
    two.overwrite_latest("def handler(event, context): return {'statusCode': 200}")
    two.function.publish_version(FunctionName=FUNCTION)  # version 3, whose commit is not known
    change(runner, 4)
    assert runner.run(inputs, commit="4" * 40, run_id=4).outputs["version"] == "4"
    two.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion="$LATEST")
    given = {**PROMOTE, "version": "3", "diverged": "promote", **OVERRIDE}
    for more in ({"dry-run": "true"}, {}):
        ended = runner.run({**given, **more}, commit="", run_id=5)
        assert (ended.code, ended.result, len(ended.errors)) == (1, "refused", 1), ended.log
        assert "preprod serves version 4, which was published after it" in ended.errors[0].message
    assert two.alias_version() == "$LATEST"


def test_a_second_rollback_returns_to_what_was_served_before_an_external_change(runner: Runner, two: World) -> None:
    two.overwrite_latest("def handler(event, context): return {'statusCode': 200}")
    for _ in range(2):
        two.function.publish_version(FunctionName=FUNCTION)
        two.overwrite_latest("def handler(event, context): return {'statusCode': 201}")
    assert two.versions() == ["1", "2", "3", "4"]
    two.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion="4")
    named = runner.run({**ROLLBACK, "version": "3", **OVERRIDE}, run_id=3)
    assert (named.result, two.alias_version()) == ("rolled-back", "3"), named.log
    again = runner.run(ROLLBACK, run_id=4)
    assert (again.result, two.alias_version()) == ("rolled-back", "2"), again.log


def test_a_blocked_promotion_does_not_point_at_the_build_of_another_commit(runner: Runner, two: World) -> None:
    given = {**PROMOTE, "environment": "prod", "version": "1", "endpoints": "http", "checks": "GET /health 404"}
    ended = runner.run(given, run_id=3)
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert "Push a fix. A rollback is not needed." in ended.errors[0].message
    assert "The broken build is still at" not in ended.errors[0].message
    assert two.alias_version() == "2"


def test_only_what_has_failed_is_said_to_have_failed(runner: Runner, inputs: dict[str, str], world: World) -> None:
    several = {**inputs, "function-name": "hello\nother", "checks": "hello: GET /health\nother: GET /health 404"}
    held = world.hold("hold-after", "execute-api.Invoke")
    started = runner.start(several, commit="1" * 40, run_id=1)
    held.wait_until_hit(30)
    world.overwrite_latest("def handler(event, context): return {'statusCode': 200}")
    world.account.clear_faults()
    ended = started.wait()
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert ended.errors[0].message.startswith("other failed verification, so preprod of hello and other still serves")


def test_a_run_cancelled_after_the_move_says_what_gets_the_traffic(
    runner: Runner, inputs: dict[str, str], two: World
) -> None:
    two.function.put_provisioned_concurrency_config(
        FunctionName=FUNCTION, Qualifier="preprod", ProvisionedConcurrentExecutions=1
    )
    change(runner, 3)
    two.account.inject("update-lasts", "lambda.UpdateAlias", seconds=60)
    held = two.account.inject("hold-after", "dynamodb.TransactWriteItems", nth=2)
    started = runner.start(inputs, commit="3" * 40, run_id=3)
    held.wait_until_hit(30)
    started.process.send_signal(signal.SIGINT)
    ended = started.wait()
    assert ended.outputs["summary"] == (
        "preprod of hello points at version 3, but Lambda still sends all its traffic to version 2."
    ), ended.log
