"""Aliases with provisioned concurrency, whose traffic follows later, and aliases whose traffic was split externally."""

import json
from typing import Any

import pytest

from sandbox.client import Account
from tests.conftest import hurried
from tests.past import Pasts, first_release
from tests.runner import Ended, Runner
from tests.world import FUNCTION, World, get

pytestmark = pytest.mark.usefixtures("history")

READS = ("Get", "Query", "List", "Invoke", "Describe")


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], world: World) -> Ended:
    """Version 1 is served, with provisioned concurrency. Commit 2 is in the workspace."""
    ended = first_release(pasts, runner, world.account, inputs)
    world.function.put_provisioned_concurrency_config(
        FunctionName=FUNCTION, Qualifier="preprod", ProvisionedConcurrentExecutions=1
    )
    change(runner, 2)
    world.account.forget()
    return ended


def change(runner: Runner, number: int) -> None:
    (runner.workspace / "function" / "commit").write_text(str(number))


def lasts(world: World, seconds: float) -> None:
    world.account.inject("update-lasts", "lambda.UpdateAlias", seconds=seconds)


def weights(world: World) -> Any:
    alias = world.function.get_alias(FunctionName=FUNCTION, Name="preprod")
    return alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})


def share(world: World, **given: float) -> None:
    world.function.update_alias(
        FunctionName=FUNCTION, Name="preprod", RoutingConfig={"AdditionalVersionWeights": given}
    )
    world.account.forget()


def writes(world: World) -> list[str]:
    return [call.name for call in world.account.calls() if not call.operation.startswith(READS)]


def test_a_promotion_waits_without_the_lock_until_the_traffic_has_followed(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    lasts(world, 4)
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    started.wait_for("until provisioned concurrency")
    assert weights(world) == {"1": 1.0}
    assert world.lock_owner() == ""
    assert world.history() == [("", "1"), ("1", "2")]
    ended = started.wait()
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert weights(world) == {}
    assert not ended.annotations
    assert "Lambda sent all traffic of preprod of hello to version 1 for" in ended.summary
    assert get(promoted.outputs["environment-url"] + "/health") == (200, {"status": "ok"})


@pytest.mark.parametrize("change", ["deny", "delete"])
def test_a_promotion_does_not_say_that_the_traffic_has_followed_if_that_is_not_known(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, change: str
) -> None:
    lasts(world, 4)
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    started.wait_for("until provisioned concurrency")
    if change == "deny":
        name = "lambda.GetProvisionedConcurrencyConfig"
        world.account.inject("error-before", name, times=0, status=403, code="AccessDenied")
    else:
        world.function.delete_alias(FunctionName=FUNCTION, Name="preprod")
    ended = started.wait()
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert "was ready" not in ended.summary.replace("It is not known whether provisioned concurrency was ready", "")
    said = "was ready: AWS denies" if change == "deny" else "was ready: the alias was deleted"
    assert any(said in annotation.message for annotation in ended.annotations), ended.annotations
    assert promoted.result == "promoted"


def test_a_promotion_that_waited_in_vain_says_what_is_served(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    lasts(world, 60)
    ended = hurried(runner).run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    [warning] = ended.annotations
    assert "points at version 2, but Lambda still sends all its traffic to version 1" in warning.message
    assert "still sends all its traffic to version 1" in ended.outputs["summary"]
    assert weights(world) == {"1": 1.0}
    status = runner.run({"command": "status", "function-name": FUNCTION})
    assert "all traffic goes to version 1 until provisioned concurrency has moved" in status.summary
    assert "externally" not in status.log
    # The same commit again has nothing to do, and does not end the weight. A newer one waits, and moves nothing.
    same = hurried(runner).run(inputs, commit="2" * 40, run_id=2)
    assert (same.code, same.result, weights(world)) == (0, "unchanged", {"1": 1.0}), same.log
    change(runner, 3)
    late = hurried(runner).run(inputs, commit="3" * 40, run_id=3)
    assert (late.code, late.result) == (1, "failed"), late.log
    assert "Lambda still moves provisioned concurrency" in late.errors[0].message
    assert (world.alias_version(), weights(world)) == ("2", {"1": 1.0})
    # A rollback does not wait.
    back = runner.run({"command": "rollback", "function-name": FUNCTION, "environment": "preprod", "endpoints": "none"})
    assert (back.code, back.result, world.alias_version(), weights(world)) == (0, "rolled-back", "1", {}), back.log
    assert promoted.outputs["version"] == "1"


def test_the_next_promotion_waits_before_it_moves_the_alias(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    lasts(world, 6)
    first = runner.start(inputs, commit="2" * 40, run_id=2)
    first.wait_for("until provisioned concurrency")
    change(runner, 3)
    ended = runner.run(inputs, commit="3" * 40, run_id=3)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert "until provisioned concurrency for version 2 is ready" in ended.log
    assert first.wait().result == "promoted"
    assert world.history() == [("", "1"), ("1", "2"), ("2", "3")]
    assert not ended.annotations  # nothing was changed externally
    assert promoted.result == "promoted"


def test_capacity_that_cannot_be_allocated_is_left_by_a_rollback(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.account.inject("update-fails", "lambda.UpdateAlias", code="FUNCTION_ERROR_INIT_FAILURE")
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    [warning] = ended.annotations
    assert "could not be allocated (FUNCTION_ERROR_INIT_FAILURE)" in warning.message
    assert "command: rollback" in warning.message
    change(runner, 3)
    world.account.forget()
    refused = runner.run(inputs, commit="3" * 40, run_id=3)
    assert (refused.code, refused.result, len(refused.errors)) == (1, "refused", 1), refused.log
    assert "lambda.UpdateFunctionCode" not in writes(world)
    assert weights(world) == {"1": 1.0}
    back = runner.run({"command": "rollback", "function-name": FUNCTION, "environment": "preprod", "endpoints": "none"})
    assert (back.result, world.alias_version(), weights(world)) == ("rolled-back", "1", {}), back.log
    again = runner.run(inputs, commit="3" * 40, run_id=3, attempt=2)
    assert again.result == "promoted", again.log
    assert (world.alias_version(), weights(world)) == ("3", {})
    assert promoted.result == "promoted"


@pytest.mark.parametrize("fault", ["update-fails", "update-lasts"])
def test_an_override_does_not_wait_for_capacity(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, fault: str
) -> None:
    """Whether Lambda could not allocate it, or still moves it to the version that is replaced."""
    if fault == "update-lasts":
        lasts(world, 600)
    else:
        world.account.inject(fault, "lambda.UpdateAlias", code="FUNCTION_ERROR_INIT_FAILURE")
    first = hurried(runner).run(inputs, commit="2" * 40, run_id=2)
    assert (first.result, weights(world)) == ("promoted", {"1": 1.0}), first.log
    change(runner, 3)
    ended = runner.run({**inputs, "override": "true", "reason": "it is urgent"}, commit="3" * 40, run_id=3)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "3"), ended.log
    assert "until provisioned concurrency for version 2 is ready" not in ended.log
    assert world.records("promotion")[-1]["reason"] == "it is urgent"
    assert promoted.result == "promoted"


@pytest.fixture
def split(runner: Runner, inputs: dict[str, str], world: World) -> World:
    """A person gives a quarter of the traffic to version 1. Version 3 is in another environment. Commit 4 is new."""
    for number, environment in ((1, "preprod"), (2, "preprod"), (3, "stage")):
        change(runner, number)
        given = {**inputs, "environment": environment}
        assert runner.run(given, commit=str(number) * 40, run_id=number).result == "promoted"
    change(runner, 4)
    share(world, **{"1": 0.25})
    return world


COMMANDS: dict[str, dict[str, str]] = {
    "run": {},
    "promote": {"command": "promote", "from": "stage"},
    "rollback": {"command": "rollback"},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_split_that_a_person_has_set_is_not_ended_unasked(
    runner: Runner, inputs: dict[str, str], split: World, command: str
) -> None:
    given = inputs if command == "run" else {"function-name": FUNCTION, "environment": "preprod", "endpoints": "none"}
    ended = runner.run({**given, **COMMANDS[command]}, commit="4" * 40, run_id=4)
    assert (ended.code, ended.result, len(ended.errors)) == (1, "refused", 1), ended.log
    assert "25% to version 1 and 75% to version 2" in ended.errors[0].message
    assert "override: true" in ended.errors[0].message
    assert [name for name in writes(split) if name != "dynamodb.UpdateItem"] == []  # only the lock
    assert (split.alias_version(), weights(split)) == ("2", {"1": 0.25})
    assert split.lock_owner() == ""


def test_what_an_environment_splits_is_not_promoted_unasked(runner: Runner, split: World) -> None:
    wanted = {
        "command": "promote",
        "function-name": FUNCTION,
        "github-deployments": "false",
        "environment": "prod",
        "from": "preprod",
    }
    ended = runner.run(wanted, run_id=9)
    assert (ended.code, ended.result, len(ended.errors)) == (1, "refused", 1), ended.log
    assert "The environment preprod of hello splits its traffic" in ended.errors[0].message
    assert "override: true" in ended.errors[0].message
    assert (split.alias_version("prod"), weights(split)) == ("", {"1": 0.25})
    ended = runner.run({**wanted, "override": "true", "reason": "it is the newest"}, run_id=9)
    assert (ended.code, ended.result, split.alias_version("prod")) == (0, "promoted", "2"), ended.log
    assert weights(split) == {"1": 0.25}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_split_is_ended_by_an_override(runner: Runner, inputs: dict[str, str], split: World, command: str) -> None:
    given = inputs if command == "run" else {"function-name": FUNCTION, "environment": "preprod", "endpoints": "none"}
    asked = {"override": "true", "reason": "the canary was fine"}
    ended = runner.run({**given, **COMMANDS[command], **asked}, commit="4" * 40, run_id=4)
    assert (ended.code, weights(split)) == (0, {}), ended.log
    assert split.alias_version() == {"run": "4", "promote": "3", "rollback": "1"}[command]
    [*_, move] = [item for item in split.records("promotion") if "#preprod#" in item["sk"]]
    assert move["reason"] == "the canary was fine"
    if command != "rollback":
        assert {annotation.kind for annotation in ended.annotations} == {"warning"}
        assert any("ended a traffic split" in annotation.message for annotation in ended.annotations)


def test_a_weight_of_1_is_kept_if_its_origin_is_unknown(
    runner: Runner, inputs: dict[str, str], split: World, account: Account
) -> None:
    share(split, **{"1": 1.0})
    ended = runner.run(inputs, commit="4" * 40, run_id=4)
    assert (ended.code, ended.result) == (1, "refused"), ended.log  # set by a person
    account.inject("error-before", "lambda.GetProvisionedConcurrencyConfig", times=0, status=403, code="AccessDenied")
    ended = runner.run(inputs, commit="4" * 40, run_id=4)
    assert (ended.code, ended.result) == (1, "refused"), ended.log
    assert "could not read" in ended.errors[0].message
    assert "lambda.UpdateAlias" not in writes(split)


def test_a_split_that_comes_later_is_seen_before_the_move(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.account.inject("hold-before", "lambda.UpdateAlias")
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    share(world, **{"2": 0.25})
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (1, "refused"), ended.log
    assert (world.alias_version(), weights(world)) == ("1", {"2": 0.25})
    assert promoted.result == "promoted"


def test_several_functions_wait_for_all_of_their_capacity(runner: Runner, inputs: dict[str, str], world: World) -> None:
    names = ("hello", "other")
    several = {**inputs, "function-name": "\n".join(names), "checks": "hello: GET /health\nother: GET /health"}
    assert runner.run(several, commit="1" * 40, run_id=1).result == "promoted"
    world.function.put_provisioned_concurrency_config(
        FunctionName="other", Qualifier="preprod", ProvisionedConcurrentExecutions=1
    )
    change(runner, 2)
    world.account.inject("update-lasts", "lambda.UpdateAlias", times=0, seconds=4)
    started = runner.start(several, commit="2" * 40, run_id=2)
    started.wait_for("until provisioned concurrency")
    assert {item.get("owner") for item in world.records("lock")} == {None}
    ended = started.wait()
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert "Lambda sent all traffic of preprod of other to version 1 for" in ended.summary
    assert not ended.annotations
    assert json.loads(ended.outputs["functions"])["other"]["version"] == "2"


def test_several_functions_say_whose_traffic_has_not_followed(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    several = {**inputs, "function-name": "hello\nother", "checks": "hello: GET /health\nother: GET /health"}
    assert runner.run(several, commit="1" * 40, run_id=1).result == "promoted"
    world.function.put_provisioned_concurrency_config(
        FunctionName="other", Qualifier="preprod", ProvisionedConcurrentExecutions=1
    )
    change(runner, 2)
    world.account.inject("update-lasts", "lambda.UpdateAlias", times=0, seconds=60)
    ended = hurried(runner).run(several, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    said = "preprod of hello and other points at one release: hello 2 (before: 1) and other 2 (before: 1). preprod of "
    said += "other points at version 2, but Lambda still sends all its traffic to version 1."
    assert ended.outputs["summary"] == said


def test_a_weight_of_zero_splits_nothing(runner: Runner, inputs: dict[str, str], world: World) -> None:
    runner.run(inputs, commit="1" * 40, run_id=1)
    change(runner, 2)
    assert runner.run({**inputs, "checks": "GET /nowhere 200"}, commit="2" * 40, run_id=2).result == "blocked"
    share(world, **{"2": 0.0})
    assert weights(world) == {"2": 0.0}
    change(runner, 3)
    ended = runner.run(inputs, commit="3" * 40, run_id=3)
    assert (ended.code, ended.result, weights(world)) == (0, "promoted", {}), ended.log
    assert "traffic" not in ended.log
