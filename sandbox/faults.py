"""Faults between a client and AWS, applied to chosen requests of one account."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import count
from typing import TYPE_CHECKING, Any

from sandbox import errors
from sandbox.exchange import Answer, ConnectionCutError, Receive, gone
from sandbox.pages import PAGED
from sandbox.strict.previous import planned_overlap
from sandbox.strict.routing import planned_delay
from sandbox.strict.updates import Failure, planned_duration, planned_failure
from sandbox.unseen import CREATING

if TYPE_CHECKING:
    from sandbox.operations import Operation


@dataclass
class Fault:
    """One injected fault and its state."""

    id: str
    kind: str
    operation: str
    nth: int
    times: int
    parameters: dict[str, Any]
    matched: int = 0
    """The number of matching requests since the injection."""
    hit: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is applied for the first time."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    served: list[float] = field(default_factory=list)
    """When requests were served under a limit of the rate."""

    def applies(self, operation: Operation) -> bool:
        """Count a request and return whether the fault applies to it."""
        if not fnmatchcase(operation.full_name, self.operation):
            return False
        if self.kind == "small-pages" and operation.full_name not in PAGED:
            return False
        self.matched += 1
        return self.nth <= self.matched and (self.times == 0 or self.matched < self.nth + self.times)

    def describe(self) -> dict[str, Any]:
        """Return the fault for the control plane."""
        return {
            "id": self.id,
            "kind": self.kind,
            "operation": self.operation,
            "nth": self.nth,
            "times": self.times,
            **self.parameters,
            "matched": self.matched,
            "hit": self.hit.is_set(),
            "released": self.released.is_set(),
        }


@dataclass(frozen=True)
class Victim:
    """The request that a fault is applied to."""

    operation: Operation
    receive: Receive
    """Receives the client's disconnection."""
    answer: Answer | None = None
    """The response, or None before the effect."""


async def latency(fault: Fault, _: Victim) -> None:
    """Delay the request's effect by `seconds`."""
    await asyncio.sleep(float(fault.parameters["seconds"]))


async def throttle(fault: Fault, victim: Victim) -> Answer:
    """Respond with the service's throttling error. `code` and `message` can replace its own."""
    return _error(fault, victim, errors.throttling(victim.operation.service))


async def limit_rate(fault: Fault, victim: Victim) -> Answer | None:
    """Respond with the service's throttling error to what exceeds `per_second` requests in a second."""
    now = time.monotonic()
    fault.served = [when for when in fault.served if now - when < 1]
    if len(fault.served) >= float(fault.parameters["per_second"]):
        return _error(fault, victim, errors.throttling(victim.operation.service))
    fault.served.append(now)
    return None


async def fail(fault: Fault, victim: Victim) -> Answer:
    """Respond with the service's internal error. `status`, `code` and `message` can replace its own."""
    return _error(fault, victim, errors.failure(victim.operation.service))


async def cut(_: Fault, __: Victim) -> None:
    """Close the connection without a response."""
    raise ConnectionCutError


async def hold(fault: Fault, victim: Victim) -> None:
    """Hold the request until the fault is released. End it if the client disconnects before."""
    releasing = asyncio.create_task(fault.released.wait())
    leaving = asyncio.create_task(gone(victim.receive))
    _, pending = await asyncio.wait({releasing, leaving}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    if leaving in pending:
        return
    raise ConnectionCutError


async def fail_update(fault: Fault, _: Victim) -> None:
    """Accept the update of a function, and let it fail at its end."""
    reason = str(fault.parameters.get("reason", "The update failed for an internal reason."))
    planned_failure.set(Failure(reason, str(fault.parameters.get("code", "InternalError"))))


async def prolong_update(fault: Fault, _: Victim) -> None:
    """Let the update of a function take `seconds`."""
    planned_duration.set(float(fault.parameters["seconds"]))


async def prolong_previous(fault: Fault, _: Victim) -> None:
    """Let $LATEST run its previous code for `seconds` after the update of the function."""
    planned_overlap.set(float(fault.parameters["seconds"]))


async def appear_late(_: Fault, __: Victim) -> None:
    """Hide what the request creates for a time (see `seconds_unseen`)."""


def seconds_unseen(faults: list[Fault]) -> float:
    """Return the seconds for which a new resource is hidden; 0 if it is visible at once."""
    return max((float(fault.parameters["seconds"]) for fault in faults if fault.kind == "appears-late"), default=0.0)


async def refuse_concurrent(_: Fault, victim: Victim) -> Answer:
    """Respond as API Gateway does while another change of the same API is in progress."""
    return errors.answer(victim.operation.service, errors.CONCURRENT_MODIFICATION)


async def keep_left_version(fault: Fault, _: Victim) -> None:
    """Let requests to an alias go to the version that it has left, for `seconds`."""
    planned_delay.set(float(fault.parameters["seconds"]))


async def return_pages(_: Fault, __: Victim) -> None:
    """Let the list of the response have at most `items` entries per page (see `page_size`)."""


def page_size(faults: list[Fault]) -> int:
    """Return the most entries of a page; 0 if there is no limit."""
    return min((int(fault.parameters["items"]) for fault in faults if fault.kind == "small-pages"), default=0)


async def conceal_environment(_: Fault, victim: Victim) -> Answer | None:
    """Respond as Lambda does if the caller may not decrypt the environment variables.

    botocore lambda:EnvironmentResponse.Error, with the text of AWS.
    """
    if victim.answer is None:
        return None
    data = json.loads(victim.answer.body)
    if "FunctionArn" not in data:
        return None
    message = (
        "Lambda was unable to decrypt the environment variables because KMS access was denied. "
        "Please check the function's KMS key settings. KMS Exception: AccessDeniedException"
    )
    data["Environment"] = {"Error": {"ErrorCode": "AccessDeniedException", "Message": message}}
    return victim.answer.with_json(data)


Step = Callable[[Fault, Victim], Coroutine[Any, Any, Answer | None]]
"""The action of a fault before or after the effect. A returned response replaces the real one."""

BEFORE: dict[str, Step] = {
    "latency": latency,
    "throttle": throttle,
    "limit-rate": limit_rate,
    "error-before": fail,
    "cut-before": cut,
    "hold-before": hold,
    "update-fails": fail_update,
    "update-lasts": prolong_update,
    "old-code-lasts": prolong_previous,
    "appears-late": appear_late,
    "concurrent-modification": refuse_concurrent,
    "left-version-serves": keep_left_version,
    "small-pages": return_pages,
}
"""The action of each kind of fault before the effect."""
AFTER: dict[str, Step] = {
    "error-after": fail,
    "cut-after": cut,
    "hold-after": hold,
    "kms-denied": conceal_environment,
}
"""The action of each kind of fault after the effect."""
PARAMETERS: dict[str, set[str]] = {
    "latency": {"seconds"},
    "throttle": {"status", "code", "message"},
    "limit-rate": {"per_second"},
    "error-before": {"status", "code", "message"},
    "error-after": {"status", "code", "message"},
    "update-fails": {"reason", "code"},
    "update-lasts": {"seconds"},
    "old-code-lasts": {"seconds"},
    "appears-late": {"seconds"},
    "left-version-serves": {"seconds"},
    "small-pages": {"items"},
}
"""The parameters of each kind, in addition to the common ones."""


async def before(faults: list[Fault], victim: Victim) -> Answer | None:
    """Apply the faults before the effect. A returned response means that there is no effect."""
    return await _apply(faults, victim, BEFORE)


async def after(faults: list[Fault], victim: Victim) -> Answer | None:
    """Apply the faults after the effect. A returned response replaces the real one."""
    return await _apply(faults, victim, AFTER)


async def _apply(faults: list[Fault], victim: Victim, steps: dict[str, Step]) -> Answer | None:
    for fault in faults:
        if step := steps.get(fault.kind):
            fault.hit.set()
            answer = await step(fault, victim)
            if answer is not None:
                return answer
    return None


def _error(fault: Fault, victim: Victim, usual: errors.Error) -> Answer:
    parameters = fault.parameters
    error = errors.Error(
        int(parameters.get("status", usual.status)),
        str(parameters.get("code", usual.code)),
        str(parameters.get("message", usual.message)),
    )
    return errors.answer(victim.operation.service, error)


class Board:
    """The faults of every account."""

    def __init__(self) -> None:
        """Start without faults."""
        self._faults: dict[str, list[Fault]] = {}
        self._identifiers = count(1)

    def inject(self, account: str, wish: dict[str, Any]) -> Fault:
        """Add a fault. Raise ValueError if its parameters are invalid."""
        parameters = dict(wish)
        kind = parameters.pop("kind", None)
        if kind not in BEFORE | AFTER:
            message = f"There is no fault {kind!r}; there are {', '.join(sorted(BEFORE | AFTER))}."
            raise ValueError(message)
        fault = Fault(
            id=str(next(self._identifiers)),
            kind=kind,
            operation=str(parameters.pop("operation", "*")),
            nth=int(parameters.pop("nth", 1)),
            times=int(parameters.pop("times", 1)),
            parameters=parameters,
        )
        if fault.nth < 1 or fault.times < 0:
            message = "A fault needs nth >= 1 and times >= 0."
            raise ValueError(message)
        if strange := parameters.keys() - PARAMETERS.get(kind, set()):
            message = f"A fault of kind {kind} has no parameter {', '.join(sorted(strange))}."
            raise ValueError(message)
        if kind in ("latency", "appears-late", "left-version-serves", "old-code-lasts") and "seconds" not in parameters:
            message = f"A fault of kind {kind} needs seconds."
            raise ValueError(message)
        if kind == "limit-rate" and "per_second" not in parameters:
            message = "A fault of kind limit-rate needs per_second."
            raise ValueError(message)
        if kind == "appears-late" and fault.operation not in CREATING:
            message = f"A fault of kind appears-late needs one of these operations: {', '.join(sorted(CREATING))}."
            raise ValueError(message)
        if kind == "small-pages" and int(parameters.get("items", 0)) < 1:
            message = "A fault of kind small-pages needs items >= 1."
            raise ValueError(message)
        self._faults.setdefault(account, []).append(fault)
        return fault

    def of(self, account: str) -> list[Fault]:
        """Return an account's faults in the order of their injection."""
        return list(self._faults.get(account, []))

    def applying(self, operation: Operation) -> list[Fault]:
        """Count a request for every fault of its account, and return the faults that apply to it."""
        return [fault for fault in self.of(operation.account) if fault.applies(operation)]

    def clear(self, account: str) -> None:
        """Remove an account's faults and release the requests that they hold."""
        for fault in self._faults.pop(account, []):
            fault.released.set()
