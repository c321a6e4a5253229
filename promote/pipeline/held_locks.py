"""Hold the locks of a run's functions, and read again what other runs may have changed during the wait."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from promote.core.concurrency import run_both
from promote.core.errors import ConflictError
from promote.pipeline.job import Job
from promote.pipeline.locks import HeldLock, acquire_locks, hold, make_lock, release_locks
from promote.pipeline.prepare import find_alias, read_function, require_fit, require_movable
from promote.pipeline.recover import finish_release
from promote.pipeline.target import Target
from promote.state.lock import Lease, Lock

Held = Sequence[tuple[Target, HeldLock]]


@contextmanager
def hold_locks(
    job: Job, targets: Sequence[Target], locks: Callable[[Target], Lock | None] = lambda _: None, ends: str = ""
) -> Iterator[Held]:
    """Hold the locks of all functions for the block. If all are free, they are acquired in one call.

    Otherwise every run acquires them in the same order, so that no two runs wait for each other. If one cannot be
    acquired, those before it are released. The errors are those of ``promote.pipeline.locks.acquire_lock``. A run that
    loses one lock may change no function: a run that finds it dead at one lock does not wait at the next.
    """
    held: dict[str, tuple[Target, HeldLock]] = {}
    deadline = job.clock.monotonic() + job.inputs.lock_timeout
    in_order = sorted(targets, key=lambda target: target.ledger.arn)
    wanted = [(locks(target) or target.lock, target.state.lock) for target in in_order]
    # A dead run may hold several of these locks. If it is found dead at one, it need not be observed at the next.
    found_dead: set[str] = set()
    with ExitStack() as stack:
        with job.phase("lock"):
            taken = acquire_locks(job, wanted) if len(wanted) > 1 else {}
            # If the block is not reached, nothing else releases these locks.
            stack.callback(_release_unused, [lock for lock, _ in wanted if taken], held)
            for target, (lock, _) in zip(in_order, wanted, strict=True):
                lock.found_dead = found_dead
                left = max(0.0, deadline - job.clock.monotonic())
                other = lock if lock is not target.lock else None
                held[lock.arn] = stack.enter_context(_hold_lock(target, other, ends, left, taken.get(lock.arn)))

        def require() -> None:
            for _, one in held.values():
                one.heartbeat.require()

        yield [_guarded(*held[target.ledger.arn], require) for target in targets]
        release_locks(job, [held_lock for _, held_lock in held.values()])


def plain_lock(target: Target) -> Lock:
    """Return the lock of a run that deploys nothing, or has deployed already: no newer run supersedes it."""
    return make_lock(target.job, target.ledger.arn, can_be_superseded=False)


def _release_unused(taken: Sequence[Lock], held: Mapping[str, object]) -> None:
    for lock in taken:
        if lock.arn not in held:
            lock.abandon()


def _guarded(target: Target, held: HeldLock, require: Callable[[], None]) -> tuple[Target, HeldLock]:
    return replace(target, function=target.function.guarded(require)), held


@contextmanager
def _hold_lock(
    target: Target,
    lock: Lock | None = None,
    ends: str = "",
    timeout: float | None = None,
    lease: Lease | None = None,
) -> Iterator[tuple[Target, HeldLock]]:
    """Hold the lock for the block, and yield the target as it is then.

    ``lock`` is the lock with the claim of a run that deploys nothing, or has deployed already. ``ends``, ``timeout``
    and ``lease`` are as for ``hold``. The errors are those of ``promote.pipeline.locks.acquire_lock``.
    """
    job = target.job
    with hold(job, lock or target.lock, ends, timeout, lease) as held:
        is_first = target.state.lock.holder is None and held.lease.token == target.state.lock.token + 1
        if not (is_first and target.has_current_alias) and not held.lease.kept_by:
            # Another run held the lock while this run read the function, or afterwards.
            target = _read_again(target, is_deployed=lock is not None)
        yield finish_release(target) if target.served.pending else target, held


def _read_again(target: Target, *, is_deployed: bool) -> Target:
    """Return the target as it is now, after other runs have held the lock.

    Raises:
        ConflictError: The function was deleted, or the code to adopt was replaced.

    """
    (latest, aliases), state = run_both(lambda: read_function(target.job, target.function), target.ledger.read)
    name = target.function.name
    if latest is None and not target.creation:
        raise ConflictError(
            f"the function {name} was deleted externally while this run waited for the lock",
            hint="Find out what deleted it. Then run the job again.",
        )
    target = target.reading(state).seeing(find_alias(aliases, target.environment))
    if is_deployed:
        return replace(target, latest=latest)
    require_movable(target.job, aliases)
    if target.code is None and target.latest and latest and latest.code_sha256 != target.latest.code_sha256:
        raise ConflictError(
            f"the code in $LATEST of {name}, which was to be adopted, was replaced while this run waited for the lock",
            hint="Let the action deploy the code itself (artifact), or deploy it again and run the job again.",
        )
    if latest is not None:
        require_fit(target.code, latest.configuration, target.job.inputs.configuration)
    return replace(target, latest=latest)
