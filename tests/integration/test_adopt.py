"""``adopt``: triggers that run unverified code are listed, and event source mappings move to the alias and back."""

from typing import Any

import pytest

from tests.conftest import make_several
from tests.estate import Estate
from tests.past import Pasts
from tests.runner import Ended, Runner
from tests.world import FUNCTION, World

pytestmark = pytest.mark.usefixtures("history")

ADOPT = {"command": "adopt", "function-name": FUNCTION, "environment": "preprod"}
APPLY = {**ADOPT, "apply": "true"}
UNDO = {**APPLY, "undo": "true"}


@pytest.fixture
def estate(world: World) -> Estate:
    return Estate(world)


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], estate: Estate) -> Ended:
    """The estate is there, and the action has promoted its first commit."""

    def make() -> Ended:
        estate.make()
        return promote(runner, inputs)

    return pasts.of("an estate with a first promotion", runner, estate.world.account, inputs, make)


@pytest.fixture
def uuid(promoted: Ended, estate: Estate) -> str:
    """The mapping of the queue."""
    assert promoted.result == "promoted"
    [mapping] = estate.function.list_event_source_mappings(FunctionName=FUNCTION)["EventSourceMappings"]
    return str(mapping["UUID"])


@pytest.fixture
def inputs(inputs: dict[str, str]) -> dict[str, str]:
    """The function exists, so nothing is needed to create it."""
    return {**inputs, "role": "", "runtime": "", "handler": ""}


def warnings(ended: Ended, title: str) -> list[str]:
    return [note.message for note in ended.annotations if note.kind == "warning" and note.title == title]


def promote(runner: Runner, inputs: dict[str, str], run_id: int = 1) -> Ended:
    ended = runner.run(inputs, commit=f"{run_id}" * 40, run_id=run_id)
    assert ended.result in ("promoted", "unchanged"), ended.log
    return ended


def test_adopt_and_back_changes_nothing_else(runner: Runner, promoted: Ended, estate: Estate, uuid: str) -> None:
    [warning] = warnings(promoted, "Triggers")
    for name in ("SQS orders", "EventBridge rule nightly", "SNS topic news", "S3 bucket uploads", "API Gateway"):
        assert name in warning
    assert "call $LATEST of hello, and so run unverified code" in warning
    assert "With command: adopt and environment: preprod" in warning
    before = estate.facts()

    plan = runner.run(ADOPT)
    assert (plan.code, plan.result) == (0, "planned"), plan.log
    assert "1 event source mapping of hello would call preprod in place of $LATEST." in plan.outputs["summary"]
    assert "5 other triggers call $LATEST; see what to change." in plan.outputs["summary"]
    alias = f"{estate.arn}:preprod"
    assert f"name {alias} in the target of the rule nightly" in plan.log
    assert f"aws sns subscribe --topic-arn arn:aws:sns:us-east-1:{estate.world.account.id}:news --protocol" in plan.log
    assert f"name {alias} in the notifications of the bucket uploads" in plan.log
    allow = "aws lambda add-permission --function-name hello --qualifier preprod --statement-id bucket"
    assert f"{allow} --action lambda:InvokeFunction --principal s3.amazonaws.com --source-arn arn:aws:s3:::uploads" in (
        plan.log
    )
    assert f"To go back, name {estate.arn} there again" in plan.log
    assert estate.facts() == before

    done = runner.run(APPLY)
    assert (done.code, done.result) == (0, "adopted"), done.log
    assert "If a stack (CloudFormation, SAM, CDK, Serverless, Terraform) manages a trigger" in done.log
    assert f"| SQS orders (event source mapping `{uuid}`) | preprod | It called `$LATEST` before. |" in done.summary
    moved = estate.facts()
    assert moved["mappings"].pop(uuid) == {**before["mappings"][uuid], "FunctionArn": alias}
    assert moved == {**before, "mappings": {}}
    again = runner.run(APPLY)
    assert again.result == "unchanged", again.log
    assert "No event source mapping of hello calls $LATEST." in again.outputs["summary"]

    assert runner.run({**UNDO, "apply": "false"}).result == "planned"
    assert estate.called(uuid) == "hello:preprod"
    back = runner.run(UNDO)
    assert (back.code, back.result) == (0, "adopted"), back.log
    assert estate.facts() == before
    assert estate.world.records("adopted") == []
    assert runner.run(UNDO).result == "unchanged"


def test_the_steady_state_lists_no_triggers(runner: Runner, inputs: dict[str, str], estate: Estate, uuid: str) -> None:
    assert estate.called(uuid) == "hello"
    estate.world.account.forget()
    (runner.workspace / "function" / "commit").write_text("2")
    ended = promote(runner, inputs, 2)
    assert warnings(ended, "Triggers") == []
    assert "ListEventSourceMappings" not in [call.operation for call in estate.world.account.calls()]


def test_a_gateway_that_the_user_names_is_not_warned_of(runner: Runner, inputs: dict[str, str], world: World) -> None:
    estate = Estate(world)
    world.create("raise SystemExit", publishes=True)
    world.settle()
    url = f"{world.url}/_aws/execute-api/abcd123456/prod"
    source = f"arn:aws:execute-api:us-east-1:{world.account.id}:abcd123456/*"
    estate.permit("gateway", "apigateway.amazonaws.com", source)
    ended = runner.run({**inputs, "latest-url": url, "dry-run": "true"})
    assert ended.result == "planned", ended.log
    assert warnings(ended, "Triggers") == []
    ended = runner.run({**inputs, "dry-run": "true"})
    assert "API Gateway abcd123456 calls $LATEST of hello" in warnings(ended, "Triggers")[0]


def test_mappings_are_moved_as_they_are(runner: Runner, promoted: Ended, estate: Estate) -> None:
    assert promoted.result == "promoted"
    disabled = estate.map_queue(queue=f"{estate.queue}-2", Enabled=False)
    named = estate.map_queue("hello:$LATEST", queue=f"{estate.queue}-3")
    other = estate.map_queue("hello:live", queue=f"{estate.queue}-4")
    estate.world.account.inject("small-pages", "lambda.ListEventSourceMappings", times=0, items=1)
    ended = runner.run(APPLY)
    assert ended.result == "adopted", ended.log
    assert estate.mapping(disabled)["State"] == "Disabled"
    assert [estate.called(uuid) for uuid in (disabled, named, other)] == [
        "hello:preprod",
        "hello:preprod",
        "hello:live",
    ]
    assert runner.run(UNDO).result == "adopted"
    assert estate.mapping(disabled)["State"] == "Disabled"
    assert [estate.called(uuid) for uuid in (disabled, named, other)] == ["hello", "hello:$LATEST", "hello:live"]


def adopt_while_it_changes(runner: Runner, estate: Estate, uuid: str, operation: str) -> Ended:
    """Adopt, and change the mapping before the first call of ``operation``."""
    held = estate.world.hold("hold-before", operation)
    started = runner.start(APPLY)
    assert held.is_hit_within(20)
    estate.function.update_event_source_mapping(UUID=uuid, BatchSize=7)
    held.release()
    return started.wait()


def test_a_mapping_that_is_changed_at_the_same_time_stays(runner: Runner, estate: Estate, uuid: str) -> None:
    ended = adopt_while_it_changes(runner, estate, uuid, "lambda.GetEventSourceMapping")
    [error] = ended.errors
    assert f"event source mapping {uuid} was changed or deleted externally" in error.message
    assert (estate.called(uuid), estate.mapping(uuid)["BatchSize"]) == ("hello", 7)
    assert runner.run(APPLY).result == "adopted"
    assert (estate.called(uuid), estate.mapping(uuid)["BatchSize"]) == ("hello:preprod", 7)


def test_a_mapping_that_others_have_moved_since_is_not_returned(runner: Runner, estate: Estate, uuid: str) -> None:
    assert runner.run(APPLY).result == "adopted"
    estate.mapping(uuid)
    estate.function.update_event_source_mapping(UUID=uuid, FunctionName="hello:live")
    ended = runner.run(UNDO)
    assert ended.result == "adopted", ended.log
    assert f"was changed externally: it calls {estate.arn}:live, and stays as it is" in ended.log
    assert estate.called(uuid) == "hello:live"


def test_a_change_between_the_record_and_the_write_is_noticed(runner: Runner, estate: Estate, uuid: str) -> None:
    ended = adopt_while_it_changes(runner, estate, uuid, "dynamodb.PutItem")
    assert "was changed or deleted externally while this run worked on it" in ended.errors[0].message
    assert estate.called(uuid) == "hello"
    # The record of what was about to be done does no harm.
    assert f"calls {estate.arn} already" in runner.run(UNDO).log
    assert estate.called(uuid) == "hello"


@pytest.mark.parametrize("when", ["hold-before", "hold-after"])
@pytest.mark.parametrize("operation", ["dynamodb.PutItem", "lambda.UpdateEventSourceMapping"])
def test_a_dead_run_is_repeated(runner: Runner, estate: Estate, uuid: str, when: str, operation: str) -> None:
    held = estate.world.account.inject(when, operation)
    started = runner.start(APPLY)
    assert held.is_hit_within(20)
    started.kill()
    estate.world.account.clear_faults()
    assert runner.run(APPLY).code == 0
    assert estate.called(uuid) == "hello:preprod"
    assert runner.run(UNDO).result == "adopted"
    assert estate.called(uuid) == "hello"


def test_a_lost_response_is_not_a_lost_fact(runner: Runner, estate: Estate, uuid: str) -> None:
    fault = estate.world.account.inject("cut-after", "lambda.UpdateEventSourceMapping")
    ended = runner.run(APPLY)
    assert fault.hit
    assert ended.result == "adopted", ended.log
    assert estate.called(uuid) == "hello:preprod"


def test_what_lambda_refuses_is_said(runner: Runner, estate: Estate, uuid: str) -> None:
    estate.map_queue("hello:preprod")
    [error] = runner.run(APPLY).errors
    assert "Lambda refuses to let SQS orders" in error.message
    assert "mapping already exists" in error.message
    assert estate.called(uuid) == "hello"
    assert estate.world.records("adopted") == []


def test_an_alias_that_was_not_promoted_gets_no_triggers(runner: Runner, estate: Estate) -> None:
    uuid = estate.make()
    ended = runner.run(APPLY)
    assert ended.result == "refused"
    assert "points at version 1, which was not promoted" in ended.errors[0].message
    ended = runner.run({**APPLY, "environment": "prod"})
    assert "the alias prod of hello does not exist" in ended.errors[0].message.lower()
    ended = runner.run({**APPLY, "function-name": "nowhere"})
    assert "function nowhere does not exist" in ended.errors[0].message
    assert estate.called(uuid) == "hello"


def denying(runner: Runner, estate: Estate, given: dict[str, str], *denied: str) -> Ended:
    """Run a step whose role may do everything else."""
    policy: Any = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": list(denied), "Resource": "*"},
        ],
    }
    return runner.run(given, commit="1" * 40, run_id=1, environ=estate.world.account.assume(policy))


def test_what_cannot_be_listed_is_said_in_one_line(
    runner: Runner, inputs: dict[str, str], estate: Estate, uuid: str
) -> None:
    first = {**inputs, "environment": "live", "dry-run": "true"}
    ended = denying(runner, estate, first, "lambda:ListEventSourceMappings", "lambda:GetPolicy")
    assert ended.result == "planned", ended.log
    for what in ("the event source mappings", "the policy of $LATEST"):
        [line] = [line for line in ended.log.splitlines() if f"{what} could not be listed: AWS denies" in line]
        assert line.startswith("triggers  of hello: ")
    assert warnings(ended, "Triggers") == []

    status = {"command": "status", "function-name": FUNCTION}
    ended = denying(runner, estate, status, "lambda:ListEventSourceMappings", "apigateway:GET")
    assert ended.result == "reported", ended.log
    for what in ("The event source mappings", "The HTTP APIs"):
        [line] = [line for line in ended.log.splitlines() if f"{what} could not be listed: AWS denies" in line]

    ended = denying(runner, estate, APPLY, "lambda:ListEventSourceMappings")
    [error] = ended.errors
    assert "The triggers of hello are not known" in error.message
    assert "Nothing was changed." in error.message
    assert estate.called(uuid) == "hello"


def test_a_first_run_does_not_wait_for_what_only_informs(
    runner: Runner, inputs: dict[str, str], estate: Estate, uuid: str
) -> None:
    """Other calls that AWS throttles are repeated for ten minutes."""
    estate.world.account.inject("throttle", "lambda.ListEventSourceMappings", times=0)
    estate.world.account.forget()
    ended = runner.run({**inputs, "environment": "live", "dry-run": "true"})
    assert ended.result == "planned", ended.log
    assert "the event source mappings could not be listed: AWS throttles" in ended.log
    assert "SNS topic news" in warnings(ended, "Triggers")[0]
    calls = [call for call in estate.world.account.calls() if call.operation == "ListEventSourceMappings"]
    assert len(calls) == 1
    assert estate.called(uuid) == "hello"


def test_status_lists_triggers_and_what_the_action_has_made(runner: Runner, estate: Estate, uuid: str) -> None:
    status = {"command": "status", "function-name": FUNCTION}
    ended = runner.run(status)
    assert f"SQS orders (event source mapping {uuid})  $LATEST" in ended.log
    assert "EventBridge rule nightly  $LATEST" in ended.log
    [latest] = [api for api in estate.world.gateway.get_apis()["Items"] if api["Name"] == "hello-latest"]
    assert f"HTTP API of latest  {latest['ApiId']}  its tag promote-on-success has the function's ARN" in ended.log
    assert f"Permission  promote-on-success-{latest['ApiId']}-latest" in ended.log
    assert "Description of an alias  preprod  it begins with promote-on-success:" in ended.log
    assert f"Lock and records  promote-on-success  the items of this table whose pk is {estate.arn}" in ended.log
    assert runner.run(APPLY).result == "adopted"
    ended = runner.run(status)
    assert "SQS orders" not in ended.log
    assert f"Event source mapping, moved  {uuid}  adopt has let it call preprod" in ended.log


def test_the_triggers_of_several_functions_move_together(
    runner: Runner, inputs: dict[str, str], estate: Estate, world: World
) -> None:
    several = make_several(runner, world.account, ("api", "mail"))
    ended = runner.run({**several, "checks": inputs["checks"]}, commit="1" * 40)
    assert ended.result == "promoted", ended.log
    uuids = [estate.map_queue(name, queue=f"{estate.queue}-{name}") for name in ("api", "mail")]
    names = {"function-name": "api\nmail"}
    done = runner.run({**APPLY, **names})
    assert done.result == "adopted", done.log
    assert "2 event source mappings of api and mail call preprod now." in done.outputs["summary"]
    assert [estate.called(uuid) for uuid in uuids] == ["api:preprod", "mail:preprod"]
    assert runner.run({**UNDO, **names}).result == "adopted"
    assert [estate.called(uuid) for uuid in uuids] == ["api", "mail"]
