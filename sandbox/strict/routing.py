"""Invocations: which version of a function runs, and whether it is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ministack.services import lambda_svc

from sandbox.strict.emulator import Record, Reply, first, function_record, refusal, replace

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from sandbox.strict.updates import Updates


class Routing:
    """Splits the traffic of aliases, and refuses versions that are not ready."""

    def __init__(self, chance: random.Random, updates: Updates) -> None:
        """Take the source of random numbers, and how an Inactive version is restored."""
        self._chance = chance
        self._updates = updates

    def install(self) -> None:
        """Replace MiniStack's invocation."""
        replace(lambda_svc, "_invoke", self._invoke)

    def route(self, function: Record, qualifier: str | None) -> str | None:
        """Choose the version that an invocation of an alias with weights runs. Other qualifiers do not change.

        botocore lambda:AliasRoutingConfiguration.AdditionalVersionWeights: "The second version, and the percentage of
        traffic that's routed to it"; https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
        """
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
                return await original(name, event, headers, path_qualifier, query)
            chosen = self.route(function, qualifier)
            return self.refuse_not_active(function, chosen) or await original(name, event, headers, chosen, query)

        return invoke
