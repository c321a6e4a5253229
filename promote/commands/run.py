"""``run``: deploy all functions side by side, verify them together, and promote all or none."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from promote.commands import messages
from promote.commands.after_move import after_failure, after_move, keep_moved
from promote.commands.deploy import deployed
from promote.commands.report import report_of
from promote.core.decision import PromotionRequest
from promote.core.promotion import served_version
from promote.core.report import Report
from promote.core.run import Result, join_names
from promote.core.verdict import CheckResult, Outcome, Verdict
from promote.inputs.model import Isolation
from promote.pipeline.decision import is_verified
from promote.pipeline.deploy import expected_content
from promote.pipeline.held_locks import hold_locks, plain_lock
from promote.pipeline.job import Job
from promote.pipeline.order import orders
from promote.pipeline.part import Part, each, is_blocked, record_verdict
from promote.pipeline.prepare import prepare
from promote.pipeline.promote import PromotionOutcome, Requested, Seen, promote
from promote.pipeline.target import Target
from promote.pipeline.triggers import with_triggers
from promote.pipeline.verify import OVERWRITTEN, verdict_alone, verify
from promote.state.lock_queue import Superseded
from promote.verification.http_checks import PROBE


def run(job: Job) -> Report:
    """Deploy the commit's code to $LATEST of each function, verify all functions, and promote them if all pass."""
    with job.phase("read"):
        targets = prepare(job)
        # The commits are read from the history before this run holds the locks, so other runs do not wait for it.
        found = with_triggers(targets, lambda: orders(targets, list(map(expected_content, targets))))
    if job.inputs.dry_run:
        return messages.planned(job, targets, messages.steps(job), found)
    if early := messages.refused_early(targets, found):
        return early
    release = _release_alone if job.inputs.isolation is Isolation.VERSION else _release
    try:
        return release(job, targets)
    except Superseded as superseded:
        return messages.left_to(job, targets, superseded.by)


def _release(job: Job, targets: Sequence[Target]) -> Report:
    """Deploy, verify and promote under the locks, so that $LATEST is the candidate during the verification."""
    with hold_locks(job, targets) as held:
        parts, ended = deployed(job, held)
        if ended:
            return ended
        # Checks of one function may call another one at $LATEST.
        settled = max(part.deployed.settled for part in parts)
        parts = _verified(job, parts, partial(_in_latest, settled))
        outcome = None if is_blocked(parts) else _promote(job, parts, Seen.BEFORE)
    if outcome is None:
        return after_failure(job, parts, job.run.commit)
    return after_move(job, parts, outcome, job.run.commit)


def _release_alone(job: Job, targets: Sequence[Target]) -> Report:
    """Deploy under the locks, verify at preview endpoints without them, and promote under the locks."""
    with hold_locks(job, targets) as held:
        parts, ended = deployed(job, held)
        if ended:
            return ended
    parts = [
        replace(part, target=target.after(part.target, held_lock.lease.token))
        for part, target, (_, held_lock) in zip(parts, targets, held, strict=True)
    ]
    parts = _verified(job, parts, _alone)
    if is_blocked(parts):
        return after_failure(job, parts, job.run.commit)
    # The verdicts are recorded at once, because they are valid even if the locks are not acquired again.
    parts = each(record_verdict, parts)
    with hold_locks(job, [part.target for part in parts], plain_lock) as held:
        parts = [part.holding(*found) for part, found in zip(parts, held, strict=True)]
        outcome = _promote(job, parts, Seen.LONG_AGO)
    return after_move(job, parts, outcome, job.run.commit)


def _verified(job: Job, parts: Sequence[Part], verified: Callable[[Part], Part]) -> list[Part]:
    """Verify all functions together, changed or not. If all candidates are served already and passed, verify nothing.

    A function without checks must respond, and passes with the others. If a function has not passed, all verdicts are
    recorded here.
    """
    if all(is_verified(part.target, part.deployed.candidate) for part in parts):
        job.say(
            "verify", f"{job.inputs.environment} serves this code, which passed the same checks: {job.inputs.names}"
        )
        return list(parts)
    with job.phase("verify"):
        parts = each(verified, parts)
        if not is_blocked(parts):
            parts = each(partial(_with_others, [part.target for part in parts]), parts)
    job.keep_certain(report_of(parts, Result.FAILED))
    return each(record_verdict, parts) if is_blocked(parts) else parts


def _in_latest(settled: float, part: Part) -> Part:
    target = part.target
    if not target.job.inputs.has_verification:
        # The checks of other functions may not call it. A request to its endpoint shows that it runs.
        target = replace(target, verification=replace(target.verification, checks=(PROBE,)))
    found = verify(target, part.deployed, part.latest_endpoint, settled)
    return replace(
        part,
        previous=served_version(found.alias),
        verdict=found.verdict,
        latest_endpoint=found.latest or part.latest_endpoint,
        endpoint_ok=found.endpoint_ok,
        revision_id=found.revision_id,
    )


def _alone(part: Part) -> Part:
    target = part.target
    part = replace(part, verdict=verdict_alone(target, part.deployed.candidate))
    if not part.is_blocked:
        return part
    return replace(part, previous=served_version(target.function.alias(target.environment)))


def _with_others(targets: Sequence[Target], part: Part) -> Part:
    """Return the function with a further check if it has none: $LATEST did not change while others were verified."""
    target, verdict = part.target, part.verdict
    if target.job.inputs.has_verification or verdict is None:
        return part
    if target.function.read().revision_id != part.revision_id:
        return replace(part, verdict=replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=OVERWRITTEN))
    names = [other.function.name for other in targets if other.job.inputs.has_verification]
    check = CheckResult(f"verified with {join_names(names)}", "application", Outcome.PASSED, 0)
    return replace(part, verdict=Verdict.of((*verdict.checks, check)))


def _promote(job: Job, parts: Sequence[Part], seen: Seen) -> PromotionOutcome:
    with job.phase("promote"):
        return promote(
            job,
            [_requested(part) for part in parts],
            seen,
            moved=partial(keep_moved, job, parts),
        )


def _requested(part: Part) -> Requested:
    """Return the request to promote the candidate, with its verdict if that is not recorded yet."""
    target, job, alias = part.target, part.target.job, part.deployed.alias
    request = PromotionRequest(
        part.deployed.candidate,
        job.run.commit,
        job.run.run_id,
        part.plan,
        part.unrecorded_verdict,
        reason=job.inputs.reason,
        by=job.context.actor if job.inputs.override else "",
        seen_under=alias.revision_id if alias else "",
    )
    return Requested(target, request, part.held_lock)
