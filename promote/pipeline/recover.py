"""Finish releases that an earlier run left unfinished."""

from promote.aws.errors import to_promote_error
from promote.core.errors import AccessError, ConflictError
from promote.core.promotion import ReleaseKey
from promote.core.recovery import Intent
from promote.core.release import Release, Undo
from promote.pipeline.job import Job
from promote.pipeline.target import Target


def finish_release(target: Target) -> Target:
    """Finish the unfinished release that the function is part of, and read the ledger and the alias again.

    This is safe without the lock, and while other runs do the same.

    Raises:
        PromoteError: The release cannot be finished now, or its record is not of this function.

    """
    return _end(target, None)[0]


def undo_release(target: Target) -> tuple[Target, Release | None]:
    """Finish the release for ``command: rollback``, and return it too; None if there was none.

    It is rolled back unless all its aliases have moved, and its record names the user. The errors are those of
    ``finish_release``.
    """
    job = target.job
    return _end(target, Undo(job.clock.now().isoformat(timespec="seconds"), job.inputs.reason, job.context.actor))


def _end(target: Target, undo: Undo | None) -> tuple[Target, Release | None]:
    state = target.ledger.read()
    pending, release = state.served(target.environment).pending, None
    if pending is not None:
        release = finish(target.job, pending, undo)
        state = target.ledger.read()
        if state.served(target.environment).pending == pending:
            raise ConflictError(
                f"the record of {target.job.place} marks release {pending.identity} as "
                "unfinished, but that release has ended, or is not of this function: a record was changed externally",
                hint=f"Find out what else writes to the table. Then remove the attribute pending from the item "
                f"environment#{target.environment} of {target.ledger.arn}.",
            )
    return target.reading(state).seeing_now(), release


def finish(job: Job, pending: ReleaseKey, undo: Undo | None = None) -> Release:
    """Finish an unfinished release, and return it. Raise the errors of ``finish_release``.

    With ``undo``, it is rolled back unless all its aliases have moved.
    """
    protocol = job.resources.releases(job.say)
    try:
        release = protocol.records.read(pending)
    except Exception as error:
        problem = to_promote_error(error)
        if not isinstance(problem, AccessError):
            raise
        # The record is in the partition of the release's first function. The role may have no access to it.
        raise problem.reworded(
            f"the unfinished release {pending.identity} cannot be read: {problem}",
            hint="Run a job for all functions of this release, with a role that may read and write the records of "
            f"each. The record of the release is with {pending.pk}. {problem.hint}",
        ) from error
    ended = protocol.resume(release, Intent(undo=undo))
    if ended.problem and ended.is_unrecorded:
        raise ended.problem
    names, run_id = ended.release.names, ended.release.run_id
    job.say("recover", f"finished the release of {names} that run {run_id} began: {ended.text}")
    return ended.release
