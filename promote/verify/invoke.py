"""Direct invocations of the candidate, for functions without HTTP."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from promote.aws import explain
from promote.check import Invocation, excerpt
from promote.clock import Clock
from promote.errors import InputError
from promote.model import CheckResult, Outcome
from promote.workspace import require_inside

if TYPE_CHECKING:
    from promote.function import Function

_LARGEST_EVENT = 6 * 1024 * 1024
"""Bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, invocation payload."""


def read_events(invocations: tuple[Invocation, ...], workspace: Path) -> dict[Invocation, bytes]:
    """Read the event files.

    Raises:
        InputError: one is missing, lies outside the workspace, holds no JSON, or is too large.

    """
    events = {}
    for invocation in invocations:
        path = require_inside(workspace, invocation.event, "invoke")
        if not path.is_file():
            raise InputError(
                "invoke",
                f"the event file {invocation.event!r} does not exist in the workspace",
                hint="Paths start at the repository's root.",
            )
        events[invocation] = path.read_bytes()
        if len(events[invocation]) > _LARGEST_EVENT:
            raise InputError(
                "invoke",
                f"the event file {invocation.event!r} is larger than the 6 MB that Lambda takes",
                hint="Put what is large into S3, and its place into the event.",
            )
        try:
            json.loads(events[invocation])
        except (ValueError, RecursionError) as error:
            raise InputError(
                "invoke", f"the event file {invocation.event!r} holds no JSON: {error}", hint="Correct the file."
            ) from error
    return events


def run_invocation(
    invocation: Invocation, event: bytes, function: "Function", version: str, clock: Clock
) -> CheckResult:
    """Send ``event`` to ``version`` and judge the answer."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loaded long before

    started = clock.monotonic()

    def result(outcome: Outcome, detail: str = "") -> CheckResult:
        return CheckResult(invocation.name, "invoke", outcome, clock.monotonic() - started, detail)

    try:
        payload, trouble, executed = function.invoke(version, event)
    except (BotoCoreError, ClientError) as error:
        return result(Outcome.INCONCLUSIVE, str(explain(error)))
    if executed and executed != version:
        return result(Outcome.INCONCLUSIVE, f"version {executed} ran instead of {version}")
    if trouble:
        return result(Outcome.FAILED, f"the function raised an error ({trouble}): {excerpt(payload)}")
    complaint = invocation.expectation.complaint(payload)
    return result(Outcome.FAILED if complaint else Outcome.PASSED, complaint)
