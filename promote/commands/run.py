"""``run``: deploy, verify, promote."""

from dataclasses import replace

from promote import pipeline
from promote.aws import understood
from promote.job import Job
from promote.line import Claim
from promote.model import LATEST_ENDPOINT, Outcome, Result, Verdict, same_content
from promote.pipeline import Decision, Standing
from promote.report import Link, Report
from promote.target import Target, holding, prepare
from promote.waiting import Superseded


def run(job: Job) -> Report:
    """Bring the commit's code to $LATEST, verify it there, and point the environment at it if it passes."""
    with job.phase("read"):
        target = prepare(job)
        # What the order needs of the history is read before others wait for us.
        pipeline.order(target)
    if job.inputs.dry_run:
        return _planned(target)

    try:
        return _release(target)
    except Superseded as superseded:
        return _gave_way(target, superseded.by)


def _release(target: Target) -> Report:
    job = target.job
    with holding(target) as (now, held):
        report = Report(
            Result.FAILED,
            previous=now.served.version,
            latest=now.endpoints.known(LATEST_ENDPOINT, now.state.latest),
            environment=now.endpoints.known(now.environment, now.served.gateway),
            lock_wait=held.lease.waited,
        )
        job.reports.append(report)
        order = pipeline.order(now)
        if order.is_older:
            return _superseded(now, report, order)
        if order.is_refused:
            return _refused(now, report, order)
        with job.phase("deploy"):
            latest = pipeline.latest_endpoint(now)
            built = pipeline.deploy(now, latest)
        report = replace(report, candidate=built.candidate, changes=now.changes, latest=latest)
        job.reports.append(report)
        with job.phase("verify"):
            examined = pipeline.examine(now, built, latest)
        report = replace(
            report,
            previous=examined.alias.version if examined.alias else "",
            verdict=examined.verdict,
            latest=examined.latest,
        )
        job.reports.append(report)
        if examined.verdict and not examined.verdict.passed:
            now.ledger.record_verdict(built.candidate, now.plan, examined.verdict, None)
            return _blocked(now, report, examined.verdict)
        with job.phase("promote"):
            decision = pipeline.promote(
                now,
                held,
                built.candidate,
                examined,
                moved=lambda decision: job.reports.append(_promoted(now, report, decision)),
            )

    if decision.result is Result.SUPERSEDED:
        return _superseded(now, replace(report, previous=decision.previous), decision.standing)
    if decision.result is Result.REFUSED:
        return _refused(now, replace(report, previous=decision.previous), decision.standing)
    with job.phase("endpoints"):
        return _reachable(now, _promoted(now, report, decision))


def _reachable(target: Target, report: Report) -> Report:
    """See that the endpoints reach the function. The alias has moved: what goes wrong here is a warning."""
    path = next((check.path for check in target.job.inputs.checks if check.method == "GET"), "/")
    try:
        environment = target.endpoints.obtain(target.environment, target.served.gateway)
        environment, warnings = target.endpoints.confirm(environment, path)
        report = replace(report, environment=environment, warnings=(*report.warnings, *warnings))
        if report.verdict is None:
            latest, warnings = target.endpoints.confirm(report.latest, path)
            report = replace(report, latest=latest, warnings=(*report.warnings, *warnings))
    except Exception as error:  # noqa: BLE001 - whatever it is, it undoes nothing
        problem = understood(error)
        warning = f"The endpoint of {target.environment} may be missing or damaged: {problem}. {problem.hint}"
        report = replace(report, warnings=(*report.warnings, warning))
    return report


def _planned(target: Target) -> Report:
    job, served = target.job, target.served
    alias = target.function.alias(target.environment) if target.latest else None
    changes = (*target.changes, *(f"make the endpoint of {name}" for name in target.missing_endpoints))
    for change in changes:
        job.say("plan", change)
    report = Report(
        Result.PLANNED,
        previous=alias.version if alias else "",
        changes=changes,
        latest=target.endpoints.known(LATEST_ENDPOINT, target.state.latest),
        environment=target.endpoints.known(target.environment, served.gateway),
        notes=tuple(_circumstances(target)),
    )
    now = f"version {alias.version}" if alias else "nothing yet"
    order = pipeline.order(target)
    if order.is_older:
        return replace(report, headline=f"Dry run: a run would give way. {_superseded(target, report, order).headline}")
    if order.is_refused:
        return replace(report, headline=f"Dry run: a run would be refused. {_refused(target, report, order).headline}")
    is_same = target.latest is not None and same_content(target.latest, served) and served.plan == target.plan
    if not changes and is_same and alias and alias.version == served.version:
        return replace(report, headline=f"Dry run: nothing would change; {_name(target)} serves {now} already.")
    count = len(job.inputs.checks) + len(job.inputs.invocations)
    steps = f"verify with {count} {'check' if count == 1 else 'checks'}, and promote if all pass"
    return replace(report, headline=f"Dry run: {_name(target)} serves {now}; a run would deploy, {steps}.")


def _circumstances(target: Target) -> list[str]:
    """Say what else a run would meet."""
    met = []
    if target.state.lock.holder:
        met.append(f"The lock is held by {target.state.lock.holder.describe()}; a run would wait for it.")
    if target.served.intent:
        met.append(f"The record of run {target.served.intent.run_id} is unfinished; a run would finish it first.")
    return met


def _blocked(target: Target, report: Report, verdict: Verdict) -> Report:
    serves = f"keeps serving version {report.previous}" if report.previous else "still serves nothing"
    version = report.candidate.version if report.candidate else "unknown"
    if verdict.outcome is Outcome.INCONCLUSIVE:
        headline = f"Version {version} could not be verified, so {_name(target)} {serves}: {verdict.reason}."
        hint = "An inconclusive verdict says nothing of the code: see what stood in the way, and run the job again."
    else:
        headline = f"Version {version} failed verification, so {_name(target)} {serves}: {verdict.reason}."
        look = f"The broken build can be looked at on {report.latest.url}. " if report.latest else ""
        hint = f"{look}Push a fix; nothing needs a rollback."
    return replace(report, result=Result.BLOCKED, headline=headline, hint=hint)


def _superseded(target: Target, report: Report, newer: Standing) -> Report:
    headline = (
        f"{_name(target)} has the newer commit {newer.commit[:10] or 'of a newer run'} already "
        f"(version {report.previous}), so it stays there."
    )
    return replace(report, result=Result.SUPERSEDED, headline=headline, notes=pipeline.notes(target, newer))


def _gave_way(target: Target, newer: Claim) -> Report:
    return Report(
        Result.SUPERSEDED,
        headline=f"{_name(target)} is left to {newer.name}, a newer one of this branch; nothing was changed.",
        links=(("Left to", Link(newer.name, newer.url)),),
        previous=target.served.version,
        latest=target.endpoints.known(LATEST_ENDPOINT, target.state.latest),
        environment=target.endpoints.known(target.environment, target.served.gateway),
        lock_wait=target.job.phases[-1].seconds,
    )


def _refused(target: Target, report: Report, found: Standing) -> Report:
    ours = target.job.run.commit[:10]
    return replace(
        report,
        result=Result.REFUSED,
        headline=f"{_name(target)} has commit {found.commit[:10]}, which is no ancestor of {ours}, and the input "
        "diverged refuses that.",
        hint="Bring the two histories together (merge or rebase), or set diverged: promote to let this commit replace "
        "the other.",
    )


def _promoted(target: Target, report: Report, decision: Decision) -> Report:
    version = report.candidate.version if report.candidate else "unknown"
    before = f" (before: version {decision.previous})" if decision.previous else " (its first)"
    headline = f"{_name(target)} now serves version {version}{before}."
    if decision.result is Result.UNCHANGED:
        headline = f"{_name(target)} serves version {version} already; nothing was changed."
    return replace(
        report,
        result=decision.result,
        headline=headline,
        previous=decision.previous,
        notes=pipeline.notes(target, decision.standing),
        warnings=decision.warnings,
    )


def _name(target: Target) -> str:
    return f"{target.environment} of {target.function.name}"
