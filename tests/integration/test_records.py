"""Records are not trusted blindly: external ones, damaged ones, and those of two concurrent runs."""

from collections.abc import Mapping
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from promote.aws.tags import TAG
from sandbox.client import Account
from tests.conftest import hurried
from tests.past import Pasts
from tests.runner import Ended, Runner, edit
from tests.world import FUNCTION, TABLE, World

pytestmark = pytest.mark.usefixtures("history")

PROMOTE = {
    "command": "promote",
    "function-name": FUNCTION,
    "github-deployments": "false",
    "environment": "prod",
    "diverged": "promote",
}
FROM_PREPROD = {**PROMOTE, "from": "preprod"}
ROLLBACK = {"command": "rollback", "function-name": FUNCTION, "environment": "preprod", "github-deployments": "false"}
STATUS = {"command": "status", "function-name": FUNCTION}


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], account: Account) -> Ended:
    """Versions 1 and 2 were served, in this order."""
    inputs["diverged"] = "promote"  # the order of commits is not tested here
    goodbye = {**inputs, "checks": "GET /health 200"}

    def make() -> Ended:
        first = runner.run(inputs, commit="1" * 40, run_id=1)
        assert first.result == "promoted", first.log
        edit(runner.workspace, "Hello", "Goodbye")
        second = runner.run(goodbye, commit="2" * 40, run_id=2)
        assert second.result == "promoted", second.log
        return second

    second = pasts.of("commits 1 and 2 were served, the second says Goodbye", runner, account, inputs, make)
    inputs |= goodbye
    account.forget()
    return second


def writes(account: Account) -> list[str]:
    reads = ("Get", "List", "Query", "Scan", "Describe", "Invoke")
    return [call.name for call in account.calls() if not call.operation.startswith(reads)]


def put(world: World, item: Mapping[str, Any]) -> None:
    """Write an item as another program, or a restored backup, would."""
    write = TypeSerializer().serialize
    world.table.put_item(TableName=TABLE, Item={name: write(value) for name, value in item.items()})


def record(world: World, sk: str) -> Mapping[str, Any]:
    return next(item for item in world.items() if item["sk"] == sk)


def arn(world: World) -> str:
    return world.function.get_function_configuration(FunctionName=FUNCTION)["FunctionArn"]


def preview(world: World, **attributes: Any) -> Mapping[str, Any]:
    """Write the record of a preview endpoint whose run died long ago."""
    item = {
        "pk": arn(world),
        "sk": "endpoint#preview#0000000001#abcdefabcdef",
        "version": "1",
        "operation": "abcdefabcdef",
        "job": "1",
        "lease": 30,
        "alive": 1,
        "commit": "",
        "run_id": 5,
        "attempt": 1,
        "url": "",
        **attributes,
    }
    put(world, item)
    return item


def assert_one_error(ended: Ended, *texts: str) -> None:
    assert ended.code == 1, ended.log
    assert len(ended.errors) == 1, ended.log
    for text in texts:
        assert text.lower() in ended.errors[0].message.lower(), ended.log
    assert "Traceback" not in ended.log


# Damaged records


@pytest.mark.parametrize(
    ("sk", "damage", "what"),
    [
        ("environment#preprod", {"sequence": "2"}, "its sequence is '2'"),
        ("environment#preprod", {"version": 2}, "its version is '2'"),
        ("environment#preprod", {"commit": None}, "its commit is missing"),
        ("environment#preprod", {"pending": "3"}, "its pending is '3'"),
        ("environment#preprod", {"endpoint": {"api_id": "x"}}, "its endpoint.api_url is missing"),
        ("endpoint#latest", {"endpoint": ["x"]}, "its endpoint is a list"),
    ],
)
def test_a_damaged_record_stops_a_run_before_it_changes_anything(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, sk: str, damage: Mapping[str, Any], what: str
) -> None:
    put(world, {**record(world, sk), **damage})
    edit(runner.workspace, "Goodbye", "Good evening")
    before = world.items()
    world.account.forget()
    for given in (inputs, FROM_PREPROD, ROLLBACK, STATUS):
        ended = runner.run(given, commit="3" * 40, run_id=3)
        assert_one_error(ended, f"the record {sk} of {arn(world)} cannot be read", what, "correct the item by hand")
    assert (writes(world.account), world.items()) == ([], before)
    assert world.alias_version() == promoted.outputs["version"]


def test_an_environments_endpoint_is_not_taken_for_that_of_latest(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """It would answer for the version that is served, whatever the candidate does."""
    served = record(world, "environment#preprod")["endpoint"]
    put(world, {**record(world, "endpoint#latest"), "endpoint": served})
    edit(runner.workspace, '"status": "ok"', '"status": "broken"')
    inputs["checks"] = "GET /health 200 status == 'ok'"
    before = world.items()
    world.account.forget()
    ended = runner.run(inputs, commit="3" * 40, run_id=3)
    assert_one_error(ended, "the endpoint of $LATEST and the endpoint of preprod are the same API", "endpoint#latest")
    assert (writes(world.account), world.items()) == ([], before)
    back = runner.run(ROLLBACK, run_id=3)
    assert (back.code, back.result) == (0, "rolled-back"), back.log
    world.table.delete_item(TableName=TABLE, Key={"pk": {"S": arn(world)}, "sk": {"S": "endpoint#latest"}})
    again = runner.run(inputs, commit="4" * 40, run_id=4)
    assert (again.code, again.result) == (1, "blocked"), (again.log, promoted)


@pytest.mark.parametrize("damage", [{"functions": "many"}, {"functions": [2]}, {"sk": "promotion#1"}, {"pk": ""}])
def test_a_damaged_entry_of_the_history_is_named(
    runner: Runner, world: World, promoted: Ended, damage: Mapping[str, Any]
) -> None:
    [entry] = [item for item in world.records("promotion") if item["version"] == promoted.outputs["version"]]
    put(world, {**entry, "release": {**entry["release"], **damage}})
    name, value = next(iter(damage.items()))
    for given in (ROLLBACK, STATUS):
        ended = runner.run(given, commit="3" * 40, run_id=3)
        assert_one_error(ended, f"the record {entry['sk']} of {arn(world)} cannot be read", f"its release.{name} is ")
    assert (value, world.alias_version()) == (damage[name], promoted.outputs["version"])


def test_a_damaged_record_of_a_version_does_not_count_as_passed(runner: Runner, world: World, promoted: Ended) -> None:
    passed = record(world, "version#0000000002")["passed"]
    put(world, {**record(world, "version#0000000002"), "passed": {**passed, "outcome": "failed"}})
    assert_one_error(runner.run(FROM_PREPROD, run_id=3), "the record version#0000000002", "passed.outcome is 'failed'")
    assert (world.alias_version("prod"), promoted.result) == ("", "promoted")


# A rollback is for emergencies


@pytest.mark.parametrize(
    "damage",
    [{"token": "many"}, {"owner": 5}, {"format": 99}, {"tickets": "x"}, {"token": -1, "owner": "x", "lease": "x"}],
)
def test_a_rollback_needs_no_lock_that_makes_sense(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, damage: Mapping[str, Any]
) -> None:
    put(world, {**record(world, "lock"), **damage})
    assert_one_error(runner.run({**inputs, "checks": "GET /health 200"}, commit="3" * 40, run_id=3), "the lock")
    lock = record(world, "lock")
    planned = runner.run({**ROLLBACK, "dry-run": "true"}, run_id=9)
    assert planned.result == "planned", planned.log
    ended = runner.run(ROLLBACK, run_id=9)
    assert (ended.code, ended.result, world.alias_version()) == (0, "rolled-back", "1"), ended.log
    assert ended.annotations == ()
    assert (record(world, "lock"), promoted.result) == (lock, "promoted")


def test_a_rollback_needs_no_lock_and_no_record_that_is_not_its_own(
    runner: Runner, world: World, promoted: Ended
) -> None:
    world.table.delete_item(TableName=TABLE, Key={"pk": {"S": arn(world)}, "sk": {"S": "lock"}})
    preview(world, lease="long")
    put(world, {"pk": arn(world), "sk": "environment#stage", "version": 5})
    ended = runner.run(ROLLBACK, run_id=9)
    assert (ended.code, ended.result, world.alias_version()) == (0, "rolled-back", "1"), ended.log
    assert promoted.result == "promoted"


# Endpoints of others


def test_the_record_of_a_preview_endpoint_deletes_no_api_of_others(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    foreign = world.gateway.create_api(Name="shop", ProtocolType="HTTP", Description="the shop's own")
    ours = [api for api in world.apis() if api in promoted.outputs["environment-url"]]
    for number, api in enumerate([foreign["ApiId"], *ours]):
        endpoint = {"api_id": api, "api_url": foreign["ApiEndpoint"], "mapping": ""}
        operation = f"{number:012x}"
        preview(world, sk=f"endpoint#preview#0000000001#{operation}", operation=operation, endpoint=endpoint)
    apis = world.apis()
    edit(runner.workspace, "Goodbye", "Good evening")
    ended = runner.run(inputs, commit="3" * 40, run_id=3)
    assert ended.result == "promoted", ended.log
    assert sorted(world.apis()) == sorted(apis)
    assert [item["sk"] for item in world.records("endpoint")] == ["endpoint#latest"]
    assert promoted.outputs["environment-url"] == ended.outputs["environment-url"]


def test_a_preview_endpoint_is_found_though_its_record_names_another_api(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    foreign = world.gateway.create_api(Name="shop", ProtocolType="HTTP")
    left = world.gateway.create_api(
        Name="hello-1",
        ProtocolType="HTTP",
        Description=f"promote-on-success {arn(world)} 1#abcdefabcdef",
        Tags={TAG: arn(world)},
    )
    endpoint = {"api_id": foreign["ApiId"], "api_url": foreign["ApiEndpoint"], "mapping": ""}
    preview(world, endpoint=endpoint)
    edit(runner.workspace, "Goodbye", "Good evening")
    assert runner.run(inputs, commit="3" * 40, run_id=3).result == "promoted"
    assert foreign["ApiId"] in world.apis()
    assert left["ApiId"] not in world.apis()
    assert promoted.result == "promoted"


def test_the_record_of_an_environments_endpoint_changes_no_api_of_others(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """A backup was restored, and the API with that id is another one by now."""
    foreign = world.gateway.create_api(Name="shop", ProtocolType="HTTP", Description="the shop's own")["ApiId"]
    known = record(world, "environment#preprod")
    put(world, {**known, "endpoint": {**known["endpoint"], "api_id": foreign}})
    edit(runner.workspace, "Goodbye", "Good evening")
    ended = runner.run(inputs, commit="3" * 40, run_id=3)
    assert (ended.result, ended.errors) == ("promoted", []), ended.log
    assert world.gateway.get_routes(ApiId=foreign)["Items"] == []
    assert record(world, "environment#preprod")["endpoint"]["api_id"] == known["endpoint"]["api_id"]
    assert promoted.outputs["environment-url"] == ended.outputs["environment-url"]


@pytest.mark.parametrize("tags", [{}, {TAG: "arn:aws:lambda:us-east-1:123456789012:function:other"}])
def test_an_api_that_only_describes_itself_as_ours_is_not_used(
    runner: Runner, inputs: dict[str, str], world: World, tags: dict[str, str]
) -> None:
    """The role of another function may create an API with any description, but only with the tag of that function."""
    function = f"arn:aws:lambda:us-east-1:{world.account.id}:function:{FUNCTION}"
    foreign = [
        world.gateway.create_api(
            Name="any", ProtocolType="HTTP", Description=f"promote-on-success {function} {name}", Tags=tags
        )["ApiId"]
        for name in ("latest", "preprod")
    ]
    ended = runner.run(inputs, run_id=1)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert not [api for api in foreign if world.gateway.get_routes(ApiId=api)["Items"]]
    assert not any(api in ended.outputs["environment-url"] + ended.outputs["latest-url"] for api in foreign)


# A candidate is promoted only once


@pytest.fixture
def candidate(runner: Runner, inputs: dict[str, str], promoted: Ended) -> str:
    """A job has deployed a candidate, and its own steps have tested it."""
    edit(runner.workspace, "Goodbye", "Good evening")
    given = {**inputs, "command": "deploy", "checks": "", "isolation": "version"}
    ended = runner.run(given, commit="3" * 40, run_id=3)
    assert (ended.result, promoted.result) == ("deployed", "promoted"), ended.log
    return ended.outputs["candidate"]


def of(environment: str, candidate: str) -> dict[str, str]:
    return {**PROMOTE, "environment": environment, "candidate": candidate}


def test_two_promotions_at_the_same_time_cannot_both_use_a_candidate(
    runner: Runner, world: World, candidate: str
) -> None:
    lock = world.account.inject("hold-before", "lambda.UpdateAlias")
    first = runner.start(of("preprod", candidate), commit="3" * 40, run_id=3)
    lock.wait_until_hit(30)
    claim = record(world, f"candidate#0000000003#{candidate.rpartition('@')[2]}")["claim"]
    assert (claim["environment"], claim["run_id"]) == ("preprod", 3)
    second = runner.run({**of("prod", candidate), "lock-timeout": "0"}, commit="3" * 40, run_id=3)
    assert (second.result, len(second.errors)) == ("refused", 1), second.log
    assert "run 3 has claimed it for preprod" in second.errors[0].message
    lock.release()
    done = first.wait()
    assert (done.result, world.alias_version(), world.alias_version("prod")) == ("promoted", "3", ""), done.log


def test_a_claim_is_looked_at_again_in_the_transaction_before_the_move(
    runner: Runner, world: World, candidate: str
) -> None:
    """Both have read that the candidate is free. A table without a lock lets both continue."""
    held = world.account.inject("hold-before", "dynamodb.TransactWriteItems")
    second = runner.start(of("prod", candidate), commit="3" * 40, run_id=3)
    held.wait_until_hit(30)
    world.table.update_item(
        TableName=TABLE,
        Key={"pk": {"S": arn(world)}, "sk": {"S": "lock"}},
        UpdateExpression="REMOVE #owner",
        ExpressionAttributeNames={"#owner": "owner"},
    )
    first = runner.run(of("preprod", candidate), commit="3" * 40, run_id=3)
    assert first.result == "promoted", first.log
    held.release()
    late = second.wait()
    assert (late.code, late.result, len(late.errors)) == (1, "refused", 1), late.log
    assert "for preprod" in late.errors[0].message
    assert (world.alias_version(), world.alias_version("prod")) == ("3", "")


def test_a_step_that_died_with_its_claim_can_be_repeated_by_its_attempt_alone(
    runner: Runner, world: World, candidate: str
) -> None:
    held = world.account.inject("hold-before", "lambda.UpdateAlias")
    killed = runner.start(of("preprod", candidate), commit="3" * 40, run_id=3)
    held.wait_until_hit(30)
    killed.kill()
    world.account.clear_faults()
    assert world.alias_version() == "2"
    other = runner.run(of("prod", candidate), commit="3" * 40, run_id=3)
    assert (other.result, len(other.errors)) == ("refused", 1), other.log
    again = hurried(runner).run(of("preprod", candidate), commit="3" * 40, run_id=3)
    # It has finished the release of the step that died.
    assert (again.code, again.result, world.alias_version()) == (0, "unchanged", "3"), again.log
    assert world.history()[-1] == ("2", "3")
    used = runner.run(of("preprod", candidate), commit="3" * 40, run_id=3)
    assert used.result == "refused", used.log


# Verdicts


def test_a_verdict_that_failed_since_is_not_passed_over(runner: Runner, world: World, promoted: Ended) -> None:
    failing = runner.run({**FROM_PREPROD, "checks": "GET /nowhere 200"}, run_id=3)
    assert failing.result == "blocked", failing.log
    put(world, {**record(world, "version#0000000002"), "verdict": {**record(world, "version#0000000002")["verdict"]}})
    before = world.items()
    for given in (FROM_PREPROD, {**PROMOTE, "version": "2"}, {**FROM_PREPROD, "dry-run": "true"}):
        ended = runner.run(given, run_id=4)
        assert (ended.result, len(ended.errors)) == ("refused", 1), ended.log
        assert "ersion 2 of hello has passed, but failed verification since then" in ended.errors[0].message
        assert "run 3" in ended.errors[0].message
    assert world.items() == before
    forced = runner.run({**FROM_PREPROD, "override": "true", "reason": "the check was wrong"}, run_id=5)
    assert (forced.result, world.alias_version("prod")) == ("promoted", "2"), forced.log
    move = world.records("promotion")[-1]
    assert (move["environment"], move["kind"], move["verified"], move["reason"]) == (
        "prod",
        "override",
        False,
        "the check was wrong",
    )
    assert promoted.result == "promoted"


def test_a_version_that_passes_again_is_promoted(runner: Runner, world: World, promoted: Ended) -> None:
    """An inconclusive verdict in between shows nothing about the code, and does not hide a failed one."""
    assert runner.run({**FROM_PREPROD, "checks": "GET /nowhere 200"}, run_id=3).result == "blocked"
    slow = {**FROM_PREPROD, "test-command": "sleep 30", "verify-timeout": "0.02"}
    assert runner.run(slow, run_id=4).result == "blocked"
    assert record(world, "version#0000000002")["verdict"]["outcome"] == "inconclusive"
    assert runner.run(FROM_PREPROD, run_id=5).result == "refused"
    passing = runner.run({**FROM_PREPROD, "checks": "GET /health 200"}, run_id=6)
    assert (passing.result, world.alias_version("prod")) == ("promoted", "2"), passing.log
    other = runner.run({**FROM_PREPROD, "environment": "stage"}, run_id=7)
    assert (other.result, promoted.result) == ("promoted", "promoted"), other.log


def test_a_rollback_to_a_version_that_failed_since_warns(runner: Runner, world: World, promoted: Ended) -> None:
    failing = {**PROMOTE, "version": "1", "checks": "GET /nowhere 200"}
    assert runner.run(failing, run_id=3).result == "blocked"
    ended = runner.run(ROLLBACK, run_id=4)
    assert (ended.code, ended.result, world.alias_version()) == (0, "rolled-back", "1"), ended.log
    (warning,) = ended.annotations
    assert "Version 1 of hello failed verification after it had passed" in warning.message
    assert promoted.result == "promoted"


def test_a_lower_version_of_which_no_commit_is_known_is_not_promoted(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    world.overwrite_latest("def handler(event, context): return {'statusCode': 200, 'body': '{}'}")
    unknown = world.function.publish_version(FunctionName=FUNCTION)["Version"]
    world.settle()
    edit(runner.workspace, "Goodbye", "Good evening")
    assert runner.run(inputs, commit="3" * 40, run_id=3).result == "promoted"
    before = world.items()
    given = {**PROMOTE, "environment": "preprod", "version": unknown}
    forced = {"override": "true", "reason": "it must be"}
    for further in ({"checks": "GET / 200"}, forced, {"checks": "GET / 200", **forced}, {**forced, "dry-run": "true"}):
        ended = runner.run({**given, **further}, run_id=4)
        assert (ended.result, len(ended.errors)) == ("refused", 1), ended.log
        assert_one_error(ended, f"version {unknown} of hello is not promoted: its commit is not known", "rollback")
    assert (world.items(), world.alias_version(), promoted.result) == (before, "4", "promoted")
