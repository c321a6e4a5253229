"""Provisioned concurrency of aliases. While it moves to another version, Lambda keeps the traffic with the old one."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import uuid4

from ministack.services import lambda_svc

from sandbox.errors import OVER_LIMIT, UNRESERVED, UNRESERVED_PROVISIONED
from sandbox.strict.emulator import (
    Record,
    Reply,
    function_arn,
    function_missing,
    function_record,
    json_reply,
    qualifier_missing,
    refusal,
    replace,
)
from sandbox.strict.updates import Failure, planned_duration, planned_failure, renew_revision

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIGS = "provisioned_concurrency"
"""MiniStack's key of a function's configurations, by alias or version."""
HOLDERS = "provisioned_versions"
"""This module's key of the version that has the capacity of an alias."""


ALLOCATED = ("AllocatedProvisionedConcurrentExecutions", "AvailableProvisionedConcurrentExecutions")
NOT_PUBLISHED = "The function resource provided must be an alias or a published version."
MOST_RESERVED = 900
"""What one function can reserve of an account's 1,000 concurrent executions, of which 100 stay unreserved."""
MOST = 1000


def weights_of(alias: Record) -> Record:
    """Return the weights of an alias."""
    weights: Record = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return weights


def refuse_latest(qualifier: str, message: str) -> Reply | None:
    """Refuse a provisioned concurrency of $LATEST.

    test_provisioned_concurrency_exceptions, recorded:
    https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.py
    """
    return refusal("InvalidParameterValueException", message, 400) if qualifier == "$LATEST" else None


def refuse_second(function: Record, qualifier: str) -> Reply | None:
    """Refuse a version that an alias with provisioned concurrency points to, and an alias of a version that has it.

    test_lambda_provisioned_lifecycle
    """
    configs, aliases = function.get(CONFIGS, {}), function["aliases"]
    if qualifier in aliases and aliases[qualifier]["FunctionVersion"] in configs:
        message = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
    elif any(name in configs and alias["FunctionVersion"] == qualifier for name, alias in aliases.items()):
        message = "Version is pointed by a Provisioned Concurrency alias"
    else:
        return None
    return refusal("ResourceConflictException", message, 409)


def provisioned_total(function: Record, without: str = "") -> int:
    """Return the sum of a function's provisioned concurrency, without that of one qualifier."""
    configs = function.get(CONFIGS, {})
    return sum(config["RequestedProvisionedConcurrentExecutions"] for one, config in configs.items() if one != without)


def has_capacity(function: Record, qualifier: str | None) -> bool:
    """Return whether a version or an alias has provisioned concurrency.

    The version of an alias with provisioned concurrency uses it too:
    test_lambda_provisioned_concurrency_moves_with_alias.
    """
    return qualifier in function.get(CONFIGS, {}) or qualifier in function.get(HOLDERS, {}).values()


def refuse_over_limit(function: Record, wanted: int) -> Reply | None:
    """Refuse more provisioned concurrency than the account has.

    test_provisioned_concurrency_limits, as above
    """
    if function.get("concurrency") is not None or wanted <= MOST_RESERVED:
        return None
    message = OVER_LIMIT if wanted > MOST else UNRESERVED_PROVISIONED
    return refusal("InvalidParameterValueException", message, 400)


def refuse_more_than_reserved(function: Record, qualifier: str, wanted: int) -> Reply | None:
    """Refuse more provisioned than reserved concurrency, in total.

    test_reserved_provisioned_overlap, recorded:
    https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda.py
    """
    reserved = function.get("concurrency")
    if reserved is None or provisioned_total(function, without=qualifier) + wanted <= reserved:
        return None
    message = (
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    )
    return refusal("InvalidParameterValueException", message, 400)


def refuse_with_weights(function: Record, qualifier: str) -> Reply | None:
    """Refuse to configure provisioned concurrency while an alias has weights.

    https://github.com/hashicorp/terraform/issues/24957 (InvalidParameterValueException)
    """
    if not weights_of(function["aliases"].get(qualifier, {})):
        return None
    message = "Alias with weights can not be used with Provisioned Concurrency"
    return refusal("InvalidParameterValueException", message, 400)


class Concurrency:
    """Moves the provisioned concurrency of an alias some time after the alias."""

    def __init__(self, settle: float) -> None:
        """Take its duration in seconds."""
        self._settle = settle

    def install(self) -> None:
        """Replace MiniStack's operations."""
        replace(lambda_svc, "_put_provisioned_concurrency", self._put)
        replace(lambda_svc, "_get_provisioned_concurrency", _get)
        replace(lambda_svc, "_delete_provisioned_concurrency", _delete)
        replace(lambda_svc, "_put_function_concurrency", _reserve)
        replace(lambda_svc, "_update_alias", self._update)

    def _put(self, original: Callable[[str, str, Record], Reply]) -> Callable[[str, str, Record], Reply]:
        def put(name: str, qualifier: str, data: Record) -> Reply:
            function = function_record(name)
            refused = (
                refuse_latest(
                    qualifier, "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
                )
                or qualifier_missing(name, function, qualifier)
                or (
                    refuse_second(function, qualifier) or refuse_with_weights(function, qualifier) if function else None
                )
            )
            if refused or function is None:
                return refused or function_missing(name)
            wanted = data["ProvisionedConcurrentExecutions"]
            if over := refuse_more_than_reserved(function, qualifier, wanted) or refuse_over_limit(function, wanted):
                return over
            reply = original(name, qualifier, data)
            if qualifier in function["aliases"]:
                function.setdefault(HOLDERS, {})[qualifier] = function["aliases"][qualifier]["FunctionVersion"]
            config = function[CONFIGS][qualifier]
            config.update(Status="IN_PROGRESS", **dict.fromkeys(ALLOCATED, 0))
            answer = json_reply(config, reply[0])
            self._later(lambda: _allocate(function, qualifier, config, wanted))
            return answer

        return put

    def _later(self, arrive: Callable[[], None]) -> None:
        planned = planned_duration.get()
        asyncio.get_running_loop().call_later(self._settle if planned is None else planned, arrive)

    def _update(self, original: Callable[[str, str, Record], Reply]) -> Callable[[str, str, Record], Reply]:
        def update(name: str, alias: str, data: Record) -> Reply:
            reply = original(name, alias, data)
            function = function_record(name)
            if function is None or reply[0] != 200 or alias not in function.get(CONFIGS, {}):  # noqa: PLR2004 - HTTP's
                return reply
            self._follow(function, function["aliases"][alias])
            return json_reply({**json.loads(reply[2]), **function["aliases"][alias]})

        return update

    def _follow(self, function: Record, alias: Record) -> None:
        """Let the capacity follow an alias that was updated.

        Until then, Lambda gives all traffic to the version with the capacity, by a weight of 1:
        https://github.com/hashicorp/terraform-provider-aws/pull/48116, reproduced by an acceptance test. If the
        allocation fails, that weight stays: https://github.com/gradientedge/cdk-utils/pull/1110.
        """
        name, version = alias["Name"], alias["FunctionVersion"]
        config, holders = function[CONFIGS][name], function.setdefault(HOLDERS, {})
        if version in (holders.get(name), "$LATEST"):
            config.update(Status="READY", Version="")
            return
        if config.get("Version") == version:
            return  # the capacity is on its way, or the allocation has failed, whatever the weights of the alias
        alias["RoutingConfig"] = {"AdditionalVersionWeights": {holders[name]: 1.0}}
        config.update(Status="IN_PROGRESS", Version=version)
        failure = planned_failure.get()
        self._later(lambda: _arrive(function, alias, version, failure))


def _allocate(function: Record, qualifier: str, config: Record, wanted: int) -> None:
    """Let the capacity be ready, unless its configuration has changed or the capacity moves."""
    if function[CONFIGS].get(qualifier) is config and not config.get("Version"):
        config.update(Status="READY", **dict.fromkeys(ALLOCATED, wanted))
        _renew(function, function.get(HOLDERS, {}).get(qualifier, qualifier))


def _renew(function: Record, version: str) -> None:
    """Give a version that has got capacity a new RevisionId: test_lambda_provisioned_concurrency_moves_with_alias."""
    if version in function["versions"]:
        renew_revision(function["versions"][version])


def _get(_: Callable[[str, str], Reply]) -> Callable[[str, str], Reply]:
    def get(name: str, qualifier: str) -> Reply:
        function = function_record(name)
        if not qualifier:  # ListProvisionedConcurrencyConfigs
            if function is None:
                return function_missing(name)
            configs = function.get(CONFIGS, {})
            listed = [{"FunctionArn": function_arn(name, one), **configs[one]} for one in sorted(configs)]
            return json_reply({"ProvisionedConcurrencyConfigs": listed})
        refused = refuse_latest(qualifier, NOT_PUBLISHED) or qualifier_missing(name, function, qualifier)
        config = (function or {}).get(CONFIGS, {}).get(qualifier)
        if refused or config:
            return refused or json_reply(config)
        message = "No Provisioned Concurrency Config found for this function"
        return refusal("ProvisionedConcurrencyConfigNotFoundException", message, 404)

    return get


def _delete(original: Callable[[str, str], Reply]) -> Callable[[str, str], Reply]:
    def delete(name: str, qualifier: str) -> Reply:
        refused = refuse_latest(qualifier, NOT_PUBLISHED) or qualifier_missing(name, function_record(name), qualifier)
        return refused or original(name, qualifier)

    return delete


def _reserve(original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
    """Keep the limits of reserved concurrency: test_function_concurrency_limits, test_reserved_provisioned_overlap."""

    def reserve(name: str, data: Record) -> Reply:
        function = function_record(name)
        if function is None:
            return function_missing(name, "$LATEST")
        wanted = data.get("ReservedConcurrentExecutions", 0)
        provisioned = provisioned_total(function)
        if wanted < provisioned:
            message = (
                f" ReservedConcurrentExecutions  {wanted} should not be lower than function's total provisioned "
                f"concurrency [{provisioned}]."
            )
        elif wanted > MOST_RESERVED:
            message = UNRESERVED
        else:
            return original(name, data)
        return refusal("InvalidParameterValueException", message, 400)

    return reserve


def _arrive(function: Record, alias: Record, version: str, failure: Failure | None) -> None:
    name = alias["Name"]
    config = function[CONFIGS].get(name)
    if config is None or config.get("Version") != version or config["Status"] != "IN_PROGRESS":
        return
    if failure:
        config.update(Status="FAILED", StatusReason=failure.code)
        return
    config.update(Status="READY", Version="")
    function[HOLDERS][name] = version
    _renew(function, version)
    alias.pop("RoutingConfig", None)
    alias["RevisionId"] = str(uuid4())
