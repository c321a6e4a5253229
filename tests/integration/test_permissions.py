"""``docs/iam-policy.json`` is enough for every command, and everything in it is needed.

The scenarios run as a caller with only that policy. If a command or an input makes other AWS calls, add a step or a
scenario to the table. The sandbox records what each of them needs, and so which of them shows that an action is needed.
"""

import ast
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3.session
import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from promote.aws.archive import pack
from promote.aws.dynamodb import Table
from promote.aws.errors import explain
from promote.aws.tags import TAG
from promote.core.clock import SystemClock
from sandbox.client import REGION, Call, Permission, Sandbox
from tests.conftest import make_inputs, make_runner
from tests.repository import line
from tests.runner import REPOSITORY, Ended
from tests.world import FUNCTION, TABLE, World

POLICY = (REPOSITORY / "docs" / "iam-policy.json").read_text(encoding="utf-8")
STATEMENTS: list[dict[str, Any]] = json.loads(POLICY)["Statement"]

ONLY_WARNED = {
    "apigateway:DELETE",
    "dynamodb:DeleteItem",
    "dynamodb:DeleteTable",
    "dynamodb:ListTagsOfResource",
    "dynamodb:Scan",
    "lambda:DeleteFunction",
    "lambda:GetProvisionedConcurrencyConfig",
    "lambda:ListVersionsByFunction",
    "lambda:RemovePermission",
}
"""Calls that clean up, or check what is served after a move. If they are denied, the run only warns."""

NEEDED = {"OnlyForUninstallWithDomainName"}
"""Statements whose actions are needed nevertheless."""

ONLY_LOGGED = {"lambda:ListEventSourceMappings"}
"""Calls of a first run that only inform. If they are denied, the log says so in one line."""


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@dataclass(frozen=True)
class Grant:
    """One action of one statement."""

    statement: str
    action: str


GRANTS = [Grant(statement["Sid"], action) for statement in STATEMENTS for action in listed(statement["Action"])]


@dataclass(frozen=True)
class Condition:
    """One condition of one statement."""

    statement: str
    operator: str
    key: str


CONDITIONS = [
    Condition(statement["Sid"], operator, key)
    for statement in STATEMENTS
    for operator, keys in statement.get("Condition", {}).items()
    for key in keys
]

OTHER = "other"
"""A function of another repository in the same account and region."""


class Place:
    """An account, and a job that works in it with the policy."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.account = sandbox.account()
        self.runner = make_runner(folder, self.account)
        line(self.runner.workspace)
        self.world = World(self.account)
        self.domain = f"api-{self.account.id}.example.com"
        self.bucket = f"builds-{self.account.id}"
        self.archives = f"archives-{self.account.id}"
        self.arn = f"arn:aws:lambda:{REGION}:{self.account.id}:function:{FUNCTION}"
        self.inputs = {**make_inputs(self.account), "checks": "GET /health 200"}
        self.target = {"function-name": FUNCTION, "environment": "preprod", "github-deployments": "false"}
        self.outputs: Mapping[str, str] = {}
        """The outputs of the previous step."""
        self.saved: Mapping[str, str] = {}

    def policy(
        self, without: Grant | Condition | None = None, functions: tuple[str, ...] = (FUNCTION,)
    ) -> dict[str, Any]:
        """Return the policy as a user would write it for ``functions`` of this account, without one part."""
        text = POLICY.replace("eu-west-1", REGION).replace("123456789012", self.account.id)
        text = text.replace("my-builds", self.bucket).replace("my-archives", self.archives)
        policy: dict[str, Any] = json.loads(text.replace("api.example.com", self.domain))
        for statement in policy["Statement"]:
            if isinstance(without, Grant) and statement["Sid"] == without.statement:
                statement["Action"] = [name for name in listed(statement["Action"]) if name != without.action]
            if isinstance(without, Condition) and statement["Sid"] == without.statement:
                del statement["Condition"][without.operator][without.key]
            statement["Resource"] = named_for(functions, statement["Resource"])
            for keys in statement.get("Condition", {}).values():
                keys.update({key: named_for(functions, value) for key, value in keys.items()})
        # IAM accepts no statement without an action.
        policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
        return policy

    def change(self, text: str) -> None:
        (self.runner.workspace / "function" / "commit").write_text(text)

    def make_function(self) -> None:
        """Create the function, with another role and a version that the environment serves."""
        self.world.create("raise SystemExit", role="another", publishes=True)
        self.world.settle()
        self.world.function.create_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion="1")

    def make_domain(self) -> None:
        certificate = f"arn:aws:acm:{REGION}:{self.account.id}:certificate/1"
        configurations: Any = [{"CertificateArn": certificate}]
        self.world.gateway.create_domain_name(DomainName=self.domain, DomainNameConfigurations=configurations)

    def upload(self) -> None:
        """Put the code into a bucket with versioned objects."""
        file = self.runner.workspace / "function.zip"
        pack(self.runner.workspace / "function", file, self.runner.workspace)
        storage = self.world.session.client("s3", endpoint_url=self.world.url)
        storage.create_bucket(Bucket=self.bucket)
        storage.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        storage.put_object(Bucket=self.bucket, Key="function.zip", Body=file.read_bytes())

    def damage_endpoints(self) -> None:
        """Create two APIs of ours, as concurrent runs may. Neither leads to the function, and one has the path."""
        gateway = self.world.gateway

        def damaged() -> str:
            api = gateway.create_api(
                Name="hello-latest",
                ProtocolType="HTTP",
                Description=f"promote-on-success {self.arn} latest",
                Tags={TAG: self.arn},
            )["ApiId"]
            integration = gateway.create_integration(
                ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=f"{self.arn}:other", PayloadFormatVersion="2.0"
            )["IntegrationId"]
            gateway.create_route(ApiId=api, RouteKey="$default", Target=f"integrations/{integration}")
            gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
            return api

        _, second = damaged(), damaged()
        gateway.create_api_mapping(DomainName=self.domain, ApiMappingKey="app/latest", ApiId=second, Stage="$default")

    def take(
        self, step: "Step", policy: Mapping[str, Any], *, are_tags_inherited: bool = True
    ) -> tuple[Ended, list[Call]]:
        """Run the step as a caller with ``policy``, and return its calls that needed a permission."""
        self.account.forget()
        if step.prepare:
            step.prepare(self)
        started = self.runner.start(
            {**step.inputs(self)},
            commit=f"{step.run_id:x}" * 40,
            run_id=step.run_id,
            environ={
                **self.account.assume(policy, are_tags_inherited=are_tags_inherited),
                **(self.saved if step.is_post else {}),
            },
            is_post=step.is_post,
        )
        ended = started.wait()
        self.outputs, self.saved = ended.outputs, {**self.saved, **started.saved}
        return ended, [call for call in self.account.calls() if call.permissions]


def named_for(functions: tuple[str, ...], value: str | list[str]) -> list[str]:
    """Replace each value that names the function with one for each of ``functions``."""
    written = [text.replace("my-function", name) for text in listed(value) for name in functions]
    return list(dict.fromkeys(written))


@dataclass(frozen=True)
class Step:
    """One step of a job. ``run_id`` is its run, and the digit of its commit."""

    result: str
    run_id: int
    inputs: Callable[[Place], Mapping[str, str]]
    prepare: Callable[[Place], None] | None = None
    is_post: bool = False


def commanded(command: str, **given: str) -> Callable[[Place], Mapping[str, str]]:
    """Return the inputs of a command that only needs the target."""

    def inputs(place: Place) -> Mapping[str, str]:
        if command in ("lock", "unlock", "uninstall"):
            target: Mapping[str, str] = {"function-name": FUNCTION}
        else:
            target = {name: place.target[name] for name in place.target if command != "adopt" or "github" not in name}
        return {**target, "command": command, **{name.replace("_", "-"): value for name, value in given.items()}}

    return inputs


def run(**given: str) -> Callable[[Place], Mapping[str, str]]:
    """Return the inputs of a run of the code in the workspace."""

    def inputs(place: Place) -> Mapping[str, str]:
        named = {name.replace("_", "-"): value for name, value in given.items()}
        return {**place.inputs, **{name: value.format(place=place) for name, value in named.items()}}

    return inputs


def promote_candidate(place: Place) -> Mapping[str, str]:
    return {**place.target, "command": "promote", "candidate": place.outputs["candidate"]}


def prepare_function(place: Place) -> None:
    place.make_function()
    place.upload()
    (place.runner.workspace / "event.json").write_text(json.dumps({"rawPath": "/health"}))


def prepare_large(place: Place) -> None:
    place.make_function()
    place.world.session.client("s3", endpoint_url=place.world.url).create_bucket(Bucket=place.archives)
    (place.runner.workspace / "function" / "model.bin").write_bytes(os.urandom(51 << 20))


def prepare_domain(place: Place) -> None:
    place.make_domain()
    place.damage_endpoints()


def provision(place: Place) -> None:
    """Configure provisioned concurrency of the alias, which stays with the old version for a second."""
    place.world.function.put_provisioned_concurrency_config(
        FunctionName=FUNCTION, Qualifier="preprod", ProvisionedConcurrentExecutions=1
    )
    place.account.inject("update-lasts", "lambda.UpdateAlias", seconds=1)
    place.change("2")


def deploy_by_another_tool(place: Place) -> None:
    place.world.overwrite_latest((place.runner.workspace / "function" / "app.py").read_text() + "\n# of another tool\n")


def prepare_queue(place: Place) -> None:
    """Let a queue trigger the function, which exists and has a custom domain."""
    place.make_domain()
    place.make_function()
    place.world.function.create_event_source_mapping(
        EventSourceArn=f"arn:aws:sqs:{REGION}:{place.account.id}:orders", FunctionName=FUNCTION
    )


SCENARIOS: Mapping[str, tuple[Step, ...]] = {
    # The first of these that needs an action shows it, so the short ones come first.
    "nothing is there": (
        Step("promoted", 1, run(domain_name="{place.domain}", base_path="app"), Place.make_domain),
        Step("unchanged", 2, run(domain_name="{place.domain}", base_path="app")),
    ),
    "function, alias and S3": (
        Step(
            "promoted",
            1,
            run(
                artifact="s3://{place.bucket}/function.zip",
                isolation="version",
                memory_size="256",
                environment_variables='{{"LEVEL": "info"}}',
                invoke="event.json statusCode == `200`",
            ),
            prepare_function,
        ),
    ),
    "a large archive": (
        Step(
            "deployed",
            1,
            run(command="deploy", checks="", endpoints="none", artifact_bucket="{place.archives}"),
            prepare_large,
        ),
    ),
    "damaged endpoints": (Step("promoted", 1, run(domain_name="{place.domain}", base_path="app"), prepare_domain),),
    "versions that go": (
        Step("promoted", 1, run(keep_versions="1")),
        Step("promoted", 2, run(keep_versions="1"), lambda place: place.change("2")),
        Step("promoted", 3, run(keep_versions="1"), lambda place: place.change("3")),
    ),
    "provisioned concurrency": (
        Step("promoted", 1, run()),
        Step("promoted", 2, run(), provision),
    ),
    "all commands": (
        Step("planned", 1, run(dry_run="true")),
        Step("promoted", 1, run()),
        Step("deployed", 2, run(command="deploy", checks=""), lambda place: place.change("2")),
        Step("promoted", 2, promote_candidate),
        Step("promoted", 3, commanded("promote", **{"from": "preprod"}, environment="prod")),
        Step("rolled-back", 4, commanded("rollback")),
        Step("promoted", 5, commanded("promote", version="2", override="true", reason="it was not the cause")),
        Step("reported", 5, commanded("status")),
        Step("reported", 5, commanded("release-notes")),
        Step("locked", 6, commanded("lock")),
        Step("unlocked", 7, commanded("unlock", reason="the runner is gone")),
        Step("promoted", 8, run(artifact=""), deploy_by_another_tool),
        Step("deployed", 9, run(command="deploy", checks="", isolation="version"), lambda place: place.change("9")),
        Step("locked", 9, commanded("lock")),
        Step("", 9, commanded("lock"), is_post=True),
    ),
    "a queue, and the way out": (
        Step("promoted", 1, run(domain_name="{place.domain}", base_path="app"), prepare_queue),
        Step("adopted", 2, commanded("adopt", apply="true")),
        Step("uninstalled", 3, commanded("uninstall", apply="true")),
    ),
}


@dataclass(frozen=True)
class Taken:
    """A step that ran with the policy."""

    code: int
    result: str
    log: str
    needed: tuple[Permission, ...]
    calls: tuple[str, ...]
    """The calls that needed a permission, such as ``lambda.UpdateAlias``."""


Play = Callable[[str], list[Taken]]


@pytest.fixture
def play(sandbox: Sandbox, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Run a scenario with the policy, or return its earlier result. All processes of the tests share the results."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def recorded(name: str) -> list[Taken]:
        with alone_with(shared / f"permissions-{name}.json") as file:
            if not file.exists():
                place = Place(tmp_path / name, sandbox)
                taken = [taken_of(*place.take(step, place.policy())) for step in SCENARIOS[name]]
                file.write_text(json.dumps([asdict(step) for step in taken]))
            return [
                Taken(**{**step, "needed": tuple(Permission(**needed) for needed in step["needed"])})
                for step in json.loads(file.read_text())
            ]

    return recorded


def taken_of(ended: Ended, calls: list[Call]) -> Taken:
    return Taken(ended.code, ended.result, ended.log, tuple(needed_by(calls)), tuple(call.name for call in calls))


def needed_by(calls: list[Call]) -> list[Permission]:
    return [permission for call in calls for permission in call.permissions]


@contextmanager
def alone_with(file: Path) -> Iterator[Path]:
    """Keep other processes away from a file."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield file


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_policy_is_enough(play: Play, name: str) -> None:
    for step, taken in zip(SCENARIOS[name], play(name), strict=True):
        denied = [permission for permission in taken.needed if permission.statement is None]
        assert (taken.code, taken.result, denied) == (0, step.result, []), taken.log
        # The commit of another tool's version is unknown, and so is what lies between it and ours.
        known = (
            "The commits are not known",
            "Pull requests and first",
            "preprod served version 1, which this action did not promote",
            "calls $LATEST of hello, and so runs unverified code",
        )
        warnings = [line for line in taken.log.splitlines() if line.startswith("::warning")]
        assert [line for line in warnings if not any(text in line for text in known)] == []
        assert taken.needed


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: f"{grant.statement}-{grant.action}")
def test_without_an_action_the_error_names_it(play: Play, sandbox: Sandbox, tmp_path: Path, grant: Grant) -> None:
    name, index = next(
        (
            (name, index)
            for name in SCENARIOS
            for index, taken in enumerate(play(name))
            if any((needed.statement, needed.action) == (grant.statement, grant.action) for needed in taken.needed)
        ),
        ("", 0),
    )
    assert name, f"no scenario needs {grant}"
    place = Place(tmp_path / "without", sandbox)
    steps = SCENARIOS[name]
    for step in steps[:index]:
        assert place.take(step, place.policy())[0].code == 0
    ended, calls = place.take(steps[index], place.policy(without=grant))
    denied = [permission for permission in needed_by(calls) if permission.statement is None]
    assert {permission.action for permission in denied} == {grant.action}, ended.log
    if grant.action in ONLY_LOGGED:
        assert (ended.code, ended.result) == (0, steps[index].result), ended.log
        [line] = [line for line in ended.log.splitlines() if f"AWS denies {grant.action} on " in line]
        assert line.startswith("triggers  of hello: the event source mappings could not be listed: ")
        return
    kind = "warning" if grant.action in ONLY_WARNED and grant.statement not in NEEDED else "error"
    assert ended.code == (kind == "error"), ended.log
    messages = [annotation.message for annotation in ended.annotations if annotation.kind == kind]
    assert any(
        re.search(rf"AWS denies {denial.action} on {re.escape(denial.resource)}: ", message)
        for denial in denied
        for message in messages
    ), ended.log
    if [error.title for error in ended.errors] != ["Not promoted"]:  # a check shows it there
        assert f"Allow {grant.action} on " in messages[0], ended.log
        assert "docs/iam-policy.json" in messages[0], ended.log
    assert "Traceback" not in ended.log


def test_each_action_and_each_resource_of_the_policy_is_used(play: Play) -> None:
    used = [needed for name in SCENARIOS for taken in play(name) for needed in taken.needed]
    assert {(needed.statement, needed.action) for needed in used} == {
        (grant.statement, grant.action) for grant in GRANTS
    }
    for statement in STATEMENTS:
        asked = {needed.resource for needed in used if needed.statement == statement["Sid"]}
        patterns = [generalized(pattern) for pattern in listed(statement["Resource"])]
        for resource in asked:
            assert any(fnmatchcase(resource, pattern) for pattern in patterns)
        for pattern in patterns:
            others = [other for other in patterns if other != pattern]
            assert any(
                fnmatchcase(resource, pattern) and not any(fnmatchcase(resource, other) for other in others)
                for resource in asked
            ), f"{pattern} of {statement['Sid']} is superfluous"


class Neighbours:
    """Two functions of one account and region. Another repository's role attacks the resources of ``hello``."""

    def __init__(self, place: Place, policy: Mapping[str, Any], *, are_tags_inherited: bool) -> None:
        world = place.world
        self.victim, self.other = place.arn, f"{place.arn.rpartition(':')[0]}:{OTHER}"
        for name in (FUNCTION, OTHER):
            world.create("def handler(event, context): pass", name=name, role=OTHER)
        Table(lambda: world.table, TABLE, SystemClock()).ensure()
        for owner in (self.victim, self.other):
            world.table.put_item(TableName=TABLE, Item={"pk": {"S": owner}, "sk": {"S": "lock"}, "token": {"N": "7"}})
        self.api = self._api(world, {TAG: self.victim})
        self.untagged = self._api(world, {})
        self.own = self._api(world, {TAG: self.other})
        self.mapping, self.own_mapping = (self._mapping(world, name) for name in (FUNCTION, OTHER))
        environ = place.account.assume(policy, are_tags_inherited=are_tags_inherited)
        session = boto3.session.Session(
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=environ["AWS_SESSION_TOKEN"],
            region_name=REGION,
        )
        self.table: Any = session.client("dynamodb", endpoint_url=world.url)
        self.gateway: Any = session.client("apigatewayv2", endpoint_url=world.url)
        self.function: Any = session.client("lambda", endpoint_url=world.url)

    @staticmethod
    def _api(world: World, tags: Mapping[str, str]) -> str:
        api = world.gateway.create_api(Name="any", ProtocolType="HTTP", Tags=dict(tags))["ApiId"]
        integration = world.gateway.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri="arn:any", PayloadFormatVersion="2.0"
        )["IntegrationId"]
        world.gateway.create_route(ApiId=api, RouteKey="$default", Target=f"integrations/{integration}")
        return str(api)

    @staticmethod
    def _mapping(world: World, name: str) -> str:
        queue = f"arn:aws:sqs:{REGION}:{world.account.id}:{name}"
        uuid = str(world.function.create_event_source_mapping(EventSourceArn=queue, FunctionName=name)["UUID"])
        while world.function.get_event_source_mapping(UUID=uuid)["State"] != "Enabled":
            time.sleep(0.02)
        return uuid

    def route(self, api: str) -> str:
        return str(self.gateway.get_routes(ApiId=api)["Items"][0]["RouteId"])

    def key(self, owner: str, sk: str = "lock") -> dict[str, Any]:
        return {"pk": {"S": owner}, "sk": {"S": sk}}


@dataclass(frozen=True)
class Attempt:
    """What the role of another function must not do, and the condition that alone prevents it."""

    condition: Condition
    name: str
    make: Callable[[Neighbours], Any]

    def __str__(self) -> str:
        return self.name


LEADING = Condition("LockAndLedger", "ForAllValues:StringLike", "dynamodb:LeadingKeys")
CREATED = Condition("OnlyForEndpointsToCreateThem", "StringLike", f"aws:RequestTag/{TAG}")
FILLED = Condition("OnlyForEndpointsToFillThem", "StringLikeIfExists", f"aws:ResourceTag/{TAG}")
DELETED = Condition("OnlyForEndpointsToDeleteThem", "StringLike", f"aws:ResourceTag/{TAG}")
INVOKED = Condition("OnlyForEndpointsToInvokeTheFunction", "StringEquals", "lambda:Principal")
ADOPTED = Condition("OnlyForAdopt", "StringLike", "lambda:FunctionArn")

ATTEMPTS = [
    Attempt(LEADING, "put", lambda at: at.table.put_item(TableName=TABLE, Item=at.key(at.victim))),
    Attempt(
        LEADING,
        "update",
        lambda at: at.table.update_item(
            TableName=TABLE,
            Key=at.key(at.victim),
            UpdateExpression="SET #token = :token",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={":token": {"N": "1"}},
        ),
    ),
    Attempt(LEADING, "delete", lambda at: at.table.delete_item(TableName=TABLE, Key=at.key(at.victim))),
    Attempt(
        LEADING,
        "query",
        lambda at: at.table.query(
            TableName=TABLE,
            KeyConditionExpression="#key = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeNames={"#key": "pk"},
            ExpressionAttributeValues={":pk": {"S": at.victim}, ":first": {"S": " "}, ":last": {"S": "~"}},
        ),
    ),
    Attempt(
        LEADING,
        "transact",
        lambda at: at.table.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": TABLE, "Item": at.key(at.other, "release#1")}},
                {"Put": {"TableName": TABLE, "Item": at.key(at.victim, "release#1")}},
            ]
        ),
    ),
    Attempt(CREATED, "create-untagged", lambda at: at.gateway.create_api(Name="any", ProtocolType="HTTP")),
    Attempt(
        CREATED,
        "create-as-another",
        lambda at: at.gateway.create_api(Name="any", ProtocolType="HTTP", Tags={TAG: at.victim}),
    ),
    Attempt(
        FILLED,
        "integrate",
        lambda at: at.gateway.create_integration(
            ApiId=at.api, IntegrationType="HTTP_PROXY", IntegrationMethod="ANY", IntegrationUri="https://example.com"
        ),
    ),
    Attempt(
        FILLED, "route", lambda at: at.gateway.create_route(ApiId=at.api, RouteKey="GET /", Target="integrations/x")
    ),
    Attempt(
        FILLED,
        "reroute",
        lambda at: at.gateway.update_route(ApiId=at.api, RouteId=at.route(at.api), Target="integrations/x"),
    ),
    Attempt(FILLED, "stage", lambda at: at.gateway.create_stage(ApiId=at.api, StageName="any")),
    Attempt(DELETED, "delete-api", lambda at: at.gateway.delete_api(ApiId=at.api)),
    Attempt(DELETED, "delete-untagged", lambda at: at.gateway.delete_api(ApiId=at.untagged)),
    Attempt(
        INVOKED,
        "invoke",
        lambda at: at.function.add_permission(
            FunctionName=OTHER, StatementId="any", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
        ),
    ),
    Attempt(
        ADOPTED,
        "take-events",
        lambda at: at.function.update_event_source_mapping(UUID=at.mapping, FunctionName=OTHER),
    ),
]


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=str)
def test_a_condition_keeps_the_roles_of_two_functions_apart(sandbox: Sandbox, tmp_path: Path, attempt: Attempt) -> None:
    place = Place(tmp_path / "with", sandbox)
    neighbours = Neighbours(place, place.policy(functions=(OTHER,)), are_tags_inherited=True)
    items, apis = place.world.items(), place.world.gateway.get_apis()["Items"]
    with pytest.raises(ClientError, match=r"(?i)AccessDenied.*is not authorized to perform"):
        attempt.make(neighbours)
    assert (place.world.items(), place.world.gateway.get_apis()["Items"]) == (items, apis)

    place = Place(tmp_path / "without", sandbox)
    attempt.make(Neighbours(place, place.policy(attempt.condition, (OTHER,)), are_tags_inherited=True))


@pytest.mark.parametrize("are_tags_inherited", [True, False])
def test_a_role_may_do_all_of_it_to_what_is_its_own(
    sandbox: Sandbox, tmp_path: Path, *, are_tags_inherited: bool
) -> None:
    place = Place(tmp_path / "own", sandbox)
    policy = place.policy(functions=(OTHER,))
    neighbours = Neighbours(place, policy, are_tags_inherited=are_tags_inherited)
    neighbours.victim, neighbours.api, neighbours.untagged = neighbours.other, neighbours.own, neighbours.own
    neighbours.mapping = neighbours.own_mapping
    for attempt in ATTEMPTS:
        if attempt.name not in ("transact", "create-untagged", "delete-untagged", "invoke"):
            attempt.make(neighbours)


def test_no_tag_of_an_api_can_be_changed(sandbox: Sandbox, tmp_path: Path) -> None:
    """Otherwise, a role could take over the API of another function."""
    place = Place(tmp_path / "tags", sandbox)
    neighbours = Neighbours(place, place.policy(functions=(OTHER,)), are_tags_inherited=True)
    for api in (neighbours.api, neighbours.untagged):
        arn = f"arn:aws:apigateway:{REGION}::/apis/{api}"
        with pytest.raises(ClientError, match="is not authorized to perform: apigateway:POST"):
            neighbours.gateway.tag_resource(ResourceArn=arn, Tags={TAG: neighbours.other})
        with pytest.raises(ClientError, match="is not authorized to perform: apigateway:DELETE"):
            neighbours.gateway.untag_resource(ResourceArn=arn, TagKeys=[TAG])


def test_each_condition_is_tried() -> None:
    tried = {attempt.condition for attempt in ATTEMPTS}
    # The sandbox has no other service to which a role could be passed.
    assert set(CONDITIONS) - tried == {Condition("OnlyToGiveTheFunctionItsRole", "StringEquals", "iam:PassedToService")}


@pytest.mark.parametrize("name", ["nothing is there", "damaged endpoints"])
def test_the_policy_is_enough_where_routes_do_not_have_the_tags_of_their_api(
    sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    place = Place(tmp_path / "place", sandbox)
    for step in SCENARIOS[name]:
        ended, calls = place.take(step, place.policy(), are_tags_inherited=False)
        denied = [permission for permission in needed_by(calls) if permission.statement is None]
        assert (ended.code, ended.result, denied) == (0, step.result, []), ended.log


def test_a_release_of_several_functions_needs_a_policy_that_names_them_all(sandbox: Sandbox, tmp_path: Path) -> None:
    place = Place(tmp_path / "place", sandbox)
    shutil.copytree(place.runner.workspace / "function", place.runner.workspace / OTHER)
    several = {"function-name": f"{FUNCTION} = function\n{OTHER} = {OTHER}", "artifact": ""}
    step = Step("promoted", 1, lambda place: {**place.inputs, **several})
    ended, _ = place.take(step, place.policy(functions=(FUNCTION, OTHER)))
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert {item["pk"].rpartition(":")[2] for item in place.world.items()} == {FUNCTION, OTHER}

    for folder in ("function", OTHER):
        (place.runner.workspace / folder / "commit").write_text("2")
    policy = place.policy(functions=(FUNCTION, OTHER))
    (table,) = (statement for statement in policy["Statement"] if statement["Sid"] == "LockAndLedger")
    table["Condition"][LEADING.operator][LEADING.key] = [place.arn]
    items = place.world.items()
    ended, calls = place.take(Step("", 2, step.inputs), policy)
    assert ended.code == 1
    assert len(ended.errors) == 1
    assert "AWS denies dynamodb:Query" in ended.errors[0].message
    assert place.world.items() == items
    assert not any(call.name.startswith(("lambda.Update", "lambda.Publish")) for call in calls)


def test_what_was_released_with_others_needs_no_permission_for_them_later(sandbox: Sandbox, tmp_path: Path) -> None:
    """The record of their release is in the partition of the first of them."""
    place = Place(tmp_path / "place", sandbox)
    shutil.copytree(place.runner.workspace / "function", place.runner.workspace / OTHER)
    first, alone = sorted([FUNCTION, OTHER])
    several = {"function-name": f"{first} = function\n{alone} = {OTHER}", "artifact": ""}
    step = Step("promoted", 1, lambda place: {**place.inputs, **several})
    assert place.take(step, place.policy(functions=(FUNCTION, OTHER)))[0].code == 0
    [release] = place.world.records("release")
    assert release["pk"].endswith(f":{first}")
    (place.runner.workspace / OTHER / "commit").write_text("2")
    step = Step("promoted", 2, lambda place: {**place.inputs, "function-name": alone, "artifact": OTHER})
    ended, _ = place.take(step, place.policy(functions=(alone,)))
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert f"This release is without {first}, previously released to preprod with the others." in ended.log


def test_a_release_that_the_role_cannot_read_is_left_to_a_role_that_can(sandbox: Sandbox, tmp_path: Path) -> None:
    place = Place(tmp_path / "place", sandbox)
    step = Step("promoted", 1, run())
    assert place.take(step, place.policy())[0].code == 0
    first = f"{place.arn.rpartition(':')[0]}:{OTHER}"
    pending = {"pk": {"S": first}, "sk": {"S": "release#preprod#20260102T030405Z-7"}}
    place.world.table.update_item(
        TableName=TABLE,
        Key={"pk": {"S": place.arn}, "sk": {"S": "environment#preprod"}},
        UpdateExpression="SET pending = :pending",
        ExpressionAttributeValues={":pending": {"M": pending}},
    )
    place.change("2")
    ended, calls = place.take(Step("", 2, run()), place.policy())
    (error,) = ended.errors
    assert "he unfinished release 20260102T030405Z-7 cannot be read: AWS denies dynamodb:Query" in error.message
    assert "Run a job for all functions of this release, with a role that may read and write" in error.message
    assert first in error.message
    assert "add this function's ARN to the condition" in error.message
    assert not any(call.name.startswith(("lambda.Update", "lambda.Publish")) for call in calls)


def generalized(pattern: str) -> str:
    """Return the pattern for any account of the sandbox."""
    pattern = pattern.replace("eu-west-1", REGION).replace("123456789012", "[0-9]" * 12)
    pattern = pattern.replace("my-function", FUNCTION).replace("my-builds", "builds-*")
    pattern = pattern.replace("my-archives", "archives-*")
    return pattern.replace("api.example.com", "api-[0-9]*[0-9].example.com")


def test_each_call_that_is_in_the_code_is_made(play: Play) -> None:
    """Without a scenario, a missing action would not be noticed."""
    made = {call for name in SCENARIOS for taken in play(name) for call in taken.calls}
    assert called() == made


def called() -> set[str]:
    """Return the operations of AWS in the code, as methods of a client or for a paginator."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in (REPOSITORY / "promote").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    # GitHub has deployments too.
    named = {node.attr for node in attributes if not (isinstance(node.value, ast.Name) and node.value.id == "github")}
    named |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    services = ("lambda", "dynamodb", "apigatewayv2", "s3")
    models = {service: botocore.session.Session().get_service_model(service) for service in services}
    return {
        f"{service}.{operation}"
        for service, model in models.items()
        for operation in model.operation_names
        if xform_name(operation) in named
    }


def test_iam_takes_the_policy() -> None:
    """As in reference_iam-quotas.html and reference_policies_elements_sid.html of IAM's guide."""
    names = [statement["Sid"] for statement in STATEMENTS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", name) for name in names)
    assert len(re.sub(r"\s", "", POLICY)) <= 6144


@pytest.mark.parametrize(
    ("message", "denied", "hint"),
    [
        (
            (
                "Your access has been denied by S3, please make sure your request credentials have permission to "
                "GetObject for my-builds/1.zip. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"
            ),
            "s3:GetObject on s3://my-builds/1.zip",
            "in the policy of the role that this job assumes",
        ),
        (
            (
                "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: lambda:UpdateAlias on resource: "
                "arn:aws:lambda:eu-west-1:1:function:c because no permissions boundary allows the lambda:UpdateAlias "
                "action"
            ),
            "lambda:UpdateAlias on arn:aws:lambda:eu-west-1:1:function:c",
            "Also allow lambda:UpdateAlias on arn:aws:lambda:eu-west-1:1:function:c in the permissions boundary.",
        ),
        (
            (
                "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: lambda:UpdateAlias on resource: "
                "arn:aws:lambda:eu-west-1:1:function:c with an explicit deny in a service control policy"
            ),
            "lambda:UpdateAlias on arn:aws:lambda:eu-west-1:1:function:c",
            "An explicit deny overrides",
        ),
    ],
)
def test_a_denial_says_where_the_action_is_to_be_allowed(message: str, denied: str, hint: str) -> None:
    answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": message}}
    made = explain(ClientError(answer, "UpdateFunctionCode"))
    assert str(made) == f"AWS denies {denied}: {message}"
    assert hint in made.hint
