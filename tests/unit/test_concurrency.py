"""Concurrent work whose results come in order."""

import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from promote.core.concurrency import map_and_wait, map_concurrently, map_ordered, run_both

WIDTH = 2
AHEAD = 2 * WIDTH + 1
PATIENCE = 20.0


def test_results_come_in_order_though_the_work_ends_in_another() -> None:
    later = threading.Event()

    def first() -> int:
        assert later.wait(PATIENCE)
        return 0

    def second() -> int:
        later.set()
        return 1

    assert list(map_ordered([first, second], WIDTH)) == [0, 1]


def test_no_more_than_that_many_work_at_once() -> None:
    together, alone, most = threading.Barrier(WIDTH), threading.Lock(), 0
    working = 0

    def work() -> None:
        nonlocal working, most
        with alone:
            working += 1
            most = max(most, working)
        together.wait(PATIENCE)
        with alone:
            working -= 1
        together.wait(PATIENCE)

    list(map_ordered([work] * 4 * WIDTH, WIDTH))
    assert most == WIDTH


@pytest.mark.parametrize("run_all", [map_concurrently, map_and_wait])
def test_a_single_call_runs_in_the_callers_thread(
    run_all: Callable[[list[Callable[[], int]], int], list[int]],
) -> None:
    """So a signal, which Python handles in the main thread, interrupts it, and it cleans up."""
    assert run_all([threading.get_ident], WIDTH) == [threading.get_ident()]


def test_work_is_taken_as_its_results_are() -> None:
    taken = 0

    def calls() -> Iterator[Callable[[], int]]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield partial(int, number)

    for number, result in enumerate(map_ordered(calls(), WIDTH)):
        assert result == number
        assert taken <= number + AHEAD
    assert taken == 1000


def test_an_error_comes_where_its_result_would_have() -> None:
    results = map_ordered([lambda: 1, lambda: 1 // 0, lambda: 3], WIDTH)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_consumer_that_stops_early_leaves_no_thread_behind() -> None:
    before, later = set(threading.enumerate()), threading.Event()
    calls: list[Callable[[], bool]] = [lambda: True, *[partial(later.wait, PATIENCE)] * 1000]
    results = map_ordered(calls, WIDTH)
    next(results)
    workers = set(threading.enumerate()) - before
    assert len(workers) == WIDTH
    results.close()  # type: ignore[attr-defined] # a generator
    later.set()
    for worker in workers:
        worker.join(PATIENCE)
        assert not worker.is_alive()


def test_signals_are_left_to_the_main_thread() -> None:
    """Another thread that received one would not interrupt the call in which the main thread waits."""

    def blocked() -> set[int]:
        return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    mine, others = run_both(blocked, blocked)
    assert {signal.SIGINT, signal.SIGTERM} <= others
    assert not {signal.SIGINT, signal.SIGTERM} & mine
    assert not {signal.SIGINT, signal.SIGTERM} & blocked()
