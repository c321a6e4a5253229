"""Independent calls at the same time, and the only user of threads.

The threads are daemons, and an interrupt does not wait for them: a run that is cancelled has seconds to end.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

_One = TypeVar("_One")
_Other = TypeVar("_Other")


class Event(Protocol):
    """Something that happens once, and can be waited for."""

    def set(self) -> None:
        """Say that it has happened."""

    def is_set(self) -> bool:
        """Whether it has."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, at most ``timeout`` seconds; give whether it has happened."""


class Threads(Protocol):
    """What lets calls run beside each other; a simulation brings its own, and decides who goes next."""

    def start(self, call: Callable[[], None]) -> None:
        """Begin ``call``, and do not wait for it; it ends with the process at the latest."""

    def event(self) -> Event:
        """Make an event that has not happened."""


class SystemThreads:
    """The machine's own threads."""

    def start(self, call: Callable[[], None]) -> None:
        """Begin ``call`` in a thread that does not keep the process alive."""
        threading.Thread(target=call, daemon=True).start()

    def event(self) -> Event:
        """Make an event that has not happened."""
        return threading.Event()


_SYSTEM = SystemThreads()
_threads: ContextVar[Threads] = ContextVar("threads", default=_SYSTEM)


@contextmanager
def using(threads: Threads) -> Iterator[None]:
    """Let the block, and what it calls, start ``threads`` in the place of the machine's own."""
    before = _threads.set(threads)
    try:
        yield
    finally:
        _threads.reset(before)


def start(call: Callable[[], None]) -> None:
    """Begin ``call`` beside the work, and do not wait for it."""
    _threads.get().start(call)


def event() -> Event:
    """Make an event that those beside the work can wait for."""
    return _threads.get().event()


def run_both(first: Callable[[], _One], second: Callable[[], _Other]) -> tuple[_One, _Other]:
    """Run both, ``first`` in this thread; where both fail, the error is that of ``first``."""
    later = _start([second], 1)[0]
    try:
        result = first()
    except Exception:
        later.wait()
        raise
    return result, later.result()


def map_concurrently(calls: Sequence[Callable[[], _One]], width: int) -> list[_One]:
    """Run all, at most ``width`` at a time; give the results in order, or raise the first error in order."""
    return [pending.result() for pending in _start(calls, width)]


def map_ordered(calls: Iterable[Callable[[], _One]], width: int) -> Iterator[_One]:
    """Run ``width`` at a time, a few ahead of whoever takes the results, and yield these in order.

    The calls are taken one by one, so that no more of them, and of their results, exist at once than that.
    """
    queue: SimpleQueue[_Pending[_One]] = SimpleQueue()
    awaited: deque[_Pending[_One]] = deque()
    room = threading.Semaphore(width)

    def work() -> None:
        is_at_work = True
        while is_at_work:
            _work(queue)
            room.release()
            # What came before the release was left to us; what comes after it has somebody else begin.
            is_at_work = not queue.empty() and room.acquire(blocking=False)

    for call in calls:
        awaited.append(_Pending(call))
        queue.put(awaited[-1])
        if room.acquire(blocking=False):
            start(work)
        if len(awaited) > 2 * width:
            yield awaited.popleft().result()
    while awaited:
        yield awaited.popleft().result()


def map_and_wait(calls: Sequence[Callable[[], _One]], width: int) -> list[_One]:
    """Run all as ``map_concurrently`` does, and wait for all: also where one fails, no other goes on unnoticed."""

    def attempt(call: Callable[[], _One]) -> tuple[_One] | Exception:
        try:
            return (call(),)
        except Exception as error:  # noqa: BLE001 - raised below, when all have ended
            return error

    outcomes = map_concurrently([partial(attempt, call) for call in calls], width)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return [outcome[0] for outcome in outcomes if not isinstance(outcome, Exception)]


def with_timeout(seconds: float, call: Callable[[], _One]) -> _One:
    """Run ``call``, and give up on it after ``seconds``: what it does goes on, as long as the process lives.

    Raises:
        TimeoutError: it took longer.

    """
    return _start([call], 1)[0].result(seconds)


class _Pending(Generic[_One]):
    """A call and what comes of it."""

    _result: _One

    def __init__(self, call: Callable[[], _One]) -> None:
        self._call = call
        self._error: BaseException | None = None
        self._is_done = event()

    def carry_out(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            self._error = error
        self._is_done.set()

    def wait(self, seconds: float | None = None) -> None:
        if not self._is_done.wait(seconds):
            raise TimeoutError

    def result(self, seconds: float | None = None) -> _One:
        self.wait(seconds)
        if self._error is not None:
            raise self._error
        return self._result


def _start(calls: Sequence[Callable[[], _One]], width: int) -> list[_Pending[_One]]:
    queue: SimpleQueue[_Pending[_One]] = SimpleQueue()
    pending = [_Pending(call) for call in calls]
    for one in pending:
        queue.put(one)
    for _ in range(min(width, len(pending))):
        start(lambda: _work(queue))
    return pending


def _work(queue: "SimpleQueue[_Pending[_One]]") -> None:
    while True:
        try:
            pending = queue.get_nowait()
        except Empty:
            return
        pending.carry_out()
