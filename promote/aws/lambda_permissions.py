"""The permissions by which API Gateway invokes a function or an alias."""

import json
from contextlib import suppress
from typing import Any

from promote.aws.confirmation import confirmed
from promote.aws.lambda_access import BUSY_PAUSES, FunctionAccess


def statements(function: FunctionAccess, qualifier: str) -> set[str]:
    """Name the statements of the policy of ``qualifier`` (an alias; empty: $LATEST)."""
    keywords: Any = {"Qualifier": qualifier} if qualifier else {}
    try:
        answer = function.client.get_policy(FunctionName=function.id, **keywords)
    except function.client.exceptions.ResourceNotFoundException:
        return set()
    return {statement["Sid"] for statement in json.loads(answer["Policy"])["Statement"]}


def add(function: FunctionAccess, qualifier: str, statement: str, source_arn: str) -> None:
    """Let API Gateway invoke ``qualifier`` (an alias; empty: $LATEST). That it is allowed already is well.

    ResourceConflictException means that the statement exists or that an update is in progress, which passes. Only
    a look tells which one it is.
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
    """Take a permission back. That it is gone already is well."""
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
