"""What was read before a wait is read again before each move: versions, aliases, and the alias in ``from``.

Also what stops a run before it changes anything: aliases that follow $LATEST, and a configuration that is unknown.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sandbox.client import Account
from tests.conftest import counting, hurried
from tests.past import Pasts
from tests.runner import Ended, Runner, edit
from tests.world import FUNCTION, TABLE, World, archive, get

pytestmark = pytest.mark.usefixtures("history")

OTHER = "def handler(event, context): return {'statusCode': 200, 'body': 'nobody has verified this'}"
OF_ANOTHER_TOOL = """def handler(event, context): return {'statusCode': 200, 'body': '{"by": "another tool"}'}"""
PROMOTE = {
    "command": "promote",
    "function-name": FUNCTION,
    "environment": "prod",
    "endpoints": "none",
    "github-deployments": "false",
}
ROLLBACK = {**PROMOTE, "command": "rollback", "environment": "preprod"}
READS = ("Get", "List", "Query", "Scan", "Describe", "Invoke")


def writes(account: Account) -> list[str]:
    return [call.name for call in account.calls() if not call.operation.startswith(READS)]


def assert_fails(ended: Ended, says: str, *, result: str = "failed") -> None:
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (1, result, "false"), ended.log
    assert len(ended.errors) == 1, ended.log
    assert says.lower() in ended.errors[0].message.lower(), ended.errors[0].message
    assert "Traceback" not in ended.log


def create_again(world: World, alias: str = "") -> None:
    """Delete the function, and create one with the same name and other code, whose first version is 1 again."""
    configuration = world.function.get_function_configuration(FunctionName=FUNCTION)
    world.function.delete_function(FunctionName=FUNCTION)
    world.function.create_function(
        FunctionName=FUNCTION,
        Runtime="python3.13",
        Handler="app.handler",
        Role=configuration["Role"],
        Code={"ZipFile": archive({"app.py": OTHER})},
        Publish=True,
    )
    world.settle()
    if alias:
        world.function.create_alias(FunctionName=FUNCTION, Name=alias, FunctionVersion="1")


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], account: Account) -> Ended:
    """Commit 1 is served as version 1, and commit 2 as version 2."""

    def make() -> Ended:
        first = runner.run(inputs, commit="1" * 40, run_id=1)
        assert first.result == "promoted", first.log
        edit(runner.workspace, "Hello", "Goodbye")
        ended = runner.run({**inputs, "checks": "GET /health"}, commit="2" * 40, run_id=2)
        assert ended.result == "promoted", ended.log
        return ended

    ended = pasts.of("commit 1 is served, then Goodbye", runner, account, inputs, make)
    account.forget()
    return ended


# The version's content


@pytest.mark.parametrize("alias", ["", "preprod"])
@pytest.mark.parametrize("isolation", ["version", "latest"])
def test_a_version_of_a_function_that_was_created_again_is_not_the_one_that_was_verified(
    runner: Runner, inputs: dict[str, str], world: World, isolation: str, alias: str
) -> None:
    (runner.workspace / "event.json").write_text(json.dumps({"rawPath": "/health"}))
    invoking = {"checks": "", "invoke": "event.json statusCode == `200`", "endpoints": "none"}
    held = world.hold("hold-after", "lambda.Invoke")
    started = runner.start({**inputs, **invoking, "isolation": isolation}, commit="1" * 40)
    held.wait_until_hit(30)
    create_again(world, alias)
    held.release()
    assert_fails(started.wait(), "version 1 of hello has other code or configuration than the version that was verif")
    assert world.alias_version() == ("1" if alias else "")
    assert world.history() == []
    assert [item.get("released") for item in world.records("environment")] in ([], [None])


def test_a_rollback_does_not_create_the_alias_of_a_function_that_was_created_again(
    runner: Runner, world: World, promoted: Ended
) -> None:
    held = world.hold("hold-before", "lambda.UpdateAlias")
    started = runner.start({**ROLLBACK, "version": "1"}, commit="9" * 40, run_id=9)
    held.wait_until_hit(30)
    create_again(world)
    held.release()
    assert_fails(started.wait(), "version 1 of hello has other code or configuration than the version that was verif")
    assert world.alias_version() == ""
    assert promoted.outputs["version"] == "2"


def test_a_promotion_does_not_move_an_alias_to_a_version_that_was_created_again(
    runner: Runner, world: World, promoted: Ended
) -> None:
    held = world.hold("hold-before", "lambda.CreateAlias")
    started = runner.start({**PROMOTE, "version": "1"}, commit="9" * 40, run_id=9)
    held.wait_until_hit(30)
    # The alias of the function that was created again makes the creation fail, and the run decides again.
    create_again(world, "prod")
    held.release()
    assert_fails(started.wait(), "version 1 of hello has other code or configuration than the version that was verif")
    assert world.function.get_alias(FunctionName=FUNCTION, Name="prod")["Description"] == ""
    assert promoted.outputs["version"] == "2"


# The alias


def delete_alias(world: World) -> None:
    world.function.delete_alias(FunctionName=FUNCTION, Name="preprod")


def create_again_with_alias(world: World) -> None:
    create_again(world, "preprod")


@pytest.mark.parametrize("delete", [delete_alias, create_again, create_again_with_alias])
def test_an_alias_that_was_deleted_supersedes_nothing(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, delete: Callable[[World], None]
) -> None:
    delete(world)
    edit(runner.workspace, "Goodbye", "Hello")
    (runner.workspace / "function" / "NOTES").write_text("the older commit")
    older = runner.run(inputs, commit="1" * 40, run_id=1)
    assert (older.code, older.result) == (0, "promoted"), older.log
    assert world.alias_version() == older.outputs["version"]
    assert get(older.outputs["environment-url"] + "/health") == (200, {"status": "ok"})
    assert promoted.outputs["version"] == "2"


def test_an_alias_that_is_deleted_during_the_verification_supersedes_nothing(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.hold("hold-after", "execute-api.Invoke")
    (runner.workspace / "function" / "NOTES").write_text("3")
    started = runner.start({**inputs, "checks": "GET /health"}, commit="3" * 40, run_id=3)
    held.wait_until_hit(30)
    world.function.delete_alias(FunctionName=FUNCTION, Name="preprod")
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "3"), ended.log
    assert promoted.outputs["version"] == "2"


def test_an_alias_that_is_moved_during_the_verification_is_decided_upon_again(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """The run has read the alias at its start. Its RevisionId shows that it has been moved since."""
    held = world.hold("hold-after", "execute-api.Invoke")
    (runner.workspace / "function" / "NOTES").write_text("3")
    started = runner.start({**inputs, "checks": "GET /health"}, commit="3" * 40, run_id=3)
    held.wait_until_hit(30)
    assert runner.run({**ROLLBACK, "reason": "it is slow"}, commit="9" * 40, run_id=9).result == "rolled-back"
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert world.history()[-2:] == [("2", "1"), ("1", "3")]
    assert promoted.outputs["version"] == "2"


# The alias in ``from``


def test_the_environment_to_promote_from_is_read_again_under_the_lock(
    runner: Runner, world: World, promoted: Ended
) -> None:
    lock = {"command": "lock", "function-name": FUNCTION}
    step = runner.start(lock, run_id=7)
    assert step.wait().result == "locked"
    started = runner.start({**PROMOTE, "from": "preprod"}, commit="9" * 40, run_id=9)
    started.wait_for("held by run 7")
    assert runner.run({**ROLLBACK, "reason": "it is slow"}, commit="9" * 40, run_id=8).result == "rolled-back"
    assert runner.post(lock, run_id=7, environ=step.saved).code == 0
    ended = started.wait()
    assert (ended.code, ended.result, world.alias_version("prod")) == (0, "promoted", "1"), ended.log
    assert "preprod now serves version 1 instead of version" in ended.log
    assert (ended.outputs["version"], world.records("promotion")[-1]["commit"]) == ("1", "1" * 40)
    assert promoted.outputs["version"] == "2"


def test_what_was_verified_is_not_promoted_if_the_environment_serves_another_version_by_then(
    runner: Runner, world: World, promoted: Ended
) -> None:
    (runner.workspace / "event.json").write_text(json.dumps({"rawPath": "/health"}))
    held = world.hold("hold-after", "lambda.Invoke")
    given = {**PROMOTE, "from": "preprod", "invoke": "event.json statusCode == `200`"}
    started = runner.start(given, commit="9" * 40, run_id=9)
    held.wait_until_hit(30)
    assert runner.run({**ROLLBACK, "reason": "it is slow"}, commit="9" * 40, run_id=8).result == "rolled-back"
    held.release()
    assert_fails(started.wait(), "preprod of hello was moved from version 2 to version 1 while this run verified")
    assert world.alias_version("prod") == ""
    assert promoted.outputs["version"] == "2"


# Aliases that follow $LATEST


def follow_latest(world: World, name: str) -> None:
    try:
        world.function.update_alias(FunctionName=FUNCTION, Name=name, FunctionVersion="$LATEST")
    except world.function.exceptions.ResourceNotFoundException:
        world.function.create_alias(FunctionName=FUNCTION, Name=name, FunctionVersion="$LATEST")


@pytest.mark.parametrize("command", ["run", "deploy", "lock"])
def test_another_alias_on_latest_is_refused_before_anything_is_changed(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, command: str
) -> None:
    follow_latest(world, "prod")
    world.account.forget()
    (runner.workspace / "function" / "NOTES").write_text("3")
    given = {"function-name": FUNCTION} if command == "lock" else {**inputs, "checks": "GET /health"}
    given |= {"command": command} | ({"checks": ""} if command == "deploy" else {})
    refused = runner.run(given, commit="3" * 40, run_id=3)
    assert (refused.code, refused.result) == (1, "refused"), refused.log
    assert len(refused.errors) == 1
    message = refused.errors[0].message
    assert "he alias prod of hello follows $LATEST" in message
    assert writes(world.account) == []

    # The way out works as documented.
    publish, update = re.findall(r"`aws lambda ([^`]+)`", message)
    assert publish == "publish-version --function-name hello"
    version = world.function.publish_version(FunctionName=FUNCTION)["Version"]
    assert update == (
        "update-alias --function-name hello --name prod --function-version <the version that the first command prints>"
    )
    world.function.update_alias(FunctionName=FUNCTION, Name="prod", FunctionVersion=version)
    assert runner.run(given, commit="3" * 40, run_id=3).code == 0
    assert world.alias_version("prod") == version
    assert promoted.outputs["version"] == "2"


@pytest.mark.parametrize(
    ("text", "command"), [("nightly\nprod", "run"), ("nightly, prod", "deploy"), ("prod,", "lock")]
)
def test_an_alias_that_is_named_may_follow_latest(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, text: str, command: str
) -> None:
    follow_latest(world, "prod")
    world.function.create_alias(FunctionName=FUNCTION, Name="nightly", FunctionVersion="1")
    (runner.workspace / "function" / "NOTES").write_text("3")
    given = counting({**inputs, "command": command, "checks": "GET /health", "latest-aliases": text})
    ended = runner.run(given, commit="3" * 40, run_id=3)
    result, serves = {"run": ("promoted", "3"), "deploy": ("deployed", "2"), "lock": ("locked", "2")}[command]
    assert (ended.code, ended.result) == (0, result), ended.log
    assert (world.alias_version("prod"), world.alias_version()) == ("$LATEST", serves)
    assert promoted.outputs["version"] == "2"


@pytest.mark.parametrize("command", ["run", "deploy", "lock"])
def test_a_name_that_no_alias_has_is_refused(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, command: str
) -> None:
    world.function.create_alias(FunctionName=FUNCTION, Name="prod", FunctionVersion="1")
    given = {"function-name": FUNCTION} if command == "lock" else {**inputs, "checks": ""}
    given |= {"checks": "GET /health"} if command == "run" else {"command": command}
    ended = runner.run({**given, "latest-aliases": "nightly, prod, preprdo"}, commit="3" * 40, run_id=3)
    assert (ended.code, [error.title for error in ended.errors]) == (1, ["Input latest-aliases"]), ended.log
    assert "it names nightly and preprdo, and hello has no such alias" in ended.errors[0].message
    assert "The aliases of hello: preprod and prod." in ended.errors[0].message
    assert (world.alias_version(), world.lock_owner()) == (promoted.outputs["version"], "")


@pytest.mark.parametrize("command", ["run", "deploy"])
def test_the_own_alias_on_latest_is_pinned_before_anything_is_deployed(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, command: str
) -> None:
    """A team adopts the action. Its alias follows $LATEST, and a broken commit must not be served through it."""
    # Another tool deployed this, and it is served.
    world.overwrite_latest(
        "def handler(event, context): return {'statusCode': 200, 'body': '{\"by\": \"another tool\"}'}"
    )
    follow_latest(world, "preprod")
    url = promoted.outputs["environment-url"]
    assert get(url + "/") == (200, {"by": "another tool"})
    world.account.forget()
    edit(runner.workspace, '{"status": "ok"}', '{"status": "broken"}')
    checks = "" if command == "deploy" else "GET /health 200 status == 'ok'"
    ended = runner.run({**inputs, "command": command, "checks": checks}, commit="3" * 40, run_id=3)
    assert ended.result == ("deployed" if command == "deploy" else "blocked"), ended.log
    assert get(url + "/") == (200, {"by": "another tool"})
    assert (world.alias_version(), ended.outputs["version"]) == ("3", "4")
    assert "preprod followed $LATEST: it now points at version 3" in ended.log
    assert any(
        "The alias preprod followed $LATEST" in note.message for note in ended.annotations if note.kind == "warning"
    )
    assert pins(world) == [("$LATEST", "3", 3)]
    status = runner.run({"command": "status", "function-name": FUNCTION})
    assert "`$LATEST` → 3" in status.summary
    assert "pin, the alias followed" in status.summary
    assert "externally" not in status.summary
    done = writes(world.account)
    assert done.index("lambda.UpdateAlias") < done.index("lambda.UpdateFunctionCode")


def test_the_alias_is_not_pinned_by_a_run_that_has_lost_the_lock(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.overwrite_latest("def handler(event, context): return {'statusCode': 200}")
    follow_latest(world, "preprod")
    held = world.hold("hold-after", "lambda.PublishVersion")
    started = runner.start({**inputs, "lease": "2"}, commit="3" * 40, run_id=3)
    held.wait_until_hit(30)
    unlock = {"command": "unlock", "function-name": FUNCTION, "reason": "it hangs"}
    assert runner.run(unlock, run_id=8).result == "unlocked"
    for _ in range(2):  # the holder's next heartbeat shows it
        world.account.inject("latency", "dynamodb.UpdateItem", seconds=0).wait_until_hit(20)
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result, [error.title for error in ended.errors]) == (1, "failed", ["Lock"]), ended.log
    assert world.alias_version() == "$LATEST"
    assert promoted.outputs["version"] == "2"


def pins(world: World) -> list[tuple[str, str, int]]:
    """Return the pins of the history: from where, to which version, and by which run."""
    return [
        (item["previous"], item["version"], int(item["run_id"]))
        for item in world.records("promotion")
        if item["kind"] == "pin"
    ]


def test_a_pin_is_not_an_external_move_and_not_a_rollback_target(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    assert promoted.outputs["version"] == "2"
    world.overwrite_latest(
        "def handler(event, context): return {'statusCode': 200, 'body': '{\"by\": \"another tool\"}'}"
    )
    follow_latest(world, "preprod")
    (runner.workspace / "function" / "NOTES").write_text("3")
    ended = runner.run({**inputs, "checks": "GET /health"}, commit="3" * 40, run_id=3)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "4"), ended.log
    assert pins(world) == [("$LATEST", "3", 3)]
    assert "omebody else" not in ended.log
    back = runner.run(
        {"command": "rollback", "function-name": FUNCTION, "environment": "preprod", "github-deployments": "false"}
    )
    assert (back.code, back.result, world.alias_version()) == (0, "rolled-back", "2"), back.log
    notes = runner.run({"command": "release-notes", "function-name": FUNCTION, "environment": "preprod"})
    assert notes.code == 0, notes.log


@pytest.mark.parametrize("kind", ["hold-before", "hold-after"])
def test_a_run_that_dies_while_it_pins_leaves_an_entry_only_of_what_it_did(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, kind: str
) -> None:
    assert promoted.outputs["version"] == "2"
    follow_latest(world, "preprod")
    (runner.workspace / "function" / "NOTES").write_text("3")
    held = world.hold(kind, "lambda.UpdateAlias")
    given = {**inputs, "checks": "GET /health", "lease": "2"}
    started = runner.start(given, commit="3" * 40, run_id=3)
    held.wait_until_hit(30)
    started.kill()
    started.wait()
    status = {"command": "status", "function-name": FUNCTION}
    if kind == "hold-before":
        assert world.alias_version() == "$LATEST"
        assert "`$LATEST` → " not in runner.run(status).summary
    else:
        assert world.alias_version() == "2"
        assert "`$LATEST` → 2" in runner.run(status).summary
    world.account.clear_faults()
    ended = runner.run(given, commit="4" * 40, run_id=4)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert pins(world) == [("$LATEST", "2", 3 if kind == "hold-after" else 4)]


def test_a_pin_that_is_denied_leaves_no_entry(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    assert promoted.outputs["version"] == "2"
    follow_latest(world, "preprod")
    (runner.workspace / "function" / "NOTES").write_text("3")
    denied: dict[str, Any] = {"status": 403, "code": "AccessDeniedException", "message": "no"}
    world.account.inject("error-before", "lambda.UpdateAlias", times=0, **denied)
    ended = runner.run({**inputs, "checks": "GET /health"}, commit="3" * 40, run_id=3)
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert pins(world) == []


def test_a_dry_run_reports_that_the_alias_would_be_pinned(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    follow_latest(world, "preprod")
    world.account.forget()
    ended = runner.run({**inputs, "dry-run": "true"}, commit="3" * 40, run_id=3)
    assert (ended.code, ended.result) == (0, "planned"), ended.log
    assert "publish $LATEST and point preprod, which follows it, at that version" in ended.log
    assert writes(world.account) == []
    assert promoted.outputs["version"] == "2"


def test_adopted_code_is_pinned_verified_and_promoted(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    follow_latest(world, "preprod")
    (runner.workspace / "function" / "NOTES").write_text("of another tool")
    source = (runner.workspace / "function" / "app.py").read_text()
    world.overwrite_latest(source + "\n# of another tool\n")
    given = {**inputs, "artifact": "", "runtime": "", "handler": "", "role": "", "checks": "GET /health"}
    ended = runner.run(given, commit="3" * 40, run_id=3)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "3"), ended.log
    assert promoted.outputs["version"] == "2"


def test_an_alias_that_others_move_is_not_pinned(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """It is read before the lock, and again before it is pinned."""
    follow_latest(world, "preprod")
    held = world.hold("hold-before", "lambda.GetAlias")
    (runner.workspace / "function" / "NOTES").write_text("3")
    started = runner.start({**inputs, "checks": "GET /health"}, commit="3" * 40, run_id=3)
    held.wait_until_hit(30)
    world.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion="1")
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "3"), ended.log
    assert "preprod followed $LATEST" not in ended.log
    assert promoted.outputs["version"] == "2"


# An alias that was changed externally: the record of its version contains the commit


def release(runner: Runner, inputs: Mapping[str, str], number: int, **given: str) -> Ended:
    """Release other code as the commit of this number."""
    (runner.workspace / "function" / "NOTES").write_text(str(number))
    return runner.run({**inputs, "checks": "GET /health", **given}, commit=str(number) * 40, run_id=number)


def move_alias(world: World, version: str) -> None:
    world.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion=version)


def create_alias_again(world: World, version: str) -> None:
    world.function.delete_alias(FunctionName=FUNCTION, Name="preprod")
    world.function.create_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion=version)


@pytest.mark.parametrize("change", [move_alias, create_alias_again])
def test_an_older_commit_does_not_replace_a_newer_one_that_others_have_put_there(
    runner: Runner, inputs: dict[str, str], world: World, change: Callable[[World, str], None]
) -> None:
    assert release(runner, inputs, 1).result == "promoted"
    assert release(runner, inputs, 5, environment="stage").outputs["version"] == "2"
    change(world, "2")
    older = release(runner, inputs, 3)
    assert (older.code, older.result, world.alias_version()) == (0, "superseded", "2"), older.log
    assert "has the newer commit 5555555555 already (version 2)" in older.log
    assert release(runner, inputs, 6).result == "promoted"


def test_a_promotion_between_the_reads_of_alias_and_records_is_seen_before_anything_is_changed(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    assert release(runner, inputs, 1).result == "promoted"
    world.account.forget()
    # It has read the function and its aliases, and reads the records next.
    held = world.hold("hold-before", "dynamodb.Query")
    origin = {"AWS_EXECUTION_ENV": "older"}
    (runner.workspace / "function" / "NOTES").write_text("the older commit")
    started = runner.start(inputs, commit="3" * 40, run_id=3, environ=origin)
    held.wait_until_hit(30)
    assert release(runner, inputs, 5).result == "promoted"
    held.release()
    older = started.wait()
    assert (older.code, older.result, world.alias_version()) == (0, "superseded", "2"), older.log
    made = [call for call in world.account.calls() if call.origin == "older" and not call.operation.startswith(READS)]
    assert {call.name for call in made} == {"dynamodb.UpdateItem"}, "it changes nothing but the lock"


def test_what_others_have_gone_back_from_supersedes_nothing(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    assert release(runner, inputs, 1).result == "promoted"
    assert release(runner, inputs, 5).result == "promoted"
    move_alias(world, "1")
    between = release(runner, inputs, 3)
    assert (between.code, between.result, world.alias_version()) == (0, "promoted", "3"), between.log


def test_a_version_of_an_unknown_commit_that_others_have_put_there_is_not_replaced_unasked(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    assert release(runner, inputs, 1).result == "promoted"
    world.overwrite_latest(OF_ANOTHER_TOOL)
    version = world.function.publish_version(FunctionName=FUNCTION)["Version"]
    world.settle()
    move_alias(world, version)
    assert_fails(release(runner, inputs, 2), "the commit that preprod serves is not known", result="refused")
    assert world.alias_version() == version
    asked = release(runner, inputs, 3, diverged="promote")
    assert (asked.code, asked.result) == (0, "promoted"), asked.log
    assert any(
        "preprod was changed externally since its last promotion: it was moved to version" in found.message
        for found in asked.annotations
    ), asked.log


# A verdict that is newer than the one that was read


def test_a_version_that_has_failed_while_the_run_waited_for_the_lock_is_not_promoted(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    assert release(runner, inputs, 1).result == "promoted"
    (runner.workspace / "function" / "NOTES").write_text("2")
    # The lock is acquired twice: for the deployment, and for the promotion. Then the alias is read again.
    held = world.hold("hold-before", "lambda.GetAlias")
    started = runner.start({**inputs, "checks": "GET /health", "isolation": "version"}, commit="2" * 40, run_id=2)
    held.wait_until_hit(60)
    [record] = [item for item in world.records("version") if item["version"] == "2"]
    key: Any = {name: {"S": record[name]} for name in ("pk", "sk")}
    verdict: Any = world.table.get_item(TableName=TABLE, Key=key)["Item"]["verdict"]
    failure = {**verdict["M"], "outcome": {"S": "failed"}, "reason": {"S": "it is slow"}}
    world.table.update_item(
        TableName=TABLE,
        Key=key,
        UpdateExpression="SET failure = :failure",
        ExpressionAttributeValues={":failure": {"M": failure}},
    )
    held.release()
    assert_fails(started.wait(), "has passed, but failed verification since then", result="refused")
    assert world.alias_version() == "1"


# Versions that are Inactive


def promote_version(runner: Runner) -> Ended:
    return runner.run({**PROMOTE, "version": "1"}, commit="9" * 40, run_id=9)


def roll_back(runner: Runner) -> Ended:
    return runner.run({**ROLLBACK, "reason": "it is slow"}, commit="9" * 40, run_id=9)


MOVES: Mapping[str, tuple[Callable[[Runner], Ended], str]] = {
    "promote": (promote_version, "prod"),
    "rollback": (roll_back, "preprod"),
}


@pytest.mark.parametrize("command", MOVES)
def test_an_inactive_version_is_woken_before_an_alias_reaches_it(
    runner: Runner, world: World, promoted: Ended, command: str
) -> None:
    move, environment = MOVES[command]
    world.account.idle(FUNCTION, "1")
    ended = move(runner)
    assert ended.code == 0, ended.log
    assert world.alias_version(environment) == "1"
    assert "1 is Inactive, because it was idle: activating it" in ended.log
    calls = [call.name for call in world.account.calls()]
    assert calls.index("lambda.Invoke") < max(calls.index(name) for name in calls if name.endswith("eAlias"))
    answer = world.function.get_function_configuration(FunctionName=FUNCTION, Qualifier="1")
    assert answer["State"] == "Active"
    assert calls.count("lambda.Invoke") == 1  # it runs no code
    assert promoted.outputs["version"] == "2"


@pytest.mark.parametrize("command", MOVES)
def test_a_version_that_cannot_be_woken_is_not_served(
    runner: Runner, world: World, promoted: Ended, command: str
) -> None:
    move, environment = MOVES[command]
    before = world.alias_version(environment)
    world.account.idle(FUNCTION, "1", stuck="The subnet is gone.")
    assert_fails(move(hurried(runner)), "hello:1 is Inactive, and Lambda cannot activate it: The subnet is gone")
    assert world.alias_version(environment) == before
    assert not [name for name in writes(world.account) if name.endswith("Alias")]
    assert promoted.outputs["version"] == "2"


def test_an_inactive_function_is_woken_before_it_is_verified(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    for qualifier in ("$LATEST", "2"):
        world.account.idle(FUNCTION, qualifier)
    given = {**inputs, "checks": "GET /health\nGET /greeting?name=you 200"}
    ended = runner.run(given, commit="3" * 40, run_id=3)
    assert (ended.code, ended.result) == (0, "unchanged"), ended.log
    assert promoted.outputs["version"] == "2"


# An unknown configuration


@pytest.mark.parametrize("command", ["run", "deploy", "promote", "rollback"])
def test_variables_that_cannot_be_read_are_not_no_variables(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, command: str
) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1"
    world.function.update_function_configuration(
        FunctionName=FUNCTION, Environment={"Variables": {"LEVEL": "info"}}, KMSKeyArn=key
    )
    world.settle()
    world.account.forget()
    world.account.inject("kms-denied", "lambda.GetFunctionConfiguration", times=0)
    given: dict[str, Any] = {
        "run": inputs,
        "deploy": {**inputs, "command": "deploy", "checks": ""},
        "promote": {**PROMOTE, "version": "1"},
        "rollback": ROLLBACK,
    }
    ended = runner.run(given[command], commit="3" * 40, run_id=3)
    assert_fails(ended, "cannot be read: AccessDeniedException: Lambda was unable to decrypt the environment variables")
    assert f"Allow kms:Decrypt on the KMS key {key}" in ended.errors[0].message
    assert writes(world.account) == []
    assert promoted.outputs["version"] == "2"


def test_a_rollback_does_not_take_the_version_of_a_new_function_for_the_one_that_was_served(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    assert promoted.outputs["version"] == "2"
    world.function.delete_function(FunctionName=FUNCTION)
    checks = {"checks": "GET /health"}
    assert runner.run({**inputs, **checks}, commit="3" * 40, run_id=3).outputs["version"] == "1"
    (runner.workspace / "function" / "commit").write_text("for the tests")
    other = {**inputs, **checks, "environment": "test"}
    assert runner.run(other, commit="5" * 40, run_id=5).outputs["version"] == "2"
    refused = hurried(runner).run({**ROLLBACK, "reason": "it is slow"}, commit="9" * 40, run_id=9)
    assert (refused.code, refused.result, len(refused.errors)) == (1, "refused", 1), refused.log
    assert "is not the one that preprod served" in refused.errors[0].message
    assert world.alias_version() == "1"
    # A person may name it. Then its own commit is recorded, not that of the old function's version.
    named = runner.run({**ROLLBACK, "version": "2", "reason": "it is slow"}, commit="9" * 40, run_id=10)
    assert (named.code, named.result) == (0, "rolled-back"), named.log
    served = next(item for item in world.records("environment") if item["sk"] == "environment#preprod")
    assert (served["version"], served["commit"]) == ("2", "5" * 40)
