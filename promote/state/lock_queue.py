"""The way to the lock: asked for once where it is free, else waited for in line.

A waiter looks at the lock, beats for its own ticket, and goes when all who are ahead of it have gone or died. Who died
is known by a beat that does not change for as long as its lease, on the waiter's own clock: wall clocks are never
compared.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from promote.aws.dynamodb import Cancelled, Missing, Table
from promote.core.concurrency import gather, within
from promote.core.errors import LockError
from promote.core.lock_state import LONGEST_LEASE, Claim, Entry, Sightings
from promote.state.lock import LONGEST_LINE, Lease, Lock, possibly_held
from promote.state.polling import Pace

_TICKS = 4
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
    kept = ""
    try:
        entry = lock.attempt()
        if lock.is_kept_for_us(entry) and not lock.is_ours(entry):
            entry = lock.enter(entry)
            kept = entry.kept if lock.is_ours(entry) else ""
        if not lock.is_ours(entry):
            entry = _Waiter(lock, started, timeout, Pace(chance)).wait(entry)
    except BaseException:
        # Lock or ticket may be ours though no answer said so.
        with suppress(Exception):
            within(_TIDYING, lock.abandon)
        raise
    assert entry.holder is not None  # noqa: S101 - it is ours
    waited = clock.monotonic() - started
    return Lease(lock.claim.owner, entry.token, entry.holder.lease, lock.asked, waited, kept)


def acquire_together(wanted: Sequence[tuple[Lock, Entry]], table: Table) -> list[Lease]:
    """Take all locks of ``table``, free as they were read, in one call; empty: one is not any more, and none was taken.

    Whoever waits for one while it holds others takes them one by one, in the order that all keep to.
    """
    if any(entry.holder or entry.tickets for _, entry in wanted):
        return []
    asked = wanted[0][0].clock.monotonic()
    try:
        with possibly_held([lock for lock, _ in wanted]) as what:
            table.transact([lock.taking(entry) for lock, entry in wanted], what=what)
    except (Cancelled, Missing):
        return []
    except BaseException:
        # They may be ours though no answer said so.
        with suppress(Exception):
            within(_TIDYING, lambda: gather([lock.abandon for lock, _ in wanted], len(wanted)))
        raise
    waited = wanted[0][0].clock.monotonic() - asked
    return [Lease(lock.claim.owner, entry.token + 1, lock.claim.lease, asked, waited) for lock, entry in wanted]


class _Waiter:
    """One stay in the line."""

    def __init__(self, lock: Lock, started: float, timeout: float, pace: Pace) -> None:
        self._lock = lock
        self._claim = lock.claim
        self._clock = lock.clock
        self._started = started
        self._timeout = timeout
        self._deadline = started + timeout
        self._pace = pace
        self._sightings = Sightings()
        self._first_since: float | None = None
        self._reported: tuple[str, float] = ("", float("-inf"))

    def wait(self, entry: Entry) -> Entry:
        """Wait for our turn; give the lock, which is ours then."""
        lock, clock = self._lock, self._clock
        ticked = clock.monotonic()
        while True:
            now = clock.monotonic()
            self._sightings.see(entry, now)
            self._require_time(entry, now)
            if entry.holder is None and not entry.tickets:
                # It was given back between our two looks; or somebody has deleted the item.
                entry = lock.attempt()
                if lock.is_ours(entry):
                    return entry
                continue
            if (tidied := self._bury(entry, now)) is not None:
                entry = tidied
                continue
            self._require_use(entry, now)
            if lock.place(entry) is None and self._has_room(entry, now):
                # At first, or taken for dead and passed over.
                ticked, entry = now, lock.join()
                continue
            ahead = len(entry.ahead_of(self._claim.owner))
            if ahead == 0 and entry.holder is None:
                entry = lock.take(entry)
                if lock.is_ours(entry):
                    return entry
                self._sightings.see(entry, clock.monotonic())
            self._report(entry, now)
            clock.sleep(min(self._pause(ahead, now), self._deadline - now))
            if clock.monotonic() - ticked < self._claim.lease / _TICKS:
                entry = lock.look()
            else:
                ticked, entry = clock.monotonic(), lock.tick(entry)

    def _bury(self, entry: Entry, now: float) -> Entry | None:
        """Remove who has died, the holder first, and give the lock as it then is; None: all live, as far as we know."""
        is_dead, buried = self._sightings.is_dead, self._lock.buried
        if entry.holder and (entry.holder.owner in buried or is_dead(entry.holder, now)):
            self._say_dead([entry.holder], now)
            return self._lock.free(entry)
        others = [ticket for ticket in entry.tickets if ticket.owner != self._claim.owner]
        dead = [ticket for ticket in others if is_dead(ticket, now)]
        if not dead:
            return None
        self._say_dead(dead, now)
        return self._lock.bury(entry, dead)

    def _say_dead(self, dead: list[Claim], now: float) -> None:
        for claim in dead:
            if claim.owner in self._lock.buried:
                self._lock.say("lock", f"{claim.describe()} has died: passing it over")
                continue
            silence = self._sightings.silence(claim, now)
            self._lock.say("lock", f"{claim.describe()} has shown no sign of life for {silence:.0f} s: passing it over")

    def _pause(self, ahead: int, now: float) -> float:
        if ahead:
            self._first_since = None
        elif self._first_since is None:
            self._first_since = now
        pause = self._pace.pause(ahead, 0.0 if self._first_since is None else now - self._first_since)
        return min(pause, self._claim.lease / _TICKS)

    def _require_time(self, entry: Entry, now: float) -> None:
        if now < self._deadline:
            return
        held = f"it is held by {_holder(entry)}" if entry.holder else _who_waits(entry, self._claim.owner)
        lease = entry.holder.lease if entry.holder else self._claim.lease
        raise LockError(
            f"the lock was not free within {self._timeout / 60:.3g} minutes: {held}",
            hint=f"See what that run does{_at(entry)}, and raise lock-timeout if it merely takes long. If it died, its "
            f"lock is free {lease} seconds later.",
        )

    def _has_room(self, entry: Entry, now: float) -> bool:
        """Whether we can join the line; a full one is watched until it is known that all who stand in it live."""
        if len(entry.tickets) < LONGEST_LINE:
            return True
        if all(self._sightings.has_lived(ticket) for ticket in entry.tickets) or now - self._started > LONGEST_LEASE:
            raise LockError(
                f"{len(entry.tickets)} runs wait for the lock already, which is as many as the line takes",
                hint="See with command status what holds it up, and run the job again when the line is shorter.",
            )
        return False

    def _require_use(self, entry: Entry, now: float) -> None:
        """Give way to a newer run that is alive: not while the holder is silent, whom somebody has to count out."""
        if entry.holder and self._sightings.silence(entry.holder, now) > entry.holder.lease / 2:
            return
        newer = [ticket for ticket in entry.tickets if self._sightings.has_lived(ticket)]
        newer += [entry.holder] if entry.holder else []
        for claim in newer:
            if claim.replaces(self._claim):
                raise Superseded(claim)

    def _report(self, entry: Entry, now: float) -> None:
        """Say who holds the lock and how far it is until our turn; not more often than people like to read it."""
        place = len(entry.ahead_of(self._claim.owner)) + 1
        text = f"held by {_holder(entry)}" if entry.holder else "free, but not our turn yet"
        text += f"; number {place} of {len(entry.tickets)} in line" if len(entry.tickets) > 1 else "; next in line"
        last, at = self._reported
        if now - at < (_REPORT_CHANGES if text != last else _REPORT_EVERY):
            return
        waited = now - self._started
        text_now = text + (f"; waited {waited:.0f} s" if waited >= 1 else "")
        url = entry.holder.url if entry.holder else ""
        self._lock.say("lock", text_now + (f"; see {url}" if url else ""))
        self._reported = text, now


def _holder(entry: Entry) -> str:
    assert entry.holder is not None  # noqa: S101 - the callers have looked
    since = entry.holder.since
    with suppress(ValueError):
        since = f"{datetime.fromisoformat(since):%H:%M:%S %Z}"
    phase = "keeps it between its steps" if entry.kept else f"in phase {entry.phase}" if entry.phase else ""
    return entry.holder.name + (f" since {since}" if since else "") + (f", {phase}" if phase else "")


def _at(entry: Entry) -> str:
    return f" ({entry.holder.url})" if entry.holder and entry.holder.url else ""


def _who_waits(entry: Entry, owner: str) -> str:
    ahead = [claim.describe() for claim in entry.ahead_of(owner)]
    return f"{ahead[0]} is ahead in line" if ahead else "it became free a moment ago"
