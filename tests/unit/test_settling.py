"""The wait between an update of $LATEST and its verification."""

from datetime import UTC, datetime

import pytest

from promote.pipeline.settling import settle


class Watch:
    def __init__(self, now: float) -> None:
        self.time = now
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.mark.parametrize(
    ("now", "seconds", "slept"), [(100, 2, [2]), (101.5, 2, [0.5]), (102, 2, []), (500, 2, []), (100, 0, [])]
)
def test_it_waits_for_what_is_left(now: float, seconds: float, slept: list[float]) -> None:
    watch = Watch(now)
    settle(watch, seconds, settled=100)
    assert watch.slept == slept
