"""Direct invocations of the version, for functions without HTTP."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

from promote.aws.errors import explain
from promote.core.concurrency import with_timeout
from promote.core.errors import InputError
from promote.core.redaction import quoted
from promote.core.verdict import CheckResult, Outcome
from promote.core.workspace import require_inside
from promote.inputs.checks import Complaint, Invocation, UnreadableError, excerpt
from promote.inputs.model import Inputs
from promote.verification.check import EndpointUse, Results, Subject

_LARGEST_EVENT = 6 * 1024 * 1024
"""Bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, invocation payload."""

_GRACE = 0.5
"""Seconds by which an invocation may exceed the time limit."""

_LATE = Complaint("verify-timeout was reached before the function responded")


@dataclass(frozen=True)
class Invocations:
    """Events that are sent to the version itself: the input ``invoke``."""

    input: ClassVar[str] = "invoke"
    endpoint_use: ClassVar[EndpointUse] = EndpointUse.NONE
    is_command: ClassVar[bool] = False

    events: Mapping[Invocation, bytes]

    @classmethod
    def parse(cls, inputs: Inputs, workspace: Path) -> Self | None:
        """Read the event files."""
        return cls(read_events(inputs.invocations, workspace)) if inputs.invocations else None

    def digest(self) -> Mapping[str, object]:
        """Return each invocation with the digest of its event."""
        return {self.input: [[sent.name, hashlib.sha256(event).hexdigest()] for sent, event in self.events.items()]}

    def calls(self, subject: Subject) -> Iterator[Callable[[], Results]]:
        """Yield one call per event."""
        for invocation, event in self.events.items():
            yield partial(_results, invocation, event, subject)


def _results(invocation: Invocation, event: bytes, subject: Subject) -> Results:
    return [run_invocation(invocation, event, subject)]


def read_events(invocations: tuple[Invocation, ...], workspace: Path) -> dict[Invocation, bytes]:
    """Read the event files.

    Raises:
        InputError: A file is missing, outside the workspace, not JSON, or too large.

    """
    events = {}
    for invocation in invocations:
        path = require_inside(workspace, invocation.event, "invoke")
        if not path.is_file():
            raise InputError(
                "invoke",
                f"the event file {quoted(invocation.event)} does not exist in the workspace",
                hint="Paths start at the repository's root.",
            )
        events[invocation] = path.read_bytes()
        if len(events[invocation]) > _LARGEST_EVENT:
            raise InputError(
                "invoke",
                f"the event file {invocation.event!r} is larger than the 6 MB that Lambda accepts",
                hint="Store large data in S3, and put its location in the event.",
            )
        try:
            json.loads(events[invocation])
        except (ValueError, RecursionError) as error:
            raise InputError(
                "invoke", f"the event file {invocation.event!r} is not JSON: {error}", hint="Correct the file."
            ) from error
    return events


def run_invocation(invocation: Invocation, event: bytes, subject: Subject) -> CheckResult:
    """Send ``event`` to the version, and check the response. The invocation ends with the verification."""
    from botocore.exceptions import (  # noqa: PLC0415 - already loaded by the clients
        BotoCoreError,
        ClientError,
        ReadTimeoutError,
    )

    clock, version = subject.clock, subject.version
    started = clock.monotonic()
    left = subject.deadline - started
    outcome = Outcome.INCONCLUSIVE
    if left <= 0:
        complaint = Complaint("verify-timeout was reached before it could run")
    else:
        try:
            # The client's own limits come first. They are for each part of a response and each attempt.
            answer = with_timeout(left + _GRACE, lambda: subject.function.invoke(version, event, subject.deadline))
            outcome, complaint = _judged(invocation, version, *answer)
        except TimeoutError:
            complaint = _LATE
        except (BotoCoreError, ClientError) as error:
            is_late = isinstance(error, ReadTimeoutError) and clock.monotonic() >= subject.deadline
            complaint = _LATE if is_late else Complaint("", str(explain(error)))
    seconds = clock.monotonic() - started
    return CheckResult(invocation.name, "invoke", outcome, seconds, str(complaint), own=complaint.own)


def _judged(
    invocation: Invocation, version: str, payload: bytes, trouble: str, executed: str
) -> tuple[Outcome, Complaint]:
    """Return the outcome of a response and the reason."""
    if executed and executed != version:
        return Outcome.INCONCLUSIVE, Complaint(f"version {executed} ran instead of {version}")
    if trouble:
        return Outcome.FAILED, Complaint(f"the function raised an error ({trouble}): ", excerpt(payload))
    try:
        complaint = invocation.expectation.complaint(payload)
    except UnreadableError as error:
        return Outcome.INCONCLUSIVE, Complaint(str(error))
    return Outcome.FAILED if complaint else Outcome.PASSED, complaint
