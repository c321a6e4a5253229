"""Asynchronous updates of functions: the states during and after an update."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sandbox.strict.emulator import Record, Reply, refusal
from sandbox.strict.previous import Previous, keep

if TYPE_CHECKING:
    from collections.abc import Callable

REASONS = ("StateReason", "StateReasonCode", "LastUpdateStatusReason", "LastUpdateStatusReasonCode")


@dataclass(frozen=True)
class Failure:
    """How an update fails."""

    reason: str
    code: str
    """One of botocore lambda:LastUpdateStatusReasonCode."""


planned_failure: ContextVar[Failure | None] = ContextVar("planned_failure", default=None)
"""The failure that a fault sets for the update of the current request."""

planned_duration: ContextVar[float | None] = ContextVar("planned_duration", default=None)
"""The seconds that a fault sets for the update of the current request."""


def refuse_while_updating(function: Record) -> Reply | None:
    """Refuse to change or publish $LATEST until it is Active and its last update has ended.

    botocore lambda:UpdateFunctionCode, :UpdateFunctionConfiguration and :PublishVersion, ResourceConflictException
    (409): "... another operation is in progress".
    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    """
    config = function["config"]
    if config.get("State") == "Pending":
        message = "The function is currently in the following state: Pending"
    elif config.get("LastUpdateStatus") == "InProgress":
        message = f"An update is in progress for resource: {config['FunctionArn']}"
    else:
        return None
    return refusal("ResourceConflictException", f"The operation cannot be performed at this time. {message}", 409)


class Updates:
    """Completes creations, updates and publications after some time."""

    def __init__(self, settle: float) -> None:
        """Take their duration in seconds."""
        self._settle = settle

    def begin_creation(self, function: Record) -> None:
        """Set a new function to Pending until its creation completes.

        botocore lambda:State; https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
        """
        _mark(
            function["config"],
            State="Pending",
            StateReason="The function is being created.",
            StateReasonCode="Creating",
        )
        self._later(function, planned_failure.get(), created=True)

    def begin_update(self, function: Record, before: Previous) -> None:
        """Keep $LATEST Active, with LastUpdateStatus=InProgress, and let it run `before`, until its update completes.

        botocore lambda:LastUpdateStatus; https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
        """
        _mark(
            function["config"],
            State="Active",
            LastUpdateStatus="InProgress",
            LastUpdateStatusReason="The function is being created.",
            LastUpdateStatusReasonCode="Creating",
        )
        self._later(function, planned_failure.get(), created=False, also=keep(function, before))

    def begin_publication(self, version: Record, *, is_settled: bool) -> None:
        """Set a new version to Pending until the update that created it, or its SnapStart snapshot, completes.

        A version of settled code is Active at once: test_publish_with_wrong_sha256, as for `renew_revision`. A fault
        that is about the publication takes its time. botocore lambda:waiter PublishedVersionActive (State of a version:
        Pending, Active, Failed)
        """
        has_snapshot = version["config"].get("SnapStart", {}).get("ApplyOn") == "PublishedVersions"
        if is_settled and not has_snapshot and planned_duration.get() is None and planned_failure.get() is None:
            _mark(version["config"], State="Active", LastUpdateStatus="Successful")
            return
        _mark(
            version["config"], State="Pending", StateReason="The function is being created.", StateReasonCode="Creating"
        )
        self._later(version, planned_failure.get(), created=True)

    def begin_waking(self, record: Record) -> None:
        """Set an Inactive function or version to Pending, until its resources exist again or cannot be created.

        https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html: "the invocation fails and Lambda sets the
        function to pending state until the function resources are recreated. If Lambda fails to recreate the resources,
        the function is set to the inactive state."; botocore lambda:StateReasonCode, Restoring.
        """
        _mark(
            record["config"],
            State="Pending",
            StateReason="The function is being restored.",
            StateReasonCode="Restoring",
        )

        def complete() -> None:
            if reason := record.get("stuck"):
                make_inactive(record, reason)
            else:
                _mark(record["config"], State="Active")

        self._call_later(complete)

    def _later(
        self, function: Record, failure: Failure | None, *, created: bool, also: Callable[[], None] = lambda: None
    ) -> None:
        def complete() -> None:
            _complete(function, failure, created=created)
            renew_revision(function)
            also()

        self._call_later(complete)

    def _call_later(self, complete: Callable[[], None]) -> None:
        planned = planned_duration.get()
        asyncio.get_running_loop().call_later(self._settle if planned is None else planned, complete)


def make_inactive(record: Record, stuck: str = "") -> None:
    """Make a function or version Inactive, as Lambda does after weeks without an invocation.

    botocore lambda:State and :StateReasonCode, Idle. `stuck` is the reason why its resources cannot be recreated, or
    empty if they can.
    """
    record["stuck"] = stuck
    if stuck:
        _mark(record["config"], State="Inactive", StateReason=stuck, StateReasonCode="InvalidConfiguration")
    else:
        _mark(record["config"], State="Inactive", StateReason="The function was idle.", StateReasonCode="Idle")


def renew_revision(function: Record) -> None:
    """Change the RevisionId of $LATEST: when an update completes, with a new version, and with its own policy.

    That of a version changes when it becomes Active.

    https://github.com/aws/aws-sdk/issues/377; botocore lambda:FunctionConfiguration.RevisionId. Versions and policy:
    test_function_revisions_version_and_alias and test_function_revisions_permissions, which are validated against AWS:
    https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.py
    """
    function["config"]["RevisionId"] = str(uuid4())


def _complete(record: Record, failure: Failure | None, *, created: bool) -> None:
    if failure is None:
        _mark(record["config"], State="Active", LastUpdateStatus="Successful")
        return
    state: dict[str, Any] = {
        "LastUpdateStatus": "Failed",
        "LastUpdateStatusReason": failure.reason,
        "LastUpdateStatusReasonCode": failure.code,
    }
    if created:
        state |= {"State": "Failed", "StateReason": failure.reason, "StateReasonCode": failure.code}
    _mark(record["config"], **state)


def _mark(config: Record, **state: str) -> None:
    """Set a state. Reasons that are not given are removed, as AWS omits them."""
    for name in REASONS:
        config.pop(name, None)
    config.update(state)
