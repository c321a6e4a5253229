"""``run``: deploy, verify, promote."""

from dataclasses import replace

from promote import pipeline
from promote.job import Job
from promote.model import LATEST_ENDPOINT, Outcome, Result, Verdict
from promote.pipeline import Decision
from promote.report import Report
from promote.target import Target, holding, prepare


def run(job: Job) -> Report:
    """Bring the commit's code to $LATEST, verify it there, and point the environment at it if it passes."""
    with job.phase("read"):
        target = prepare(job)
    if job.inputs.dry_run:
        return _planned(target)

    with holding(target) as (now, held):
        with job.phase("deploy"):
            latest = pipeline.latest_endpoint(now)
            built = pipeline.deploy(now)
        with job.phase("verify"):
            examined = pipeline.examine(now, built, latest)
        report = Report(
            Result.BLOCKED,
            candidate=built.candidate,
            previous=examined.alias.version if examined.alias else "",
            changes=now.changes,
            verdict=examined.verdict,
            latest=examined.latest,
            environment=now.endpoints.known(now.environment, now.served.gateway),
            lock_wait=held.lease.waited,
        )
        if examined.verdict and not examined.verdict.passed:
            now.ledger.record_verdict(built.candidate, job.inputs.plan, examined.verdict, None)
            headline, hint = _blocked(now, report, examined.verdict)
            return replace(report, headline=headline, hint=hint)
        with job.phase("promote"):
            decision = pipeline.promote(now, held, built.candidate, examined)

    if decision.result is Result.SUPERSEDED:
        return replace(report, result=decision.result, headline=_superseded(now, decision))
    with job.phase("endpoints"):
        path = next((check.path for check in job.inputs.checks if check.method == "GET"), "/")
        environment = now.endpoints.obtain(now.environment, now.served.gateway)
        environment, warnings = now.endpoints.confirm(environment, path)
        latest, more = (examined.latest, ()) if examined.verdict else now.endpoints.confirm(examined.latest, path)
    return replace(
        report,
        result=decision.result,
        headline=_promoted(now, decision, built.candidate.version),
        previous=decision.previous,
        latest=latest,
        environment=environment,
        notes=decision.notes,
        warnings=(*decision.warnings, *warnings, *more),
    )


def _planned(target: Target) -> Report:
    job, served = target.job, target.served
    alias = target.function.alias(target.environment) if target.latest else None
    changes = (*target.changes, *(f"make the endpoint of {name}" for name in target.missing_endpoints))
    count = len(job.inputs.checks) + len(job.inputs.invocations)
    steps = f"verify with {count} {'check' if count == 1 else 'checks'}, and promote if all pass"
    is_same = served.version and target.latest and target.latest.same_content(served) and served.plan == job.inputs.plan
    if not changes and is_same and alias and alias.version == served.version:
        headline = f"Dry run: nothing would change; {_name(target)} serves version {served.version} already."
    else:
        now = f"version {alias.version}" if alias else "nothing yet"
        headline = f"Dry run: {_name(target)} serves {now}; a run would deploy, {steps}."
    for change in changes:
        job.say("plan", change)
    return Report(
        Result.PLANNED,
        headline,
        previous=alias.version if alias else "",
        changes=changes,
        latest=target.endpoints.known(LATEST_ENDPOINT, target.state.latest),
        environment=target.endpoints.known(target.environment, served.gateway),
    )


def _blocked(target: Target, report: Report, verdict: Verdict) -> tuple[str, str]:
    serves = f"keeps serving version {report.previous}" if report.previous else "still serves nothing"
    version = report.candidate.version if report.candidate else "unknown"
    if verdict.outcome is Outcome.INCONCLUSIVE:
        return (
            f"Version {version} could not be verified, so {_name(target)} {serves}: {verdict.reason}.",
            "An inconclusive verdict says nothing of the code: see what stood in the way, and run the job again.",
        )
    return (
        f"Version {version} failed verification, so {_name(target)} {serves}: {verdict.reason}.",
        "The broken build can be looked at on the endpoint of latest. Push a fix; nothing needs a rollback.",
    )


def _superseded(target: Target, decision: Decision) -> str:
    newer = decision.newer[:10] or "a newer run"
    return f"{_name(target)} serves the newer commit {newer} (version {decision.previous}) already, so it stays there."


def _promoted(target: Target, decision: Decision, version: str) -> str:
    if decision.result is Result.UNCHANGED:
        return f"{_name(target)} serves version {version} already; nothing was changed."
    before = f" (before: version {decision.previous})" if decision.previous else " (its first)"
    return f"{_name(target)} now serves version {version}{before}."


def _name(target: Target) -> str:
    return f"{target.environment} of {target.function.name}"
