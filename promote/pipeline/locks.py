"""Acquire a lock, renew its lease during the work, and release it however the work ends."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from promote.core.concurrency import AFTER_INTERRUPT, with_timeout
from promote.core.errors import LockError
from promote.core.lock_state import LEASE, Claim, LockState, Queue
from promote.inputs.usage import Command
from promote.pipeline.job import Job
from promote.state.heartbeat import Heartbeat
from promote.state.lock import Lease, Lock
from promote.state.lock_queue import Superseded, acquire, acquire_together

_PATIENCE = 30.0
"""Seconds for the release of the lock, if the run was not interrupted."""


@dataclass
class HeldLock:
    """A lock that this run holds."""

    lock: Lock
    lease: Lease
    heartbeat: Heartbeat
    kept_for_job: bool
    """Whether it stays held for the job's further steps."""
    is_released: bool = False
    """Whether a transaction has released it already."""


def make_lock(job: Job, arn: str, *, can_be_superseded: bool) -> Lock:
    """Return the lock of the function ``arn``, with this job's claim.

    With ``can_be_superseded``, a newer run of the same command and branch supersedes this one while it waits.
    """
    inputs, context, run = job.inputs, job.context, job.run
    has_order = can_be_superseded and context.repository and context.ref and run.run_id
    what = (context.repository, context.ref, inputs.command, inputs.environment, job.application)
    claim = Claim(
        owner=f"{run.run_id}/{run.attempt}/{run.operation}",
        lease=min(inputs.lease, LEASE) if inputs.command in (Command.LOCK, Command.DEPLOY) else inputs.lease,
        run_id=run.run_id,
        attempt=run.attempt,
        group=" ".join(filter(None, what)) if has_order else "",
        queue=inputs.queue if can_be_superseded else Queue.FIFO,
        url=run.url,
        job=job.state.job,
    )
    return job.resources.lock(arn, claim, job.say)


def acquire_lock(job: Job, lock: Lock, timeout: float | None = None) -> Lease:
    """Wait for the lock and acquire it. If an earlier step of the job keeps it, reenter it.

    ``timeout`` is in seconds. If it is None, the inputs decide.

    Raises:
        LockError: The lock was not free in time, or cannot be read.
        Superseded: A newer run supersedes this one.

    """
    # Saved before the acquisition, so that the post step can release the lock if the run is killed in between.
    kept = job.state.locks.get(job.location(lock.arn))
    job.state.remember(job.location(lock.arn))
    try:
        limit = job.inputs.lock_timeout
        lease = acquire(lock, limit if timeout is None else timeout, job.chance, limit)
    except (LockError, Superseded):
        if kept is None:
            job.state.forget(job.location(lock.arn))
        raise
    _report(job, lock, lease, kept)
    return lease


def acquire_locks(job: Job, wanted: Sequence[tuple[Lock, LockState]]) -> Mapping[str, Lease]:
    """Acquire the locks of several functions in one call. If one is no longer as it was read, acquire none.

    Return the leases by ARN; empty if none was acquired. No heartbeat renews them yet.
    """
    kept = [job.state.locks.get(job.location(lock.arn)) for lock, _ in wanted]
    for lock, _ in wanted:
        job.state.remember(job.location(lock.arn))
    leases = acquire_together(wanted, job.table)
    if not leases:
        for (lock, _), token in zip(wanted, kept, strict=True):
            if token is None:
                job.state.forget(job.location(lock.arn))
        return {}
    found = {lock: lease for (lock, _), lease in zip(wanted, leases, strict=True)}
    for (lock, lease), token in zip(found.items(), kept, strict=True):
        _report(job, lock, lease, token)
    return {lock.arn: lease for lock, lease in found.items()}


def release_locks(job: Job, held_locks: Sequence[HeldLock]) -> None:
    """Release the locks in one call. If that fails, each is released when its block ends."""
    ours = [held_lock for held_lock in held_locks if not (held_lock.kept_for_job or held_lock.is_released)]
    if len(ours) > 1:
        for held_lock in ours:
            held_lock.heartbeat.stop()
        with suppress(Exception):
            parts = [held_lock.lock.release_update(held_lock.lease) for held_lock in ours]
            with_timeout(_PATIENCE, lambda: job.table.transact(parts))
            for held_lock in ours:
                held_lock.is_released = True


def _report(job: Job, lock: Lock, lease: Lease, kept: int | None) -> None:
    """Log the acquisition. Warn if an earlier step had acquired the lock, with the token ``kept``, and lost it."""
    if kept and kept != lease.token:
        job.workflow.warn(
            f"An earlier step of this job acquired the lock (token {kept}) and lost it: its lease expired, or it was "
            "released by force. Give that step a longer lease.",
            title="Lock",
        )
    how = ", acquired by an earlier step" if lease.kept_by else ""
    after = f", after {lease.waited:.0f} s" if lease.waited >= 1 else ""
    lock.say("lock", f"held, token {lease.token}{how}{after}")


@contextmanager
def hold(
    job: Job, lock: Lock, ends: str = "", timeout: float | None = None, lease: Lease | None = None
) -> Iterator[HeldLock]:
    """Hold the lock for the block. With a ``lease``, it was acquired already.

    ``timeout`` and the errors are those of ``acquire_lock``. A lock that an earlier step keeps stays with the job,
    unless it was kept by the command ``ends``.
    """
    lease = lease or acquire_lock(job, lock, timeout)
    held_lock = HeldLock(lock, lease, _heartbeat(job, lock, lease), kept_for_job=lease.kept_by not in ("", ends))
    held_lock.heartbeat.start()
    patience = _PATIENCE
    try:
        yield held_lock
    except KeyboardInterrupt:
        patience = AFTER_INTERRUPT
        raise
    finally:
        held_lock.heartbeat.stop()
        if not held_lock.kept_for_job:
            _release(job, held_lock, patience)


def keep(job: Job, lock: Lock, lease: Lease) -> None:
    """Keep the lock for the job's further steps, for the duration of the input ``lease``.

    Raises:
        LockError: The lock was released by force before.

    """
    if not lock.is_ours(lock.keep(lease, job.inputs.command.value, job.inputs.lease)):
        raise LockError("the lock was released by force before it could be kept for the job", hint="Run the job again.")
    job.state.remember(job.location(lock.arn), lease.token)


def _release(job: Job, held_lock: HeldLock, patience: float) -> None:
    lock, lease = held_lock.lock, held_lock.lease
    try:
        if not held_lock.is_released:
            try:
                state = with_timeout(patience, lambda: lock.release(lease))
            except KeyboardInterrupt:
                with_timeout(AFTER_INTERRUPT, lambda: lock.release(lease))
                job.state.forget(job.location(lock.arn))
                raise
            if state.queue:
                job.say("lock", f"released; next is {state.queue[0].describe()}")
    except Exception as error:  # noqa: BLE001 - the run has its result, and the lease expires
        job.workflow.warn(
            f"The lock could not be released: {str(error) or 'no response'}. The post step tries again. If that fails, "
            f"the lock expires in {lease.seconds:.0f} seconds.",
            title="Lock",
        )
    else:
        job.state.forget(job.location(lock.arn))


def _heartbeat(job: Job, lock: Lock, lease: Lease) -> Heartbeat:
    """Return the heartbeat that renews the lease."""
    table = job.resources.heartbeat_table(lease.seconds)
    return Heartbeat(lambda: lock.renew(lease, table, _phase(job)), lease.seconds, lease.asked, job.clock)


def _phase(job: Job) -> str:
    return job.progress.current or "start"
