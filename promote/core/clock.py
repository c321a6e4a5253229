"""Time, as an argument."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a run needs of time; a test or a simulation brings its own."""

    def now(self) -> datetime:
        """Wall-clock time in UTC: for people and records, never for decisions."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; only differences mean something."""

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""

    def __hash__(self) -> int:
        """Tell clocks apart, as what is found out once a run wants it."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Wall-clock time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since boot, also those spent suspended (CLOCK_BOOTTIME), where the system knows them."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        time.sleep(seconds)
