"""``uninstall``: what the action has made is removed, and nothing else. The team's own tools go on as before."""

import re
from typing import Any

import pytest
import yaml

from promote.aws.tags import TABLE as MADE
from promote.aws.tags import TAG
from tests.conftest import hurried, make_several
from tests.estate import Estate
from tests.past import Pasts
from tests.runner import REPOSITORY, Ended, Runner
from tests.world import FUNCTION, TABLE, World, get

pytestmark = pytest.mark.usefixtures("history")

PLAN = {"command": "uninstall", "function-name": FUNCTION}
UNINSTALL = {**PLAN, "apply": "true"}
ADOPT = {"command": "adopt", "function-name": FUNCTION, "environment": "preprod", "apply": "true"}


@pytest.fixture
def estate(world: World) -> Estate:
    return Estate(world)


@pytest.fixture
def inputs(inputs: dict[str, str]) -> dict[str, str]:
    """The function exists, so nothing is needed to create it."""
    return {**inputs, "role": "", "runtime": "", "handler": ""}


@pytest.fixture
def installed(pasts: Pasts, runner: Runner, inputs: dict[str, str], estate: Estate) -> Ended:
    """The estate is there. The action has promoted its first commit, and has moved the mapping of the queue."""

    def make() -> Ended:
        estate.make()
        ended = runner.run(inputs, commit="1" * 40, run_id=1)
        assert ended.result == "promoted", ended.log
        assert runner.run(ADOPT, run_id=2).result == "adopted"
        return ended

    return pasts.of("an estate with a first promotion and an adopted queue", runner, estate.world.account, inputs, make)


def as_before(estate: Estate) -> dict[str, Any]:
    """Return the facts as they are with neither the action's Description nor its permission and its mapping."""
    facts = estate.facts()
    version, description, routing = facts["aliases"]["preprod"]
    assert description.startswith("promote-on-success: ")
    facts["aliases"]["preprod"] = (version, "made by our stack", routing)
    for name, policy in facts["policies"].items():
        facts["policies"][name] = [one for one in policy if not one["Sid"].startswith("promote-on-success-")]
    facts["mappings"] = {uuid: {**one, "FunctionArn": estate.arn} for uuid, one in facts["mappings"].items()}
    return facts


def has_table(world: World) -> bool:
    return TABLE in world.table.list_tables()["TableNames"]


def assert_gone(estate: Estate, before: dict[str, Any]) -> None:
    assert estate.facts() == before
    assert [api["Name"] for api in estate.world.gateway.get_apis()["Items"]] == ["shop"]
    assert not has_table(estate.world)


def test_everything_of_the_action_goes_and_nothing_else(
    runner: Runner, inputs: dict[str, str], installed: Ended, estate: Estate
) -> None:
    assert installed.result == "promoted"
    before, facts, items = as_before(estate), estate.facts(), estate.world.items()
    plan = runner.run(PLAN)
    assert (plan.code, plan.result) == (0, "planned"), plan.log
    for what in ("HTTP API of latest", "HTTP API of preprod", "Permission", "Description of an alias  preprod"):
        assert what in plan.log
    assert "Event source mapping, moved" in plan.log
    assert "These stay: the functions with their versions and aliases" in plan.log
    assert runner.run({**UNINSTALL, "dry-run": "true"}).result == "planned"
    assert (estate.facts(), estate.world.items()) == (facts, items)

    done = runner.run(UNINSTALL)
    assert (done.code, done.result) == (0, "uninstalled"), done.log
    assert "still points at version 2, and has its earlier Description, 'made by our stack' now" in done.log
    assert_gone(estate, before)
    assert [ended.code for ended in runner.finish()] == [0] * 5
    assert_gone(estate, before)
    again = runner.run(UNINSTALL)
    assert (again.code, again.result) == (0, "unchanged"), again.log
    assert "Nothing of this action is left at hello." in again.outputs["summary"]
    assert not has_table(estate.world)

    assert estate.deploy("with our own tool") == "3"
    assert estate.world.alias_version() == "3"
    (runner.workspace / "function" / "commit").write_text("2")
    ended = runner.run(inputs, commit="2" * 40, run_id=9)
    assert (ended.result, estate.world.alias_version()) == ("promoted", "4"), ended.log
    assert get(ended.outputs["environment-url"] + "/health")[0] == 200


DYING = {
    "adoption": ("lambda.UpdateEventSourceMapping", 1),
    "record": ("dynamodb.DeleteItem", 1),
    "permission": ("lambda.RemovePermission", 1),
    "api": ("apigatewayv2.DeleteApi", 1),
    "second api": ("apigatewayv2.DeleteApi", 2),
    "description": ("lambda.UpdateAlias", 1),
    "records": ("dynamodb.DeleteItem", 3),
    "lock": ("dynamodb.DeleteItem", 0),
    "table": ("dynamodb.DeleteTable", 1),
}
"""The writes of an uninstallation. 0 is the last one of its kind."""


@pytest.mark.parametrize("made", DYING)
def test_a_run_that_dies_after_a_write_is_repeated(runner: Runner, installed: Ended, estate: Estate, made: str) -> None:
    assert installed.result == "promoted"
    before = as_before(estate)
    operation, number = DYING[made]
    number = number or len(estate.world.items())
    held = estate.world.account.inject("hold-after", operation, nth=number)
    started = runner.start({**UNINSTALL, "lease": "1"})
    assert held.is_hit_within(20), started
    started.kill()
    estate.world.account.clear_faults()
    ended = hurried(runner).run(UNINSTALL)
    assert ended.code == 0, ended.log
    assert_gone(estate, before)


def test_lost_responses_are_no_lost_facts(runner: Runner, installed: Ended, estate: Estate) -> None:
    assert installed.result == "promoted"
    before = as_before(estate)
    writes = ("lambda.UpdateAlias", "lambda.RemovePermission", "apigatewayv2.DeleteApi", "dynamodb.DeleteTable")
    faults = [estate.world.account.inject("cut-after", operation) for operation in (*writes, "dynamodb.DeleteItem")]
    ended = runner.run(UNINSTALL)
    assert all(fault.hit for fault in faults)
    assert (ended.code, ended.result) == (0, "uninstalled"), ended.log
    assert_gone(estate, before)


def test_what_is_not_ours_stays(runner: Runner, inputs: dict[str, str], estate: Estate) -> None:
    """A table of Terraform, an API that only describes itself as ours, and a function that we have never seen."""
    estate.make()
    estate.world.gateway.create_api(
        Name="other", ProtocolType="HTTP", Description=f"promote-on-success {estate.arn} latest"
    )
    estate.permit("promote-on-success-shop", "events.amazonaws.com", "arn:aws:events:us-east-1:123456789012:rule/x")
    before = estate.facts()
    ended = runner.run(UNINSTALL)
    assert (ended.code, ended.result) == (0, "unchanged"), ended.log
    assert estate.facts() == before

    make_table(estate.world)
    assert runner.run(inputs, commit="1" * 40, run_id=1).result == "promoted"
    ended = runner.run(UNINSTALL)
    assert ended.result == "uninstalled", ended.log
    assert f"The table {TABLE} stays: it does not have the tag {TAG} with the value {MADE}" in ended.log
    assert estate.world.items() == []
    after = estate.facts()
    assert after.pop("aliases")["preprod"] == ("2", "made by our stack", None)
    del before["aliases"]
    assert after == before


def make_table(world: World) -> None:
    """Make the table as docs/adoption.md describes it for CloudFormation."""
    page = (REPOSITORY / "docs" / "adoption.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```yaml\n(Resources:.*?)```", page, re.DOTALL)
    world.table.create_table(**yaml.safe_load(block)["Resources"]["PromoteOnSuccess"]["Properties"])
    world.table.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1, "MaxAttempts": 20})


def test_the_page_has_the_keys_of_the_table_for_terraform_too(installed: Ended, world: World) -> None:
    assert installed.result == "promoted"
    page = (REPOSITORY / "docs" / "adoption.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```hcl\n(.*?)```", page, re.DOTALL)
    made = world.table.describe_table(TableName=TABLE)["Table"]
    keys = {key["KeyType"]: key["AttributeName"] for key in made["KeySchema"]}
    values = dict(re.findall(r"^  (\w+)\s*= \"(.*)\"$", block, re.MULTILINE))
    assert (values["hash_key"], values["range_key"]) == (keys["HASH"], keys["RANGE"])
    assert values["name"] == TABLE
    types = {kind["AttributeName"]: kind["AttributeType"] for kind in made["AttributeDefinitions"]}
    assert dict(re.findall(r'name = "(\w+)"\s+type = "(\w)"', block)) == types


def test_a_function_of_several_leaves_the_table_to_the_others(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    several = make_several(runner, world.account, ("api", "mail"))
    assert runner.run({**several, "checks": inputs["checks"]}, commit="1" * 40).result == "promoted"
    one = {**UNINSTALL, "function-name": "api"}
    ended = runner.run(one)
    assert ended.result == "uninstalled", ended.log
    assert "The table promote-on-success stays: it has records of other functions" in ended.log
    assert {item["pk"].rpartition(":")[2] for item in world.items()} == {"mail"}
    status = runner.run({"command": "status", "function-name": "api\nmail"})
    assert status.result == "reported", status.log
    ended = runner.run({**UNINSTALL, "function-name": "api\nmail"})
    assert ended.result == "uninstalled", ended.log
    assert not has_table(world)
    assert world.apis() == []
    alias = world.function.get_alias(FunctionName="mail", Name="preprod")
    assert (alias["FunctionVersion"], alias["Description"]) == ("1", "")


def test_what_another_run_still_needs_is_refused(
    runner: Runner, installed: Ended, estate: Estate, world: World
) -> None:
    assert installed.result == "promoted"
    pending = {"pk": {"S": estate.arn}, "sk": {"S": "release#preprod#0000000009-abcdef"}}
    key: Any = {"pk": {"S": estate.arn}, "sk": {"S": "environment#preprod"}}
    world.table.update_item(
        TableName=TABLE,
        Key=key,
        UpdateExpression="SET pending = :pending",
        ExpressionAttributeValues={":pending": {"M": pending}},
    )
    facts = estate.facts()
    ended = runner.run(UNINSTALL)
    assert ended.result == "refused", ended.log
    assert "elease 0000000009-abcdef of hello to preprod is unfinished" in ended.errors[0].message
    assert "command: rollback" in ended.errors[0].message
    assert estate.facts() == facts


def test_a_run_that_waits_for_the_lock_is_named(
    runner: Runner, inputs: dict[str, str], installed: Ended, estate: Estate
) -> None:
    assert installed.result == "promoted"
    held = estate.world.account.inject("hold-after", "lambda.UpdateAlias")
    removing = runner.start(UNINSTALL)
    assert held.is_hit_within(20)
    (runner.workspace / "function" / "commit").write_text("2")
    waiting = runner.start(inputs, commit="2" * 40, run_id=77)
    while not any(item.get("tickets") for item in estate.world.records("lock")):
        assert waiting.process.poll() is None, waiting.wait().log
    held.release()
    ended = removing.wait()
    assert ended.result == "uninstalled", ended.log
    assert "run 77" in ended.log
    assert "waits for the lock of hello, and makes records and endpoints again" in ended.log
    assert waiting.wait().result == "promoted"


def test_an_endpoint_that_a_domain_of_the_team_leads_to_works_until_that_is_removed(
    runner: Runner, installed: Ended, estate: Estate
) -> None:
    gateway = estate.world.gateway
    domain = f"shop-{estate.world.account.id}.example.com"
    certificate = f"arn:aws:acm:us-east-1:{estate.world.account.id}:certificate/1"
    gateway.create_domain_name(DomainName=domain, DomainNameConfigurations=[{"CertificateArn": certificate}])
    [api] = [one["ApiId"] for one in gateway.get_apis()["Items"] if one["Name"] == "hello-preprod"]
    mapping = gateway.create_api_mapping(DomainName=domain, ApiId=api, Stage="$default", ApiMappingKey="shop")
    ended = runner.run(UNINSTALL)
    assert f"HTTP API {api} of preprod cannot be deleted" in ended.errors[0].message
    assert get(installed.outputs["environment-url"] + "/health")[0] == 200
    gateway.delete_api_mapping(DomainName=domain, ApiMappingId=mapping["ApiMappingId"])
    assert runner.run(UNINSTALL).result == "uninstalled"
    assert [one["Name"] for one in gateway.get_apis()["Items"]] == ["shop"]


def test_what_cannot_be_listed_is_not_removed_in_part(runner: Runner, installed: Ended, estate: Estate) -> None:
    assert installed.result == "promoted"
    facts, items = estate.facts(), estate.world.items()
    policy: Any = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "apigateway:GET", "Resource": "*"},
        ],
    }
    ended = runner.run(UNINSTALL, environ=estate.world.account.assume(policy))
    [error] = ended.errors
    assert "What the action has made for hello is not known: the HTTP APIs could not be listed" in error.message
    assert (estate.facts(), estate.world.items()) == (facts, items)


def test_an_alias_that_is_changed_at_the_same_time_stays(runner: Runner, installed: Ended, estate: Estate) -> None:
    assert installed.result == "promoted"
    held = estate.world.account.inject("hold-before", "lambda.UpdateAlias")
    started = runner.start(UNINSTALL)
    assert held.is_hit_within(20)
    estate.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion="1")
    held.release()
    ended = started.wait()
    assert "The alias preprod of hello was changed externally" in ended.errors[0].message
    assert estate.world.alias_version() == "1"
    assert runner.run(UNINSTALL).result == "uninstalled"
    assert estate.facts()["aliases"]["preprod"] == ("1", "made by our stack", None)
