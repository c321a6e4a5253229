"""The acquisition of the lock: at once if it is free, otherwise through the queue.

A waiting run reads the lock, renews its ticket, and acquires the lock when all runs before it have left or died. A run
is dead if its beat has not changed for its lease duration, on the clock of the waiting run. Clocks are never compared.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from promote.aws.dynamodb import Table, TableNotFound, TransactionCancelled
from promote.core.concurrency import map_concurrently, with_timeout
from promote.core.errors import LockError
from promote.core.lock_state import LONGEST_LEASE, RENEWALS, Claim, Liveness, LockState
from promote.state.lock import LONGEST_QUEUE, Lease, Lock, possibly_held
from promote.state.polling import Pace

_REPORT_EVERY, _REPORT_CHANGES = 60.0, 5.0
"""Seconds between lines in the log: while nothing changes, and if something changes."""
_TIDYING = 4.0
"""Seconds for the cleanup after a failed acquisition."""


class Superseded(Exception):  # noqa: N818 - a result, not a failure
    """The run is superseded by ``by``, a newer run of the same branch, which waits for the lock or has it."""

    def __init__(self, by: Claim) -> None:
        super().__init__(by.describe())
        self.by = by


def acquire(lock: Lock, timeout: float, chance: Callable[[], float], limit: float | None = None) -> Lease:
    """Acquire the lock within ``timeout`` seconds, or take it over if an earlier step of the job keeps it.

    If the run waits for several locks, ``limit`` is the time for all of them, which the error names.

    Raises:
        LockError: The lock was not free in time, or its item is not valid.
        Superseded: A newer run of the same branch supersedes this one.

    """
    clock = lock.clock
    started = clock.monotonic()
    kept_by = ""
    try:
        state = lock.try_acquire()
        if lock.is_kept_for_us(state) and not lock.is_ours(state):
            state = lock.reenter(state)
            kept_by = state.kept_by if lock.is_ours(state) else ""
        if not lock.is_ours(state):
            state = _Waiter(lock, started, timeout, Pace(chance), timeout if limit is None else limit).wait(state)
    except BaseException:
        # The lock or a ticket may be ours although no response has confirmed it.
        with suppress(Exception):
            with_timeout(_TIDYING, lock.abandon)
        raise
    assert state.holder is not None  # noqa: S101 - it is ours
    waited = clock.monotonic() - started
    return Lease(lock.claim.owner, state.token, state.holder.lease, lock.asked, waited, kept_by)


def acquire_together(wanted: Sequence[tuple[Lock, LockState]], table: Table) -> list[Lease]:
    """Acquire all locks of ``table`` in one call. Return an empty list, and acquire none, if one of them is not free.

    A run that has to wait acquires them one by one instead, in an order that is the same for all runs.
    """
    if any(state.holder or state.tickets for _, state in wanted):
        return []
    first, _ = wanted[0]
    started = first.clock.monotonic()
    try:
        with possibly_held([lock for lock, _ in wanted]) as what:
            table.transact([lock.acquire_update(state) for lock, state in wanted], what=what, sent=first.note_sent)
    except (TransactionCancelled, TableNotFound):
        return []
    except BaseException:
        # They may be ours although no response has confirmed it.
        with suppress(Exception):
            with_timeout(_TIDYING, lambda: map_concurrently([lock.abandon for lock, _ in wanted], len(wanted)))
        raise
    waited = first.clock.monotonic() - started
    return [
        # The locks were waited for once, and not once for each.
        Lease(lock.claim.owner, state.token + 1, lock.claim.lease, first.asked, 0 if number else waited)
        for number, (lock, state) in enumerate(wanted)
    ]


class _Waiter:
    """A run that waits in the queue."""

    def __init__(self, lock: Lock, started: float, timeout: float, pace: Pace, limit: float) -> None:
        self._lock = lock
        self._claim = lock.claim
        self._clock = lock.clock
        self._started = started
        self._limit = limit
        self._deadline = started + timeout
        self._pace = pace
        self._liveness = Liveness()
        self._first_since: float | None = None
        self._reported: tuple[str, float] = ("", float("-inf"))

    def wait(self, state: LockState) -> LockState:
        """Wait until we acquire the lock, and return its state."""
        lock, clock = self._lock, self._clock
        renewed = clock.monotonic()
        while True:
            now = clock.monotonic()
            self._liveness.see(state, now)
            self._require_time(state, now)
            if state.holder is None and not state.tickets:
                # It was released between our two reads, or its item was deleted.
                state = lock.try_acquire()
                if lock.is_ours(state):
                    return state
                continue
            if (tidied := self._remove_dead(state, now)) is not None:
                state = tidied
                continue
            self._require_use(state, now)
            if lock.place(state) is None and self._has_room(state, now):
                # We have not joined it yet, or another run has removed us as dead.
                renewed, state = now, lock.join()
                continue
            ahead = len(state.ahead_of(self._claim.owner))
            if ahead == 0 and state.holder is None:
                state = lock.take(state)
                if lock.is_ours(state):
                    return state
                self._liveness.see(state, clock.monotonic())
            self._report(state, now)
            clock.sleep(min(self._pause(ahead, now), self._deadline - now))
            if clock.monotonic() - renewed < self._claim.lease / RENEWALS:
                state = lock.read()
            else:
                renewed, state = clock.monotonic(), lock.renew_ticket(state)

    def _remove_dead(self, state: LockState, now: float) -> LockState | None:
        """Remove dead runs, the holder first, and return the new state; None if no run is known to be dead."""
        is_dead, found_dead = self._liveness.is_dead, self._lock.found_dead
        if state.holder and (state.holder.owner in found_dead or is_dead(state.holder, now)):
            self._say_dead([state.holder], now)
            return self._lock.evict(state)
        others = [ticket for ticket in state.tickets if ticket.owner != self._claim.owner]
        dead = [ticket for ticket in others if is_dead(ticket, now)]
        if not dead:
            return None
        self._say_dead(dead, now)
        return self._lock.remove_dead(state, dead)

    def _say_dead(self, dead: list[Claim], now: float) -> None:
        for claim in dead:
            if claim.owner in self._lock.found_dead:
                self._lock.say("lock", f"{claim.describe()} has died: skipping it")
                continue
            silence = self._liveness.silence(claim, now)
            self._lock.say("lock", f"{claim.describe()} has sent no heartbeat for {silence:.0f} s: skipping it")

    def _pause(self, ahead: int, now: float) -> float:
        if ahead:
            self._first_since = None
        elif self._first_since is None:
            self._first_since = now
        pause = self._pace.pause(ahead, 0.0 if self._first_since is None else now - self._first_since)
        return min(pause, self._claim.lease / RENEWALS)

    def _require_time(self, state: LockState, now: float) -> None:
        if now < self._deadline:
            return
        held = f"it is held by {_holder(state)}" if state.holder else _who_waits(state, self._claim.owner)
        lease = state.holder.lease if state.holder else self._claim.lease
        raise LockError(
            f"the lock was not free within {self._limit / 60:.3g} minutes: {held}",
            hint=f"Check what that run does{_at(state)}. If it is slow, increase lock-timeout. If it has died, its "
            f"lock expires {lease} seconds after its last heartbeat.",
        )

    def _has_room(self, state: LockState, now: float) -> bool:
        """Return whether we can join the queue. A full queue is an error once all runs in it are known to be alive."""
        if len(state.tickets) < LONGEST_QUEUE:
            return True
        if all(self._liveness.has_lived(ticket) for ticket in state.tickets) or now - self._started > LONGEST_LEASE:
            raise LockError(
                f"the queue of the lock is full: {len(state.tickets)} runs wait",
                hint="Run command: status to see which runs wait. Run the job again when the queue is shorter.",
            )
        return False

    def _require_use(self, state: LockState, now: float) -> None:
        """Raise Superseded if a newer run is alive. While the holder is silent, stay to detect whether it has died."""
        if state.holder and self._liveness.silence(state.holder, now) > state.holder.lease / 2:
            return
        newer = [ticket for ticket in state.tickets if self._liveness.has_lived(ticket)]
        newer += [state.holder] if state.holder else []
        for claim in newer:
            if claim.replaces(self._claim):
                raise Superseded(claim)

    def _report(self, state: LockState, now: float) -> None:
        """Log who holds the lock and our place in the queue, but not too often."""
        place = len(state.ahead_of(self._claim.owner)) + 1
        text = f"held by {_holder(state)}" if state.holder else "free, but another run is next"
        waiting = len(state.tickets)
        text += f"; number {place} of {waiting} in the queue" if waiting > 1 else "; next in the queue"
        last, at = self._reported
        if now - at < (_REPORT_CHANGES if text != last else _REPORT_EVERY):
            return
        waited = now - self._started
        text_now = text + (f"; waited {waited:.0f} s" if waited >= 1 else "")
        url = state.holder.url if state.holder else ""
        self._lock.say("lock", text_now + (f"; see {url}" if url else ""))
        self._reported = text, now


def _holder(state: LockState) -> str:
    assert state.holder is not None  # noqa: S101 - the callers have checked
    since = state.holder.since
    with suppress(ValueError):
        since = f"{datetime.fromisoformat(since):%H:%M:%S %Z}"
    phase = "keeps it between its steps" if state.kept_by else f"in phase {state.phase}" if state.phase else ""
    return state.holder.name + (f" since {since}" if since else "") + (f", {phase}" if phase else "")


def _at(state: LockState) -> str:
    return f" ({state.holder.url})" if state.holder and state.holder.url else ""


def _who_waits(state: LockState, owner: str) -> str:
    ahead = [claim.describe() for claim in state.ahead_of(owner)]
    return f"{ahead[0]} is ahead in the queue" if ahead else "it became free a moment ago"
