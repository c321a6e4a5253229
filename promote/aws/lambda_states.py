"""Waiting for a function: until no update is in progress, and until a version can serve."""

from collections.abc import Mapping
from typing import Any

from promote.aws.errors import DENIED, code_of, is_transient
from promote.aws.fingerprint import snapshot
from promote.aws.lambda_access import FunctionAccess
from promote.core.errors import FunctionError
from promote.core.version import LATEST, Snapshot

_FIRST_PAUSE, _LONGEST_PAUSE, _PATIENCE = 0.1, 2.0, 600.0
"""Seconds between looks at an update in progress, and until we give up on it."""

_WAKING = 60.0
"""Seconds in which an Inactive version must begin to recreate its resources after an invocation."""


def wait_until_updated(function: FunctionAccess, version: str = LATEST, known: Snapshot | None = None) -> Snapshot:
    """Wait until no update is in progress, whatever came of it, and read.

    ``known`` is a snapshot just taken, which spares the first read. The RevisionId that an update returns goes
    stale when the update completes, so the one given here is read afterwards.

    Raises:
        FunctionError: the update did not end in ten minutes.

    """
    deadline = function.clock.monotonic() + _PATIENCE
    pause = _FIRST_PAUSE
    answer = known.configuration if known else function.read_configuration(version)
    while _is_pending(answer):
        if function.clock.monotonic() > deadline:
            raise FunctionError(
                f"the update of {function.name}:{version} has been in progress for {_PATIENCE:.0f} seconds",
                hint="Look at the function in the AWS console; run the job again when its state is Active.",
            )
        function.clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        answer = function.read_configuration(version)
    return snapshot(answer)


def wait_until_active(function: FunctionAccess, version: str = LATEST, known: Snapshot | None = None) -> Snapshot:
    """Wait until the last update has succeeded, or a version can serve, and read.

    ``known`` is as for ``wait_until_updated``. An Inactive version is woken first.

    Raises:
        FunctionError: the update failed, or did not end in ten minutes; or the version does not become Active.

    """
    found = require_success(function, wait_until_updated(function, version, known))
    return _woken(function, found) if found.is_inactive else found


def _woken(function: FunctionAccess, inactive: Snapshot) -> Snapshot:
    """Invoke an Inactive version, which Lambda answers with an error, and wait until it is Active.

    Lambda deletes the resources of a version that was idle for weeks, and the snapshot of a SnapStart version. The
    documentation names an invocation as the only call that recreates them:
    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html and
    https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html#snapstart-function-states. UpdateAlias does
    not, and a dry run is not documented to. The invocation runs no code while the version is Inactive. It is not
    asynchronous, because Lambda would repeat it later. Its event is an empty object, for the case that another
    invocation has woken the version since it was read.

    Raises:
        FunctionError: it does not become Active.

    """
    found, is_begun = inactive, False
    deadline = function.clock.monotonic() + _WAKING
    pause = _FIRST_PAUSE
    while found.is_inactive:
        if is_begun or function.clock.monotonic() > deadline:
            answer = found.configuration
            reason = answer.get("StateReason") or answer.get("StateReasonCode") or "Lambda gives no reason"
            raise FunctionError(
                f"{function.name}:{found.version} is Inactive and Lambda cannot make it Active: {reason}",
                hint="Correct what the reason says (VPC, subnets, role, file system), or deploy the code again.",
            )
        _knock(function, found.version)
        function.clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        answer = function.read_configuration(found.version)
        is_begun = _is_pending(answer)
        found = require_success(function, wait_until_updated(function, found.version, snapshot(answer)))
    return found


def _knock(function: FunctionAccess, version: str) -> None:
    """Invoke a version that is Inactive. The answer does not matter: the state tells what became of it."""
    client = function.invoker
    try:
        client.invoke(FunctionName=function.id, Qualifier=version, Payload=b"{}")
    except Exception as error:
        is_answer = isinstance(error, client.exceptions.ClientError)
        if not is_transient(error) and (not is_answer or code_of(error) in DENIED):
            raise


def require_success(function: FunctionAccess, settled: Snapshot) -> Snapshot:
    """Return ``settled`` if it could be brought up.

    Raises:
        FunctionError: the last update failed.

    """
    answer = settled.configuration
    if settled.has_failed:
        reason = answer.get("LastUpdateStatusReason") or answer.get("StateReason") or "Lambda gives no reason"
        raise FunctionError(
            f"Lambda could not bring {function.name}:{settled.version} up: {reason}",
            hint="Correct what the reason says (image, role, VPC, layers, handler) and run the job again.",
        )
    return settled


def _is_pending(answer: Mapping[str, Any]) -> bool:
    """Whether an update, or the making of a version, is in progress. State Inactive comes with idleness and is well."""
    return answer.get("State") == "Pending" or answer.get("LastUpdateStatus") == "InProgress"
