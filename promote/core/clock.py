"""The clock, which is passed as an argument."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The clock of a run. Tests and the simulation use their own."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC, for people, records, and ages in days.

        Other decisions use the time of DynamoDB or the monotonic clock, because the clocks of runners differ.
        """

    def monotonic(self) -> float:
        """Return the seconds since a fixed moment. Only differences are meaningful."""

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``."""

    def __hash__(self) -> int:
        """Return the hash. Cached functions take the clock as an argument."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the seconds since boot, including suspended time if the system supports it (CLOCK_BOOTTIME)."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``."""
        time.sleep(seconds)
