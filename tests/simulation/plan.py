"""The plan of a schedule: which jobs run when, with which clocks, and which faults happen at which calls.

A schedule depends only on its plan. A plan is a frozen value, so a failing one can be printed, kept and played again,
even if later versions draw another plan from its seed.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from tests.simulation.commits import Commits
from tests.simulation.functions import FUNCTION


class Word(StrEnum):
    """An enum whose repr is Python source, so that a printed plan can be pasted into a test."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


class Kind(Word):
    """What a job does, step by step."""

    RUN = "run"
    """``run``, verified at the endpoint of $LATEST."""
    ALONE = "alone"
    """``run`` with ``isolation: version``."""
    STEPS = "steps"
    """``deploy``, then ``promote`` with that candidate."""
    STEPS_ALONE = "steps-alone"
    """``deploy`` with ``isolation: version``, then ``promote`` with that candidate."""
    TWINS = "twins"
    """As before, and the same candidate is promoted to the next environment at the same time."""
    TWIN = "twin"
    """The second of these promotions."""
    ADOPT = "adopt"
    """``lock``, a deployment by another tool, then ``run`` without artifact."""
    ROLLBACK = "rollback"
    """``rollback`` to what was served before."""
    ROLLBACK_ONWARD = "rollback-onward"
    """``rollback`` of the next environment."""
    ONWARD = "onward"
    """``promote`` of what the environment serves to the next one, with a new verification."""
    ONWARD_EXISTING = "onward-existing"
    """``promote`` of what the environment serves to the next one, with its existing verdict."""
    UNLOCK = "unlock"
    """``unlock``: the lock is removed by force."""


BACK = (Kind.ROLLBACK, Kind.ROLLBACK_ONWARD)
KEEPING = (Kind.STEPS, Kind.STEPS_ALONE, Kind.ADOPT)
"""Kinds of several steps, which keep the lock in between."""


class Hit(Word):
    """A fault at a call. "for good" means that each further attempt of the same call has it too."""

    CRASH_BEFORE = "crash before it was sent"
    CRASH_AFTER = "crash after it took effect"
    CRASH_ANSWERED = "crash after its response"
    UNSENT = "no connection"
    UNSENT_FOR_GOOD = "no connection, for good"
    LOST = "response lost"
    LOST_FOR_GOOD = "response lost, for good"
    LATE_EFFECT = "effect later than the lease"
    LATE_ANSWER = "response later than the lease"
    DUPLICATED = "takes effect twice"
    THROTTLED = "throttled"
    THROTTLED_FOR_GOOD = "throttled, for good"
    FAILED_BEFORE = "5xx without effect"
    FAILED_AFTER = "5xx after the effect"
    FAILED_FOR_GOOD = "5xx after the effect, for good"
    PAUSED = "suspended beyond the lease before it is sent"
    PAUSED_AFTER = "suspended beyond the lease after the effect"
    WALL_CLOCK = "wall clock jumps by ten minutes"
    CLOCK_RATE = "clock deviates by 5 % from here"
    SIGINT = "SIGINT"
    SIGTERM = "SIGTERM"
    RERUN = "crash, and another attempt of the run"
    UNLOCK = "lock removed by force"
    EXTERNAL_CODE = "the code is changed externally"
    EXTERNAL_CONFIGURATION = "the configuration is changed externally"
    EXTERNAL_ALIAS = "the alias is moved externally"
    EXTERNAL_WEIGHTS = "the alias is split externally"
    UPDATE_FAILS = "the update is accepted and fails"
    LOST_THEN_THROTTLED = "response lost, then throttled for good"
    LOST_THEN_REFUSED = "response lost, then refused with a 4xx"
    LOST_UNREADABLE = "response lost for good, and the next reads fail"
    NOT_YET = "404, although it was just created"
    CONCURRENT = "409, because it is changed at the same time"
    EXTERNAL_DELETED = "the function is deleted and created again"
    EXTERNAL_ALIAS_DELETED = "the alias is deleted, or created again"
    EXTERNAL_LATEST = "an alias is moved to $LATEST"
    EXTERNAL_RECORD = "a forged record of a preview endpoint names the API of an environment"
    IDLE = "versions become Inactive"


UPDATES = ("lambda.CreateFunction", "lambda.UpdateFunctionCode", "lambda.UpdateFunctionConfiguration")

CALLS = (
    *UPDATES,
    "lambda.PublishVersion",
    "lambda.GetFunctionConfiguration",
    "lambda.GetFunctionConfiguration announced",
    "lambda.GetAlias",
    "lambda.ListAliases",
    "lambda.CreateAlias",
    "lambda.UpdateAlias",
    "lambda.UpdateAlias back",
    "lambda.GetProvisionedConcurrencyConfig",
    "lambda.GetPolicy",
    "lambda.AddPermission",
    "lambda.RemovePermission",
    "lambda.Invoke",
    "dynamodb.Query",
    "dynamodb.Query release",
    "dynamodb.PutItem version",
    "dynamodb.PutItem candidate",
    "dynamodb.PutItem promotion",
    "dynamodb.PutItem endpoint",
    "dynamodb.PutItem notes",
    "dynamodb.UpdateItem lock",
    "dynamodb.UpdateItem lock beat",
    "dynamodb.UpdateItem environment",
    "dynamodb.UpdateItem version",
    "dynamodb.UpdateItem endpoint",
    "dynamodb.UpdateItem endpoint beat",
    "dynamodb.UpdateItem release",
    "dynamodb.DeleteItem",
    "dynamodb.TransactWriteItems",
    "dynamodb.TransactWriteItems begin",
    "dynamodb.TransactWriteItems done",
    "dynamodb.TransactWriteItems rolled_back",
    "dynamodb.CreateTable",
    "dynamodb.DescribeTable",
    "apigatewayv2.GetApi",
    "apigatewayv2.GetApis",
    "apigatewayv2.CreateApi",
    "apigatewayv2.DeleteApi",
    "apigatewayv2.GetRoutes",
    "apigatewayv2.GetIntegrations",
    "apigatewayv2.GetStages",
    "apigatewayv2.CreateRoute",
    "apigatewayv2.CreateIntegration",
    "apigatewayv2.CreateStage",
    "sts.GetCallerIdentity",
    "execute-api.Invoke",
    "github.Compare",
    "github.Compare commits",
    "github.ListPullRequests",
    "github.ListPullRequestsOf",
    "github.ListCommits",
    "github.GetContents",
    "github.CreateDeployment",
    "github.CreateStatus",
    "github.ListDeployments",
)
"""Every call of the simulated commands. Writes to the table have the subject in their name."""

ANNOUNCING = (
    "lambda.GetFunctionConfiguration announced",
    "dynamodb.PutItem notes",
    *CALLS[CALLS.index("github.Compare") + 1 :],
)
"""The calls after a promotion, whose failure undoes nothing."""

BEGINNING = "dynamodb.TransactWriteItems begin"
ROLLBACK_CALLS = ("dynamodb.UpdateItem release", "lambda.UpdateAlias back", "dynamodb.TransactWriteItems rolled_back")
RELEASING = (BEGINNING, "dynamodb.TransactWriteItems done", *ROLLBACK_CALLS, "dynamodb.Query release")
"""Those of a release."""
TOGETHER = "dynamodb.TransactWriteItems"
"""That of several functions whose locks are acquired or released in one call."""

CHANGES = tuple(
    call
    for call in CALLS
    if not call.partition(".")[2].startswith(("Get", "Query", "Describe", "Invoke", "Compare", "List"))
)
"""The calls that write."""

_ONLY_AT: dict[Hit, tuple[str, ...]] = {
    Hit.UPDATE_FAILS: UPDATES,
    Hit.LOST_THEN_THROTTLED: CHANGES,
    Hit.LOST_THEN_REFUSED: CHANGES,
    Hit.LOST_UNREADABLE: tuple(call for call in CHANGES if not call.startswith("github.")),
    Hit.NOT_YET: (
        "lambda.GetFunctionConfiguration",
        "lambda.GetAlias",
        "lambda.Invoke",
        "lambda.AddPermission",
        "apigatewayv2.GetRoutes",
        "apigatewayv2.GetIntegrations",
        "apigatewayv2.GetStages",
        "apigatewayv2.CreateRoute",
        "apigatewayv2.CreateIntegration",
        "apigatewayv2.CreateStage",
    ),
    Hit.CONCURRENT: (
        "apigatewayv2.CreateRoute",
        "apigatewayv2.CreateIntegration",
        "apigatewayv2.CreateStage",
        "apigatewayv2.DeleteApi",
    ),
}
"""The calls at which a fault is possible. Faults that are not listed are possible at every call."""


def can_hit(hit: Hit, call: str) -> bool:
    """Return whether the fault is possible at the call with this name."""
    return hit not in _ONLY_AT or call in _ONLY_AT[hit]


PAIRS = [(call, hit) for call in CALLS for hit in Hit if can_hit(hit, call)]
"""All pairs of call and fault. Each of them must be reached."""


@dataclass(frozen=True)
class Job:
    """One job of a workflow run."""

    kind: Kind
    commit: int
    """The number of its commit. 1 is the oldest; a commit follows only lower numbers."""
    start: float = 0.0
    """Seconds after the start."""
    run_id: int = 0
    """0 means the commit's number."""
    lease: int = 4
    rate: float = 1.0
    """The rate of its machine's clock."""
    skew: int = 0
    """Seconds that its wall clock is ahead."""
    fifo: bool = False
    configures: bool = False
    """Whether its inputs change the configuration, too."""
    invokes: bool = False
    """Whether it verifies by direct invocation instead of HTTP."""
    functions: tuple[str, ...] = (FUNCTION,)
    """Several are released as one."""
    knows: bool = True
    """Whether it can ask GitHub for the order of commits. Its clone is always shallow."""
    diverged: str = ""
    """The input ``diverged``: ``promote``, ``refuse``, or empty."""
    override: bool = False
    """The input ``override``."""
    is_lost: bool | None = None
    """Whether its machine is lost with a kill, so that there is no post step. None means a random choice."""

    @property
    def longest_lease(self) -> int:
        """The lease of a step that keeps the lock for the next one, without heartbeats in between."""
        return (3 if self.kind in KEEPING else 1) * self.lease


@dataclass(frozen=True)
class Fault:
    """A fault at the ``nth`` call of that name, of all jobs or of one job."""

    hit: Hit
    call: str = ""
    """If empty, any call."""
    nth: int = 1
    job: int = -1
    """The job's position in the plan; -1 means any."""


@dataclass(frozen=True)
class Plan:
    """One schedule."""

    jobs: tuple[Job, ...]
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    """Seed of the duration of calls and of other random choices; 0 means that all calls take equally long."""
    bad: tuple[int, ...] = ()
    """Commits whose code of ``hello`` fails its checks."""
    broken: tuple[int, ...] = ()
    """Commits whose code of ``worker`` fails its checks."""
    same: tuple[tuple[int, int], ...] = ()
    """Commits whose code of ``hello`` is that of another one. The code of ``api`` changes only with every other commit.
    """
    history: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """Commits with their parents. All others follow the previous one."""
    gone: tuple[int, ...] = ()
    """Commits that GitHub no longer has, because the branch was rewritten."""
    exists: bool = True
    """Whether the functions, their table and endpoints exist, and the environment serves commit 0."""
    knows_history: bool = True
    """Whether the jobs have a token for GitHub, which knows the order of commits. Without it, the order is unknown."""
    is_granted: bool = True
    """Whether the jobs' tokens may read pull requests and write deployments, in addition to reading the contents."""
    is_provisioned: bool = False
    """Whether the aliases have provisioned concurrency, so that AWS sets weights after each move."""
    has_lock: bool = True
    """Whether the lock works. If not, each job has its own lock, and all believe that they hold it."""
    page: int = 0
    """The most entries that a response has of a list; 0 means that each list has one page."""

    @property
    def functions(self) -> tuple[str, ...]:
        """All functions of the jobs."""
        return tuple(sorted({function for job in self.jobs for function in job.functions}))

    @property
    def has_applications(self) -> bool:
        """Whether functions are released as one."""
        return any(len(job.functions) > 1 for job in self.jobs)

    @property
    def rates_differ(self) -> bool:
        """Whether clocks have different rates, so that the lease differs between machines."""
        drifts = any(fault.hit is Hit.CLOCK_RATE for fault in self.faults)
        return drifts or len({job.rate for job in self.jobs}) > 1


_TWINS = 1
"""The number of entries of TWINS among the kinds that are drawn."""
_KINDS = [Kind.RUN] * 10 + [Kind.ALONE] * 3 + [Kind.STEPS] * 2 + [Kind.STEPS_ALONE, Kind.ADOPT, Kind.ONWARD]
_KINDS += [Kind.ROLLBACK] * 2 + [Kind.UNLOCK, Kind.ONWARD_EXISTING]
_KINDS += [Kind.TWINS] * _TWINS
BUILDING_NOTHING = (*BACK, Kind.UNLOCK, Kind.ONWARD, Kind.ONWARD_EXISTING)


def random_plan(seed: int) -> Plan:
    """Draw a plan. The first faults go through all pairs of call and fault, one per seed."""
    chance = Random(seed)
    call, hit = PAIRS[seed % len(PAIRS)]
    jobs = [_random_job(chance) for _ in range(chance.choice((2, 2, 3, 3, 4, 5)))]
    jobs[0] = _suited(jobs[0], call, chance)
    share = _SHARE_OF_RELEASING if call in RELEASING else _SHARE
    if call == TOGETHER or (call not in _OF_ONE and chance.random() < share):
        jobs = _of_applications(jobs, call, chance)
    is_story = call not in RELEASING and chance.random() < _STORIES
    if is_story:
        jobs = _story(chance)
    if all(job.kind in BUILDING_NOTHING for job in jobs):
        jobs.append(Job(Kind.RUN, len(jobs)))
    urgent = Random(f"override {seed}")
    jobs = [replace(job, override=job.override or (job.kind is Kind.RUN and urgent.random() < _URGENT)) for job in jobs]
    is_first = call in _FIRST or (call, hit) in _OF_FIRST
    exists = not (is_first or chance.random() < 0.1)
    faults = _random_faults(chance, call, hit, len(jobs), exists=exists)
    commits = range(1, _NEWEST + (call not in RELEASING))
    history = _random_history(chance) if chance.random() < _GRAPHS else ()
    plan = Plan(
        jobs=tuple(jobs),
        faults=tuple(faults),
        seed=seed + 1,
        bad=tuple(commit for commit in commits if chance.random() < 0.15),
        broken=tuple(commit for commit in commits if chance.random() < 0.1),
        same=((chance.randint(2, 5), chance.randint(0, 1)),) if chance.random() < 0.15 else (),
        exists=exists,
        knows_history=call.startswith("github.") or chance.random() < (0.9 if _UNKNOWING else 0.7),
        history=history,
        gone=tuple(commit for commit in range(1, _NEWEST) if history and chance.random() < 0.05),
        is_granted=call in ANNOUNCING or chance.random() < 0.8,
        is_provisioned=chance.random() < _PROVISIONED or call == "lambda.GetProvisionedConcurrencyConfig",
        has_lock=chance.random() < 0.8,
        page=Random(f"pages {seed}").choice(_PAGES),
    )
    if hit is Hit.IDLE and call not in RELEASING and chance.random() < 0.5:
        return _idle(plan, chance)
    if is_story and any(job.commit == 4 for job in jobs) and chance.random() < 0.5:
        # The rolled-back version returns as the code of a newer commit.
        plan = replace(plan, same=((4, 3),))
    return _meeting(plan, chance) if chance.random() < (call in RELEASING) * _MEETINGS else plan


def _random_faults(chance: Random, call: str, hit: Hit, jobs: int, *, exists: bool) -> list[Fault]:
    """Draw the faults of a plan with ``jobs`` jobs. The first one is ``hit`` at ``call``."""
    if chance.random() >= 0.95:
        return []
    faults: list[Fault] = []
    rare = call not in _FREQUENT
    faults += [_COMPANIONS[call]] if call in _COMPANIONS else []
    if (call, hit) in _OF_FIRST:
        faults.append(Fault(Hit.LOST, "lambda.CreateAlias"))  # which is read back at once
    if call in ROLLBACK_CALLS:
        moving = "lambda.UpdateAlias" if exists else "lambda.CreateAlias"
        faults.append(Fault(chance.choice(_TURNING), moving, chance.choice((1, 1, 2)), 0))
    faults.append(Fault(hit, call, chance.choice((1, 1, 1, 1, 2) if rare else (1, 2, 3, 5, 8))))
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        other = chance.choice(list(Hit))
        where = chance.choice(CALLS) if chance.random() < 0.3 else ""
        nth = chance.choice((1, 1, 2, 3)) if where else chance.randint(1, 25 * jobs)
        if can_hit(other, where) or (not where and other is not Hit.UPDATE_FAILS):
            faults.append(Fault(other, where, nth, chance.choice((-1, chance.randrange(jobs)))))
    return faults


def _idle(plan: Plan, chance: Random) -> Plan:
    """Make the version to which a rollback returns Inactive before the rollback reads it."""
    jobs = (Job(Kind.RUN, 3), Job(Kind.ROLLBACK, 3, start=chance.choice((8.0, 15.0)) + chance.random()))
    return replace(plan, jobs=jobs, faults=(Fault(Hit.IDLE, "lambda.ListAliases", 1, 1),), exists=True)


def _meeting(plan: Plan, chance: Random) -> Plan:
    """Let a rollback meet a release, or another rollback, that has begun and may be dead."""
    functions = chance.choice(((FUNCTION,), *_APPLICATIONS))
    others = functions if chance.random() < 0.7 else (chance.choice(functions),)
    kind, commit = chance.choice(((Kind.RUN, 4), (Kind.ROLLBACK, 3)))
    # A rollback needs less time than a run before it begins to move.
    start = 20.0 + (5.0 if kind is Kind.ROLLBACK else 0.0) * chance.random()
    meets = start + (3.0 * chance.random() if kind is Kind.ROLLBACK else 2.0 + 6.0 * chance.random())
    jobs = (
        Job(Kind.RUN, 3, functions=functions),
        Job(kind, commit, start, run_id=1004, functions=functions, is_lost=chance.random() < 0.7),
        Job(Kind.ROLLBACK, 3, meets, run_id=1005, functions=others),
        Job(Kind.RUN, 4, start + 40.0, run_id=1004, functions=functions),
    )
    hit = chance.choice((Hit.CRASH_AFTER, Hit.CRASH_AFTER, Hit.CRASH_BEFORE, Hit.PAUSED_AFTER, Hit.UNSENT_FOR_GOOD))
    where = chance.choice(("dynamodb.TransactWriteItems begin", "lambda.UpdateAlias", "lambda.UpdateAlias"))
    faults = [Fault(hit, where, chance.choice((1, 1, 2)), 1)] if chance.random() < 0.9 else []
    if chance.random() < 0.3:
        faults.append(Fault(chance.choice(_TURNING), "lambda.UpdateAlias", 1, chance.choice((1, 2))))
    return replace(plan, jobs=jobs, faults=tuple(faults), bad=(), broken=(), exists=True)


def _story(chance: Random) -> list[Job]:
    """Draw jobs that follow each other: what was rolled back returns by a re-run or from the previous environment."""
    again = chance.choice((Kind.RUN, Kind.RUN, Kind.ALONE, Kind.STEPS))
    kinds: list[tuple[Kind, int]] = [(Kind.RUN, 3), (Kind.ROLLBACK, 3), (again, 3)]
    if chance.random() < 0.5:
        onward = chance.choice((Kind.ONWARD, Kind.ONWARD_EXISTING))
        kinds = [(Kind.ONWARD, 0), (Kind.RUN, 3), (onward, 3), (Kind.ROLLBACK_ONWARD, 3), (onward, 3)]
    elif chance.random() < 0.3:
        kinds.insert(2, (Kind.RUN, 4))
    gap, has_reason = chance.choice((4.0, 8.0, 15.0)), again is not Kind.STEPS and chance.random() < 0.2
    made = [
        Job(kind, commit, start=gap * number + chance.random(), run_id=1000 + commit, lease=chance.choice((2, 4)))
        for number, (kind, commit) in enumerate(kinds)
    ]
    return [*made[:-1], replace(made[-1], override=has_reason, invokes=chance.random() < 0.3)]


def _random_history(chance: Random) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Draw a history with branches and merges, and sometimes one that was rewritten from its first commit."""
    history: dict[int, tuple[int, ...]] = {}
    for commit in range(2, _NEWEST + 1):
        draw, other = chance.random(), chance.randrange(commit)
        if draw < 0.35:
            history[commit] = (other,)
        elif draw < 0.6 and other < commit - 1:
            history[commit] = (commit - 1, other)
        elif draw < 0.7:
            history[commit] = ()
    history[_NEWEST + 1] = Commits(history).heads(_NEWEST + 1)
    return tuple(history.items())


_NEWEST = 5
"""The newest commit."""
_GRAPHS = 0.4
"""The share of schedules with a history that is not linear."""
_UNKNOWING = 0.07
"""The share of jobs that cannot find out how commits are related."""
_URGENT = 0.1
"""The share of runs with an override."""
_STORIES = 0.05
"""The share of schedules in which rolled-back code returns."""
_MEETINGS = 0.1
"""The share of schedules, among those whose first fault is at a call of a release, in which a rollback meets one."""
_PROVISIONED = 0.1
"""Share of the schedules whose aliases have provisioned concurrency."""
_PAGES = (0, 0, 0, 0, 1, 2, 3)
"""Sizes of pages. They are drawn from their own generator, so that a seed has the same plan otherwise.

The text in its seed leaves one page to the schedules that catch the rarest mutants.
"""
_SHARE, _SHARE_OF_RELEASING = 0.04, 0.6
"""Of the schedules with several functions: where the first fault is at any call, and at one of a release."""

_APPLICATIONS: tuple[tuple[str, ...], ...] = (
    ("hello", "worker"),
    ("worker", "hello"),
    ("hello", "api"),
    ("api", "worker", "hello"),
    ("hello", "api", "worker"),
)
"""Not in alphabetical order, which is the order of the locks."""
_OTHERS = "mail"
"""A function of the application that shares one with the first."""

_TURNING = (*(Hit.UNSENT_FOR_GOOD, Hit.THROTTLED_FOR_GOOD) * 3, Hit.EXTERNAL_ALIAS, Hit.EXTERNAL_WEIGHTS)
"""Faults that cause a rollback of the release. External changes may come too late for that."""


_AS_NAMED, _FIRST_ONE, _SECOND_ONE = 0.45, 0.58, 0.77
"""Cumulative shares of the jobs: the first application, the same in another order, and the second one."""


def _of_applications(jobs: list[Job], call: str, chance: Random) -> list[Job]:
    """Let jobs release an application, another one that shares a function with it, or single functions of both."""
    first = chance.choice(_APPLICATIONS)
    second = chance.choice([(chance.choice(first), _OTHERS), (_OTHERS, chance.choice(first))])
    made: list[Job] = []
    for job in jobs:
        draw = chance.random()
        functions: tuple[str, ...] = first
        if made and draw >= _AS_NAMED:
            functions = first[::-1]  # another step lists them in another order
        if made and draw >= _FIRST_ONE:
            functions = second if draw < _SECOND_ONE else (chance.choice(first + second),)
        kind = Kind.RUN if len(functions) > 1 and job.kind in _OF_ONE_KIND else job.kind
        made.append(replace(job, functions=functions, kind=kind))
    if call in RELEASING:
        kind = made[0].kind if made[0].kind is Kind.ALONE else Kind.RUN
        made = [replace(job, start=job.start + 1.0) for job in made]
        made[0] = replace(made[0], kind=kind, commit=_NEWEST, start=0.0)
    return made


_OF_ONE_KIND = (Kind.STEPS, Kind.STEPS_ALONE, Kind.TWINS, Kind.ADOPT, Kind.UNLOCK)
"""What a job does with one function."""
_OF_ONE = (
    "dynamodb.PutItem candidate",
    "lambda.GetFunctionConfiguration announced",
    "lambda.PublishVersion",
    "sts.GetCallerIdentity",
)
"""Calls of these."""

_FIRST = (
    "lambda.CreateFunction",
    "lambda.CreateAlias",
    "lambda.GetPolicy",
    "dynamodb.CreateTable",
    "dynamodb.DescribeTable",
    "dynamodb.UpdateItem environment",
    "apigatewayv2.GetApis",
    "apigatewayv2.GetRoutes",
    "apigatewayv2.GetIntegrations",
    "apigatewayv2.GetStages",
)
"""Calls of a function's first run."""

_OF_FIRST = (("lambda.GetAlias", Hit.NOT_YET),)
"""Pairs that happen only in a function's first run."""

_FREQUENT = (
    "lambda.GetFunctionConfiguration",
    "dynamodb.Query",
    "dynamodb.UpdateItem lock",
    "dynamodb.UpdateItem lock beat",
)
"""Calls that each job makes several times."""

_COMPANIONS = {
    # Only a damaged endpoint is searched for, and only a long verification needs heartbeats.
    "apigatewayv2.GetApi": Fault(Hit.FAILED_BEFORE, "execute-api.Invoke"),
    "dynamodb.UpdateItem endpoint beat": Fault(Hit.LATE_ANSWER, "execute-api.Invoke"),
    "dynamodb.PutItem promotion": Fault(Hit.EXTERNAL_LATEST, "lambda.ListAliases"),
    # Its record is read by runs that find it unfinished.
    "dynamodb.Query release": Fault(Hit.CRASH_AFTER, "dynamodb.TransactWriteItems begin"),
}

_BY_KIND = {
    "lambda.RemovePermission": Kind.ALONE,
    "apigatewayv2.DeleteApi": Kind.ALONE,
    "dynamodb.DeleteItem": Kind.ALONE,
    "dynamodb.PutItem candidate": Kind.STEPS,
    "dynamodb.PutItem endpoint": Kind.ALONE,
    "lambda.GetFunctionConfiguration announced": Kind.STEPS,
    "github.ListDeployments": Kind.ONWARD,
    "dynamodb.UpdateItem version": Kind.ALONE,
    "dynamodb.UpdateItem endpoint": Kind.ALONE,
    "dynamodb.UpdateItem endpoint beat": Kind.ALONE,
    "lambda.PublishVersion": Kind.ADOPT,
    "sts.GetCallerIdentity": Kind.ADOPT,
}


def _suited(job: Job, call: str, chance: Random) -> Job:
    """Return a job that makes the call, usually one that comes first with the newest commit."""
    kind = _BY_KIND.get(call, Kind.RUN if job.kind in BUILDING_NOTHING else job.kind)
    is_first = chance.random() < 0.6
    return replace(
        job,
        kind=kind,
        commit=5 if is_first else job.commit,
        start=0.0 if is_first else job.start,
        configures=job.configures or call == "lambda.UpdateFunctionConfiguration",
        invokes=(job.invokes or call == "lambda.Invoke")
        and call not in ("execute-api.Invoke", "apigatewayv2.GetApi", "dynamodb.UpdateItem endpoint beat"),
    )


def _random_job(chance: Random) -> Job:
    return Job(
        kind=chance.choice(_KINDS),
        commit=chance.randint(1, 5),
        start=chance.choice((0.0, 0.0, 0.5, 2.0, 6.0, 15.0)) * chance.random(),
        lease=chance.choice((2, 4, 4, 8)),
        rate=chance.choice((1.0, 1.0, 1.0, 0.95, 1.05)),
        skew=chance.choice((0, 0, 600, -600)),
        fifo=chance.random() < 0.3,
        configures=chance.random() < 0.3,
        invokes=chance.random() < 0.25,
        knows=chance.random() >= _UNKNOWING,
        diverged=chance.choice(("",) * 8 + ("promote", "refuse")) if _UNKNOWING else "",
    )
