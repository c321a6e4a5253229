"""Deploy, verify, promote: the protocol's steps, in the order in which they come."""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from promote import configuration
from promote.artifact import Code, Image, load, missing_handler
from promote.endpoint import Endpoints
from promote.errors import ConflictError, FunctionError, InputError, PromoteError
from promote.function import Function
from promote.github import Relation, relation
from promote.inputs import Endpoints as EndpointsInput
from promote.job import Job
from promote.ledger import LATEST_ENDPOINT, Ledger, State
from promote.lock import Lease, Lock
from promote.model import LATEST, Alias, Candidate, Endpoint, Gateway, Outcome, Promotion, Result, Served, Snapshot, Verdict
from promote.table import Table
from promote.verify import Verification
from promote.verify.http import ask
from promote.verify.invoke import read_events

_ATTEMPTS = 5
"""Decisions that are made again when somebody else was first; more often than that, somebody does not stop."""

_First = TypeVar("_First")
_Second = TypeVar("_Second")


@dataclass(frozen=True)
class Target:
    """The function, everything around it, and what was read of them before anything is changed."""

    job: Job
    function: Function
    lock: Lock
    ledger: Ledger
    endpoints: Endpoints
    verification: Verification
    code: Code | None
    """None: $LATEST is adopted as it is."""
    latest: Snapshot | None
    """None: the function is to be created."""
    state: State
    creation: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def environment(self) -> str:
        """The alias to promote to."""
        return self.job.inputs.environment

    @property
    def served(self) -> Served:
        """What the ledger said of the environment."""
        return self.state.served(self.environment)


@dataclass
class Held:
    """The lock, held; ``is_given_back`` once a transaction has released it."""

    lease: Lease
    is_given_back: bool = False


@dataclass(frozen=True)
class Built:
    """A candidate and $LATEST as it was when both had settled."""

    candidate: Candidate
    latest: Snapshot


@dataclass(frozen=True)
class Examined:
    """What is known of the candidate before the promotion, and the alias as it was then."""

    verdict: Verdict | None
    """None: the environment serves the candidate, proven by the same checks."""
    latest: Endpoint | None
    alias: Alias | None


@dataclass(frozen=True)
class Decision:
    """How a promotion ended."""

    result: Result
    previous: str
    promotion: Promotion | None = None
    """The move that was made; None: none was needed."""
    newer: str = ""
    """The commit that this one gives way to."""
    notes: tuple[str, ...] = ()


# --- reading ---------------------------------------------------------------------------------------------------------


def prepare(job: Job) -> Target:
    """Read everything, and refuse what cannot work, before anything is changed."""
    inputs = job.inputs
    region = job.clients.resolve_region()
    function = Function(lambda: job.clients.function, inputs.function_name, inputs.function_arn, job.clock)
    code, latest = _side_by_side(
        lambda: load(inputs.artifact, job.context.workspace, job.temporary, lambda: job.clients.storage),
        function.find,
    )
    if latest is None and code is None:
        raise FunctionError(
            f"the function {inputs.function_name} does not exist in {region}, so there is nothing to adopt",
            hint="Correct function-name or aws-region; or give artifact, role, runtime and handler to create it.",
        )
    creation: Mapping[str, Any] = {}
    if latest is not None:
        arn = latest.arn
        _require_fit(code, latest.configuration, inputs.configuration)
    else:
        assert code is not None  # noqa: S101 - tells the type checker what the lines above have established
        creation = configuration.creation(inputs.configuration, inputs.function_name, code.package_type)
        arn = inputs.function_arn or _arn(creation["Role"], region, inputs.function_name)
        _require_fit(code, {"PackageType": code.package_type, **creation}, inputs.configuration)
    table = Table(lambda: job.clients.table, inputs.table, job.clock)
    ledger = Ledger(table, arn, job.run, job.clock)
    target = Target(
        job=job,
        function=function,
        lock=Lock(table, arn, job.run, job.clock, job.workflow.say),
        ledger=ledger,
        endpoints=Endpoints(
            lambda: job.clients.gateway,
            function,
            arn,
            emulator=job.clients.endpoint_url,
            domain_name=inputs.domain_name,
            base_path=inputs.base_path,
        ),
        verification=Verification(
            inputs.checks,
            read_events(inputs.invocations, job.context.workspace),
            inputs.verify_timeout,
            job.session,
            Function(lambda: job.clients.invoker, inputs.function_name, inputs.function_arn, job.clock),
            job.clock,
        ),
        code=code,
        latest=latest,
        state=ledger.read(),
        creation=creation,
    )
    if missing_endpoints(target):
        target.endpoints.require_domain()
    return target


def describe(target: Target) -> tuple[str, ...]:
    """Say what of the function the inputs change, from what was read at the start."""
    said: list[str] = []
    latest, code, inputs = target.latest, target.code, target.job.inputs
    if latest is None:
        assert code is not None  # noqa: S101 - see prepare
        said += [f"create the function {inputs.function_name}", f"code: {code.describe()}"]
        said += configuration.describe(target.creation, {})
    else:
        said += configuration.describe(configuration.changes(inputs.configuration, latest.configuration), latest.configuration)
        if code is not None and not code.is_in(latest.code_sha256):
            said.append(f"code: {code.describe()}")
    return tuple(said)


def _require_fit(code: Code | None, current: Mapping[str, Any], wanted: Any) -> None:
    """Refuse code that the function, as it will be configured, cannot run."""
    is_image = current.get("PackageType") == "Image"
    configuration.changes(wanted, current)
    if code is None:
        return
    if isinstance(code, Image) != is_image:
        given, needed = ("an image", "a .zip") if isinstance(code, Image) else ("a .zip", "an image")
        raise InputError(
            "artifact",
            f"it is {given}, and the function is made for {needed}",
            hint="Lambda cannot change a function's package type: give the other kind, or another function-name.",
        )
    if isinstance(code, Image) or current.get("Layers"):
        return  # a layer may bring the handler
    handler = wanted.handler or current.get("Handler", "")
    missing = missing_handler(code.names, wanted.runtime or current.get("Runtime", ""), handler)
    if missing:
        raise InputError(
            "artifact",
            f"the handler {handler} needs {missing}, which the archive does not have at its root",
            hint="Give the directory that holds that file, or correct the input handler.",
        )


def _arn(role: str, region: str, name: str) -> str:
    """Say what the ARN of a function to be created will be: a function lives in its role's account."""
    found = re.match(r"arn:(aws[a-z-]*):iam::(\d{12}):", role)
    assert found  # noqa: S101 - the input was checked
    return f"arn:{found[1]}:lambda:{region}:{found[2]}:function:{name}"


def missing_endpoints(target: Target) -> list[str]:
    """Name the endpoints that are to be made."""
    remembered = {LATEST_ENDPOINT: target.state.latest, target.environment: target.served.gateway}
    return [
        qualifier
        for qualifier, gateway in remembered.items()
        if _is_ours(target, qualifier) and not target.endpoints.is_current(qualifier, gateway)
    ]


def _is_ours(target: Target, qualifier: str) -> bool:
    inputs = target.job.inputs
    own = inputs.latest_url if qualifier == LATEST_ENDPOINT else inputs.environment_url
    return inputs.endpoints is EndpointsInput.HTTP and not own


# --- the lock --------------------------------------------------------------------------------------------------------


@contextmanager
def holding(target: Target) -> Iterator[tuple[Target, Held]]:
    """Hold the lock for the block; give the target as it is by then."""
    job = target.job
    with job.phase("lock"):
        lease = target.lock.acquire(job.inputs.lease, job.inputs.lock_timeout)
    held = Held(lease)
    try:
        job.say("lock", f"held, token {lease.token}" + (f", after {lease.waited:.0f} s" if lease.waited >= 1 else ""))
        if lease.token != target.state.token + 1:
            # Somebody held the lock since we have read.
            found, state = _side_by_side(target.function.find, target.ledger.read)
            target = replace(target, latest=found, state=state)
        yield target, held
    finally:
        if not held.is_given_back:
            try:
                target.lock.release(lease)
            except Exception as error:  # noqa: BLE001 - the run's own end is what counts; the lease runs out by itself
                job.workflow.warn(
                    f"The lock could not be released: {error}. It is free again in {job.inputs.lease:.0f} seconds.",
                    title="Lock",
                )


def finish_earlier(target: Target) -> Target:
    """Finish the record of a run that died between its move of the alias and the record of it."""
    if target.served.intent is None:
        return target
    alias = target.function.alias(target.environment)
    served = target.ledger.finish(target.environment, alias.promotion if alias else None, target.served)
    target.job.say("recover", f"the record of run {target.served.intent.run_id or 'unknown'} was finished from the alias")
    return _with_served(target, served)


def _with_served(target: Target, served: Served) -> Target:
    environments = {**target.state.environments, target.environment: served}
    return replace(target, state=replace(target.state, environments=environments))


# --- deploy ----------------------------------------------------------------------------------------------------------


def latest_endpoint(target: Target) -> Endpoint | None:
    """Give the endpoint that shows $LATEST; make the function and the endpoint where they are missing."""
    if target.latest is None:
        assert target.code is not None  # noqa: S101 - see prepare
        target.job.say("deploy", f"creating the function {target.function.name}")
        target.function.create(target.code, target.creation)
    return _endpoint(target, LATEST_ENDPOINT, target.state.latest)


def _endpoint(target: Target, qualifier: str, remembered: Gateway | None) -> Endpoint | None:
    if not _is_ours(target, qualifier) or target.endpoints.is_current(qualifier, remembered):
        return _remembered(target, qualifier, remembered)
    target.job.say("endpoint", f"making the endpoint of {qualifier}")
    return target.endpoints.obtain(qualifier, remembered, target.ledger)


def deploy(target: Target) -> Built:
    """Bring configuration and code to $LATEST and publish exactly that; give the version and $LATEST, both settled.

    Raises:
        ConflictError: somebody else keeps changing $LATEST.

    """
    latest = target.latest
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            built = _deploy_once(target, latest)
        except ConflictError:
            # What is adopted is what was found at the start, and nothing that came later.
            if target.code is None or attempt == _ATTEMPTS:
                raise
            target.job.say("deploy", "$LATEST has changed meanwhile: reading it again")
            latest = None
        else:
            return built
    raise AssertionError("unreachable")


def _deploy_once(target: Target, known: Snapshot | None) -> Built:
    function, code, job = target.function, target.code, target.job
    latest = function.idle(known=known)
    changes = configuration.changes(job.inputs.configuration, latest.configuration)
    if changes:
        for line in configuration.describe(changes, latest.configuration):
            job.say("deploy", line)
        latest = function.configure(latest, changes)
    if code is not None and not code.is_in(latest.code_sha256):
        version = function.upload(latest, code)
        job.say("deploy", f"uploaded {code.describe()}, published as version {version}")
    elif target.served.version and latest.same_content(target.served):
        job.say("deploy", f"$LATEST is what version {target.served.version} was published from")
        return Built(_candidate(target.served.version, latest), latest)
    else:
        version = function.publish(latest)
        job.say("deploy", f"published $LATEST as version {version}")
    settled = function.settled()
    published = function.settled(version)
    if published.fingerprint != latest.fingerprint or not _is_expected(published, code, latest):
        raise ConflictError(
            f"version {version} does not hold the code and configuration that were deployed",
            hint="Somebody else deploys to this function at the same moment; see who, and run the job again.",
        )
    return Built(_candidate(version, published), settled)


def _is_expected(published: Snapshot, code: Code | None, latest: Snapshot) -> bool:
    if code is None:
        return published.code_sha256 == latest.code_sha256
    # What digest the tag of an image stands for, only Lambda knows.
    return isinstance(code, Image) or code.is_in(published.code_sha256)


def _candidate(version: str, content: Snapshot) -> Candidate:
    return Candidate(version, content.code_sha256, content.fingerprint)


# --- verify ----------------------------------------------------------------------------------------------------------


def examine(target: Target, built: Built, endpoint: Endpoint | None) -> Examined:
    """Verify the candidate, unless the environment serves it proven; read the alias along with that."""
    if is_proven(target, built.candidate):
        target.job.say("verify", f"version {built.candidate.version} is proven already, by the same checks")
        return Examined(None, endpoint, target.function.alias(target.environment))
    target.ledger.record_candidate(built.candidate)
    return _verify(target, built, endpoint)


def is_proven(target: Target, candidate: Candidate) -> bool:
    """Whether the environment serves exactly this, proven by the same plan, so that nothing is left to find out."""
    served, plan = target.served, target.job.inputs.plan
    return (served.version, served.code_sha256, served.fingerprint, served.plan) == (
        candidate.version,
        candidate.code_sha256,
        candidate.fingerprint,
        plan,
    )


def _verify(target: Target, built: Built, endpoint: Endpoint | None) -> Examined:
    """Verify the candidate, and make sure that $LATEST was the candidate all the while."""
    function, job = target.function, target.job
    candidate, latest = built.candidate, built.latest
    if job.inputs.checks and not latest.same_content(candidate):
        verdict = Verdict(Outcome.INCONCLUSIVE, (), _OVERWRITTEN)
        return Examined(verdict, endpoint, function.alias(target.environment))
    job.say("verify", f"version {candidate.version}" + (f" at {endpoint.url}" if endpoint else ""))
    verdict = target.verification.run(endpoint, candidate.version)
    mended = None if verdict.passed else _mended(target, endpoint, verdict)
    if mended is not None:
        endpoint, latest = mended, function.settled()
        verdict = target.verification.run(endpoint, candidate.version)
    now, alias = _side_by_side(function.read, lambda: function.alias(target.environment))
    if job.inputs.checks and (now.revision_id != latest.revision_id or not latest.same_content(candidate)):
        verdict = replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=_OVERWRITTEN)
    for check in verdict.checks:
        mark = {Outcome.PASSED: "passed", Outcome.FAILED: "FAILED"}.get(check.outcome, "unknown")
        job.say("", f"{mark:<7} {check.name} ({1000 * check.seconds:.0f} ms)" + (f": {check.detail}" if check.detail else ""))
    return Examined(verdict, endpoint, alias)


_OVERWRITTEN = "somebody else changed $LATEST during this run, so it is not known what the checks have tested"


def _mended(target: Target, endpoint: Endpoint | None, verdict: Verdict) -> Endpoint | None:
    """Mend an endpoint that somebody has damaged or deleted; None: there is nothing to mend."""
    if endpoint is None or endpoint.gateway is None or endpoint.is_new:
        return None
    if not any(check.gateway_symptom for check in verdict.checks):
        return None
    return _mend(target, endpoint.qualifier, endpoint.gateway)


def _mend(target: Target, qualifier: str, gateway: Gateway) -> Endpoint | None:
    if target.endpoints.is_whole(qualifier, gateway):
        return None
    target.job.say("endpoint", f"the endpoint of {qualifier} is gone or incomplete: making it anew")
    return target.endpoints.obtain(qualifier, gateway, target.ledger)


def confirm(target: Target, endpoint: Endpoint | None) -> tuple[Endpoint | None, tuple[str, ...]]:
    """Ask an endpoint of ours once, and mend it where API Gateway itself answers; give it, and what is wrong with it.

    The request is the first GET of the checks, or GET /: any answer of the function's own will do.
    """
    if endpoint is None or endpoint.gateway is None:
        return endpoint, ()
    inputs, clock = target.job.inputs, target.job.clock
    path = next((check.path for check in inputs.checks if check.method == "GET"), "/")
    session, deadline = target.job.session(), clock.monotonic() + 30
    while (answer := ask(session, endpoint, "GET", path, 10)).is_gateways_own:
        if not endpoint.is_new:
            assert endpoint.gateway is not None  # noqa: S101 - one of ours stays one of ours
            mended = _mend(target, endpoint.qualifier, endpoint.gateway)
            if mended is None:
                break
            endpoint = mended
        elif clock.monotonic() > deadline or answer.status >= 500:  # noqa: PLR2004 - a crash looks the same
            break
        clock.sleep(0.5)
    if not answer.is_gateways_own:
        return endpoint, ()
    what = answer.trouble or f"status {answer.status}"
    return endpoint, (f"The endpoint of {endpoint.qualifier} does not reach the function: {what} at {endpoint.url}{path}.",)


# --- promote ---------------------------------------------------------------------------------------------------------


def promote(target: Target, held: Held, candidate: Candidate, examined: Examined) -> Decision:
    """Move the environment's alias to the candidate, which is proven.

    Raises:
        ConflictError: somebody else keeps moving the alias.

    """
    plan, verdict, alias = target.job.inputs.plan, examined.verdict, examined.alias
    is_recorded = False
    for _ in range(_ATTEMPTS):
        if alias and alias.promotion and alias.promotion.sequence > target.served.sequence:
            target = _with_served(target, target.ledger.finish(target.environment, alias.promotion, target.served))
        decision = _decide(target, candidate, alias)
        if not is_recorded and (verdict or decision.promotion):
            target.ledger.record_verdict(candidate, plan, verdict, decision.promotion)
            is_recorded = True
        if decision.promotion is None:
            return decision
        if target.function.point(alias, decision.promotion):
            previous = decision.previous if decision.result is Result.PROMOTED else None
            release = target.lock.giving_back(held.lease)
            target.ledger.record_promotion(decision.promotion, candidate, plan, previous, release)
            held.is_given_back = True
            return decision
        target.job.say("promote", f"{target.environment} was moved by somebody else meanwhile: deciding again")
        alias = target.function.alias(target.environment)
    raise ConflictError(
        f"{target.environment} was moved by somebody else each of the {_ATTEMPTS} times that this run decided on it",
        hint="See who else moves this alias (a console, another workflow); then run the job again.",
    )


def _decide(target: Target, candidate: Candidate, alias: Alias | None) -> Decision:
    """Decide from what the alias says at this moment; the move is made only if it still says so."""
    run, served = target.job.run, target.served
    last = alias.promotion if alias else None
    commit, run_id, sequence = (last.commit, last.run_id, last.sequence) if last else (served.commit, served.run_id, served.sequence)
    found = relation(run.commit, commit, target.job.context, target.job.session)
    is_older = found is Relation.OLDER or (found is Relation.UNKNOWN and bool(commit) and run.run_id < run_id)
    is_there = alias is not None and alias.version == candidate.version and not alias.is_moved_by_others
    previous = alias.version if alias else ""
    if is_there and (is_older or (found is Relation.SAME and is_proven(target, candidate))):
        return Decision(Result.UNCHANGED, previous)
    if is_older:
        return Decision(Result.SUPERSEDED, previous, newer=commit)
    promotion = Promotion(
        environment=target.environment,
        version=candidate.version,
        commit=run.commit,
        run_id=run.run_id,
        attempt=run.attempt,
        sequence=max(sequence, served.sequence) + 1,
        operation=run.operation,
    )
    return Decision(
        Result.UNCHANGED if is_there else Result.PROMOTED,
        previous,
        promotion,
        notes=tuple(_notes(target, alias, found, commit)),
    )


def _notes(target: Target, alias: Alias | None, found: Relation, commit: str) -> Iterator[str]:
    """Say what is worth knowing of a promotion that is made all the same."""
    name, ours = target.environment, target.job.run.commit
    if alias and target.served.sequence and alias.is_moved_by_others:
        yield f"Somebody else had pointed {name} at version {alias.version} since its last promotion."
    if found is Relation.DIVERGED:
        yield f"The history has parted: {commit[:10]}, which {name} served, is no ancestor of {ours[:10]}."
    elif found is Relation.UNKNOWN and commit and ours:
        yield (
            f"How {ours[:10]} stands to {commit[:10]}, which {name} served, is not known, so the order of the runs "
            "decided. Check out with fetch-depth: 0, or give github-token, to decide by history."
        )


def environment_endpoint(target: Target) -> Endpoint | None:
    """Give the endpoint that follows the alias, which exists by now; make it where it is missing."""
    return _endpoint(target, target.environment, target.served.gateway)


def remembered_latest(target: Target) -> Endpoint | None:
    """Give the endpoint that shows $LATEST if there is one, and make none."""
    return _remembered(target, LATEST_ENDPOINT, target.state.latest)


def remembered_endpoint(target: Target) -> Endpoint | None:
    """Give the endpoint that follows the alias if there is one, and make none."""
    return _remembered(target, target.environment, target.served.gateway)


def _remembered(target: Target, qualifier: str, gateway: Gateway | None) -> Endpoint | None:
    inputs = target.job.inputs
    own = inputs.latest_url if qualifier == LATEST_ENDPOINT else inputs.environment_url
    if own:
        return Endpoint(qualifier, url=own, address=own)
    if gateway is None or inputs.endpoints is EndpointsInput.NONE:
        return None
    return target.endpoints.locate(qualifier, gateway)


def _side_by_side(first: Callable[[], _First], second: Callable[[], _Second]) -> tuple[_First, _Second]:
    """Run two independent calls at the same time; the first one's error comes first."""
    with ThreadPoolExecutor(1) as pool:
        later = pool.submit(second)
        try:
            return first(), later.result()
        except PromoteError:
            later.cancel()
            raise
