"""The lock: a lease on one function, held by one job at a time, and the queue of those who wait for it.

It spares work and time; safety rests on Lambda's preconditions. Lock and queue are one item, and every transition is
one conditional write that names its owner, so that an answer that was lost is told from a race that was lost. Each
acquisition has a token, one higher than the last. The queue is in the item that a release changes: the release itself
leaves the lock to whoever is first, and nobody who has not waited gets in between.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from promote.aws.dynamodb import ConditionFailed, Item, Table, TableNotFound
from promote.core.clock import Clock
from promote.core.errors import LockError, UnconfirmedError
from promote.core.lock_state import FORMAT, HELD, Claim, LockState, shown
from promote.core.run import join_names

LOCK = "lock"
"""The sort key of the lock's item."""

LONGEST_QUEUE = 100
"""Jobs that wait: an item has a limit."""

_REMOVED_AT_ONCE = 20
"""Tickets that are removed at once: an expression has 4 KB at most."""

_MOVES = 10
"""Times that a ticket is looked for again because others have moved in the queue."""

_OURS = "#owner = :owner AND #token = :token"
_FREE = "attribute_not_exists(#owner)"
_NOBODY_WAITS = "(attribute_not_exists(#tickets) OR #tickets = :nobody)"
_SOUND = "(attribute_not_exists(#pk) OR #token >= :zero) AND (attribute_not_exists(#format) OR #format = :format)"
"""Whether the item can be one that this version has written."""


@dataclass(frozen=True)
class Lease:
    """The lock, held."""

    owner: str
    token: int
    seconds: float
    """How long it lasts without a beat."""
    asked: float
    """When it was last asked for, on the clock's monotonic time."""
    waited: float
    """Seconds until it was had."""
    kept_by: str = ""
    """The command of the step that keeps it for the job, where this one has entered it; empty: it is our own."""


@dataclass(frozen=True)
class Found:
    """The lock as somebody finds it who is to open it by force."""

    token: int
    owner: object
    """Of the holder, as the item has it."""
    has_owner: bool
    """Whether it has one at all, be it a null."""
    held_by: str
    """The holder, for people; empty: nobody holds it, and there is nothing to open."""
    is_sound: bool
    """Whether the item makes sense."""
    url: str = ""
    """The holder's page, or empty."""


class Lock:
    """The lock of the function ``arn``; ``claim`` says who wants it, under a name that is this process's alone.

    All methods that give an entry raise LockError where the item is none that this version can read.
    """

    def __init__(self, table: Table, arn: str, claim: Claim, clock: Clock, say: Callable[[str, str], None]) -> None:
        self.claim = claim
        self.found_dead: set[str] = set()
        """Owners that this process has found dead; locks that it takes one after the other share it."""
        self.asked = 0.0
        """When the last transition was sent, on the clock's monotonic time."""
        self._table = table
        self.arn = arn
        self.clock = clock
        self.say = say

    def is_ours(self, state: LockState) -> bool:
        """Whether this process holds it, also when the answer that said so was lost."""
        return state.holder is not None and state.holder.owner == self.claim.owner

    def is_kept_for_us(self, state: LockState) -> bool:
        """Whether an earlier step of this job has taken it for the rest of the job."""
        return bool(state.kept_by) and state.holder is not None and self._is_of_job(state.holder)

    def _is_of_job(self, claim: Claim) -> bool:
        return bool(self.claim.job) and claim.job == self.claim.job

    def place(self, state: LockState) -> int | None:
        """Give the index of our ticket; None: we have none."""
        return state.place_of(self.claim.owner)

    def read(self) -> LockState:
        """Read the lock: one strongly consistent read."""
        return LockState.read(self._item())

    def _item(self) -> Item:
        return next(iter(self._table.query(self.arn, LOCK, LOCK)), {})

    def try_acquire(self) -> LockState:
        """Take the lock if it is free and nobody waits for it, and give it as it then is.

        The table is made when it is missing.
        """
        change = self._acquire_change(f"{_FREE} AND {_NOBODY_WAITS}", {"nobody": []})
        try:
            return self._carry_out(change, self.is_ours)
        except TableNotFound:
            self.say("table", f"making the table {self._table.name}")
            self._table.ensure()
            return self._carry_out(change, self.is_ours)

    def acquire_update(self, state: LockState) -> tuple[str, dict[str, Any]]:
        """Give the part of a transaction that takes the lock, if it is as free as in ``state`` and has its token."""
        seen = "#token = :seen" if state.token else "attribute_not_exists(#token)"
        values: Item = {"nobody": [], **({"seen": state.token} if state.token else {})}
        return "Update", self._acquire_change(f"{_FREE} AND {_NOBODY_WAITS} AND {seen}", values)

    def reenter(self, state: LockState) -> LockState:
        """Take over the lock that an earlier step of this job has kept, as ``state`` shows, under the same token."""
        assert state.holder is not None  # noqa: S101 - somebody keeps it
        change = self._table.change(
            self.arn,
            LOCK,
            assign={"owner": self.claim.owner},
            expressions={"beat": "#beat + :one"},
            condition="#owner = :before AND #token = :token",
            values={"one": 1, "before": state.holder.owner, "token": state.token},
        )
        return self._carry_out(change, self.is_ours)

    def keep(self, lease: Lease, command: str, seconds: int) -> LockState:
        """Keep the lock, which is ours, for the job's further steps, and for ``seconds`` without a beat."""
        return self._carry_out(
            self._table.change(
                self.arn,
                LOCK,
                assign={"kept_by": command, "lease": seconds},
                expressions={"beat": "#beat + :one"},
                condition=_OURS,
                values={"one": 1, "owner": lease.owner, "token": lease.token},
            ),
            lambda state: self.is_ours(state) and state.kept_by == command,
        )

    def join(self) -> LockState:
        """Stand in the queue, unless it is as long as it may be."""
        ticket = replace(self.claim, since=self._now()).item()
        change = self._table.change(
            self.arn,
            LOCK,
            expressions={"tickets": "list_append(if_not_exists(#tickets, :empty), :tickets)"},
            # A repeated call, whose first answer was lost, is not to stand in the queue twice.
            condition=f"#token >= :zero AND {_SOUND} AND (attribute_not_exists(#tickets) "
            "OR (size(#tickets) < :longest AND NOT contains(#tickets, :ticket)))",
            values={
                "empty": [],
                "tickets": [ticket],
                "ticket": ticket,
                "longest": LONGEST_QUEUE,
                "zero": 0,
                "format": FORMAT,
            },
        )
        return self._carry_out(change, lambda state: self.place(state) is not None)

    def renew_ticket(self, state: LockState) -> LockState:
        """Beat for our ticket, if we have one, and give the lock as it then is."""
        for _ in range(_MOVES):
            place = self.place(state)
            if place is None:
                break
            change = self._table.change(
                self.arn,
                LOCK,
                expressions={f"tickets[{place}].#beat": f"#tickets[{place}].#beat + :one"},
                condition=f"#tickets[{place}].#owner = :owner",
                values={"owner": self.claim.owner, "one": 1},
            )
            try:
                return LockState.read(self._table.update(change))
            except ConditionFailed as refused:
                state = LockState.read(refused.item)
        return self.read()

    def remove_dead(self, state: LockState, dead: Sequence[Claim]) -> LockState:
        """Remove tickets of ``dead``, some at once, if they still are as in ``state``; give the lock as it then is."""
        passed = {claim.owner for claim in dead[:_REMOVED_AT_ONCE]}
        places = [place for place, ticket in enumerate(state.tickets) if ticket.owner in passed]
        conditions: list[str] = []
        values: dict[str, Any] = {}
        for place in places:
            conditions.append(f"#tickets[{place}].#owner = :owner{place} AND #tickets[{place}].#beat = :beat{place}")
            values |= {f"owner{place}": state.tickets[place].owner, f"beat{place}": state.tickets[place].beat}
        # From the end, for the sake of emulators that take one away before they look for the next.
        gone = [f"tickets[{place}]" for place in reversed(places)]
        change = self._table.change(self.arn, LOCK, remove=gone, condition=" AND ".join(conditions), values=values)
        return self._carry_out(change, lambda then: passed.isdisjoint(ticket.owner for ticket in then.tickets))

    def evict(self, state: LockState) -> LockState:
        """Take the lock away from who holds it in ``state`` and has died, unless there was a beat since then."""
        assert state.holder is not None  # noqa: S101 - somebody has died
        values = {"owner": state.holder.owner, "token": state.token, "beat": state.holder.beat}
        change = self._release_change(values, f"{_OURS} AND #beat = :beat")
        try:
            freed = self._update(change, _without(state.holder.owner, state.token))
        except ConditionFailed as refused:
            return LockState.read(refused.item)
        self.found_dead.add(state.holder.owner)
        return freed

    def take(self, state: LockState) -> LockState:
        """Take the lock, free in ``state``, when it is our turn, and leave the queue; give it as it then is."""
        place = self.place(state)
        condition = f"{_FREE} AND #tickets[{place}].#owner = :owner"
        return self._carry_out(self._acquire_change(condition, {}, leave=[f"tickets[{place}]"]), self.is_ours)

    def renew(self, lease: Lease, table: Table, phase: str) -> str:
        """Renew the lease and say what the run is at; give who holds the lock by now, if that is somebody else.

        ``table`` is the same table by a client that gives up long before the lease is over.
        """
        try:
            table.update(
                table.change(
                    self.arn,
                    LOCK,
                    assign={"phase": phase},
                    expressions={"beat": "#beat + :one"},
                    condition=_OURS,
                    values={"one": 1, "owner": lease.owner, "token": lease.token},
                )
            )
        except ConditionFailed as refused:
            state = LockState.read(refused.item)
            if state.holder:
                return state.holder.describe()
            by = state.opened.get("by") if state.opened.get("token") == state.token else None
            return f"nobody: {by} has opened it by force" if by else "nobody: it was opened by force"
        return ""

    def release_update(self, lease: Lease) -> tuple[str, dict[str, Any]]:
        """Give the part of a transaction that releases ``lease``; its condition fails when the lock is another's."""
        return "Update", self._release_change({"owner": lease.owner, "token": lease.token})

    def release(self, lease: Lease) -> LockState:
        """Give the lock back, if it is still ours; the entry says who is next."""
        change = self._release_change({"owner": lease.owner, "token": lease.token})
        return self._carry_out(change, _without(lease.owner, lease.token))

    def abandon(self) -> None:
        """Give back what is this process's, ticket and lock; a lock that the job keeps stays."""
        self._give_up(
            lambda ticket: ticket.owner == self.claim.owner, lambda state: self.is_ours(state) and not state.kept_by
        )

    def clear(self) -> bool:
        """Give back what any step of this job has left, ticket and lock; False: there was nothing."""
        return self._give_up(self._is_of_job, lambda state: state.holder is not None and self._is_of_job(state.holder))

    def _give_up(self, is_ticket: Callable[[Claim], bool], is_held: Callable[[LockState], bool]) -> bool:
        state, found = self.read(), False
        for _ in range(_MOVES):
            place = next((place for place, ticket in enumerate(state.tickets) if is_ticket(ticket)), None)
            if place is not None:
                owner = state.tickets[place].owner
                is_gone = _without_ticket(owner)
                change = self._table.change(
                    self.arn,
                    LOCK,
                    remove=[f"tickets[{place}]"],
                    condition=f"#tickets[{place}].#owner = :owner",
                    values={"owner": owner},
                )
            elif state.holder and is_held(state):
                is_gone = _without(state.holder.owner, state.token)
                change = self._release_change({"owner": state.holder.owner, "token": state.token})
            else:
                return found
            state, found = self._carry_out(change, is_gone), True
        return found

    def inspect(self) -> Found:
        """Read the lock as far as its item makes sense.

        Raises:
            LockError: even the token makes no sense, or the item is of another version of this action.

        """
        item = self._item()
        try:
            state = LockState.read(item)
        except LockError:
            token = LockState.read({name: item[name] for name in ("token", "format") if name in item}).token
            owner = shown(item["owner"]) if "owner" in item else "nobody"
            held = f"{owner}, in an item that makes no sense,"
            return Found(token, item.get("owner"), "owner" in item, held, is_sound=False)
        if state.holder is None:
            return Found(state.token, None, has_owner=False, held_by="", is_sound=True)
        holder = state.holder
        return Found(state.token, holder.owner, has_owner=True, held_by=holder.name, is_sound=True, url=holder.url)

    def opening(self, found: Found, by: str, reason: str) -> tuple[str, dict[str, Any]]:
        """Give the part of a transaction that opens the lock by force, if it still is as it was ``found``.

        The token grows, by which the holder learns of it and stops before its next change.
        """
        token = found.token + 1
        return "Update", self._table.change(
            self.arn,
            LOCK,
            assign={"token": token, "opened": {"token": token, "by": by, "reason": reason, "at": self._now()}},
            remove=HELD if found.is_sound else (*HELD, "tickets"),
            condition="#token = :seen AND " + ("#owner = :held" if found.has_owner else _FREE),
            values={"seen": found.token, **({"held": found.owner} if found.has_owner else {})},
        )

    def _acquire_change(self, condition: str, values: Item, leave: Sequence[str] = ()) -> dict[str, Any]:
        claim = replace(self.claim, since=self._now())
        return self._table.change(
            self.arn,
            LOCK,
            assign={**claim.item(), "phase": "start", "kept_by": "", "format": FORMAT},
            expressions={"token": "if_not_exists(#token, :zero) + :one"},
            remove=leave,
            condition=f"{condition} AND {_SOUND}",
            values={"zero": 0, "one": 1, **values},
        )

    def _release_change(self, values: Item, condition: str = _OURS) -> dict[str, Any]:
        return self._table.change(self.arn, LOCK, remove=HELD, condition=condition, values=values)

    def _carry_out(self, change: dict[str, Any], is_done: Callable[[LockState], bool]) -> LockState:
        """Carry out a transition; give the lock as it then is, also when its condition did not hold.

        If the response is lost, ``is_done`` tells from the lock whether the transition took effect.
        """
        self.asked = self.clock.monotonic()
        try:
            return self._update(change, is_done)
        except ConditionFailed as refused:
            return LockState.read(refused.item)

    def _update(self, change: dict[str, Any], is_done: Callable[[LockState], bool]) -> LockState:
        with possibly_held([self]) as what:
            return LockState.read(self._table.update(change, lambda item: is_done(LockState.read(item)), what))

    def _now(self) -> str:
        return self.clock.now().isoformat(timespec="seconds")


@contextmanager
def possibly_held(locks: Sequence[Lock]) -> Iterator[str]:
    """Give what is said of a transition that is not confirmed, and say what becomes of the locks then."""
    names, s = join_names([lock.arn.rpartition(":")[2] for lock in locks]), "s" if len(locks) > 1 else ""
    try:
        yield f"the lock{s} of {names} may be held by this run"
    except UnconfirmedError as error:
        raise error.reworded(
            str(error),
            f"The post step tries to release the lock{s}. Otherwise, the lease ends after {locks[0].claim.lease} "
            "seconds. Then run the job again.",
        ) from error


def _without(owner: str, token: int) -> Callable[[LockState], bool]:
    """Return what tells whether ``owner`` does not hold the lock under ``token`` any more."""
    return lambda state: state.holder is None or (state.holder.owner, state.token) != (owner, token)


def _without_ticket(owner: str) -> Callable[[LockState], bool]:
    return lambda state: state.place_of(owner) is None
