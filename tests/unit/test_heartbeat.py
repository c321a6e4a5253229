"""When a lease can be trusted. The test controls time and each heartbeat."""

from collections.abc import Callable, Iterable
from threading import Event

import pytest

from promote.core.errors import LockError
from promote.state.heartbeat import Heartbeat
from tests.clock import Time


def answers(time: Time, taken: float, results: Iterable[str | Exception]) -> Callable[[], str]:
    """Return a heartbeat that takes ``taken`` seconds and ends with one of ``results`` after the other."""
    remaining = iter(results)

    def beat() -> str:
        time.seconds += taken
        result = next(remaining)
        if isinstance(result, Exception):
            raise result
        return result

    return beat


def test_a_lease_is_trusted_as_long_as_it_lasts_from_before_it_was_asked_for() -> None:
    time = Time(100)
    heartbeat = Heartbeat(answers(time, 0, []), 30, since=100, clock=time)
    time.seconds = 129.9
    heartbeat.require()
    time.seconds = 130
    with pytest.raises(LockError, match="could not be renewed for 30 seconds"):
        heartbeat.require()


def test_a_beat_counts_from_before_it_was_sent() -> None:
    time = Time(100)
    heartbeat = Heartbeat(answers(time, 8, [""]), 30, since=100, clock=time)
    time.seconds = 110
    heartbeat.beat()
    time.seconds = 139.9
    heartbeat.require()
    time.seconds = 140
    with pytest.raises(LockError):
        heartbeat.require()


def test_failed_beats_are_borne_until_the_lease_is_over() -> None:
    time = Time(100)
    heartbeat = Heartbeat(answers(time, 1, [OSError(), OSError(), ""]), 30, since=100, clock=time)
    for _ in range(3):
        time.sleep(8)
        heartbeat.beat()
    heartbeat.require()
    time.seconds = 126 + 30
    with pytest.raises(LockError):
        heartbeat.require()


def test_a_lock_that_is_anothers_is_lost_at_once_and_for_good() -> None:
    time = Time(100)
    heartbeat = Heartbeat(answers(time, 0, ["run 7", ""]), 30, since=100, clock=time)
    heartbeat.beat()
    heartbeat.beat()
    with pytest.raises(LockError, match="lost to run 7"):
        heartbeat.require()


def test_it_beats_by_itself_until_it_is_stopped() -> None:
    beats: list[int] = []

    def beat() -> str:
        beats.append(1)
        if len(beats) == 3:
            heartbeat.stop()
        return ""

    heartbeat = Heartbeat(beat, 0.02, since=100, clock=Time(100))
    heartbeat._run()  # noqa: SLF001 - what its thread runs, without a thread to wait for
    assert len(beats) == 3


def test_a_run_that_has_ended_changes_nothing_any_more() -> None:
    """A call that was abandoned because of an interrupt finds the lock released."""
    heartbeat = Heartbeat(answers(Time(), 0, []), 30, since=0, clock=Time())
    heartbeat.require()
    heartbeat.stop()
    with pytest.raises(LockError, match="is being released"):
        heartbeat.require()


def test_a_beat_that_arrives_after_the_end_brings_no_trust_back() -> None:
    heartbeat = Heartbeat(answers(Time(), 0, [""]), 30, since=0, clock=Time())
    heartbeat.stop()
    heartbeat.beat()
    with pytest.raises(LockError, match="is being released"):
        heartbeat.require()


def test_that_it_was_lost_is_said_and_not_for_how_long() -> None:
    time = Time(100)
    heartbeat = Heartbeat(answers(time, 0, ["run 7, https://example.com/7"]), 30, since=100, clock=time)
    heartbeat.beat()
    time.seconds = 1000
    with pytest.raises(LockError, match=r"lost to run 7, https://example\.com/7, so") as lost:
        heartbeat.require()
    assert lost.value.hint.endswith("Then run the job again.")


def test_a_slow_beat_does_not_hold_up_those_who_ask() -> None:
    """The watchdog responds while a heartbeat hangs, and reports by itself if that takes too long."""
    time, hangs, goes_on = Time(100), Event(), Event()

    def beat() -> str:
        hangs.set()
        assert goes_on.wait(60)
        return ""

    heartbeat = Heartbeat(beat, 0.04, since=100, clock=time)
    heartbeat.start()
    assert hangs.wait(60)
    heartbeat.require()
    time.seconds = 100.05
    with pytest.raises(LockError, match="could not be renewed"):
        heartbeat.require()
    heartbeat.stop()
    goes_on.set()
