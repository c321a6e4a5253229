"""The state of the lock as read from its item: its holder, its queue, and which of the runs are alive.

If the item is not valid, that is an error, never a free lock.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from promote.core.errors import LockError

FORMAT = 1
"""The format of the item. Later major versions of the action have higher numbers."""

KEEPING = ("lock", "deploy")
"""The commands that keep the lock for later steps of the job."""

LEASE = 30
"""Seconds: the lease while a heartbeat renews it, if the inputs set no other."""
RENEWALS = 4
"""Renewals per lease. Three in a row may fail before the lease is lost."""
LONGEST_LEASE = 21600
"""Seconds: six hours, the longest duration of a job."""


class Queue(StrEnum):
    """How a run waits in the queue."""

    NEWEST = "newest"
    """A newer run of the same branch supersedes it."""
    FIFO = "fifo"
    """It keeps its place."""


@dataclass(frozen=True)
class Claim:
    """The run that holds the lock, or a run that waits for it."""

    owner: str
    """A unique id of the process: the run, its attempt and a random number."""
    lease: int
    """The lease duration in seconds. A run that sends no beat for longer counts as dead."""
    beat: int = 0
    """A number that grows while the run is alive."""
    run_id: int = 0
    attempt: int = 0
    group: str = ""
    """In the queue, a newer run supersedes older ones with the same group; empty if none does."""
    queue: Queue = Queue.FIFO
    since: str = ""
    """The start, by the owner's clock. It is only shown to people."""
    url: str = ""
    """The page of the run; empty outside of GitHub."""
    job: str = ""
    """A random id that the steps of a job share, to find what the job holds; empty outside of a job."""

    def replaces(self, other: "Claim") -> bool:
        """Return whether this run supersedes ``other`` in the queue."""
        return (
            other.queue is Queue.NEWEST
            and bool(self.group)
            and self.group == other.group
            and (self.run_id, self.attempt) > (other.run_id, other.attempt)
        )

    @property
    def name(self) -> str:
        """The name for messages."""
        if not self.run_id:
            return f"{self.owner} (not a GitHub run)"
        return f"run {self.run_id}" + (f" (attempt {self.attempt})" if self.attempt > 1 else "")

    def describe(self) -> str:
        """Return the name and the page of the run."""
        return self.name + (f", {self.url}" if self.url else "")

    def item(self) -> dict[str, Any]:
        """Return the attributes of a holder or a ticket in DynamoDB."""
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
        """Read a claim. Attributes that decide something are checked strictly, those for people are not.

        Raises:
            LockError: The action cannot have written the attributes.

        """
        owner = item.get("owner")
        if not isinstance(owner, str) or not owner:
            raise _invalid("owner", owner)
        queue = item.get("queue", Queue.FIFO.value)
        if queue not in list(Queue):
            raise _invalid("queue", queue)
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
    """The state of the lock."""

    token: int = 0
    """The token of the last acquisition."""
    holder: Claim | None = None
    phase: str = ""
    """The phase of the holder at its last beat."""
    kept_by: str = ""
    """The command that keeps the lock between the steps of the holder's job; empty if none does."""
    tickets: tuple[Claim, ...] = ()
    """The runs that wait, in order of arrival."""
    opened: Mapping[str, Any] = field(default_factory=dict)
    """Who last released the lock by force, when and why."""

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Self:
        """Read the item. An empty item means that the lock was never held.

        Raises:
            LockError: This version of the action cannot have written the item.

        """
        if not item:
            return cls()
        layout = _whole(item, "format", default=FORMAT)
        if layout != FORMAT:
            raise LockError(
                f"the lock was written by another version of the action: its format is {layout}, and this version "
                f"supports {FORMAT}",
                hint="Use the same major version of the action in all workflows that release this function.",
            )
        tickets = item.get("tickets", [])
        if not isinstance(tickets, list) or not all(isinstance(ticket, Mapping) for ticket in tickets):
            raise _invalid("tickets", tickets)
        opened, kept_by = item.get("opened", {}), item.get("kept_by", "")
        if kept_by and kept_by not in KEEPING:
            raise _invalid("kept_by", kept_by)
        return cls(
            token=_whole(item, "token"),
            holder=Claim.read(item) if "owner" in item else None,
            phase=str(item.get("phase", "")),
            kept_by=str(kept_by or ""),
            tickets=tuple(Claim.read(ticket) for ticket in tickets),
            opened=opened if isinstance(opened, Mapping) else {},
        )

    def place_of(self, owner: str) -> int | None:
        """Return the index of the ticket of ``owner`` in ``tickets``; None if there is none."""
        return next((place for place, ticket in enumerate(self.tickets) if ticket.owner == owner), None)

    @property
    def queue(self) -> list[Claim]:
        """The runs that wait, in the order of acquisition. A newer run is before the runs that it supersedes."""
        queue: list[Claim] = []
        for ticket in self.tickets:
            place = len(queue)
            if ticket.queue is Queue.NEWEST:
                place = next((place for place, other in enumerate(queue) if ticket.replaces(other)), place)
            queue.insert(place, ticket)
        return queue

    def ahead_of(self, owner: str) -> list[Claim]:
        """Return the runs that acquire the lock before ``owner``."""
        queue = self.queue
        return queue[: next((place for place, ticket in enumerate(queue) if ticket.owner == owner), len(queue))]


class Liveness:
    """Whether other runs are alive, judged by when they last changed, on the clock of this process only."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int, float]] = {}
        self._living: set[str] = set()

    def see(self, state: LockState, now: float) -> None:
        """Record a state that was read before ``now``, on the monotonic clock of this process."""
        seen = {}
        for owner, token, claim in _claims(state):
            last = self._seen.get(owner)
            if last is not None and last[:2] != (token, claim.beat):
                self._living.add(owner)
            unchanged = last if last is not None and last[:2] == (token, claim.beat) else None
            seen[owner] = unchanged or (token, claim.beat, now)
        self._seen = seen

    def silence(self, claim: Claim, now: float) -> float:
        """Return the seconds since the last change of ``claim``."""
        return now - self._seen[claim.owner][2]

    def is_dead(self, claim: Claim, now: float) -> bool:
        """Return whether ``claim`` has not changed for longer than its lease."""
        return self.silence(claim, now) > claim.lease

    def has_lived(self, claim: Claim) -> bool:
        """Return whether ``claim`` is known to have changed since its creation."""
        return claim.beat > 0 or claim.owner in self._living


def _claims(state: LockState) -> Iterator[tuple[str, int, Claim]]:
    """Yield the owner, the token (0 for tickets) and the claim of each run. Token or beat change while it is alive."""
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
        raise _invalid(name, value)
    return int(value)


def shown(value: object) -> str:
    """Return any value of an item as text for a message."""
    return repr(str(value)[:80]) if isinstance(value, str | int | Decimal) else f"a {type(value).__name__}"


def _invalid(name: str, value: object) -> LockError:
    what = "is missing" if value is None else f"is {shown(value)}"
    return LockError(
        f"the item of the lock is not valid: its {name} {what}",
        hint="If another program writes to this table, set the input table to another one. Otherwise correct the item "
        "by hand, never with a lower token. If owner, lease or beat are not valid, command: unlock releases the lock.",
    )
