"""The permissions of a function, a version or an alias: those of API Gateway, and all that others have."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from promote.aws.confirmation import confirmed
from promote.aws.lambda_access import BUSY_PAUSES, FunctionAccess
from promote.core.trigger import Invoker


def statements(function: FunctionAccess, qualifier: str) -> set[str]:
    """Return the statement ids of the policy of ``qualifier``."""
    return {statement["Sid"] for statement in _policy(function, qualifier)}


def invokers(function: FunctionAccess, qualifier: str) -> list[Invoker]:
    """Return who may invoke ``qualifier`` according to its policy, in the policy's order."""
    return [found for statement in _policy(function, qualifier) for found in invokers_of(statement)]


def _policy(function: FunctionAccess, qualifier: str) -> list[Mapping[str, Any]]:
    keywords: Any = {"Qualifier": qualifier} if qualifier else {}
    try:
        response = function.client.get_policy(FunctionName=function.id, **keywords)
    except function.client.exceptions.ResourceNotFoundException:
        return []
    found: list[Mapping[str, Any]] = json.loads(response["Policy"])["Statement"]
    return found


def invokers_of(statement: Mapping[str, Any]) -> Iterator[Invoker]:
    """Yield those whom a statement lets invoke the function. It may name several principals and actions."""
    conditions = {
        key.lower(): str(value) for keys in (statement.get("Condition") or {}).values() for key, value in keys.items()
    }
    if statement["Effect"] != "Allow" or "lambda:invokedviafunctionurl" in conditions:
        return  # the second permission of a function URL, which the first one shows
    principal = statement["Principal"]
    principals = (
        [one for value in principal.values() for one in _listed(value)] if isinstance(principal, dict) else ["*"]
    )
    for action in _listed(statement["Action"]):
        if action in ("lambda:InvokeFunction", "lambda:InvokeFunctionUrl", "lambda:*", "*"):
            for one in principals:
                yield Invoker(
                    statement=statement["Sid"],
                    principal=one,
                    action=action,
                    source=conditions.get("aws:sourcearn", ""),
                    account=conditions.get("aws:sourceaccount", ""),
                    url_auth=conditions.get("lambda:functionurlauthtype", ""),
                )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def add(function: FunctionAccess, qualifier: str, statement: str, source_arn: str) -> None:
    """Let API Gateway invoke ``qualifier``.

    ResourceConflictException means that the statement exists or that an update is in progress. The policy is read to
    tell the two apart. In the second case, the call is repeated.
    """
    keywords: Any = {"Qualifier": qualifier} if qualifier else {}

    def add() -> bool:
        function.client.add_permission(
            FunctionName=function.id,
            StatementId=statement,
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=source_arn,
            **keywords,
        )
        return True

    def is_added() -> bool | None:
        return statement in statements(function, qualifier) or None

    for pause in (*BUSY_PAUSES, None):
        try:
            confirmed(add, is_added, f"API Gateway's permission for {function.name} may have been added")
        except function.client.exceptions.ResourceConflictException:
            if is_added():
                return
            if pause is None:
                raise
            function.clock.sleep(pause)
        else:
            return


def remove(function: FunctionAccess, qualifier: str, statement: str) -> None:
    """Remove a permission, if it exists."""
    keywords: Any = {"Qualifier": qualifier} if qualifier else {}

    def remove() -> bool:
        function.client.remove_permission(FunctionName=function.id, StatementId=statement, **keywords)
        return True

    with suppress(function.client.exceptions.ResourceNotFoundException):
        confirmed(
            remove,
            lambda: statement not in statements(function, qualifier) or None,
            f"API Gateway's permission for {function.name} may have been removed",
        )
