"""The action's main step: environ in, exit code out; the one error boundary."""

import secrets
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from promote.aws import Clients, understood
from promote.clock import Clock, SystemClock
from promote.commands import COMMANDS
from promote.context import Context
from promote.errors import InputError, Interrupted, PromoteError
from promote.inputs import Inputs
from promote.job import Job
from promote.model import Result, Run
from promote.report import Report
from promote.report.summary import render
from promote.workflow import Workflow

if TYPE_CHECKING:
    import requests


def main(environ: Mapping[str, str], stream: TextIO, clock: Clock | None = None) -> int:
    """Run the action as the runner starts it; give the exit code, 0 or 1."""
    workflow = Workflow(environ, stream, [environ.get(name, "") for name in _SECRETS])
    jobs: list[Job] = []
    context = Context.from_environ(environ)
    with _signals():
        try:
            report = _run(environ, context, workflow, clock or SystemClock(), jobs)
        except KeyboardInterrupt:
            report = _ended(_INTERRUPTED, jobs)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever it is becomes one annotation
            if environ.get("RUNNER_DEBUG") == "1":
                for line in traceback.format_exc().splitlines():
                    workflow.say(line)
            report = _ended(understood(error), jobs)
        return _tell(report, workflow, context, jobs[0] if jobs else None)


def _run(environ: Mapping[str, str], context: Context, workflow: Workflow, clock: Clock, jobs: list[Job]) -> Report:
    """Bring the job together, leave it in ``jobs`` for those who tell of it, and carry out its command."""
    inputs = Inputs.from_environ(environ)
    run = Run(context.commit, context.run_id, context.attempt, context.run_url, secrets.token_hex(6))
    folder = context.temporary if context.temporary.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="promote-", dir=folder, ignore_cleanup_errors=True) as temporary:
        clients = Clients(inputs.region, environ, inputs.verify_timeout)
        job = Job(inputs, context, run, workflow, clock, clients, _session(), Path(temporary))
        jobs.append(job)
        job.say(inputs.command.value, f"{inputs.function_name} → {inputs.environment}")
        return COMMANDS[inputs.command](job)


def _tell(report: Report, workflow: Workflow, context: Context, job: Job | None) -> int:
    """Put the report where people and later steps find it."""
    try:
        for name, value in report.outputs().items():
            workflow.output(name, value)
        workflow.summary(render(report, context, job, workflow.redact))
    except Exception as error:  # noqa: BLE001 - what has happened has happened, whether or not it can be told there
        workflow.warn(f"Outputs or summary could not be written: {error}", title="Summary and outputs")
    for note in report.notes:
        workflow.say(f"{'note':<9} {note}")
    for warning in report.warnings:
        workflow.warn(warning, title="promote-on-success")
    for endpoint in (report.latest, report.environment):
        if endpoint:
            workflow.say(f"{endpoint.qualifier:<9} {endpoint.url}")
    if report.result.is_success:
        workflow.say(f"{report.result.value:<9} {report.headline}")
        return 0
    workflow.error("\n".join([report.headline, *report.failures, report.hint]), title=report.title)
    return 1


_SECRETS = ("INPUT_GITHUB-TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "ACTIONS_RUNTIME_TOKEN")
"""Variables whose values must not leave this process."""

_INTERRUPTED = Interrupted(
    "the run was cancelled; the environment was left as it was, or as the log above says",
    hint="Run the job again when it is wanted; it takes up what this run has left.",
)


def _ended(error: PromoteError, jobs: list[Job]) -> Report:
    """Give the report of a run that ``error`` has ended: with all that was certain by then."""
    message = str(error)
    if not isinstance(error, InputError):  # those begin with the input's name
        message = message[:1].upper() + message[1:]
    message += "" if message.endswith((".", "!", "?")) else "."
    certain = jobs[0].reports[-1] if jobs and jobs[0].reports else Report(Result.FAILED)
    if certain.result.is_success:
        # The alias has moved, and nothing that came afterwards undoes it.
        return replace(certain, warnings=(*certain.warnings, f"{message} {error.hint}"))
    return replace(certain, result=Result.FAILED, headline=message, hint=error.hint, title=error.title)


def _session() -> "Callable[[], requests.Session]":
    @cache
    def session() -> "requests.Session":
        import requests  # noqa: PLC0415 - takes a while, which wrong inputs need not pay
        from requests.adapters import HTTPAdapter  # noqa: PLC0415

        made = requests.Session()
        for scheme in ("http://", "https://"):
            made.mount(scheme, HTTPAdapter(pool_maxsize=32))
        return made

    return session


@contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM end the run like SIGINT: as process 1 of a container, Python would ignore it."""

    def stop(_number: int, _frame: Any) -> NoReturn:
        raise KeyboardInterrupt

    try:
        previous = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: whoever runs us there minds the signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
