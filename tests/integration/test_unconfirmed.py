"""A write takes effect, its response is lost, and its retries end with another error: the run reads back."""

from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.client import Account
from tests.conftest import hurried
from tests.past import Pasts, first_release
from tests.runner import Ended, Runner
from tests.world import FUNCTION, World

pytestmark = pytest.mark.usefixtures("history")


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], account: Account) -> Ended:
    """Commit 1 is served. Commit 2 is in the workspace."""
    ended = first_release(pasts, runner, account, inputs)
    (runner.workspace / "function" / "commit").write_text("2")
    account.forget()
    return ended


Error = Mapping[str, Any]
DENIED: Error = {"status": 403, "code": "AccessDeniedException", "message": "no"}
EXPIRED: Error = {"status": 403, "code": "ExpiredTokenException", "message": "expired"}


def lose(account: Account, operation: str, **error: Any) -> None:
    """Let the first call take effect and lose its response. Each retry, and each later call, gets ``error``."""
    account.inject("cut-after", operation)
    account.inject("error-before", operation, nth=2, times=0, **error)


@pytest.mark.parametrize(
    "error", [DENIED, {"status": 429, "code": "TooManyRequestsException", "message": "Rate exceeded"}], ids=str
)
def test_a_move_whose_repetitions_are_refused_is_seen_by_reading_back(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, error: Error
) -> None:
    lose(world.account, "lambda.UpdateAlias", **error)
    # The clock is hurried, because throttling is waited for, and the heartbeat is not.
    ended = hurried(runner).run({**inputs, "lease": "3600"}, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (0, "promoted", "true"), ended.log
    assert world.alias_version() == "2"
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2")]


def test_a_first_move_whose_repetitions_are_refused_is_seen_by_reading_back(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    lose(world.account, "lambda.CreateAlias", **DENIED)
    ended = runner.run(inputs)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "1"), ended.log


def test_a_move_that_cannot_be_read_back_is_said_to_be_possible_and_the_next_run_records_it(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    lose(world.account, "lambda.UpdateAlias", **EXPIRED)
    world.account.inject("error-before", "lambda.GetAlias", times=0, **EXPIRED)
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (1, "failed", "unknown"), ended.log
    [error] = ended.errors
    assert error.message.startswith("Preprod of hello may have moved to version 2: AWS did not confirm it")
    assert "command: status" in error.message
    assert "may have moved to version 2" in ended.summary
    world.account.clear_faults()
    assert world.alias_version() == "2"
    again = runner.run(inputs, commit="2" * 40, run_id=2, attempt=2)
    assert (again.code, again.result) == (0, "unchanged"), again.log
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2")]


def test_a_move_that_is_refused_at_once_has_not_been_made(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.account.inject("error-before", "lambda.UpdateAlias", times=0, **DENIED)
    world.account.inject("error-before", "lambda.GetAlias", times=0, **DENIED)
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    world.account.clear_faults()
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (1, "failed", "false"), ended.log
    assert "may have moved" not in ended.log
    assert "AWS denies" in ended.errors[0].message
    assert world.alias_version() == promoted.outputs["version"]


@pytest.mark.parametrize(
    "operation",
    [
        "lambda.UpdateFunctionConfiguration",
        "lambda.UpdateFunctionCode",
        "lambda.PublishVersion",
    ],
)
@pytest.mark.parametrize("kind", ["cut-after", "error-after"])
def test_a_deployment_whose_repetitions_are_refused_goes_on_with_what_it_reads(  # noqa: PLR0917 - parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, operation: str, kind: str
) -> None:
    given = {**inputs, "memory-size": "256"}
    if operation == "lambda.PublishVersion":
        world.overwrite_latest((runner.workspace / "function" / "app.py").read_text() + "\n# adopted\n")
        given = {**inputs, "artifact": ""}
    world.account.inject(kind, operation)
    world.account.inject("error-before", operation, nth=2, **DENIED)
    ended = runner.run(given, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    assert world.versions() == [promoted.outputs["version"], "2"]


def test_a_deployment_that_cannot_be_read_back_says_what_may_have_changed(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    lose(world.account, "lambda.UpdateFunctionCode", **DENIED)
    # At the start it is read once. The run has seen no write of its own since.
    world.account.inject("error-before", "lambda.GetFunctionConfiguration", nth=2, times=0, **EXPIRED)
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert world.alias_version() == promoted.outputs["version"]
    assert "$LATEST of hello may have changed" in ended.errors[0].message


@pytest.mark.parametrize("operation", ["lambda.CreateFunction", "lambda.AddPermission", "dynamodb.CreateTable"])
def test_what_a_first_run_creates_is_read_back(
    runner: Runner, inputs: dict[str, str], world: World, operation: str
) -> None:
    world.account.inject("cut-after", operation)
    world.account.inject("error-before", operation, nth=2, **DENIED)
    ended = runner.run(inputs)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "1"), ended.log


@pytest.mark.parametrize("part", ["CreateIntegration", "CreateRoute", "CreateStage"])
@pytest.mark.parametrize("is_lost", [True, False])
def test_each_part_of_an_api_is_made_once(
    runner: Runner, inputs: dict[str, str], world: World, part: str, *, is_lost: bool
) -> None:
    """A 409 of API Gateway may mean that another change is in progress, and then nothing exists yet."""
    operation = f"apigatewayv2.{part}"
    if is_lost:
        world.account.inject("cut-after", operation)
        world.account.inject("error-before", operation, nth=2, **DENIED)
    else:
        text = "Unable to complete operation due to concurrent modification. Please try again later."
        world.account.inject("error-before", operation, status=409, code="ConflictException", message=text)
    ended = runner.run(inputs)
    assert (ended.code, ended.result, ended.outputs["version"]) == (0, "promoted", "1"), ended.log
    assert not ended.annotations
    for api in world.apis():
        made: Any = {
            "CreateIntegration": world.gateway.get_integrations(ApiId=api),
            "CreateRoute": world.gateway.get_routes(ApiId=api),
            "CreateStage": world.gateway.get_stages(ApiId=api),
        }[part]
        assert len(made["Items"]) == 1


def test_a_lock_that_may_have_been_opened_is_said_to_be(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    assert promoted.result == "promoted"
    held = world.account.inject("hold-before", "lambda.UpdateFunctionCode")
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.account.inject("cut-after", "dynamodb.TransactWriteItems")
    world.account.inject("error-before", "dynamodb.TransactWriteItems", nth=2, **DENIED)
    unlock = {"command": "unlock", "function-name": FUNCTION, "reason": "it hangs"}
    ended = runner.run(unlock)
    assert (ended.code, ended.result) == (0, "unlocked"), ended.log
    held.release()
    started.wait()


def test_a_version_that_may_have_been_deleted_keeps_the_record_of_its_deletion(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    assert runner.run(inputs, commit="2" * 40, run_id=2).result == "promoted"
    (runner.workspace / "function" / "commit").write_text("3")
    held = world.account.inject("hold-before", "lambda.DeleteFunction", nth=2)
    lose(world.account, "lambda.DeleteFunction", **DENIED)
    started = runner.start({**inputs, "keep-versions": "1"}, commit="3" * 40, run_id=3)
    held.wait_until_hit(20)
    # Each read of version 1 fails once it may be gone.
    world.account.inject("error-before", "lambda.GetFunctionConfiguration", times=0, **DENIED)
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert "version 1 of hello may have been deleted" in ended.log
    assert world.versions() == ["2", "3"]
    [gone] = [item["version"] for item in world.records("version") if "deleted" in item]
    assert gone == promoted.outputs["version"]


def test_a_lock_whose_repetitions_are_refused_is_seen_by_reading_back(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    assert promoted.result == "promoted"
    world.account.inject("cut-after", "dynamodb.UpdateItem")
    world.account.inject("error-before", "dynamodb.UpdateItem", nth=2, **DENIED)
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    assert not ended.annotations
    assert not world.lock_owner()


def test_a_lock_that_cannot_be_read_back_is_said_to_be_held_perhaps(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    assert promoted.result == "promoted"
    held = world.account.inject("hold-before", "dynamodb.UpdateItem")
    lose(world.account, "dynamodb.UpdateItem", **DENIED)
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    world.account.inject("error-before", "dynamodb.Query", times=0, **DENIED)
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    [error] = ended.errors
    assert error.message.startswith("The lock of hello may be held by this run: AWS did not confirm it")
    assert "The post step tries to release the lock" in error.message
    assert "the lease ends after 30 seconds" in error.message
    world.account.clear_faults()
    assert world.lock_owner()
    runner.finish()
    assert not world.lock_owner()


def test_a_lock_that_is_refused_at_once_is_not_read_back(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    assert promoted.result == "promoted"
    world.account.forget()
    world.account.inject("error-before", "dynamodb.UpdateItem", times=0, **DENIED)
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert ended.errors[0].message.startswith("AWS denies UpdateItem")
    assert not world.lock_owner()


@pytest.mark.parametrize(
    ("operation", "nth"),
    [("dynamodb.PutItem", 1), ("dynamodb.TransactWriteItems", 1), ("dynamodb.TransactWriteItems", 2)],
)
def test_a_record_whose_repetitions_are_refused_is_seen_by_reading_back(  # noqa: PLR0917 - parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, operation: str, nth: int
) -> None:
    world.account.inject("cut-after", operation, nth=nth)
    world.account.inject("error-before", operation, nth=nth + 1, **DENIED)
    ended = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    assert not ended.annotations
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2")]
    assert not world.lock_owner()


def test_the_locks_and_the_record_of_an_application_are_read_back(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    given = {**inputs, "function-name": "api\nworker", "checks": "api: GET /health 200"}
    assert runner.run(given, commit="1" * 40, run_id=1).result == "promoted"
    for nth in range(1, 4):  # the locks, the beginning, the end
        (runner.workspace / "function" / "commit").write_text(str(nth + 1))
        world.account.inject("cut-after", "dynamodb.TransactWriteItems", nth=nth)
        world.account.inject("error-before", "dynamodb.TransactWriteItems", nth=nth + 1, **DENIED)
        ended = runner.run(given, commit=f"{nth + 1}" * 40, run_id=nth + 1)
        assert (ended.code, ended.result) == (0, "promoted"), ended.log
        assert not ended.annotations
        assert not [item for item in world.records("lock") if "owner" in item]
        world.account.clear_faults()
