"""A rollback or a run meets a release that is not finished: it ends it, and says what it has done."""

from pathlib import Path

import pytest

from sandbox.client import Account
from tests.conftest import hurried
from tests.integration.test_application import Application
from tests.repository import line
from tests.runner import Ended, Runner
from tests.world import TABLE, World

ROLLBACK = {"command": "rollback", "function-name": "hello", "environment": "preprod", "reason": "it hangs"}


def release(runner: Runner, inputs: dict[str, str], number: int) -> Ended:
    (runner.workspace / "function" / "commit").write_text(str(number))
    ended = runner.run(inputs, commit=f"{number:x}" * 40, run_id=number)
    assert ended.result == "promoted", ended.log
    return ended


def kill(
    runner: Runner, world: World, inputs: dict[str, str], number: int, call: str, *, kind: str = "hold-before"
) -> None:
    """Kill the run of a commit at a call, before or after its effect."""
    held = world.account.inject(kind, call)
    killed = runner.start(inputs, commit=f"{number:x}" * 40, run_id=number)
    held.wait_until_hit(60)
    killed.kill()
    world.account.clear_faults()


def back(runner: Runner, **further: str) -> Ended:
    return runner.run({**ROLLBACK, **further}, commit="9" * 40, run_id=99)


@pytest.fixture
def two(runner: Runner, inputs: dict[str, str], world: World) -> World:
    """The environment serves version 2, and has served version 1."""
    line(runner.workspace)
    release(runner, inputs, 1)
    release(runner, inputs, 2)
    return world


def begin_3(runner: Runner, world: World, inputs: dict[str, str]) -> None:
    (runner.workspace / "function" / "commit").write_text("3")
    kill(runner, world, inputs, 3, "lambda.UpdateAlias")


def test_a_rollback_that_is_refused_leaves_it_as_it_is(runner: Runner, inputs: dict[str, str], two: World) -> None:
    begin_3(runner, two, inputs)
    before = two.items()
    ended = back(runner, version="99")
    assert (ended.code, ended.result, len(ended.errors)) == (1, "refused", 1), ended.log
    assert "version 99 of hello: it does not exist" in ended.errors[0].message
    assert two.items() == before


def test_a_rollback_of_one_that_moves_nothing_leaves_the_version(
    runner: Runner, inputs: dict[str, str], two: World
) -> None:
    """The newer commit has the same code, so its release only records the commit."""
    kill(runner, two, inputs, 3, "dynamodb.TransactWriteItems", kind="hold-after")
    assert "pending" in two.records("environment")[0]
    ended = back(runner)
    assert (ended.code, ended.result, ended.outputs["version"]) == (0, "rolled-back", "1"), ended.log
    assert two.alias_version() == "1"
    assert [entry["version"] for entry in two.records("environment")[0]["rolled_back"]] == ["2"]


def test_a_rollback_that_meets_it_late_moves_nothing_forward(
    runner: Runner, inputs: dict[str, str], two: World
) -> None:
    held = two.account.inject("hold-before", "dynamodb.TransactWriteItems")
    late = runner.start({**ROLLBACK}, commit="9" * 40, run_id=99)
    held.wait_until_hit(60)
    moving = two.account.inject("hold-before", "lambda.UpdateAlias")
    (runner.workspace / "function" / "commit").write_text("3")
    killed = runner.start(inputs, commit="3" * 40, run_id=3)
    moving.wait_until_hit(60)
    killed.kill()
    moving.release()
    held.release()
    ended = late.wait()
    two.account.clear_faults()
    assert (ended.code, ended.result, ended.outputs["version"]) == (0, "rolled-back", "1"), ended.log
    assert two.history() == [("", "1"), ("1", "2"), ("2", "1")]
    assert {entry["version"] for entry in two.records("environment")[0]["rolled_back"]} == {"2", "3"}


@pytest.mark.parametrize("change", ["failed", "deleted"])
def test_a_run_does_not_complete_it_if_its_version_is_not_verified_any_more(
    runner: Runner, inputs: dict[str, str], two: World, change: str
) -> None:
    begin_3(runner, two, inputs)
    if change == "failed":
        prod = {**inputs, "command": "promote", "environment": "prod", "version": "3", "artifact": ""}
        again = runner.run(
            {name: prod[name] for name in ("command", "function-name", "environment", "version")}
            | {"checks": "GET /health 404"},
            run_id=4,
        )
        assert again.result == "blocked", again.log
    else:
        arn = two.records("environment")[0]["pk"]
        two.table.delete_item(TableName=TABLE, Key={"pk": {"S": arn}, "sk": {"S": f"version#{3:010d}"}})
    # An older commit finds the release unfinished.
    (runner.workspace / "function" / "commit").write_text("1")
    ended = hurried(runner).run(inputs, commit="1" * 40, run_id=5)
    assert ended.result == "superseded", ended.log
    assert two.alias_version() == "2"
    [found] = [item for item in two.records("release") if item["run_id"] == 3]
    assert found["stage"] == "rolled_back"


def test_a_mark_of_a_release_that_has_ended_is_named(runner: Runner, inputs: dict[str, str], two: World) -> None:
    key = two.records("environment")[0]["released"]
    arn = two.records("environment")[0]["pk"]
    two.table.update_item(
        TableName=TABLE,
        Key={"pk": {"S": arn}, "sk": {"S": "environment#preprod"}},
        UpdateExpression="SET pending = :key",
        ExpressionAttributeValues={":key": {"M": {name: {"S": text} for name, text in key.items()}}},
    )
    (runner.workspace / "function" / "commit").write_text("3")
    ended = runner.run(inputs, commit="3" * 40, run_id=3)
    assert (ended.code, ended.result, len(ended.errors)) == (1, "failed", 1), ended.log
    assert "but that release has ended" in ended.errors[0].message
    assert "remove the attribute pending" in ended.errors[0].message


def test_a_rollback_of_all_goes_on_if_one_release_was_complete(tmp_path: Path, account: Account) -> None:
    """The release of api alone had moved, that of mail alone had not."""
    application = Application(tmp_path / "runner", account)
    world, runner = application.world, application.runner
    application.run(1)
    application.change("api", "mail", "worker", text="2")
    application.run(2)
    for name, kind in (("api", "hold-after"), ("mail", "hold-before")):
        application.change(name, text="3")
        alone = {**application.inputs, "function-name": f"{name} = {name}", "checks": "GET /health 200"}
        held = world.account.inject(kind, "lambda.UpdateAlias")
        killed = runner.start(alone, commit=f"{3:040x}", run_id=3)
        held.wait_until_hit(60)
        killed.kill()
        world.account.clear_faults()
    ended = application.run(9, command="rollback", artifact="", checks="", lease="", reason="it hangs")
    assert (ended.code, ended.result) == (0, "rolled-back"), ended.log
    assert application.serves() == {"api": "2", "mail": "2", "worker": "2"}
    kept_out = {item["pk"].rpartition(":")[2]: item.get("rolled_back", []) for item in world.records("environment")}
    assert {name: [entry["version"] for entry in entries] for name, entries in kept_out.items()} == {
        "api": ["3"],
        "mail": ["3"],
        "worker": [],
    }
    application.assert_whole("api", "mail", "worker")  # the locks of dead runs stay


def test_a_rollback_of_one_that_is_being_rolled_back_keeps_its_code_out(tmp_path: Path, account: Account) -> None:
    """Its own run could not move one alias, and then not restore the others."""
    application = Application(tmp_path / "runner", account)
    application.run(1)
    application.change("api", "mail", "worker", text="2")
    world = application.world
    held = world.account.inject("hold-before", "lambda.UpdateAlias", nth=4)  # the first one back
    world.account.inject("error-before", "lambda.UpdateAlias", nth=3, status=400, code="InvalidParameterValueException")
    killed = application.runner.start(application.inputs, commit=f"{2:040x}", run_id=2)
    held.wait_until_hit(60)
    killed.kill()
    world.account.clear_faults()
    [found] = [item for item in world.records("release") if item["run_id"] == 2]
    assert found["stage"] == "rolling_back"
    ended = application.run(9, command="rollback", artifact="", checks="", lease="", reason="it hangs")
    assert (ended.code, ended.result) == (0, "rolled-back"), ended.log
    assert application.serves() == dict.fromkeys(application.serves(), "1")
    for item in world.records("environment"):
        assert [(entry["version"], entry["reason"]) for entry in item["rolled_back"]] == [("2", "it hangs")]
    again = application.run(2)
    assert (again.code, again.result) == (1, "refused"), again.log
    application.assert_whole("api", "mail", "worker")  # the locks of dead runs stay
