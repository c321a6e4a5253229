"""The permissions that let API Gateway invoke a function, a version or an alias."""

import json
from contextlib import suppress
from typing import Any

from promote.aws.confirmation import confirmed
from promote.aws.lambda_access import BUSY_PAUSES, FunctionAccess


def statements(function: FunctionAccess, qualifier: str) -> set[str]:
    """Return the statement ids of the policy of ``qualifier``."""
    keywords: Any = {"Qualifier": qualifier} if qualifier else {}
    try:
        response = function.client.get_policy(FunctionName=function.id, **keywords)
    except function.client.exceptions.ResourceNotFoundException:
        return set()
    return {statement["Sid"] for statement in json.loads(response["Policy"])["Statement"]}


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
