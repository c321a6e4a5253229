"""The parts of MiniStack that the rules use. Its version is pinned, so they do not change."""

from __future__ import annotations

import copy
import json
import re
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

STATES = (
    "State",
    "StateReason",
    "StateReasonCode",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
)
"""The members of a FunctionConfiguration that show its state. Lists do not have them."""

NOT_CONTENT = frozenset({"FunctionArn", "Version", "RevisionId", "LastModified", *STATES})
"""The members of a FunctionConfiguration that are neither code nor configuration."""


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


def content(config: Record) -> Record:
    """Return the code and configuration, which are equal for two versions with the same content.

    botocore lambda:PublishVersion: "Lambda doesn't publish a version if the function's configuration and code haven't
    changed since the last version."
    """
    return copy.deepcopy({name: value for name, value in config.items() if name not in NOT_CONTENT})


def function_arn(name: str, qualifier: str | None = None) -> str:
    """Return the ARN of a function, or of a version or an alias of it."""
    arn = f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn


def refusal(code: str, message: str, status: int, more: Record | None = None) -> Reply:
    """Return an error in the shape of Lambda's protocol, with members beside the message."""
    reply: Reply = error_response_json(code, message, status, more, content_type="application/json")
    return reply


def function_missing(name: str, qualifier: str | None = None) -> Reply:
    """Return Lambda's error for a resource that does not exist."""
    return refusal("ResourceNotFoundException", f"Function not found: {function_arn(name, qualifier)}", 404)


def alias_missing(name: str, alias: str) -> Reply:
    """Return Lambda's error for an alias that does not exist."""
    return refusal("ResourceNotFoundException", f"Cannot find alias arn: {function_arn(name, alias)}", 404)


def qualifier_missing(name: str, function: Record | None, qualifier: str) -> Reply | None:
    """Return Lambda's error if a function has no such version or alias, in the words of its policies and capacity.

    What can be the name of an alias is called one. test_permission_exceptions, test_provisioned_concurrency_exceptions.
    """
    if function and (qualifier in function["aliases"] or qualifier in function["versions"] or qualifier == "$LATEST"):
        return None
    is_alias = re.fullmatch(r"(?![0-9]+$)[a-zA-Z0-9-_]+", qualifier)
    return alias_missing(name, qualifier) if is_alias else function_missing(name, qualifier)


def json_reply(data: Record, status: int = 200) -> Reply:
    """Return a successful response."""
    return status, {"Content-Type": "application/json"}, json.dumps(data).encode()


def first(query: Record | None, name: str) -> str | None:
    """Return the first value of a query parameter, or None if it is missing or empty."""
    value = (query or {}).get(name)
    return (value[0] if isinstance(value, list) else value) or None
