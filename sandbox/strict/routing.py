"""Invocations: which version of a function runs, and whether it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ministack.services import lambda_svc

from sandbox.strict.emulator import Record, Reply, first, function_record, refusal, replace

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable


def refuse_not_active(function: Record, qualifier: str | None) -> Reply | None:
    """Refuse to invoke a function or version that is not ready, or has failed to become so.

    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html: "Functions can only be successfully invoked
    while active."; botocore lambda:Invoke, ResourceConflictException (409).
    """
    version = function["aliases"].get(qualifier, {}).get("FunctionVersion", qualifier)
    record = function["versions"].get(version, function)
    state = record["config"]["State"]
    if state == "Active":
        return None
    message = f"The function is currently in the following state: {state}"
    return refusal("ResourceConflictException", f"The operation cannot be performed at this time. {message}", 409)


class Routing:
    """Splits the traffic of aliases."""

    def __init__(self, chance: random.Random) -> None:
        """Say by what chance."""
        self._chance = chance

    def install(self) -> None:
        """Take the place of MiniStack's invocation."""
        replace(lambda_svc, "_invoke", self._invoke)

    def route(self, function: Record, qualifier: str | None) -> str | None:
        """Choose the version that an invocation of an alias with weights runs; any other qualifier stays.

        botocore lambda:AliasRoutingConfiguration.AdditionalVersionWeights: "The second version, and the percentage of
        traffic that's routed to it"; https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
        """
        alias = function["aliases"].get(qualifier, {})
        for version, weight in alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}).items():
            if self._chance.random() < weight:
                return str(version)
        return qualifier

    def _invoke(self, original: Callable[..., Awaitable[Reply]]) -> Callable[..., Awaitable[Reply]]:
        async def invoke(
            name: str, event: object, headers: Record, path_qualifier: str | None = None, query: Record | None = None
        ) -> Reply:
            function = function_record(name)
            qualifier = path_qualifier or first(query, "Qualifier")
            if function is None:
                return await original(name, event, headers, path_qualifier, query)
            chosen = self.route(function, qualifier)
            return refuse_not_active(function, chosen) or await original(name, event, headers, chosen, query)

        return invoke
