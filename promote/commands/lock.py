"""``lock``: hold the function's lock for the rest of the job, around a deployment by another tool."""

from promote.aws.dynamodb import TableNotFound
from promote.core.lock_state import LockState
from promote.core.report import Report
from promote.core.run import Result
from promote.pipeline.job import Job
from promote.pipeline.latest import require_known, require_published
from promote.pipeline.locks import acquire_lock, keep, make_lock


def lock(job: Job) -> Report:
    """Acquire the lock and keep it. The post step releases it.

    Raises:
        RefusedError: An alias follows $LATEST, which the other tool is about to change.

    """
    name = job.inputs.function_name
    with job.phase("read"):
        _require_published(job)
        wanted = make_lock(job, job.arn, can_be_superseded=False)
        try:
            # An unreadable item is refused before it is changed.
            entry = wanted.read()
        except TableNotFound:
            entry = LockState()
    holder = entry.holder
    if job.inputs.dry_run:
        now = f"it is held by {holder.describe()}" if holder else "it is free"
        return Report(Result.PLANNED, headline=f"Dry run: a run would acquire the lock of {name}; {now}.")
    with job.phase("lock"):
        lease = acquire_lock(job, wanted)
        if not lease.kept_by and (holder or lease.token != entry.token + 1):
            # Other runs have held the lock since, so an alias may follow $LATEST now.
            try:
                _require_published(job)
            except Exception:
                wanted.abandon()
                job.state.forget(job.location(job.arn))
                raise
        keep(job, wanted, lease)
    return Report(
        Result.LOCKED,
        headline=f"This job holds the lock of {name} until it ends, or for {job.inputs.lease / 60:.3g} minutes.",
        lock_wait=lease.waited,
    )


def _require_published(job: Job) -> None:
    inputs = job.inputs
    aliases = job.function.aliases()
    if aliases is not None:
        require_known(inputs.function_name, aliases, inputs.latest_aliases)
        require_published(inputs.function_name, aliases, inputs.latest_aliases)
