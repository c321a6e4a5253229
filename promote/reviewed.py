"""Whether the event that started the workflow has reviewed code: a pull request has not."""

import json
from collections.abc import Mapping
from pathlib import Path

from promote.errors import RefusedError
from promote.inputs import Inputs
from promote.usage import INPUTS

_PULL_REQUEST = "pull_request"
"""How the names of these events begin:
https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows."""

_LARGEST = 32 << 20
"""Bytes of an event. GitHub limits a webhook's payload to 25 MB."""


def require_reviewed(inputs: Inputs, environ: Mapping[str, str]) -> None:
    """Refuse to serve the code of a pull request, unless an input allows it. A dry run serves nothing.

    Raises:
        RefusedError: the workflow, or the one before it, runs for a pull request.

    """
    if inputs.command not in INPUTS["allow-pull-requests"].commands or inputs.allow_pull_requests or inputs.dry_run:
        return
    event = _event(environ)
    if event.rpartition(" ")[2].startswith(_PULL_REQUEST):
        raise RefusedError(
            f"command: {inputs.command} does not work on the event {event}: the code of a pull request is not reviewed "
            "yet",
            hint="Run it after the merge (on: push), use dry-run: true, or set allow-pull-requests: true if each pull "
            "request may change this environment.",
        )


def _event(environ: Mapping[str, str]) -> str:
    """Give the event's name; of a workflow that follows another one, also the event of that.

    Raises:
        RefusedError: it cannot be read.

    """
    name = environ.get("GITHUB_EVENT_NAME", "")
    if name != "workflow_run":
        return name
    path = environ.get("GITHUB_EVENT_PATH", "")
    try:
        with Path(path).open("rb") as source:
            event = json.loads(source.read(_LARGEST))
    except (OSError, ValueError) as error:
        raise RefusedError(
            f"it is not known which event started the workflow before this one: {path or 'the event'} cannot be read "
            f"({type(error).__name__})",
            hint="Set allow-pull-requests: true if a pull request may change this environment.",
        ) from None
    run = event.get("workflow_run") if isinstance(event, dict) else None
    before = run.get("event") if isinstance(run, dict) else None
    return f"{name} after {before}" if isinstance(before, str) else name
