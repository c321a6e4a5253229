"""The main step of the action: it reads the environment variables, and all errors of a run are handled here."""

import secrets
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TextIO

from promote.aws.clients import Clients
from promote.aws.errors import to_promote_error
from promote.aws.patience import Patience
from promote.commands.dispatch import carry_out
from promote.core.clock import Clock, SystemClock
from promote.core.disk import writing
from promote.core.environment import require_usable
from promote.core.errors import InputError, Interrupted, PromoteError, RefusedError, UnexpectedError
from promote.core.progress import Progress
from promote.core.report import Report
from promote.core.run import Result, Run
from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState
from promote.github.actions.log import ActionsLog, secrets_of
from promote.github.actions.summary import render
from promote.inputs import step
from promote.inputs.reviewed import require_reviewed
from promote.pipeline import checkout
from promote.pipeline.job import Job

if TYPE_CHECKING:
    import requests


def main(environ: Mapping[str, str], stream: TextIO, clock: Clock | None = None) -> int:
    """Run the main step as the runner starts it. Return the exit code, 0 or 1."""
    workflow = ActionsLog(environ, stream, secrets_of(environ))
    context, job = Context.from_environ(environ), None
    with _interruptible() as ignore, ExitStack() as cleanup:
        try:
            try:
                # The entry point has blocked them.
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
                job = _job(environ, context, workflow, clock or SystemClock(), cleanup)
                report = carry_out(job)
            except Exception as error:  # noqa: BLE001 - every error becomes one annotation
                if environ.get("RUNNER_DEBUG") == "1":
                    for line in workflow.redact_outside(traceback.format_exc()).splitlines():
                        workflow.info(line)
                problem = to_promote_error(error)
                if isinstance(problem, UnexpectedError):
                    problem = problem.reworded(workflow.redact_outside(str(problem)))
                report = failed(problem, job)
            ignore()
        except KeyboardInterrupt:
            report = failed(INTERRUPTED, job)
        return _tell(report, workflow, job.context if job else context, job)


def _job(environ: Mapping[str, str], context: Context, workflow: ActionsLog, clock: Clock, cleanup: ExitStack) -> Job:
    """Return the job that the inputs describe. ``cleanup`` removes its temporary folder.

    Raises:
        PromoteError: The inputs are not valid, or the run's event is not allowed.

    """
    inputs = step.read(environ, context.workspace)
    require_reviewed(inputs, environ)
    require_usable(environ)
    sha, context = context.commit, checkout.resolve_commit(inputs, context)
    if text := checkout.warning(context, sha):
        workflow.warn(text, title="Commit")
    folder = context.temporary if context.temporary.is_dir() else None
    chance = Random().random  # noqa: S311 - when to look again, not a secret
    patience = Patience(clock, chance, lambda subject, text: workflow.info(f"{subject:<9} {text}"))
    with writing(folder or "the temporary folder"):
        temporary = tempfile.TemporaryDirectory(prefix="promote-", dir=folder, ignore_cleanup_errors=True)
    job = Job(
        inputs=inputs,
        context=context,
        run=Run(context.commit, context.run_id, context.attempt, context.run_url, secrets.token_hex(6)),
        workflow=workflow,
        clock=clock,
        clients=Clients(inputs.region, environ, inputs.verify_timeout, clock, patience),
        session=_session(environ),
        chance=chance,
        environ=environ,
        state=JobState(environ, context, workflow, draw=lambda: secrets.token_hex(16)),
        temporary=Path(cleanup.enter_context(temporary)),
        progress=Progress(clock),
    )
    target = f" → {inputs.environment}" if inputs.environment else ""
    job.say(inputs.command.value, f"{inputs.names}{target}")
    return job


def _tell(report: Report, workflow: ActionsLog, context: Context, job: Job | None) -> int:
    """Write the report to the outputs, the job summary and the log. Return the exit code."""
    workflow.close_group()  # of a command that was cancelled
    if workflow.problem:
        report = replace(report, warnings=(*report.warnings, f"The log is not complete: {workflow.problem}."))
    report = _written(report, workflow, context, job)
    for note in report.notes:
        workflow.info(f"{'note':<9} {note}")
    for warning in report.warnings:
        workflow.warn(warning, title="promote-on-success")
    for name, part in report.parts or (("", report),):
        for endpoint in (part.latest, part.environment):
            if endpoint:
                workflow.info(f"{endpoint.qualifier:<9} {name}{': ' if name else ''}{endpoint.url}")
    if report.result.is_success:
        workflow.info(f"{report.result.value:<9} {report.headline}")
        return 0
    workflow.error("\n".join([report.headline, *report.failures, report.hint]), title=report.title)
    return 1


def _written(report: Report, workflow: ActionsLog, context: Context, job: Job | None) -> Report:
    """Write outputs and summary. Return the report, which is another one if outputs that are needed are lost."""
    unwritten = {
        "The files of the runner": _problem(lambda: _restore_files(workflow, job)),
        "The outputs": _problem(lambda: _write_outputs(workflow, report)),
    }
    if report.result in _FOR_LATER_STEPS and (lost := unwritten.pop("The outputs")):
        report = failed(lost.reworded(f"the outputs of this step are lost, and later steps need them: {lost}"), job)
    unwritten["The job summary"] = _problem(lambda: workflow.summary(render(report, context, job, workflow.redact)))
    for what, problem in unwritten.items():
        if problem:
            workflow.warn(f"{what} could not be written: {problem.full_text}", title="Summary and outputs")
    return report


_FOR_LATER_STEPS = (Result.DEPLOYED, Result.LOCKED)
"""Results that are only for later steps, which read the outputs. Without outputs, they are skipped or do wrong."""


def _problem(write: Callable[[], None]) -> PromoteError | None:
    """Return why ``write`` failed; None if it did not. The result of most runs is the same without outputs."""
    try:
        write()
    except Exception as error:  # noqa: BLE001 - the other files are written nevertheless
        return to_promote_error(error)
    return None


def _write_outputs(workflow: ActionsLog, report: Report) -> None:
    for name, value in report.outputs().items():
        workflow.output(name, value)


def _restore_files(workflow: ActionsLog, job: Job | None) -> None:
    """Undo what tests and commands have written to the files by which the step tells the runner of its outputs."""
    for name in workflow.files.restore(job.inputs.test_environment if job else ()):
        workflow.warn(
            f"a command changed the runner's file {name}, and the action has undone this. To let tests and "
            f"test-command write to it, add {name} to test-environment.",
            title="Tests",
        )


_SIGNALS = (signal.SIGINT, signal.SIGTERM)

INTERRUPTED = Interrupted(
    "the run was cancelled. The environment is as it was before, or as the log above says",
    hint="Run the job again if you still want its release. That also finishes what this run began.",
)


def failed(error: PromoteError, job: Job | None) -> Report:
    """Return the report of a run that ``error`` has ended, with everything that was certain by then."""
    message = error.sentence
    if not isinstance(error, InputError):  # those begin with the input's name
        message = message[:1].upper() + message[1:]
    certain = job.progress.certain if job else Report(Result.FAILED)
    if certain.result.is_success:
        # The alias has moved, and nothing that happens afterwards undoes that.
        return replace(certain, warnings=(*certain.warnings, f"{message} {error.hint}"))
    return replace(
        certain,
        result=Result.REFUSED if isinstance(error, RefusedError) else Result.FAILED,
        headline=message,
        hint=error.hint,
        title=error.title,
        may_have_moved=certain.may_have_moved or error.may_have_moved,
    )


def _session(environ: Mapping[str, str]) -> "Callable[[], requests.Session]":
    """Return what makes the session, for checks and GitHub. boto3's setting for certificates holds there, too.

    requests reads the variables of proxies, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE itself. The last two come first.
    """

    @cache
    def session() -> "requests.Session":
        from promote.core.http_session import new_session  # noqa: PLC0415 - slow, and wrong inputs do not need it

        made = new_session()
        made.verify = environ.get("AWS_CA_BUNDLE") or True
        return made

    return session


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Let the first SIGINT or SIGTERM interrupt the block. Further ones are ignored, because the run cleans up then.

    As process 1 of a container, Python would ignore SIGTERM. Yield the function that ignores both from then on.
    """
    is_ignoring = False

    def ignore() -> None:
        nonlocal is_ignoring
        is_ignoring = True

    def interrupt(_number: int, _frame: Any) -> None:
        if not is_ignoring:
            ignore()
            raise KeyboardInterrupt

    try:
        before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    except ValueError:  # not the main thread: the caller handles the signals
        yield ignore
        return
    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
