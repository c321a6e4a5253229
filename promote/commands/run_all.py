"""``run`` of several functions: deploy side by side, verify together, promote all or none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from promote.commands import application_messages, messages
from promote.core.concurrency import map_and_wait
from promote.core.decision import PromotionRequest
from promote.core.report import Report
from promote.core.run import Result, join_names
from promote.core.verdict import CheckResult, Verdict
from promote.core.verdict import Outcome as Found
from promote.inputs.model import Isolation
from promote.pipeline.application import Outcome, promote_all
from promote.pipeline.decision import is_proven
from promote.pipeline.deploy import Deployed, foreseen
from promote.pipeline.job import Job
from promote.pipeline.locks import make_lock
from promote.pipeline.order import orders
from promote.pipeline.prepare import Held, hold_locks, prepare_all
from promote.pipeline.previews import remove_expired
from promote.pipeline.retention import retain_all
from promote.pipeline.saga import WIDTH
from promote.pipeline.target import Target
from promote.pipeline.verify import OVERWRITTEN, verdict_alone
from promote.pipeline.verify import verify as verify_candidate
from promote.state.lock_queue import Superseded
from promote.verification.http_checks import PROBE


@dataclass(frozen=True)
class _Verified:
    """What the verification of one function has found."""

    report: Report
    """With the verdict; without one, the environment serves it proven."""
    is_recorded: bool = False
    """Whether the ledger has the verdict already."""
    endpoint_ok: bool = False
    """Whether the environment's endpoint was seen to along with it."""
    revision_id: str = ""
    """The RevisionId of $LATEST after it was verified there."""


_Verify = Callable[[Target, Deployed, Report], _Verified]
"""Verifies one function's candidate."""


def run_all(job: Job) -> Report:
    """Bring the commit's code to each $LATEST, verify all, and point the environment of all at it if all pass."""
    with job.phase("read"):
        targets = prepare_all(job)
        found = orders(targets, list(map(foreseen, targets)))
    if job.inputs.dry_run:
        return application_messages.planned(job, targets, messages.steps(job), found)
    if early := application_messages.refused_early(job, targets, found):
        return early
    release = _release_alone if job.inputs.isolation is Isolation.VERSION else _release
    try:
        report = release(job, targets)
    except Superseded as superseded:
        return application_messages.gave_way(job, targets, superseded.by)
    return retain_all(job, targets, application_messages.announced(job, targets, report, job.run.commit))


def _release(job: Job, targets: Sequence[Target]) -> Report:
    """Hold the locks all the while: the endpoints of $LATEST show the candidates, and nothing else."""
    with hold_locks(job, targets) as held:
        ended, reports, built = _deployed(job, held)
        if ended:
            return ended
        now = [target for target, _ in held]
        found = _verified(job, now, reports, built, _in_latest)
        reports = [one.report for one in found]
        if any(report.verdict and not report.verdict.passed for report in reports):
            return application_messages.blocked(job, reports)
        outcome = _promote(job, held, built, found)
    return application_messages.decided(job, now, reports, outcome, [one.endpoint_ok for one in found])


def _release_alone(job: Job, targets: Sequence[Target]) -> Report:
    """Hold the locks for the deployment and for the promotion; in between each candidate has its own endpoint."""
    with hold_locks(job, targets) as held:
        ended, reports, built = _deployed(job, held)
        if ended:
            return ended
    now = [target.after(then, held_lock.lease.token) for target, (then, held_lock) in zip(targets, held, strict=True)]
    found = _verified(job, now, reports, built, _alone)
    reports = [one.report for one in found]
    if any(report.verdict and not report.verdict.passed for report in reports):
        return application_messages.blocked(job, reports)
    # Recorded at once: they are true whether or not the locks are had again.
    _record(now, reports, built)
    found = [replace(one, is_recorded=True) for one in found]
    with hold_locks(job, now, lambda target: make_lock(target.job, target.ledger.arn, may_give_way=False)) as held:
        now = [target for target, _ in held]
        outcome = _promote(job, held, built, found)
    return application_messages.decided(job, now, reports, outcome)


def _deployed(job: Job, held: Held) -> tuple[Report | None, list[Report], list[Deployed]]:
    """Deploy what has changed; the first is given where the run gives way instead."""
    targets = [target for target, _ in held]
    reports = application_messages.begun(job, held)
    for target in targets:
        remove_expired(target.job, target.previews, target.state.previews)
    found = orders(targets, list(map(foreseen, targets)))
    if any(order.is_older for order in found):
        return application_messages.superseded(job, targets, reports, found), [], []
    if any(order.is_refused for order in found):
        return application_messages.refused(job, targets, reports, found), [], []
    with job.phase("deploy"):
        done = map_and_wait([partial(messages.brought_up, *pair) for pair in zip(targets, reports, strict=True)], WIDTH)
    reports = [report for report, _ in done]
    job.reports.append(application_messages.combined(job, reports, Report(Result.FAILED)))
    return None, reports, [built for _, built in done]


def _verified(
    job: Job, targets: Sequence[Target], reports: Sequence[Report], built: Sequence[Deployed], verify: _Verify
) -> list[_Verified]:
    """Verify all together, also those that have not changed; nothing, where all of it is served proven.

    What has no checks of its own must answer at all, and passes with the others. Verdicts that do not promote are
    recorded.
    """
    if all(is_proven(target, made.candidate) for target, made in zip(targets, built, strict=True)):
        job.say("verify", f"{job.inputs.names} are proven already, by the same checks")
        return [_Verified(report) for report in reports]
    with job.phase("verify"):
        found = map_and_wait([partial(verify, *each) for each in zip(targets, built, reports, strict=True)], WIDTH)
        if all(one.report.verdict.passed for one in found if one.report.verdict):
            found = map_and_wait(
                [partial(_with_others, targets, *one) for one in zip(targets, found, strict=True)], WIDTH
            )
    reports = [one.report for one in found]
    job.reports.append(application_messages.combined(job, reports, Report(Result.FAILED)))
    if not all(report.verdict.passed for report in reports if report.verdict):
        _record(targets, reports, built)
    return found


def _with_others(targets: Sequence[Target], target: Target, found: _Verified) -> _Verified:
    """Say of what has no checks of its own that it was in $LATEST while the others had theirs."""
    verdict = found.report.verdict
    if target.job.inputs.has_verification or verdict is None:
        return found
    if target.function.read().revision_id != found.revision_id:
        verdict = replace(verdict, outcome=Found.INCONCLUSIVE, reason=OVERWRITTEN)
    else:
        names = [target.function.name for target in targets if target.job.inputs.has_verification]
        check = CheckResult(f"verified with {join_names(names)}", "application", Found.PASSED, 0)
        verdict = Verdict.of((*verdict.checks, check))
    return replace(found, report=replace(found.report, verdict=verdict))


def _in_latest(target: Target, built: Deployed, report: Report) -> _Verified:
    if not target.job.inputs.has_verification:
        # Whatever the others call of it: that it runs at all is seen at its own endpoint.
        target = replace(target, verification=replace(target.verification, checks=(PROBE,)))
    verified = verify_candidate(target, built, report.latest)
    previous = verified.alias.version if verified.alias else ""
    latest = verified.latest or report.latest
    report = replace(report, previous=previous, verdict=verified.verdict, latest=latest)
    return _Verified(report, endpoint_ok=verified.endpoint_ok, revision_id=verified.revision_id)


def _alone(target: Target, built: Deployed, report: Report) -> _Verified:
    return _Verified(replace(report, verdict=verdict_alone(target, built.candidate)))


def _record(targets: Sequence[Target], reports: Sequence[Report], built: Sequence[Deployed]) -> None:
    map_and_wait(
        [
            partial(target.ledger.record_verdict, made.candidate, target.plan, report.verdict, None)
            for target, report, made in zip(targets, reports, built, strict=True)
            if report.verdict
        ],
        WIDTH,
    )


def _promote(job: Job, held: Held, built: Sequence[Deployed], found: Sequence[_Verified]) -> Outcome:
    """Propose what was built, with the verdicts that are still to be recorded."""
    targets, reports = [target for target, _ in held], [one.report for one in found]
    requests = [
        PromotionRequest(
            made.candidate,
            job.run.commit,
            job.run.run_id,
            target.plan,
            None if one.is_recorded else one.report.verdict,
            reason=job.inputs.reason,
            by=job.context.actor if job.inputs.override else "",
            seen_under=made.alias.revision_id if made.alias else "",
        )
        for target, made, one in zip(targets, built, found, strict=True)
    ]
    with job.phase("promote"):
        return promote_all(
            job,
            targets,
            [held_lock for _, held_lock in held],
            requests,
            moved=lambda outcome: job.reports.append(
                application_messages.promoted(job, application_messages.moved(targets, reports, outcome), outcome)
            ),
        )
