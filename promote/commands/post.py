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
from promote.github.actions.log import SECRETS, ActionsLog
from promote.pipeline.previews import Previews
from promote.pipeline.resources import Resources, Say
from promote.state.lock import Lock


def post(environ: Mapping[str, str], stream: TextIO, clock: Clock | None = None) -> int:
    """Finish what the job's main steps have left of a release, and give back locks; the exit code is always 0.

    What the steps did has been told by them: nothing that goes wrong here changes how the job has ended.
    """
    workflow = ActionsLog(environ, stream, [environ.get(name, "") for name in SECRETS])
    steps = JobState(environ, Context.from_environ(environ), workflow, draw=str)
    _finish_releases(steps, environ, clock or SystemClock(), workflow)
    for held, token in list(steps.held.items()):
        name = held.arn.rpartition(":")[2]
        try:
            if _lock_of(held, steps, environ, clock or SystemClock(), workflow).clear():
                workflow.info(f"{'lock':<9} gave back the lock of {name}")
            elif token:
                workflow.warn(_LOST.format(name=name), title="Lock")
            steps.forget(held)
        except Exception as error:  # noqa: BLE001 - one lock that cannot be given back does not hold up the others
            problem = to_promote_error(error)
            workflow.warn(
                f"The lock of {name} could not be given back: {problem} It ends with its lease.", title="Lock"
            )
    for location in list(steps.previews):
        try:
            if _clear_previews(location, steps, environ, clock or SystemClock()):
                workflow.info(f"{'endpoint':<9} removed what was made for one version alone")
            steps.remove_preview(location)
        except Exception as error:  # noqa: BLE001 - as above; any later run removes it
            problem = to_promote_error(error)
            workflow.warn(f"An endpoint for one version alone could not be removed: {problem}", title="Endpoint")
    if steps.folder:
        shutil.rmtree(steps.folder, ignore_errors=True)
    return 0


def _finish_releases(steps: JobState, environ: Mapping[str, str], clock: Clock, workflow: ActionsLog) -> None:
    """Finish the releases of several functions that this job has begun."""
    for begun, release in list(steps.begun):
        try:
            _finish(begun, release, environ, clock, workflow)
            steps.end(begun, release)
        except Exception as error:  # noqa: BLE001 - the next run of any of its functions finishes it
            problem = to_promote_error(error)
            workflow.warn(f"The release could not be finished: {problem} {problem.hint}", title="Release")


def _finish(
    begun: LedgerLocation, release: str, environ: Mapping[str, str], clock: Clock, workflow: ActionsLog
) -> None:
    """Finish a release of several functions that this job has begun."""
    protocol = Resources.at(begun, environ, clock).releases(_saying(workflow))
    ended = protocol.finish(ReleaseKey(begun.arn, release))
    if ended:
        workflow.info(f"{'promote':<9} finished the release of {ended.names}: {ended.meaning}")


def _clear_previews(location: LedgerLocation, steps: JobState, environ: Mapping[str, str], clock: Clock) -> bool:
    """Remove the endpoints that this job has made for single candidates; False: there are none."""
    resources = Resources.at(location, environ, clock)
    ledger = resources.ledger(location.arn)
    previews = Previews.of(resources.clients, resources.function(location.arn), ledger, clock)
    left = [preview for preview in ledger.read().previews if preview.job == steps.job]
    previews.clear(left)
    return bool(left)


def _lock_of(
    held: LedgerLocation, steps: JobState, environ: Mapping[str, str], clock: Clock, workflow: ActionsLog
) -> Lock:
    claim = Claim(owner="post", lease=1, job=steps.job)
    return Resources.at(held, environ, clock).lock(held.arn, claim, _saying(workflow))


def _saying(workflow: ActionsLog) -> Say:
    return lambda subject, text: workflow.info(f"{subject:<9} {text}")


_LOST = (
    "The lock of {name} is not this job's any more: its lease was over before the job was, or somebody has opened it "
    "by force. Where a deployment takes long, give the step with command: lock a longer lease."
)
