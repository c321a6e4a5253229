"""The simulation can play the hour of the benchmarks."""

import pytest

from benchmarks.hour import Commit, Hour, Way, repository
from promote.core.run import Result

SOON, LATER = Commit(1, 0.0, 60.0), Commit(2, 600.0, 60.0)


@pytest.mark.parametrize("way", Way)
def test_a_good_commit_is_served_and_a_broken_one_is_not(way: Way) -> None:
    with repository() as planted:
        outcome = Hour(way, [SOON, LATER], {LATER.number}, planted).play()

    assert [number for _, number in outcome.served] == [SOON.number]
    assert [outcome.count(result) for result in (Result.PROMOTED, Result.BLOCKED)] == [1, 1]
    assert outcome.served[0][0] > SOON.verification
