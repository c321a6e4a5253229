"""The lock's item as it is read: who holds it, who waits in which order, and who of them is alive. No effects.

An item that this version cannot make sense of is an error, and never a lock that is free.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from promote.core.errors import LockError

FORMAT = 1
"""Of the item; one of a later version of this action has a higher one."""

KEEPING = ("lock", "deploy")
"""The commands that keep the lock for their job's further steps."""

LONGEST_LEASE = 21600
"""Seconds: six hours, as long as a job may take."""


class Queue(StrEnum):
    """How a run waits."""

    NEWEST = "newest"
    """It gives way to a newer run of its branch."""
    FIFO = "fifo"
    """It keeps its place."""


@dataclass(frozen=True)
class Claim:
    """Who holds the lock, or waits for it."""

    owner: str
    """Unique to the process: the run, its attempt, and a number drawn by chance."""
    lease: int
    """Seconds without a beat after which it counts as dead."""
    beat: int = 0
    """Grows as long as it lives."""
    run_id: int = 0
    attempt: int = 0
    group: str = ""
    """What it releases where: of one group, a newer run replaces an older one that waits. Empty: it is in none."""
    queue: Queue = Queue.FIFO
    since: str = ""
    """By the owner's clock: for people alone."""
    url: str = ""
    """The run's page, or empty."""
    job: str = ""
    """A number drawn by chance that the steps of one job share, or empty: by it they know what is theirs."""

    def replaces(self, other: "Claim") -> bool:
        """Whether ``other``, where it waits, is to give way to this one."""
        return (
            other.queue is Queue.NEWEST
            and bool(self.group)
            and self.group == other.group
            and (self.run_id, self.attempt) > (other.run_id, other.attempt)
        )

    @property
    def name(self) -> str:
        """What people call it."""
        if not self.run_id:
            return f"{self.owner}, which is no run of GitHub's"
        return f"run {self.run_id}" + (f" (attempt {self.attempt})" if self.attempt > 1 else "")

    def describe(self) -> str:
        """Name it, with its page."""
        return self.name + (f", {self.url}" if self.url else "")

    def item(self) -> dict[str, Any]:
        """Give its attributes, those of a holder as those of a ticket."""
        return {
            "owner": self.owner,
            "lease": self.lease,
            "beat": self.beat,
            "run_id": self.run_id,
            "attempt": self.attempt,
            "group": self.group,
            "queue": self.queue.value,
            "since": self.since,
            "url": self.url,
            "job": self.job,
        }

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Self:
        """Read what decides strictly, and what people read as it comes.

        Raises:
            LockError: it cannot be what this action has written.

        """
        owner = item.get("owner")
        if not isinstance(owner, str) or not owner:
            raise _unreadable("owner", owner)
        queue = item.get("queue", Queue.FIFO.value)
        if queue not in list(Queue):
            raise _unreadable("queue", queue)
        return cls(
            owner=owner,
            lease=_whole(item, "lease", least=1, most=LONGEST_LEASE),
            beat=_whole(item, "beat"),
            run_id=_whole(item, "run_id", default=0),
            attempt=_whole(item, "attempt", default=0),
            group=str(item.get("group", "")),
            queue=Queue(queue),
            since=str(item.get("since", "")),
            url=str(item.get("url", "")),
            job=str(item.get("job", "")),
        )


HELD = ("owner", "lease", "beat", "run_id", "attempt", "group", "queue", "since", "url", "job", "phase", "kept_by")
"""The attributes that a lock has only while it is held."""


@dataclass(frozen=True)
class LockState:
    """The lock's item."""

    token: int = 0
    """Of the last acquisition."""
    holder: Claim | None = None
    phase: str = ""
    """What the holder was at when it last beat."""
    kept_by: str = ""
    """The command by which the holder's job keeps it between its steps; empty: it does not."""
    tickets: tuple[Claim, ...] = ()
    """Who waits, in order of arrival."""
    opened: Mapping[str, Any] = field(default_factory=dict)
    """By whom, when and why the lock was last opened by force."""

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Self:
        """Read the item; an empty one is a lock that was never held.

        Raises:
            LockError: it is not what this version of the action writes.

        """
        if not item:
            return cls()
        layout = _whole(item, "format", default=FORMAT)
        if layout != FORMAT:
            raise LockError(
                f"the lock is of another version of this action: its format is {layout}, and this version knows "
                f"{FORMAT}",
                hint="Let all workflows that release this function use the same major version of the action.",
            )
        tickets = item.get("tickets", [])
        if not isinstance(tickets, list) or not all(isinstance(ticket, Mapping) for ticket in tickets):
            raise _unreadable("tickets", tickets)
        opened = item.get("opened", {})
        return cls(
            token=_whole(item, "token"),
            holder=Claim.read(item) if "owner" in item else None,
            phase=str(item.get("phase", "")),
            kept_by=str(item.get("kept_by")) if item.get("kept_by") in KEEPING else "",
            tickets=tuple(Claim.read(ticket) for ticket in tickets),
            opened=opened if isinstance(opened, Mapping) else {},
        )

    def place_of(self, owner: str) -> int | None:
        """Give the index of the ticket of ``owner`` among ``tickets``; None: it has none."""
        return next((place for place, ticket in enumerate(self.tickets) if ticket.owner == owner), None)

    @property
    def queue(self) -> list[Claim]:
        """Who waits, in the order in which they get the lock: a newer run takes the place of those that it replaces."""
        queue: list[Claim] = []
        for ticket in self.tickets:
            place = len(queue)
            if ticket.queue is Queue.NEWEST:
                place = next((place for place, other in enumerate(queue) if ticket.replaces(other)), place)
            queue.insert(place, ticket)
        return queue

    def ahead_of(self, owner: str) -> list[Claim]:
        """Give those who get the lock before ``owner``."""
        queue = self.queue
        return queue[: next((place for place, ticket in enumerate(queue) if ticket.owner == owner), len(queue))]


class Liveness:
    """What a waiter has seen of others, and when it last saw each of them change: on its own clock, nobody else's."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int, float]] = {}
        self._living: set[str] = set()

    def see(self, state: LockState, now: float) -> None:
        """Take note of an entry that was read before ``now``, on the waiter's monotonic clock."""
        seen = {}
        for owner, token, claim in _claims(state):
            last = self._seen.get(owner)
            if last is not None and last[:2] != (token, claim.beat):
                self._living.add(owner)
            unchanged = last if last is not None and last[:2] == (token, claim.beat) else None
            seen[owner] = unchanged or (token, claim.beat, now)
        self._seen = seen

    def silence(self, claim: Claim, now: float) -> float:
        """Give the seconds for which ``claim`` has not changed."""
        return now - self._seen[claim.owner][2]

    def is_dead(self, claim: Claim, now: float) -> bool:
        """Whether ``claim`` has not changed for longer than its lease."""
        return self.silence(claim, now) > claim.lease

    def has_lived(self, claim: Claim) -> bool:
        """Whether ``claim`` is known to have lived on after it was made."""
        return claim.beat > 0 or claim.owner in self._living


def _claims(state: LockState) -> Iterator[tuple[str, int, Claim]]:
    """Yield everybody with what changes while they live: the token, 0 for those who wait, and the beat."""
    for ticket in state.tickets:
        yield ticket.owner, 0, ticket
    if state.holder:
        yield state.holder.owner, state.token, state.holder


def _whole(
    item: Mapping[str, Any], name: str, *, least: int = 0, most: int | None = None, default: int | None = None
) -> int:
    value = item.get(name, default)
    is_whole = isinstance(value, int | Decimal) and not isinstance(value, bool) and value == int(value)
    if not is_whole or value < least or (most is not None and value > most):
        raise _unreadable(name, value)
    return int(value)


def shown(value: object) -> str:
    """Show what stands in an item, whatever it is."""
    return repr(str(value)[:80]) if isinstance(value, str | int | Decimal) else f"a {type(value).__name__}"


def _unreadable(name: str, value: object) -> LockError:
    what = "is missing" if value is None else f"is {shown(value)}"
    return LockError(
        f"the lock's item is not what this action writes: its {name} {what}",
        hint="Does another program write into this table? Name another one in the input table; or correct the item "
        "by hand, never with a lower token. Command unlock opens a lock whose owner, lease or beat makes no sense.",
    )
