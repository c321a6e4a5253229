"""``run``: deploy, verify, promote."""

from dataclasses import replace

from promote import pipeline
from promote.job import Job
from promote.model import Outcome, Result, Verdict
from promote.pipeline import Decision, Target
from promote.report import Report


def run(job: Job) -> Report:
    """Bring the commit's code to $LATEST, verify it there, and point the environment at it if it passes."""
    with job.phase("read"):
        target = pipeline.prepare(job)
    if job.inputs.dry_run:
        return _planned(target)

    with pipeline.holding(target) as (target, held):  # noqa: PLW2901 - the same target, as it is under the lock
        target = pipeline.finish_earlier(target)
        with job.phase("deploy"):
            latest = pipeline.latest_endpoint(target)
            built = pipeline.deploy(target)
        with job.phase("verify"):
            examined = pipeline.examine(target, built, latest)
        report = Report(
            Result.BLOCKED,
            "",
            candidate=built.candidate,
            previous=examined.alias.version if examined.alias else "",
            changes=pipeline.describe(target),
            verdict=examined.verdict,
            latest=examined.latest,
            environment=pipeline.remembered_endpoint(target),
            lock_wait=held.lease.waited,
        )
        if examined.verdict and not examined.verdict.passed:
            target.ledger.record_verdict(built.candidate, job.inputs.plan, examined.verdict, None)
            headline, hint = _blocked(target, report, examined.verdict)
            return replace(report, headline=headline, hint=hint)
        with job.phase("promote"):
            decision = pipeline.promote(target, held, built.candidate, examined)

    if decision.result is Result.SUPERSEDED:
        return replace(report, result=decision.result, headline=_superseded(target, decision), notes=decision.notes)
    with job.phase("endpoints"):
        environment, notes = pipeline.confirm(target, pipeline.environment_endpoint(target))
        latest, more = (examined.latest, ()) if examined.verdict else pipeline.confirm(target, examined.latest)
    return replace(
        report,
        result=decision.result,
        headline=_promoted(target, decision, built.candidate.version),
        previous=decision.previous,
        latest=latest,
        environment=environment,
        notes=(*decision.notes, *notes, *more),
    )


def _planned(target: Target) -> Report:
    job, served = target.job, target.served
    alias = target.function.alias(target.environment) if target.latest else None
    changes = (*pipeline.describe(target), *(f"make the endpoint of {name}" for name in pipeline.missing_endpoints(target)))
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
        latest=pipeline.remembered_latest(target),
        environment=pipeline.remembered_endpoint(target),
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
