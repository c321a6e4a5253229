"""Tests of the best comparable locks, on a real table.

awslabs' amazon-dynamodb-lock-client: ConsistentLockDataStressTest. cirello-io's dynamolock: TestIssue56, and of
TestHeartbeatRetry lostDuringHeartbeatRetry and badReadAfterFail.
"""

import threading
from dataclasses import replace
from random import Random

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from promote.aws.dynamodb import Table
from promote.core.clock import Clock, SystemClock
from promote.core.concurrency import map_concurrently
from promote.core.lock_state import Claim
from promote.state.heartbeat import Heartbeat
from promote.state.lock import Lease, Lock
from promote.state.lock_queue import acquire
from sandbox.client import Account
from tests.clock import Time
from tests.stage import ARN, Actor, Scene
from tests.world import TABLE, World

THREADS, INCREMENTS = 50, 10
CLAIM = Claim("1/1/a", 30, run_id=1, attempt=1, job="ours")


@pytest.fixture
def scene(account: Account) -> Scene:
    return Scene(account)


class Counter:
    """A counter that loses increments if two of them overlap."""

    def __init__(self) -> None:
        self.value = 0

    def increment(self, clock: Clock) -> None:
        value = self.value
        clock.sleep(0.3)
        self.value = value + 1


def increase(scene: Scene, counter: Counter, tokens: list[int], *, with_lock: bool) -> None:
    """Let 50 threads at once increase the counter by ten each. They interleave at each call to the table."""

    def work(clock: Actor, number: int) -> None:
        chance = Random(number).random  # noqa: S311 - no secret
        for turn in range(INCREMENTS):
            claim = Claim(f"{number}/{turn}", 600)
            lock = Lock(scene.table_of(clock, chance), ARN, claim, clock, lambda _subject, _text: None)
            lease = acquire(lock, 3600, chance) if with_lock else None
            counter.increment(clock)
            if lease:
                tokens.append(lease.token)
                lock.release(lease)
            # So that fifty do not all wait in the queue all the time: reading a long queue takes time.
            clock.sleep(120 * chance())

    for number in range(THREADS):
        scene.stage.enter(lambda clock, number=number: work(clock, number), 0)  # type: ignore[misc]
    scene.stage.run()


@pytest.mark.timeout(300)
def test_fifty_threads_lose_no_increment(account: Account) -> None:
    scene, counter, tokens = Scene(account, latency=0.05), Counter(), list[int]()
    increase(scene, counter, tokens, with_lock=True)
    assert counter.value == THREADS * INCREMENTS
    assert tokens == list(range(1, THREADS * INCREMENTS + 1))
    assert scene.lock(CLAIM).read().tickets == ()


def test_without_the_lock_increments_are_lost(account: Account) -> None:
    scene, counter = Scene(account, latency=0.05), Counter()
    increase(scene, counter, [], with_lock=False)
    assert 0 < counter.value < THREADS * INCREMENTS


class Hurried(SystemClock):
    """Real time in which a sleep takes a twentieth of its duration."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 20)


def test_threads_that_really_run_at_once_lose_none_either(scene: Scene) -> None:
    # Fewer, because here they share the processor.
    threads, increments = 6, 6
    counter, tokens = Counter(), list[int]()

    def work(number: int) -> None:
        for turn in range(increments):
            lock = Lock(scene.table, ARN, Claim(f"{number}/{turn}", 600), Hurried(), lambda _subject, _text: None)
            lease = acquire(lock, 100, Random(number).random)  # noqa: S311 - no secret
            counter.increment(lock.clock)
            tokens.append(lease.token)
            lock.release(lease)

    map_concurrently([lambda number=number: work(number) for number in range(threads)], threads)  # type: ignore[misc]
    assert counter.value == threads * increments
    assert tokens == list(range(1, threads * increments + 1))


@pytest.mark.timeout(300)
def test_a_hundred_at_once_all_have_their_turn(account: Account) -> None:
    scene = Scene(account, latency=0.05)
    for number in range(1, 101):
        scene.job(number, works=0)
    scene.stage.run()
    assert [job.error for job in scene.jobs if job.error] == []
    assert sorted(scene.took_turns()) == list(range(1, 101))
    assert sorted(job.token for job in scene.jobs) == list(range(1, 101))
    entry = scene.lock(CLAIM).read()
    assert (entry.holder, entry.tickets, entry.token) == (None, (), 100)


# A heartbeat whose response is lost.


def once(account: Account) -> Table:
    """Return the table with a client that never retries, as for a heartbeat."""
    world = World(account)
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=2)
    client = world.session.client("dynamodb", endpoint_url=world.url, config=config)
    return Table(lambda: client, TABLE, Time(), reads_back=False)


def held(scene: Scene, claim: Claim = CLAIM) -> tuple[Lock, Lease]:
    lock = scene.lock(claim)
    return lock, acquire(lock, 0, lambda: 0.5)


LOST = ["cut-after", "error-after", "cut-before"]


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_response_of_a_heartbeat_evicts_no_run(scene: Scene, kind: str) -> None:
    # lostDuringHeartbeatRetry: there, the retry found the change of the first attempt and considered the lock lost.
    lock, lease = held(scene)
    table = once(scene.account)
    scene.account.inject(kind, "dynamodb.UpdateItem")
    with pytest.raises((BotoCoreError, ClientError)):
        lock.renew(lease, table, "verify")
    assert lock.renew(lease, table, "verify") == ""
    entry = lock.read()
    assert lock.is_ours(entry)
    assert entry.holder is not None
    assert (entry.token, entry.holder.beat) == (lease.token, 1 if kind == "cut-before" else 2)


@pytest.mark.parametrize("kind", LOST)
def test_a_heartbeat_that_is_repeated_beneath_evicts_nobody(scene: Scene, kind: str) -> None:
    lock, lease = held(scene)
    fault = scene.account.inject(kind, "dynamodb.UpdateItem")
    assert lock.renew(lease, scene.table, "verify") == ""
    assert fault.hit
    assert lock.is_ours(lock.read())


@pytest.mark.parametrize("kind", LOST)
def test_a_read_that_fails_after_it_evicts_nobody(scene: Scene, kind: str) -> None:
    # badReadAfterFail: a heartbeat uses only its own condition, so a failed or old read decides nothing.
    lock, lease = held(scene)
    table, time = once(scene.account), Time(100)
    heartbeat = Heartbeat(lambda: lock.renew(lease, table, "verify"), lease.seconds, 100, time)
    scene.account.inject(kind, "dynamodb.UpdateItem", times=3)
    scene.account.inject("error-before", "dynamodb.Query", times=0)
    scene.account.forget()
    for _ in range(3):
        time.seconds += 7.5
        heartbeat.beat()
        heartbeat.require()
    time.seconds += 7
    heartbeat.beat()
    time.seconds += 29.9
    heartbeat.require()
    assert {call.name for call in scene.account.calls()} == {"dynamodb.UpdateItem"}
    scene.account.clear_faults()
    assert lock.is_ours(lock.read())


def test_a_heartbeat_of_an_earlier_acquisition_renews_nothing(scene: Scene) -> None:
    # The owner alone is not enough: the same process may have lost the lock and acquired it again.
    lock, first = held(scene)
    lock.release(first)
    _, second = held(scene)
    before = lock.read()
    assert lock.renew(first, scene.table, "verify") == CLAIM.describe()
    assert lock.read() == before
    assert lock.renew(second, scene.table, "verify") == ""


def test_an_old_release_gives_back_nothing(scene: Scene) -> None:
    lock, first = held(scene)
    lock.release(first)
    _, second = held(scene)
    assert lock.is_ours(lock.release(first))
    assert lock.release(second).holder is None


# Another job's post step.


@pytest.mark.parametrize("job", ["theirs", ""])
@pytest.mark.parametrize("keep", ["", "lock"])
def test_another_jobs_post_step_releases_nothing(scene: Scene, job: str, keep: str) -> None:
    # Nor with the same run and attempt, nor if a job does not know a number.
    for claim in (CLAIM, replace(CLAIM, job="")):
        lock = scene.lock(claim)
        entry = lock.try_acquire()
        lease = Lease(claim.owner, entry.token, 30, 0, 0)
        if keep:
            lock.keep(lease, keep, 600)
        waiter = scene.lock(replace(claim, owner="1/1/b"))
        waiter.join()
        before = lock.read()
        assert not scene.lock(replace(CLAIM, owner="1/1/c", job=job)).clear()
        assert lock.read() == before
        lock.release(lease)
        waiter.abandon()


def test_a_jobs_own_post_step_releases_what_is_its(scene: Scene) -> None:
    lock, _ = held(scene)
    theirs = scene.lock(replace(CLAIM, owner="2/1/a", run_id=2, job="theirs"))
    theirs.join()
    scene.lock(replace(CLAIM, owner="1/1/b")).join()
    post = scene.lock(replace(CLAIM, owner="1/1/c"))
    assert post.clear()
    entry = lock.read()
    assert entry.holder is None
    assert [ticket.owner for ticket in entry.tickets] == ["2/1/a"]
    assert not post.clear()


def test_runs_that_leave_a_long_queue_at_the_same_time_leave_no_ticket(scene: Scene) -> None:
    held(scene)
    waiters = [scene.lock(replace(CLAIM, owner=f"{number}/1/a", run_id=number)) for number in range(2, 42)]
    for waiter in waiters:
        waiter.join()
    map_concurrently([waiter.abandon for waiter in waiters], len(waiters))
    assert waiters[0].read().tickets == ()


def test_another_process_abandons_nothing_of_ours(scene: Scene) -> None:
    lock, _ = held(scene)
    before = lock.read()
    scene.lock(replace(CLAIM, owner="1/1/b")).abandon()
    assert lock.read() == before


def test_a_lock_that_the_job_keeps_is_not_given_back_by_one_of_its_steps(scene: Scene) -> None:
    lock = scene.lock(CLAIM)
    lease = Lease(CLAIM.owner, lock.try_acquire().token, 30, 0, 0)
    assert lock.keep(lease, "lock", 600).kept_by == "lock"
    lock.abandon()
    assert lock.is_ours(lock.read())
    assert scene.lock(replace(CLAIM, owner="1/1/post")).clear()
    assert lock.read().holder is None
    assert not lock.is_ours(lock.keep(lease, "lock", 600))


def test_two_who_ask_in_the_same_moment_do_not_both_have_it(scene: Scene) -> None:
    gate = threading.Barrier(8)

    def ask(number: int) -> bool:
        lock = scene.lock(replace(CLAIM, owner=f"{number}/1/a"))
        gate.wait()
        return lock.is_ours(lock.try_acquire())

    assert sum(map_concurrently([lambda number=number: ask(number) for number in range(8)], 8)) == 1  # type: ignore[misc]
