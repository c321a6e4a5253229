"""Provisioned concurrency of aliases. While it moves to another version, Lambda keeps the traffic with the old one."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import uuid4

from ministack.services import lambda_svc

from sandbox.strict.emulator import Record, Reply, function_record, json_reply, refusal, replace
from sandbox.strict.updates import Failure, planned_duration, planned_failure

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIGS = "provisioned_concurrency"
"""MiniStack's key of a function's configurations, by alias or version."""
HOLDERS = "provisioned_versions"
"""This module's key of the version that has the capacity of an alias."""


def weights_of(alias: Record) -> Record:
    """Return the weights of an alias."""
    weights: Record = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return weights


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
        replace(lambda_svc, "_update_alias", self._update)

    def _put(self, original: Callable[[str, str, Record], Reply]) -> Callable[[str, str, Record], Reply]:
        def put(name: str, qualifier: str, data: Record) -> Reply:
            function = function_record(name)
            refused = refuse_with_weights(function, qualifier) if function else None
            reply = refused or original(name, qualifier, data)
            if function and refused is None and qualifier in function["aliases"]:
                function.setdefault(HOLDERS, {})[qualifier] = function["aliases"][qualifier]["FunctionVersion"]
            return reply

        return put

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
        seconds = planned_duration.get()
        asyncio.get_running_loop().call_later(
            self._settle if seconds is None else seconds, lambda: _arrive(function, alias, version, failure)
        )


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
    alias.pop("RoutingConfig", None)
    alias["RevisionId"] = str(uuid4())
