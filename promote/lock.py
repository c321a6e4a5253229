"""The lock: a lease on one function, held by one run at a time.

It spares work and time; safety rests on Lambda's preconditions. Each acquisition has a token, one higher than the last.
A holder that died is recognised by what a waiter sees: an entry that does not change for as long as its lease, on the
waiter's own clock. Wall clocks are never compared.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from promote.clock import Clock
from promote.errors import LockError
from promote.model import Run
from promote.table import Item, Missing, Refused, Table

_SHORTEST_POLL, _LONGEST_POLL = 0.5, 5.0
_REPORT_EVERY = 30.0
"""Seconds: between looks at a lock that is held, and between lines about it in the log."""

_STILL_OURS = "#owner = :owner AND #token = :token"

LOCK = "lock"
"""The sort key of the lock's item."""


@dataclass(frozen=True)
class Lease:
    """The lock, held."""

    owner: str
    token: int
    seconds: float
    """How long it lasts without a beat."""
    asked: float
    """When it was asked for, on the clock's monotonic time."""
    waited: float
    """Seconds until it was had."""


class Lock:
    """The lock of one function."""

    def __init__(self, table: Table, arn: str, run: Run, clock: Clock, say: Callable[[str, str], None]) -> None:
        self._table = table
        self._arn = arn
        self._run = run
        self._clock = clock
        self._say = say

    def acquire(self, lease: float, timeout: float) -> Lease:
        """Wait for the lock, at most ``timeout`` seconds, and take it for ``lease`` seconds.

        Raises:
            LockError: it was not free in time.

        """
        try:
            return self._acquire(lease, timeout)
        except LockError:
            raise
        except BaseException:
            # The lock may have been taken, and the answer never seen. The owner's name is this process's alone.
            with suppress(Exception):
                self._give_back("#owner = :owner", {"owner": self._run.owner})
            raise

    def _acquire(self, lease: float, timeout: float) -> Lease:
        started = reported = asked = self._clock.monotonic()
        entry, pause = self._try(lease, None), _SHORTEST_POLL
        seen = self._clock.monotonic()
        if not self._is_ours(entry):
            self._report(entry, 0)
        while not self._is_ours(entry):
            now = self._clock.monotonic()
            if now - started >= timeout:
                raise self._too_late(entry, timeout)
            if now - reported >= _REPORT_EVERY:
                self._report(entry, now - started)
                reported = now
            self._clock.sleep(min(pause, timeout - (now - started)))
            pause = min(1.5 * pause, _LONGEST_POLL)
            asked = self._clock.monotonic()
            is_expired = asked - seen > float(entry.get("lease", lease))
            found = self._try(lease, entry if is_expired else None)
            if (found.get("token"), found.get("beat")) != (entry.get("token"), entry.get("beat")):
                seen = self._clock.monotonic()
            entry = found
        waited = self._clock.monotonic() - started
        return Lease(self._run.owner, int(entry["token"]), round(lease), asked, waited)

    def beat(self, lease: Lease, table: Table) -> str:
        """Renew the lease; give who holds the lock by now, if that is somebody else.

        ``table`` is the same table by a client that gives up long before the lease is over.
        """
        change = table.change(
            self._arn,
            LOCK,
            expressions={"beat": "#beat + :one"},
            condition=_STILL_OURS,
            values={"one": 1, "owner": lease.owner, "token": lease.token},
        )
        try:
            table.update(change)
        except Refused as refused:
            return _holder(refused.item) if refused.item.get("owner") else "nobody: it was opened by force"
        return ""

    def _try(self, lease: float, expired: Item | None) -> Item:
        """Take the lock if it is free, or if it is still the ``expired`` entry; give the entry as it then is."""
        condition, values = "attribute_not_exists(#owner)", {}
        if expired:
            condition += " OR (#owner = :expired AND #token = :token AND #beat = :beat)"
            values = {"expired": expired["owner"], "token": expired["token"], "beat": expired.get("beat", 0)}
        change = self._table.change(
            self._arn,
            LOCK,
            assign={
                "owner": self._run.owner,
                "lease": round(lease),
                "beat": 0,
                "since": self._clock.now().isoformat(timespec="seconds"),
                "url": self._run.url,
            },
            expressions={"token": "if_not_exists(#token, :zero) + :one"},
            condition=condition,
            values={"zero": 0, "one": 1, **values},
        )
        try:
            return self._table.update(change)
        except Refused as refused:
            return refused.item
        except Missing:
            self._say("table", f"making the table {self._table.name}")
            self._table.ensure()
            return self._try(lease, expired)

    def _is_ours(self, entry: Item) -> bool:
        """Whether we hold it, also when the answer that said so was lost: the owner's name is this process's alone."""
        return bool(entry.get("owner") == self._run.owner)

    def giving_back(self, lease: Lease) -> tuple[str, dict[str, Any]]:
        """Give the part of a transaction that releases ``lease``; its condition fails when the lock is another's."""
        return "Update", self._release(_STILL_OURS, {"owner": lease.owner, "token": lease.token})

    def release(self, lease: Lease) -> None:
        """Give the lock back, if it is still ours."""
        self._give_back(_STILL_OURS, {"owner": lease.owner, "token": lease.token})

    def _give_back(self, condition: str, values: Item) -> None:
        with suppress(Refused):
            self._table.update(self._release(condition, values))

    def _release(self, condition: str, values: Item) -> dict[str, Any]:
        held = ("owner", "lease", "beat", "since", "url")
        return self._table.change(self._arn, LOCK, remove=held, condition=condition, values=values)

    def _report(self, entry: Item, waited: float) -> None:
        so_far = f", waited {waited:.0f} s" if waited else ""
        self._say("lock", f"held by {_holder(entry)}{so_far}")

    def _too_late(self, entry: Item, timeout: float) -> LockError:
        return LockError(
            f"the lock was not free within {timeout / 60:g} minutes: it is held by {_holder(entry)}",
            hint="See what that run does, and raise lock-timeout if it merely takes long. If it died, its lock is free "
            f"{int(entry.get('lease', 0))} seconds later.",
        )


def _holder(entry: Item) -> str:
    where = f" ({entry['url']})" if entry.get("url") else ""
    return f"run {entry.get('owner', 'unknown')}{where} since {entry.get('since', 'an unknown time')}"
