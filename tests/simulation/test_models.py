"""The simulated world compared with the sandbox: the same calls, in any order, have the same responses and errors."""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.client import Account, Sandbox
from tests.simulation.errors import ACCOUNT, Refusal
from tests.simulation.functions import FUNCTION, Function
from tests.simulation.network import Call
from tests.simulation.pages import Pages
from tests.simulation.scheduler import Scheduler
from tests.simulation.world import TABLE, World
from tests.world import World as SandboxWorld
from tests.world import archive

COMPARED = {
    "Attributes",
    "CodeSha256",
    "Description",
    "Environment",
    "FunctionVersion",
    "Handler",
    "IntegrationUri",
    "Items",
    "LastUpdateStatus",
    "MemorySize",
    "Name",
    "PackageType",
    "Role",
    "RouteKey",
    "RoutingConfig",
    "Runtime",
    "StageName",
    "State",
    "Tags",
    "Timeout",
    "Version",
}
"""Members of responses that must be equal."""

NAMED = {"ApiId", "IntegrationId", "RevisionId", "RouteId"}
"""Members whose values differ but correspond to each other."""


class Twins:
    """The sandbox and the model, with the same calls."""

    def __init__(self, account: Account, page: int = 0) -> None:
        self.scheduler = Scheduler()
        self.page = page
        self.sandbox = SandboxWorld(account)
        self.model = World(self.scheduler, Random(0), codes={}, pages=Pages(page, Random(0)))
        self.names: dict[str, str] = {}
        """The sandbox's value for each value of the model."""
        self._accounts = (account.id, ACCOUNT)

    @property
    def functions(self) -> Function:
        """The model of the function."""
        return self.model.functions[FUNCTION]

    @property
    def services(self) -> Mapping[str, tuple[Any, Any]]:
        """The model and the sandbox's client of each service."""
        return {
            "lambda": (self.functions, self.sandbox.function),
            "dynamodb": (self.model.tables, self.sandbox.table),
            "gateway": (self.model.gateways, self.sandbox.gateway),
        }

    def call(self, service: str, method: str, **arguments: Any) -> Any:
        """Make a call to both, and return the model's response, or the code of its error."""
        model, client = self.services[service]
        answer: Any
        try:
            answer = getattr(model, method)(**arguments)
        except Refusal as refusal:
            answer = refusal
        if isinstance(answer, Refusal):
            with pytest.raises(ClientError) as raised:
                getattr(client, method)(**self._for_sandbox(arguments))
            response: Mapping[str, Any] = raised.value.response
            assert response["Error"]["Code"] == answer.code, (method, arguments, response)
            if service == "lambda":
                assert response["Error"]["Message"] == self._for_sandbox(answer.message), (method, arguments)
            assert response["ResponseMetadata"]["HTTPStatusCode"] == answer.status
            assert response.get("Item") == answer.more.get("Item"), (method, arguments)
            codes = [reason["Code"] for reason in answer.more.get("CancellationReasons", [])]
            assert [reason["Code"] for reason in response.get("CancellationReasons", [])] == codes
            return answer.code
        theirs = getattr(client, method)(**self._for_sandbox(arguments))
        self.compare(answer, theirs, (service, method, arguments))
        return answer

    def _for_sandbox(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.names.get(value, value).replace(self._accounts[1], self._accounts[0])
        if isinstance(value, dict):
            return {name: self._for_sandbox(part) for name, part in value.items()}
        return [self._for_sandbox(part) for part in value] if isinstance(value, list) else value

    def compare(self, ours: Any, theirs: Any, context: Any) -> None:
        for name, value in ours.items():
            if name in NAMED:
                assert self.names.setdefault(value, theirs[name]) == theirs[name], (name, context)
                assert list(self.names.values()).count(theirs[name]) == 1, (name, context)
            elif name == "Aliases" or (name == "Items" and context[0] == "gateway"):
                assert len(value) == len(theirs[name]), context
                listed = theirs[name] if name == "Items" else sorted(theirs[name], key=lambda alias: alias["Name"])
                for one, other in zip(value, listed, strict=True):
                    self.compare(one, other, context)
            elif name == "Policy":
                assert sids(value) == sids(theirs[name])
            elif name in COMPARED:
                assert self._for_sandbox(value) == theirs[name], (name, context)
        unknown = {name for name in COMPARED & set(theirs) if theirs[name] not in ("", {}, [])} - set(ours)
        assert not unknown, (unknown, context)


def sids(policy: str) -> set[str]:
    return {statement["Sid"] for statement in json.loads(policy)["Statement"]}


def code(number: int) -> bytes:
    return archive({"app.py": f"# {number}\n"})


def test_code_sha256_is_lambdas_own() -> None:
    assert base64.b64encode(hashlib.sha256(code(1)).digest()) != base64.b64encode(hashlib.sha256(code(2)).digest())


@pytest.fixture
def twins(account: Account) -> Twins:
    return Twins(account)


def settle(twins: Twins) -> None:
    """Wait for the end of the update in both."""
    twins.scheduler.run()
    twins.sandbox.settle()
    for version in twins.functions.versions:
        for _ in range(200):
            answer = twins.sandbox.function.get_function_configuration(FunctionName=FUNCTION, Qualifier=version)
            if answer["State"] != "Pending":
                break
            time.sleep(0.02)


def create(twins: Twins) -> None:
    twins.call(
        "lambda",
        "create_function",
        FunctionName=FUNCTION,
        PackageType="Zip",
        Role=f"arn:aws:iam::{ACCOUNT}:role/hello",
        Runtime="python3.13",
        Handler="app.handler",
        Code={"ZipFile": code(0)},
    )


def lambda_calls(chance: Random, twins: Twins) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield calls of Lambda without end."""
    functions = twins.functions
    revisions = [""]
    while True:
        latest = functions.latest
        assert latest is not None
        aliases = list(functions.aliases.values())
        revisions += [latest["RevisionId"], *(alias.revision_id for alias in aliases)]
        stale = chance.choice(revisions)
        current = {"RevisionId": revision} if (revision := chance.choice([latest["RevisionId"], stale])) else {}
        version = str(chance.randint(1, 4))
        name = chance.choice(["preprod", "prod"])
        qualifier = chance.choice([{}, {}, {"Qualifier": name}, {"Qualifier": version}])
        moved = {"RevisionId": revision} if (revision := chance.choice([*revisions[-3:], stale])) else {}
        weights = {str(chance.randint(1, 4)): 0.5} if chance.random() < 0.4 else {}
        routing = {"RoutingConfig": {"AdditionalVersionWeights": weights}} if chance.random() < 0.5 else {}
        sha256 = {"CodeSha256": chance.choice([latest["CodeSha256"], latest["CodeSha256"], "other"])}
        yield chance.choice(
            [
                ("get_function_configuration", qualifier if qualifier.get("Qualifier") != name else {}),
                ("update_function_code", {"ZipFile": code(chance.randint(0, 2)), "Publish": True, **current}),
                ("update_function_code", {"ZipFile": code(chance.randint(0, 2)), **current}),
                ("update_function_configuration", {"Timeout": chance.randint(3, 5), **current}),
                ("publish_version", {**sha256, **current}),
                ("publish_version", {}),
                ("get_alias", {"Name": name}),
                ("create_alias", {"Name": name, "FunctionVersion": version, "Description": "made"}),
                ("update_alias", {"Name": name, "FunctionVersion": version, **routing, **moved}),
                ("update_alias", {"Name": name, "Description": f"moved {version}", **routing, **moved}),
                ("list_aliases", {}),
                ("delete_alias", {"Name": name}),
                ("get_policy", qualifier),
                ("add_permission", {**permission(chance), **qualifier}),
                ("remove_permission", {"StatementId": permission(chance)["StatementId"], **qualifier}),
            ]
        )


def permission(chance: Random) -> dict[str, str]:
    return {
        "StatementId": chance.choice("ab"),
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": f"arn:aws:execute-api:us-east-1:{ACCOUNT}:api1/*",
    }


@pytest.mark.parametrize("seed", range(2))
def test_lambda(twins: Twins, seed: int) -> None:
    create(twins)
    settle(twins)
    chance = Random(seed)
    calls = lambda_calls(chance, twins)
    for _ in range(70):
        # So that the model's RevisionId corresponds to one of the sandbox, which changes at the end of an update.
        twins.call("lambda", "get_function_configuration", FunctionName=FUNCTION)
        method, arguments = next(calls)
        answer = twins.call("lambda", method, FunctionName=FUNCTION, **arguments)
        if isinstance(answer, dict) and method.startswith(("update_function", "publish")):
            settle(twins)


def test_lambda_during_an_update() -> None:
    with Sandbox.start(settle=3600) as slow:
        for seed in range(2):
            twins = Twins(slow.account())
            create(twins)
            calls = lambda_calls(Random(seed), twins)
            for _ in range(40):
                twins.call("lambda", "get_function_configuration", FunctionName=FUNCTION)
                method, arguments = next(calls)
                twins.call("lambda", method, FunctionName=FUNCTION, **arguments)


def test_a_missing_function(twins: Twins) -> None:
    twins.functions.latest = {"RevisionId": "none", "CodeSha256": "none"}
    calls = lambda_calls(Random(0), twins)
    for _ in range(40):
        method, arguments = next(calls)
        twins.functions.latest = None
        assert twins.call("lambda", method, FunctionName=FUNCTION, **arguments) == "ResourceNotFoundException"
        twins.functions.latest = {"RevisionId": "none", "CodeSha256": "none"}


CONDITIONS = (
    "",
    "attribute_not_exists(pk)",
    "attribute_exists(pk)",
    "attribute_not_exists(#owner) AND (attribute_not_exists(#tickets) OR #tickets = :nobody)",
    "#owner = :one AND #token = :number",
    "#token >= :number",
    "attribute_not_exists(#owner) OR #token < :number",
    "attribute_not_exists(#tickets) OR (size(#tickets) < :number AND NOT contains(#tickets, :ticket))",
    "#tickets[0].#owner = :one",
    "#tickets[1].#owner = :one AND #tickets[1].#beat = :number",
    "#intent.#owner = :one OR attribute_not_exists(#intent)",
)

UPDATES = (
    "SET #owner = :one, #token = if_not_exists(#token, :number) + :number",
    "SET #beat = #beat + :number",
    "SET #tickets = list_append(if_not_exists(#tickets, :nobody), :tickets)",
    "SET #tickets[0].#beat = #tickets[0].#beat + :number",
    "SET #tickets[1].#owner = :one",
    "SET #intent = :ticket REMOVE #owner",
    "SET #beat = :number REMOVE #tickets[0]",
    "REMOVE #owner, #beat",
    "REMOVE #tickets[1], #tickets[0]",
    "REMOVE #intent, #missing",
)


def table_calls(chance: Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield calls of DynamoDB without end."""
    while True:
        yield chance.choice(
            [
                ("update_item", {**_change(chance), **_shown}),
                ("update_item", {**_change(chance), **_shown}),
                ("update_item", {**_change(chance), **_shown}),
                ("put_item", {"Item": {**_key(chance), "token": {"N": "1"}}, **_condition(chance), **_failing}),
                ("put_item", {"Item": {**_key(chance), "owner": {"S": "x"}}}),
                ("delete_item", {"Key": _key(chance)}),
                ("query", _range(chance)),
                ("transact_write_items", _transaction(chance)),
            ]
        )


_failing = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
_shown = {"ReturnValues": "ALL_NEW", **_failing}


def _key(chance: Random) -> dict[str, Any]:
    return {"pk": {"S": "arn"}, "sk": {"S": chance.choice(["lock", "environment#preprod", "version#1"])}}


def _condition(chance: Random) -> dict[str, Any]:
    return chance.choice([{}, {"ConditionExpression": CONDITIONS[1]}, {"ConditionExpression": CONDITIONS[2]}])


def _change(chance: Random) -> dict[str, Any]:
    update, condition = chance.choice(UPDATES), chance.choice(CONDITIONS)
    words = f"{update} {condition}"
    ticket = {"M": {"owner": {"S": chance.choice(["me", "you"])}, "beat": {"N": "1"}}}
    values: dict[str, Any] = {
        ":one": {"S": chance.choice(["me", "you"])},
        ":number": {"N": str(chance.randint(1, 3))},
        ":nobody": {"L": []},
        ":ticket": ticket,
        ":tickets": {"L": [ticket]},
    }
    used = {name: value for name, value in values.items() if name in words.replace(",", " ").replace(")", " ").split()}
    names = {f"#{name}": name for name in ("owner", "token", "tickets", "beat", "intent", "missing")}
    return {
        "Key": _key(chance),
        "UpdateExpression": update,
        "ExpressionAttributeNames": {name: meant for name, meant in names.items() if name in words},
        **({"ExpressionAttributeValues": used} if used else {}),
        **({"ConditionExpression": condition} if condition else {}),
    }


def _range(chance: Random) -> dict[str, Any]:
    first, last = chance.choice([("a", "z"), ("lock", "lock"), ("endpoint#", "lock"), ("version#1", "version#1")])
    more: dict[str, Any] = chance.choice([{}, {"ScanIndexForward": False, "Limit": 2}])
    return {
        "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
        "ExpressionAttributeValues": {":pk": {"S": "arn"}, ":first": {"S": first}, ":last": {"S": last}},
        "ConsistentRead": True,
        **more,
    }


def _transaction(chance: Random) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"Update": {"TableName": TABLE, **_change(chance)}}]
    entry = {"TableName": TABLE, "Item": {"pk": {"S": "arn"}, "sk": {"S": f"promotion#{chance.randint(1, 3)}"}}}
    parts.append({"Put": {**entry, "ConditionExpression": CONDITIONS[1]}})
    if chance.random() < 0.5:
        parts.append({"Update": {"TableName": TABLE, **_change(chance)}})
    return {"TransactItems": parts, "ClientRequestToken": f"token-{chance.randint(1, 10**9)}"}


def create_table(twins: Twins) -> None:
    twins.call(
        "dynamodb",
        "create_table",
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    twins.scheduler.at(5, lambda: None)
    twins.scheduler.run()
    while twins.sandbox.table.describe_table(TableName=TABLE)["Table"]["TableStatus"] != "ACTIVE":
        time.sleep(0.02)


@pytest.mark.parametrize("seed", range(3))
def test_tables(twins: Twins, seed: int) -> None:
    calls = table_calls(Random(seed))
    twins.call("dynamodb", "describe_table", TableName=TABLE)
    create_table(twins)
    repeated: list[tuple[str, dict[str, Any]]] = []
    for number in range(200):
        method, arguments = next(calls)
        if method == "transact_write_items":
            repeated.append((method, arguments))
            if number % 3 == 0:
                method, arguments = repeated[0]  # the same token again has no effect, if the first call had one
        name = {} if method == "transact_write_items" else {"TableName": TABLE}
        twins.call("dynamodb", method, **name, **arguments)


@pytest.mark.parametrize("seed", range(2))
def test_gateways(twins: Twins, seed: int) -> None:
    chance = Random(seed)
    for _ in range(120):
        apis = [*twins.model.gateways.apis, "unknown"]
        api = chance.choice(apis)
        made = twins.model.gateways.apis.get(api)
        target = f"integrations/{chance.choice(list(made.integrations))}" if made and made.integrations else "none"
        integration = {
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": f"arn:{chance.randint(1, 3)}",
            "PayloadFormatVersion": "2.0",
            "TimeoutInMillis": 30_000,
        }
        named = {"Name": "one", "ProtocolType": "HTTP"}
        calls: list[tuple[str, dict[str, Any]]] = [
            ("create_api", {**named, "Description": f"{chance.random()}", "Tags": {"made-by": "a test"}}),
            ("get_api", {"ApiId": api}),
            ("get_apis", {}),
            ("delete_api", {"ApiId": chance.choice(["unknown", api])}),
            ("create_integration", {"ApiId": api, **integration}),
            ("create_route", {"ApiId": api, "RouteKey": "$default", "Target": target}),
            ("create_stage", {"ApiId": api, "StageName": "$default", "AutoDeploy": True}),
            ("get_routes", {"ApiId": api}),
            ("get_integrations", {"ApiId": api}),
            ("get_stages", {"ApiId": api}),
        ]
        method, arguments = chance.choice(calls)
        if method == "create_route" and target == "none":
            continue
        twins.call("gateway", method, **arguments)


def test_an_inactive_version(twins: Twins, account: Account) -> None:
    create(twins)
    settle(twins)
    twins.call("lambda", "publish_version", FunctionName=FUNCTION)
    settle(twins)
    twins.scheduler.at(twins.scheduler.now + 90, lambda: None)  # it was not used for a while
    twins.scheduler.run()
    twins.functions.idle(needed=())
    account.idle(FUNCTION, "1")
    one = {"FunctionName": FUNCTION, "Qualifier": "1"}
    assert twins.call("lambda", "get_function_configuration", **one)["State"] == "Inactive"

    with pytest.raises(Refusal) as ours:
        twins.model.carry_out(Call("lambda", "Invoke", {**one, "Payload": b"{}"}))
    with pytest.raises(ClientError) as theirs:
        twins.sandbox.function.invoke(FunctionName=FUNCTION, Qualifier="1", Payload=b"{}")
    assert theirs.value.response["Error"]["Code"] == ours.value.code
    assert theirs.value.response["ResponseMetadata"]["HTTPStatusCode"] == ours.value.status

    settle(twins)
    assert twins.call("lambda", "get_function_configuration", **one)["State"] == "Active"


@dataclass(frozen=True)
class Listed:
    """A list that may need several calls."""

    service: str
    method: str
    arguments: Mapping[str, Any]
    following: str
    """The member of a response that has the next page."""
    start: str
    """The argument with the page to return."""

    def pages(self, call: Callable[..., Any]) -> list[list[Any]]:
        """Return the entries of each page."""
        found, further = list[list[Any]](), dict[str, Any]()
        while True:
            response = call(**self.arguments, **further)
            found.append(response["Aliases" if "Aliases" in response else "Items"])
            if not response.get(self.following):
                return found
            further = {self.start: response[self.following]}


def ranged(**further: Any) -> Listed:
    values = {":pk": {"S": "arn"}, ":first": {"S": "version#"}, ":last": {"S": "version#~"}}
    arguments = {
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
        "ExpressionAttributeValues": values,
        "ConsistentRead": True,
        **further,
    }
    return Listed("dynamodb", "query", arguments, "LastEvaluatedKey", "ExclusiveStartKey")


@pytest.fixture(params=[1, 2, 3])
def paged(request: pytest.FixtureRequest, account: Account) -> Twins:
    """Five items, five aliases, and five APIs with five integrations, in small pages."""
    twins = Twins(account, page=request.param)
    create(twins)
    create_table(twins)
    settle(twins)
    twins.call("lambda", "publish_version", FunctionName=FUNCTION)
    settle(twins)
    for number in range(5):
        twins.call("dynamodb", "put_item", TableName=TABLE, Item=item(number))
        named = {"Name": f"alias{number}", "FunctionVersion": "1"}
        twins.call("lambda", "create_alias", FunctionName=FUNCTION, **named)
        described = {"Name": "one", "ProtocolType": "HTTP", "Description": f"{number}", "Tags": {"made-by": "a test"}}
        twins.call("gateway", "create_api", **described)
    account.inject("small-pages", "dynamodb.Query", times=0, items=request.param)
    account.inject("small-pages", "lambda.ListAliases", times=0, items=request.param)
    account.inject("small-pages", "apigatewayv2.Get*s", times=0, items=request.param)
    return twins


def item(number: int) -> dict[str, Any]:
    return {"pk": {"S": "arn"}, "sk": {"S": f"version#{number}"}}


def test_small_pages_have_the_entries_of_the_whole_list(paged: Twins) -> None:
    lists = [
        ranged(),
        ranged(ScanIndexForward=False),
        Listed("lambda", "list_aliases", {"FunctionName": FUNCTION}, "NextMarker", "Marker"),
        Listed("gateway", "get_apis", {}, "NextToken", "NextToken"),
    ]
    for listed in lists:
        model, client = paged.services[listed.service]
        ours, theirs = (listed.pages(getattr(service, listed.method)) for service in (model, client))
        assert len(list(chain(*ours))) == 5
        for one, other in zip(chain(*ours), chain(*theirs), strict=True):
            paged.compare(one, other, listed)
            assert one.get("sk") == other.get("sk")
        assert len(ours) >= 5 / paged.page
        assert max(map(len, ours)) == paged.page


def test_pages_of_a_query_are_sometimes_empty(paged: Twins) -> None:
    found = [ranged().pages(paged.model.tables.query) for _ in range(50)]
    assert any(pages[0] == [] for pages in found)
    assert any(pages[-1] == [] for pages in found)
    assert any(pages[-1] != [] for pages in found)


def test_a_page_that_starts_outside_of_the_range_is_an_error(paged: Twins) -> None:
    start = {"pk": {"S": "arn"}, "sk": {"S": "lock"}}
    assert paged.call("dynamodb", "query", **ranged().arguments, ExclusiveStartKey=start) == "ValidationException"


def test_a_change_between_two_pages_shows_only_on_the_pages_that_follow(paged: Twins) -> None:
    tables = paged.model.tables

    def query_then_change(**arguments: Any) -> Any:
        response = tables.query(**arguments)
        for one in response["Items"]:
            tables.delete_item(TableName=TABLE, Key=one)
        tables.put_item(TableName=TABLE, Item=item(9))
        return response

    found = list(chain(*ranged().pages(query_then_change)))
    assert found == [item(number) for number in (0, 1, 2, 3, 4, 9)]
