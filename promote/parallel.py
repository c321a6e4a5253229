"""Independent calls at the same time.

The threads are daemons, and an interrupt does not wait for them: a run that is cancelled has seconds to end.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

_One = TypeVar("_One")
_Other = TypeVar("_Other")


def side_by_side(first: Callable[[], _One], second: Callable[[], _Other]) -> tuple[_One, _Other]:
    """Run both, ``first`` in this thread; where both fail, the error is that of ``first``."""
    later = _start([second], 1)[0]
    try:
        result = first()
    except Exception:
        wait([later])
        raise
    return result, later.result()


def gather(calls: Sequence[Callable[[], _One]], width: int) -> list[_One]:
    """Run all, at most ``width`` at a time; give the results in order, or raise the first error in order."""
    return [future.result() for future in _start(calls, width)]


def each(calls: Sequence[Callable[[], _One]], width: int) -> list[_One]:
    """Run all as ``gather`` does, and wait for all: also where one fails, none goes on behind the caller's back."""

    def attempt(call: Callable[[], _One]) -> tuple[_One] | Exception:
        try:
            return (call(),)
        except Exception as error:  # noqa: BLE001 - raised below, when all have ended
            return error

    outcomes = gather([partial(attempt, call) for call in calls], width)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return [outcome[0] for outcome in outcomes if not isinstance(outcome, Exception)]


def within(seconds: float, call: Callable[[], _One]) -> _One:
    """Run ``call``, and give up on it after ``seconds``: what it does goes on, as long as the process lives.

    Raises:
        TimeoutError: it took longer.

    """
    return _start([call], 1)[0].result(seconds)


def _start(calls: Sequence[Callable[[], _One]], width: int) -> list[Future[_One]]:
    queue: SimpleQueue[tuple[Callable[[], _One], Future[_One]]] = SimpleQueue()
    futures: list[Future[_One]] = []
    for call in calls:
        futures.append(Future())
        queue.put((call, futures[-1]))
    for _ in range(min(width, len(calls))):
        threading.Thread(target=_work, args=(queue,), daemon=True).start()
    return futures


def _work(queue: "SimpleQueue[tuple[Callable[[], _One], Future[_One]]]") -> None:
    while True:
        try:
            call, future = queue.get_nowait()
        except Empty:
            return
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
