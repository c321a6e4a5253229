"""Aliases, and the versions that they may point to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ministack.services import lambda_svc

from sandbox.errors import LATEST_WITH_WEIGHTS
from sandbox.strict.emulator import (
    Record,
    Reply,
    alias_missing,
    first,
    function_arn,
    function_missing,
    function_record,
    json_reply,
    refusal,
    replace,
)
from sandbox.strict.permissions import REVISIONS
from sandbox.strict.versions import refuse_stale_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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


def refuse_bad_weights(name: str, function: Record, version: str, weights: Mapping[str, float]) -> Reply | None:
    """Refuse to split an alias's traffic in a way that Lambda cannot. Values and names are checked with the request.

    test_notfound_and_invalid_routingconfigs (see `sandbox.strict.updates.renew_revision`);
    https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html: at most two versions, both published,
    not the same one twice.
    """
    if not weights:
        return None
    if len(weights) > 1:
        message = "Number of items in AdditionalVersionWeights cannot be greater than 1"
    elif version in weights:
        message = (
            f"Invalid function version {version}. "
            f"Function version {version} is already included in routing configuration."
        )
    elif version == "$LATEST":
        message = LATEST_WITH_WEIGHTS
    elif missing := weights.keys() - function["versions"].keys():
        return function_missing(name, missing.pop())
    else:
        return refuse_different_roles(function, version, *weights)
    return refusal("InvalidParameterValueException", message, 400)


def refuse_different_roles(function: Record, version: str, other: str) -> Reply | None:
    """Refuse to split traffic between versions with different roles or dead-letter queues.

    https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
    """
    one, another = (function["versions"][number]["config"] for number in (version, other))
    if one.get("Role") != another.get("Role"):
        message = "Specified versions must be associated with the same execution role."
    elif one.get("DeadLetterConfig") != another.get("DeadLetterConfig"):
        message = "Specified versions must have the same dead-letter queue configuration."
    else:
        return None
    return refusal("InvalidParameterValueException", message, 400)


def refuse_existing(name: str, function: Record, alias: str) -> Reply | None:
    """Refuse to create an alias that exists.

    test_notfound_and_invalid_routingconfigs.
    """
    if alias not in function["aliases"]:
        return None
    return refusal("ResourceConflictException", f"Alias already exists: {function_arn(name, alias)}", 409)


def forget_permissions(name: str, function: Record, alias: str) -> None:
    """Delete an alias's resource policy with the alias.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html: a policy belongs to one function,
    version or alias.
    """
    policy, resource = function["policy"], function_arn(name, alias)
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Resource"] != resource]
    function.get(REVISIONS, {}).pop(alias, None)


def install() -> None:
    """Replace MiniStack's operations."""
    replace(lambda_svc, "_create_alias", _create)
    replace(lambda_svc, "_update_alias", _update)
    replace(lambda_svc, "_delete_alias", _delete)
    replace(lambda_svc, "_get_alias", _get)
    replace(lambda_svc, "_list_aliases", _list)


def _create(original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
    def create(name: str, data: Record) -> Reply:
        function = function_record(name)
        if function is None:
            return function_missing(name, data.get("FunctionVersion"))
        return (
            _refuse_target(name, function, data.get("FunctionVersion", ""), data.get("RoutingConfig"))
            or refuse_existing(name, function, data["Name"])
            or original(name, data)
        )

    return create


def _update(original: Callable[[str, str, Record], Reply]) -> Callable[[str, str, Record], Reply]:
    def update(name: str, alias: str, data: Record) -> Reply:
        function = function_record(name)
        current = function["aliases"].get(alias) if function else None
        if function is None:
            return function_missing(name)
        if current is None:
            return refusal("ResourceNotFoundException", f"Alias not found: {function_arn(name, alias)}", 404)
        target = current | data
        return (
            refuse_stale_revision({"config": current}, data)
            or _refuse_target(name, function, target["FunctionVersion"], target.get("RoutingConfig"))
            or original(name, alias, data)
        )

    return update


def _delete(original: Callable[[str, str], Reply]) -> Callable[[str, str], Reply]:
    def delete(name: str, alias: str) -> Reply:
        function = function_record(name)
        if function is None:
            return function_missing(name)
        if alias not in function["aliases"]:
            return 204, {}, b""  # test_non_existent_alias_deletion
        reply = original(name, alias)
        forget_permissions(name, function, alias)
        for kept in ("provisioned_concurrency", "provisioned_versions"):
            function.get(kept, {}).pop(alias, None)
        return reply

    return delete


def _get(_: Callable[[str, str], Reply]) -> Callable[[str, str], Reply]:
    def get(name: str, alias: str) -> Reply:
        found = (function_record(name) or {"aliases": {}})["aliases"].get(alias)
        return json_reply(found) if found else alias_missing(name, alias)

    return get


def _list(original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
    """List aliases by their names, of one version if the request names one: test_alias_lifecycle."""

    def list_aliases(name: str, query: Record) -> Reply:
        function = function_record(name)
        version = first(query, "FunctionVersion")
        if function is None:
            return original(name, query)
        every = function["aliases"]
        chosen = {one: every[one] for one in sorted(every) if version in (None, every[one]["FunctionVersion"])}
        try:
            function["aliases"] = chosen
            return original(name, query)
        finally:
            function["aliases"] = every

    return list_aliases


def _refuse_target(name: str, function: Record, version: str, routing: Record | None) -> Reply | None:
    weights = (routing or {}).get("AdditionalVersionWeights") or {}
    return (
        refuse_missing_version(name, function, version)
        or refuse_failed_version(name, function, version)
        or refuse_bad_weights(name, function, version, weights)
    )
