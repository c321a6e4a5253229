"""Event source mappings: which function, version or alias Lambda calls for a queue or a stream.

They are only configured here. Nothing is read from a queue or a stream.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from ministack.services import lambda_svc

from sandbox.lambda_requests import refer
from sandbox.strict.emulator import Record, Reply, first, function_arn, function_record, json_reply, refusal, replace
from sandbox.strict.updates import planned_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_BUSY_UNTIL = "busy_until"
"""This module's key of the time at which the last change of a mapping completes."""
_SETTLED = ("Enabled", "Disabled")


def refuse_missing() -> Reply:
    """Return the error for a mapping that does not exist.

    test_event_source_mapping_exceptions in
    https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.py
    """
    return refusal("ResourceNotFoundException", "The resource you requested does not exist.", 404)


def refuse_busy(mapping: Record) -> Reply | None:
    """Refuse to change a mapping while an earlier change of it is in progress.

    botocore lambda:UpdateEventSourceMapping, ResourceInUseException; its text:
    https://github.com/foremast/foremast/pull/476
    """
    if mapping["State"] in _SETTLED:
        return None
    return refusal("ResourceInUseException", "Cannot update the event source mapping because it is in use.", 400)


def refuse_missing_function(reference: str) -> Reply | None:
    """Refuse a function, a version or an alias that does not exist.

    botocore lambda:UpdateEventSourceMapping, InvalidParameterValueException; its text: the same test as above.
    """
    found = refer(reference)
    function = function_record(found.name)
    if function and found.qualifier in ("", "$LATEST", *function["versions"], *function["aliases"]):
        return None
    return refusal("InvalidParameterValueException", "Function does not exist", 400)


def refuse_second(mapping_id: str, source: str, called: str) -> Reply | None:
    """Refuse a second mapping of the same source to the same function, version or alias.

    https://github.com/aws/serverless-application-model/issues/1320
    """
    for uuid, other in lambda_svc._esms.items():  # noqa: SLF001 - MiniStack has no other access
        if uuid != mapping_id and (other["EventSourceArn"], other["FunctionArn"]) == (source, called):
            message = (
                f'The event source arn (" {source} ") and function (" {called.partition(":function:")[2]} ") provided '
                f"mapping already exists. Please update or delete the existing mapping with UUID {uuid}"
            )
            return refusal("ResourceConflictException", message, 409)
    return None


class EventSources:
    """The mappings, whose changes take some seconds."""

    def __init__(self, settle: float) -> None:
        """Complete each change after ``settle`` seconds."""
        self._settle = settle

    def install(self) -> None:
        """Replace MiniStack's operations."""
        replace(lambda_svc, "_ensure_poller", lambda _: lambda: None)
        replace(lambda_svc, "_create_esm", self._create)
        replace(lambda_svc, "_get_esm", self._get)
        replace(lambda_svc, "_list_esms", self._list)
        replace(lambda_svc, "_update_esm", self._update)

    def _create(self, original: Callable[[Record], Reply]) -> Callable[[Record], Reply]:
        def create(data: Record) -> Reply:
            reference = data.get("FunctionName", "")
            refused = refuse_missing_function(reference) or refuse_second(
                "", data.get("EventSourceArn", ""), _called(reference)
            )
            if refused:
                return refused
            reply = original({**data, "FunctionName": _named(reference)})
            if reply[0] >= 400:  # noqa: PLR2004 - HTTP's limit between success and error
                return reply
            mapping = _mapping(json.loads(reply[2])["UUID"])
            assert mapping is not None  # noqa: S101 - it was just created
            return self._begun(mapping, "Creating")

        return create

    def _get(self, _: Callable[[str], Reply]) -> Callable[[str], Reply]:
        def get(uuid: str) -> Reply:
            mapping = _mapping(uuid)
            return json_reply(_shown(mapping)) if mapping else refuse_missing()

        return get

    def _list(self, _: Callable[[Record], Reply]) -> Callable[[Record], Reply]:
        """List mappings of exactly the function, version or alias that the request names.

        Whether the name of a function also lists the mappings of its aliases is not documented. A caller must work in
        both cases: https://github.com/go-to-k/cdk-real-drift/issues/803.
        """

        def list_mappings(query: Record) -> Reply:
            name = first(query, "FunctionName")
            uuids = [uuid for uuid, _ in lambda_svc._esms.items()]  # noqa: SLF001 - as above
            every = [mapping for uuid in sorted(uuids) if (mapping := _mapping(uuid))]
            found = [one for one in every if name is None or one["FunctionArn"] == _called(name)]
            return json_reply({"EventSourceMappings": list(map(_shown, found))})

        return list_mappings

    def _update(self, original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
        def update(uuid: str, data: Record) -> Reply:
            mapping = _mapping(uuid)
            if mapping is None:
                return refuse_missing()
            reference = data.get("FunctionName", "") or mapping["FunctionArn"]
            refused = (
                refuse_busy(mapping)
                or refuse_missing_function(reference)
                or refuse_second(uuid, mapping["EventSourceArn"], _called(reference))
            )
            if refused:
                return refused
            # botocore lambda:UpdateEventSourceMappingRequest.Enabled: "Default: True".
            given = {"Enabled": True, **data, "FunctionName": _named(reference)}
            reply = original(uuid, given)
            return self._begun(mapping, "Updating") if reply[0] < 400 else reply  # noqa: PLR2004 - as above

        return update

    def _begun(self, mapping: Record, state: str) -> Reply:
        """Begin a change. botocore lambda:UpdateEventSourceMapping, responseCode."""
        planned = planned_duration.get()
        until = time.monotonic() + (self._settle if planned is None else planned)
        mapping |= {"State": state, "LastModified": time.time(), _BUSY_UNTIL: until}
        return json_reply(_shown(mapping), 202)


def _mapping(uuid: str) -> Record | None:
    """Return a mapping with its state at this time."""
    mapping: Record | None = lambda_svc._esms.get(uuid)  # noqa: SLF001 - as above
    if mapping and mapping.get(_BUSY_UNTIL) and time.monotonic() >= mapping[_BUSY_UNTIL]:
        mapping |= {"State": _SETTLED[0 if mapping["Enabled"] else 1], _BUSY_UNTIL: 0.0}
    return mapping


def _shown(mapping: Record) -> Record:
    hidden = ("Qualifier", _BUSY_UNTIL)
    shown: Record = lambda_svc._esm_response(mapping)  # noqa: SLF001 - as above
    return {name: value for name, value in shown.items() if name not in hidden}


def _named(reference: str) -> str:
    """Return the name with the qualifier, as MiniStack knows it."""
    found = refer(reference)
    return f"{found.name}:{found.qualifier}" if found.qualifier else found.name


def _called(reference: str) -> str:
    found = refer(reference)
    return function_arn(found.name, found.qualifier)
