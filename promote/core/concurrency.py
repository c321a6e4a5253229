"""Run independent calls in parallel. Only this module starts threads.

The threads are daemons, so the end of the process does not wait for them. A cancelled run has only seconds to end.
"""

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

AFTER_INTERRUPT = 3.0
"""Seconds for each thing that is tidied up after an interrupt, because the runner kills the process after ten."""

_One = TypeVar("_One")
_Other = TypeVar("_Other")


class Event(Protocol):
    """An event that is set once, and that threads can wait for."""

    def set(self) -> None:
        """Set the event."""

    def is_set(self) -> bool:
        """Return whether the event is set."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the event, at most ``timeout`` seconds, and return whether it is set."""


class Threads(Protocol):
    """Starts threads. The simulation has its own implementation, which decides which thread runs next."""

    def start(self, call: Callable[[], None]) -> None:
        """Start ``call`` and do not wait for it. It ends with the process at the latest."""

    def event(self) -> Event:
        """Return a new event."""


class SystemThreads:
    """The threads of the operating system."""

    def start(self, call: Callable[[], None]) -> None:
        """Start ``call`` in a daemon thread."""
        start_daemon(call)

    def event(self) -> Event:
        """Return a new event."""
        return threading.Event()


def start_daemon(call: Callable[[], None]) -> threading.Thread:
    """Start ``call`` in a daemon thread that receives no SIGINT and no SIGTERM.

    The system may give a signal to any thread that accepts it. Only in the main thread does it interrupt the run.
    """
    thread = threading.Thread(target=call, daemon=True)
    # A thread begins with the signal mask of the thread that starts it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread


_SYSTEM = SystemThreads()
_threads: ContextVar[Threads] = ContextVar("threads", default=_SYSTEM)


@contextmanager
def using(threads: Threads) -> Iterator[None]:
    """Use ``threads`` in the block, and in what it calls."""
    before = _threads.set(threads)
    try:
        yield
    finally:
        _threads.reset(before)


def start(call: Callable[[], None]) -> None:
    """Start ``call`` in a thread, and do not wait for it."""
    _threads.get().start(call)


def event() -> Event:
    """Return a new event that threads can wait for."""
    return _threads.get().event()


def run_both(first: Callable[[], _One], second: Callable[[], _Other]) -> tuple[_One, _Other]:
    """Run both in parallel, and return both results. If both fail, raise the error of ``first``."""
    pending = _start([second], 1)[0]
    try:
        result = first()
    except Exception:
        pending.wait()
        raise
    return result, pending.result()


def map_concurrently(calls: Sequence[Callable[[], _One]], width: int) -> list[_One]:
    """Run all calls, at most ``width`` at a time. Return the results in order, or raise the first error in order.

    A single call runs in the caller's thread. So a signal that cancels the run interrupts the call, which cleans up.
    """
    if len(calls) == 1:
        return [calls[0]()]
    return [pending.result() for pending in _start(calls, width)]


def map_ordered(calls: Iterable[Callable[[], _One]], width: int) -> Iterator[_One]:
    """Run the calls, ``width`` at a time, and yield the results in order.

    Calls start only a few ahead of the results that the caller takes, so only a few results are in memory at a time.
    """
    queue: SimpleQueue[_Pending[_One]] = SimpleQueue()
    awaited: deque[_Pending[_One]] = deque()
    room = threading.Semaphore(width)

    def work() -> None:
        is_at_work = True
        while is_at_work:
            _work(queue)
            room.release()
            # A call that was queued before the release is ours to run. A later one starts another thread.
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
    """Do the same as ``map_concurrently``, but if a call fails, wait for the others before the error is raised."""

    def attempt(call: Callable[[], _One]) -> tuple[_One] | Exception:
        try:
            return (call(),)
        except Exception as error:  # noqa: BLE001 - raised below, after all calls
            return error

    outcomes = map_concurrently([partial(attempt, call) for call in calls], width)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return [outcome[0] for outcome in outcomes if not isinstance(outcome, Exception)]


def with_timeout(seconds: float, call: Callable[[], _One]) -> _One:
    """Return the result of ``call`` if it ends within ``seconds``. After a timeout, the call continues in its thread.

    Raises:
        TimeoutError: The call did not end in time.

    """
    return _start([call], 1)[0].result(seconds)


class OneThread:
    """A daemon thread that runs calls one after the other. It starts with the first call.

    The C library keeps freed memory for the thread that has freed it. So large values are made in one thread, and not
    in each of many.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Pending[Any]] = SimpleQueue()
        self._starting = threading.Lock()
        self._has_started = False

    def result(self, seconds: float, call: Callable[[], _One]) -> _One:
        """Return the result of ``call`` if it ends within ``seconds``.

        Raises:
            TimeoutError: The call, or those before it, did not end in time. It runs nevertheless.

        """
        with using(_SYSTEM):  # the thread itself is the system's
            pending = _Pending(call)
        self._queue.put(pending)
        with self._starting:
            if not self._has_started:
                start_daemon(self._work)
            self._has_started = True
        return pending.result(seconds)

    def _work(self) -> None:
        while True:
            pending = self._queue.get()
            pending.run()
            del pending  # while it waits for the next


class _Pending(Generic[_One]):
    """A call and its result."""

    _result: _One

    def __init__(self, call: Callable[[], _One]) -> None:
        self._call = call
        self._error: BaseException | None = None
        self._is_done = event()

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - raised by result()
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
        pending.run()
