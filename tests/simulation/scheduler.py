"""Time and order: processes and their threads are greenlets. One runs at a time, in an order that a seed decides.

Nothing is concurrent. A thread runs until it waits for time, a response or another thread. Then the scheduler continues
with what is due next. So a schedule is the same each time that it is played.
"""

import heapq
from collections.abc import Callable
from contextvars import copy_context
from datetime import UTC, datetime
from itertools import count

from greenlet import getcurrent, greenlet

EPOCH = 1_767_225_600.0
"""The start of each schedule, in seconds since 1970."""


_MOST_STEPS = 100_000
"""Many more than any schedule needs."""


class Killed(BaseException):
    """Unwinds the threads of a dead process. It has no effect outside of it."""


class Scheduler:
    """The time of the world, and what is due."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the start."""
        self.steps = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._turns = count()
        self._doomed: list[Process] = []
        self.hub = getcurrent()
        """The greenlet in which ``run`` was called."""

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Call ``act`` at ``when``. Calls for the same time happen in the order of their requests."""
        heapq.heappush(self._due, (when, next(self._turns), act))

    def run(self, until: float = float("inf")) -> None:
        """Call everything that is due by ``until``. Errors in it are raised."""
        self.hub = getcurrent()
        while self._due and self._due[0][0] <= until:
            when, _, act = heapq.heappop(self._due)
            self.now = max(self.now, when)
            self.steps += 1
            if self.steps > _MOST_STEPS:
                raise TimeoutError(f"this does not end: {self.steps} steps in {self.now:.0f} s")
            act()
            while self._doomed:
                self._doomed.pop().unwind()

    def doom(self, process: "Process") -> None:
        """Unwind the process before anything else happens."""
        self._doomed.append(process)

    def leave(self) -> None:
        """Let other threads continue, until the calling thread is resumed."""
        self.hub.switch()


class Thread(greenlet):
    """One thread of a process."""

    def __init__(self, process: "Process", call: Callable[[], None]) -> None:
        super().__init__(self._act, parent=process.scheduler.hub)
        self.process = process
        self.interrupt: BaseException | None = None
        """The error to raise when it continues."""
        self.has_begun = False
        self._call = call
        self._wait = 0
        """The number of its current wait, so that a wake-up of an earlier wait does not end this one."""
        self.gr_context = copy_context()

    def pause(self, until: float | None) -> None:
        """Wait in this thread until then (None: without a limit), or until it is resumed."""
        self.process.require_life()
        self._wait += 1
        if until is not None:
            self.resume_at(until)
        self.process.scheduler.leave()
        if self.process.is_dead:
            raise Killed
        if self.interrupt is not None:
            interrupt, self.interrupt = self.interrupt, None
            raise interrupt

    def resume_at(self, when: float) -> None:
        """End its current wait at that time."""
        wait, process = self._wait, self.process
        scheduler = process.scheduler

        def resume() -> None:
            if self.dead or self._wait != wait or process.is_dead:
                return
            if process.frozen_until > scheduler.now:
                scheduler.at(process.frozen_until, resume)
                return
            self._wait += 1
            self.switch()

        scheduler.at(when, resume)

    def _act(self) -> None:
        self.has_begun = True
        try:
            self._call()
        except Killed:
            pass
        except KeyboardInterrupt:
            if self is self.process.main:
                raise


class Process:
    """One process on a machine with its own clock. Its code uses it as the clock and to start threads."""

    def __init__(self, scheduler: Scheduler, name: str, *, zero: float = 0, rate: float = 1, skew: float = 0) -> None:
        """``zero`` is the monotonic clock at the start of the world, and ``rate`` its rate.

        ``skew`` is the number of seconds that the wall clock is ahead.
        """
        self.scheduler = scheduler
        self.name = name
        self.zero, self.rate, self.skew = zero, rate, skew
        self.frozen_until = 0.0
        """Until then, the process or its machine is suspended."""
        self.is_dead = False
        self.was_killed = False
        """Whether it was killed."""
        self.is_deaf = False
        """Whether signals have no effect."""
        self.main: Thread | None = None
        self.gone: Callable[[], None] = lambda: None
        """Called when it has ended and can do nothing more."""
        self._threads: list[Thread] = []

    def now(self) -> datetime:
        """Return the wall clock's time."""
        self.require_life()
        return datetime.fromtimestamp(EPOCH + self.scheduler.now + self.skew, UTC)

    def monotonic(self) -> float:
        """Return the monotonic clock's seconds, including time spent suspended."""
        self.require_life()
        return self.zero + self.scheduler.now * self.rate

    def sleep(self, seconds: float) -> None:
        """Wait for that many seconds of this machine's clock."""
        _current().pause(self.scheduler.now + max(0.0, seconds) / self.rate)

    def start(self, call: Callable[[], None]) -> None:
        """Start a thread. The first one is the main thread."""
        self.require_life()
        thread = Thread(self, call)
        self.main = self.main or thread
        self._threads.append(thread)
        thread.resume_at(self.scheduler.now)

    def event(self) -> "Event":
        """Return an event that has not happened."""
        return Event(self)

    def require_life(self) -> None:
        """Stop all threads of a dead process."""
        if self.is_dead:
            raise Killed

    def freeze(self, seconds: float) -> None:
        """Suspend it for that long."""
        self.frozen_until = max(self.frozen_until, self.scheduler.now + seconds)

    def kill(self) -> None:
        """End it at once, as SIGKILL does."""
        if not self.is_dead:
            self.was_killed = True
            self.end()

    def end(self) -> None:
        """End it. Its threads do not continue."""
        self.is_dead = True
        self.scheduler.doom(self)

    def signal(self) -> None:
        """Deliver SIGINT or SIGTERM. The first one interrupts the main thread; later ones have no effect."""
        if self.is_dead or self.is_deaf or self.main is None or self.main.dead:
            return
        self.is_deaf = True
        if getcurrent() is self.main:
            raise KeyboardInterrupt
        self.main.interrupt = KeyboardInterrupt()
        self.main.resume_at(self.scheduler.now)

    def unwind(self) -> None:
        """End its threads, which can do nothing any more."""
        for thread in self._threads:
            if thread.has_begun and not thread.dead:
                thread.throw(Killed())
        self._threads.clear()
        self.scheduler.at(self.scheduler.now, self.gone)


class Event:
    """What the threads of one process wait for."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._has_happened = False
        self._waiting: list[Thread] = []

    def set(self) -> None:
        """Set it."""
        self._has_happened = True
        for thread in self._waiting:
            thread.resume_at(self._process.scheduler.now)
        self._waiting.clear()

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._has_happened

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, at most ``timeout`` seconds of this machine's clock."""
        self._process.require_life()
        if not self._has_happened:
            thread, scheduler = _current(), self._process.scheduler
            self._waiting.append(thread)
            try:
                thread.pause(None if timeout is None else scheduler.now + max(0.0, timeout) / self._process.rate)
            finally:
                if thread in self._waiting:
                    self._waiting.remove(thread)
        return self._has_happened


def _current() -> Thread:
    thread = getcurrent()
    assert isinstance(thread, Thread), "only a process's thread can wait"
    return thread
