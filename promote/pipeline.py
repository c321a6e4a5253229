"""Deploy, verify, promote: the protocol's steps, in the order in which they come."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from promote import configuration
from promote.artifact import Code, Image
from promote.errors import ConflictError
from promote.github import Relation, relation
from promote.model import (
    LATEST_ENDPOINT,
    Alias,
    Candidate,
    Endpoint,
    Outcome,
    Promotion,
    Result,
    Snapshot,
    Verdict,
)
from promote.parallel import side_by_side
from promote.target import Held, Target

_ATTEMPTS = 5
"""Decisions that are made again when somebody else was first; more often than that, somebody does not stop."""


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
    warnings: tuple[str, ...] = ()


def latest_endpoint(target: Target) -> Endpoint | None:
    """Give the endpoint that shows $LATEST; make the function and the endpoint where they are missing."""
    if target.latest is None and target.code is not None:
        target.job.say("deploy", f"creating the function {target.function.name}")
        target.function.create(target.code, target.creation)
    return target.endpoints.obtain(LATEST_ENDPOINT, target.state.latest)


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
        answer = function.upload(latest, code)
        job.say("deploy", f"uploaded {code.describe()}, published as version {answer.version}")
    elif target.served.version and latest.same_content(target.served):
        job.say("deploy", f"$LATEST is what version {target.served.version} was published from")
        return Built(_candidate(target.served.version, latest), latest)
    else:
        answer = function.publish(latest)
        job.say("deploy", f"published $LATEST as version {answer.version}")
    version = answer.version
    published = function.settled(version, known=answer)
    settled = function.settled()
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


def examine(target: Target, built: Built, endpoint: Endpoint | None) -> Examined:
    """Verify the candidate, unless the environment serves it proven; read the alias along with that."""
    if is_proven(target, built.candidate):
        target.job.say("verify", f"version {built.candidate.version} is proven already, by the same checks")
        return Examined(None, endpoint, target.function.alias(target.environment))
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
        target.ledger.record_candidate(candidate)
        verdict = Verdict(Outcome.INCONCLUSIVE, (), _OVERWRITTEN)
        return Examined(verdict, endpoint, function.alias(target.environment))
    job.say("verify", f"version {candidate.version}" + (f" at {endpoint.url}" if endpoint else ""))
    verdict, _ = side_by_side(
        lambda: target.verification.run(endpoint, candidate.version),
        lambda: target.ledger.record_candidate(candidate),
    )
    mended = _mended(target, endpoint, verdict)
    if mended is not None:
        endpoint, latest = mended, function.settled()
        verdict = target.verification.run(endpoint, candidate.version)
    now, alias = side_by_side(function.read, lambda: function.alias(target.environment))
    if job.inputs.checks and (now.revision_id != latest.revision_id or not latest.same_content(candidate)):
        verdict = replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=_OVERWRITTEN)
    for check in verdict.checks:
        mark = {Outcome.PASSED: "passed", Outcome.FAILED: "FAILED"}.get(check.outcome, "unknown")
        job.say(
            "",
            f"{mark:<7} {check.name} ({1000 * check.seconds:.0f} ms)" + (f": {check.detail}" if check.detail else ""),
        )
    return Examined(verdict, endpoint, alias)


_OVERWRITTEN = "somebody else changed $LATEST during this run, so it is not known what the checks have tested"


def _mended(target: Target, endpoint: Endpoint | None, verdict: Verdict) -> Endpoint | None:
    """Mend the endpoint where API Gateway may have answered instead of the function; None: there was nothing to mend.

    That may also look like a success: to a check that wants a 404, for example.
    """
    if endpoint is None or not any(check.gateway_symptom for check in verdict.checks):
        return None
    return target.endpoints.mend(endpoint)


def promote(target: Target, held: Held, candidate: Candidate, examined: Examined) -> Decision:
    """Move the environment's alias to the candidate, which is proven.

    Raises:
        ConflictError: somebody else keeps moving the alias.

    """
    plan, verdict, alias = target.job.inputs.plan, examined.verdict, examined.alias
    is_recorded = False
    for _ in range(_ATTEMPTS):
        if alias and alias.promotion and alias.promotion.sequence > target.served.sequence:
            target = target.with_served(target.ledger.finish(target.environment, alias.promotion, target.served))
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
    commit, run_id, sequence = (
        (last.commit, last.run_id, last.sequence) if last else (served.commit, served.run_id, served.sequence)
    )
    found = relation(run.commit, commit, target.job.context, target.job.session)
    is_older = found is Relation.OLDER or (found is Relation.UNKNOWN and 0 < run.run_id < run_id)
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
        notes=tuple(_notes(target, found, commit)),
        warnings=tuple(_warnings(target, alias, found, commit)),
    )


def _warnings(target: Target, alias: Alias | None, found: Relation, commit: str) -> Iterator[str]:
    """Say what is to be looked into after a promotion that is made all the same."""
    name, ours = target.environment, target.job.run.commit
    if alias and target.served.sequence and alias.is_moved_by_others:
        yield f"Somebody else had pointed {name} at version {alias.version} since its last promotion."
    if found is Relation.DIVERGED:
        yield f"The history has parted: {commit[:10]}, which {name} served, is no ancestor of {ours[:10]}."


def _notes(target: Target, found: Relation, commit: str) -> Iterator[str]:
    name, ours = target.environment, target.job.run.commit
    if found is Relation.UNKNOWN and commit and ours:
        yield (
            f"How {ours[:10]} stands to {commit[:10]}, which {name} served, is not known, so the order of the runs "
            "decided. Check out with fetch-depth: 0, or give github-token, to decide by history."
        )
