"""Invocations: which version of a function runs, and whether it is ready."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from ministack.services import lambda_svc

from sandbox.strict import failures
from sandbox.strict.concurrency import has_capacity, provisioned_total
from sandbox.strict.emulator import (
    Record,
    Reply,
    first,
    function_arn,
    function_missing,
    function_record,
    refusal,
    replace,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterator

    from sandbox.strict.updates import Updates

LEFT = "left_versions"
"""This module's key of the versions that aliases have left: the version, and until when it serves requests."""

planned_delay: ContextVar[float] = ContextVar("planned_delay", default=0.0)
"""The seconds that a fault sets for the current request, during which the version that an alias leaves serves."""


_invoked: ContextVar[str] = ContextVar("invoked", default="")
"""The ARN of the alias that the current request invokes, if its weights have chosen the version."""


@contextmanager
def invoked_as(name: str, qualifier: str | None, chosen: str | None) -> Iterator[None]:
    """Let the function see the ARN of what the request names, whatever version was chosen.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html, `invoked_function_arn`: "Indicates if the invoker
    specified a version number or alias."
    """
    token = _invoked.set(function_arn(name, qualifier) if chosen != qualifier else "")
    try:
        yield
    finally:
        _invoked.reset(token)


def refuse_without_concurrency(function: Record, qualifier: str | None) -> Reply | None:
    """Refuse to invoke a function whose reserved concurrency is 0, or is provisioned for other versions.

    test_reserved_concurrency, test_reserved_provisioned_overlap, validated against AWS:
    https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda.py
    """
    reserved = function.get("concurrency")
    if reserved is None or reserved > provisioned_total(function) or (reserved and has_capacity(function, qualifier)):
        return None
    more = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}
    return refusal("TooManyRequestsException", "Rate Exceeded.", 429, more)


def refuse_deleted(name: str, function: Record, version: str | None) -> Reply | None:
    """Refuse to invoke a version or alias that does not exist.

    botocore lambda:Invoke, ResourceNotFoundException (404).
    """
    known = {None, "$LATEST", *function["aliases"], *function["versions"]}
    return None if version in known else function_missing(name, version)


class Routing:
    """Splits the traffic of aliases, and refuses versions that are not ready."""

    def __init__(self, chance: random.Random, updates: Updates) -> None:
        """Take the source of random numbers, and how an Inactive version is restored."""
        self._chance = chance
        self._updates = updates

    def install(self) -> None:
        """Replace MiniStack's invocation."""
        replace(lambda_svc, "_invoke", self._invoke)
        replace(lambda_svc, "_execute_function", _execute)
        replace(lambda_svc, "_update_alias", _update)

    def route(self, function: Record, qualifier: str | None) -> str | None:
        """Choose the version that an invocation of an alias with weights runs. Other qualifiers do not change.

        botocore lambda:AliasRoutingConfiguration.AdditionalVersionWeights: "The second version, and the percentage of
        traffic that's routed to it"; https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
        """
        left, until = function.get(LEFT, {}).get(qualifier, ("", 0.0))
        if time.monotonic() < until:
            return str(left)
        alias = function["aliases"].get(qualifier, {})
        for version, weight in alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}).items():
            if self._chance.random() < weight:
                return str(version)
        return qualifier

    def refuse_not_active(self, function: Record, qualifier: str | None) -> Reply | None:
        """Refuse to invoke a function or version that is not ready or has failed. Wake an Inactive one.

        https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html: "Functions can only be successfully invoked
        while active."; botocore lambda:Invoke, ResourceConflictException (409). The error of an
        Inactive one is in https://github.com/boto/boto3/issues/3788, and its status in
        https://github.com/aws-solutions-library-samples/accelerated-intelligent-document-processing-on-aws/issues/801.
        """
        version = function["aliases"].get(qualifier, {}).get("FunctionVersion", qualifier)
        record = function["versions"].get(version, function)
        state = record["config"]["State"]
        if state == "Active":
            return None
        if state == "Inactive":
            self._updates.begin_waking(record)
            message = "ERROR: Lambda is initializing your function. It will be ready to invoke shortly."
            return refusal("CodeArtifactUserPendingException", message, 409)
        message = f"The function is currently in the following state: {state}"
        return refusal("ResourceConflictException", f"The operation cannot be performed at this time. {message}", 409)

    def _invoke(self, original: Callable[..., Awaitable[Reply]]) -> Callable[..., Awaitable[Reply]]:
        async def invoke(
            name: str, event: object, headers: Record, path_qualifier: str | None = None, query: Record | None = None
        ) -> Reply:
            function = function_record(name)
            qualifier = path_qualifier or first(query, "Qualifier")
            if function is None:
                return function_missing(name, qualifier or "$LATEST")
            chosen = self.route(function, qualifier)
            over = refuse_without_concurrency(function, chosen)
            is_queued = over is not None and headers.get("x-amz-invocation-type") == "Event"
            refused = (
                (None if is_queued else over)
                or refuse_deleted(name, function, chosen)
                or self.refuse_not_active(function, chosen)
            )
            if refused:
                return refused
            if is_queued:
                return 202, {}, b""  # Lambda tries it again later: test_reserved_concurrency. Here, it is never run.
            with invoked_as(name, qualifier, chosen):
                reply = await original(name, event, headers, chosen, query)
            return failures.with_log(headers, failures.without_version(failures.shaped(reply)))

        return invoke


def _execute(original: Callable[[Record, object], Record]) -> Callable[[Record, object], Record]:
    def execute(record: Record, event: object) -> Record:
        if not _invoked.get():
            return original(record, event)
        return original(
            {**record, "config": {**(record.get("config") or record), "FunctionArn": _invoked.get()}}, event
        )

    return execute


def _update(original: Callable[[str, str, Record], Reply]) -> Callable[[str, str, Record], Reply]:
    """Let the version that an alias leaves serve for the planned time.

    AWS may still invoke it for a while: https://github.com/DataBiosphere/azul/issues/7883 (answer of AWS Support).
    """

    def update(name: str, alias: str, data: Record) -> Reply:
        function = function_record(name) or {"aliases": {}}
        before = function["aliases"].get(alias, {}).get("FunctionVersion")
        reply = original(name, alias, data)
        if planned_delay.get() and reply[0] == 200:  # noqa: PLR2004 - botocore lambda:UpdateAlias
            function.setdefault(LEFT, {})[alias] = before, time.monotonic() + planned_delay.get()
        return reply

    return update
