"""Resource policies: one for each function, version and alias, but not for $LATEST by name."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from ministack.services import lambda_svc

from sandbox.strict.emulator import (
    Record,
    Reply,
    first,
    function_arn,
    function_missing,
    function_record,
    json_reply,
    qualifier_missing,
    refusal,
    replace,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REVISIONS = "policy_revisions"
"""This module's key of the RevisionIds of a function's policies, by qualifier; that of $LATEST is empty."""
PRINCIPAL = re.compile(r"\*|\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:\S+|[a-z0-9.-]+\.amazon(aws)?\.com(\.cn)?")


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


def refuse_stale_policy(function: Record, qualifier: str | None, given: str | None) -> Reply | None:
    """Refuse to change a policy that has changed since the caller read it.

    test_lambda_permission_fn_versioning: the RevisionId of a policy is another one than that of its function, version
    or alias. The latter is accepted as well, as it was recorded for an alias without a policy.
    """
    alias = function["aliases"].get(qualifier)
    resource = alias or function["versions"].get(qualifier, function)["config"]
    if given in (None, resource["RevisionId"], function.get(REVISIONS, {}).get(qualifier or "")):
        return None
    message = (
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetPolicy API to retrieve the latest Revision Id"
    )
    return refusal("PreconditionFailedException", message, 412)


def refuse_bad_principal(principal: str) -> Reply | None:
    """Refuse a principal that is not a service, an account, an ARN of IAM or everybody.

    test_permission_exceptions
    """
    if PRINCIPAL.fullmatch(principal):
        return None
    message = "The provided principal was invalid. Please check the principal and try again."
    return refusal("InvalidParameterValueException", message, 400)


def refuse_missing_statement(statements: list[Record], wanted: str) -> Reply | None:
    """Refuse to remove a statement that does not exist.

    test_permission_exceptions, test_remove_multi_permissions
    """
    if any(statement["Sid"] == wanted for statement in statements):
        return None
    message = (
        f"Statement {wanted} is not found in resource policy."
        if statements
        else "No policy is associated with the given resource."
    )
    return refusal("ResourceNotFoundException", message, 404)


def change_revision(function: Record, qualifier: str | None) -> None:
    """Change the RevisionId of a policy and, without a qualifier, that of the function to the same value.

    test_function_revisions_permissions. Later changes of the function do not change that of the policy:
    test_lambda_permission_fn_versioning.
    """
    revision = function.setdefault(REVISIONS, {})[qualifier or ""] = str(uuid4())
    if not qualifier:
        function["config"]["RevisionId"] = revision


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
            return function_missing(name, qualifier)
        refused = (
            refuse_latest(qualifier)
            or (qualifier_missing(name, function, qualifier) if qualifier else None)
            or refuse_bad_principal(data.get("Principal", ""))
            or refuse_stale_policy(function, qualifier, data.get("RevisionId"))
        )
        if refused:
            return refused
        if (account := data["Principal"]).isdecimal():
            data = {**data, "Principal": f"arn:aws:iam::{account}:root"}
        with policy_of_qualifier(name, function, qualifier):
            reply = original(name, data, query, path_qualifier)
        if reply[0] == 201:  # noqa: PLR2004 - botocore lambda:AddPermission responseCode
            change_revision(function, qualifier)
        return reply

    return add


def _remove(original: Callable[..., Reply]) -> Callable[..., Reply]:
    def remove(name: str, statement: str, query: Record, path_qualifier: str | None = None) -> Reply:
        function = function_record(name)
        qualifier = path_qualifier or first(query, "Qualifier")
        if function is None:
            arn = function_arn(name, qualifier)
            return refusal("ResourceNotFoundException", f"No policy found for: {arn}", 404)
        if qualifier and (refused := qualifier_missing(name, function, qualifier)):
            return refused
        with policy_of_qualifier(name, function, qualifier) as statements:
            reply = (
                refuse_missing_statement(statements, statement)
                or refuse_stale_policy(function, qualifier, first(query, "RevisionId"))
                or original(name, statement, query, path_qualifier)
            )
        if reply[0] == 204:  # noqa: PLR2004 - botocore lambda:RemovePermission responseCode
            change_revision(function, qualifier)
        return reply

    return remove


def _get(_: Callable[..., Reply]) -> Callable[..., Reply]:
    def get(name: str, query: Record | None = None, path_qualifier: str | None = None) -> Reply:
        function = function_record(name)
        qualifier = path_qualifier or first(query, "Qualifier")
        resource = function_arn(name, qualifier)
        policy = function["policy"] if function else {"Statement": []}
        statements = [statement for statement in policy["Statement"] if statement["Resource"] == resource]
        if function is None or not statements:
            return refusal("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        revision = function[REVISIONS][qualifier or ""]
        return json_reply({"Policy": json.dumps({**policy, "Statement": statements}), "RevisionId": revision})

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
