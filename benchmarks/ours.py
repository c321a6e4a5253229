"""The action's lock in a relay, and how often its waiters ask: ``python -m benchmarks.ours``."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from io import StringIO
from itertools import count
from pathlib import Path
from random import Random

import requests

from benchmarks.relay import alone, own_account, relays, tell
from promote.aws.clients import Clients
from promote.aws.dynamodb import Table
from promote.core.clock import Clock, SystemClock
from promote.core.errors import LockError
from promote.core.run import Run
from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState
from promote.github.actions.log import ActionsLog
from promote.inputs.parse import inputs_from_environ
from promote.pipeline.job import Job
from promote.pipeline.locks import HeldLock, hold, make_lock
from promote.state.lock_queue import acquire

MINUTE = 60.0
TEN_MINUTES = 600.0
PATIENT_WAIT = 1.0
"""Seconds: more than the pause of a first in line that has waited for long."""
LONG_LEASE = "600"
"""Seconds: a minute that is skipped must not look like a holder's death."""
numbers = count(1)


class Ours:
    """A contender that holds the lock as a run does, everything left at its defaults."""

    def __init__(self, name: str, temporary: Path, clock: Clock | None = None, environ: Mapping[str, str] = {}) -> None:
        """Name the lock, and a folder for what a run writes."""
        self.job = _job(name, temporary, clock or SystemClock(), environ)
        _ = self.job.clients.table  # takes a while to make, which is nobody's time here
        self.lock = make_lock(self.job, self.job.arn, may_give_way=True)
        self._context: AbstractContextManager[HeldLock] = hold(self.job, self.lock)
        self._holding: HeldLock | None = None

    def take(self) -> None:
        """Wait for the lock and take it."""
        self._holding = self._context.__enter__()

    def change(self) -> None:
        """Write another item of the table, after the look at the lease that each change of a run begins with."""
        assert self._holding  # noqa: S101 - a contender changes what it holds
        self._holding.heartbeat.require()
        self.job.clients.table.update_item(
            TableName=self.job.inputs.table,
            Key={"pk": {"S": self.job.arn}, "sk": {"S": "work"}},
            UpdateExpression="SET made = :yes",
            ExpressionAttributeValues={":yes": {"BOOL": True}},
        )

    def give_back(self) -> None:
        """Release the lock."""
        self._context.__exit__(None, None, None)


class Aged(SystemClock):
    """The machine's clock, save that the first sleep takes a minute longer than it does."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        """Give the seconds since boot, with those that were skipped."""
        return super().monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        super().sleep(seconds)
        self._ahead = MINUTE


class Counted(SystemClock):
    """Time that passes only in sleep, and in which the others beat as often as their lease asks for."""

    def __init__(self, others: Sequence[Callable[[], object]], every: float) -> None:
        self._others = others
        self._every = every
        self._seconds = 1000.0
        self.beats = 0
        """Calls that the others have made."""

    def monotonic(self) -> float:
        """Give the seconds that were slept."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        before, self._seconds = self._seconds, self._seconds + seconds
        for _ in range(int(self._seconds // self._every) - int(before // self._every)):
            for beat in self._others:
                beat()
                self.beats += 1


def ten_minutes(temporary: Path, *, is_first: bool) -> dict[str, int]:
    """Wait for ten minutes, first or second in line, while all others live; give the waiter's reads and writes."""
    name = f"waiting-{is_first}"
    holder = Ours(name, temporary)
    table = Table(lambda: holder.job.clients.table, holder.job.inputs.table, holder.job.clock)
    lease = acquire(holder.lock, 0, holder.job.chance)
    others: list[Callable[[], object]] = [lambda: holder.lock.renew(lease, table, "verify")]
    if not is_first:
        first = Ours(name, temporary).lock
        entry = first.join()
        others.append(lambda: first.renew_ticket(entry))
    clock = Counted(others, lease.seconds / 4)
    # Of another branch, where newer runs do not take the place of older ones.
    waiter = Ours(name, temporary, clock, {"GITHUB_REF": "refs/heads/other"})
    account = own_account()
    account.forget()
    begun = clock.monotonic()
    with suppress(LockError):
        acquire(waiter.lock, TEN_MINUTES, waiter.job.chance)
    waited = clock.monotonic() - begun
    if waited < TEN_MINUTES:
        raise AssertionError(f"the waiter has waited for {waited} seconds")
    calls = Counter(call.operation for call in account.calls())
    return {"reads": calls.pop("Query"), "writes": calls.pop("UpdateItem") - clock.beats, "others": calls.total()}


def _job(name: str, temporary: Path, clock: Clock, different: Mapping[str, str]) -> Job:
    """Bring a job together as ``promote.action`` does; each is a run of its own."""
    number = next(numbers)
    environ = {
        "GITHUB_REPOSITORY": "octo/measured",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_RUN_ID": str(number),
        "RUNNER_TEMP": str(temporary),
        **os.environ,
        "INPUT_FUNCTION-NAME": f"arn:aws:lambda:us-east-1:{own_account().id}:function:{name}",
        "INPUT_ENVIRONMENT": "preprod",
        "INPUT_CHECKS": "GET / 200",
        **different,
    }
    parsed, context = inputs_from_environ(environ), Context.from_environ(environ)
    workflow = ActionsLog(environ, StringIO())
    return Job(
        inputs=parsed,
        context=context,
        run=Run(context.commit, context.run_id, context.attempt, context.run_url, f"{number:012x}"),
        workflow=workflow,
        clock=clock,
        clients=Clients(parsed.region, environ, parsed.verify_timeout),
        session=requests.Session,
        chance=Random(number).random,  # noqa: S311 - when to look again, not a secret
        environ=environ,
        state=JobState(environ, context, workflow, draw=lambda: f"{number:032x}"),
        temporary=temporary,
    )


def main() -> None:
    """Make the table, take part, and say what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder)
        first = Ours("first", temporary)
        first.take()  # makes the table
        first.give_back()
        by_itself = alone(lambda: Ours(f"alone-{next(numbers)}", temporary))
        relayed = relays(lambda name: Ours(name, temporary))
        patient = relays(
            lambda name: Ours(f"patient-{name}", temporary, Aged(), {"INPUT_LEASE": LONG_LEASE}),
            longest_wait=PATIENT_WAIT,
        )
        tell(
            alone=by_itself,
            relays=relayed,
            patient=patient,
            first=ten_minutes(temporary, is_first=True),
            behind=ten_minutes(temporary, is_first=False),
        )


if __name__ == "__main__":
    main()
