"""The guarantees of the design with external changes, lost responses and failing services.

Each test makes the external change at one exact call, which the sandbox holds until the change is made.
"""

import signal

import pytest

from sandbox.client import Account
from tests.conftest import hurried
from tests.past import Pasts, first_release
from tests.runner import Ended, Runner, edit
from tests.world import FUNCTION, World, get

pytestmark = pytest.mark.usefixtures("history")

EXTERNAL_CODE = """
def handler(event, context):
    return {"statusCode": 200, "body": '{"status": "ok", "greeting": "Hello, you!"}'}
"""
"""External code that passes every check. Only its digest differs."""


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], account: Account) -> Ended:
    """Commit 1 is served. Commit 2 is in the workspace."""
    ended = first_release(pasts, runner, account, inputs)
    (runner.workspace / "function" / "commit").write_text("2")
    account.forget()
    return ended


def assert_verified(world: World) -> None:
    """Guarantee 1: what the alias serves has a passed verdict, for exactly this code and configuration."""
    version = world.alias_version()
    record = next(item for item in world.records("version") if item["version"] == version)
    assert record["verdict"]["outcome"] == "passed"
    assert record["code_sha256"] == world.code_sha256(version)


@pytest.mark.parametrize(
    "moment",
    [
        "lambda.UpdateFunctionCode",  # before the deployment
        "lambda.GetFunctionConfiguration",  # between deployment and read-back, see nth below
        "dynamodb.PutItem",  # after the publication
        "execute-api.Invoke",  # during verification
    ],
)
def test_external_code_is_never_promoted(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, moment: str
) -> None:
    nth = 2 if moment == "lambda.GetFunctionConfiguration" else 1
    held = world.hold("hold-before", moment, nth)
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.overwrite_latest(EXTERNAL_CODE)
    external = world.code_sha256()
    held.release()
    ended = started.wait()
    assert world.code_sha256(world.alias_version()) != external
    assert_verified(world)
    assert get(promoted.outputs["environment-url"] + "/health") == (200, {"status": "ok"})
    if moment == "lambda.UpdateFunctionCode":
        # What was read was no longer true, and Lambda detected it. The external change was not overwritten unseen.
        statuses = [call.status for call in world.account.calls() if call.name == moment and call.faults]
        assert statuses == [412]
        assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    else:
        assert (ended.code, ended.result, world.alias_version()) == (1, "blocked", "1")
        assert "$LATEST was changed externally" in ended.errors[0].message
        verdict = world.records("version")[-1]["verdict"]
        assert verdict["outcome"] == "inconclusive"
    assert world.lock_owner() == ""


def test_adopted_code_that_is_replaced_externally_before_publication_is_not_published(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.overwrite_latest((runner.workspace / "function" / "app.py").read_text() + "\n# adopted\n")
    held = world.account.inject("hold-before", "lambda.PublishVersion")
    started = runner.start({**inputs, "artifact": ""}, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.overwrite_latest(EXTERNAL_CODE)
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (1, "failed")
    assert "changed externally" in ended.errors[0].message
    assert world.versions() == ["1"]
    assert world.alias_version() == promoted.outputs["version"]
    assert world.lock_owner() == ""


def test_an_external_change_of_the_configuration_during_verification_is_detected(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.hold("hold-before", "execute-api.Invoke")
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.function.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": {"NAME": "b"}})
    held.release()
    ended = started.wait()
    assert (ended.result, world.alias_version()) == ("blocked", promoted.outputs["version"])
    assert "$LATEST was changed externally" in ended.errors[0].message
    assert world.records("version")[-1]["verdict"]["outcome"] == "inconclusive"


def test_an_external_change_of_latest_after_verification_does_not_affect_the_promotion(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.account.inject("hold-before", "lambda.UpdateAlias")
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    verified = world.code_sha256()
    world.overwrite_latest(EXTERNAL_CODE)
    held.release()
    ended = started.wait()
    assert (ended.result, world.alias_version()) == ("promoted", "2"), ended.log
    assert world.code_sha256("preprod") == verified == ended.outputs["code-sha256"]
    assert promoted.outputs["code-sha256"] != verified


def test_an_alias_that_is_moved_externally_before_the_promotion_is_decided_again(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.account.inject("hold-before", "lambda.UpdateAlias")
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.function.update_alias(FunctionName=FUNCTION, Name="preprod", Description="by hand")
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2")]


def test_a_newer_promotion_that_comes_between_is_not_undone(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """Guarantees 2 and 4: without the lock, a newer run promotes just before the older one moves the alias."""
    held = world.account.inject("hold-before", "lambda.UpdateAlias")
    older = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    lock = {"pk": world.records("lock")[0]["pk"], "sk": "lock"}
    world.table.update_item(
        TableName="promote-on-success",
        Key={name: {"S": value} for name, value in lock.items()},
        UpdateExpression="REMOVE #owner",
        ExpressionAttributeNames={"#owner": "owner"},
    )
    (runner.workspace / "function" / "commit").write_text("3")
    newer = runner.run(inputs, commit="3" * 40, run_id=3)
    assert (newer.result, world.alias_version()) == ("promoted", "3"), newer.log
    held.release()
    late = older.wait()
    # The newer run has completed the release of the older one first, so that it took effect, and no longer does.
    assert (late.code, late.result) == (0, "promoted"), late.log
    assert "Another run finished this release." in late.log
    assert world.alias_version() == "3"
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2"), ("2", "3")]
    assert "pending" not in world.records("environment")[0]


@pytest.mark.parametrize("kind", ["cut-after", "error-after"])
@pytest.mark.parametrize(
    ("operation", "nth"),
    [
        ("dynamodb.UpdateItem", 1),  # the lock
        ("lambda.UpdateFunctionConfiguration", 1),
        ("lambda.UpdateFunctionCode", 1),
        ("dynamodb.PutItem", 1),  # the candidate
        ("dynamodb.TransactWriteItems", 1),  # the verdict
        ("lambda.UpdateAlias", 1),
        ("dynamodb.TransactWriteItems", 2),  # the promotion
    ],
)
def test_a_lost_response_is_not_a_lost_fact(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, kind: str, operation: str, nth: int
) -> None:
    """Guarantee 6: each write takes effect, its response is lost, and the run ends as if nothing had happened."""
    fault = world.account.inject(kind, operation, nth=nth)
    ended = runner.run({**inputs, "memory-size": "256"}, commit="2" * 40, run_id=2)
    assert fault.hit
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2")]
    assert world.records("lock")[0]["token"] == 2
    assert world.lock_owner() == ""
    assert world.versions() == ["1", "2"]
    assert_verified(world)


@pytest.mark.parametrize(
    "operation",
    [
        "lambda.CreateFunction",
        "lambda.PublishVersion",
        "lambda.CreateAlias",
        "dynamodb.CreateTable",
        "lambda.AddPermission",
    ],
)
def test_a_lost_response_of_a_first_run_is_not_a_lost_fact(
    runner: Runner, inputs: dict[str, str], world: World, operation: str
) -> None:
    fault = world.account.inject("cut-after", operation)
    ended = runner.run(inputs)
    assert fault.hit
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert world.history() == [("", "1")]
    assert get(ended.outputs["environment-url"] + "/health") == (200, {"status": "ok"})


@pytest.mark.parametrize("operation", ["lambda.*", "dynamodb.*", "apigatewayv2.*"])
@pytest.mark.parametrize("kind", ["throttle", "cut-before", "error-before"])
def test_a_service_that_fails_for_a_moment_is_asked_again(
    runner: Runner, inputs: dict[str, str], world: World, operation: str, kind: str
) -> None:
    for nth in (1, 4, 7):
        world.account.inject(kind, operation, nth=nth)
    ended = runner.run(inputs)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert world.history() == [("", "1")]


def test_an_update_that_fails_stops_the_run_with_lambdas_reason(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.account.inject("update-fails", "lambda.UpdateFunctionCode", reason="The image cannot be found.")
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result) == (1, "failed")
    assert "The image cannot be found." in ended.errors[0].message
    assert world.alias_version() == promoted.outputs["version"]
    assert world.lock_owner() == ""


def test_an_endpoint_that_is_never_reached_is_inconclusive(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    ended = runner.run(
        {**inputs, "latest-url": "http://127.0.0.1:9", "verify-timeout": "0.02"}, commit="2" * 40, run_id=2
    )
    assert (ended.code, ended.result, world.alias_version()) == (1, "blocked", promoted.outputs["version"])
    assert "could not be verified" in ended.errors[0].message
    assert world.records("version")[-1]["verdict"]["outcome"] == "inconclusive"


def test_the_lock_is_waited_for_and_its_holder_named(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.account.inject("hold-before", "lambda.UpdateFunctionCode")
    first = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    impatient = runner.run({**inputs, "lock-timeout": "0.01"}, commit="3" * 40, run_id=3)
    assert (impatient.code, impatient.result) == (1, "failed")
    assert "https://github.com/octo/hello/actions/runs/2/attempts/1" in impatient.errors[0].message
    patient = runner.start(inputs, commit="2" * 40, run_id=4)
    patient.wait_for("held by")
    held.release()
    assert first.wait().result == "promoted"
    waited = patient.wait()
    assert waited.result == "unchanged", waited.log
    assert float(waited.outputs["lock-wait-seconds"]) > 0
    tokens = [item["token"] for item in world.records("lock")]
    assert tokens == [3]
    assert promoted.result == "promoted"


def test_a_cancelled_run_gives_the_lock_back(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.hold("hold-before", "execute-api.Invoke")
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    started.process.terminate()
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (1, "failed")
    assert "cancelled" in ended.errors[0].message
    assert world.lock_owner() == ""
    assert world.alias_version() == promoted.outputs["version"]


def test_a_function_that_was_created_again_is_verified_again(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.function.delete_function(FunctionName=FUNCTION)
    world.create(EXTERNAL_CODE)
    edit(runner.workspace, '"ok"', '"broken"')
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert world.alias_version() == ""
    assert promoted.result == "promoted"


def release_lock(world: World) -> None:
    """Take the lock from its holder."""
    world.table.update_item(
        TableName="promote-on-success",
        Key={"pk": {"S": world.records("lock")[0]["pk"]}, "sk": {"S": "lock"}},
        UpdateExpression="REMOVE #owner",
        ExpressionAttributeNames={"#owner": "owner"},
    )


def test_a_served_version_with_other_content_does_not_count_as_verified(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """The function was created again: its version 1 differs, and $LATEST is what version 1 was."""
    assert promoted.outputs["version"] == "1"
    (runner.workspace / "function" / "commit").unlink()
    code = world.function.get_function(FunctionName=FUNCTION)["Code"]
    assert code
    world.function.delete_function(FunctionName=FUNCTION)
    world.create(EXTERNAL_CODE, publishes=True)
    ended = runner.run(inputs, commit="1" * 40, run_id=1, attempt=2)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert world.code_sha256(world.alias_version()) == promoted.outputs["code-sha256"]
    assert_verified(world)


def test_a_deleted_version_is_published_again(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    (runner.workspace / "function" / "commit").unlink()
    world.function.delete_alias(FunctionName=FUNCTION, Name="preprod")
    world.function.delete_function(FunctionName=FUNCTION, Qualifier=promoted.outputs["version"])
    ended = runner.run(inputs, commit="1" * 40, run_id=1, attempt=2)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    assert_verified(world)


@pytest.mark.parametrize("operation", ["apigatewayv2.CreateApi", "lambda.AddPermission"])
def test_once_the_alias_has_moved_a_missing_endpoint_is_a_warning(
    runner: Runner, inputs: dict[str, str], world: World, operation: str
) -> None:
    world.account.inject("error-before", operation, nth=2, times=0, status=403, code="AccessDeniedException")
    ended = runner.run(inputs)
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (0, "promoted", "true"), ended.log
    assert (ended.outputs["version"], world.alias_version()) == ("1", "1")
    assert [annotation.kind for annotation in ended.annotations] == ["warning"]
    world.account.clear_faults()
    again = runner.run(inputs, attempt=2)
    assert (again.code, again.result) == (0, "unchanged"), again.log
    assert get(again.outputs["environment-url"] + "/health") == (200, {"status": "ok"})


def test_a_move_whose_record_fails_is_a_promotion_and_recorded_by_the_next_run(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.account.inject(
        "error-before", "dynamodb.TransactWriteItems", nth=2, times=0, status=403, code="AccessDeniedException"
    )
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (0, "promoted", "true"), ended.log
    assert world.alias_version() == "2"
    assert world.history() == [("", promoted.outputs["version"])]
    assert world.lock_owner() == ""
    world.account.clear_faults()
    # A blocked run finishes the record first, too.
    edit(runner.workspace, '"ok"', '"broken"')
    assert runner.run(inputs, commit="3" * 40, run_id=3).result == "blocked"
    assert world.history() == [("", "1"), ("1", "2")]
    assert world.records("environment")[0]["commit"] == "2" * 40


def test_a_record_of_which_every_answer_is_lost_is_a_promotion(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.account.inject("cut-after", "dynamodb.TransactWriteItems", nth=2, times=0)
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2")]


def test_what_was_adopted_stays_so_though_our_own_calls_change_the_revision(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    """The endpoint's permission, and a publication whose response is lost, change $LATEST's RevisionId."""
    source = (runner.workspace / "function" / "app.py").read_text()
    world.create(source)
    lost = world.account.inject("cut-after", "lambda.PublishVersion")
    ended = runner.run({**inputs, "artifact": ""})
    assert lost.hit
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert world.versions() == ["1"]


@pytest.mark.parametrize("adopts", [True, False])
def test_an_external_change_right_after_our_configuration_is_not_adopted(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, *, adopts: bool
) -> None:
    wanted = {**inputs, "memory-size": "256", **({"artifact": ""} if adopts else {})}
    held = world.account.inject("hold-after", "lambda.UpdateFunctionConfiguration")
    started = runner.start(wanted, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.overwrite_latest(EXTERNAL_CODE)
    external = world.code_sha256()
    held.release()
    ended = started.wait()
    assert ended.result == ("failed" if adopts else "promoted"), ended.log
    assert world.code_sha256(world.alias_version()) != external
    assert promoted.result == "promoted"


@pytest.mark.parametrize(("again", "expected"), [(True, ("1", "2")), (False, ("1", "3"))])
def test_recovery_records_what_the_alias_pointed_at_and_not_what_the_ledger_thought(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, *, again: bool, expected: tuple[str, str]
) -> None:
    assert runner.run(inputs, commit="2" * 40, run_id=2).result == "promoted"
    assert promoted.outputs["version"] == "1"
    world.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion="1", Description="by hand")
    if not again:
        (runner.workspace / "function" / "commit").write_text("3")
    held = world.account.inject("hold-after", "lambda.UpdateAlias")
    started = runner.start({**inputs, "lease": "4"}, commit="3" * 40, run_id=3)
    held.wait_until_hit(20)
    started.kill()
    world.account.clear_faults()
    finished = runner.run({**inputs, "lease": "4"}, commit="3" * 40, run_id=3, attempt=2)
    assert finished.result == "unchanged", finished.log
    assert world.history() == [("", "1"), ("1", "2"), expected]


def test_an_older_commit_is_superseded_before_it_deploys(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    assert runner.run(inputs, commit="3" * 40, run_id=3).result == "promoted"
    latest = world.code_sha256()
    edit(runner.workspace, '"ok"', '"broken"')
    late = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (late.code, late.result, late.outputs["previous-version"]) == (0, "superseded", "2"), late.log
    assert world.code_sha256() == latest != promoted.outputs["code-sha256"]
    planned = runner.run({**inputs, "dry-run": "true"}, commit="2" * 40, run_id=2)
    assert "would be superseded" in planned.outputs["summary"]


def test_a_run_cancelled_while_it_takes_the_lock_gives_it_back(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.account.inject("hold-after", "dynamodb.UpdateItem")
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    assert world.lock_owner()
    started.process.terminate()
    ended = started.wait()
    assert (ended.code, ended.result, promoted.result) == (1, "failed", "promoted")
    assert world.lock_owner() == ""


def test_a_run_cancelled_after_the_move_says_that_it_has_promoted(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.account.inject("hold-before", "dynamodb.TransactWriteItems", nth=2)
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    started.process.terminate()
    ended = started.wait()
    assert (ended.result, ended.outputs["version"], world.alias_version()) == ("promoted", "2", "2"), ended.log
    assert "cancelled" in ended.annotations[0].message
    assert world.lock_owner() == ""
    assert runner.run(inputs, commit="2" * 40, run_id=2, attempt=2).result == "unchanged"
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2")]


def test_a_later_failure_takes_nothing_away_from_the_proof(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    (runner.workspace / "function" / "commit").unlink()
    failed = runner.run({**inputs, "checks": "GET /nowhere 200"}, commit="2" * 40, run_id=2)
    assert (failed.result, world.alias_version()) == ("blocked", promoted.outputs["version"])
    record = world.records("version")[0]
    assert (record["verdict"]["outcome"], record["passed"]["outcome"]) == ("failed", "passed")


def test_lambda_refusing_a_move_is_not_blamed_on_others(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.account.inject(
        "error-before",
        "lambda.UpdateAlias",
        times=0,
        status=404,
        code="ResourceNotFoundException",
        message="No such version.",
    )
    ended = hurried(runner).run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, world.alias_version()) == (1, "failed", promoted.outputs["version"])
    assert "No such version." in ended.errors[0].message
    assert "was not changed by others" in ended.errors[0].message


def test_the_lease_is_kept_alive_while_the_work_takes_longer(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.hold("hold-before", "execute-api.Invoke")
    working = runner.start({**inputs, "lease": "4"}, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    waiting = runner.run({**inputs, "lease": "4", "lock-timeout": "0.15"}, commit="3" * 40, run_id=3)
    assert (waiting.code, waiting.result) == (1, "failed"), "the lock was taken from a run that is alive"
    assert world.records("lock")[0]["beat"] > 0
    world.account.clear_faults()
    assert working.wait().result == "promoted"
    assert world.records("lock")[0]["token"] == 2
    assert promoted.result == "promoted"


def test_a_run_that_was_suspended_beyond_its_lease_changes_nothing_more(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.account.inject("hold-before", "dynamodb.TransactWriteItems")  # its verdict, before it moves the alias
    suspended = runner.start({**inputs, "lease": "4"}, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    suspended.process.send_signal(signal.SIGSTOP)
    (runner.workspace / "function" / "commit").write_text("3")
    taker = runner.run({**inputs, "lease": "4"}, commit="3" * 40, run_id=3)
    assert (taker.result, world.alias_version()) == ("promoted", "3"), taker.log
    world.account.forget()
    held.release()
    suspended.process.send_signal(signal.SIGCONT)
    ended = suspended.wait()
    # It looks again before its release begins, and finds the other promotion.
    assert (ended.code, ended.result) == (0, "superseded"), ended.log
    assert ended.errors == []
    assert [call for call in world.account.calls() if call.service == "lambda" and call.operation[:3] != "Get"] == []
    assert (world.alias_version(), world.history()) == ("3", [("", promoted.outputs["version"]), ("1", "3")])


def test_what_was_to_be_adopted_is_not_replaced_by_what_another_run_has_deployed(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    source = (runner.workspace / "function" / "app.py").read_text()
    held = world.hold("hold-before", "execute-api.Invoke")
    working = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.overwrite_latest(source + "\n# what is to be adopted\n")
    adopting = runner.start({**inputs, "artifact": ""}, commit="3" * 40, run_id=3)
    adopting.wait_for("held by")
    world.overwrite_latest(source + "\n# what comes after that\n")
    held.release()
    assert working.wait().result == "blocked"
    ended = adopting.wait()
    assert (ended.code, ended.result) == (1, "failed")
    assert "which was to be adopted" in ended.errors[0].message
    assert world.alias_version() == promoted.outputs["version"]


@pytest.mark.parametrize("ends", ["promoted", "blocked"])
def test_a_run_does_not_release_a_lock_that_is_anothers_by_now(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, ends: str
) -> None:
    """Guarantee 5: both kinds of release, that of the last transaction and that of a run which ends before it."""
    if ends == "blocked":
        edit(runner.workspace, '"ok"', '"broken"')
    nth, operation = (2, "dynamodb.TransactWriteItems") if ends == "promoted" else (2, "dynamodb.UpdateItem")
    held = world.account.inject("hold-before", operation, nth=nth)
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.table.update_item(
        TableName="promote-on-success",
        Key={"pk": {"S": world.records("lock")[0]["pk"]}, "sk": {"S": "lock"}},
        UpdateExpression="SET #owner = :other, #token = #token + :one",
        ExpressionAttributeNames={"#owner": "owner", "#token": "token"},
        ExpressionAttributeValues={":other": {"S": "somebody else"}, ":one": {"N": "1"}},
    )
    held.release()
    ended = started.wait()
    assert (ended.result, promoted.result) == (ends, "promoted"), ended.log
    assert world.lock_owner() == "somebody else"
