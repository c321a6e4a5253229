"""The hour of the benchmarks is played by the simulation: that it can be is seen here, and what it finds there."""

import pytest

from benchmarks.hour import Commit, Hour, Way, repository
from promote.core.run import Result

SOON, LATER = Commit(1, 0.0, 60.0), Commit(2, 600.0, 60.0)


@pytest.mark.parametrize("way", Way)
def test_a_good_commit_is_served_and_a_broken_one_is_not(way: Way) -> None:
    with repository() as planted:
        told = Hour(way, [SOON, LATER], {LATER.number}, planted).play()

    assert [number for _, number in told.served] == [SOON.number]
    assert [told.count(result) for result in (Result.PROMOTED, Result.BLOCKED)] == [1, 1]
    assert told.served[0][0] > SOON.verification
