"""The parts of MiniStack that the rules use. Its version is pinned, so they do not change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import lambda_svc

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

Record = dict[str, Any]
"""One of MiniStack's records, or one JSON object of a request."""
Reply = tuple[int, dict[str, str], bytes]
"""Status, headers and body, as MiniStack's operations return them."""


def replace(module: ModuleType, name: str, make: Callable[[Any], Any]) -> None:
    """Replace one of a module's functions with `make(original)`."""
    setattr(module, name, make(getattr(module, name)))


def function_record(name: str) -> Record | None:
    """Return the record of a function in the current account and region, or None if it does not exist."""
    record: Record | None = lambda_svc._functions.get(name)  # noqa: SLF001 - MiniStack has no other access
    return record


def set_function_record(name: str, record: Record) -> None:
    """Replace the record of a function in the current account and region."""
    lambda_svc._functions[name] = record  # noqa: SLF001 - MiniStack has no other access


def function_arn(name: str, qualifier: str | None = None) -> str:
    """Return the ARN of a function, or of a version or an alias of it."""
    arn = f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn


def refusal(code: str, message: str, status: int) -> Reply:
    """Return an error in the shape of Lambda's protocol."""
    reply: Reply = error_response_json(code, message, status, content_type="application/json")
    return reply


def function_missing(name: str, qualifier: str | None = None) -> Reply:
    """Return Lambda's error for a resource that does not exist."""
    return refusal("ResourceNotFoundException", f"Function not found: {function_arn(name, qualifier)}", 404)


def json_reply(data: Record, status: int = 200) -> Reply:
    """Return a successful response."""
    return status, {"Content-Type": "application/json"}, json.dumps(data).encode()


def first(query: Record | None, name: str) -> str | None:
    """Return the first value of a query parameter, or None if it is missing or empty."""
    value = (query or {}).get(name)
    return (value[0] if isinstance(value, list) else value) or None
