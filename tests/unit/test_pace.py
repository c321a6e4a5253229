"""How often a waiting run reads the lock in ten minutes: the cost, and how soon it notices a free lock."""

from collections.abc import Callable
from itertools import cycle
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promote.state.polling import Pace

TEN_MINUTES = 600.0
CHANCES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def looks(chance: Callable[[], float], ahead: Callable[[float], int]) -> int:
    """Return the number of reads in ten minutes with ``ahead`` others before it at that time."""
    pace, now, count = Pace(chance), 0.0, 0
    while now < TEN_MINUTES:
        now += pace.pause(ahead(now), now)
        count += 1
    return count


@given(CHANCES)
@settings(max_examples=200)
def test_the_first_in_line_looks_at_most_3000_times_whatever_chance_says(chances: list[float]) -> None:
    numbers = cycle(chances)
    assert 2000 < looks(lambda: next(numbers), lambda _: 0) <= 3000


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_so_it_is_where_chance_says_the_same_all_the_time(chance: float) -> None:
    assert looks(lambda: chance, lambda _: 0) <= 3000
    assert looks(lambda: chance, lambda _: 1) <= 200


@given(CHANCES, st.integers(1, 99))
@settings(max_examples=200)
def test_everybody_else_looks_at_most_200_times_whatever_chance_says(chances: list[float], ahead: int) -> None:
    numbers = cycle(chances)
    assert looks(lambda: next(numbers), lambda _: ahead) <= 200


@given(CHANCES)
def test_so_it_is_while_the_line_moves_every_minute(chances: list[float]) -> None:
    numbers = cycle(chances)
    assert looks(lambda: next(numbers), lambda now: 20 - int(now // 60)) <= 200


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_the_first_in_line_sees_a_free_lock_soon(chance: float) -> None:
    pace = Pace(lambda: chance)
    assert all(pace.pause(0, second) <= 0.12 for second in range(60))
    assert all(pace.pause(0, second) <= 0.4 for second in range(60, 3600))


def test_the_others_slow_down_and_look_sooner_when_the_line_moves() -> None:
    pace = Pace(lambda: 0.5)
    standing = [pace.pause(3, 0) for _ in range(20)]
    assert standing == sorted(standing)
    assert standing[0] < 1.2
    assert 3.5 < standing[-1] < 5
    moved = pace.pause(2, 0)
    assert moved == standing[-1] / 2
    assert pace.pause(2, 0) > moved


def test_no_two_move_in_step() -> None:
    one, other = Pace(Random(1).random), Pace(Random(2).random)  # noqa: S311 - no secret
    assert all(one.pause(3, 0) != other.pause(3, 0) for _ in range(50))
