"""The event source mappings of a function: list them, and let one call another version or alias.

UpdateEventSourceMapping has no precondition. So a mapping is read directly before its change and compared with what the
caller has seen, and it is read again afterwards.
"""

from collections.abc import Mapping
from itertools import chain, repeat
from typing import Any

from promote.aws.calls import pages
from promote.aws.confirmation import confirmed
from promote.aws.errors import code_of, message_of
from promote.aws.lambda_access import FunctionAccess
from promote.core.errors import ConflictError, FunctionError
from promote.core.trigger import EventSource, calls_latest
from promote.core.version import LATEST

_PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between reads while a change is in progress; the last of them from then on."""
_TIMEOUT = 300.0
"""Seconds to wait for the end of a change. It takes up to a minute or so."""

_NOT_SETTINGS = frozenset(
    {
        "EventSourceArn",
        "EventSourceMappingArn",
        "FunctionArn",
        "LastModified",
        "LastProcessingResult",
        "ResponseMetadata",
        "State",
        "StateTransitionReason",
        "UUID",
    }
)
"""The members of a mapping that are not configured by a user, or change when another function is called."""


class MappingRefusedError(FunctionError):
    """Lambda refused to change a mapping, which is as it was."""


def calling_latest(function: FunctionAccess, arn: str) -> list[EventSource]:
    """Return the mappings that call $LATEST of the function with the unqualified ARN ``arn``.

    A mapping may name the function alone, or with ``$LATEST``. Whether the first list contains the second is not
    documented, so both are read.
    """
    call = function.client.list_event_source_mappings
    found = {
        mapping["UUID"]: _source(mapping)
        for name in (arn, f"{arn}:{LATEST}")
        for mapping in pages(call, "EventSourceMappings", "NextMarker", "Marker", FunctionName=name)
    }
    return [one for one in found.values() if calls_latest(one.function, arn) and one.state != "Deleting"]


def read(function: FunctionAccess, uuid: str) -> EventSource | None:
    """Return a mapping; None if it does not exist."""
    try:
        return _source(function.client.get_event_source_mapping(UUID=uuid))
    except function.client.exceptions.ResourceNotFoundException:
        return None


def wait_until_settled(function: FunctionAccess, uuid: str) -> EventSource | None:
    """Wait until no change of the mapping is in progress, and return it; None if it does not exist.

    Raises:
        FunctionError: The change does not end within five minutes.

    """
    deadline, pauses = function.clock.monotonic() + _TIMEOUT, chain(_PAUSES, repeat(_PAUSES[-1]))
    while True:
        found = read(function, uuid)
        if found is None or found.is_settled:
            return found
        if function.clock.monotonic() > deadline:
            raise FunctionError(
                f"the change of the event source mapping {uuid} does not end: it is {found.state}",
                hint="Look at the mapping in the AWS console. When it is Enabled or Disabled, run the job again.",
            )
        function.clock.sleep(next(pauses))


def require_unchanged(function: FunctionAccess, seen: EventSource) -> EventSource:
    """Return the mapping as it is now. If it was in the middle of a change when it was seen, wait for the end of that.

    Raises:
        ConflictError: It was changed or deleted externally since it was read.
        FunctionError: A change of it does not end.

    """
    now = wait_until_settled(function, seen.uuid)
    if now is None or now.function != seen.function or (seen.is_settled and now != seen):
        raise _changed(seen.uuid)
    return now


def move(function: FunctionAccess, seen: EventSource, called: str) -> EventSource:
    """Let the mapping call ``called``, if it is still as in ``seen``, wait, and return it as it is then.

    Raises:
        ConflictError: It was changed or deleted externally since it was read.
        MappingRefusedError: Lambda refuses the change.
        FunctionError: The change does not end.
        UnconfirmedError: The change may have taken effect.

    """
    now = require_unchanged(function, seen)

    def write() -> EventSource:
        return _source(
            # Without Enabled, the update would enable a mapping that is disabled.
            function.guarded_client.update_event_source_mapping(
                UUID=now.uuid, FunctionName=called, Enabled=now.is_enabled
            )
        )

    def find() -> EventSource | None:
        found = read(function, now.uuid)
        return found if found and found.function == called else None

    function.guard()
    try:
        confirmed(write, find, f"the event source mapping {now.uuid} may have been changed")
    except function.client.exceptions.ClientError as error:
        if code_of(error) in ("ResourceInUseException", "ResourceNotFoundException"):
            raise _changed(now.uuid) from error
        if code_of(error) in ("InvalidParameterValueException", "ResourceConflictException"):
            raise MappingRefusedError(
                f"Lambda refuses to let {now.name} call {called}: {message_of(error)}",
                hint="Fix the cause that Lambda names, and run the job again. The mapping was not changed.",
            ) from error
        raise
    moved = wait_until_settled(function, now.uuid)
    if moved is None or moved.function != called:
        raise _changed(now.uuid)
    return moved


def _source(mapping: Mapping[str, Any]) -> EventSource:
    return EventSource(
        uuid=mapping["UUID"],
        source=mapping.get("EventSourceArn", ""),
        function=mapping["FunctionArn"],
        state=mapping["State"],
        modified=str(mapping.get("LastModified", "")),
        settings={name: value for name, value in mapping.items() if name not in _NOT_SETTINGS},
    )


def _changed(uuid: str) -> ConflictError:
    return ConflictError(
        f"the event source mapping {uuid} was changed or deleted externally while this run worked on it",
        hint="Find out what else changes it, such as a deployment of its stack. Then run the job again.",
    )
