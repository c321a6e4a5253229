"""``unlock``: release the lock by force. The reason is recorded."""

from promote.aws.dynamodb import TableNotFound, TransactionCancelled
from promote.core.report import Link, Report
from promote.core.run import Result
from promote.pipeline.job import Job
from promote.pipeline.locks import make_lock


def unlock(job: Job) -> Report:
    """Open the lock of any holder. The token grows, so the holder stops before its next change."""
    name, inputs = job.inputs.function_name, job.inputs
    forced = make_lock(job, job.arn, can_be_superseded=False)
    with job.phase("read"):
        try:
            found = forced.inspect()
        except TableNotFound:
            found = None
    if found is None or not found.held_by:
        return Report(Result.UNCHANGED, headline=f"The lock of {name} is free already; nothing was changed.")
    if inputs.dry_run:
        headline = f"Dry run: the lock of {name}, which {found.held_by} holds, would be released by force."
        return Report(Result.PLANNED, headline=headline)
    by = job.context.actor or job.run.url or "a person outside GitHub"
    ledger = job.resources.ledger(job.arn, job.run)
    token, opening = found.token + 1, forced.opening(found, by, inputs.reason)

    try:
        ledger.record_unlock(token, found.held_by, inputs.reason, by, opening)
    except TransactionCancelled:
        # It may be a retry that finds the effect of the first call. The record shows that.
        if not ledger.has_unlocked(token):
            now = forced.inspect().held_by
            since = f"{now} has acquired it" if now else "it was released"
            headline = f"The lock of {name} was not released by force: {since} since this run read it."
            return Report(Result.UNCHANGED, headline=headline)
    return Report(
        Result.UNLOCKED,
        headline=f"The lock of {name} is open. {found.held_by} held it, and stops before its next change.",
        links=(("Was held by", Link(found.held_by, job.context.own_page(found.url))),),
        notes=(f"Reason: {inputs.reason}",),
    )
