"""Verify the candidate, and make sure that the checks have tested it."""

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
from promote.pipeline.settling import settle
from promote.pipeline.target import Target
from promote.verification.pytest_suite import KIND

_ANNOTATIONS = 9
"""The most failed tests with an annotation. The runner shows ten errors per step, and one is the run's own."""


@dataclass(frozen=True)
class Verified:
    """The verdict of a candidate, and what was read during its verification."""

    verdict: Verdict
    alias: Alias | None
    latest: Endpoint | None = None
    """The endpoint of $LATEST, if the candidate was verified there."""
    endpoint_ok: bool = False
    """Whether the environment's endpoint was seen to reach the function during the verification."""
    revision_id: str = ""
    """The RevisionId of $LATEST after the verification."""


def verdict_alone(target: Target, candidate: Candidate) -> Verdict:
    """Verify the candidate, at a preview endpoint if the checks need an endpoint."""
    target.ledger.versions.record(candidate)
    has_gateways = target.job.inputs.endpoints is not Endpoints.NONE
    if target.verification.needs_url or (has_gateways and target.verification.needs_endpoint):
        with preview_endpoint(target.job, target.previews, candidate.version) as (endpoint, heartbeat):
            verdict = _verify_alone(target, candidate, endpoint)
            try:
                heartbeat.require()
            except LockError:
                reason = "another run may have removed the endpoint, because this one was suspended or had no network"
                verdict = replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=reason)
    else:
        verdict = _verify_alone(target, candidate, None)
    _report(target, verdict)
    return verdict


def _verify_alone(target: Target, candidate: Candidate, endpoint: Endpoint | None) -> Verdict:
    target.job.say("verify", f"version {candidate.version}" + (f" at {endpoint.url}" if endpoint else ""))
    path = target.job.inputs.first_path
    if endpoint and not target.verification.has_commands:
        # Checks wait for the endpoint themselves, and any of them may show that it reaches the function.
        endpoint_ok = target.endpoints.answers(endpoint, path)
        return target.verification.run(endpoint, candidate.version, endpoint_ok=endpoint_ok)
    if endpoint:
        endpoint, problems = target.endpoints.probe(endpoint, path)
        if problems:
            return _not_reached(target, candidate, endpoint, problems[0])
    return target.verification.run(endpoint, candidate.version, endpoint_ok=True)


def _not_reached(target: Target, candidate: Candidate, endpoint: Endpoint | None, problem: str) -> Verdict:
    """Return the verdict if the function does not respond at a new endpoint: failed if it crashed, or inconclusive."""
    path = target.job.inputs.first_path
    crash = target.verification.crash(candidate.version, path) if target.endpoints.fails(endpoint, path) else None
    return crash or Verdict(Outcome.INCONCLUSIVE, (), problem.rstrip("."))


def verify(target: Target, built: Deployed, endpoint: Endpoint | None, settled: float | None = None) -> Verified:
    """Verify the candidate at $LATEST, and make sure that $LATEST did not change during the verification.

    ``settled`` is when the last of the functions that are verified together was updated; see ``Deployed``. If it is
    None, an earlier step has waited.
    """
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

    def run() -> Verdict:
        if settled is not None and target.verification.needs_endpoint:
            settle(job.clock, job.inputs.settle_time, settled)
        return target.verification.run(endpoint, candidate.version, endpoint_ok=target.verification.has_commands)

    verdict, endpoint_ok = run_both(run, lambda: _record_and_probe(target, candidate))
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
    # The alias need not be read again before a move, because its RevisionId is the condition of the move.
    alias = built.alias if verdict.passed else function.alias(target.environment)
    return Verified(verdict, alias, endpoint, endpoint_ok, now.revision_id)


def _probed(target: Target, endpoint: Endpoint | None) -> tuple[Endpoint | None, tuple[str, ...]]:
    """Wait for the endpoint if there are commands. They cannot tell API Gateway's response from the function's."""
    if not target.verification.has_commands:
        return endpoint, ()
    return target.endpoints.probe(endpoint, target.job.inputs.first_path)


def _record_and_probe(target: Target, candidate: Candidate) -> bool:
    """Record the candidate. Then return whether the environment's endpoint reaches the function through its alias.

    A defect of the endpoint shows before the move, because it does not depend on the alias's version.
    """
    target.ledger.versions.record(candidate)
    known = target.endpoints.known(target.environment, target.served.gateway)
    is_missing = target.endpoints.is_missing(target.environment, target.served.gateway)
    return not is_missing and target.endpoints.answers(known, target.job.inputs.first_path)


def _report(target: Target, verdict: Verdict) -> None:
    """Log each check. Of tests, whose output is in the log already, log only those that did not pass."""
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
        from promote.verification import junit  # noqa: PLC0415 - seldom needed

        # A failure to write the file must not stop the promotion.
        with suppress(OSError):
            seconds = sum(check.seconds for check in verdict.checks)
            junit.write(verdict, f"{target.function.name} {target.environment}", seconds, job.report_file)


OVERWRITTEN = "$LATEST was changed externally during this run, so it is not known what the checks have tested"


def _repaired(target: Target, endpoint: Endpoint | None, verdict: Verdict) -> Endpoint | None:
    """Repair the endpoint if API Gateway may have responded instead of the function. Return None if it is intact.

    A check may even pass without the function, for example if it expects a 404.
    """
    if endpoint is None or not any(check.gateway_symptom for check in verdict.checks):
        return None
    return target.endpoints.repair(endpoint)
