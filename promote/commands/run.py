"""``run``: deploy, verify, promote."""

from dataclasses import replace

from promote.commands import messages
from promote.core.decision import Decision, PromotionRequest
from promote.core.report import Report
from promote.core.run import Result
from promote.inputs.model import Isolation
from promote.pipeline.deploy import Deployed, foreseen
from promote.pipeline.job import Job
from promote.pipeline.locks import HeldLock, make_lock
from promote.pipeline.order import ordered
from promote.pipeline.prepare import hold_lock, prepare, require_all
from promote.pipeline.promote import promote
from promote.pipeline.retention import retain
from promote.pipeline.target import Target
from promote.pipeline.verify import Verified, examine, examine_alone
from promote.state.lock_queue import Superseded


def run(job: Job) -> Report:
    """Bring the commit's code to $LATEST, verify it, and point the environment at it if it passes."""
    if job.inputs.parts:
        from promote.commands.run_all import run_all  # noqa: PLC0415 - one function needs nothing of it

        return run_all(job)
    with job.phase("read"):
        target = prepare(job)
        require_all(job, (target,))  # it may be what is left of several
        # What the order needs of the history is read before others wait for us.
        order = ordered(target, job.run.commit, foreseen(target))
    if job.inputs.dry_run:
        return messages.planned(target, messages.steps(job), order)
    if early := messages.refused_early(target, order):
        return early
    release = _release_alone if job.inputs.isolation is Isolation.VERSION else _release
    try:
        report = release(target)
    except Superseded as superseded:
        return messages.gave_way(target, superseded.by)
    return retain(target, messages.announced(target, report, job.run.commit))


def _release(target: Target) -> Report:
    """Hold the lock all the while: the endpoint of $LATEST shows the candidate, and nothing else."""
    with hold_lock(target) as (now, held):
        report, built = messages.deployed(now, messages.begun(now, held))
        if built is None:
            return report
        with now.job.phase("verify"):
            verified = examine(now, built, report.latest)
        report = _examined(now, report, built, verified)
        if report.result is Result.BLOCKED:
            return report
        decision = _promote(now, held, report, built, verified)
    return messages.decided(now, report, decision, endpoint_ok=verified.endpoint_ok)


def _release_alone(target: Target) -> Report:
    """Hold the lock for the deployment and for the promotion; in between, the candidate has an endpoint of its own."""
    with hold_lock(target) as (now, held):
        report, built = messages.deployed(now, messages.begun(now, held))
        if built is None:
            return report
    now = target.after(now, held.lease.token)
    with now.job.phase("verify"):
        verified = examine_alone(now, built.candidate)
    report = _examined(now, report, built, verified)
    if report.result is Result.BLOCKED:
        return report
    if verified.verdict:
        # Recorded at once: it is true whether or not the lock is had again.
        now.ledger.record_verdict(built.candidate, now.plan, verified.verdict, None)
    with hold_lock(now, make_lock(now.job, now.ledger.arn, may_give_way=False)) as (now, held):
        alias = now.function.alias(now.environment)
        decision = _promote(now, held, report, built, replace(verified, verdict=None, alias=alias, is_fresh=True))
    return messages.decided(now, report, decision)


def _examined(target: Target, report: Report, built: Deployed, verified: Verified) -> Report:
    """Report what verification has found; a verdict that does not promote is recorded."""
    report = replace(
        report,
        previous=verified.alias.version if verified.alias else "",
        verdict=verified.verdict,
        latest=verified.latest or report.latest,
    )
    target.job.reports.append(report)
    if verified.verdict and not verified.verdict.passed:
        target.ledger.record_verdict(built.candidate, target.plan, verified.verdict, None)
        return messages.blocked(target, report, verified.verdict)
    return report


def _promote(target: Target, held: HeldLock, report: Report, built: Deployed, verified: Verified) -> Decision:
    job = target.job
    request = PromotionRequest(
        built.candidate,
        job.run.commit,
        job.run.run_id,
        target.plan,
        verified.verdict,
        reason=job.inputs.reason,
        by=job.context.actor if job.inputs.override else "",
        seen_under=built.alias.revision_id if built.alias else "",
    )
    with job.phase("promote"):
        return promote(
            target,
            held,
            request,
            verified.alias,
            moved=lambda decision: job.reports.append(messages.promoted(target, report, decision)),
            is_fresh=verified.is_fresh,
        )
