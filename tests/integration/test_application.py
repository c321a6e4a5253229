"""Several functions that are released as one: all are promoted or none is, whatever fails for one of them."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from promote.core.clock import Clock
from sandbox.client import Account, Sandbox
from tests.conftest import counting, make_runner, make_several
from tests.repository import line, readable_names
from tests.runner import Ended
from tests.world import TABLE, World, archive, get

NAMES = ("api", "mail", "worker")


class Application:
    """A repository with three functions, whose commits the test defines."""

    def __init__(self, folder: Path, account: Account, clock: Clock | None = None) -> None:
        self.runner, self.world = make_runner(folder, account, clock), World(account)
        line(self.runner.workspace)
        self.inputs = {
            **make_several(self.runner, account, NAMES),
            "checks": "GET /health 200 status == 'ok'\nworker: GET /greeting?name=you 200",
            "lease": "30",
        }

    @property
    def mortal(self) -> dict[str, str]:
        """The inputs of a run that will be killed. Others wait for its lease."""
        return {**self.inputs, "lease": "2"}

    def change(self, *names: str, text: str) -> None:
        for name in names:
            (self.runner.workspace / name / "commit").write_text(text)

    def break_down(self, name: str) -> None:
        file = self.runner.workspace / name / "app.py"
        file.write_text(file.read_text().replace('"status": "ok"', '"status": "broken"'))

    def run(self, number: int, **inputs: str) -> Ended:
        given = counting({**self.inputs, **{name.replace("_", "-"): value for name, value in inputs.items()}})
        return self.runner.run(given, commit=f"{number:040x}", run_id=number)

    def serves(self) -> dict[str, str]:
        found = {}
        for name in NAMES:
            try:
                alias = self.world.function.get_alias(FunctionName=name, Name="preprod")
                found[name] = alias["FunctionVersion"]
            except self.world.function.exceptions.ResourceNotFoundException:
                found[name] = ""
        return found

    def assert_whole(self, *locked: str) -> None:
        """Assert that nothing is unfinished, and that the ledger agrees with the aliases.

        Only the locks of ``locked`` may belong to a dead run.
        """
        serves = self.serves()
        for item in self.world.items():
            name, kind = item["pk"].rpartition(":")[2], item["sk"].partition("#")[0]
            if kind == "environment":
                assert "pending" not in item
                assert item.get("version", "") == serves[name]
            if kind == "release":
                assert item["stage"] in ("done", "rolled_back")
            if kind == "lock" and name not in locked:
                assert "owner" not in item


@pytest.fixture
def application(tmp_path: Path, account: Account) -> Application:
    return Application(tmp_path / "runner", account)


def test_all_are_made_and_promoted_then_only_what_has_changed(application: Application) -> None:
    world = application.world
    first = application.run(1)
    assert (first.code, first.result, first.outputs["promoted"]) == (0, "promoted", "true"), first.log
    assert not first.annotations
    assert application.serves() == dict.fromkeys(NAMES, "1")
    functions = json.loads(first.outputs["functions"])
    assert list(functions) == list(NAMES)
    for name in NAMES:
        assert functions[name]["version"] == "1"
        assert get(functions[name]["environment-url"] + "/health") == (200, {"status": "ok"})
    assert first.outputs["environment-url"] == functions["api"]["environment-url"]
    application.assert_whole()

    application.change("mail", "worker", text="2")
    world.account.forget()
    second = application.run(2)
    assert (second.code, second.result) == (0, "promoted"), second.log
    assert application.serves() == {"api": "1", "mail": "2", "worker": "2"}
    calls = [(call.operation, call.resource.rpartition(":")[2]) for call in world.account.calls()]
    # The alias of an unchanged function gets the description of the release, and keeps its version.
    assert {resource for operation, resource in calls if operation == "UpdateAlias"} == set(NAMES)
    assert {resource for operation, resource in calls if operation == "UpdateFunctionCode"} == {"mail", "worker"}
    # An unchanged function is verified with the others.
    checks = [record["verdict"]["run_id"] for record in world.records("version") if record["pk"].endswith(":api")]
    assert checks == [2]
    # One that has no checks takes part in those of the others.
    silent = [record for record in world.records("version") if record["pk"].endswith(":mail")][-1]
    checks_of_mail = [(check["name"], check["kind"]) for check in silent["verdict"]["checks"]]
    assert checks_of_mail == [("GET / responds", "http"), ("verified with api and worker", "application")]
    assert "The 2 aliases were moved within" in second.log
    notes = second.outputs["release-notes"]
    assert notes.startswith("## preprod of api, mail and worker")
    assert "| api | 1 stays |" in notes
    assert "| mail | 1 → 2 |" in notes
    assert {item["text"] for item in world.records("notes")} >= {notes}
    assert "| worker | 1 → 2 | passed |" in second.summary
    application.assert_whole()

    again = application.run(2)
    assert (again.code, again.result) == (0, "unchanged"), again.log
    later = application.run(4)
    assert (later.code, later.result) == (0, "unchanged"), later.log
    assert {item["commit"] for item in world.records("environment")} == {f"{4:040x}"}
    # An older commit arrives late, with a change of one function. It would undo newer changes.
    application.change("api", text="3")
    late = application.run(3)
    assert (late.code, late.result) == (0, "superseded"), late.log
    assert application.serves() == {"api": "1", "mail": "2", "worker": "2"}
    application.assert_whole()


@pytest.mark.parametrize("number", [1, 2])
def test_a_function_without_checks_that_cannot_be_imported_holds_all_back(
    application: Application, number: int
) -> None:
    """With new endpoints and with existing ones. No check requests mail, and no other function calls it."""
    if number == 2:
        first = application.run(1)
        assert first.result == "promoted", first.log
    before = application.serves()
    file = application.runner.workspace / "mail" / "app.py"
    sound = file.read_text()
    file.write_text(f"import no_such_module\n{sound}")
    blocked = application.run(number)
    assert (blocked.code, blocked.result, len(blocked.errors)) == (1, "blocked", 1), blocked.log
    assert "mail failed verification" in blocked.errors[0].message
    assert "no_such_module" in blocked.errors[0].message
    assert application.serves() == before
    application.assert_whole()
    file.write_text(sound)
    application.change("mail", text="fixed")
    fixed = application.run(number + 1)
    assert (fixed.code, fixed.result) == (0, "promoted"), fixed.log
    assert "passed  GET / responds" in fixed.log


def test_a_function_that_nothing_could_ask_is_refused(application: Application) -> None:
    application.runner.workspace.joinpath("promote.yml").write_text(
        "functions:\n  api: {artifact: api, checks: GET /health 200}\n  mail: {artifact: mail, endpoints: none}\n"
    )
    refused = application.run(1, function_name="", checks="")
    assert (refused.code, [error.title for error in refused.errors]) == (1, ["Input invoke"]), refused.log
    assert "nothing shows whether the code of mail runs" in refused.errors[0].message
    assert "mail: events/test.json" in refused.errors[0].message
    assert application.world.items() == []
    assert not [call for call in application.world.account.calls() if call.service == "lambda"]


def test_a_run_finishes_the_rollback_that_it_finds(application: Application) -> None:
    """The run finishes the rollback that it finds, and does not bring back what was rolled back."""
    application.run(1)
    application.change("api", "mail", text="2")
    application.run(2)
    bare = {"command": "rollback", "function-name": "api", "environment": "preprod", "endpoints": "none"}
    held = application.world.account.inject("hold-before", "lambda.UpdateAlias")
    back = application.runner.start({"github-deployments": "false", **bare}, commit=f"{2:040x}", run_id=20)
    held.wait_until_hit(60)
    application.change("mail", text="3")
    ended = application.run(3)
    assert (ended.code, ended.result) == (1, "refused"), ended.log
    held.release()
    ended = back.wait()
    assert (ended.code, ended.result) == (0, "rolled-back"), ended.log
    assert application.serves() == {"api": "1", "mail": "2", "worker": "1"}
    application.assert_whole()


def test_one_broken_function_blocks_all(application: Application) -> None:
    application.run(1)
    application.change(*NAMES, text="2")
    application.break_down("api")
    blocked = application.run(2)
    assert (blocked.code, blocked.result) == (1, "blocked"), blocked.log
    assert blocked.errors[0].message.startswith("api failed verification, so preprod of api, mail and worker keeps")
    assert application.serves() == dict.fromkeys(NAMES, "1")
    application.assert_whole()


def test_what_could_not_be_verified_is_not_called_broken(application: Application) -> None:
    application.run(1)
    application.change("api", text="2")
    ended = application.run(2, checks="", test_command="no-such-command")
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert "could not be verified, so preprod of api, mail and worker keeps serving what it served" in ended.log
    assert "An inconclusive verdict does not mean that the code is wrong." in ended.log
    assert "Push a fix" not in ended.log
    assert application.serves() == dict.fromkeys(NAMES, "1")


def test_isolated_candidates_are_verified_together_as_well(application: Application) -> None:
    application.run(1)
    application.change("api", "mail", text="2")
    refused = application.run(2, isolation="version")
    assert refused.code == 1
    assert "isolation: version verifies each function alone, and there is nothing to verify mail" in refused.log
    checks = application.inputs["checks"] + "\nmail: GET /health 200"
    ended = application.run(2, isolation="version", checks=checks)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert application.serves() == {"api": "2", "mail": "2", "worker": "1"}
    assert len(application.world.apis()) == 6
    application.assert_whole()


def test_dry_run_says_what_would_be_and_writes_nothing(application: Application) -> None:
    planned = application.run(1, dry_run="true")
    assert (planned.code, planned.result) == (0, "planned"), planned.log
    assert application.world.items() == []
    application.run(1)
    before = application.world.items()
    planned = application.run(1, dry_run="true")
    assert "nothing would change" in planned.log
    assert application.world.items() == before


def test_a_function_that_the_file_does_not_name_any_more_is_missed(application: Application) -> None:
    file = application.runner.workspace / "promote.yml"

    def run(number: int, text: str) -> Ended:
        file.write_text(f"checks: GET /health\nfunctions: {{{text}}}\n")
        return application.run(number, function_name="", checks="")

    of_all = ", ".join(f"{name}: {{artifact: {name}}}" for name in NAMES)
    assert run(1, of_all).code == 0
    application.change(*NAMES, text="2")
    application.world.account.forget()
    for text, missing in (
        ("api: {artifact: api}, worker: {artifact: worker}", "mail"),
        ("api: {artifact: api}", "mail and worker"),
    ):
        without = run(2, text)
        assert (without.code, without.result) == (1, "failed"), without.log
        expected = f"application: promote.yml does not name {missing}, previously released to preprod with the others"
        assert expected in without.errors[0].message
    assert {call.operation[:3] for call in application.world.account.calls()} <= {"Get", "Lis", "Que"}
    assert application.serves() == dict.fromkeys(NAMES, "1")
    file.write_text("functions: {api: {artifact: api}}\nretired: [mail, worker]\nchecks: GET /health\n")
    alone = application.run(2, function_name="", checks="")
    assert (alone.code, alone.result) == (0, "promoted"), alone.log
    assert application.serves() == {"api": "2", "mail": "1", "worker": "1"}


@pytest.mark.parametrize("of_one", ["api: {}", "api: {}, mail: {}"])
def test_promote_misses_it_as_well_and_a_rollback_warns(application: Application, of_one: str) -> None:
    file = application.runner.workspace / "promote.yml"
    of_all = ", ".join(f"{name}: {{artifact: {name}}}" for name in NAMES)

    def run(number: int, text: str, **given: str) -> Ended:
        file.write_text(f"functions: {{{text}}}\n")
        return application.run(number, function_name="", checks="GET /health", **given)

    for number in (1, 2):
        application.change(*NAMES, text=str(number))
        assert run(number, of_all).code == 0
        assert run(number, of_all, command="promote", environment="prod", **{"from": "preprod"}).code == 0
    application.change(*NAMES, text="3")
    assert run(3, of_all).code == 0
    without = run(3, of_one, command="promote", environment="prod", **{"from": "preprod"})
    assert (without.code, without.result) == (1, "failed"), without.log
    missing = "worker" if "mail" in of_one else "mail and worker"
    expected = f"application: promote.yml does not name {missing}, previously released to prod with the others"
    assert expected in without.errors[0].message
    back = run(3, of_one, command="rollback", environment="prod")
    assert (back.code, back.result) == (0, "rolled-back"), back.log
    [warning] = [one.message for one in back.annotations if one.kind == "warning"]
    assert warning == f"This rollback is without {missing}, previously released to prod with the others."


def test_a_function_that_was_created_again_while_it_was_verified_stops_all(application: Application) -> None:
    """Its versions begin at 1 again, so the verified number has other code."""
    world, function = application.world, application.world.function
    application.run(1)
    application.change(*NAMES, text="2")
    held = world.hold("hold-after", "lambda.Invoke", nth=len(NAMES))
    (application.runner.workspace / "event.json").write_text(json.dumps({"rawPath": "/health"}))
    invoke = "".join(f"{name}: event.json statusCode == `200`\n" for name in NAMES)
    given = {**application.inputs, "checks": "", "invoke": invoke, "endpoints": "none", "isolation": "version"}
    run = application.runner.start(given, commit=f"{2:040x}", run_id=2)
    held.wait_until_hit(60)
    role = function.get_function_configuration(FunctionName="mail")["Role"]
    function.delete_function(FunctionName="mail")
    code = [archive({"app.py": f"def handler(event, context): return {number}"}) for number in (1, 2)]
    function.create_function(
        FunctionName="mail",
        Runtime="python3.13",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": code[0]},
        Publish=True,
    )
    function.get_waiter("function_active_v2").wait(FunctionName="mail")
    function.update_function_code(FunctionName="mail", ZipFile=code[1], Publish=True)
    function.create_alias(FunctionName="mail", Name="preprod", FunctionVersion="1")
    held.release()
    ended = run.wait()
    assert (ended.code, len(ended.errors)) == (1, 1), ended.log
    assert "version 2 of mail has other code or configuration" in ended.errors[0].message.lower(), ended.log
    assert application.serves() == dict.fromkeys(NAMES, "1")
    assert not [item for item in world.records("release") if item["run_id"] == 2]


def test_an_alias_of_one_function_that_follows_latest_is_pinned_first(application: Application) -> None:
    function = application.world.function
    application.run(1)
    function.update_alias(FunctionName="mail", Name="preprod", FunctionVersion="$LATEST")
    application.break_down("mail")
    application.world.account.forget()
    ended = application.run(2, checks="mail: GET /health 200 status == 'ok'")
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert application.serves() == dict.fromkeys(NAMES, "1")
    assert "mail: The alias preprod followed $LATEST" in ended.log
    function.update_alias(FunctionName="mail", Name="preprod", FunctionVersion="1")
    function.create_alias(FunctionName="worker", Name="prod", FunctionVersion="$LATEST")
    application.world.account.forget()
    refused = application.run(3)
    assert (refused.code, refused.result, len(refused.errors)) == (1, "refused", 1), refused.log
    assert "alias prod of worker follows $LATEST" in refused.errors[0].message
    writes = ("Create", "Put", "Update", "Transact", "Publish", "Delete")
    assert not [call.name for call in application.world.account.calls() if call.operation.startswith(writes)]


def test_lines_that_no_longer_name_a_function_cause_a_warning(application: Application) -> None:
    """The workflow may have other lines each time, in its inputs."""
    application.run(1)
    listed = application.run(2, function_name="api = api\nworker = worker")
    assert (listed.code, listed.result) == (0, "unchanged"), listed.log
    assert "This release is without mail, previously released to preprod with the others." in listed.log


def test_a_lock_that_was_opened_by_force_stops_all(application: Application) -> None:
    world = application.world
    application.run(1)
    application.change(*NAMES, text="2")
    held = world.hold("hold-before", "execute-api.Invoke")
    run = application.runner.start({**application.inputs, "lease": "6"}, commit=f"{2:040x}", run_id=2)
    held.wait_until_hit(60)
    opened = application.runner.run({"command": "unlock", "function-name": "mail", "reason": "it hangs"}, run_id=9)
    assert opened.code == 0, opened.log
    world.account.forget()
    while sum(call.name == "dynamodb.UpdateItem" for call in world.account.calls()) < len(NAMES):
        time.sleep(0.1)  # until each lock has had a heartbeat, which detects it
    held.release()
    ended = run.wait()
    assert ended.code == 1, ended.log
    assert application.serves() == dict.fromkeys(NAMES, "1")
    application.assert_whole()


@pytest.mark.parametrize("lost", ["api", "worker"])
def test_a_lock_that_was_lost_stops_the_changes_of_all_functions(application: Application, lost: str) -> None:
    """Whether it is the lock of the first function or of the last one."""
    world = application.world
    application.run(1)
    application.change(*NAMES, text="2")
    held = world.account.inject("hold-after", "lambda.UpdateFunctionConfiguration", times=0)

    def lose() -> None:
        try:
            held.wait_until_hit(60)
            [lock] = [item for item in world.records("lock") if item["pk"].endswith(f":{lost}")]
            world.account.forget()
            world.table.update_item(
                TableName=TABLE,
                Key={"pk": {"S": lock["pk"]}, "sk": {"S": "lock"}},
                UpdateExpression="SET #owner = :other, #token = #token + :one",
                ExpressionAttributeNames={"#owner": "owner", "#token": "token"},
                ExpressionAttributeValues={":other": {"S": "9/1/x"}, ":one": {"N": "1"}},
            )
            deadline = time.monotonic() + 60
            while ("dynamodb.UpdateItem", 400) not in {(call.name, call.status) for call in world.account.calls()}:
                assert time.monotonic() < deadline, "no heartbeat has noticed it"
                time.sleep(0.05)
        finally:
            held.release()

    with ThreadPoolExecutor(1) as pool:
        interference = pool.submit(lose)
        ended = application.run(2, memory_size="512", lease="8")
        interference.result()
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert "stops before its next change" in ended.errors[0].message
    assert "lambda.UpdateFunctionCode" not in {call.name for call in world.account.calls()}
    assert application.serves() == dict.fromkeys(NAMES, "1")
    assert [item["pk"].rpartition(":")[2] for item in world.records("lock") if item.get("owner")] == [lost]


def test_a_release_that_was_rolled_back_reports_why_and_what_is_served(application: Application) -> None:
    application.run(1)
    application.change("mail", "worker", text="2")
    application.world.account.inject(
        "throttle", "lambda.UpdateAlias", status=400, code="InvalidParameterValueException", message="no such thing"
    )
    ended = application.run(2)
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert "promote   rolling back the aliases that moved: the alias of " in ended.log
    assert ended.errors[0].message.startswith("The alias of ")
    assert "All functions serve what they served before." in ended.errors[0].message
    assert application.serves() == dict.fromkeys(NAMES, "1")
    application.assert_whole()


def test_latest_of_a_function_without_checks_is_watched(application: Application) -> None:
    application.run(1)
    application.change(*NAMES, text="2")
    held = application.world.hold("hold-before", "execute-api.Invoke")
    run = application.runner.start(application.inputs, commit=f"{2:040x}", run_id=2)
    held.wait_until_hit(60)
    application.world.function.update_function_code(FunctionName="mail", ZipFile=archive({"app.py": "external"}))
    held.release()
    ended = run.wait()
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert application.serves() == dict.fromkeys(NAMES, "1")
    application.assert_whole()


def test_a_rollback_brings_all_back_to_the_release_before_and_the_next_further_back(application: Application) -> None:
    application.run(1)
    application.change("mail", "worker", text="2")
    application.run(2)
    application.change("api", text="3")
    application.run(3)
    assert application.serves() == {"api": "2", "mail": "2", "worker": "2"}
    bare = {"command": "rollback", "function_name": "\n".join(NAMES)}
    planned = application.run(3, **bare, dry_run="true")
    assert "a run would roll back api to version 1: preprod of api, mail and worker." in planned.log
    for serves in ({"api": "1", "mail": "2", "worker": "2"}, {"api": "1", "mail": "1", "worker": "1"}):
        back = application.run(3, **bare)
        assert (back.code, back.result) == (0, "rolled-back"), back.log
        assert application.serves() == serves
        assert "⏪ preprod of api, mail and worker is back" in back.outputs["release-notes"]
        application.assert_whole()
    end = application.run(3, **bare)
    assert (end.code, end.result) == (1, "refused"), end.log
    # What was rolled back does not return by another run of the commit.
    again = application.run(3)
    assert (again.code, again.result) == (1, "refused"), again.log
    again = application.run(3, override="true", reason="the database was at fault")
    assert (again.code, again.result) == (0, "promoted"), again.log
    assert application.serves() == {"api": "2", "mail": "2", "worker": "2"}
    application.assert_whole()


def test_a_function_that_serves_nothing_yet_does_not_prevent_a_rollback(application: Application) -> None:
    three = application.inputs
    application.inputs = {
        **three,
        "function-name": "api = api\nmail = mail",
        "checks": "GET /health 200 status == 'ok'",
    }
    for number in (1, 2):
        application.change("api", "mail", text=str(number))
        assert application.run(number).result == "promoted"
    application.inputs = three
    application.break_down("api")
    assert application.run(3).result == "blocked"
    assert application.serves() == {"api": "2", "mail": "2", "worker": ""}

    bare = {"command": "rollback", "function_name": "\n".join(NAMES)}
    planned = application.run(4, **bare, dry_run="true")
    assert (planned.code, planned.result) == (0, "planned"), planned.log
    back = application.run(4, **bare)
    assert (back.code, back.result) == (0, "rolled-back"), back.log
    assert application.serves() == {"api": "1", "mail": "1", "worker": ""}
    assert "worker serves nothing in preprod yet, and stays as it is." in back.summary
    assert back.outputs["summary"].startswith("preprod of api and mail was rolled back to ")
    application.assert_whole()


def test_locks_that_are_free_are_waited_for_once(application: Application) -> None:
    assert application.run(1).result == "promoted"
    application.change("api", text="2")
    application.world.account.inject("latency", "dynamodb.TransactWriteItems", seconds=1)
    ended = application.run(2)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert 1 <= float(ended.outputs["lock-wait-seconds"]) < len(NAMES)


def test_what_one_environment_serves_is_promoted_to_the_next_as_one(application: Application) -> None:
    bare = {"command": "promote", "function_name": "\n".join(NAMES), "environment": "prod", "from": "preprod"}
    bare["checks"] = ""
    application.run(1)
    first = application.run(1, **bare)
    assert (first.code, first.result) == (0, "promoted"), first.log
    application.change("api", "mail", text="2")
    application.run(2)
    planned = application.run(2, **bare, dry_run="true")
    assert "Dry run: a run would promote what preprod serves: prod of api, mail and worker." in planned.log
    again = application.run(2, **bare)
    assert (again.code, again.result) == (0, "promoted"), again.log
    prod = [item for item in application.world.records("environment") if item["sk"] == "environment#prod"]
    assert {item["pk"].rpartition(":")[2]: item["version"] for item in prod} == application.serves()
    assert {item["commit"] for item in prod} == {f"{2:040x}"}
    planned = application.run(2, **bare, dry_run="true")
    assert "Dry run: nothing would change; prod of api, mail and worker serves this release already." in planned.log
    same = application.run(2, **bare)
    assert (same.code, same.result) == (0, "unchanged"), same.log
    shown = application.run(2, **{**bare, "command": "status", "from": "", "environment": ""})
    assert (shown.code, shown.result) == (0, "reported"), shown.log
    assert "### worker: promotions" in shown.summary
    assert "mail: preprod serves version 2, prod serves version 2, the lock is free." in shown.log


@pytest.mark.parametrize("number", [1, 2, 4])
def test_the_post_step_finishes_the_release_of_a_killed_step(application: Application, number: int) -> None:
    """It rolls back a release that has not moved all aliases. It completes one that has."""
    application.run(1)
    application.runner.finish()
    before = application.serves()
    application.change("mail", "worker", text="2")
    started = application.world.account.inject("hold-before", "dynamodb.TransactWriteItems", nth=2)  # after the locks
    run = application.runner.start(application.mortal, commit=f"{2:040x}", run_id=2)
    started.wait_until_hit(60)
    if number == 4:  # the moves have ended before the release is recorded as done, however many heartbeats there were
        held = application.world.account.inject("hold-before", "dynamodb.TransactWriteItems")
    else:
        held = application.world.account.inject("hold-after", nth=number)
    started.release()
    held.wait_until_hit(60)
    run.kill()
    application.world.account.clear_faults()
    [post] = application.runner.finish()
    assert post.code == 0, post.log
    assert not post.annotations, post.log
    # The moves are made side by side, so how many have arrived after the first call is not known.
    after = {"api": "1", "mail": "2", "worker": "2"}
    assert application.serves() in ([after] if number == 4 else [before, after])
    application.assert_whole()


SHARES = 4


def test_versions_of_an_unfinished_release_are_kept(application: Application) -> None:
    world = application.world
    application.run(1)
    to_prod = {
        **counting({**application.mortal, "command": "promote", "checks": ""}),
        "function-name": "\n".join(NAMES),
        "environment": "prod",
        "from": "preprod",
    }
    held = world.account.inject("hold-after", "dynamodb.TransactWriteItems", nth=2)  # after the locks
    run = application.runner.start(to_prod, commit=f"{1:040x}", run_id=1)
    held.wait_until_hit(60)
    run.kill()
    world.account.clear_faults()
    for number in (2, 3):
        application.change(*NAMES, text=str(number))
        ended = application.run(number, keep_versions="1")
        assert ended.code == 0, ended.log
    left = world.function.list_versions_by_function(FunctionName="api")["Versions"]
    assert {found["Version"] for found in left} >= {"$LATEST", "1", "3"}
    ended = application.runner.run(to_prod, commit=f"{3:040x}", run_id=3)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert world.function.get_alias(FunctionName="api", Name="prod")["FunctionVersion"] == "3"
    application.assert_whole()


@pytest.mark.parametrize("share", range(SHARES))
def test_killed_after_each_call_from_the_release_on(sandbox: Sandbox, tmp_path: Path, share: int) -> None:
    """The process is killed. The next run, also one of a single function, brings all functions to one release."""
    application = Application(tmp_path / "runner", sandbox.account())
    line(application.runner.workspace, readable_names(100))
    application.run(1)
    url = json.loads(application.run(1).outputs["functions"])["api"]["environment-url"]
    for number in count(share + 1, SHARES):
        application.change("mail", "worker", text=str(number))
        before, commit = application.serves(), 2 * number
        # From the transaction on that begins the release.
        started = application.world.account.inject(
            "hold-before", "dynamodb.TransactWriteItems", nth=2
        )  # after the locks
        run = application.runner.start(application.mortal, commit=f"{commit:040x}", run_id=commit)
        started.wait_until_hit(60)
        held = application.world.account.inject("hold-after", nth=number)
        started.release()
        while not held.is_hit_within(0.1) and run.process.poll() is None:
            pass
        is_killed = held.hit
        if is_killed:
            run.kill()
        else:
            assert run.wait().code == 0
        application.world.account.clear_faults()
        assert get(url + "/health") == (200, {"status": "ok"})
        if number % 2:
            single = {**application.inputs, "function-name": "worker", "artifact": "worker", "checks": "GET /health"}
            ended = application.runner.run(single, commit=f"{commit:040x}", run_id=commit, attempt=2)
            assert ended.code == 0, ended.log
            assert len({application.serves()[name] == before[name] for name in ("mail", "worker")}) == 1, ended.log
        else:
            ended = application.run(commit)
            assert ended.code == 0, ended.log
            assert all(application.serves()[name] != before[name] for name in ("mail", "worker"))
        application.assert_whole(*(["api", "mail"] if number % 2 else []))
        if not is_killed:
            return


def test_two_applications_that_share_a_function_do_not_wait_for_each_other_for_ever(application: Application) -> None:
    """They list the functions in different orders, at the same time. Each is promoted as a whole."""
    application.run(1)
    pairs = {"one": ("mail", "api"), "two": ("worker", "mail")}
    for number in range(2, 5):
        application.change(*NAMES, text=str(number))
        started = []
        for action, names in pairs.items():
            inputs = {**application.inputs, "function-name": "\n".join(f"{name} = {name}" for name in names)}
            inputs |= {"checks": "GET /health"}
            environ = {"GITHUB_ACTION": action}
            runner = application.runner
            started.append(runner.start(inputs, commit=f"{number:040x}", run_id=number, environ=environ))
        for ended in [step.wait() for step in started]:
            assert ended.code == 0, ended.log
        assert application.serves() == dict.fromkeys(NAMES, str(number))
        application.assert_whole()
