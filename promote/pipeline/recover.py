"""Finish the releases that a dead run has left."""

from dataclasses import replace

from promote.aws.errors import to_promote_error
from promote.core.errors import AccessError
from promote.core.promotion import ReleaseKey
from promote.pipeline.job import Job
from promote.pipeline.release import ReleaseProtocol
from promote.pipeline.target import Target


def finish_release(target: Target) -> Target:
    """Bring the unfinished release that the function is part of to its end, and read ledger and alias again.

    Safe without the lock, and also while others do the same.

    Raises:
        PromoteError: it could not be brought to its end now.

    """
    state = target.ledger.read()
    pending = state.served(target.environment).pending
    if pending is not None:
        finish(target.job, pending)
        state = target.ledger.read()
    return replace(target, state=state).seeing(target.function.alias(target.environment))


def finish(job: Job, pending: ReleaseKey) -> None:
    """Bring an unfinished release to its end; errors as of ``finish_release``."""
    protocol = release_protocol(job)
    try:
        release = protocol.read(pending)
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
    ended = protocol.resume(release)
    if not ended.release.stage.is_final and ended.problem:
        raise ended.problem
    run_id, meaning = ended.release.run_id, ended.release.meaning
    job.say("recover", f"finished the release of {ended.release.names} that run {run_id} had begun: {meaning}")


def release_protocol(job: Job) -> ReleaseProtocol:
    """Make what carries out releases, for this job."""
    return ReleaseProtocol.of(job.clients, job.table, job.clock, job.say)
