"""Small pages: a list that AWS returns in several responses, although it has only a few entries.

The emulator returns most lists as a whole. A response to DynamoDB's Query has at most 1 MB, one of Lambda 50 entries
by default; see botocore's `LastEvaluatedKey`, `NextMarker` and `NextToken`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

if TYPE_CHECKING:
    from sandbox.exchange import Answer, Request
    from sandbox.operations import Operation


@dataclass(frozen=True)
class _List:
    """How a REST operation names its list, and the pages of it."""

    entries: str
    """The member with the list."""
    limit: str
    """The parameter with the most entries of a page."""
    start: str
    """The parameter with the page to return."""
    following: str
    """The member with the next page."""


_LAMBDA, _GATEWAY = ("MaxItems", "Marker", "NextMarker"), ("maxResults", "nextToken", "nextToken")

_LISTS = {
    "lambda.ListAliases": _List("Aliases", *_LAMBDA),
    "lambda.ListEventSourceMappings": _List("EventSourceMappings", *_LAMBDA),
    "lambda.ListVersionsByFunction": _List("Versions", *_LAMBDA),
    **{
        f"apigatewayv2.{operation}": _List("items", *_GATEWAY)
        for operation in ("GetApiMappings", "GetApis", "GetIntegrations", "GetRoutes", "GetStages")
    },
}
_QUERIES = ("dynamodb.Query", "dynamodb.Scan")
_ALL = "10000"

PAGED = frozenset({*_LISTS, *_QUERIES})
"""The operations whose lists can have small pages."""


def whole(operation: Operation, request: Request, size: int) -> Request:
    """Return the request for the emulator: for all entries, or for the first ones if the emulator has pages itself."""
    if operation.full_name in _QUERIES:
        # A page has as many items as were read, before a filter. A request with a limit keeps it.
        body = {"Limit": size, **json.loads(request.body)}
        return replace(request, body=json.dumps(body).encode())
    if found := _LISTS.get(operation.full_name):
        query = {name: values for name, values in parse_qs(request.query).items() if name != found.start}
        return replace(request, query=urlencode({**query, found.limit: [_ALL]}, doseq=True))
    return request


def cut(operation: Operation, request: Request, answer: Answer, size: int) -> Answer:
    """Return one page of the response with all entries. `request` is the one of the client."""
    found = _LISTS.get(operation.full_name)
    if found is None or answer.status >= 400:  # noqa: PLR2004 - HTTP's limit between success and error
        return answer
    data: dict[str, Any] = json.loads(answer.body)
    query = parse_qs(request.query)
    start = int(query.get(found.start, ["0"])[0])
    end = start + min(size, int(query.get(found.limit, [_ALL])[0]))
    data.pop(found.following, None)
    if end < len(data[found.entries]):
        data[found.following] = str(end)
    data[found.entries] = data[found.entries][start:end]
    return answer.with_json(data)
