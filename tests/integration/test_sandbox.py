"""The sandbox: each rule that it adds to MiniStack, and each kind of fault, with boto3."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from sandbox.client import INTERPRETER, REPOSITORY, Account, Sandbox, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NAME = "greeter"
ROLE = "arn:aws:iam::123456789012:role/greeter"
TABLE = "notes"
SETTLE = 0.05
SESSION: Any = boto3.Session()
"""One session for all clients, because it caches the service models."""
PYTHON = Path(os.environ.get("SANDBOX_PYTHON", INTERPRETER))


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(settle=SETTLE, python=PYTHON) as running:
        yield running


@pytest.fixture
def account(sandbox: Sandbox) -> Account:
    return sandbox.account()


@pytest.fixture
def aws(account: Account) -> World:
    return World(account)


class World:
    """One account's clients, and helpers of most tests."""

    def __init__(self, account: Account, environ: Mapping[str, str] | None = None) -> None:
        """``environ`` can be that of a caller other than the account's own."""
        self.account = account
        self.environ = environ or account.environ
        self.awslambda = self.client("lambda")
        self.gateway = self.client("apigatewayv2")
        self.dynamodb = self.client("dynamodb")

    def client(self, service: str) -> Any:
        return client(self.account, service, self.environ)

    def versions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.awslambda.list_versions_by_function(FunctionName=NAME)["Versions"]
        return found

    def state(self, qualifier: str) -> str:
        answer = self.awslambda.get_function_configuration(FunctionName=NAME, Qualifier=qualifier)
        return str(answer["State"])

    def create(self, text: str = "one", **parameters: Any) -> dict[str, Any]:
        created: dict[str, Any] = self.awslambda.create_function(
            FunctionName=NAME,
            Runtime="python3.12",
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": archive(text)},
            **parameters,
        )
        return created

    def settle(self) -> dict[str, Any]:
        """Wait until $LATEST has settled."""
        while True:
            config: dict[str, Any] = self.awslambda.get_function_configuration(FunctionName=NAME)
            if config["State"] != "Pending" and config["LastUpdateStatus"] != "InProgress":
                return config
            time.sleep(0.005)

    def ready(self, text: str = "one", **parameters: Any) -> dict[str, Any]:
        self.create(text, **parameters)
        return self.settle()

    def update(self, text: str, **parameters: Any) -> dict[str, Any]:
        updated: dict[str, Any] = self.awslambda.update_function_code(
            FunctionName=NAME, ZipFile=archive(text), **parameters
        )
        return updated

    def release(self, text: str) -> str:
        """Publish other code and wait for it. Return the version's number."""
        version: str = self.update(text, Publish=True)["Version"]
        self.settle()
        return version

    def invoke(self, qualifier: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.awslambda.invoke(FunctionName=NAME, Qualifier=qualifier)
        return answer | {"Payload": json.load(answer["Payload"])}

    def permit(self, qualifier: str | None, source: str, statement: str = "api") -> None:
        self.awslambda.add_permission(
            FunctionName=NAME,
            StatementId=statement,
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:{self.account.id}:{source}",
            **({"Qualifier": qualifier} if qualifier else {}),
        )

    def api(self, qualifier: str | None = None, *, deployed: bool = True, route: str = "$default") -> str:
        """Create an HTTP API for the function, and return its id."""
        api: str = self.gateway.create_api(Name="greeter", ProtocolType="HTTP")["ApiId"]
        arn = f"arn:aws:lambda:us-east-1:{self.account.id}:function:{NAME}"
        integration = self.gateway.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            PayloadFormatVersion="2.0",
            IntegrationUri=f"{arn}:{qualifier}" if qualifier else arn,
        )["IntegrationId"]
        self.gateway.create_route(ApiId=api, RouteKey=route, Target=f"integrations/{integration}")
        self.gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=deployed)
        return api

    def get(self, api: str, path: str = "/") -> tuple[int, Any]:
        return self.request(f"/_aws/execute-api/{api}/$default{path}")

    def request(self, path: str, host: str | None = None) -> tuple[int, Any]:
        connection = HTTPConnection(urlsplit(self.account.environ["AWS_ENDPOINT_URL"]).netloc, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host} if host else {})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        return response.status, json.loads(body)

    def make_table(self) -> None:
        self.create_table()
        while self.dynamodb.describe_table(TableName=TABLE)["Table"]["TableStatus"] != "ACTIVE":
            time.sleep(0.02)

    def create_table(self) -> None:
        self.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        )

    def put(self, key: str) -> None:
        self.dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": key}})

    def has(self, key: str) -> bool:
        return "Item" in self.dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": key}}, ConsistentRead=True)


def client(account: Account, service: str, environ: Mapping[str, str] | None = None, **settings: Any) -> Any:
    environ = environ or account.environ
    return SESSION.client(
        service,
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=environ["AWS_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environ.get("AWS_SESSION_TOKEN"),
        config=Config(retries={"total_max_attempts": 1}, **settings),
    )


def archive(text: str, source: str = "") -> bytes:
    """Return the archive of a function that responds with `text`. `source` replaces its code."""
    code = source or f"def handler(event, context): return {{'statusCode': 200, 'body': '{{\"text\": \"{text}\"}}'}}\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        entry = zipfile.ZipInfo("app.py")
        entry.external_attr = 0o644 << 16
        target.writestr(entry, code)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def refused(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    """Return the code and the HTTP status of an error."""
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


class TestPublication:
    def test_needs_the_expected_code(self, aws: World) -> None:
        aws.ready()
        with pytest.raises(ClientError, match="CodeSHA256") as caught:
            aws.awslambda.publish_version(FunctionName=NAME, CodeSha256=digest(b"other"))
        assert refused(caught) == ("InvalidParameterValueException", 400)
        assert aws.awslambda.publish_version(FunctionName=NAME, CodeSha256=digest(archive("one")))["Version"] == "1"

    def test_needs_the_current_revision(self, aws: World) -> None:
        stale = aws.create()["RevisionId"]
        current = aws.settle()["RevisionId"]
        with pytest.raises(ClientError) as caught:
            aws.awslambda.publish_version(FunctionName=NAME, RevisionId=stale)
        assert refused(caught) == ("PreconditionFailedException", 412)
        assert aws.awslambda.publish_version(FunctionName=NAME, RevisionId=current)["Version"] == "1"

    def test_of_the_same_content_returns_the_existing_version(self, aws: World) -> None:
        aws.ready()
        first = aws.awslambda.publish_version(FunctionName=NAME)
        assert aws.update("one", Publish=True)["Version"] == "1"
        aws.settle()
        again = aws.awslambda.publish_version(FunctionName=NAME)
        assert (again["Version"], again["RevisionId"]) == ("1", first["RevisionId"])

    def test_after_another_configuration_makes_a_new_version(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.awslambda.update_function_configuration(FunctionName=NAME, MemorySize=256)
        aws.settle()
        assert aws.awslambda.publish_version(FunctionName=NAME)["Version"] == "2"
        assert aws.awslambda.publish_version(FunctionName=NAME)["Version"] == "2"

    def test_with_an_update_answers_with_the_version(self, aws: World) -> None:
        aws.ready()
        version = aws.update("two", Publish=True)
        assert (version["Version"], version["State"]) == ("1", "Pending")
        assert version["FunctionArn"].endswith(f":function:{NAME}:1")
        latest = aws.settle()
        assert latest["Version"] == "$LATEST"
        assert latest["RevisionId"] != version["RevisionId"]
        read = aws.awslambda.get_function_configuration(FunctionName=NAME, Qualifier="1")
        assert read["State"] == "Active"
        assert len({latest["RevisionId"], version["RevisionId"], read["RevisionId"]}) == 3

    def test_changes_the_revision_of_latest_when_it_makes_a_version(self, aws: World) -> None:
        before = aws.ready()["RevisionId"]
        published = aws.awslambda.publish_version(FunctionName=NAME, RevisionId=before)
        after = aws.settle()["RevisionId"]
        assert len({before, after, published["RevisionId"]}) == 3
        with pytest.raises(ClientError) as caught:
            aws.update("two", RevisionId=before)
        assert refused(caught) == ("PreconditionFailedException", 412)
        assert aws.awslambda.publish_version(FunctionName=NAME, RevisionId=after)["Version"] == "1"
        assert aws.settle()["RevisionId"] == after
        aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        assert aws.settle()["RevisionId"] == after

    def test_with_a_creation_answers_with_the_version(self, aws: World) -> None:
        version = aws.create(Publish=True)
        assert (version["Version"], version["State"]) == ("1", "Pending")
        assert version["FunctionArn"].endswith(f":function:{NAME}")
        aws.settle()
        assert aws.awslambda.publish_version(FunctionName=NAME)["Version"] == "1"

    def test_leaves_a_version_pending_until_it_is_ready(self, aws: World) -> None:
        aws.ready()
        aws.account.inject("update-lasts", "lambda.PublishVersion", seconds=0.5)
        assert aws.awslambda.publish_version(FunctionName=NAME)["State"] == "Pending"
        with pytest.raises(ClientError) as caught:
            aws.invoke("1")
        assert refused(caught) == ("ResourceConflictException", 409)
        aws.awslambda.get_waiter("published_version_active").wait(
            FunctionName=NAME, Qualifier="1", WaiterConfig={"Delay": 0.01, "MaxAttempts": 100}
        )
        assert aws.invoke("1")["ExecutedVersion"] == "1"

    def test_an_invocation_wakes_what_is_inactive(self, aws: World) -> None:
        aws.ready(Publish=True)
        for qualifier in ("1", "$LATEST"):
            aws.account.idle(NAME, qualifier)
            assert aws.state(qualifier) == "Inactive"
            aws.account.inject("update-lasts", "lambda.Invoke", seconds=1)
            with pytest.raises(ClientError) as caught:
                aws.invoke(qualifier)
            assert refused(caught) == ("CodeArtifactUserPendingException", 409)
            assert aws.state(qualifier) == "Pending"
            while aws.state(qualifier) == "Pending":
                time.sleep(SETTLE)
            assert aws.invoke(qualifier)["ExecutedVersion"] == qualifier

    def test_what_cannot_be_recreated_is_inactive_again(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.account.idle(NAME, "1", stuck="The subnet is gone.")
        with pytest.raises(ClientError):
            aws.invoke("1")
        time.sleep(3 * SETTLE)
        assert aws.state("1") == "Inactive"
        with pytest.raises(SandboxError, match="There is no greeter:2"):
            aws.account.idle(NAME, "2")


class TestUpdate:
    def test_excludes_other_changes_while_in_progress(self, aws: World) -> None:
        aws.account.inject("update-lasts", "lambda.CreateFunction", seconds=1)
        aws.create()
        with pytest.raises(ClientError, match="state: Pending"):
            aws.update("two")
        aws.settle()
        aws.account.inject("update-lasts", "lambda.UpdateFunctionCode", seconds=1)
        aws.update("two")
        for change in (
            lambda: aws.update("three"),
            lambda: aws.awslambda.update_function_configuration(FunctionName=NAME, MemorySize=256),
            lambda: aws.awslambda.publish_version(FunctionName=NAME),
        ):
            with pytest.raises(ClientError, match=rf"update is in progress for resource: arn:.*:{NAME}$") as caught:
                change()
            assert refused(caught) == ("ResourceConflictException", 409)
        aws.settle()
        aws.awslambda.publish_version(FunctionName=NAME)

    def test_changes_the_revision_again_when_it_completes(self, aws: World) -> None:
        aws.ready()
        during = aws.update("two")
        assert (during["State"], during["LastUpdateStatus"]) == ("Active", "InProgress")
        assert aws.settle()["RevisionId"] != during["RevisionId"]

    def test_with_dry_run_changes_nothing(self, aws: World) -> None:
        before = aws.ready()
        assert aws.update("two", DryRun=True, Publish=True)["CodeSha256"] == digest(archive("two"))
        with pytest.raises(ClientError) as caught:
            aws.update("two", DryRun=True, RevisionId="stale")
        assert refused(caught) == ("PreconditionFailedException", 412)
        after = aws.awslambda.get_function_configuration(FunctionName=NAME)
        del before["ResponseMetadata"], after["ResponseMetadata"]
        assert after == before

    def test_of_more_than_50_mb_is_refused(self, aws: World) -> None:
        aws.ready()
        with pytest.raises(ClientError, match="Zipped size must be smaller than 52428800") as caught:
            aws.awslambda.update_function_code(FunctionName=NAME, ZipFile=bytes(52_428_801))
        assert refused(caught) == ("RequestEntityTooLargeException", 413)

    def test_to_an_image_has_its_digest(self, aws: World) -> None:
        image = f"{aws.account.id}.dkr.ecr.us-east-1.amazonaws.com/greeter@sha256:{'a' * 64}"
        created = aws.awslambda.create_function(
            FunctionName=NAME, PackageType="Image", Role=ROLE, Code={"ImageUri": image}
        )
        assert created["CodeSha256"] == "a" * 64

    def test_can_be_made_to_fail(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.account.inject("update-fails", "lambda.UpdateFunctionCode", reason="No such key.", code="KMSKeyNotFound")
        assert aws.update("two", Publish=True)["Version"] == "2"
        latest = aws.settle()
        assert (latest["State"], latest["LastUpdateStatus"]) == ("Active", "Failed")
        assert (latest["LastUpdateStatusReason"], latest["LastUpdateStatusReasonCode"]) == (
            "No such key.",
            "KMSKeyNotFound",
        )
        failed = aws.awslambda.get_function_configuration(FunctionName=NAME, Qualifier="2")
        assert (failed["State"], failed["StateReason"]) == ("Failed", "No such key.")
        with pytest.raises(ClientError, match="state: Failed"):
            aws.invoke("2")
        with pytest.raises(ClientError) as caught:
            aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="2")
        assert refused(caught) == ("ResourceConflictException", 409)
        assert aws.release("three") == "3"


class TestAlias:
    def test_needs_a_version_that_exists(self, aws: World) -> None:
        aws.ready(Publish=True)
        with pytest.raises(ClientError) as caught:
            aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="9")
        assert refused(caught) == ("ResourceNotFoundException", 404)
        aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        with pytest.raises(ClientError) as caught:
            aws.awslambda.update_alias(FunctionName=NAME, Name="prod", FunctionVersion="9")
        assert refused(caught) == ("ResourceNotFoundException", 404)

    def test_needs_a_name_that_is_not_a_number(self, aws: World) -> None:
        aws.ready(Publish=True)
        with pytest.raises(ClientError) as caught:
            aws.awslambda.create_alias(FunctionName=NAME, Name="12", FunctionVersion="1")
        assert refused(caught) == ("ValidationException", 400)

    @pytest.mark.parametrize(
        ("version", "weights", "error"),
        [
            ("1", {"9": 0.1}, ("ResourceNotFoundException", 404)),
            ("1", {"$LATEST": 0.1}, ("ValidationException", 400)),
            ("$LATEST", {"1": 0.1}, ("InvalidParameterValueException", 400)),
            ("1", {"2": 1.5}, ("ValidationException", 400)),
            ("1", {"1": 0.1}, ("InvalidParameterValueException", 400)),
            ("1", {"2": 0.1, "3": 0.1}, ("InvalidParameterValueException", 400)),
        ],
    )
    def test_needs_weights_that_make_sense(
        self, aws: World, version: str, weights: dict[str, float], error: tuple[str, int]
    ) -> None:
        aws.ready(Publish=True)
        aws.release("two")
        aws.release("three")
        routing = {"AdditionalVersionWeights": weights}
        with pytest.raises(ClientError) as caught:
            aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion=version, RoutingConfig=routing)
        assert refused(caught) == error
        aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion=version)
        with pytest.raises(ClientError) as caught:
            aws.awslambda.update_alias(FunctionName=NAME, Name="prod", RoutingConfig=routing)
        assert refused(caught) == error

    def test_splits_invocations_by_weight(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.release("two")
        aws.awslambda.create_alias(
            FunctionName=NAME,
            Name="prod",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
        )
        aws.permit("prod", "*/*/*")
        api = aws.api("prod")
        ran = [aws.invoke("prod") for _ in range(20)]
        texts = {"1": "one", "2": "two"}
        assert all(json.loads(each["Payload"]["body"])["text"] == texts[each["ExecutedVersion"]] for each in ran)
        assert {each["ExecutedVersion"] for each in ran} == {"1", "2"}
        assert {aws.get(api)[1]["text"] for _ in range(20)} == {"one", "two"}

    def test_tells_the_function_that_it_was_invoked_whatever_version_the_weights_choose(self, aws: World) -> None:
        aws.ready(Publish=True)
        code = (
            "import json\n\n\ndef handler(event, context):\n"
            "    return {'statusCode': 200, 'body': json.dumps({'arn': context.invoked_function_arn})}\n"
        )
        aws.awslambda.update_function_code(FunctionName=NAME, ZipFile=archive("", code), Publish=True)
        aws.settle()
        weights = {"AdditionalVersionWeights": {"2": 1.0}}
        alias = aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1", RoutingConfig=weights)
        ran = aws.invoke("prod")
        assert ran["ExecutedVersion"] == "2"
        assert json.loads(ran["Payload"]["body"]) == {"arn": alias["AliasArn"]}
        aws.permit("prod", "*/*/*")
        assert aws.get(aws.api("prod")) == (200, {"arn": alias["AliasArn"]})

    def test_serves_the_old_version_until_provisioned_concurrency_has_moved(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.release("two")
        client = aws.awslambda
        client.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        client.put_provisioned_concurrency_config(
            FunctionName=NAME, Qualifier="prod", ProvisionedConcurrentExecutions=1
        )

        def status() -> Any:
            return client.get_provisioned_concurrency_config(FunctionName=NAME, Qualifier="prod")["Status"]

        def weights() -> Any:
            return client.get_alias(FunctionName=NAME, Name="prod").get("RoutingConfig", {})

        aws.settle()  # the capacity is there
        aws.account.inject("update-lasts", "lambda.UpdateAlias", seconds=4)
        empty: Any = {"AdditionalVersionWeights": {}}
        moved = client.update_alias(FunctionName=NAME, Name="prod", FunctionVersion="2", RoutingConfig=empty)
        assert moved["RoutingConfig"] == weights() == {"AdditionalVersionWeights": {"1": 1.0}}
        assert (status(), aws.invoke("prod")["ExecutedVersion"]) == ("IN_PROGRESS", "1")
        with pytest.raises(ClientError) as caught:
            client.put_provisioned_concurrency_config(
                FunctionName=NAME, Qualifier="prod", ProvisionedConcurrentExecutions=2
            )
        assert refused(caught) == ("InvalidParameterValueException", 400)
        while status() != "READY":
            time.sleep(0.1)
        assert (status(), weights(), aws.invoke("prod")["ExecutedVersion"]) == ("READY", {}, "2")
        with pytest.raises(ClientError) as caught:
            client.update_alias(FunctionName=NAME, Name="prod", RevisionId=moved["RevisionId"])
        assert refused(caught) == ("PreconditionFailedException", 412)
        # A failed allocation leaves the weight. Moving back to the version with the capacity takes no time.
        aws.account.inject("update-fails", "lambda.UpdateAlias", code="FUNCTION_ERROR_INIT_FAILURE")
        client.update_alias(FunctionName=NAME, Name="prod", FunctionVersion="1", RoutingConfig=empty)
        time.sleep(0.3)
        assert (status(), aws.invoke("prod")["ExecutedVersion"]) == ("FAILED", "2")
        client.update_alias(FunctionName=NAME, Name="prod", FunctionVersion="2", RoutingConfig=empty)
        assert (status(), weights(), aws.invoke("prod")["ExecutedVersion"]) == ("READY", {}, "2")

    def test_keeps_its_version_from_deletion(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.release("two")
        aws.awslambda.create_alias(
            FunctionName=NAME, Name="prod", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}}
        )
        for version in ("1", "2"):
            with pytest.raises(ClientError) as caught:
                aws.awslambda.delete_function(FunctionName=NAME, Qualifier=version)
            assert refused(caught) == ("ResourceConflictException", 409)
            assert "the following aliases reference it: [prod]" in str(caught.value)
        aws.awslambda.update_alias(FunctionName=NAME, Name="prod", RoutingConfig={"AdditionalVersionWeights": {}})
        aws.awslambda.delete_function(FunctionName=NAME, Qualifier="2")
        assert [version["Version"] for version in aws.versions()] == ["$LATEST", "1"]
        # It is gone: this is not an error, and changes nothing else.
        aws.awslambda.delete_function(FunctionName=NAME, Qualifier="2")
        assert [version["Version"] for version in aws.versions()] == ["$LATEST", "1"]
        with pytest.raises(ClientError) as caught:
            aws.awslambda.delete_function(FunctionName=NAME, Qualifier="prod")
        assert refused(caught) == ("InvalidParameterValueException", 400)

    def test_latest_is_not_deleted_as_a_version(self, aws: World) -> None:
        aws.ready()
        with pytest.raises(ClientError) as caught:
            aws.awslambda.delete_function(FunctionName=NAME, Qualifier="$LATEST")
        assert refused(caught) == ("InvalidParameterValueException", 400)
        aws.settle()


class TestPermission:
    def test_is_not_for_latest_by_name(self, aws: World) -> None:
        aws.ready()
        with pytest.raises(ClientError) as caught:
            aws.permit("$LATEST", "*/*/*")
        assert refused(caught) == ("InvalidParameterValueException", 400)

    def test_belongs_to_one_qualifier(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        with pytest.raises(ClientError) as caught:
            aws.awslambda.get_policy(FunctionName=NAME)
        assert refused(caught) == ("ResourceNotFoundException", 404)
        aws.permit("prod", "*/*/*", "same-id")
        aws.permit(None, "*/*/*", "same-id")
        with pytest.raises(ClientError) as caught:
            aws.permit("prod", "*/*/*", "same-id")
        assert refused(caught) == ("ResourceConflictException", 409)
        aws.awslambda.remove_permission(FunctionName=NAME, StatementId="same-id")
        policy = json.loads(aws.awslambda.get_policy(FunctionName=NAME, Qualifier="prod")["Policy"])
        assert [each["Resource"].rpartition(":")[2] for each in policy["Statement"]] == ["prod"]

    def test_goes_with_its_alias(self, aws: World) -> None:
        aws.ready(Publish=True)
        for _ in range(2):
            aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
            with pytest.raises(ClientError) as caught:
                aws.awslambda.get_policy(FunctionName=NAME, Qualifier="prod")
            assert refused(caught) == ("ResourceNotFoundException", 404)
            aws.permit("prod", "*/*/*")
            aws.awslambda.delete_alias(FunctionName=NAME, Name="prod")

    def test_changes_the_revision_of_latest_when_it_is_unqualified(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        seen = [aws.settle()["RevisionId"]]
        aws.permit(None, "*/*/*")
        seen.append(aws.settle()["RevisionId"])
        assert aws.awslambda.get_policy(FunctionName=NAME)["RevisionId"] == seen[-1]
        with pytest.raises(ClientError) as caught:
            aws.permit(None, "*/*/*")
        assert refused(caught) == ("ResourceConflictException", 409)
        assert aws.settle()["RevisionId"] == seen[-1]
        aws.awslambda.remove_permission(FunctionName=NAME, StatementId="api")
        seen.append(aws.settle()["RevisionId"])
        assert len(set(seen)) == 3
        aws.permit("prod", "*/*/*")
        aws.awslambda.remove_permission(FunctionName=NAME, StatementId="api", Qualifier="prod")
        assert aws.settle()["RevisionId"] == seen[-1]

    def test_lets_an_api_invoke_exactly_what_it_names(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        latest, prod = aws.api(), aws.api("prod")
        denied = (500, {"message": "Internal Server Error"})
        assert (aws.get(latest), aws.get(prod)) == (denied, denied)
        aws.permit("prod", f"{prod}/$default/$default")
        assert aws.get(latest) == denied
        assert aws.get(prod) == (200, {"text": "one"})
        aws.permit(None, f"{prod}/*")
        assert aws.get(latest) == denied
        aws.permit(None, f"{latest}/*", "right")
        assert aws.get(latest) == (200, {"text": "one"})

    def test_names_the_route(self, aws: World) -> None:
        aws.ready()
        api = aws.api(route="GET /notes/{id}")
        aws.permit(None, f"{api}/*/GET/other", "other")
        assert aws.get(api, "/notes/1")[0] == 500
        aws.permit(None, f"{api}/*/GET/notes/*", "right")
        assert aws.get(api, "/notes/1")[0] == 200


class TestGateway:
    def test_serves_no_stage_that_is_not_deployed(self, aws: World) -> None:
        aws.ready()
        aws.permit(None, "*/*/*")
        assert aws.get(aws.api(deployed=False)) == (404, {"message": "Not Found"})

    def test_is_not_deleted_while_a_custom_domain_leads_to_it(self, aws: World) -> None:
        aws.ready()
        domain = f"api-{aws.account.id}.example.com"
        aws.gateway.create_domain_name(DomainName=domain)
        api = aws.api()
        mapping = aws.gateway.create_api_mapping(DomainName=domain, ApiId=api, Stage="$default", ApiMappingKey="a")
        with pytest.raises(ClientError, match="remove all API mappings") as caught:
            aws.gateway.delete_api(ApiId=api)
        assert refused(caught) == ("BadRequestException", 400)
        aws.gateway.delete_api_mapping(DomainName=domain, ApiMappingId=mapping["ApiMappingId"])
        aws.gateway.delete_api(ApiId=api)

    def test_hides_what_went_wrong_in_a_function(self, aws: World) -> None:
        aws.ready()
        aws.awslambda.update_function_code(
            FunctionName=NAME, ZipFile=archive("", "def handler(event, context): raise ValueError('secret')\n")
        )
        aws.settle()
        aws.permit(None, "*/*/*")
        assert aws.get(aws.api()) == (500, {"message": "Internal Server Error"})

    def test_reaches_an_account_by_its_custom_domain(self, aws: World) -> None:
        aws.ready()
        aws.permit(None, "*/*/*")
        domain = f"api-{aws.account.id}.example.com"
        aws.gateway.create_domain_name(DomainName=domain)
        api = aws.api()
        aws.gateway.create_api_mapping(DomainName=domain, ApiId=api, Stage="$default", ApiMappingKey="greeter/latest")
        assert aws.request("/greeter/latest/hello", host=domain) == (200, {"text": "one"})
        assert aws.account.calls()[-1].name == "execute-api.Invoke"


class TestItem:
    def test_loses_the_elements_at_their_original_positions(self, aws: World) -> None:
        aws.make_table()
        key = {"pk": {"S": "one"}}
        letters = {"L": [{"S": letter} for letter in "abcd"]}
        aws.dynamodb.put_item(TableName=TABLE, Item={**key, "letters": letters, "heading": {"S": "x"}})
        changed = aws.dynamodb.update_item(
            TableName=TABLE,
            Key=key,
            UpdateExpression="SET done = :yes REMOVE letters[0], heading, letters[2]",
            ExpressionAttributeValues={":yes": {"BOOL": True}},
            ReturnValues="ALL_NEW",
        )
        assert changed["Attributes"] == {**key, "letters": {"L": [{"S": "b"}, {"S": "d"}]}, "done": {"BOOL": True}}


class TestCalls:
    def test_are_recorded_by_name(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.account.forget()
        aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        aws.create_table()
        api = aws.api("prod")
        aws.get(api)
        client(aws.account, "sts").get_caller_identity()
        storage = client(aws.account, "s3")
        storage.create_bucket(Bucket=f"bucket-{aws.account.id}")
        storage.list_objects_v2(Bucket=f"bucket-{aws.account.id}")
        with pytest.raises(ClientError):
            aws.awslambda.get_alias(FunctionName=f"arn:aws:lambda:us-east-1:{aws.account.id}:function:none", Name="x")
        calls = aws.account.calls()
        assert [(call.name, call.status) for call in calls] == [
            ("lambda.CreateAlias", 201),
            ("dynamodb.CreateTable", 200),
            ("apigatewayv2.CreateApi", 201),
            ("apigatewayv2.CreateIntegration", 201),
            ("apigatewayv2.CreateRoute", 201),
            ("apigatewayv2.CreateStage", 201),
            ("execute-api.Invoke", 500),
            ("sts.GetCallerIdentity", 200),
            ("s3.CreateBucket", 200),
            ("s3.ListObjectsV2", 200),
            ("lambda.GetAlias", 404),
        ]
        assert [call.resource for call in calls[:4]] == [NAME, TABLE, "", api]
        assert all(call.seconds >= 0 and call.account == aws.account.id for call in calls)
        assert all(call.bytes_out for call in calls if call.service != "s3")
        assert calls[0].bytes_in == len('{"Name": "prod", "FunctionVersion": "1"}')

    def test_tell_which_process_made_them(self, aws: World) -> None:
        call = "import boto3; boto3.client('dynamodb').list_tables()"
        unnamed = {name: value for name, value in os.environ.items() if name != "AWS_EXECUTION_ENV"}
        for named in ({"AWS_EXECUTION_ENV": "run-7"}, {}):
            environ = {**unnamed, **aws.account.environ, **named}
            subprocess.run([sys.executable, "-c", call], env=environ, check=True, timeout=60)  # noqa: S603 - our own
        assert [call.origin for call in aws.account.calls()] == ["run-7", ""]

    def test_belong_to_one_account(self, sandbox: Sandbox, aws: World) -> None:
        other = World(sandbox.account())
        other.account.inject("error-before", times=0)
        aws.ready()
        assert other.account.calls() == []
        with pytest.raises(ClientError):
            other.awslambda.list_functions()
        assert [call.faults for call in other.account.calls()] == [("error-before",)]
        other.account.clear_faults()
        assert other.awslambda.list_functions()["Functions"] == []


class TestFaults:
    @pytest.fixture(autouse=True)
    def table(self, aws: World) -> None:
        aws.make_table()
        aws.account.forget()

    def test_latency(self, aws: World) -> None:
        aws.account.inject("latency", "dynamodb.PutItem", seconds=0.2)
        started = time.monotonic()
        aws.put("a")
        assert time.monotonic() - started >= 0.2
        assert aws.account.calls()[0].seconds >= 0.2

    def test_kms_denied(self, aws: World) -> None:
        aws.ready(Environment={"Variables": {"LEVEL": "info"}})
        aws.account.inject("kms-denied", "lambda.GetFunctionConfiguration")
        answer = aws.awslambda.get_function_configuration(FunctionName=NAME)
        assert answer["Environment"]["Error"]["ErrorCode"] == "AccessDeniedException"
        assert "Variables" not in answer["Environment"]
        again = aws.awslambda.get_function_configuration(FunctionName=NAME)
        assert again["Environment"] == {"Variables": {"LEVEL": "info"}}

    def test_limit_the_rate(self, aws: World) -> None:
        aws.account.inject("limit-rate", "dynamodb.PutItem", times=0, per_second=2)
        aws.put("a")
        aws.put("b")
        with pytest.raises(ClientError) as caught:
            aws.put("c")
        assert refused(caught) == ("ThrottlingException", 400)
        assert not aws.has("c")
        time.sleep(1)
        aws.put("c")
        assert aws.has("c")

    def test_the_version_that_an_alias_leaves_serves_for_a_while(self, aws: World) -> None:
        aws.ready(Publish=True)
        aws.release("two")
        client = aws.awslambda
        client.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        aws.permit("prod", "*/*/*")
        api = aws.api("prod")
        aws.account.inject("left-version-serves", "lambda.UpdateAlias", seconds=4)
        client.update_alias(FunctionName=NAME, Name="prod", FunctionVersion="2")
        assert aws.invoke("prod")["ExecutedVersion"] == "1"
        client.delete_function(FunctionName=NAME, Qualifier="1")
        with pytest.raises(ClientError) as caught:
            aws.invoke("prod")
        assert refused(caught) == ("ResourceNotFoundException", 404)
        assert aws.get(api)[0] == 502
        time.sleep(4)
        assert aws.invoke("prod")["ExecutedVersion"] == "2"

    def test_another_change_of_an_api(self, aws: World) -> None:
        api = aws.api("prod")
        aws.account.inject("concurrent-modification", "apigatewayv2.CreateRoute")
        with pytest.raises(ClientError, match="concurrent modification") as caught:
            aws.gateway.create_route(ApiId=api, RouteKey="GET /more")
        assert refused(caught) == ("ConflictException", 409)
        aws.gateway.create_route(ApiId=api, RouteKey="GET /more")

    def test_small_pages(self, aws: World) -> None:
        aws.ready()
        versions = [aws.awslambda.publish_version(FunctionName=NAME)["Version"], aws.release("two"), aws.release("3")]
        for name in "abc":
            aws.put(name)
            aws.awslambda.create_alias(FunctionName=NAME, Name=name, FunctionVersion="1")
            aws.gateway.create_api(Name=name, ProtocolType="HTTP")
        fault = aws.account.inject("small-pages", times=0, items=2)
        aws.account.forget()
        for service, ask, entries, further in (
            (aws.awslambda, "list_versions_by_function", "Versions", {"FunctionName": NAME}),
            (aws.awslambda, "list_aliases", "Aliases", {"FunctionName": NAME}),
            (aws.gateway, "get_apis", "Items", {}),
            (aws.dynamodb, "scan", "Items", {"TableName": TABLE}),
        ):
            pages = [page[entries] for page in service.get_paginator(ask).paginate(**further)]
            assert [len(page) for page in pages] == ([2, 2] if entries == "Versions" else [2, 1])
            found = [item for page in pages for item in page]
            assert len({json.dumps(item, sort_keys=True, default=str) for item in found}) == len(found)
        assert [version["Version"] for version in aws.versions()] == ["$LATEST", versions[0]]
        (page,) = aws.awslambda.get_paginator("list_aliases").paginate(
            FunctionName=NAME, PaginationConfig={"PageSize": 1, "MaxItems": 1}
        )
        assert len(page["Aliases"]) == 1
        assert fault.hit
        with pytest.raises(SandboxError, match="items >= 1"):
            aws.account.inject("small-pages", items=0)

    def test_throttle(self, aws: World) -> None:
        aws.account.inject("throttle", times=0)
        with pytest.raises(aws.dynamodb.exceptions.ThrottlingException) as caught:
            aws.put("a")
        assert refused(caught) == ("ThrottlingException", 400)
        for service, ask in ((aws.awslambda, "list_functions"), (aws.gateway, "get_apis")):
            with pytest.raises(service.exceptions.TooManyRequestsException) as caught:
                getattr(service, ask)()
            assert refused(caught) == ("TooManyRequestsException", 429)
        with pytest.raises(ClientError) as caught:
            client(aws.account, "s3").list_buckets()
        assert refused(caught) == ("SlowDown", 503)
        with pytest.raises(ClientError) as caught:
            client(aws.account, "sts").get_caller_identity()
        assert refused(caught) == ("Throttling", 400)
        aws.account.clear_faults()
        assert not aws.has("a")

    def test_throttle_with_another_code(self, aws: World) -> None:
        aws.account.inject("throttle", "dynamodb.*", code="ProvisionedThroughputExceededException")
        with pytest.raises(aws.dynamodb.exceptions.ProvisionedThroughputExceededException):
            aws.put("a")

    @pytest.mark.parametrize(("kind", "effect"), [("error-before", False), ("error-after", True)])
    def test_error(self, aws: World, kind: str, effect: bool) -> None:  # noqa: FBT001 - a parameter of the test
        aws.account.inject(kind, "dynamodb.PutItem")
        with pytest.raises(aws.dynamodb.exceptions.InternalServerError) as caught:
            aws.put("a")
        assert refused(caught) == ("InternalServerError", 500)
        assert aws.has("a") is effect

    def test_error_of_ones_own(self, aws: World) -> None:
        aws.account.inject("error-before", "lambda.*", status=403, code="AccessDeniedException", message="not you")
        with pytest.raises(ClientError, match="not you") as caught:
            aws.awslambda.list_functions()
        assert refused(caught) == ("AccessDeniedException", 403)

    @pytest.mark.parametrize(("kind", "effect"), [("cut-before", False), ("cut-after", True)])
    def test_cut(self, aws: World, kind: str, effect: bool) -> None:  # noqa: FBT001 - a parameter of the test
        aws.account.inject(kind, "dynamodb.PutItem")
        with pytest.raises(ConnectionClosedError):
            aws.put("a")
        assert aws.has("a") is effect
        cut = aws.account.calls()[0]
        assert (cut.name, cut.status, cut.faults) == ("dynamodb.PutItem", None, (kind,))

    @pytest.mark.parametrize(("kind", "effect"), [("hold-before", False), ("hold-after", True)])
    def test_hold(self, aws: World, kind: str, effect: bool) -> None:  # noqa: FBT001 - a parameter of the test
        fault = aws.account.inject(kind, "dynamodb.PutItem")
        assert not fault.hit
        with ThreadPoolExecutor() as pool:
            held = pool.submit(aws.put, "a")
            fault.wait_until_hit(5)
            assert not held.done()
            assert aws.has("a") is effect
            fault.release()
            held.result(5)
        assert aws.has("a")

    @pytest.mark.parametrize(("kind", "effect"), [("hold-before", False), ("hold-after", True)])
    def test_hold_ends_when_the_client_goes_away(self, aws: World, kind: str, effect: bool) -> None:  # noqa: FBT001
        fault = aws.account.inject(kind, "dynamodb.PutItem")
        program = (
            "import boto3; boto3.client('dynamodb').put_item(TableName='notes', Item={'pk': {'S': 'a'}})"  # the victim
        )
        environ = {**os.environ, **aws.account.environ}
        with subprocess.Popen([sys.executable, "-c", program], env=environ) as process:  # noqa: S603 - as it stands
            fault.wait_until_hit(10)
            process.kill()
        deadline = time.monotonic() + 5
        while not any(call.faults for call in aws.account.calls()):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        fault.release()
        assert aws.has("a") is effect

    def test_clearing_releases_what_is_held(self, aws: World) -> None:
        fault = aws.account.inject("hold-before", "dynamodb.PutItem")
        with ThreadPoolExecutor() as pool:
            held = pool.submit(aws.put, "a")
            fault.wait_until_hit(5)
            aws.account.clear_faults()
            held.result(5)
        assert aws.has("a")

    def test_nth_and_times_choose_the_requests(self, aws: World) -> None:
        aws.account.inject("error-before", "dynamodb.PutItem", nth=2, times=2)
        outcomes = []
        for key in "abcde":
            aws.has(key)
            try:
                aws.put(key)
            except ClientError:
                outcomes.append(False)
            else:
                outcomes.append(True)
        assert outcomes == [True, False, False, True, True]

    def test_reach_deployed_apis(self, aws: World) -> None:
        aws.ready()
        aws.permit(None, "*/*/*")
        api = aws.api()
        aws.account.inject("throttle", "execute-api.*")
        assert aws.get(api) == (429, {"message": "Too Many Requests"})
        assert aws.get(api) == (200, {"text": "one"})

    @pytest.mark.parametrize(
        "wish",
        [{"kind": "nonsense"}, {"kind": "latency"}, {"kind": "cut-after", "nth": 0}, {"kind": "throttle", "x": 1}],
    )
    def test_that_make_no_sense_are_refused(self, account: Account, wish: dict[str, Any]) -> None:
        with pytest.raises(SandboxError, match=r"fault|nth"):
            account.inject(**wish)


class TestCallers:
    """A caller with a policy, in an account where all other callers may do everything."""

    @pytest.fixture
    def may(self, account: Account) -> Callable[..., World]:
        """Return the account of a caller that may do these actions on that resource."""

        def assume(*actions: str, on: str = "*", **further: Any) -> World:
            statement = {"Sid": "Only", "Effect": "Allow", "Action": actions, "Resource": on, **further}
            policy = {"Version": "2012-10-17", "Statement": [statement]}
            return World(account, account.assume(policy))

        return assume

    def test_may_do_what_the_policy_allows_where_it_allows_it(self, aws: World, may: Callable[..., World]) -> None:
        arn = f"arn:aws:lambda:us-east-1:{aws.account.id}:function:{NAME}"
        aws.ready(Publish=True)
        aws.awslambda.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        caller = may("lambda:GetFunctionConfiguration", "lambda:GetAlias", "lambda:InvokeFunction", on=arn)
        aws.account.forget()
        caller.awslambda.get_function_configuration(FunctionName=NAME)
        # An alias belongs to its function. A request with a qualifier asks for something else.
        caller.awslambda.get_alias(FunctionName=arn, Name="prod")
        for denied, qualifier in (("get_function_configuration", "1"), ("invoke", "prod")):
            with pytest.raises(
                ClientError, match=f"on resource: {arn}:{qualifier} because no identity-based"
            ) as caught:
                getattr(caller.awslambda, denied)(FunctionName=NAME, Qualifier=qualifier)
            assert refused(caught) == ("AccessDeniedException", 403)
        with pytest.raises(ClientError, match=f"not authorized to perform: lambda:UpdateAlias on resource: {arn} "):
            caller.awslambda.update_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        needed = [(call.permissions[0].action, call.permissions[0].statement) for call in aws.account.calls()]
        assert needed == [
            ("lambda:GetFunctionConfiguration", "Only"),
            ("lambda:GetAlias", "Only"),
            ("lambda:GetFunctionConfiguration", None),
            ("lambda:InvokeFunction", None),
            ("lambda:UpdateAlias", None),
        ]
        may("lambda:Invoke*", on=f"{arn}:*").awslambda.invoke(FunctionName=f"{NAME}:prod")
        aws.awslambda.update_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
        assert aws.account.calls()[-1].permissions == ()

    def test_is_denied_what_the_policy_denies(self, aws: World, account: Account) -> None:
        every = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        none = {"Effect": "Deny", "Action": "lambda:List*", "Resource": "*"}
        caller = World(account, account.assume({"Version": "2012-10-17", "Statement": [every, none]}))
        caller.gateway.get_apis()
        with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
            caller.awslambda.list_functions()
        assert aws.awslambda.list_functions()["Functions"] == []

    def test_needs_to_pass_a_role_to_lambda(self, aws: World) -> None:
        def passing(to: str, role: str = ROLE) -> World:
            condition = {"StringEquals": {"iam:PassedToService": to}}
            passes = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role, "Condition": condition}
            makes = {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}
            return World(aws.account, aws.account.assume({"Version": "2012-10-17", "Statement": [makes, passes]}))

        denied = passing("ec2.amazonaws.com"), passing("lambda.amazonaws.com", ROLE + "s")
        for caller in denied:
            with pytest.raises(ClientError, match=f"iam:PassRole on resource: {ROLE} ") as caught:
                caller.create()
            assert refused(caught) == ("AccessDeniedException", 403)
        assert aws.awslambda.list_functions()["Functions"] == []
        passing("lambda.amazonaws.com").ready()
        denied[0].awslambda.update_function_configuration(FunctionName=NAME, MemorySize=256)
        aws.settle()
        with pytest.raises(ClientError, match=f"iam:PassRole on resource: {ROLE} "):
            denied[0].awslambda.update_function_configuration(FunctionName=NAME, Role=ROLE)

    def test_may_let_only_that_service_invoke(self, aws: World, may: Callable[..., World]) -> None:
        aws.ready()
        principal = {"Condition": {"StringEquals": {"lambda:Principal": "apigateway.amazonaws.com"}}}
        caller = may("lambda:AddPermission", **principal)
        caller.permit(None, "*/*/*")
        with pytest.raises(ClientError, match="lambda:AddPermission"):
            caller.awslambda.add_permission(
                FunctionName=NAME, StatementId="all", Action="lambda:InvokeFunction", Principal="*"
            )

    def test_needs_to_read_what_lambda_reads_for_it(self, aws: World, may: Callable[..., World]) -> None:
        aws.ready()
        bucket = f"builds-{aws.account.id}"
        storage = client(aws.account, "s3")
        storage.create_bucket(Bucket=bucket)
        storage.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        version = storage.put_object(Bucket=bucket, Key="a/b.zip", Body=archive("two"))["VersionId"]
        place: dict[str, Any] = {"FunctionName": NAME, "S3Bucket": bucket, "S3Key": "a/b.zip", "DryRun": True}
        caller = may("lambda:UpdateFunctionCode", "s3:GetObject")
        caller.awslambda.update_function_code(**place)
        needed = f's3:GetObjectVersion on resource: "arn:aws:s3:::{bucket}/a/b.zip"'
        with pytest.raises(ClientError, match=needed) as caught:
            caller.awslambda.update_function_code(**place, S3ObjectVersion=version)
        assert refused(caught) == ("AccessDeniedException", 403)
        assert f"permission to GetObject for {bucket}/a/b.zip" in str(caught.value)
        reader = caller.client("s3")
        reader.get_object(Bucket=bucket, Key="a/b.zip")
        for denied in ({"VersionId": version, "Key": "a/b.zip"}, {"Key": "c"}):
            keywords: dict[str, Any] = {"Bucket": bucket, **denied}
            expected = "AccessDenied" if "VersionId" in denied else "NoSuchKey"
            with pytest.raises(ClientError) as caught:
                reader.get_object(**keywords)
            assert refused(caught)[0] == expected

    def test_needs_the_permissions_of_a_transactions_parts(self, aws: World, may: Callable[..., World]) -> None:
        aws.make_table()
        arn = f"arn:aws:dynamodb:us-east-1:{aws.account.id}:table/{TABLE}"
        key = {"pk": {"S": "a"}}
        parts: dict[str, Any] = {
            "Put": {"Item": key},
            "Update": {"Key": key, "UpdateExpression": "SET x = :x", "ExpressionAttributeValues": {":x": {"S": "1"}}},
            "Delete": {"Key": key},
            "ConditionCheck": {"Key": key, "ConditionExpression": "attribute_not_exists(pk)"},
        }
        for kind, given in parts.items():
            action = "dynamodb:ConditionCheckItem" if kind == "ConditionCheck" else f"dynamodb:{kind}Item"
            with pytest.raises(ClientError, match=f"{action} on resource: {arn} ") as caught:
                may("dynamodb:TransactWriteItems", "dynamodb:Query").dynamodb.transact_write_items(
                    TransactItems=[{kind: {"TableName": TABLE, **given}}]
                )
            assert refused(caught) == ("AccessDeniedException", 400)
        may("dynamodb:PutItem", on=arn).dynamodb.transact_write_items(
            TransactItems=[{"Put": {"TableName": TABLE, **parts["Put"]}}]
        )
        with pytest.raises(ClientError, match="dynamodb:Scan"):
            may("dynamodb:*", on=f"{arn}s").dynamodb.scan(TableName=TABLE)

    def test_is_allowed_methods_on_paths_of_api_gateway(self, aws: World, may: Callable[..., World]) -> None:
        api = aws.gateway.create_api(Name="greeter", ProtocolType="HTTP")["ApiId"]
        home = "arn:aws:apigateway:us-east-1::/apis"
        caller = may("apigateway:GET", "apigateway:POST", on=f"{home}/*")
        caller.gateway.get_api(ApiId=api)
        caller.gateway.create_stage(ApiId=api, StageName="$default")
        other = {"Name": "other", "ProtocolType": "HTTP"}
        denied: list[tuple[str, str, Callable[..., Any], dict[str, Any]]] = [
            ("GET", home, caller.gateway.get_apis, {}),
            ("POST", home, caller.gateway.create_api, other),
            ("DELETE", f"{home}/{api}", caller.gateway.delete_api, {"ApiId": api}),
            ("TagResource", home, may("apigateway:POST").gateway.create_api, {**other, "Tags": {"a": "b"}}),
        ]
        for action, resource, ask, arguments in denied:
            with pytest.raises(ClientError, match=f"apigateway:{action} on resource: {resource} ") as caught:
                ask(**arguments)
            assert refused(caught) == ("AccessDeniedException", 403)

    def test_may_ask_who_it_is(self, aws: World, may: Callable[..., World]) -> None:
        caller = may("lambda:GetAlias").client("sts")
        assert caller.get_caller_identity()["Account"] == aws.account.id
        with pytest.raises(ClientError, match="sts:GetSessionToken"):
            caller.get_session_token()

    @pytest.mark.parametrize("policy", [{}, {"Statement": [{"Effect": "Allow", "Action": "*"}]}])
    def test_needs_a_policy_that_is_one(self, account: Account, policy: dict[str, Any]) -> None:
        with pytest.raises(SandboxError, match="must contain"):
            account.assume(policy)


class TestServer:
    def test_ends_with_its_parent(self) -> None:
        program = "from sandbox.client import *; import os, sys; s = Sandbox.start(python=Path(sys.argv[1]));"
        program += "print(s.url, flush=True); os._exit(1)"
        output = subprocess.run(  # noqa: S603 - the arguments are our own
            [sys.executable, "-c", program, str(PYTHON)], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        port = int(output.stdout.rpartition(":")[2])
        deadline = time.monotonic() + 5
        while listens(port):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def test_ends_on_sigterm_while_a_request_is_held(self) -> None:
        with Sandbox.start(python=PYTHON) as own:
            world = World(own.account())
            fault = world.account.inject("hold-before")
            with ThreadPoolExecutor() as pool:
                held = pool.submit(world.awslambda.list_functions)
                fault.wait_until_hit(5)
                own._process.send_signal(signal.SIGTERM)  # noqa: SLF001 - the client has no way to ask for it
                assert own._process.wait(5) == 0  # noqa: SLF001 - as above
                with pytest.raises(ConnectionClosedError):
                    held.result(5)

    def test_needs_its_interpreter(self, tmp_path: Path) -> None:
        with pytest.raises(SandboxError, match=r"requirements\.txt"):
            Sandbox.start(python=tmp_path / "python")
