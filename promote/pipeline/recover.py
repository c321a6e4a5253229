"""Finish the releases that a dead run has left."""

from dataclasses import replace

from promote.aws.errors import to_promote_error
from promote.core.errors import AccessError
from promote.core.promotion import ReleaseKey
from promote.pipeline.job import Job
from promote.pipeline.release import ReleaseProtocol
from promote.pipeline.target import Target
from promote.state.releases import Release, Undo


def finish_release(target: Target) -> Target:
    """Bring the unfinished release that the function is part of to its end, and read ledger and alias again.

    Safe without the lock, and also while others do the same.

    Raises:
        PromoteError: It could not be brought to its end now.

    """
    return undo_release(target, None)[0]


def undo_release(target: Target, undo: Undo | None) -> tuple[Target, Release | None]:
    """Do the same, and return how the release has ended; with ``undo``, it is rolled back unless all has moved."""
    state = target.ledger.read()
    pending, release = state.served(target.environment).pending, None
    if pending is not None:
        release = finish(target.job, pending, undo)
        state = target.ledger.read()
    return replace(target, state=state).seeing(target.function.alias(target.environment)), release


def finish(job: Job, pending: ReleaseKey, undo: Undo | None = None) -> Release:
    """Bring an unfinished release to its end, and return it; errors as of ``finish_release``.

    With ``undo``, it is rolled back unless all its aliases have moved.
    """
    protocol = release_protocol(job)
    try:
        release = protocol.records.read(pending)
    except Exception as error:
        problem = to_promote_error(error)
        if not isinstance(problem, AccessError):
            raise
        # The release is recorded with its first function, which the role of another one need not have access to.
        raise problem.reworded(
            f"the unfinished release {pending.identity} cannot be read: {problem}",
            hint="Run a job of all functions of this release, whose role may read and write the records of all of "
            f"them. The first of them is {pending.pk}. {problem.hint}",
        ) from error
    ended = protocol.resume(release, undo=undo)
    if not ended.release.stage.is_final and ended.problem:
        raise ended.problem
    run_id, meaning = ended.release.run_id, ended.release.meaning
    job.say("recover", f"finished the release of {ended.release.names} that run {run_id} had begun: {meaning}")
    return ended.release


def release_protocol(job: Job) -> ReleaseProtocol:
    """Make what carries out releases, for this job."""
    return ReleaseProtocol.of(job.clients, job.table, job.clock, job.say)
