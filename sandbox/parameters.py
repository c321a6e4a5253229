"""The parameters of a REST request, by botocore's model of its service."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from botocore.session import Session

from sandbox.operations import routes

if TYPE_CHECKING:
    from sandbox.exchange import Request

NUMBERS = ("integer", "long", "float", "double")


@cache
def _model(service: str) -> Any:
    return Session().get_service_model(service)


@cache
def input_shape(service: str, operation: str) -> Any:
    """Return the shape of an operation's parameters, or None if it has none or is not known."""
    model = _model(service)
    return model.operation_model(operation).input_shape if operation in model.operation_names else None


def parameters(service: str, operation: str, request: Request) -> dict[str, Any]:
    """Return the parameters of a request in the rest-json protocol, by their names in botocore's model."""
    shape = input_shape(service, operation)
    if shape is None:
        return {}
    labels, query = _labels(service, operation, request), parse_qs(request.query, keep_blank_values=True)
    body = json_object(request.body) if not shape.serialization.get("payload") else {}
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        key = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                value = labels.get(key)
            case "querystring":
                value = query[key][0] if key in query else None
            case "header":
                value = request.headers.get(key.lower())
            case _:
                value = body.get(key)
        if value is not None:
            found[name] = value
    return found


def _labels(service: str, operation: str, request: Request) -> dict[str, str]:
    """Return the values in the path."""
    path = request.raw_path.rstrip("/") or "/"
    for route in routes(service):
        if route.operation == operation and (matched := route.path.fullmatch(path)):
            return dict(zip(route.labels, map(unquote, matched.groups()), strict=True))
    return {}


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; empty if it is not one."""
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
