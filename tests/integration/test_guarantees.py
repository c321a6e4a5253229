"""The guarantees of the design, while somebody interferes: strangers, lost answers, failing services.

Each test acts as the stranger at one exact call: the sandbox holds that call until the stranger is done.
"""

import pytest

from sandbox.client import Account
from tests.runner import Ended, Runner, edit
from tests.world import FUNCTION, World, archive, get

STRANGER = """
def handler(event, context):
    return {"statusCode": 200, "body": '{"status": "ok", "greeting": "Hello, you!"}'}
"""
"""A stranger's code that passes every check: only its digest gives it away."""


@pytest.fixture
def promoted(runner: Runner, inputs: dict[str, str], account: Account) -> Ended:
    """Commit 1 is served; commit 2 lies in the workspace."""
    ended = runner.run(inputs, commit="1" * 40, run_id=1)
    assert ended.result == "promoted", ended.log
    (runner.workspace / "function" / "commit").write_text("2")
    account.forget()
    return ended


def assert_proven(world: World) -> None:
    """Guarantee 1: what the alias serves has a passed verdict, of exactly this code and configuration."""
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
def test_a_strangers_code_is_never_promoted(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, moment: str
) -> None:
    nth = 2 if moment == "lambda.GetFunctionConfiguration" else 1
    held = world.account.inject("hold-before", moment, nth=nth)
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.overwrite_latest(STRANGER)
    stranger = world.code_sha256()
    held.release()
    ended = started.wait()
    assert ended.result in ("promoted", "blocked"), ended.log
    assert world.code_sha256(world.alias_version()) != stranger
    assert_proven(world)
    assert get(promoted.outputs["environment-url"] + "/health") == (200, {"status": "ok"})
    if moment != "lambda.UpdateFunctionCode":
        assert (ended.code, ended.result, world.alias_version()) == (1, "blocked", "1")
        assert "somebody else changed $LATEST" in ended.errors[0].message
        verdict = world.records("version")[-1]["verdict"]
        assert verdict["outcome"] == "inconclusive"
    assert world.lock_owner() == ""


def test_adopted_code_that_a_stranger_replaces_before_publication_is_not_published(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.overwrite_latest((runner.workspace / "function" / "app.py").read_text() + "\n# adopted\n")
    held = world.account.inject("hold-before", "lambda.PublishVersion")
    started = runner.start({**inputs, "artifact": ""}, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.overwrite_latest(STRANGER)
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (1, "failed")
    assert "changed by somebody else" in ended.errors[0].message
    assert world.versions() == ["1"]
    assert world.alias_version() == promoted.outputs["version"]
    assert world.lock_owner() == ""


def test_configuration_that_a_stranger_changes_during_verification_is_noticed(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.account.inject("hold-before", "execute-api.Invoke")
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.function.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": {"A": "b"}})
    held.release()
    ended = started.wait()
    assert (ended.result, world.alias_version()) == ("blocked", promoted.outputs["version"])


def test_a_stranger_who_changes_latest_after_verification_changes_nothing_of_the_promotion(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.account.inject("hold-before", "lambda.UpdateAlias")
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    verified = world.code_sha256()
    world.overwrite_latest(STRANGER)
    held.release()
    ended = started.wait()
    assert (ended.result, world.alias_version()) == ("promoted", "2"), ended.log
    assert world.code_sha256("preprod") == verified == ended.outputs["code-sha256"]
    assert promoted.outputs["code-sha256"] != verified


def test_an_alias_that_a_stranger_moves_before_the_promotion_is_decided_on_again(
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
    """Guarantees 2 and 4: without the lock, a newer run promotes while the older one is about to move the alias."""
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
    assert (late.code, late.result) == (0, "superseded"), late.log
    assert world.alias_version() == "3"
    assert world.history() == [("", promoted.outputs["version"]), ("1", "3")]
    assert "intent" not in world.records("environment")[0]


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
def test_a_lost_answer_is_no_lost_fact(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, kind: str, operation: str, nth: int
) -> None:
    """Guarantee 6: each write takes effect, its answer is lost, and the run ends as if nothing had happened."""
    fault = world.account.inject(kind, operation, nth=nth)
    ended = runner.run({**inputs, "memory-size": "256"}, commit="2" * 40, run_id=2)
    assert fault.hit
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2")]
    assert world.records("lock")[0]["token"] == 2
    assert world.lock_owner() == ""
    assert world.versions() == ["1", "2"]
    assert_proven(world)


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
def test_a_lost_answer_of_a_first_run_is_no_lost_fact(
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
    held = world.account.inject("hold-before", "execute-api.Invoke")
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    started.process.terminate()
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (1, "failed")
    assert "cancelled" in ended.errors[0].message
    assert world.lock_owner() == ""
    assert world.alias_version() == promoted.outputs["version"]


def test_a_function_of_the_same_name_made_anew_is_proven_anew(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.function.delete_function(FunctionName=FUNCTION)
    world.function.create_function(
        FunctionName=FUNCTION,
        Runtime="python3.13",
        Handler="app.handler",
        Role=inputs["role"],
        Code={"ZipFile": archive({"app.py": STRANGER})},
    )
    edit(runner.workspace, '"ok"', '"broken"')
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert world.alias_version() == ""
    assert promoted.result == "promoted"
