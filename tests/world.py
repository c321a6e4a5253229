"""The outside view of the tests: Lambda, ledger and endpoints, read with their own credentials."""

import io
import json
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer

from sandbox.client import Account, Fault

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

FUNCTION = "hello"
TABLE = "promote-on-success"


class World:
    """One account's AWS."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.url = account.environ["AWS_ENDPOINT_URL"]
        self.session = boto3.session.Session(
            aws_access_key_id=account.id,
            aws_secret_access_key="secret",
            region_name=account.environ["AWS_REGION"],
        )

    @cached_property
    def function(self) -> "LambdaClient":
        return self.session.client("lambda", endpoint_url=self.url)

    @cached_property
    def table(self) -> "DynamoDBClient":
        return self.session.client("dynamodb", endpoint_url=self.url)

    @cached_property
    def gateway(self) -> "ApiGatewayV2Client":
        return self.session.client("apigatewayv2", endpoint_url=self.url)

    def hold(self, kind: str, operation: str, nth: int = 1) -> Fault:
        """Hold the ``nth`` call of ``operation``. ``kind`` determines whether before or after its effect.

        Requests to the function are all held from then on: a run sends its check and, at the same time, a request to
        the environment, in any order, and waits for the latter at most a second.
        """
        return self.account.inject(kind, operation, nth=nth, times=0 if operation == "execute-api.Invoke" else 1)

    def alias_version(self, name: str = "preprod") -> str:
        """Return the version that the alias points to, or empty."""
        try:
            return self.function.get_alias(FunctionName=FUNCTION, Name=name)["FunctionVersion"]
        except self.function.exceptions.ResourceNotFoundException:
            return ""

    def versions(self) -> list[str]:
        pages = self.function.get_paginator("list_versions_by_function").paginate(FunctionName=FUNCTION)
        return [version["Version"] for page in pages for version in page["Versions"] if version["Version"] != "$LATEST"]

    def code_sha256(self, qualifier: str = "$LATEST") -> str:
        return self.function.get_function_configuration(FunctionName=FUNCTION, Qualifier=qualifier)["CodeSha256"]

    def apis(self) -> list[str]:
        return [api["ApiId"] for api in self.gateway.get_apis()["Items"]]

    def items(self) -> list[Mapping[str, Any]]:
        """Read the whole ledger."""
        try:
            found = self.table.scan(TableName=TABLE, ConsistentRead=True)["Items"]
        except self.table.exceptions.ResourceNotFoundException:
            return []
        read = TypeDeserializer().deserialize
        return [{name: read(value) for name, value in item.items()} for item in found]

    def records(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the items of one kind: ``promotion``, ``version``, ``environment``, ``endpoint`` or ``lock``."""
        found = [item for item in self.items() if item["sk"].partition("#")[0] == kind]
        return sorted(found, key=lambda item: str(item["sk"]))

    def history(self) -> list[tuple[str, str]]:
        """Return the recorded promotions as (previous, version), oldest first."""
        return [(item["previous"], item["version"]) for item in self.records("promotion")]

    def lock_owner(self) -> str:
        return str(next(iter(self.records("lock")), {}).get("owner", ""))

    def create(
        self, source: str, *, name: str = FUNCTION, role: str = "hello", publishes: bool = False
    ) -> "FunctionConfigurationResponseTypeDef":
        """Create a function as another tool does, with version 1 if ``publishes``."""
        return self.function.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=f"arn:aws:iam::{self.account.id}:role/{role}",
            Code={"ZipFile": archive({"app.py": source})},
            Publish=publishes,
        )

    def publish(self, *sources: str) -> None:
        """Publish a version of each of ``sources``, as another tool does."""
        for source in sources:
            self.settle()
            self.function.update_function_code(FunctionName=FUNCTION, ZipFile=archive({"app.py": source}), Publish=True)
        self.settle()

    def overwrite_latest(self, source: str = "raise SystemExit") -> None:
        """Make an external change: deploy other code, without the lock."""
        self.settle()
        self.function.update_function_code(FunctionName=FUNCTION, ZipFile=archive({"app.py": source}))
        self.settle()

    def settle(self) -> None:
        """Wait until no update of $LATEST is in progress."""
        for _ in range(200):
            answer = self.function.get_function_configuration(FunctionName=FUNCTION)
            if answer.get("LastUpdateStatus") == "Successful":
                return
            time.sleep(0.02)
        raise AssertionError("an update was in progress for too long")


def archive(files: Mapping[str, str]) -> bytes:
    """Write a .zip of ``files``, which everyone may read."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as sink:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, time.localtime()[:6])
            entry.external_attr = 0o644 << 16
            sink.writestr(entry, text)
    return target.getvalue()


def get(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Send a GET request to ``url`` and return the status and the JSON body."""
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - http, from the sandbox
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the same
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
