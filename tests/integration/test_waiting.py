"""Waiting for the lock: real code and a real table, in simulated time, in which minutes pass at once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from promote.core.errors import LockError, UnconfirmedError
from promote.core.lock_state import Claim, LockState, Queue
from promote.state.lock import LOCK, LONGEST_QUEUE, Lease, Lock
from promote.state.lock_queue import Superseded, acquire
from sandbox.client import Account
from tests.clock import Time
from tests.stage import ARN, Actor, Job, Scene
from tests.world import TABLE, World

HOLDER = Claim("1/1/holder", 3600, run_id=1, attempt=1, url="https://github.com/octo/hello/actions/runs/1")
WAITER = Claim("2/1/waiter", 30, run_id=2, attempt=1)


@pytest.fixture
def scene(account: Account) -> Scene:
    return Scene(account)


def look(scene: Scene) -> LockState:
    return scene.lock(HOLDER).read()


def waiting(scene: Scene) -> list[int]:
    return [ticket.run_id for ticket in look(scene).tickets]


def hold(scene: Scene, claim: Claim = HOLDER) -> Callable[[], LockState]:
    """Acquire the free lock for ``claim``, and return what releases it."""
    lock = scene.lock(claim)
    entry = lock.try_acquire()
    assert lock.is_ours(entry)
    return lambda: lock.release(Lease(claim.owner, entry.token, claim.lease, 0, 0))


def chance() -> float:
    return 0.5


# Its cost.


def test_a_free_lock_is_one_round_trip(scene: Scene) -> None:
    for token in (1, 2):
        scene.account.forget()
        lease = acquire(scene.lock(WAITER), 60, chance)
        assert [call.name for call in scene.account.calls()] == ["dynamodb.UpdateItem"]
        assert (lease.token, lease.seconds, lease.waited) == (token, 30, 0)
        scene.lock(WAITER).release(lease)


def test_the_first_in_line_looks_at_most_3000_times_in_ten_minutes(scene: Scene) -> None:
    holder, waiter = scene.job(1, works=600), scene.job(2, at=0.001, works=0)
    scene.stage.run()
    assert scene.took_turns() == [1, 2]
    assert 600 <= waiter.held_at <= 600.4
    # All requests of the two, without the holder's acquisition, heartbeats and release.
    asked = len(scene.account.calls()) - 2 - holder.beats
    assert 2000 < asked <= 3000


def test_everybody_else_looks_at_most_200_times_in_ten_minutes(scene: Scene) -> None:
    holder, waiter = scene.job(1, works=600), scene.job(3, at=2, works=0)
    first = scene.lock(replace(WAITER, owner="first", lease=60))

    def stand(clock: Actor) -> None:
        entry = first.join()
        while clock.monotonic() < stopped:
            clock.sleep(15)
            entry = first.renew_ticket(entry)

    standing = scene.stage.enter(stand, 1)
    stopped = standing.monotonic() + 600
    scene.stage.run(until=600)
    assert not waiter.token
    beats_of_the_first = 600 // 15
    asked = len(scene.account.calls()) - 1 - holder.beats - 1 - beats_of_the_first
    assert 100 < asked <= 200


# The order.


def test_fifo_is_the_order_of_arrival(scene: Scene) -> None:
    scene.job(1, works=30)
    for number, at in ((5, 1), (2, 2), (9, 3), (4, 4)):
        scene.job(number, at=at, works=15)
    scene.stage.run()
    assert scene.took_turns() == [1, 5, 2, 9, 4]
    assert look(scene).holder is None
    assert waiting(scene) == []


def test_a_newcomer_never_gets_in_between(scene: Scene) -> None:
    scene.job(1, works=10)
    scene.job(2, at=1, works=10)
    # It arrives at the moment of the release, before any waiting run has noticed it.
    newcomer = scene.job(3, at=10.000001, works=10)
    scene.stage.run()
    assert scene.took_turns() == [1, 2, 3]
    assert newcomer.log[0][1].startswith("free, but another run is next; number 2 of 2 in the queue")


def test_a_lock_that_is_free_and_waited_for_is_not_had_by_asking(scene: Scene) -> None:
    hold(scene)()
    scene.lock(WAITER).join()
    assert scene.lock(HOLDER).try_acquire().holder is None
    assert look(scene).holder is None


def test_the_first_in_line_has_the_lock_soon_after_its_release(scene: Scene) -> None:
    scene.job(1, works=30)
    scene.job(2, at=1, works=30)
    scene.job(3, at=2, works=30)
    scene.stage.run()
    for before, after in pairwise(scene.jobs):
        assert after.held_at - before.released_at <= 0.13


def test_an_older_waiter_is_superseded_by_a_newer_one_that_lives(scene: Scene) -> None:
    scene.job(1, works=60)
    older = scene.job(2, at=1, queue=Queue.NEWEST)
    scene.job(3, at=10, queue=Queue.NEWEST)
    alive: list[float] = []

    def watch(clock: Actor) -> None:
        lock = scene.lock(HOLDER)
        clock.sleep(9.9)  # until just before run 3 arrives
        while not any(ticket.run_id == 3 and ticket.beat for ticket in lock.read().tickets):
            clock.sleep(0.1)
        alive.append(clock.monotonic() - zero)

    watcher = scene.stage.enter(watch, 0)
    zero = watcher.monotonic()
    scene.stage.run()
    assert isinstance(older.error, Superseded)
    assert older.error.by.run_id == 3
    assert str(older.error) == "run 3, https://github.com/octo/hello/actions/runs/3"
    assert alive[0] - 0.11 <= older.ended_at <= alive[0] + 5
    assert scene.took_turns() == [1, 3]
    assert waiting(scene) == []


def test_no_run_is_superseded_by_one_that_died_as_it_arrived(scene: Scene) -> None:
    scene.job(1, works=60)
    older = scene.job(2, at=1, queue=Queue.NEWEST)
    newer = scene.job(3, at=10, queue=Queue.NEWEST)
    newer.freeze(11)
    scene.stage.run()
    assert older.error is None
    assert scene.took_turns() == [1, 2]
    assert waiting(scene) == []


def test_an_older_run_that_comes_later_is_superseded_by_the_newer_holder(scene: Scene) -> None:
    scene.job(3, works=60, queue=Queue.NEWEST)
    older = scene.job(2, at=1, queue=Queue.NEWEST)
    scene.stage.run()
    assert isinstance(older.error, Superseded)
    assert older.error.by.run_id == 3
    assert older.ended_at < 2


def test_a_holder_is_never_preempted(scene: Scene) -> None:
    holder = scene.job(1, works=100, queue=Queue.NEWEST)
    scene.job(2, at=1, queue=Queue.NEWEST)
    scene.stage.run()
    assert (holder.lost_to, holder.released_at) == ("", 100)
    assert scene.took_turns() == [1, 2]


def test_fifo_runs_of_a_branch_all_have_their_turn(scene: Scene) -> None:
    scene.job(1, works=30)
    for number in (2, 3, 4):
        scene.job(number, at=number)
    scene.stage.run()
    assert scene.took_turns() == [1, 2, 3, 4]


# Dead runs.


@pytest.mark.parametrize("skew", [-600, 0, 600])
def test_a_dead_holders_lock_is_free_after_its_lease_and_never_before(scene: Scene, skew: float) -> None:
    # Its wall clock is only shown, however wrong it is.
    holder = scene.job(1, works=600, skew=skew)
    holder.freeze(20)  # its last heartbeat was at 15
    waiter = scene.job(2, at=3)
    scene.stage.run()
    assert 15 + 30 < waiter.held_at <= 15 + 30 + 0.6
    assert waiter.token == 2
    assert any("run 1, https" in text and "no heartbeat for 30 s: skipping it" in text for _, text in waiter.log)
    shown = datetime.fromtimestamp(skew, UTC).strftime("%H:%M:%S UTC")
    assert f"since {shown}" in waiter.log[0][1]


def test_its_lease_counts_and_not_the_waiters(scene: Scene) -> None:
    holder = scene.job(1, works=600, lease=120)
    holder.freeze(1)
    waiter = scene.job(2, at=50, lease=10)
    scene.stage.run()
    # It is unknown how long it had been silent when the waiting run arrived.
    assert 50 + 120 < waiter.held_at <= 50 + 120 + 0.6


def test_a_holder_that_comes_back_late_learns_that_it_lost_the_lock(scene: Scene) -> None:
    holder = scene.job(1, works=600)
    holder.freeze(20, until=100)
    waiter = scene.job(2, at=3, works=600)
    scene.stage.run()
    assert holder.lost_to == "run 2, https://github.com/octo/hello/actions/runs/2"
    assert waiter.lost_to == ""


def test_a_dead_first_in_line_is_passed_over_after_its_lease(scene: Scene) -> None:
    scene.job(1, works=20)
    dead = scene.job(2, at=1)
    dead.freeze(10)  # its ticket was renewed at about 8.5
    waiter = scene.job(3, at=2, works=100)
    left: list[list[int]] = []
    scene.at(100, lambda: left.append(waiting(scene)))
    scene.stage.run()
    assert left == [[]]
    # The second in the queue reads every few seconds, so it notices the silence of the first one as late.
    assert 8.5 + 30 < waiter.held_at <= 10 + 30 + 10
    assert scene.took_turns() == [1, 3]


def test_all_who_died_in_line_are_passed_over_at_once(scene: Scene) -> None:
    scene.job(1, works=20)
    for number in (2, 3, 5):
        scene.job(number, at=number).freeze(10)
    waiter = scene.job(4, at=4)
    last = scene.job(6, at=6)
    scene.stage.run()
    assert scene.took_turns() == [1, 4, 6]
    assert waiter.held_at <= 10 + 30 + 10
    assert last.held_at - waiter.released_at <= 0.13
    assert waiting(scene) == []


def test_a_run_that_lost_its_ticket_joins_the_queue_again(scene: Scene) -> None:
    scene.job(1, works=20)
    suspended = scene.job(2, at=1)
    suspended.freeze(10, until=60)
    scene.job(3, at=2, works=40)
    scene.stage.run()
    assert scene.took_turns() == [1, 3, 2]
    assert suspended.error is None
    assert waiting(scene) == []


@pytest.mark.parametrize("dead", [15, 100])
def test_many_dead_are_removed_as_well(scene: Scene, dead: int) -> None:
    # 100 fill the queue, and are too many for one expression: DynamoDB refuses one of more than 4 KB.
    hold(scene)()
    for number in range(dead):
        scene.lock(replace(WAITER, owner=f"dead {number}")).join()
    waiter = scene.job(3)
    scene.stage.run()
    assert waiter.token == 2
    assert 30 < waiter.held_at < 40
    assert waiting(scene) == []


def test_a_sign_of_life_in_the_last_moment_counts(scene: Scene) -> None:
    # Between the read that found holder and first waiter dead, and the changes that follow.
    holder, first, waiter = (scene.lock(replace(WAITER, owner=name)) for name in ("holder", "first", "waiter"))
    token = holder.try_acquire().token
    first.join()
    seen = waiter.join()
    first.renew_ticket(seen)
    assert [ticket.owner for ticket in waiter.remove_dead(seen, seen.tickets[:1]).tickets] == ["first", "waiter"]
    seen = waiter.read()
    assert [ticket.owner for ticket in waiter.remove_dead(seen, seen.tickets[:1]).tickets] == ["waiter"]
    seen = waiter.read()
    holder.renew(Lease("holder", token, 30, 0, 0), scene.table, "verify")
    assert holder.is_ours(waiter.evict(seen))
    assert holder.is_ours(waiter.take(waiter.read()))
    freed = waiter.evict(waiter.read())
    assert freed.holder is None
    assert waiter.is_ours(waiter.take(freed))
    assert look(scene).tickets == ()


def test_a_branch_whose_older_run_died_in_line_does_not_hold_up_others_for_ever(scene: Scene) -> None:
    scene.job(1, works=30, queue=Queue.NEWEST)
    scene.job(2, at=1, queue=Queue.NEWEST).freeze(5)
    other = scene.job(3, at=2, group="other")
    for number in range(4, 16):
        scene.job(number, at=25 * (number - 3), works=30, queue=Queue.NEWEST)
    scene.stage.run()
    # Of that branch, one is at work and one waits at any time.
    assert scene.took_turns().index(other.claim.run_id) <= 3


def test_a_dead_holder_is_counted_out_however_fast_newer_runs_come(scene: Scene) -> None:
    # Each of them would start to count again, and the older ones would be superseded before they finished.
    scene.job(1, works=1000, queue=Queue.NEWEST).freeze(2)
    for number in range(2, 30):
        scene.job(number, at=20 * (number - 1), works=5, queue=Queue.NEWEST)
    scene.stage.run()
    first = min(job.held_at for job in scene.jobs[1:] if job.token)
    assert 30 < first <= 20 + 30 + 30


def test_an_item_that_is_deleted_while_runs_wait_is_created_again(scene: Scene) -> None:
    scene.job(1, works=20)
    waiter = scene.job(2, at=1)
    key = {"pk": {"S": ARN}, "sk": {"S": "lock"}}
    scene.at(10, lambda: World(scene.account).table.delete_item(TableName=TABLE, Key=key))
    scene.stage.run()
    assert waiter.error is None
    assert waiter.token == 1


# Ends.


def test_the_line_is_as_long_as_it_may_be(scene: Scene) -> None:
    hold(scene)
    for number in range(LONGEST_QUEUE):
        living = scene.lock(replace(WAITER, owner=f"waiter {number}"))
        living.renew_ticket(living.join())
    with pytest.raises(LockError, match="queue of the lock is full: 100 runs wait") as caught:
        acquire(scene.lock(WAITER), 60, chance)
    assert "status" in caught.value.hint
    assert len(look(scene).tickets) == LONGEST_QUEUE


@pytest.mark.parametrize("timeout", [0, 90])
def test_a_wait_that_takes_too_long_names_the_holder(scene: Scene, timeout: float) -> None:
    scene.job(1, works=600)
    scene.job(2, at=1)
    late = scene.job(3, at=2, timeout=timeout)
    scene.stage.run(until=timeout + 4)
    assert waiting(scene) == [2]
    assert isinstance(late.error, LockError)
    assert str(late.error) == (
        f"the lock was not free within {timeout / 60:g} minutes: it is held by run 1 since 00:00:00 UTC, in phase "
        + ("verify" if timeout else "start")
    )
    assert "https://github.com/octo/hello/actions/runs/1" in late.error.hint
    assert "30 seconds after its last heartbeat" in late.error.hint
    assert late.ended_at == pytest.approx(2 + timeout)


def test_a_wait_in_a_line_that_stands_names_who_is_ahead(scene: Scene) -> None:
    hold(scene)()
    scene.lock(replace(WAITER, owner="first", run_id=7, lease=600)).join()
    late = scene.job(3, timeout=60)
    scene.stage.run()
    assert str(late.error) == "the lock was not free within 1 minutes: run 7 is ahead in the queue"
    assert waiting(scene) == [7]


class Interrupting(Time):
    """Time in which the runner cancels the job at its fifth read."""

    sleeps = 0

    def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        if self.sleeps == 5:
            raise KeyboardInterrupt
        super().sleep(seconds)


def test_an_interrupt_takes_the_ticket_along(scene: Scene) -> None:
    hold(scene)
    with pytest.raises(KeyboardInterrupt):
        acquire(scene.lock(WAITER, Interrupting(1000)), 60, chance)
    assert waiting(scene) == []
    assert look(scene).holder is not None


# Lost responses.


class Acting(Time):
    """Time in which the test acts at a certain moment."""

    def __init__(self, at: float, act: Callable[[], object]) -> None:
        super().__init__(1000)
        self._at, self._act = 1000 + at, act
        self._has_acted = False

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.seconds >= self._at and not self._has_acted:
            self._has_acted = True
            self._act()


LOST = ["cut-after", "error-after"]


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_response_of_the_first_attempt_is_not_a_lost_lock(scene: Scene, kind: str) -> None:
    fault = scene.account.inject(kind, "dynamodb.UpdateItem")
    lease = acquire(scene.lock(WAITER), 60, chance)
    assert fault.hit
    assert (lease.token, lease.waited) == (1, 0)


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_response_of_joining_is_not_a_second_ticket(scene: Scene, kind: str) -> None:
    release = hold(scene)
    tickets: list[list[int]] = []

    def look_and_release() -> None:
        tickets.append(waiting(scene))
        release()

    clock = Acting(3, look_and_release)
    fault = scene.account.inject(kind, "dynamodb.UpdateItem", nth=2)
    lease = acquire(scene.lock(WAITER, clock), 60, chance)
    assert fault.hit
    assert tickets == [[2]]
    assert (lease.token, waiting(scene)) == (2, [])


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_response_of_a_tickets_heartbeat_has_no_effect(scene: Scene, kind: str) -> None:
    release = hold(scene)
    fault = scene.account.inject(kind, "dynamodb.UpdateItem", nth=3)
    lease = acquire(scene.lock(WAITER, Acting(20, release)), 60, chance)
    assert fault.hit
    assert (lease.token, waiting(scene)) == (2, [])


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_response_of_the_acquisition_is_not_a_lost_lock(scene: Scene, kind: str) -> None:
    release = hold(scene)
    clock = Acting(3, lambda: (release(), scene.account.inject(kind, "dynamodb.UpdateItem")))
    lease = acquire(scene.lock(WAITER, clock), 60, chance)
    assert (lease.token, waiting(scene)) == (2, [])
    assert [call.faults for call in scene.account.calls() if call.faults] == [(kind,)]
    # One acquisition is one token, also if it was sent twice.
    holder = look(scene).holder
    assert holder is not None
    assert holder.owner == WAITER.owner


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_response_of_leaving_the_queue_leaves_no_ticket(scene: Scene, kind: str) -> None:
    hold(scene)
    clock = Acting(3, lambda: scene.account.inject(kind, "dynamodb.UpdateItem"))
    with pytest.raises(LockError):
        acquire(scene.lock(WAITER, clock), 5, chance)
    assert [call.faults for call in scene.account.calls() if call.faults] == [(kind,)]
    assert waiting(scene) == []


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("what", ["ask", "join", "take"])
def test_a_call_whose_attempts_all_fail_after_their_effect_is_read_back(scene: Scene, kind: str, what: str) -> None:
    release = hold(scene)
    clock = Acting(20, release)
    if what == "ask":
        release()
        scene.account.inject(kind, "dynamodb.UpdateItem", times=2)
    elif what == "take":
        clock = Acting(3, lambda: (release(), scene.account.inject(kind, "dynamodb.UpdateItem", times=2)))
    else:
        scene.account.inject(kind, "dynamodb.UpdateItem", nth=2, times=2)
    lease = acquire(scene.lock(WAITER, clock), 60, chance)
    assert (lease.token, waiting(scene)) == (2, [])
    holder = look(scene).holder
    assert holder is not None
    assert holder.owner == WAITER.owner


@pytest.mark.parametrize("what", ["ask", "join"])
def test_a_call_that_cannot_be_read_back_leaves_neither_ticket_nor_lock(scene: Scene, what: str) -> None:
    release = hold(scene)
    if what == "ask":
        release()
    scene.account.inject("cut-after", "dynamodb.UpdateItem", nth=2 if what == "join" else 1, times=2)
    scene.account.inject("error-before", "dynamodb.Query", times=2)
    with pytest.raises(UnconfirmedError, match="may be held by this run"):
        acquire(scene.lock(WAITER, Acting(60, release)), 60, chance)
    entry = look(scene)
    assert entry.tickets == ()
    # While it waited, the holder has not released the lock.
    assert (entry.holder.owner if entry.holder else "") == (HOLDER.owner if what == "join" else "")


@pytest.mark.parametrize("kind", LOST)
def test_a_beat_that_failed_for_good_leaves_no_ticket(scene: Scene, kind: str) -> None:
    hold(scene)
    scene.account.inject(kind, "dynamodb.UpdateItem", nth=3, times=2)
    with pytest.raises((BotoCoreError, ClientError)):
        acquire(scene.lock(WAITER, Acting(3, lambda: None)), 60, chance)
    entry = look(scene)
    assert (entry.tickets, entry.token) == ((), 1)


def test_two_concurrent_runs_are_distinguished_when_responses_are_lost(scene: Scene) -> None:
    # The lost response is that of a run that was refused. What it reads afterwards belongs to the other run.
    scene.account.inject("cut-before", "dynamodb.UpdateItem")
    first = scene.job(1, works=10)
    second = scene.job(2, works=10)
    scene.stage.run()
    assert sorted(scene.took_turns()) == [1, 2]
    assert {first.token, second.token} == {1, 2}


# Invalid items.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tickets", ""),
        ("token", "1"),
        ("token", Decimal(-1)),
        ("token", None),
        ("format", Decimal("1.5")),
    ],
)
def test_an_item_that_makes_no_sense_is_left_as_it_is(scene: Scene, name: str, value: object) -> None:
    hold(scene)()
    world = World(scene.account)
    world.table.put_item(TableName=TABLE, Item=scene.table.encode({**world.items()[0], name: value}))
    before = world.items()
    with pytest.raises(LockError):
        acquire(scene.lock(WAITER), 60, chance)
    assert world.items() == before


# The log.


def quiet(job: Job) -> list[float]:
    """Return the seconds between the lines of its log."""
    return [after - before for (before, _), (after, _) in pairwise(job.log)]


def test_the_log_says_who_holds_the_lock_and_how_far_it_is(scene: Scene) -> None:
    scene.job(1, works=30)
    scene.job(2, at=1, works=30)
    third = scene.job(3, at=2, works=30)
    scene.stage.run()
    at, text = third.log[0]
    assert at == 2
    assert text == (
        "held by run 1 since 00:00:00 UTC, in phase start; number 2 of 2 in the queue; "
        "see https://github.com/octo/hello/actions/runs/1"
    )
    texts = [text for _, text in third.log]
    # The heartbeats of the holder show its phase.
    assert any("run 1 since 00:00:00 UTC, in phase verify; number 2 of 2" in text for text in texts)
    last = texts[-1]
    assert last.startswith("held by run 2 since 00:00:30 UTC")
    assert "; next in the queue; waited " in last
    assert last.endswith("see https://github.com/octo/hello/actions/runs/2")


def test_the_log_is_at_a_pace_that_people_read(scene: Scene) -> None:
    holder = scene.job(1, works=150, lease=4)
    waiter = scene.job(2, at=1)
    # New text every second for a minute, then nothing.
    for second in range(60):
        scene.at(second + 0.5, lambda second=second: setattr(holder, "phase", f"phase {second}"))  # type: ignore[misc]
    scene.stage.run()
    assert min(quiet(waiter)) >= 5
    assert 10 <= sum(at < 60 for at, _ in waiter.log) <= 12
    calm = [at for at, _ in waiter.log if 66 < at < 150]
    assert 1 <= len(calm) <= 2
    last = waiter.log[-1][1]
    assert last.startswith("held by run 1 since 00:00:00 UTC, in phase phase 59; next in the queue; waited ")


def test_a_holder_whose_phase_is_not_known_is_named_all_the_same(scene: Scene) -> None:
    scene.lock(HOLDER).try_acquire()
    scene.table.update(scene.table.change(ARN, LOCK, remove=["phase"]))
    lines: list[str] = []
    waiter = Lock(scene.table, ARN, WAITER, Time(1000), lambda _, text: lines.append(text))
    with pytest.raises(LockError, match=r"it is held by run 1 since 00:00:00 UTC$"):
        acquire(waiter, 3, Random(1).random)  # noqa: S311 - no secret
    assert lines[0].startswith("held by run 1 since 00:00:00 UTC; next in the queue")


def test_a_lock_that_is_kept_is_said_to_be(scene: Scene) -> None:
    lock = scene.lock(HOLDER)
    lock.keep(Lease(HOLDER.owner, lock.try_acquire().token, 30, 0, 0), "lock", 600)
    lines: list[str] = []
    waiter = Lock(scene.table, ARN, WAITER, Time(1000), lambda _, text: lines.append(text))
    with pytest.raises(LockError, match="run 1 since 00:00:00 UTC, keeps it between its steps"):
        acquire(waiter, 3, Random(1).random)  # noqa: S311 - no secret
    assert "keeps it between its steps; next in the queue" in lines[0]
