"""The post step: finish releases, release locks and remove endpoints that the job's steps have left."""

import shutil
from collections.abc import Mapping
from typing import TextIO

from promote.aws.errors import to_promote_error
from promote.core.clock import Clock, SystemClock
from promote.core.lock_state import Claim
from promote.core.promotion import ReleaseKey
from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState, LedgerLocation
from promote.github.actions.log import ActionsLog, secrets_of
from promote.pipeline.previews import Previews
from promote.pipeline.resources import Resources, Say
from promote.state.lock import Lock


def post(environ: Mapping[str, str], stream: TextIO, clock: Clock | None = None) -> int:
    """Finish releases, release locks and remove previews that the job's main steps have left. Return 0.

    The exit code is always 0, because the main steps have reported their results already.
    """
    workflow = ActionsLog(environ, stream, secrets_of(environ))
    state = JobState(environ, Context.from_environ(environ), workflow, draw=str)
    _finish_releases(state, environ, clock or SystemClock(), workflow)
    for location, token in list(state.locks.items()):
        name = location.arn.rpartition(":")[2]
        try:
            if _lock_of(location, state, environ, clock or SystemClock(), workflow).clear():
                workflow.info(f"{'lock':<9} released the lock of {name}")
            elif token:
                workflow.warn(_LOST.format(name=name), title="Lock")
            state.forget(location)
        except Exception as error:  # noqa: BLE001 - the other locks must still be released
            problem = to_promote_error(error)
            workflow.warn(
                f"The lock of {name} could not be released: {problem.sentence} It expires with its lease.", title="Lock"
            )
    for location in list(state.previews):
        try:
            if _clear_previews(location, state, environ, clock or SystemClock(), workflow):
                workflow.info(f"{'endpoint':<9} removed the preview endpoints of this job")
            state.remove_preview(location)
        except Exception as error:  # noqa: BLE001 - as above; a later run removes it
            problem = to_promote_error(error)
            workflow.warn(f"A preview endpoint could not be removed: {problem.full_text}", title="Endpoint")
    if state.folder:
        shutil.rmtree(state.folder, ignore_errors=True)
    return 0


def _finish_releases(state: JobState, environ: Mapping[str, str], clock: Clock, workflow: ActionsLog) -> None:
    """Finish the releases that this job has begun."""
    for begun, release in list(state.begun):
        try:
            _finish(begun, release, environ, clock, workflow)
            state.end(begun, release)
        except Exception as error:  # noqa: BLE001 - the next run of any of its functions finishes it
            problem = to_promote_error(error)
            workflow.warn(f"The release could not be finished: {problem.full_text}", title="Release")


def _finish(
    begun: LedgerLocation, release: str, environ: Mapping[str, str], clock: Clock, workflow: ActionsLog
) -> None:
    """Finish a release that this job has begun."""
    say = _logger(workflow)
    protocol = Resources.at(begun, environ, clock, say).releases(say)
    ended = protocol.cancel(ReleaseKey(begun.arn, release))
    if ended:
        workflow.info(f"{'promote':<9} finished the release of {ended.release.names}: {ended.text}")


def _clear_previews(
    location: LedgerLocation, state: JobState, environ: Mapping[str, str], clock: Clock, workflow: ActionsLog
) -> bool:
    """Remove the preview endpoints that this job has made. Return whether there were any."""
    resources = Resources.at(location, environ, clock, _logger(workflow))
    ledger = resources.ledger(location.arn)
    previews = Previews.of(resources, resources.function(location.arn), ledger)
    left = [preview for preview in ledger.read().previews if preview.job == state.job]
    previews.clear(left)
    return bool(left)


def _lock_of(
    location: LedgerLocation, state: JobState, environ: Mapping[str, str], clock: Clock, workflow: ActionsLog
) -> Lock:
    claim = Claim(owner="post", lease=1, job=state.job)
    say = _logger(workflow)
    return Resources.at(location, environ, clock, say).lock(location.arn, claim, say)


def _logger(workflow: ActionsLog) -> Say:
    return lambda subject, text: workflow.info(f"{subject:<9} {text}")


_LOST = (
    "The lock of {name} no longer belongs to this job: its lease expired before the job ended, or it was released by "
    "force. If deployments take long, give the step with command: lock a longer lease."
)
