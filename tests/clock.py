"""A clock that the test controls."""

from datetime import UTC, datetime


class Time:
    """A clock that moves only in ``sleep``, or if a test sets ``seconds``."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
