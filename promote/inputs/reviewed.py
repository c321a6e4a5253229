"""Refuse code that is not reviewed: the code of a pull request."""

import json
from collections.abc import Mapping
from pathlib import Path

from promote.core.errors import RefusedError
from promote.inputs.model import Inputs
from promote.inputs.usage import INPUTS

_PULL_REQUEST = "pull_request"
"""The beginning of the names of these events:
https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows."""

_AFTER = "workflow_run"
"""The event of a workflow that runs after another one."""

_LARGEST = 32 << 20
"""Bytes of an event. GitHub limits a webhook's payload to 25 MB."""


def require_reviewed(inputs: Inputs, environ: Mapping[str, str]) -> None:
    """Refuse to serve the code of a pull request, unless an input allows it. A dry run serves nothing.

    Raises:
        RefusedError: The workflow, or the one before it, may run for a pull request.

    """
    if _is_allowed(inputs):
        return
    event = environ.get("GITHUB_EVENT_NAME", "")
    if event == _AFTER:
        before = _event_before(environ)
        event = f"{_AFTER} after {before}"
        if before == _AFTER:
            raise RefusedError(
                f"command: {inputs.command} does not work on the event {event}: it is not known which event started "
                "the first of these workflows, and it may be one of a pull request",
                hint="Run it right after the workflow that was started by on: push, or set allow-pull-requests: true "
                "if each pull request may change this environment.",
            )
    if event.rpartition(" ")[2].startswith(_PULL_REQUEST):
        raise _unreviewed(f"command: {inputs.command} does not work on the event {event}")


def require_merged(inputs: Inputs, pull: str) -> None:
    """Refuse the code of a pull request that a workflow of another event has checked out.

    ``pull`` is the pull request's ref, as ``Clone.pull`` returns it.

    Raises:
        RefusedError: The code of a pull request is checked out, and no input allows it.

    """
    if pull and not _is_allowed(inputs):
        raise _unreviewed(f"refs/{pull} is checked out")


def _is_allowed(inputs: Inputs) -> bool:
    return inputs.command not in INPUTS["allow-pull-requests"].commands or inputs.allow_pull_requests or inputs.dry_run


def _unreviewed(what: str) -> RefusedError:
    return RefusedError(
        f"{what}: the code of a pull request is not reviewed yet",
        hint="Run it after the merge (on: push), use dry-run: true, or set allow-pull-requests: true if each pull "
        "request may change this environment.",
    )


def _event_before(environ: Mapping[str, str]) -> str:
    """Return the event of the workflow that this one follows.

    Raises:
        RefusedError: The event is unknown.

    """
    path = environ.get("GITHUB_EVENT_PATH", "")
    try:
        with Path(path).open("rb") as source:
            found = json.loads(source.read(_LARGEST))["workflow_run"]["event"]
        cause = "names none"
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        found, cause = None, f"cannot be read ({type(error).__name__})"
    if isinstance(found, str) and found:
        return found
    raise RefusedError(
        f"it is not known which event started the workflow before this one: {path or 'the event'} {cause}",
        hint="Set allow-pull-requests: true if a pull request may change this environment.",
    )
