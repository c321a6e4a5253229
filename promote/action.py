"""The action's main and post step: environ in, exit code out; the one error boundary."""

import secrets
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TextIO

from promote import checkout, manifest
from promote.aws import Clients, understood
from promote.clock import Clock, SystemClock
from promote.commands import carry_out
from promote.context import Context
from promote.errors import InputError, Interrupted, PromoteError, RefusedError
from promote.function import Function
from promote.job import Job
from promote.ledger import Ledger
from promote.line import Claim
from promote.lock import Lock
from promote.model import ReleaseKey, Result, Run
from promote.report import Report
from promote.reviewed import require_reviewed
from promote.saga import Saga
from promote.steps import Place, Steps
from promote.table import Table
from promote.trial import Trials
from promote.workflow import Workflow

if TYPE_CHECKING:
    import requests


def main(environ: Mapping[str, str], stream: TextIO, clock: Clock | None = None) -> int:
    """Run the action as the runner starts it; give the exit code, 0 or 1."""
    workflow = Workflow(environ, stream, [environ.get(name, "") for name in _SECRETS])
    jobs: list[Job] = []
    context = Context.from_environ(environ)
    with _interruptible() as ignore:
        try:
            try:
                # The entry point has kept them waiting.
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
                report = _run(environ, context, workflow, clock or SystemClock(), jobs)
            except Exception as error:  # noqa: BLE001 - the boundary: whatever it is becomes one annotation
                if environ.get("RUNNER_DEBUG") == "1":
                    for line in traceback.format_exc().splitlines():
                        workflow.say(line)
                report = _ended(understood(error), jobs)
            ignore()
        except KeyboardInterrupt:
            report = _ended(_INTERRUPTED, jobs)
        return _tell(report, workflow, jobs[0].context if jobs else context, jobs[0] if jobs else None)


def post(environ: Mapping[str, str], stream: TextIO, clock: Clock | None = None) -> int:
    """Finish what the job's main steps have left of a release, and give back locks; the exit code is always 0.

    What the steps did has been told by them: nothing that goes wrong here changes how the job has ended.
    """
    workflow = Workflow(environ, stream, [environ.get(name, "") for name in _SECRETS])
    steps = Steps(environ, Context.from_environ(environ), workflow, draw=str)
    _finish_releases(steps, environ, clock or SystemClock(), workflow)
    for held, token in list(steps.held.items()):
        name = held.arn.rpartition(":")[2]
        try:
            if _lock_of(held, steps, environ, clock or SystemClock(), workflow).clear():
                workflow.say(f"{'lock':<9} gave back the lock of {name}")
            elif token:
                workflow.warn(_LOST.format(name=name), title="Lock")
            steps.forget(held)
        except Exception as error:  # noqa: BLE001 - one lock that cannot be given back does not hold up the others
            problem = understood(error)
            workflow.warn(
                f"The lock of {name} could not be given back: {problem} It ends with its lease.", title="Lock"
            )
    for lent in list(steps.lent):
        try:
            if _clear_trials(lent, steps, environ, clock or SystemClock()):
                workflow.say(f"{'endpoint':<9} removed what was made for one version alone")
            steps.take_back(lent)
        except Exception as error:  # noqa: BLE001 - as above; any later run removes it
            problem = understood(error)
            workflow.warn(f"An endpoint for one version alone could not be removed: {problem}", title="Endpoint")
    if steps.folder:
        shutil.rmtree(steps.folder, ignore_errors=True)
    return 0


def _finish_releases(steps: Steps, environ: Mapping[str, str], clock: Clock, workflow: Workflow) -> None:
    """Finish the releases of several functions that this job has begun."""
    for begun, release in list(steps.begun):
        try:
            _finish(begun, release, environ, clock, workflow)
            steps.end(begun, release)
        except Exception as error:  # noqa: BLE001 - the next run of any of its functions finishes it
            problem = understood(error)
            workflow.warn(f"The release could not be finished: {problem} {problem.hint}", title="Release")


def _finish(begun: Place, release: str, environ: Mapping[str, str], clock: Clock, workflow: Workflow) -> None:
    """Finish a release of several functions that this job has begun."""
    clients = Clients(begun.region, environ, clock=clock)
    table = Table(lambda: clients.table, begun.table, clock)
    saga = Saga.of(clients, table, clock, lambda subject, text: workflow.say(f"{subject:<9} {text}"))
    ended = saga.finish(ReleaseKey(begun.arn, release))
    if ended:
        workflow.say(f"{'promote':<9} finished the release of {ended.names}: {ended.stage.meaning}")


def _clear_trials(lent: Place, steps: Steps, environ: Mapping[str, str], clock: Clock) -> bool:
    """Remove the endpoints that this job has made for single candidates; False: there are none."""
    clients = Clients(lent.region, environ, clock=clock)
    ledger = Ledger(Table(lambda: clients.table, lent.table, clock), lent.arn, Run("", 0, 1, "", ""), clock)
    function = Function(lambda: clients.function, lent.arn.rpartition(":")[2], lent.arn, clock)
    trials = Trials.of(clients, function, ledger, clock)
    left = [trial for trial in ledger.read().trials if trial.job == steps.job]
    trials.clear(left)
    return bool(left)


def _lock_of(held: Place, steps: Steps, environ: Mapping[str, str], clock: Clock, workflow: Workflow) -> Lock:
    clients = Clients(held.region, environ, clock=clock)
    table = Table(lambda: clients.table, held.table, clock)
    claim = Claim(owner="post", lease=1, job=steps.job)
    return Lock(table, held.arn, claim, clock, lambda subject, text: workflow.say(f"{subject:<9} {text}"))


_LOST = (
    "The lock of {name} is not this job's any more: its lease was over before the job was, or somebody has opened it "
    "by force. Where a deployment takes long, give the step with command: lock a longer lease."
)


def _run(environ: Mapping[str, str], context: Context, workflow: Workflow, clock: Clock, jobs: list[Job]) -> Report:
    """Bring the job together, leave it in ``jobs`` for those who tell of it, and carry out its command."""
    inputs = manifest.read(environ, context.workspace)
    require_reviewed(inputs, environ)
    sha, context = context.commit, checkout.settle(inputs, context)
    if text := checkout.warning(context, sha):
        workflow.warn(text, title="Commit")
    run = Run(context.commit, context.run_id, context.attempt, context.run_url, secrets.token_hex(6))
    session = _session()
    folder = context.temporary if context.temporary.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="promote-", dir=folder, ignore_cleanup_errors=True) as temporary:
        job = Job(
            inputs=inputs,
            context=context,
            run=run,
            workflow=workflow,
            clock=clock,
            clients=Clients(inputs.region, environ, inputs.verify_timeout, clock),
            session=session,
            chance=Random().random,  # noqa: S311 - when to look again, not a secret
            environ=environ,
            steps=Steps(environ, context, workflow, draw=lambda: secrets.token_hex(16)),
            temporary=Path(temporary),
            idle=_loading(workflow, session),
        )
        jobs.append(job)
        target = f" → {inputs.environment}" if inputs.environment else ""
        job.say(inputs.command.value, f"{inputs.names}{target}")
        return carry_out(job)


def _loading(workflow: Workflow, session: Callable[[], object]) -> Callable[[], None]:
    """Give what loads, at each call, a piece more of what a run needs later: there is time while others work.

    That a piece cannot be loaded is told where it is needed.
    """

    def checks_and_summary() -> None:
        from promote.report.summary import template  # noqa: PLC0415 - now is the time

        session()
        template(workflow.redact)

    def notes() -> None:
        from promote import announce  # noqa: F401, PLC0415 - now is the time
        from promote.notes import render  # noqa: PLC0415 - the same

        render.prepare()

    pieces = iter((checks_and_summary, notes))

    def load() -> None:
        with suppress(Exception):
            next(pieces, lambda: None)()

    return load


def _tell(report: Report, workflow: Workflow, context: Context, job: Job | None) -> int:
    """Put the report where people and later steps find it."""
    workflow.close_group()  # of a command that was cancelled
    try:
        from promote.report.summary import render  # noqa: PLC0415 - loaded while others worked

        for name, value in report.outputs().items():
            workflow.output(name, value)
        workflow.summary(render(report, context, job, workflow.redact))
    except Exception as error:  # noqa: BLE001 - what has happened has happened, whether or not it can be told there
        workflow.warn(f"Outputs or summary could not be written: {error}", title="Summary and outputs")
    for note in report.notes:
        workflow.say(f"{'note':<9} {note}")
    for warning in report.warnings:
        workflow.warn(warning, title="promote-on-success")
    for name, part in report.parts or (("", report),):
        for endpoint in (part.latest, part.environment):
            if endpoint:
                workflow.say(f"{endpoint.qualifier:<9} {name}{': ' if name else ''}{endpoint.url}")
    if report.result.is_success:
        workflow.say(f"{report.result.value:<9} {report.headline}")
        return 0
    workflow.error("\n".join([report.headline, *report.failures, report.hint]), title=report.title)
    return 1


_SECRETS = ("INPUT_GITHUB-TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "ACTIONS_RUNTIME_TOKEN")
"""Variables whose values must not leave this process."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

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
    result = Result.REFUSED if isinstance(error, RefusedError) else Result.FAILED
    return replace(
        certain,
        result=result,
        headline=message,
        hint=error.hint,
        title=error.title,
        may_have_moved=certain.may_have_moved or error.may_have_moved,
    )


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
def _interruptible() -> Iterator[Callable[[], None]]:
    """Let the first SIGINT or SIGTERM interrupt the block, and none thereafter: by then the run is tidying up.

    As process 1 of a container, Python would ignore SIGTERM. Gives what makes the block deaf to both.
    """
    is_deaf = False

    def ignore() -> None:
        nonlocal is_deaf
        is_deaf = True

    def interrupt(_number: int, _frame: Any) -> None:
        if not is_deaf:
            ignore()
            raise KeyboardInterrupt

    try:
        before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    except ValueError:  # not the main thread: whoever runs us there minds the signals
        yield ignore
        return
    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
