"""Verify the candidate, and make sure that the checks have tested the candidate."""

from contextlib import suppress
from dataclasses import dataclass, replace

from promote.core.concurrency import run_both
from promote.core.endpoint import Endpoint
from promote.core.errors import LockError
from promote.core.promotion import Alias
from promote.core.verdict import Outcome, Verdict
from promote.core.version import Candidate, same_content
from promote.inputs.model import Endpoints
from promote.pipeline import configuration
from promote.pipeline.deploy import Deployed
from promote.pipeline.previews import preview_endpoint
from promote.pipeline.target import Target
from promote.verification.pytest_suite import KIND

_ANNOTATIONS = 9
"""Failed tests at whose lines the run is annotated: the runner shows ten errors of a step, and one is our own."""


@dataclass(frozen=True)
class Verified:
    """What is known of the candidate before the promotion, and the alias as it was then."""

    verdict: Verdict
    alias: Alias | None
    latest: Endpoint | None = None
    """The endpoint of $LATEST, where it was verified there."""
    endpoint_ok: bool = False
    """Whether the environment's endpoint was seen to reach the function meanwhile."""
    revision_id: str = ""
    """The RevisionId of $LATEST after it was verified there."""


def verdict_alone(target: Target, candidate: Candidate) -> Verdict:
    """Verify the candidate at an endpoint of its own, where it needs one."""
    target.ledger.versions.record(candidate)
    has_gateways = target.job.inputs.endpoints is Endpoints.HTTP
    if target.verification.needs_url or (has_gateways and target.verification.needs_endpoint):
        with preview_endpoint(target.job, target.previews, candidate.version) as (endpoint, heartbeat):
            verdict = _verify_alone(target, candidate, endpoint)
            try:
                heartbeat.require()
            except LockError:
                reason = "the endpoint may have been removed by another run, for this one was suspended or cut off"
                verdict = replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=reason)
    else:
        verdict = _verify_alone(target, candidate, None)
    _report(target, verdict)
    return verdict


def _verify_alone(target: Target, candidate: Candidate, endpoint: Endpoint | None) -> Verdict:
    target.job.say("verify", f"version {candidate.version}" + (f" at {endpoint.url}" if endpoint else ""))
    path = target.job.inputs.first_path
    if endpoint and not target.verification.has_commands:
        # Checks wait for it themselves, and each may be what shows that it reaches the function.
        endpoint_ok = target.endpoints.answers(endpoint, path)
        return target.verification.run(endpoint, candidate.version, endpoint_ok=endpoint_ok)
    if endpoint:
        endpoint, problems = target.endpoints.probe(endpoint, path)
        if problems:
            return _not_reached(target, candidate, endpoint, problems[0])
    return target.verification.run(endpoint, candidate.version, endpoint_ok=True)


def _not_reached(target: Target, candidate: Candidate, endpoint: Endpoint | None, problem: str) -> Verdict:
    """Return the verdict where a new endpoint gives no answer of the function's own: a crash is the function's."""
    path = target.job.inputs.first_path
    crash = target.verification.crash(candidate.version, path) if target.endpoints.fails(endpoint, path) else None
    return crash or Verdict(Outcome.INCONCLUSIVE, (), problem.rstrip("."))


def verify(target: Target, built: Deployed, endpoint: Endpoint | None) -> Verified:
    """Verify the candidate, and make sure that $LATEST was the candidate all the while."""
    function, job = target.function, target.job
    candidate, latest = built.candidate, built.latest
    gap = configuration.gap_of_latest(latest.configuration)
    if target.verification.needs_endpoint and (gap or not same_content(latest, candidate)):
        target.ledger.versions.record(candidate)
        verdict = Verdict(Outcome.INCONCLUSIVE, (), gap or OVERWRITTEN)
        return Verified(verdict, function.alias(target.environment), latest=endpoint)
    probed, problems = _probed(target, endpoint)
    if probed != endpoint:
        endpoint, latest = probed, function.wait_until_active()
    if problems:
        target.ledger.versions.record(candidate)
        verdict = _not_reached(target, candidate, endpoint, problems[0])
        _report(target, verdict)
        return Verified(verdict, function.alias(target.environment), latest=endpoint)
    job.say("verify", f"version {candidate.version}" + (f" at {endpoint.url}" if endpoint else ""))
    verdict, endpoint_ok = run_both(
        lambda: target.verification.run(endpoint, candidate.version, endpoint_ok=target.verification.has_commands),
        lambda: record_and_look(target, candidate),
    )
    repaired = _repaired(target, endpoint, verdict)
    if repaired is not None:
        endpoint, problems = _probed(target, repaired)
        latest = function.wait_until_active()
        verdict = (
            _not_reached(target, candidate, endpoint, problems[0])
            if problems
            else target.verification.run(endpoint, candidate.version, endpoint_ok=target.verification.has_commands)
        )
    now = function.read()
    if target.verification.needs_endpoint and (
        now.revision_id != latest.revision_id or not same_content(latest, candidate)
    ):
        verdict = replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=OVERWRITTEN)
    _report(target, verdict)
    # Before a move, the alias need not be read again: its RevisionId is the condition of the move.
    alias = built.alias if verdict.passed else function.alias(target.environment)
    return Verified(verdict, alias, endpoint, endpoint_ok, now.revision_id)


def _probed(target: Target, endpoint: Endpoint | None) -> tuple[Endpoint | None, tuple[str, ...]]:
    """Wait for an endpoint if there are commands: they take API Gateway's own answer for the function's."""
    if not target.verification.has_commands:
        return endpoint, ()
    return target.endpoints.probe(endpoint, target.job.inputs.first_path)


def record_and_look(target: Target, candidate: Candidate) -> bool:
    """Record the candidate; then see whether the environment's endpoint reaches what its alias points at.

    It leads to the alias, whatever that points at: what would be wrong with it after the move shows before.
    """
    target.ledger.versions.record(candidate)
    known = target.endpoints.known(target.environment, target.served.gateway)
    is_missing = target.endpoints.is_missing(target.environment, target.served.gateway)
    return not is_missing and target.endpoints.answers(known, target.job.inputs.first_path)


def _report(target: Target, verdict: Verdict) -> None:
    """Say what was found, check by check; of tests, whose own output is in the log, only what has not passed."""
    job = target.job
    for check in verdict.checks:
        if check.kind == KIND and check.outcome in (Outcome.PASSED, Outcome.SKIPPED):
            continue
        mark = {Outcome.PASSED: "passed", Outcome.FAILED: "FAILED"}.get(check.outcome, "unknown")
        job.say(
            "",
            f"{mark:<7} {check.name} ({1000 * check.seconds:.0f} ms)" + (f": {check.detail}" if check.detail else ""),
        )
    tests = [check for check in verdict.checks if check.kind == KIND and check.file]
    if tests:
        job.say("", f"{sum(check.outcome is Outcome.PASSED for check in tests)} of {len(tests)} tests passed")
    located = [check for check in verdict.checks if check.outcome is Outcome.FAILED and check.file]
    for check in located[:_ANNOTATIONS]:
        job.workflow.error(check.detail or "failed", title=check.name, file=check.file, line=check.line)
    if job.state.folder:
        from promote.verification import junit  # noqa: PLC0415 - seldom slower than what it is written beside

        # Beside the promotion, and never in its way.
        with suppress(OSError):
            seconds = sum(check.seconds for check in verdict.checks)
            junit.write(verdict, f"{target.function.name} {target.environment}", seconds, job.report_file)


OVERWRITTEN = "somebody else changed $LATEST during this run, so it is not known what the checks have tested"


def _repaired(target: Target, endpoint: Endpoint | None, verdict: Verdict) -> Endpoint | None:
    """Mend the endpoint where API Gateway may have answered instead of the function; None: there was nothing to mend.

    That may also look like a success: to a check that wants a 404, for example.
    """
    if endpoint is None or not any(check.gateway_symptom for check in verdict.checks):
        return None
    return target.endpoints.repair(endpoint)
