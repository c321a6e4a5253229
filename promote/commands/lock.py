"""``lock``: hold the function's lock for the rest of the job, around a deployment by another tool."""

from promote.holding import keep, make_lock, take
from promote.job import Job
from promote.model import Result
from promote.report import Report
from promote.table import Missing


def lock(job: Job) -> Report:
    """Take the lock and keep it; the post step gives it back."""
    name = job.inputs.function_name
    with job.phase("read"):
        wanted = make_lock(job, job.arn, may_give_way=False)
        try:
            # An item that makes no sense is refused before it is touched.
            holder = wanted.look().holder
        except Missing:
            holder = None
    if job.inputs.dry_run:
        now = f"it is held by {holder.describe()}" if holder else "it is free"
        return Report(Result.PLANNED, headline=f"Dry run: a run would take the lock of {name}; {now}.")
    with job.phase("lock"):
        lease = take(job, wanted)
        keep(job, wanted, lease)
    return Report(
        Result.LOCKED,
        headline=f"This job holds the lock of {name} until it ends, or for {job.inputs.lease / 60:.3g} minutes.",
        lock_wait=lease.waited,
    )
