"""The way to the lock: asked for once where it is free, else waited for in the queue.

A waiter looks at the lock, beats for its own ticket, and goes when all who are ahead of it have gone or died. Who died
is known by a beat that does not change for as long as its lease, on the waiter's own clock: wall clocks are never
compared.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from promote.aws.dynamodb import Table, TableNotFound, TransactionCancelled
from promote.core.concurrency import map_concurrently, with_timeout
from promote.core.errors import LockError
from promote.core.lock_state import LONGEST_LEASE, Claim, Liveness, LockState
from promote.state.lock import LONGEST_QUEUE, Lease, Lock, possibly_held
from promote.state.polling import Pace

_RENEWALS = 4
"""Beats of a ticket within its lease."""
_REPORT_EVERY, _REPORT_CHANGES = 60.0, 5.0
"""Seconds between lines in the log: while nothing changes, and at the least."""
_TIDYING = 4.0
"""Seconds for giving back what an acquisition may have left that did not end well."""


class Superseded(Exception):  # noqa: N818 - a good end
    """The run has given way to ``by``, a newer one of its branch, which waits for the lock or has it."""

    def __init__(self, by: Claim) -> None:
        super().__init__(by.describe())
        self.by = by


def acquire(lock: Lock, timeout: float, chance: Callable[[], float]) -> Lease:
    """Wait for the lock, at most ``timeout`` seconds, and take it, or enter it where the job keeps it already.

    Raises:
        LockError: it was not free in time, or its item is none that this version can read.
        Superseded: a newer run of the same branch takes this one's place.

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
            state = _Waiter(lock, started, timeout, Pace(chance)).wait(state)
    except BaseException:
        # Lock or ticket may be ours though no answer said so.
        with suppress(Exception):
            with_timeout(_TIDYING, lock.abandon)
        raise
    assert state.holder is not None  # noqa: S101 - it is ours
    waited = clock.monotonic() - started
    return Lease(lock.claim.owner, state.token, state.holder.lease, lock.asked, waited, kept_by)


def acquire_together(wanted: Sequence[tuple[Lock, LockState]], table: Table) -> list[Lease]:
    """Take all locks of ``table``, free as they were read, in one call; empty: one is not any more, and none was taken.

    Whoever waits for one while it holds others takes them one by one, in the order that all keep to.
    """
    if any(state.holder or state.tickets for _, state in wanted):
        return []
    asked = wanted[0][0].clock.monotonic()
    try:
        with possibly_held([lock for lock, _ in wanted]) as what:
            table.transact([lock.acquire_update(state) for lock, state in wanted], what=what)
    except (TransactionCancelled, TableNotFound):
        return []
    except BaseException:
        # They may be ours though no answer said so.
        with suppress(Exception):
            with_timeout(_TIDYING, lambda: map_concurrently([lock.abandon for lock, _ in wanted], len(wanted)))
        raise
    waited = wanted[0][0].clock.monotonic() - asked
    return [Lease(lock.claim.owner, state.token + 1, lock.claim.lease, asked, waited) for lock, state in wanted]


class _Waiter:
    """One stay in the queue."""

    def __init__(self, lock: Lock, started: float, timeout: float, pace: Pace) -> None:
        self._lock = lock
        self._claim = lock.claim
        self._clock = lock.clock
        self._started = started
        self._timeout = timeout
        self._deadline = started + timeout
        self._pace = pace
        self._liveness = Liveness()
        self._first_since: float | None = None
        self._reported: tuple[str, float] = ("", float("-inf"))

    def wait(self, state: LockState) -> LockState:
        """Wait for our turn; give the lock, which is ours then."""
        lock, clock = self._lock, self._clock
        renewed = clock.monotonic()
        while True:
            now = clock.monotonic()
            self._liveness.see(state, now)
            self._require_time(state, now)
            if state.holder is None and not state.tickets:
                # It was given back between our two looks; or somebody has deleted the item.
                state = lock.try_acquire()
                if lock.is_ours(state):
                    return state
                continue
            if (tidied := self._remove_dead(state, now)) is not None:
                state = tidied
                continue
            self._require_use(state, now)
            if lock.place(state) is None and self._has_room(state, now):
                # At first, or taken for dead and passed over.
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
            if clock.monotonic() - renewed < self._claim.lease / _RENEWALS:
                state = lock.read()
            else:
                renewed, state = clock.monotonic(), lock.renew_ticket(state)

    def _remove_dead(self, state: LockState, now: float) -> LockState | None:
        """Remove who has died, the holder first, and give the lock as it then is; None: all live, as far as we know."""
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
                self._lock.say("lock", f"{claim.describe()} has died: passing it over")
                continue
            silence = self._liveness.silence(claim, now)
            self._lock.say("lock", f"{claim.describe()} has shown no sign of life for {silence:.0f} s: passing it over")

    def _pause(self, ahead: int, now: float) -> float:
        if ahead:
            self._first_since = None
        elif self._first_since is None:
            self._first_since = now
        pause = self._pace.pause(ahead, 0.0 if self._first_since is None else now - self._first_since)
        return min(pause, self._claim.lease / _RENEWALS)

    def _require_time(self, state: LockState, now: float) -> None:
        if now < self._deadline:
            return
        held = f"it is held by {_holder(state)}" if state.holder else _who_waits(state, self._claim.owner)
        lease = state.holder.lease if state.holder else self._claim.lease
        raise LockError(
            f"the lock was not free within {self._timeout / 60:.3g} minutes: {held}",
            hint=f"See what that run does{_at(state)}, and raise lock-timeout if it merely takes long. If it died, its "
            f"lock is free {lease} seconds later.",
        )

    def _has_room(self, state: LockState, now: float) -> bool:
        """Whether we can join the queue; a full one is watched until it is known that all who stand in it live."""
        if len(state.tickets) < LONGEST_QUEUE:
            return True
        if all(self._liveness.has_lived(ticket) for ticket in state.tickets) or now - self._started > LONGEST_LEASE:
            raise LockError(
                f"{len(state.tickets)} runs wait for the lock already, which is as many as the line takes",
                hint="See with command status what holds it up, and run the job again when the line is shorter.",
            )
        return False

    def _require_use(self, state: LockState, now: float) -> None:
        """Give way to a newer run that is alive: not while the holder is silent, whom somebody has to count out."""
        if state.holder and self._liveness.silence(state.holder, now) > state.holder.lease / 2:
            return
        newer = [ticket for ticket in state.tickets if self._liveness.has_lived(ticket)]
        newer += [state.holder] if state.holder else []
        for claim in newer:
            if claim.replaces(self._claim):
                raise Superseded(claim)

    def _report(self, state: LockState, now: float) -> None:
        """Say who holds the lock and how far it is until our turn; not more often than people like to read it."""
        place = len(state.ahead_of(self._claim.owner)) + 1
        text = f"held by {_holder(state)}" if state.holder else "free, but not our turn yet"
        text += f"; number {place} of {len(state.tickets)} in line" if len(state.tickets) > 1 else "; next in line"
        last, at = self._reported
        if now - at < (_REPORT_CHANGES if text != last else _REPORT_EVERY):
            return
        waited = now - self._started
        text_now = text + (f"; waited {waited:.0f} s" if waited >= 1 else "")
        url = state.holder.url if state.holder else ""
        self._lock.say("lock", text_now + (f"; see {url}" if url else ""))
        self._reported = text, now


def _holder(state: LockState) -> str:
    assert state.holder is not None  # noqa: S101 - the callers have looked
    since = state.holder.since
    with suppress(ValueError):
        since = f"{datetime.fromisoformat(since):%H:%M:%S %Z}"
    phase = "keeps it between its steps" if state.kept_by else f"in phase {state.phase}" if state.phase else ""
    return state.holder.name + (f" since {since}" if since else "") + (f", {phase}" if phase else "")


def _at(state: LockState) -> str:
    return f" ({state.holder.url})" if state.holder and state.holder.url else ""


def _who_waits(state: LockState, owner: str) -> str:
    ahead = [claim.describe() for claim in state.ahead_of(owner)]
    return f"{ahead[0]} is ahead in line" if ahead else "it became free a moment ago"
