"""The account, service, operation and subject of a request.

Services and operations have the names of botocore's models, from which the operation of a REST request is found.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from botocore.session import Session

if TYPE_CHECKING:
    from sandbox.exchange import Request

DEFAULT_ACCOUNT = "000000000000"
"""The account of requests without credentials that do not go to a deployed API."""
DATA_PLANE = "execute-api"
SERVICES = {"apigateway": "apigatewayv2"}
"""Signing names that differ from botocore's name of the service."""
UNKNOWN = "unknown"

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_LABEL = re.compile(r"{(\w+)(\+?)}")


@dataclass(frozen=True)
class Operation:
    """The operation of one request."""

    account: str
    service: str
    name: str
    resource: str = ""
    region: str = ""
    """The region that it was signed for, or empty if it is not signed."""

    @property
    def full_name(self) -> str:
        """Service and operation, such as `lambda.UpdateAlias`."""
        return f"{self.service}.{self.name}"


@dataclass(frozen=True)
class Route:
    """The HTTP binding of one operation in a REST service."""

    operation: str
    method: str
    path: re.Pattern[str]
    labels: tuple[str, ...]
    """The names of what the path's groups match."""
    query: frozenset[tuple[str, str]]
    """The query parameters with fixed values in the operation's URI."""
    parameters: frozenset[str]
    """The names of the query parameters that it requires."""
    headers: frozenset[str]
    """The names of the headers that it requires, in lower case."""

    @property
    def precision(self) -> tuple[int, int]:
        """How much of a request this binding determines. The most precise of the matching bindings is used."""
        return len(self.query), len(self.parameters) + len(self.headers)


def name_signed(request: Request) -> Operation | None:
    """Return the operation of a signed request, or None if it is not signed."""
    credential = _CREDENTIAL.search(request.headers.get("authorization", "") or unquote(request.query))
    if credential is None:
        return None
    key = credential["key"]
    account = key if re.fullmatch(r"\d{12}", key) else DEFAULT_ACCOUNT
    service, region = SERVICES.get(credential["service"], credential["service"]), credential["region"]
    if target := request.headers.get("x-amz-target"):
        return Operation(account, service, target.rpartition(".")[2], _first_name(request.body), region)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(request.body.decode("latin-1")).get("Action", [UNKNOWN])[0]
        return Operation(account, service, action, region=region)
    name, resource = _match(service, request)
    return Operation(account, service, name, resource, region)


def _first_name(body: bytes) -> str:
    """Return the name of the table, ... of a request in the json protocol."""
    try:
        data = json.loads(body)
    except ValueError:
        return ""
    return next((str(data[key]) for key in ("TableName", "Name") if key in data), "") if isinstance(data, dict) else ""


def _match(service: str, request: Request) -> tuple[str, str]:
    """Find the operation of a REST request, and the first name in its path."""
    query = parse_qs(request.query, keep_blank_values=True)
    pairs = {(name, value) for name, values in query.items() for value in values}
    path = request.raw_path.rstrip("/") or "/"
    fitting = [
        (route, found)
        for route in routes(service)
        if route.method == request.method
        and (found := route.path.fullmatch(path))
        and route.query <= pairs
        and route.parameters <= query.keys()
        and route.headers <= request.headers.keys()
    ]
    if not fitting:
        return UNKNOWN, ""
    route, found = max(fitting, key=lambda pair: pair[0].precision)
    return route.operation, unquote(found.groups()[0]) if found.groups() else ""


@cache
def routes(service: str) -> tuple[Route, ...]:
    """Return the HTTP bindings of a service's operations in botocore's model. Empty for an unknown service."""
    session = Session()
    if service not in session.get_available_services():
        return ()
    model = session.get_service_model(service)
    return tuple(_route(model.operation_model(name)) for name in model.operation_names)


def _route(operation: Any) -> Route:
    path, _, query = operation.http["requestUri"].partition("?")
    shape = operation.input_shape
    located: dict[str, set[str]] = {"querystring": set(), "header": set()}
    for name in shape.required_members if shape else ():
        serialization = shape.members[name].serialization
        if serialization.get("location") in located:
            located[serialization["location"]].add(serialization["name"])
    return Route(
        operation=operation.name,
        method=operation.http["method"],
        path=re.compile(_pattern(path.rstrip("/") or "/")),
        labels=tuple(label[1] for label in _LABEL.finditer(path)),
        query=frozenset((name, values[0]) for name, values in parse_qs(query, keep_blank_values=True).items()),
        parameters=frozenset(located["querystring"]),
        headers=frozenset(name.lower() for name in located["header"]),
    )


def _pattern(template: str) -> str:
    """Turn a URI template into a regular expression: `{Name}` is one segment, `{Name+}` the rest."""
    pattern, position = "", 0
    for label in _LABEL.finditer(template):
        pattern += re.escape(template[position : label.start()]) + ("(.+)" if label[2] else "([^/]+)")
        position = label.end()
    return pattern + re.escape(template[position:])
