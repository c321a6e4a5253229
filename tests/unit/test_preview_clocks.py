"""Whether a preview endpoint's run has died. Runners' clocks may be wrong by hours: only DynamoDB's clock counts."""

from itertools import product

import pytest

from promote.core.run import Run
from promote.state.endpoint_records import Preview, PreviewRecords
from promote.state.ledger import Ledger
from tests.clock import Time
from tests.memory import Memory
from tests.simulation.scheduler import EPOCH

ARN = "arn:aws:lambda:us-east-1:123456789012:function:hello"
HOUR = 3600.0
LEASE = 30
DEAD = 2 * LEASE + 5
"""Seconds after the last heartbeat, by DynamoDB's clock, after which the run counts as dead."""

SKEWS = [-5 * HOUR, -HOUR, 0.0, HOUR, 5 * HOUR]
skewed = pytest.mark.parametrize(("theirs", "ours"), list(product(SKEWS, repeat=2)))


class Runner:
    """A run on a machine whose clock is wrong by ``skew`` seconds."""

    def __init__(self, memory: Memory, operation: str, skew: float) -> None:
        clock = Time(EPOCH + skew)
        self.table, self.beats = memory.table(clock), memory.table(clock)
        self.ledger = Ledger(self.table, ARN, Run("c" * 40, 7, 1, "", operation), clock)
        self.ledger.read()  # each run reads the ledger before it does anything else

    @property
    def previews(self) -> PreviewRecords:
        return self.ledger.previews

    def sees_dead(self) -> list[str]:
        """Return the operations of the previews that this run would remove, as it reads them now."""
        return [preview.operation for preview in self.ledger.read().previews if preview.is_dead]

    def make(self) -> Preview:
        return self.previews.begin("3", "job", LEASE)

    def beat(self, preview: Preview) -> None:
        assert self.previews.renew(preview, self.beats) == ""


@pytest.fixture
def memory() -> Memory:
    return Memory()


@skewed
def test_a_preview_of_a_live_run_is_not_removed(memory: Memory, theirs: float, ours: float) -> None:
    maker, reader = Runner(memory, "maker", theirs), Runner(memory, "reader", ours)
    preview = maker.make()
    assert reader.sees_dead() == []
    for _ in range(40):  # much longer than it could live without heartbeats
        memory.pass_time(LEASE / 4)
        maker.beat(preview)
        assert reader.sees_dead() == []
    memory.pass_time(DEAD - LEASE / 4 - 1)  # a heartbeat writes the time of the response before it
    assert reader.sees_dead() == []


@skewed
@pytest.mark.parametrize("beats", [0, 3])
def test_a_preview_of_a_dead_run_is_removed(memory: Memory, theirs: float, ours: float, beats: int) -> None:
    maker = Runner(memory, "maker", theirs)
    preview = maker.make()
    for _ in range(beats):
        memory.pass_time(LEASE / 4)
        maker.beat(preview)
    memory.pass_time(DEAD + 2)
    assert Runner(memory, "reader", ours).sees_dead() == ["maker"]


@skewed
def test_a_run_that_was_suspended_for_long_is_dead_until_its_next_beats(
    memory: Memory, theirs: float, ours: float
) -> None:
    """Its first beat still has the time before the suspension."""
    maker, reader = Runner(memory, "maker", theirs), Runner(memory, "reader", ours)
    preview = maker.make()
    maker.beat(preview)
    memory.pass_time(HOUR)
    assert reader.sees_dead() == ["maker"]
    maker.beat(preview)
    maker.beat(preview)
    assert reader.sees_dead() == []
