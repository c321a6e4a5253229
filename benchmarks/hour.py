"""A busy hour: 100 commits, 10 of them broken, with several ways of ordering the runs, in simulated time.

The commands are the real ones. Each run is a process in the simulation of the tests, with its clock, its network and
its models of AWS. GitHub's ``concurrency`` is a model of its documentation: one run is active and one is pending, and a
newer run replaces the pending one. With ``queue: max``, up to 100 are pending. GitHub does not guarantee their order;
here they start in the order of the pushes.
https://docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency
"""

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.findings import Figure, Findings
from promote.aws.errors import to_promote_error
from promote.commands.dispatch import carry_out
from promote.core.concurrency import using
from promote.core.progress import Progress
from promote.core.report import Report
from promote.core.run import Result, Run
from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState
from promote.github.actions.log import ActionsLog
from promote.github.git import order
from promote.inputs.parse import inputs_from_environ
from promote.pipeline.job import Job
from tests.simulation.errors import ACCOUNT
from tests.simulation.functions import FUNCTION
from tests.simulation.invariants import ENVIRONMENT
from tests.simulation.network import Call, Caller, Faults, Network, Reach, Session
from tests.simulation.plan import Hit
from tests.simulation.schedule import beginning, plant
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.world import World

COMMITS, BROKEN = 100, 10
HOUR = 3600.0
MINUTES = (1, 5, 10)
UNEVEN = 0.2
"""The largest deviation of a verification's duration, as a fraction."""
LONGEST = 48 * HOUR
LONGEST_WAIT = 360 * 60
"""Seconds that a run may wait for the lock: the maximum of lock-timeout, and GitHub's limit for a job."""
SHOWN = 5
"""Minutes of verification of the figures in the summary."""
MODEL = "as long as a single run, and fails after six hours in the queue"
SLICE = 60.0
"""Seconds that are simulated at a time, because the simulation limits its steps."""
LONGEST_REQUEST = 10.0
"""Seconds that the action allows for a request that is not a check."""


class Way(StrEnum):
    """A way of ordering the runs."""

    NEWEST = "`isolation: latest`, `queue: newest`"
    FIFO = "`isolation: latest`, `queue: fifo`"
    VERSION = "`isolation: version`"
    SINGLE = "GitHub's `concurrency`"
    MAX = "GitHub's `concurrency`, `queue: max`"


PENDING = {Way.SINGLE: 1, Way.MAX: 100}
"""The number of runs that can be pending on GitHub."""


@dataclass(frozen=True)
class Commit:
    """One push."""

    number: int
    """Its position in the history."""
    pushed: float
    verification: float
    """Seconds."""


@dataclass(frozen=True)
class Repository:
    """An archive for each commit."""

    folder: Path
    digests: Sequence[str]
    """CodeSha256 by the commit's number."""


@dataclass
class Outcome:
    """The results of an hour."""

    reports: dict[int, Report] = field(default_factory=dict)
    """The reports of runs that have ended, by the commit's number."""
    verified: set[int] = field(default_factory=set)
    """Commits whose verification has begun."""
    served: list[tuple[float, int]] = field(default_factory=list)
    """The times at which the environment began to serve a commit."""
    cancelled: int = 0
    """The number of runs that GitHub cancelled before they began."""

    def count(self, result: Result) -> int:
        """Return the number of runs with that result."""
        return sum(report.result is result for report in self.reports.values())

    @property
    def wasted(self) -> int:
        """The number of verifications that neither promoted nor blocked a commit."""
        useful = (Result.PROMOTED, Result.BLOCKED)
        return sum(self.reports[number].result not in useful for number in self.verified)

    def delays(self, commits: Sequence[Commit], broken: set[int]) -> list[float]:
        """Return, for each good commit that was served, the seconds until it or a newer one was served."""
        found = []
        for commit in commits:
            when = next((when for when, number in self.served if number >= commit.number), None)
            if commit.number not in broken and when is not None:
                found.append(when - commit.pushed)
        return found


class Hour:
    """One simulated hour, as the network sees it."""

    def __init__(self, way: Way, commits: Sequence[Commit], broken: set[int], repository: Repository) -> None:
        self.way, self.commits, self.repository = way, commits, repository
        self.outcome = Outcome()
        self.scheduler, self.chance = Scheduler(), Random(0)  # noqa: S311 - the same hour each time
        self._numbers = {digest: number for number, digest in enumerate(repository.digests)}
        codes = {digest: number not in broken for digest, number in self._numbers.items()}
        self.world = World(self.scheduler, self.chance, codes, beginning())
        self.network = Network(self.scheduler, None, Faults(()), self)
        self._pending: list[Commit] = []
        self._is_running = False

    def play(self) -> Outcome:
        """Push all commits and run until all runs have ended."""
        for commit in self.commits:
            self.scheduler.at(commit.pushed, partial(self._pushed, commit))
        while len(self.outcome.reports) + self.outcome.cancelled < len(self.commits):
            self.scheduler.run(self.scheduler.now + SLICE)
            self.scheduler.now += 0 if self.scheduler.steps else SLICE
            self.scheduler.steps = 0
            if self.scheduler.now > LONGEST:
                raise TimeoutError(f"{self.way} did not end after {LONGEST / HOUR:.0f} hours")
        order.cache_clear()
        return self.outcome

    # GitHub

    def _pushed(self, commit: Commit) -> None:
        if self.way not in PENDING:
            Worker(self, commit).begin()
            return
        if len(self._pending) == PENDING[self.way]:
            self.outcome.cancelled += 1
            if self.way is Way.MAX:
                return
            self._pending.clear()
        self._pending.append(commit)
        self._go_on()

    def _go_on(self) -> None:
        if self._pending and not self._is_running:
            self._is_running = True
            Worker(self, self._pending.pop(0)).begin()

    def ended(self, commit: Commit, report: Report) -> None:
        """Record the report of a commit's run."""
        self.outcome.reports[commit.number] = report
        self._is_running = False
        self._go_on()

    # Called by the network

    def carry_out(self, caller: Caller, call: Call) -> Any:
        """Apply a call, and record what the environment then serves."""
        del caller
        answer = self.world.carry_out(call)
        if call.name == "lambda.UpdateAlias":
            function = self.world.functions[FUNCTION]
            version = function.versions[function.aliases[ENVIRONMENT].version]
            self.outcome.served.append((self.scheduler.now, self._numbers[version.content.code_sha256]))
        return answer

    def issued(self, caller: Caller, call: Call) -> None:
        """Do nothing before a call is sent."""

    def hit(self, caller: Caller, call: Call, hit: Hit) -> None:
        """Do nothing: there are no faults."""

    def not_found(self, call: Call) -> None:
        """Do nothing: resources are visible at once."""

    def subject(self, operation: str, arguments: Mapping[str, Any]) -> str:
        """Return an empty subject: there is one function."""
        del operation, arguments
        return ""

    def make_trouble(self, hit: Hit, caller: Caller, call: Call) -> None:
        """Do nothing: there are no faults."""

    def fail(self, error: Exception) -> None:
        """Raise an error outside of the call, so that the code under test does not catch it."""
        self.scheduler.at(self.scheduler.now, partial(_raise, error))

    def say(self, who: str, text: str) -> None:
        """Do nothing: there is no trace."""


def _raise(error: Exception) -> None:
    raise error


class Slow(Session):
    """A session whose checks take as long as the commit's verification."""

    def __init__(self, worker: "Worker", process: Process) -> None:
        super().__init__(worker.hour.network, process, worker)
        self._worker, self._clock = worker, process

    def request(self, method: str, url: str, **given: Any) -> Any:
        """Send a request, slowly if it is a check."""
        if given["timeout"][1] > LONGEST_REQUEST:
            self._worker.hour.outcome.verified.add(self._worker.commit.number)
            self._clock.sleep(self._worker.commit.verification)
        return super().request(method, url, **given)


class Worker:
    """The run of one commit: its machine and its command."""

    lease = 30.0
    is_announcing = False
    """Notes and GitHub are not simulated."""

    def __init__(self, hour: Hour, commit: Commit) -> None:
        self.hour, self.commit = hour, commit
        self.place, self.name = commit.number, f"run {commit.number}"

    def begin(self) -> None:
        """Start."""
        hour = self.hour
        process = Process(hour.scheduler, self.name, zero=1000.0 * self.place)

        def work() -> None:
            with using(process):
                try:
                    job = self._job(process)
                    report = carry_out(job)
                except Exception as error:  # noqa: BLE001 - as the action does
                    report = Report(Result.FAILED, headline=str(to_promote_error(error)))
            process.end()
            hour.ended(self.commit, report)

        process.start(work)

    def _job(self, process: Process) -> Job:
        environ = {**self._environ, **_ISOLATED.get(self.hour.way, {})}
        context, chance = Context.from_environ(environ), self.hour.chance
        workflow, session = ActionsLog({}, StringIO()), Slow(self, process)
        return Job(
            inputs=inputs_from_environ(environ),
            context=context,
            run=Run(context.commit, context.run_id, context.attempt, context.run_url, f"{self.place:012x}"),
            workflow=workflow,
            clock=process,
            clients=Reach(self.hour.network, process, self, has_lock=True),
            session=lambda: session,  # type: ignore[arg-type, return-value] # only the methods that are used
            chance=chance.random,
            environ=environ,
            state=JobState({}, context, workflow, draw=lambda: f"{chance.getrandbits(64):016x}"),
            temporary=self.hour.repository.folder,
            progress=Progress(process),
        )

    @property
    def _environ(self) -> Mapping[str, str]:
        return {
            "GITHUB_WORKSPACE": str(self.hour.repository.folder),
            "GITHUB_SHA": f"{self.commit.number:040x}",
            "GITHUB_REPOSITORY": "octo/hello",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_RUN_ID": str(10_000 + self.commit.number),
            "INPUT_GITHUB-TOKEN": "token",
            "INPUT_GITHUB-DEPLOYMENTS": "false",
            "INPUT_FUNCTION-NAME": FUNCTION,
            "INPUT_ENVIRONMENT": ENVIRONMENT,
            "INPUT_ARTIFACT": f"{FUNCTION}-{self.commit.number}.zip",
            "INPUT_RUNTIME": "python3.13",
            "INPUT_HANDLER": "app.handler",
            "INPUT_ROLE": f"arn:aws:iam::{ACCOUNT}:role/hello",
            "INPUT_CHECKS": "GET /health 200 status == 'ok'",
            "INPUT_VERIFY-TIMEOUT": "30",
            "INPUT_LOCK-TIMEOUT": str(LONGEST_WAIT // 60),
        }


_ISOLATED: Mapping[Way, Mapping[str, str]] = {
    Way.FIFO: {"INPUT_QUEUE": "fifo"},
    Way.VERSION: {"INPUT_ISOLATION": "version"},
}


def measure() -> Findings:
    """Play all hours and return the results."""
    lines = [
        "| verification | way | verifications | promotions | push to served, p50 | p95 | never served | wasted |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    ends: dict[tuple[int, str], str] = {}
    with repository() as planted:
        for minutes in MINUTES:
            commits, broken = history(minutes)
            for way, outcome in hours(minutes, commits, broken, planted):
                *_, ends[minutes, way], _, _ = cells = row(outcome, commits, broken)
                lines.append(f"| {minutes} min | {way} | {' | '.join(cells)} |")
    ways = (Way.VERSION, Way.NEWEST, Way.SINGLE)
    found = ", ".join(ends[SHOWN, way] for way in ways)
    name = f"100 commits in an hour, {SHOWN} min each, p95 from push to served: {', '.join(ways)}"
    lines += [
        "",
        f"These figures do not depend on the machine. (model): one run at a time, in order. Each takes {MODEL}.",
    ]
    return Findings((Figure(name, found),), "\n".join(lines))


def hours(
    minutes: int, commits: Sequence[Commit], broken: set[int], planted: Repository
) -> Iterator[tuple[str, Outcome]]:
    """Play the hour in all ways. Long queues take too long to simulate, so they are a model."""
    for way in Way:
        if way is not Way.FIFO or minutes == min(MINUTES):
            yield way, Hour(way, commits, broken, planted).play()
        if way is Way.FIFO:
            yield f"{way} (model)", modelled(commits, broken, planted)


def modelled(commits: Sequence[Commit], broken: set[int], planted: Repository) -> Outcome:
    """Return the results of an hour in which runs take turns and fail after too long a wait."""
    first = Commit(1, 0.0, commits[0].verification)
    alone = Hour(Way.FIFO, [first], set(), planted).play()
    overhead = alone.served[0][0] - first.verification
    outcome, free = Outcome(), 0.0
    for commit in commits:
        begun = max(free, commit.pushed)
        result = Result.BLOCKED if commit.number in broken else Result.PROMOTED
        if begun - commit.pushed > LONGEST_WAIT:
            outcome.reports[commit.number] = Report(Result.FAILED)
            continue
        free = begun + commit.verification + overhead
        outcome.verified.add(commit.number)
        outcome.reports[commit.number] = Report(result)
        if result is Result.PROMOTED:
            outcome.served.append((free, commit.number))
    return outcome


def row(outcome: Outcome, commits: Sequence[Commit], broken: set[int]) -> list[str]:
    """Return the cells of one hour."""
    delays = outcome.delays(commits, broken)
    shares = statistics.quantiles(delays, n=20, method="inclusive")
    times = [f"{seconds / 60:.1f} min" for seconds in (shares[9], shares[18])]
    counts = [str(len(outcome.verified)), str(outcome.count(Result.PROMOTED))]
    return [*counts, *times, str(len(commits) - len(broken) - len(delays)), str(outcome.wasted)]


def history(minutes: int) -> tuple[list[Commit], set[int]]:
    """Return the commits of an hour, the same for all ways, and the numbers of the broken ones."""
    chance = Random(0)  # noqa: S311 - the same hour each time
    pushes = sorted(HOUR * chance.random() for _ in range(COMMITS))
    broken = set(chance.sample(range(1, COMMITS + 1), BROKEN))
    longer = [1 + UNEVEN * (2 * chance.random() - 1) for _ in pushes]
    commits = [Commit(n + 1, pushed, 60 * minutes * longer[n]) for n, pushed in enumerate(pushes)]
    return commits, broken


@contextmanager
def repository() -> Iterator[Repository]:
    """Create the archives for the duration of the block."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        # With the names that the simulation uses, which begin with commit 0.
        yield Repository(folder, [plant(folder, f"{FUNCTION}-{number}.zip") for number in range(COMMITS + 1)])
