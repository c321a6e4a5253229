"""Direct invocations of the version, for functions without HTTP."""

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

from promote.aws.errors import explain
from promote.core.concurrency import with_timeout
from promote.core.errors import InputError
from promote.core.redaction import quoted
from promote.core.verdict import CheckResult, Outcome
from promote.core.workspace import require_inside
from promote.inputs.checks import Complaint, Invocation, UnreadableError, excerpt, values_of
from promote.inputs.model import Inputs
from promote.verification.check import EndpointUse, Results, Subject

_LARGEST_EVENT = 6 * 1024 * 1024
"""Bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, invocation payload."""

_GRACE = 0.5
"""Seconds by which an invocation may exceed the time limit."""

_LATE = Complaint("verify-timeout was reached before the function responded")

_MOST_TEXTS = 2000
"""The most texts of an event that are redacted in responses. It takes 0.1 seconds to prepare so many."""

_NOT_SHOWN = Complaint(
    "the response is an error or not as expected. It is not shown, because it may repeat a secret of the event, and "
    f"the event has more than {_MOST_TEXTS:,} texts"
)


@dataclass(frozen=True)
class Invocations:
    """Events that are sent to the version itself: the input ``invoke``."""

    input: ClassVar[str] = "invoke"
    endpoint_use: ClassVar[EndpointUse] = EndpointUse.NONE
    is_command: ClassVar[bool] = False

    events: Mapping[Invocation, "Event"]

    @classmethod
    def parse(cls, inputs: Inputs, workspace: Path) -> Self | None:
        """Read the event files."""
        return cls(read_events(inputs.invocations, workspace)) if inputs.invocations else None

    def digest(self) -> Mapping[str, object]:
        """Return each invocation with the digest of its event."""
        return {
            self.input: [[sent.name, hashlib.sha256(event.content).hexdigest()] for sent, event in self.events.items()]
        }

    def secrets(self) -> Iterator[str]:
        """Yield the texts in the events."""
        for event in self.events.values():
            yield from event.texts

    def calls(self, subject: Subject) -> Iterator[Callable[[], Results]]:
        """Yield one call per event."""
        for invocation, event in self.events.items():
            yield partial(_results, invocation, event, subject)


@dataclass(frozen=True)
class Event:
    """An event file."""

    content: bytes
    texts: frozenset[str] = field(default=frozenset(), repr=False)
    """The texts in it that a response may repeat, at most ``_MOST_TEXTS``."""
    has_more_texts: bool = False

    @property
    def digest(self) -> str:
        """The SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Read the event.

        Raises:
            ValueError, RecursionError: It is not JSON.

        """
        texts = texts_of(json.loads(content))
        first = frozenset(islice(texts, _MOST_TEXTS))
        return cls(content, first, has_more_texts=next(texts, None) is not None)


def texts_of(event: Any) -> Iterator[str]:
    """Yield each text in an event, and the parts of a text that a function may read from it.

    These are the values of a query, a form or a cookie, what follows the scheme of an ``Authorization`` header, and the
    texts in JSON and in Base64.
    """
    left = [event]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str):
            yield value
            yield from values_of(f"?{value}")
            left += value.split()[1:] if value.count(" ") == 1 else ()
            with suppress(ValueError, RecursionError):
                left.append(json.loads(value))
            with suppress(ValueError):
                left.append(b64decode(value, validate=True).decode())


def _results(invocation: Invocation, event: Event, subject: Subject) -> Results:
    return [run_invocation(invocation, event, subject)]


def read_events(invocations: tuple[Invocation, ...], workspace: Path) -> dict[Invocation, Event]:
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
        content = path.read_bytes()
        if len(content) > _LARGEST_EVENT:
            raise InputError(
                "invoke",
                f"the event file {invocation.event!r} is larger than the 6 MB that Lambda accepts",
                hint="Store large data in S3, and put its location in the event.",
            )
        try:
            events[invocation] = Event.of(content)
        except (ValueError, RecursionError) as error:
            raise InputError(
                "invoke", f"the event file {invocation.event!r} is not JSON: {error}", hint="Correct the file."
            ) from error
    return events


def run_invocation(invocation: Invocation, event: Event, subject: Subject) -> CheckResult:
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
            answer = with_timeout(
                left + _GRACE, lambda: subject.function.invoke(version, event.content, subject.deadline)
            )
            outcome, complaint = _judged(invocation, version, *answer)
            if complaint.outside and event.has_more_texts:
                complaint = _NOT_SHOWN
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
