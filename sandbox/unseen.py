"""New resources that are not visible yet: reads are eventually consistent, so AWS responds with 404 at first.

Sources: https://github.com/hashicorp/terraform-provider-aws/issues/25440 (after a create or publish),
https://github.com/scalar-labs/scalardb/issues/2769 (a DynamoDB table that is ACTIVE).
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from sandbox import errors

if TYPE_CHECKING:
    from sandbox.exchange import Answer, Request
    from sandbox.operations import Operation

CREATING = {
    "lambda.CreateAlias": "Name",
    "lambda.CreateFunction": "FunctionName",
    "lambda.PublishVersion": "Version",
    "lambda.UpdateFunctionCode": "Version",
    "apigatewayv2.CreateApi": "apiId",
    "dynamodb.CreateTable": "TableName",
}
"""The operations that create a resource, and the member of the request or response that names it."""

_MISSING = {
    "lambda": errors.Error(404, "ResourceNotFoundException", "The resource you requested does not exist."),
    "dynamodb": errors.Error(400, "ResourceNotFoundException", "Requested resource not found"),
}


@dataclass(frozen=True)
class Unseen:
    """A resource that is hidden until a time of the monotonic clock."""

    service: str
    names: frozenset[str]
    """A request refers to it if it has all of these names."""
    until: float


class Newborn:
    """The new resources of each account."""

    def __init__(self) -> None:
        """Begin without resources."""
        self._unseen: dict[str, list[Unseen]] = {}

    def hide(self, operation: Operation, request: Request, answer: Answer, seconds: float) -> None:
        """Hide what a request has created for some seconds."""
        if answer.status >= 400:  # noqa: PLR2004 - HTTP's limit between success and error
            return
        data = {**_json(request.body), **_json(answer.body)}
        name = str(data[CREATING[operation.full_name]])
        names = {operation.resource, name} if operation.service == "lambda" else {name}
        found = Unseen(operation.service, frozenset(filter(None, names)), time.monotonic() + seconds)
        self._unseen.setdefault(operation.account, []).append(found)

    def missing(self, operation: Operation, request: Request) -> Answer | None:
        """Return the error for a request about a hidden resource, or None for any other request."""
        if operation.full_name == "dynamodb.DescribeTable":
            return None  # DescribeTable returns ACTIVE while other operations do not find the table yet
        now = time.monotonic()
        known = [one for one in self._unseen.get(operation.account, []) if one.until > now]
        names = _names(operation, request) if known else set()
        for one in known:
            if one.service == operation.service and one.names <= names:
                return errors.answer(operation.service, _missing(operation, one))
        return None


def _missing(operation: Operation, unseen: Unseen) -> errors.Error:
    """Return the error of a service for a hidden resource."""
    if operation.service != "apigatewayv2":
        return _MISSING[operation.service]
    return errors.Error(404, "NotFoundException", errors.missing_api(operation.account, *unseen.names))


def _names(operation: Operation, request: Request) -> set[str]:
    """Return the names in a request: those in its path, its qualifier, and its tables."""
    parts = {part.rpartition("function:")[2] for part in re.split(r"[/]", request.path)}
    body = _json(request.body)
    tables = [given.get("TableName") for item in body.get("TransactItems", []) for given in item.values()]
    versions = [body.get("FunctionVersion"), *parse_qs(request.query).get("Qualifier", [])]
    return {str(name) for name in (*parts, operation.resource, body.get("TableName"), *tables, *versions) if name}


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
