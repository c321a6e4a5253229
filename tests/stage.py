"""Several actors in one process with a simulated time and a shared lock."""

from collections.abc import Callable
from itertools import count, pairwise
from random import Random
from typing import TYPE_CHECKING

from botocore.config import Config

from promote.aws.dynamodb import Table
from promote.core.concurrency import using
from promote.core.errors import LockError
from promote.core.lock_state import Claim, Queue
from promote.state.lock import Lock
from promote.state.lock_queue import Superseded, acquire
from sandbox.client import Account
from tests.clock import Time
from tests.simulation.scheduler import Process, Scheduler
from tests.world import TABLE, World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ARN = "arn:aws:lambda:us-east-1:123456789012:function:hello"


class Actor(Process):
    """One actor and its clock."""


class Stage:
    """One actor runs at a time, until it sleeps. Then time moves to the next one that wakes. No machine is too slow."""

    def __init__(self) -> None:
        self._scheduler = Scheduler()
        self._actors = count(1)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._scheduler.now

    def enter(self, act: Callable[[Actor], None], at: float, skew: float = 0) -> Actor:
        """Start an actor ``at`` these seconds, with a wall clock that is ``skew`` seconds ahead."""
        # Each clock starts at a different value, because monotonic times of two machines have nothing in common.
        number = next(self._actors)
        actor = Actor(self._scheduler, f"actor {number}", zero=1000.0 * number, skew=skew)

        def work() -> None:
            with using(actor):
                act(actor)

        self._scheduler.at(at, lambda: actor.start(work))
        return actor

    def run(self, until: float = float("inf")) -> None:
        """Run all actors until none has anything to do. An error of one of them is raised."""
        self._scheduler.run(until)


class Scene:
    """A table in the sandbox, and jobs that want the lock."""

    def __init__(self, account: Account, attempts: int = 2, latency: float = 0) -> None:
        """``attempts``: how often a call is tried before its error reaches the caller.

        ``latency``: a random time up to this many seconds passes before each call of a job, while others run.
        """
        self.account = account
        self.stage = Stage()
        config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, max_pool_connections=60)
        world = World(account)
        client = world.session.client("dynamodb", endpoint_url=world.url, config=config)
        self._client, self._latency = client, latency
        self.table = Table(lambda: client, TABLE, Time())
        self.table.ensure()
        self.jobs: list[Job] = []
        account.forget()

    def lock(self, claim: Claim, clock: Time | Actor | None = None) -> Lock:
        """Return a lock without a log."""
        return Lock(self.table, ARN, claim, clock or Time(), lambda _subject, _text: None)

    def table_of(self, clock: Actor, chance: Callable[[], float]) -> Table:
        """Return the table with an actor's clock."""

        def reach() -> "DynamoDBClient":
            if self._latency:
                clock.sleep(self._latency * chance())
            return self._client

        return Table(reach, TABLE, clock)

    def job(
        self,
        number: int,
        *,
        at: float = 0,
        works: float = 20,
        queue: Queue = Queue.FIFO,
        group: str = "main",
        lease: int = 30,
        timeout: float = 1800,
        skew: float = 0,
    ) -> "Job":
        """Start a job ``at`` these seconds. It works that long with the lock, and renews it as a heartbeat does."""
        claim = Claim(
            owner=f"{number}/1/op",
            lease=lease,
            run_id=number,
            attempt=1,
            group=group,
            queue=queue,
            url=f"https://github.com/octo/hello/actions/runs/{number}",
            job=f"job-{number}",
        )
        job = Job(self, claim, works, timeout)
        job.actor = self.stage.enter(job.act, at, skew)
        self.jobs.append(job)
        return job

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Call something at that time."""

        def do(_: Actor) -> None:
            act()

        self.stage.enter(do, seconds)

    def took_turns(self) -> list[int]:
        """Return the numbers of the jobs that held the lock, in order. No two jobs held it at the same time."""
        held = sorted((job for job in self.jobs if job.token), key=lambda job: job.held_at)
        for before, after in pairwise(held):
            assert before.released_at <= after.held_at
            assert before.token < after.token
        return [job.claim.run_id for job in held]


class Job:
    """A job that wants the lock."""

    actor: Actor

    def __init__(self, scene: Scene, claim: Claim, works: float, timeout: float) -> None:
        self.claim = claim
        self.phase = "verify"
        self.token = 0
        self.held_at = self.released_at = self.ended_at = float("inf")
        self.lost_to = ""
        self.error: LockError | Superseded | None = None
        self.beats = 0
        self.log: list[tuple[float, str]] = []
        self._scene, self._works, self._timeout = scene, works, timeout

    def act(self, clock: Actor) -> None:
        stage, chance = self._scene.stage, Random(self.claim.run_id).random  # noqa: S311 - no secret
        table = self._scene.table_of(clock, chance)
        lock = Lock(table, ARN, self.claim, clock, lambda _, text: self.log.append((stage.seconds, text)))
        try:
            lease = acquire(lock, self._timeout, chance)
        except (LockError, Superseded) as error:
            self.error, self.ended_at = error, stage.seconds
            return
        self.token, self.held_at = lease.token, stage.seconds
        until = stage.seconds + self._works
        while stage.seconds < until:
            clock.sleep(min(lease.seconds / 4, until - stage.seconds))
            self.beats += 1
            self.lost_to = lock.renew(lease, table, self.phase)
            if self.lost_to:
                return
        lock.release(lease)
        self.released_at = stage.seconds

    def freeze(self, seconds: float, until: float = float("inf")) -> None:
        """Suspend it at ``seconds`` until then, or kill it."""

        def stop() -> None:
            if until == float("inf"):
                self.actor.kill()
            else:
                self.actor.freeze(until - seconds)

        self._scene.at(seconds, stop)
