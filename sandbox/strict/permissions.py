"""Resource policies: one for each function, version and alias, but not for $LATEST by name."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ministack.services import lambda_svc

from sandbox.strict.emulator import Record, Reply, first, function_arn, function_record, refusal, replace
from sandbox.strict.updates import renew_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def refuse_latest(qualifier: str | None) -> Reply | None:
    """Refuse a policy for $LATEST by name, because it belongs to the unqualified function.

    botocore lambda:AddPermission, InvalidParameterValueException (400);
    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    if qualifier != "$LATEST":
        return None
    return refusal("InvalidParameterValueException", "We currently do not support adding policies for $LATEST.", 400)


@contextmanager
def policy_of_qualifier(name: str, function: Record, qualifier: str | None) -> Iterator[list[Record]]:
    """Keep only the statements of one qualifier in a function's policy during the block.

    A statement's id is unique, found and removed within the policy of its own qualifier.
    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html; botocore
    lambda:AddPermissionRequest.Qualifier: "Specify a version or alias to add permissions to a published version of the
    function."
    """
    resource, policy = function_arn(name, qualifier), function["policy"]
    others = [statement for statement in policy["Statement"] if statement["Resource"] != resource]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Resource"] == resource]
    try:
        yield policy["Statement"]
    finally:
        policy["Statement"] = others + policy["Statement"]


def refuse_empty_policy(statements: list[Record]) -> Reply | None:
    """Refuse to return a policy without statements.

    botocore lambda:GetPolicy, ResourceNotFoundException (404).
    """
    if statements:
        return None
    return refusal("ResourceNotFoundException", "The resource you requested does not exist.", 404)


def allows(function: Record, resource: str, source: str, account: str) -> bool:
    """Return whether a policy lets API Gateway invoke exactly this function, version or alias for one of its routes.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html; ArnLike:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    return any(
        statement["Resource"] == resource
        and statement["Principal"] in ("*", {"Service": "apigateway.amazonaws.com"})
        and statement["Action"] in ("lambda:InvokeFunction", "lambda:*", "*")
        and _meets(statement.get("Condition", {}), source, account)
        for statement in function["policy"]["Statement"]
    )


def arn_like(pattern: str, arn: str) -> bool:
    """Return whether an ARN matches a pattern as with the operator ArnLike, which compares six parts one by one.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(
        re.fullmatch(re.escape(wanted).replace(r"\*", ".*").replace(r"\?", "."), part)
        for wanted, part in zip(patterns, parts, strict=True)
    )


def install() -> None:
    """Replace MiniStack's operations."""
    replace(lambda_svc, "_add_permission", _add)
    replace(lambda_svc, "_remove_permission", _remove)
    replace(lambda_svc, "_get_policy", _get)


def _add(original: Callable[..., Reply]) -> Callable[..., Reply]:
    def add(name: str, data: Record, query: Record | None = None, path_qualifier: str | None = None) -> Reply:
        qualifier = path_qualifier or first(query, "Qualifier")
        function = function_record(name)
        if function is None:
            return original(name, data, query, path_qualifier)
        with policy_of_qualifier(name, function, qualifier):
            reply = refuse_latest(qualifier) or original(name, data, query, path_qualifier)
        if reply[0] == 201 and not qualifier:  # noqa: PLR2004 - botocore lambda:AddPermission responseCode
            renew_revision(function)
        return reply

    return add


def _remove(original: Callable[..., Reply]) -> Callable[..., Reply]:
    def remove(name: str, statement: str, query: Record, path_qualifier: str | None = None) -> Reply:
        function = function_record(name)
        if function is None:
            return original(name, statement, query, path_qualifier)
        qualifier = path_qualifier or first(query, "Qualifier")
        with policy_of_qualifier(name, function, qualifier):
            reply = original(name, statement, query, path_qualifier)
        if reply[0] == 204 and not qualifier:  # noqa: PLR2004 - botocore lambda:RemovePermission responseCode
            renew_revision(function)
        return reply

    return remove


def _get(original: Callable[..., Reply]) -> Callable[..., Reply]:
    def get(name: str, query: Record | None = None, path_qualifier: str | None = None) -> Reply:
        function = function_record(name)
        if function is None:
            return original(name, query, path_qualifier)
        with policy_of_qualifier(name, function, path_qualifier or first(query, "Qualifier")) as statements:
            return refuse_empty_policy(statements) or original(name, query, path_qualifier)

    return get


def _meets(condition: Record, source: str, account: str) -> bool:
    """Return whether a request of API Gateway meets the condition of a statement."""
    arn = condition.get("ArnLike", {}).get("AWS:SourceArn")
    equals = condition.get("StringEquals", {})
    return (
        (arn is None or arn_like(arn, source))
        and equals.get("AWS:SourceAccount", account) == account
        and not equals.keys() - {"AWS:SourceAccount"}
        and not condition.keys() - {"ArnLike", "StringEquals"}
    )
