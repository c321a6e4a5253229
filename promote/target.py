"""What a run works on: read, and refused where it cannot work, before anything is changed; then held under the lock."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from promote import configuration
from promote.artifact import Code, Image, load, require_handler, stage
from promote.aws import understood
from promote.capacity import require_free
from promote.endpoint import Endpoints
from promote.errors import AccessError, ConflictError, FunctionError, InputError
from promote.function import Function
from promote.gateway import Gateways
from promote.holding import Holding, hold, make_lock
from promote.inputs import Command, Configuration, Isolation
from promote.inputs import Endpoints as EndpointsInput
from promote.job import Job
from promote.latest import require_known, require_published
from promote.ledger import Ledger, Pending
from promote.line import Entry
from promote.lock import Lease, Lock
from promote.model import LATEST_ENDPOINT, Alias, ReleaseKey, Served, Snapshot, same_content
from promote.parallel import side_by_side
from promote.records import State
from promote.redaction import Redactor
from promote.saga import Saga
from promote.trial import Trials
from promote.verify import Verification
from promote.verify.command import Surroundings, environment
from promote.verify.console import Console
from promote.verify.invoke import read_events
from promote.verify.suite import read_suite

if TYPE_CHECKING:
    from promote.notes.render import Template


@dataclass(frozen=True)
class Target:
    """The function, everything around it, and what was read of them."""

    job: Job
    function: Function
    lock: Lock
    ledger: Ledger
    endpoints: Endpoints
    trials: Trials
    verification: Verification
    plan: str
    """Digest of the verification: what has passed another one is verified again."""
    code: Code | None
    """None: $LATEST is adopted as it is."""
    latest: Snapshot | None
    """None: the function is to be created."""
    state: State
    alias: Alias | None = None
    """The environment's, as it was last read; None: there is none."""
    is_lost: bool = False
    """Whether the alias that the ledger has records of does not exist any more, so that they say nothing of it."""
    creation: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The configuration of CreateFunction, where that is to be called."""
    template: "Template | None" = None
    """Of the release notes, where it is the repository's own."""

    @property
    def environment(self) -> str:
        """The alias to promote to."""
        return self.job.inputs.environment

    @property
    def served(self) -> Served:
        """What the ledger said of the environment."""
        found = self.state.served(self.environment)
        return found.forgotten if self.is_lost else found

    @property
    def is_from_storage(self) -> bool:
        """Whether the code comes from S3, or was stored there because it is large."""
        return self.code is not None and not isinstance(self.code, Image) and not self.code.is_local

    @property
    def missing_endpoints(self) -> list[str]:
        """The endpoints that are to be made: ``latest``, the environment, both or none."""
        names = (LATEST_ENDPOINT, self.environment)
        return [name for name in names if self.endpoints.is_missing(name, self.state.gateway(name))]

    @property
    def changes(self) -> tuple[str, ...]:
        """What the inputs change of the function as it was read, in words for people."""
        code = [f"code: {self.code.describe()}"] if self.code else []
        if self.latest is None:
            return (f"create the function {self.function.name}", *code, *configuration.describe(self.creation, {}))
        if self.code and self.code.is_in(self.latest.code_sha256):
            code = []
        current = self.latest.configuration
        changed = configuration.changes(self.job.inputs.configuration, current)
        return (*configuration.describe(changed, current), *code)

    def after(self, then: "Target", token: int) -> "Target":
        """Give the target as it is when the lock, held under ``token``, is given back; ``then`` was it until then."""
        state = replace(then.state, lock=Entry(token=token))
        return replace(then, state=state, function=self.function)

    def of_commit(self, commit: str) -> "Target":
        """Give the target of a run that works for ``commit``, which its records name then; empty: it is not known."""
        job = replace(self.job, run=replace(self.job.run, commit=commit))
        return replace(self, job=job, ledger=self.ledger.of_run(job.run))

    def seeing(self, alias: Alias | None) -> "Target":
        """Give the target with the environment's alias as it was just read.

        If the alias, or the function, was deleted, the ledger tells of another alias of that name, and nothing is
        older than what that one served. An alias that other tools have created since does not name a promotion. Then
        the versions that the ledger knows tell whether the function is still the same.
        """
        known = self.state.served(self.environment)
        is_lost = alias is None
        if alias is not None and alias.promotion is None and known.version:
            version = self.function.find(known.version)
            is_lost = version is not None and not same_content(version, known)
            if version is None:
                record, served = self.ledger.version(alias.version), self.function.find(alias.version)
                is_lost = bool(record) and not (served and served.candidate.is_in(record))
        return replace(self, alias=alias, is_lost=is_lost)

    def with_served(self, served: Served) -> "Target":
        """Give the target with another record of the environment."""
        environments = {**self.state.environments, self.environment: served}
        return replace(self, state=replace(self.state, environments=environments))


def prepare(job: Job) -> Target:
    """Read everything, and refuse what cannot work.

    Raises:
        PromoteError: of the kind that says which input, permission or thing is wrong.

    """
    inputs, clients, clock = job.inputs, job.clients, job.clock
    region = clients.resolve_region()
    clients.require_runtime(inputs.configuration.runtime)
    events = read_events(inputs.invocations, job.context.workspace)
    template = read_template(job)
    function = Function(
        lambda: clients.function, inputs.function_name, inputs.function_arn, clock, lambda: clients.invoker
    )
    _ = clients.function  # before any other, for its call is the first
    code, ((latest, aliases), _) = side_by_side(
        lambda: load(
            inputs.artifact,
            job.context.workspace,
            job.temporary,
            lambda: clients.storage,
            has_bucket=bool(inputs.artifact_bucket),
        ),
        lambda: side_by_side(lambda: _seen(job, function), job.table.connect),
    )
    arn, creation = _identity(job, region, code, latest)
    if latest and not job.part:  # several functions share the input, and not each needs to have each alias
        require_known(inputs.function_name, aliases, inputs.latest_aliases)
    _require_published(job, aliases)
    _require_free(job, aliases)
    _require_fit(code, latest.configuration if latest else creation, inputs.configuration)
    # An emergency does not wait for the records that it does not need, such as the lock's.
    only = inputs.environment if inputs.command is Command.ROLLBACK else ""
    ledger = Ledger(job.table, arn, job.run, clock, only)
    gateways = Gateways(
        lambda: clients.gateway,
        lambda: clients.maker,
        function,
        arn,
        clock,
        domain_name=inputs.domain_name,
        base_path=inputs.base_path,
    )
    invoked = Function(lambda: clients.invoker, inputs.function_name, inputs.function_arn, clock)
    target = Target(
        job=job,
        function=function,
        lock=make_lock(job, arn, may_give_way=True),
        ledger=ledger,
        endpoints=Endpoints(
            gateways,
            ledger,
            is_kept=inputs.endpoints is EndpointsInput.HTTP,
            owned={LATEST_ENDPOINT: inputs.latest_url, inputs.environment: inputs.environment_url},
            emulator=clients.endpoint_url,
            session=job.session,
            clock=clock,
            say=job.say,
        ),
        trials=Trials.of(clients, function, ledger, clock),
        verification=Verification(
            inputs.checks,
            events,
            read_suite(inputs.tests, inputs.tests_requirements, job.context.workspace),
            inputs.test_command,
            _surroundings(job),
            inputs.verify_timeout,
            job.session,
            invoked,
            clock,
            redact=Redactor(_variables(latest, inputs.configuration)),
        ),
        plan=inputs.plan(events, _tested_by(job)),
        code=code,
        latest=latest,
        state=ledger.read(),
        creation=creation,
        template=template,
    ).seeing(_named(aliases, inputs.environment))
    _require_latest_counts(target)
    _require_other_urls(target)
    if target.missing_endpoints:
        gateways.require_domain(target.missing_endpoints)
    if code is None or (latest and code.is_in(latest.code_sha256)):
        return target
    if not inputs.dry_run:
        # Before the lock: it takes a while, and what is wrong with the bucket shows before anything is changed.
        code = staged(job, code)
    if latest and not code.is_local:
        function.rehearse(code)
    target = replace(target, code=code)
    return looked_again(target) if target.is_from_storage else target


def looked_again(target: Target) -> Target:
    """List the aliases again, since reading or storing the code in S3 may have taken minutes.

    Raises:
        RefusedError: an alias follows $LATEST by now, or has a split that others have set.

    """
    aliases = target.function.aliases() or []
    _require_published(target.job, aliases)
    _require_free(target.job, aliases)
    return target.seeing(_named(aliases, target.environment))


def _seen(job: Job, function: Function) -> tuple[Snapshot | None, list[Alias]]:
    """Read $LATEST and all aliases at the same time.

    Raises:
        ConflictError: the function was deleted in between.

    """
    latest, aliases = side_by_side(function.find, function.aliases)
    if latest is not None and aliases is None:
        # Either it was created between the two calls, or Lambda answered one of them from before that.
        aliases = function.aliases()
    if latest is not None and aliases is None:
        raise ConflictError(
            f"the function {job.inputs.function_name} was deleted while this run read it",
            hint="Find out what deleted it. Then run the job again.",
        )
    return latest, aliases or []


def _named(aliases: Iterable[Alias], name: str) -> Alias | None:
    return next((alias for alias in aliases if alias.name == name), None)


def _require_published(job: Job, aliases: Iterable[Alias]) -> None:
    """Refuse to deploy while an alias of another environment follows $LATEST; ours is pinned first."""
    inputs = job.inputs
    if inputs.command in (Command.RUN, Command.DEPLOY):
        require_published(inputs.function_name, aliases, {inputs.environment, *inputs.latest_aliases})


def _require_free(job: Job, aliases: Iterable[Alias]) -> None:
    """Refuse to begin what would end a traffic split that others have set; ``deploy`` moves no alias."""
    inputs = job.inputs
    if inputs.command in (Command.RUN, Command.PROMOTE, Command.ROLLBACK):
        alias, is_back = _named(aliases, inputs.environment), inputs.command is Command.ROLLBACK
        require_free(inputs.function_name, alias, inputs, is_back=is_back)


def staged(job: Job, code: Code) -> Code:
    """Give the code as Lambda takes it: an archive that is too large for a request is put into the user's bucket."""
    if isinstance(code, Image) or not code.is_oversized:
        return code
    archive, is_new = stage(code, job.inputs.artifact_bucket, job.clients.storage, job.clock)
    job.say("deploy", f"s3://{archive.bucket}/{archive.key} {'was uploaded' if is_new else 'is there already'}")
    return archive


def read_template(job: Job) -> "Template | None":
    """Read the repository's own template of the release notes, if the inputs name one.

    Raises:
        InputError: it is missing, or none.

    """
    path = job.inputs.release_notes_template
    if not path:
        return None
    from promote.notes.render import load_template  # noqa: PLC0415 - seldom needed

    return load_template(path, job.context.workspace)


@contextmanager
def holding(
    target: Target,
    lock: Lock | None = None,
    ends: str = "",
    timeout: float | None = None,
    lease: Lease | None = None,
) -> Iterator[tuple[Target, Holding]]:
    """Hold the lock for the block, and give the target as it is by then; errors as of ``promote.holding.take``.

    ``lock`` is the same lock by another claim, of a run that has nothing to deploy (any more); ``ends``, ``timeout``
    and ``lease`` are as for ``hold``.
    """
    job = target.job
    with hold(job, lock or target.lock, ends, timeout, lease) as held:
        is_as_read = target.state.lock.holder is None and held.lease.token == target.state.lock.token + 1
        if not (is_as_read or held.lease.kept):
            # Somebody held the lock when we read, or has held it since.
            target = _read_again(target, is_deployed=lock is not None)
        target = replace(target, function=target.function.guarded(held.heartbeat.require))
        yield finish_earlier(target), held


def _read_again(target: Target, *, is_deployed: bool) -> Target:
    """Give the target as it is now, after others have been at work.

    Raises:
        ConflictError: they have deleted the function, or replaced what was to be adopted.

    """
    (latest, aliases), state = side_by_side(lambda: _seen(target.job, target.function), target.ledger.read)
    name = target.function.name
    if latest is None and not target.creation:
        raise ConflictError(
            f"the function {name} was deleted by somebody else while this run waited for the lock",
            hint="Run the job again; it reads the function anew.",
        )
    target = replace(target, state=state).seeing(_named(aliases, target.environment))
    if is_deployed:
        return replace(target, latest=latest)
    _require_published(target.job, aliases)
    _require_free(target.job, aliases)
    if target.code is None and target.latest and latest and latest.code_sha256 != target.latest.code_sha256:
        raise ConflictError(
            f"the code in $LATEST of {name}, which was to be adopted, was replaced while this run waited for the lock",
            hint="Let the action deploy the code itself (artifact), or deploy it again and run the job again.",
        )
    if latest is not None:
        _require_fit(target.code, latest.configuration, target.job.inputs.configuration)
    return replace(target, latest=latest)


def finish_earlier(target: Target) -> Target:
    """Finish what a run has left that died: the release of several functions, or between a move and its record."""
    if target.served.pending:
        target = finish_release(target)
    if target.served.intent is None:
        return target
    alias = target.function.alias(target.environment)
    try:
        known = target.state.served(target.environment)
        served = target.ledger.finish(target.environment, alias.promotion if alias else None, known)
    except Pending:
        return finish_earlier(finish_release(target))
    target.job.say("recover", f"finished the record of run {target.served.intent.run_id}, from what the alias says")
    return target.with_served(served).seeing(alias)


def finish_release(target: Target) -> Target:
    """Bring the unfinished release that the function is part of to its end, and read ledger and alias again.

    Safe without the lock, and also while others do the same.

    Raises:
        PromoteError: it could not be brought to its end now.

    """
    state = target.ledger.read()
    pending = state.served(target.environment).pending
    if pending is not None:
        finish(target.job, pending)
        state = target.ledger.read()
    return replace(target, state=state).seeing(target.function.alias(target.environment))


def finish(job: Job, pending: ReleaseKey) -> None:
    """Bring an unfinished release to its end; errors as of ``finish_release``."""
    saga = make_saga(job)
    try:
        release = saga.read(pending)
    except Exception as error:
        problem = understood(error)
        if not isinstance(problem, AccessError):
            raise
        # The release is recorded with its first function, which the role of another one need not have access to.
        raise problem.saying(
            f"the unfinished release {pending.identity} cannot be read: {problem}",
            hint="Run a job of all functions of this release, whose role may read and write the records of all of "
            f"them. The first of them is {pending.pk}. {problem.hint}",
        ) from error
    ended = saga.settle(release)
    if not ended.release.stage.is_final and ended.problem:
        raise ended.problem
    run_id, meaning = ended.release.run_id, ended.release.stage.meaning
    job.say("recover", f"finished the release of {ended.release.names} that run {run_id} had begun: {meaning}")


def make_saga(job: Job) -> Saga:
    """Make what carries out releases of several functions, for this job."""
    return Saga.of(job.clients, job.table, job.clock, job.say)


def _tested_by(job: Job) -> str:
    """Say which commits the tests are of: the clone in the workspace, and that of the artifact."""
    commits = dict.fromkeys(filter(None, [job.run.commit, job.context.head]))
    return " ".join(commits) or job.run.operation


def _surroundings(job: Job) -> Surroundings:
    inputs = job.inputs
    facts = {"PROMOTE_FUNCTION": inputs.function_name, "PROMOTE_ENVIRONMENT": inputs.environment}
    return Surroundings(
        workspace=job.context.workspace,
        temporary=job.temporary,
        shared=job.steps.folder or job.temporary,
        environ={**environment(job.environ, inputs.test_environment), **facts},
        console=Console(job.workflow),
        clock=job.clock,
    )


def _identity(job: Job, region: str, code: Code | None, latest: Snapshot | None) -> tuple[str, Mapping[str, Any]]:
    """Give the function's ARN and, where it does not exist, the configuration to create it with."""
    name = job.inputs.function_name
    if latest is not None:
        return latest.arn, {}
    if code is None:
        raise FunctionError(
            f"the function {name} does not exist in {region}, so there is nothing to adopt",
            hint="Correct function-name or aws-region; or give artifact, role, runtime and handler to create it.",
        )
    creation = configuration.creation(job.inputs.configuration, name, code.package_type)
    # A function lives in the account of its role.
    role = re.match(r"arn:(?P<partition>[a-z-]+):iam::(?P<account>\d{12}):", creation["Role"])
    assert role  # noqa: S101 - the input was checked
    arn = f"arn:{role['partition']}:lambda:{region}:{role['account']}:function:{name}"
    return job.inputs.function_arn or arn, {"PackageType": code.package_type, **creation}


def _require_other_urls(target: Target) -> None:
    """Refuse to test at the endpoint of the environment, which shows what is served already."""
    given = target.job.inputs.latest_url.rstrip("/")
    known = target.endpoints.known(target.environment, target.served.gateway)
    if given and known and given == known.url.rstrip("/"):
        raise InputError(
            "latest-url",
            f"it is the endpoint of {target.environment}, so the checks would test what is served already",
            hint="Give the URL of a gateway that invokes $LATEST, or leave latest-url empty.",
        )


def _require_latest_counts(target: Target) -> None:
    """Refuse to verify at $LATEST what does not run there as its versions do.

    Raises:
        InputError: it is such a function, and the inputs verify it at the endpoint of $LATEST.

    """
    inputs, latest = target.job.inputs, target.latest
    if inputs.command not in (Command.RUN, Command.DEPLOY) or inputs.isolation is not Isolation.LATEST or not latest:
        return
    # A function without checks is verified with others, which reach $LATEST.
    is_there = target.verification.needs_endpoint or not inputs.has_verification
    gap = configuration.gap_of_latest(latest.configuration)
    if is_there and gap:
        raise InputError(
            "isolation",
            f"{inputs.function_name} cannot be verified at $LATEST: {gap}",
            hint="Set isolation: version: the candidate is then verified as a published version, at an endpoint of its "
            "own.",
        )


def _variables(latest: Snapshot | None, wanted: Configuration) -> list[str]:
    """Give the values of the function's environment variables, those that it has and those that it gets."""
    environment = (latest.configuration.get("Environment") if latest else None) or {}
    return [*(environment.get("Variables") or {}).values(), *(wanted.environment_variables or {}).values()]


def _require_fit(code: Code | None, current: Mapping[str, Any], wanted: Configuration) -> None:
    """Refuse code and configuration that do not go together."""
    configuration.changes(wanted, current)
    if code is None:
        return
    if code.package_type != current.get("PackageType", "Zip"):
        given, needed = ("a container image", "a .zip") if isinstance(code, Image) else ("a .zip", "a container image")
        raise InputError(
            "artifact",
            f"it is {given}, and the function is made for {needed}",
            hint="Lambda cannot change a function's package type: give the other kind, or another function-name.",
        )
    if isinstance(code, Image) or current.get("Layers"):
        return  # a layer may bring the handler
    handler = wanted.handler or current.get("Handler", "")
    require_handler(code.names, wanted.runtime or current.get("Runtime", ""), handler)
