"""Aliases, and the versions that they may point to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ministack.services import lambda_svc

from sandbox.strict.emulator import Record, Reply, function_arn, function_missing, function_record, refusal, replace
from sandbox.strict.versions import refuse_stale_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALIAS = re.compile(r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)")


def refuse_bad_name(name: str) -> Reply | None:
    """Refuse a name that an alias cannot have.

    botocore lambda:Alias, pattern and length; Lambda's constraint violations are ValidationException (400).
    """
    if ALIAS.fullmatch(name) and len(name) <= 128:  # noqa: PLR2004 - botocore lambda:Alias
        return None
    message = (
        f"1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {ALIAS.pattern}"
    )
    return refusal("ValidationException", message, 400)


def refuse_missing_version(name: str, function: Record, version: str) -> Reply | None:
    """Refuse to point an alias at a version that does not exist.

    botocore lambda:CreateAlias and :UpdateAlias, ResourceNotFoundException (404).
    """
    if version == "$LATEST" or version in function["versions"]:
        return None
    return function_missing(name, version)


def refuse_failed_version(name: str, function: Record, version: str) -> Reply | None:
    """Refuse to point an alias at a version whose publication failed.

    botocore lambda:UpdateAlias, ResourceConflictException (409): "The resource already exists, or another operation is
    in progress"; https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html, "Failed".
    """
    if version == "$LATEST" or function["versions"][version]["config"]["State"] != "Failed":
        return None
    message = (
        "The operation cannot be performed at this time. "
        f"The function {function_arn(name, version)} is currently in the following state: Failed"
    )
    return refusal("ResourceConflictException", message, 409)


def refuse_bad_weights(function: Record, version: str, weights: Mapping[str, float]) -> Reply | None:
    """Refuse to split an alias's traffic in a way that Lambda cannot.

    botocore lambda:AdditionalVersionWeights (keys: versions, not $LATEST; values: 0.0 to 1.0),
    InvalidParameterValueException (400); https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html:
    at most two versions, both published, not the same one twice.
    """
    if not weights:
        return None
    if version == "$LATEST":
        message = "An alias with weights cannot point to $LATEST."
    elif len(weights) > 1:
        message = "An alias can route traffic to one additional version at most."
    elif missing := weights.keys() - function["versions"].keys():
        message = f"The additional version {', '.join(missing)} does not exist or is not a published version."
    elif version in weights:
        message = f"The additional version {version} is the alias's own version."
    elif not all(0 <= weight <= 1 for weight in weights.values()):
        message = "The weight of an additional version is between 0.0 and 1.0."
    else:
        return None
    return refusal("InvalidParameterValueException", message, 400)


def forget_permissions(name: str, function: Record, alias: str) -> None:
    """Delete an alias's resource policy with the alias.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html: a policy belongs to one function,
    version or alias.
    """
    policy, resource = function["policy"], function_arn(name, alias)
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Resource"] != resource]


def install() -> None:
    """Replace MiniStack's operations."""
    replace(lambda_svc, "_create_alias", _create)
    replace(lambda_svc, "_update_alias", _update)
    replace(lambda_svc, "_delete_alias", _delete)


def _create(original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
    def create(name: str, data: Record) -> Reply:
        function = function_record(name)
        if function is None:
            return function_missing(name)
        return (
            refuse_bad_name(data.get("Name", ""))
            or _refuse_target(name, function, data.get("FunctionVersion", ""), data.get("RoutingConfig"))
            or original(name, data)
        )

    return create


def _update(original: Callable[[str, str, Record], Reply]) -> Callable[[str, str, Record], Reply]:
    def update(name: str, alias: str, data: Record) -> Reply:
        function = function_record(name)
        current = function["aliases"].get(alias) if function else None
        if function is None or current is None:
            return original(name, alias, data)
        target = current | data
        return (
            refuse_stale_revision({"config": current}, data)
            or _refuse_target(name, function, target["FunctionVersion"], target.get("RoutingConfig"))
            or original(name, alias, data)
        )

    return update


def _delete(original: Callable[[str, str], Reply]) -> Callable[[str, str], Reply]:
    def delete(name: str, alias: str) -> Reply:
        reply = original(name, alias)
        function = function_record(name)
        if reply[0] == 204 and function is not None:  # noqa: PLR2004 - botocore lambda:DeleteAlias responseCode
            forget_permissions(name, function, alias)
        return reply

    return delete


def _refuse_target(name: str, function: Record, version: str, routing: Record | None) -> Reply | None:
    weights = (routing or {}).get("AdditionalVersionWeights") or {}
    return (
        refuse_missing_version(name, function, version)
        or refuse_failed_version(name, function, version)
        or refuse_bad_weights(function, version, weights)
    )
