"""The lock: a lease on one function, held by one job at a time, and the queue of the jobs that wait for it.

- The lock saves work and time. Safety does not depend on it, but on the preconditions of Lambda.
- Lock and queue are one item. Each transition is one conditional write that names its owner. If the response is lost,
  the item shows whether the write succeeded.
- Each acquisition has a token, one higher than the last.
- The queue decides who acquires a released lock. A job that has not waited cannot acquire it first.
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
"""The most jobs that can wait, because the size of an item is limited."""

_REMOVED_AT_ONCE = 20
"""The most tickets that one write removes, because an expression is limited to 4 KB."""

_MOVES = 10
"""The most attempts to change a ticket while the queue changes."""

_OURS = "#owner = :owner AND #token = :token"
_FREE = "attribute_not_exists(#owner)"
_NONE_WAIT = "(attribute_not_exists(#tickets) OR #tickets = :none)"
_SOUND = "(attribute_not_exists(#pk) OR #token >= :zero) AND (attribute_not_exists(#format) OR #format = :format)"
"""The condition that this version of the action can have written the item."""


@dataclass(frozen=True)
class Lease:
    """An acquired lock."""

    owner: str
    token: int
    seconds: float
    """The lease duration: the lock expires after this time without a beat."""
    asked: float
    """When its acquisition was sent, in the clock's monotonic time: the first attempt that may have taken effect."""
    waited: float
    """Seconds until it was acquired."""
    kept_by: str = ""
    """The command of the earlier step that keeps the lock for the job; empty if this step acquired it itself."""


@dataclass(frozen=True)
class Found:
    """The lock as read before it is opened by force."""

    token: int
    owner: object
    """The owner, as the item has it."""
    has_owner: bool
    """Whether the item has an owner, even a null."""
    held_by: str
    """The holder, as text; empty if the lock is free, and need not be released."""
    is_sound: bool
    """Whether the item is valid."""
    url: str = ""
    """The page of the holder, or empty."""


class Lock:
    """The lock of the function ``arn``. ``claim`` names this process, with a unique owner.

    All methods that return a state raise LockError if the item is not valid.
    """

    def __init__(self, table: Table, arn: str, claim: Claim, clock: Clock, say: Callable[[str, str], None]) -> None:
        self.claim = claim
        self.found_dead: set[str] = set()
        """Owners that this process has found dead. Locks that it acquires one after the other share this set."""
        self.asked = 0.0
        """When the last transition was sent, in the clock's monotonic time. Attempts without an effect do not count."""
        self._table = table
        self.arn = arn
        self.clock = clock
        self.say = say

    def is_ours(self, state: LockState) -> bool:
        """Return whether this process holds the lock, even if the response to its acquisition was lost."""
        return state.holder is not None and state.holder.owner == self.claim.owner

    def is_kept_for_us(self, state: LockState) -> bool:
        """Return whether an earlier step keeps the lock for this job."""
        return bool(state.kept_by) and state.holder is not None and self._is_of_job(state.holder)

    def _is_of_job(self, claim: Claim) -> bool:
        return bool(self.claim.job) and claim.job == self.claim.job

    def place(self, state: LockState) -> int | None:
        """Return the index of our ticket; None if we have none."""
        return state.place_of(self.claim.owner)

    def read(self) -> LockState:
        """Return the lock, read in one strongly consistent read."""
        return LockState.read(self._item())

    def _item(self) -> Item:
        return next(iter(self._table.query(self.arn, LOCK, LOCK)), {})

    def try_acquire(self) -> LockState:
        """Acquire the lock if it is free and the queue is empty, and return its new state.

        If the table does not exist, it is created.
        """
        change = self._acquire_change(f"{_FREE} AND {_NONE_WAIT}", {"none": []})
        try:
            return self._carry_out(change, self.is_ours)
        except TableNotFound:
            self.say("table", f"creating the table {self._table.name}")
            self._table.ensure()
            return self._carry_out(change, self.is_ours)

    def acquire_update(self, state: LockState) -> tuple[str, dict[str, Any]]:
        """Return the part of a transaction that acquires the lock, if it is free and has the token of ``state``."""
        seen = "#token = :seen" if state.token else "attribute_not_exists(#token)"
        values: Item = {"none": [], **({"seen": state.token} if state.token else {})}
        return "Update", self._acquire_change(f"{_FREE} AND {_NONE_WAIT} AND {seen}", values)

    def reenter(self, state: LockState) -> LockState:
        """Take over the lock that an earlier step of this job keeps according to ``state``, under the same token."""
        assert state.holder is not None  # noqa: S101 - a step of the job keeps it
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
        """Keep our lock for later steps of the job, with a lease of ``seconds``."""
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
        """Join the queue, unless it is full."""
        ticket = replace(self.claim, since=self._now()).item()
        change = self._table.change(
            self.arn,
            LOCK,
            expressions={"tickets": "list_append(if_not_exists(#tickets, :empty), :tickets)"},
            # If the response to the first call was lost, its repetition must not add a second ticket.
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
        """Renew our ticket, if we have one, and return the new state."""
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
        """Remove some tickets of ``dead`` in one write, if they are as in ``state``, and return the new state."""
        passed = {claim.owner for claim in dead[:_REMOVED_AT_ONCE]}
        places = [place for place, ticket in enumerate(state.tickets) if ticket.owner in passed]
        conditions: list[str] = []
        values: dict[str, Any] = {}
        for place in places:
            conditions.append(f"#tickets[{place}].#owner = :owner{place} AND #tickets[{place}].#beat = :beat{place}")
            values |= {f"owner{place}": state.tickets[place].owner, f"beat{place}": state.tickets[place].beat}
        # They are removed from the end, because some emulators look for each one after the removal of the one before.
        gone = [f"tickets[{place}]" for place in reversed(places)]
        change = self._table.change(self.arn, LOCK, remove=gone, condition=" AND ".join(conditions), values=values)
        return self._carry_out(change, lambda then: passed.isdisjoint(ticket.owner for ticket in then.tickets))

    def evict(self, state: LockState) -> LockState:
        """Release the lock of the dead holder in ``state``, unless there was a beat since then."""
        assert state.holder is not None  # noqa: S101 - the callers have checked
        values = {"owner": state.holder.owner, "token": state.token, "beat": state.holder.beat}
        change = self._release_change(values, f"{_OURS} AND #beat = :beat")
        try:
            freed = self._update(change, _without(state.holder.owner, state.token))
        except ConditionFailed as refused:
            return LockState.read(refused.item)
        self.found_dead.add(state.holder.owner)
        return freed

    def take(self, state: LockState) -> LockState:
        """Acquire the lock if it is free and we are first, leave the queue, and return the new state."""
        place = self.place(state)
        condition = f"{_FREE} AND #tickets[{place}].#owner = :owner"
        return self._carry_out(self._acquire_change(condition, {}, leave=[f"tickets[{place}]"]), self.is_ours)

    def renew(self, lease: Lease, table: Table, phase: str) -> str:
        """Renew the lease and record the phase of the run. Return an empty string, or who has the lock instead.

        ``table`` is the same table, with a client whose timeouts are much shorter than the lease.
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
            return f"a forced unlock by {by}" if by else "a forced unlock"
        return ""

    def release_update(self, lease: Lease) -> tuple[str, dict[str, Any]]:
        """Return the part of a transaction that releases ``lease``. Its condition fails if another run has the lock."""
        return "Update", self._release_change({"owner": lease.owner, "token": lease.token})

    def release(self, lease: Lease) -> LockState:
        """Release the lock if it is still ours. The returned state shows who is next."""
        change = self._release_change({"owner": lease.owner, "token": lease.token})
        return self._carry_out(change, _without(lease.owner, lease.token))

    def abandon(self) -> None:
        """Give up the ticket and the lock of this process. A lock that is kept for the job stays."""
        self._give_up(
            lambda ticket: ticket.owner == self.claim.owner, lambda state: self.is_ours(state) and not state.kept_by
        )

    def clear(self) -> bool:
        """Give up the tickets and the lock of all steps of this job. Return whether there were any."""
        return self._give_up(self._is_of_job, lambda state: state.holder is not None and self._is_of_job(state.holder))

    def _give_up(self, is_ticket: Callable[[Claim], bool], is_held: Callable[[LockState], bool]) -> bool:
        state, found = self.read(), False
        # Each attempt fails if a ticket ahead has left since the read, and all of the queue may leave at the same time.
        for _ in range(LONGEST_QUEUE + _MOVES):
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
        """Return the lock as far as its item is valid.

        Raises:
            LockError: The token is not valid, or another version of the action has written the item.

        """
        item = self._item()
        try:
            state = LockState.read(item)
        except LockError:
            token = LockState.read({name: item[name] for name in ("token", "format") if name in item}).token
            owner = shown(item["owner"]) if "owner" in item else "no owner"
            held = f"{owner}, in an invalid item,"
            return Found(token, item.get("owner"), "owner" in item, held, is_sound=False)
        if state.holder is None:
            return Found(state.token, None, has_owner=False, held_by="", is_sound=True)
        holder = state.holder
        return Found(state.token, holder.owner, has_owner=True, held_by=holder.name, is_sound=True, url=holder.url)

    def opening(self, found: Found, by: str, reason: str) -> tuple[str, dict[str, Any]]:
        """Return the part of a transaction that releases the lock by force, if it is still as in ``found``.

        The token grows, so the holder notices the release and stops before its next change.
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
        """Write a transition, and return the new state, even if its condition failed.

        If the response is lost, ``is_done`` decides from the new state whether the transition took effect.
        """
        try:
            return self._update(change, is_done)
        except ConditionFailed as refused:
            return LockState.read(refused.item)

    def _update(self, change: dict[str, Any], is_done: Callable[[LockState], bool]) -> LockState:
        with possibly_held([self]) as what:
            item = self._table.update(change, lambda item: is_done(LockState.read(item)), what, self.note_sent)
            return LockState.read(item)

    def note_sent(self) -> None:
        """Note that a transition is sent now."""
        self.asked = self.clock.monotonic()

    def _now(self) -> str:
        return self.clock.now().isoformat(timespec="seconds")


@contextmanager
def possibly_held(locks: Sequence[Lock]) -> Iterator[str]:
    """Yield the text for a transition that is not confirmed, and add to its error what happens to the locks."""
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
    """Return the check that ``owner`` no longer holds the lock under ``token``."""
    return lambda state: state.holder is None or (state.holder.owner, state.token) != (owner, token)


def _without_ticket(owner: str) -> Callable[[LockState], bool]:
    return lambda state: state.place_of(owner) is None
