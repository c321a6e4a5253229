"""AWS throttles the calls of a run, or does not know a new role yet: the run waits as long as its limits allow."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.client import Account
from tests.conftest import hurried
from tests.runner import Ended, Runner
from tests.world import World

pytestmark = pytest.mark.usefixtures("history")

LONG = {"lease": "3600"}
"""The clock of these tests is hurried, and the heartbeat is not."""

REFUSED: Mapping[str, Any] = {"status": 400, "code": "InvalidParameterValueException"}
ROLE = "The role defined for the function cannot be assumed by Lambda."
NETWORK = "The provided execution role does not have permissions to call CreateNetworkInterface on EC2"


@pytest.fixture
def promoted(runner: Runner, inputs: dict[str, str], account: Account) -> Ended:
    """Commit 1 is served. Commit 2 is in the workspace."""
    ended = runner.run(inputs, commit="1" * 40, run_id=1)
    assert ended.result == "promoted", ended.log
    (runner.workspace / "function" / "commit").write_text("2")
    account.forget()
    return ended


@pytest.mark.usefixtures("promoted")
@pytest.mark.parametrize(
    "operation",
    [
        "lambda.UpdateAlias",
        "lambda.UpdateFunctionCode",
        "lambda.GetFunctionConfiguration",
        "dynamodb.UpdateItem",
        "dynamodb.TransactWriteItems",
        "dynamodb.Query",
    ],
)
def test_throttling_is_waited_for(runner: Runner, inputs: dict[str, str], world: World, operation: str) -> None:
    world.account.inject("throttle", operation, times=15)
    ended = hurried(runner).run({**inputs, **LONG}, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    assert ended.log.count("AWS throttles") == 1
    assert "up to 10 minutes" in ended.log
    assert not ended.annotations


@pytest.mark.usefixtures("promoted")
def test_a_lock_whose_acquisition_is_throttled_for_longer_than_the_lease_is_held(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    world.account.inject("throttle", "dynamodb.UpdateItem", times=15)
    ended = hurried(runner).run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    assert not ended.annotations


def test_throttling_of_a_first_run_is_waited_for(runner: Runner, inputs: dict[str, str], world: World) -> None:
    for operation in (
        "lambda.CreateFunction",
        "lambda.AddPermission",
        "apigatewayv2.CreateApi",
        "dynamodb.CreateTable",
    ):
        world.account.inject("throttle", operation, times=8)
    ended = hurried(runner).run({**inputs, **LONG})
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "1"), ended.log
    assert len(world.apis()) == 2


@pytest.mark.usefixtures("promoted")
def test_what_is_throttled_for_too_long_ends_the_run_and_says_so(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    world.account.inject("throttle", "lambda.UpdateAlias", times=0)
    ended = hurried(runner).run({**inputs, **LONG}, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, ended.outputs["promoted"], world.alias_version()) == (1, "failed", "false", "1")
    [error] = ended.errors
    assert "AWS throttles UpdateAlias for 600 seconds (TooManyRequestsException: Rate exceeded)" in error.message
    assert "this account and region" in error.message
    assert world.lock_owner() == ""


@pytest.fixture
def event(runner: Runner, inputs: dict[str, str]) -> dict[str, str]:
    """Return inputs that verify with an event."""
    (runner.workspace / "event.json").write_text(json.dumps({"rawPath": "/health", "requestContext": {}}))
    return {**inputs, **LONG, "endpoints": "none", "checks": "", "invoke": "event.json statusCode == `200`"}


def test_a_throttled_invocation_is_repeated(runner: Runner, event: dict[str, str], world: World) -> None:
    world.account.inject("throttle", "lambda.Invoke", times=6)
    ended = hurried(runner).run(event)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "1"), ended.log


def test_a_function_whose_reserved_concurrency_is_0_does_not_hold_the_lock_until_verify_timeout(
    runner: Runner, event: dict[str, str], world: World
) -> None:
    assert runner.run(event, commit="1" * 40, run_id=1).result == "promoted"
    world.function.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=0)
    (runner.workspace / "function" / "commit").write_text("2")
    ended = hurried(runner).run(event, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, world.alias_version()) == (1, "blocked", "1"), ended.log
    assert "AWS throttles Invoke for 60 seconds: the reserved concurrency of the function is used up" in ended.log
    assert world.lock_owner() == ""


def test_an_invocation_that_is_throttled_until_verify_timeout_is_inconclusive(
    runner: Runner, event: dict[str, str], world: World
) -> None:
    world.account.inject("throttle", "lambda.Invoke", times=0)
    ended = hurried(runner).run({**event, "verify-timeout": "1"})
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert "AWS throttles Invoke" in ended.log
    assert world.records("version")[0]["verdict"]["outcome"] == "inconclusive"
    assert world.lock_owner() == ""


@pytest.mark.usefixtures("promoted")
@pytest.mark.parametrize("message", [ROLE, NETWORK])
def test_a_new_role_is_waited_for_on_an_update(
    runner: Runner, inputs: dict[str, str], world: World, message: str
) -> None:
    world.account.inject("error-before", "lambda.UpdateFunctionConfiguration", times=12, **REFUSED, message=message)
    given = {**inputs, **LONG, "role": f"{inputs['role']}-new"}
    ended = hurried(runner).run(given, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    assert ended.log.count("Lambda cannot use the function's role yet") == 1


@pytest.mark.usefixtures("promoted")
def test_a_role_that_never_works_ends_the_run_with_lambdas_reason(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    world.account.inject("error-before", "lambda.UpdateFunctionConfiguration", times=0, **REFUSED, message=ROLE)
    given = {**inputs, **LONG, "role": f"{inputs['role']}-new"}
    ended = hurried(runner).run(given, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, world.alias_version()) == (1, "failed", "1"), ended.log
    [error] = ended.errors
    assert ROLE in error.message


@pytest.mark.usefixtures("promoted")
def test_a_run_that_waits_for_the_end_of_throttling_can_be_cancelled(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    world.account.inject("throttle", "lambda.UpdateAlias", times=0)
    started = runner.start({**inputs, "lease": "8"}, commit="2" * 40, run_id=2)
    started.wait_for("AWS throttles UpdateAlias")
    ended = started.cancel()
    assert (ended.code, world.alias_version()) == (1, "1"), ended.log
    assert "cancelled" in ended.errors[0].message
    world.account.clear_faults()
    runner.finish()
    assert world.lock_owner() == ""
