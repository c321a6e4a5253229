"""One schedule: the jobs of a plan. Each step is the real command in its own process, in one world."""

import hashlib
import tempfile
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

from promote.action import INTERRUPTED, failed
from promote.aws.errors import to_promote_error
from promote.commands.dispatch import carry_out
from promote.core.concurrency import using
from promote.core.lock_state import Claim
from promote.core.progress import Progress
from promote.core.promotion import ReleaseKey
from promote.core.report import Report
from promote.core.run import Result, Run
from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState
from promote.github.actions.log import ActionsLog
from promote.github.git import order
from promote.inputs import step
from promote.inputs.usage import INPUTS, Command
from promote.pipeline.job import Job
from promote.pipeline.previews import Previews
from promote.pipeline.resources import Resources
from tests.simulation import plan as plans
from tests.simulation.commits import Commits
from tests.simulation.errors import ACCOUNT, Refusal
from tests.simulation.externals import Externals
from tests.simulation.functions import FUNCTION, FUNCTIONS, name_of
from tests.simulation.github import REPOSITORY, GitHub
from tests.simulation.guarantees import Broken
from tests.simulation.invariants import ENVIRONMENT, UNKNOWN, Watch, written
from tests.simulation.network import Call, Caller, Faults, Network, Reach, Session
from tests.simulation.pages import Pages
from tests.simulation.plan import Hit, Kind, Plan
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.world import TABLE, World

ONWARD = "prod"
"""The environment after the first."""
_HORIZON = 6000.0
"""Seconds after which a process that still works hangs."""
_TEST_PAUSE = 0.5
"""Seconds between a test's attempts to reach an endpoint."""
_LOCK_TIMEOUT = "30"
"""Minutes."""


@dataclass(frozen=True)
class Workspace:
    """The checked-out repository, the same for all jobs: an archive for each function and commit, and an event."""

    folder: Path
    digests: Mapping[str, str]
    """CodeSha256 by the archive's name."""

    def digest(self, function: str, commit: int) -> str:
        return self.digests[f"{function}-{commit}.zip"]


def plant(folder: Path, name: str) -> str:
    """Write an archive whose content depends on its name, and return its CodeSha256."""
    with zipfile.ZipFile(folder / name, "w") as archive:
        entry = zipfile.ZipInfo("app.py")
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, f"# {name}\n")
    return b64encode(hashlib.sha256((folder / name).read_bytes()).digest()).decode()


@cache
def workspace() -> Workspace:
    """Return the workspace, created once per process."""
    folder = Path(tempfile.mkdtemp(prefix="promote-simulation-")).resolve()
    digests = {}
    for name in [f"{function}-{code}.zip" for function in FUNCTIONS for code in (*range(10), "external")]:
        digests[name] = plant(folder, name)
    (folder / "event.json").write_text("{}")
    return Workspace(folder, digests)


class Temporary(type(Path())):  # type: ignore[misc] # Path is a factory before Python 3.12
    """A folder without content, whose subfolders need not exist."""

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - as in pathlib
        """Do nothing."""


class Log(ActionsLog):
    """The runner's side of a step. What it saves for the post step is lost with the process, and its log is traced."""

    def __init__(self, process: Process, job: "Actor") -> None:
        super().__init__({}, StringIO())
        self._process, self._job = process, job

    def info(self, text: str) -> None:
        """Trace a line."""
        self._job.say(text)

    def warn(self, text: str, *, title: str) -> None:
        """Trace a warning."""
        self._job.say(f"warning: {title}: {text}")

    def state(self, name: str, value: str) -> None:
        """Keep a value for the job's further steps."""
        self._process.require_life()
        self._job.state[f"STATE_{name}"] = value


class Actor:
    """One job: its machine, its steps, and their results."""

    def __init__(self, schedule: "Schedule", place: int, planned: plans.Job, attempt: int = 1) -> None:
        self.schedule, self.place, self.planned, self.attempt = schedule, place, planned, attempt
        self.lease = float(planned.lease)
        self.name = f"job{place}" + (f".{attempt}" if attempt > 1 else "")
        self.run_id = planned.run_id or 1000 + 10 * planned.commit + max(place, 0)
        self.state: dict[str, str] = {}
        """The saved state of its steps."""
        self.reports: list[Report] = []
        self.outputs: dict[str, str] = {}
        self.is_over = False
        self.has_died = False
        """Whether its machine was lost, so that there was no post step."""
        self.operations: set[str] = set()
        """Operations of its steps."""
        self.operation = ""
        """Operation of its current step."""
        self.began_at = 0.0
        """When its current step began."""
        self.was_interrupted = False
        self.is_excused = False
        """Whether a lock is held that no step could have released."""
        self.hits: list[float] = []
        """When a fault hit one of its calls, before it announced its result."""
        self.job: Job | None = None
        """The job of its current step's command."""
        self._steps = self._plan_steps()

    def say(self, text: str) -> None:
        self.schedule.say(self.name, text)

    def begin(self) -> None:
        """Start with the first step."""
        self._next()

    @property
    def builds(self) -> bool:
        """Whether it deploys the code of its own commit."""
        return self.planned.kind in (Kind.RUN, Kind.ALONE, Kind.STEPS, Kind.STEPS_ALONE, Kind.TWINS, Kind.TWIN)

    def digest(self, function: str) -> str:
        """CodeSha256 of its commit's code."""
        return self.schedule.digest_of(function, self.planned.commit)

    @property
    def rolls_back(self) -> bool:
        """Whether it rolls back an environment."""
        return self.planned.kind in plans.BACK

    @property
    def environment(self) -> str:
        """The environment that it promotes to."""
        kinds = (Kind.ONWARD, Kind.ONWARD_EXISTING, Kind.ROLLBACK_ONWARD, Kind.TWIN)
        return ONWARD if self.planned.kind in kinds else ENVIRONMENT

    @property
    def _names(self) -> str:
        """The functions in the order of the input."""
        return "\n".join(self.planned.functions)

    @property
    def is_announcing(self) -> bool:
        """Whether its command is writing notes or deployments after a promotion."""
        return self.job is not None and self.job.progress.current == "announce"

    def owns(self, owner: str) -> bool:
        """Whether ``owner`` is one of its steps."""
        return owner.rpartition("/")[2] in self.operations

    def hits_since(self, when: float) -> int:
        """Return the number of faults since then."""
        return sum(hit >= when for hit in self.hits)

    # Its steps

    def _plan_steps(self) -> Iterator[Callable[[], None]]:
        kind = self.planned.kind
        if kind in (Kind.RUN, Kind.ALONE):
            yield lambda: self._main("run", **self._building, **self._verifying, **self._isolated(kind is Kind.ALONE))
        if kind in (Kind.STEPS, Kind.STEPS_ALONE, Kind.TWINS):
            isolated = self._isolated(kind is not Kind.STEPS)
            yield lambda: self._main("deploy", **self._building, **isolated, lease=str(self.planned.longest_lease))
            yield self._test
            if kind is Kind.TWINS:
                self.schedule.add_twin(self)
            yield lambda: self._main("promote", candidate=self.outputs.get("candidate", ""))
        if kind is Kind.TWIN:
            yield lambda: self._main("promote", environment=ONWARD, candidate=self.outputs["candidate"])
        if kind is Kind.ADOPT:
            yield lambda: self._main("lock", lease=str(self.planned.longest_lease))
            yield self._use_another_tool
            yield lambda: self._main("run", **self._verifying)
        if kind in plans.BACK:
            yield lambda: self._main("rollback", environment=self.environment)
        if kind is Kind.ONWARD:
            yield lambda: self._main("promote", environment=ONWARD, **{"from": ENVIRONMENT}, **self._verifying)
        if kind is Kind.ONWARD_EXISTING:
            yield lambda: self._main("promote", environment=ONWARD, **{"from": ENVIRONMENT})
        if kind is Kind.UNLOCK:
            yield lambda: self._main("unlock", reason="it seemed to hang")

    @property
    def _building(self) -> dict[str, str]:
        archives = {
            function: f"{function}-{self.schedule.code_of(function, self.planned.commit)}.zip"
            for function in self.planned.functions
        }
        several = {"function-name": "\n".join(f"{function} = {archive}" for function, archive in archives.items())}
        inputs = {
            **(several if len(archives) > 1 else {"artifact": archives[self.planned.functions[0]]}),
            "runtime": "python3.13",
            "handler": "app.handler",
            "role": f"arn:aws:iam::{ACCOUNT}:role/hello",
        }
        if self.planned.configures:
            inputs |= {
                "memory-size": str(128 + 64 * self.planned.commit),
                "environment-variables": f'{{"COMMIT": "{self.planned.commit}"}}',
            }
        return inputs

    @property
    def _verifying(self) -> dict[str, str]:
        name, check = "checks", "GET /health 200 status == 'ok'"
        if self.planned.invokes:
            name, check = "invoke", "event.json status == 'ok'"
        if len(self.planned.functions) > 1:
            return {name: "\n".join(f"{function}: {check}" for function in self.planned.functions)}
        return {name: check}

    @property
    def _person(self) -> dict[str, str]:
        """The inputs that a person has set."""
        asked = {"diverged": self.planned.diverged} if self.planned.diverged else {}
        if self.planned.override:
            asked |= {"override": "true", "reason": "it was asked for"}
        return asked

    def knows(self, commit: int, other: int) -> bool:
        """Return whether it can find out how two commits are related."""
        is_known = self._has_token and not {commit, other} & set(self.schedule.plan.gone)
        return is_known or commit == other

    @property
    def _has_token(self) -> bool:
        """Whether it has a token for GitHub. The last runs, which have no faults, always have one."""
        return self.place < 0 or (self.schedule.plan.knows_history and self.planned.knows)

    def _isolated(self, is_alone: bool) -> dict[str, str]:  # noqa: FBT001 - the only fact of the input
        return {"isolation": "version" if is_alone else "latest"}

    def _use_another_tool(self) -> None:
        """Deploy the commit's code as a tool without locks does."""
        name, scheduler = self.planned.functions[0], self.schedule.scheduler
        commit = self.schedule.code_of(name, self.planned.commit)
        archive = (workspace().folder / f"{name}-{commit}.zip").read_bytes()
        try:
            self.schedule.world.functions[name].update_function_code(FunctionName=name, ZipFile=archive)
        except Refusal as refusal:
            if refusal.code == "ResourceConflictException":
                scheduler.at(scheduler.now + 0.5, self._use_another_tool)
                return
        self.say("another tool has deployed")
        scheduler.at(scheduler.now + 0.2, self._next)

    def _test(self, left: int = 100) -> None:
        """Test the candidate as one of the job's own steps, and continue if its response is as it should be."""
        if self.outputs["result"] != Result.DEPLOYED:
            self._post()
            return
        url = self.outputs["candidate-url"] or self.outputs["latest-url"]
        answer = self.schedule.world.carry_out(Call("execute-api", "Invoke", {"api": api_of(url)}))
        if answer is None and left > 0:
            self.schedule.later(_TEST_PAUSE, lambda: self._test(left - 1))
            return
        is_good = (
            answer is not None and answer.content is not None and self.schedule.world.codes[answer.content.code_sha256]
        )
        self.say(f"the job's own test says {is_good}")
        self.schedule.later(0.2, self._next if is_good else self._post)

    def _next(self) -> None:
        step = next(self._steps, None)
        if step is None:
            self._post()
        else:
            step()

    def _main(self, command: str, **inputs: str) -> None:
        common = {
            "function-name": self._names,
            "environment": ENVIRONMENT,
            "lease": str(self.planned.lease),
            "lock-timeout": _LOCK_TIMEOUT,
            "queue": "fifo" if self.planned.fifo else "newest",
            **self._person,
        }
        if "candidate" in inputs:
            common.pop("override", None)  # it has passed tests
        counting = {name: value for name, value in common.items() if Command(command) in INPUTS[name].commands}
        given = {"command": command, "job-status": "success", **counting, **inputs}
        environ = {**{f"INPUT_{name.upper()}": value for name, value in given.items()}, **self._context}
        process = self.schedule.process(self)
        done: list[Report] = []
        operation = f"{self.schedule.chance.getrandbits(48):012x}"
        self.operations.add(operation)
        self.operation, self.began_at = operation, self.schedule.scheduler.now

        def work() -> None:
            with using(process):
                job = self.job = None
                try:
                    job = self.job = self._job(process, environ, operation)
                    done.append(carry_out(job))
                    process.is_deaf = True
                except KeyboardInterrupt:
                    self.was_interrupted = True
                    done.append(failed(INTERRUPTED, job))
                except Exception as error:  # noqa: BLE001 - as the action does
                    process.is_deaf = True
                    done.append(failed(to_promote_error(error), job))
                    self.schedule.watch.failed(self, error)

        self.say(f"{command} begins")
        self.schedule.start(process, work, lambda: self._main_ended(command, done))

    def _main_ended(self, command: str, done: list[Report]) -> None:
        schedule = self.schedule
        if not done:
            self.say(f"{command} was killed")
            has_died = schedule.chance.random() < 0.5
            self.has_died = has_died if self.planned.is_lost is None else self.planned.is_lost
        else:
            report = done[0]
            self.say(f"{command} ends: {report.result}: {report.headline}")
            self.reports.append(report)
            self.outputs.update(report.outputs())
            schedule.watch.ended(self, command, report)
        schedule.later(0.1, self._next if done and done[0].result.is_success else self._post)

    def _post(self) -> None:
        self._steps = iter(())
        self.is_excused = self.is_excused or bool(self.schedule.network.under_way[self.name])
        began = self.schedule.scheduler.now
        if self.has_died:
            self._end()
            return
        process = self.schedule.process(self)
        process.is_deaf = True
        done: list[bool] = []

        def work() -> None:
            with using(process):
                self._give_back(process)
            done.append(True)

        def ended() -> None:
            self.is_excused = self.is_excused or bool(self.hits_since(began))
            self._end(in_order=bool(done))

        self.schedule.start(process, work, ended)

    def _give_back(self, process: Process) -> None:
        """Do the same as ``promote.commands.post.post``, with this world's clients."""
        log = Log(process, self)
        context = Context.from_environ(self._context)
        steps = JobState(self.state, context, log, draw=str)
        resources = Resources(self.schedule.reach(process, self), TABLE, process)
        for begun, release in list(steps.begun):
            with suppress(Exception):
                if resources.releases(lambda _, text: self.say(text)).cancel(ReleaseKey(begun.arn, release)):
                    self.say("the post step has finished the release")
                steps.end(begun, release)
        for held in list(steps.locks):
            with suppress(Exception):
                claim = Claim(owner="post", lease=1, job=steps.job)
                resources.lock(held.arn, claim, lambda _, text: self.say(text)).clear()
                steps.forget(held)
        for location in list(steps.previews):
            with suppress(Exception):
                ledger, function = resources.ledger(location.arn), resources.function(location.arn)
                previews = Previews.of(resources, function, ledger)
                previews.clear([found for found in ledger.read().previews if found.job == steps.job])
                steps.remove_preview(location)

    def _end(self, *, in_order: bool = False) -> None:
        self.is_over = True
        self.say("is over" + ("" if in_order else ", without its post step"))
        self.schedule.watch.over(self, in_order=in_order)

    # For the commands

    @property
    def _context(self) -> dict[str, str]:
        return {
            "GITHUB_WORKSPACE": str(workspace().folder),
            "GITHUB_SHA": f"{self.planned.commit:040x}",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_RUN_ID": str(self.run_id),
            "GITHUB_RUN_ATTEMPT": str(self.attempt),
            "INPUT_GITHUB-TOKEN": "token" if self._has_token else "",
        }

    def _job(self, process: Process, environ: Mapping[str, str], operation: str) -> Job:
        context = Context.from_environ(environ)
        log = Log(process, self)
        chance = self.schedule.chance
        session = Session(self.schedule.network, process, self)
        return Job(
            inputs=step.read(environ, workspace().folder),
            context=context,
            run=Run(context.commit, context.run_id, context.attempt, context.run_url, operation),
            workflow=log,
            clock=process,
            clients=self.schedule.reach(process, self),
            session=lambda: session,  # type: ignore[arg-type, return-value] # only the methods that are used
            chance=chance.random,
            environ=environ,
            state=JobState(self.state, context, log, draw=lambda: f"{chance.getrandbits(64):016x}"),
            temporary=Temporary(workspace().folder),
            progress=Progress(process),
        )


class Schedule:
    """A plan that is played."""

    def __init__(self, plan: Plan, saved: Any = None, *, traced: bool = False) -> None:
        self.plan = plan
        self.scheduler = Scheduler()
        self.chance = Random(plan.seed)
        self.trace: list[str] | None = [] if traced else None
        digests = workspace().digests
        bad = {digests[f"{FUNCTION}-{commit}.zip"] for commit in plan.bad}
        bad |= {digests[f"worker-{commit}.zip"] for commit in plan.broken}
        codes = {digest: digest not in bad for digest in digests.values()}
        self.commits = Commits(dict(plan.history))
        github = GitHub(self.commits, frozenset(plan.gone), is_generous=plan.is_granted)
        pages = Pages(plan.page, Random(f"pages {plan.seed}"))
        self.world = World(self.scheduler, self.chance, codes, saved, github=github, pages=pages)
        self.faults = Faults(plan.faults)
        self.network = Network(self.scheduler, self.chance if plan.seed else None, self.faults, self)
        self.actors: list[Actor] = []
        self.watch = Watch(self)
        self.externals = Externals(
            self.chance,
            (ENVIRONMENT, ONWARD),
            _other_code,
            self.watch.releases.needed,
            lambda: self.world.tables.tables.get(TABLE, {}),
        )
        for function in self.world.functions.all.values():
            function.heard = self.watch.aws_acted
            function.provisioned = frozenset({ENVIRONMENT, ONWARD} if plan.is_provisioned else ())

    def code_of(self, function: str, commit: int) -> int:
        """Return the commit whose code ``commit`` has for the function: itself or another one."""
        if function == FUNCTION:
            return dict(self.plan.same).get(commit, commit)
        return commit - commit % 2 if function == "api" else commit

    def digest_of(self, function: str, commit: int) -> str:
        """Return the CodeSha256 of the function's code in ``commit``."""
        return workspace().digest(function, self.code_of(function, commit))

    def is_good(self, commit: int, functions: tuple[str, ...]) -> bool:
        """Whether the code of ``commit`` passes its checks in all of these functions."""
        return all(self.world.codes[self.digest_of(function, commit)] for function in functions)

    def play(self, *, closes: bool = True) -> None:
        """Play all jobs to their end and, if it ``closes``, one more run without faults.

        Raises:
            Broken: A guarantee does not hold.

        """
        try:
            self._play()
            if closes:
                self._close()
        finally:
            order.cache_clear()  # it would keep each schedule alive

    def _play(self) -> None:
        for place, job in enumerate(self.plan.jobs):
            actor = Actor(self, place, job)
            self.actors.append(actor)
            self.scheduler.at(job.start, actor.begin)
        self.scheduler.run(_HORIZON)
        self.watch.all_over()

    def _close(self) -> None:
        self.faults.are_over = True
        newest = max((job.commit for job in self.plan.jobs if self.is_deployed(job)), default=0)
        has_failed = ("lambda.UpdateFunctionCode", Hit.UPDATE_FAILS) in self.faults.hit
        # A person, or a run with an override, ends an external split.
        has_override = self.chance.random() < 0.5
        has_followed = any(hit is Hit.EXTERNAL_LATEST for _, hit in self.faults.hit)
        for function in self.world.functions.all.values():
            function.is_short = False
            has_followed |= self.externals.tidy(function, ends_splits=not has_override)
        self.watch.changed_externally()
        self.watch.look_again()
        served = {commit for commit in self.watch.commits.values() if commit != UNKNOWN}
        is_newest = served <= self.commits.until(newest) and self.watch.is_newer_than_rolled_back(newest)
        if not is_newest or has_failed or has_followed or not self.is_good(newest, self.plan.functions):
            # A run may not promote the newest commit if a job adopted another commit's code and promoted it as its own,
            # if the histories have diverged, if the commit was rolled back, if Lambda has a version of that content
            # that never becomes active (publishing the same content returns it), or if an alias followed $LATEST and
            # was moved to a version of a newer commit.
            newest = 6
        known = {newest, *self.watch.commits.values(), *self.watch.recorded_commits, *self.watch.rolled_back_commits}
        is_unknown = bool(known & {*self.plan.gone, UNKNOWN})
        for number, (kind, functions) in enumerate(self._closings(), 1):
            # A person decides about commits that GitHub does not have any more.
            diverged = "promote" if is_unknown else ""
            job = plans.Job(kind, newest, run_id=9999, functions=functions, diverged=diverged, override=has_override)
            closing = Actor(self, -number, job)
            self.actors.append(closing)
            self.scheduler.at(self.scheduler.now + 1, closing.begin)
            self.scheduler.run(self.scheduler.now + _HORIZON)
            self.watch.closed(closing, max(job.longest_lease for job in self.plan.jobs))

    def _closings(self) -> list[tuple[Kind, tuple[str, ...]]]:
        """Return the further runs: one of everything that was released, to each environment that it was released to."""
        jobs = self.plan.jobs
        if not self.plan.has_applications:
            return [(Kind.RUN, jobs[0].functions)]
        several = [job.functions for job in jobs if len(job.functions) > 1]
        released = {function for functions in several for function in functions}
        alone = [job.functions for job in jobs if not released & set(job.functions)]
        onward = [job.functions for job in jobs if job.kind in (Kind.ONWARD, Kind.ONWARD_EXISTING)]
        # The order of the names does not matter; it is the same application.
        runs = {frozenset(functions): functions for functions in several + alone}
        return [
            *((Kind.RUN, functions) for functions in runs.values()),
            *((Kind.ONWARD, functions) for functions in dict.fromkeys(onward)),
        ]

    def is_deployed(self, job: plans.Job) -> bool:
        """Whether the job deploys its commit, and the commit is good."""
        return job.kind not in plans.BUILDING_NOTHING and self.is_good(job.commit, job.functions)

    # Called by actors

    def add_twin(self, first: Actor) -> None:
        """Let the same job promote its candidate to the next environment as well, at the same time."""
        twin = Actor(self, first.place, replace(first.planned, kind=Kind.TWIN), first.attempt)
        twin.name, twin.state, twin.outputs = f"{first.name}'", dict(first.state), dict(first.outputs)
        self.actors.append(twin)
        twin.begin()

    def process(self, actor: Actor) -> Process:
        """Return a process on the actor's machine."""
        job = actor.planned
        zero = 1000.0 * (actor.place + 2)  # monotonic times of two machines have nothing in common
        return Process(self.scheduler, actor.name, zero=zero, rate=job.rate, skew=job.skew)

    def start(self, process: Process, work: Callable[[], None], ended: Callable[[], None]) -> None:
        """Run a process. ``ended`` is called at its end, also after a kill."""

        def act() -> None:
            try:
                work()
            finally:
                if not process.is_dead:
                    process.end()

        process.gone = ended
        process.start(act)

    def reach(self, process: Process, actor: Actor) -> Reach:
        """Return the clients of a process."""
        return Reach(self.network, process, actor, has_lock=self.plan.has_lock)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Schedule an action."""
        self.scheduler.at(self.scheduler.now + seconds, act)

    def say(self, who: str, text: str) -> None:
        """Write a line into the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.scheduler.now:9.3f} {who:<8} {text}")

    # Called by the network

    def issued(self, caller: Caller, call: Call) -> None:
        """See a call before it is sent."""
        assert isinstance(caller, Actor)
        try:
            self.watch.issued(caller, call)
        except Broken as broken:
            self.fail(broken)

    def subject(self, operation: str, arguments: Mapping[str, Any]) -> str:
        """Return the subject of a change of an alias or of a transaction: the stage of a release."""
        if operation == "UpdateAlias":
            place = name_of(arguments["FunctionName"]), arguments["Name"]
            return "back" if self.watch.releases.is_on_its_way_back(place, arguments["Description"]) else ""
        part = arguments["TransactItems"][0]
        ((_, what),) = part.items()
        if "Item" in what:
            return "begin" if what["Item"]["sk"]["S"].startswith("release#") else ""
        is_of_release = what["Key"]["sk"]["S"].startswith("release#")
        return str(what["ExpressionAttributeValues"][":stage"]["S"]) if is_of_release else ""

    def not_found(self, call: Call) -> Refusal | None:
        """Return the error of a service that does not find a new resource yet, or None if the resource is not new."""
        return self.world.not_found(call)

    def fail(self, error: Exception) -> None:
        """End with an error that the code under test must not catch."""
        self.later(0, partial(_raise, error))

    def hit(self, caller: Caller, call: Call, hit: Hit) -> None:
        """Record a fault."""
        assert isinstance(caller, Actor)
        self.say(caller.name, f"!! {call.name}: {hit}")
        self.watch.hit(caller, call, hit)
        if not caller.is_announcing:
            caller.hits.append(self.scheduler.now)
        if hit in (Hit.LATE_EFFECT, Hit.DUPLICATED):
            caller.is_excused = True

    def carry_out(self, caller: Caller, call: Call) -> Any:
        """Apply a call and check its effect."""
        assert isinstance(caller, Actor)
        try:
            answer = self.world.carry_out(call)
        except Refusal as refusal:
            self.say(caller.name, f"{call.name} -> {refusal.code}")
            raise
        finally:
            if call.service == "lambda":
                self.world.functions[call.arguments["FunctionName"]].update_fails = False
        if self.trace is not None:
            self.say(caller.name, f"{call.name} {self._shown(call)}")
        self.watch.took_effect(caller, call)
        return answer

    @staticmethod
    def _shown(call: Call) -> str:
        names = ("Name", "FunctionVersion", "Qualifier", "RevisionId", "ApiId", "UpdateExpression")
        shown = {name: call.arguments[name] for name in names if name in call.arguments}
        return " ".join(f"{name}={value}" for name, value in shown.items())

    def make_trouble(self, hit: Hit, caller: Caller, call: Call) -> None:
        """Make an external change, remove the lock by force, or run the job again."""
        assert isinstance(caller, Actor)
        self.say("external", f"{hit}")
        if hit is Hit.RERUN:
            is_twin = caller.planned.kind is Kind.TWIN  # the whole job runs again
            planned = replace(caller.planned, kind=Kind.TWINS) if is_twin else caller.planned
            again = Actor(self, caller.place, planned, caller.attempt + 1)
            self.actors.append(again)
            self.later(2 * self.chance.random(), again.begin)
        elif hit is Hit.UPDATE_FAILS:
            self.world.functions[call.arguments["FunctionName"]].update_fails = True
        elif hit is Hit.UNLOCK:
            opener = Actor(
                self, 90 + len(self.actors), plans.Job(Kind.UNLOCK, 0, functions=(self._subject_of(caller, call),))
            )
            self.actors.append(opener)
            opener.begin()
        else:
            with suppress(Refusal):
                self.externals.act(hit, self.world.functions[self._subject_of(caller, call)])
            self.watch.changed_externally()

    def _subject_of(self, caller: "Actor", call: Call) -> str:
        """Return the function of a call. If it has none, return one of its job's functions."""
        if call.service == "lambda":
            return name_of(call.arguments["FunctionName"])
        keys = written(call) if call.service == "dynamodb" else []
        names = [name_of(pk) for pk, _ in keys] or list(caller.planned.functions)
        return names[0] if len(set(names)) == 1 else self.chance.choice(names)


def _other_code(function: str) -> bytes:
    return (workspace().folder / f"{function}-external.zip").read_bytes()


def _raise(error: Exception) -> None:
    raise error


def api_of(url: str) -> str:
    """Return the id of the API with this URL."""
    return url.removeprefix("https://").partition(".")[0]


@cache
def beginning(functions: tuple[str, ...] = (FUNCTION,)) -> Any:
    """Return the world in which commit 0 was deployed, verified and promoted, created once per process."""
    first = Schedule(Plan((plans.Job(Kind.RUN, 0, functions=functions),), seed=0, exists=False))
    first.play()
    return first.world.save()


def play(plan: Plan, *, traced: bool = False) -> Schedule:
    """Play a plan to its end. An error has the schedule as ``schedule``."""
    functions = FUNCTIONS if plan.functions != (FUNCTION,) else (FUNCTION,)
    schedule = Schedule(plan, beginning(functions) if plan.exists else None, traced=traced)
    try:
        schedule.play()
    except Exception as error:
        error.schedule = schedule  # type: ignore[attr-defined]
        raise
    return schedule
