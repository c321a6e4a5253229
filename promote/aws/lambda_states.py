"""Wait for a function: until no update is in progress, and until a version can serve requests."""

from collections.abc import Mapping
from typing import Any

from promote.aws.errors import DENIED, code_of, is_transient
from promote.aws.fingerprint import snapshot
from promote.aws.lambda_access import FunctionAccess
from promote.core.errors import FunctionError
from promote.core.version import LATEST, Snapshot

_FIRST_PAUSE, _LONGEST_PAUSE, _PATIENCE = 0.1, 2.0, 600.0
"""Seconds between reads of an update in progress, and the timeout of the wait."""

_WAKING = 60.0
"""Seconds in which an Inactive version must begin to recreate its resources after an invocation."""


def wait_until_updated(
    function: FunctionAccess, version: str = LATEST, known: Snapshot | None = None, since: Snapshot | None = None
) -> Snapshot:
    """Wait until no update is in progress; return the configuration read after that.

    ``since`` is what the call returned that began the update. While it is in progress, an immediate read is wasted.

    Raises:
        FunctionError: The update does not end within ten minutes.

    """
    deadline = function.clock.monotonic() + _PATIENCE
    pause = _FIRST_PAUSE
    if since and _is_pending(since.configuration):
        function.clock.sleep(pause)
    response = known.configuration if known else function.read_configuration(version)
    while _is_pending(response):
        if function.clock.monotonic() > deadline:
            raise FunctionError(
                f"the update of {function.name}:{version} did not end within {_PATIENCE:.0f} seconds",
                hint="Check the function in the AWS console. When its state is Active, run the job again.",
            )
        function.clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        response = function.read_configuration(version)
    return snapshot(response)


def wait_until_active(
    function: FunctionAccess, version: str = LATEST, known: Snapshot | None = None, since: Snapshot | None = None
) -> Snapshot:
    """Wait until the last update has succeeded, wake an Inactive version, and return the configuration.

    Raises:
        FunctionError: The update fails or does not end within ten minutes, or the version does not become Active.

    """
    found = require_success(function, wait_until_updated(function, version, known, since))
    return _wake(function, found) if found.is_inactive else found


def _wake(function: FunctionAccess, inactive: Snapshot) -> Snapshot:
    """Invoke an Inactive version, and wait until it is Active.

    If a version was idle for weeks, Lambda deletes its resources, and the snapshot of a SnapStart version. According to
    the documentation, only an invocation recreates them:
    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html and
    https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html#snapstart-function-states. UpdateAlias does
    not, and the documentation does not say that a dry run does. While the version is Inactive, the invocation fails and
    runs no code. It is synchronous, because Lambda retries asynchronous invocations. Its event is an empty object, in
    case another invocation has woken the version since it was read.

    Raises:
        FunctionError: The version does not become Active.

    """
    found, has_begun = inactive, False
    deadline = function.clock.monotonic() + _WAKING
    pause = _FIRST_PAUSE
    while found.is_inactive:
        if has_begun or function.clock.monotonic() > deadline:
            response = found.configuration
            reason = response.get("StateReason") or response.get("StateReasonCode") or "Lambda gives no reason"
            raise FunctionError(
                f"{function.name}:{found.version} is Inactive, and Lambda cannot activate it: {reason}",
                hint="Fix the cause (VPC, subnets, role, file system), or deploy the code again.",
            )
        _invoke_once(function, found.version)
        function.clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        response = function.read_configuration(found.version)
        has_begun = _is_pending(response)
        found = require_success(function, wait_until_updated(function, found.version, snapshot(response)))
    return found


def _invoke_once(function: FunctionAccess, version: str) -> None:
    """Invoke an Inactive version. The response does not matter, because the caller reads the state next."""
    client = function.invoker(function.clock.monotonic() + _WAKING)
    try:
        client.invoke(FunctionName=function.id, Qualifier=version, Payload=b"{}")
    except Exception as error:
        is_response = isinstance(error, client.exceptions.ClientError)
        if not is_transient(error) and (not is_response or code_of(error) in DENIED):
            raise


def require_success(function: FunctionAccess, settled: Snapshot) -> Snapshot:
    """Return ``settled`` if its last update has succeeded.

    Raises:
        FunctionError: The last update has failed.

    """
    response = settled.configuration
    if settled.has_failed:
        reason = response.get("LastUpdateStatusReason") or response.get("StateReason") or "Lambda gives no reason"
        raise FunctionError(
            f"Lambda could not update {function.name}:{settled.version}: {reason}",
            hint="Fix the cause (image, role, VPC, layers, handler), and run the job again.",
        )
    return settled


def _is_pending(response: Mapping[str, Any]) -> bool:
    """Return whether an update or the creation of a version is in progress. An Inactive version is not pending."""
    return response.get("State") == "Pending" or response.get("LastUpdateStatus") == "InProgress"
