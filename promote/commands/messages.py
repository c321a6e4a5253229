"""What the report of each result says: its headline, and what to do. ``reasons`` has why a promotion is refused."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import repeat

from promote.aws.clients import CALLS_AT_ONCE
from promote.commands import reasons
from promote.commands.report import report_of
from promote.core.commit_order import CommitOrder
from promote.core.concurrency import map_and_wait
from promote.core.lock_state import Claim
from promote.core.report import Link, Report
from promote.core.run import Result, join_names
from promote.core.verdict import Outcome
from promote.core.version import Candidate, same_content
from promote.inputs.usage import Command
from promote.pipeline.announce import NOTHING, Announcement
from promote.pipeline.job import Job
from promote.pipeline.part import Part, verdict_of
from promote.pipeline.promote import PromotionOutcome
from promote.pipeline.target import Target


def blocked(job: Job, parts: Sequence[Part], announced: Announcement = NOTHING) -> Report:
    """Return the report if not all candidates have passed."""
    verdict = verdict_of(parts)
    assert verdict is not None  # noqa: S101 - the caller has checked it
    missed = [part for part in parts if part.verdict and part.verdict.outcome is verdict.outcome]
    what = join_names([part.target.function.name for part in missed])
    serves = "keeps serving what it served" if any(part.previous for part in parts) else "still serves nothing"
    if len(parts) == 1:
        [part] = parts
        what = f"Version {part.candidate.version if part.candidate else 'unknown'}"
        serves = f"keeps serving version {part.previous}" if part.previous else serves
    if verdict.outcome is Outcome.INCONCLUSIVE:
        how = "could not be verified"
        hint = "An inconclusive verdict does not mean that the code is wrong. Remove the cause, and run the job again."
    else:
        how = "failed verification"
        shown = missed[0].latest_endpoint if missed[0].is_in_latest else None
        look = f"The broken build is still at {shown.url}. " if shown else ""
        hint = f"{look}Push a fix. A rollback is not needed."
    end = f"so {job.place} {serves}: {verdict.reason}."
    if served := [part for part in missed if part.candidate and part.candidate.version == part.previous]:
        which = "it" if len(parts) == 1 else join_names([part.target.function.name for part in served])
        cause, hint = _served_unverified(job, served)
        end = f"and {job.place} serves {which} already: {verdict.reason}.{cause}"
    return report_of(parts, Result.BLOCKED, f"{what} {how}, {end}", hint, announced=announced)


def _served_unverified(job: Job, served: Sequence[Part]) -> tuple[str, str]:
    """Return why the environment serves candidates that have not passed, and what to do.

    An external change put them there. Or they passed before, with other checks, and the cause is empty.
    """
    hint = "Users get it now. Return to what was served before with command: rollback, or push a fix."
    if all(part.target.served.version == part.previous for part in served):
        return "", hint
    return (
        f" Another tool moved the alias {job.inputs.environment} before the verification.",
        f"{hint} Then remove the alias from the stack, or pin it, as examples/workflows does for each tool.",
    )


def superseded(job: Job, parts: Sequence[Part], orders: Sequence[CommitOrder]) -> Report:
    """Return the report if an environment has a newer commit, so that no function is moved."""
    part, newer = next((part, order) for part, order in zip(parts, orders, strict=True) if order.is_older)
    headline = reasons.newer_commit(part.target, part.previous, newer)
    others = f" So no function of {job.inputs.names} was moved." if len(parts) > 1 else ""
    return report_of(parts, Result.SUPERSEDED, f"{headline}{others}")


def left_to(job: Job, targets: Sequence[Target], newer: Claim) -> Report:
    """Return the report if a newer run supersedes this one while it waits for the lock."""
    parts = list(map(Part.known, targets))
    headline = f"{job.place} was left as it is: {newer.name}, which is newer on this branch, supersedes this run."
    return replace(
        report_of(parts, Result.SUPERSEDED, headline),
        links=(("Superseded by", Link(newer.name, job.context.own_page(newer.url))),),
        lock_wait=job.progress.phases[-1].seconds,
    )


def refused(parts: Sequence[Part], orders: Sequence[CommitOrder]) -> Report:
    """Return the report if a function was rolled back, or its order of commits is unknown or has diverged."""
    part, found = next((part, order) for part, order in zip(parts, orders, strict=True) if order.is_refused)
    reason = reasons.refusal(part.target, found)
    return report_of(parts, Result.REFUSED, reason.headline, reason.hint)


def refused_early(targets: Sequence[Target], orders: Sequence[CommitOrder]) -> Report | None:
    """Return the refusal before a lock is acquired; None if there is no reason yet.

    If an environment has a newer commit or an unfinished release, the run decides after it has acquired the locks.
    """
    is_unsettled = any(target.served.pending for target in targets) or any(order.is_older for order in orders)
    if is_unsettled or not any(order.is_refused for order in orders):
        return None
    return refused(list(map(Part.known, targets)), orders)


def steps(job: Job) -> str:
    """Return the steps of ``run``, for the plan of a dry run."""
    count = sum(sum(inputs.checks_of.values()) for inputs in job.inputs.each)
    return f"deploy, verify with {count} {'check' if count == 1 else 'checks'}, and promote if all pass"


def planned(
    job: Job,
    targets: Sequence[Target],
    steps: str,
    orders: Sequence[CommitOrder],
    candidates: Sequence[Candidate] = (),
) -> Report:
    """Return the report of a dry run that would do ``steps``. ``orders`` would decide, if there are any.

    ``candidates`` are the versions that the aliases would move to, if they are known before a deployment.
    """
    parts = map_and_wait([partial(_planned, target) for target in targets], CALLS_AT_ONCE)
    for part in parts:
        for change in part.changes:
            part.target.job.say("plan", change)
    now = ""
    if len(parts) == 1:
        now = f"version {parts[0].previous}" if parts[0].previous else "nothing yet"
    if any(order.is_older for order in orders):
        plan = f"a run would be superseded. {superseded(job, parts, orders).headline}"
    elif any(order.is_refused for order in orders):
        plan = f"a run would be refused. {refused(parts, orders).headline}"
    elif all(map(_is_served, parts, candidates or repeat(None, len(parts)))):
        plan = f"nothing would change; {job.place} serves {now or 'this release'} already."
    else:
        plan = f"{job.place} serves {now}; a run would {steps}." if now else f"a run would {steps}: {job.place}."
    return report_of(parts, Result.PLANNED, f"Dry run: {plan}")


def _planned(target: Target) -> Part:
    """Return the function with what a run would change of it, and with what else it would find."""
    changes = (*target.changes, *(f"make the endpoint of {name}" for name in target.missing_endpoints))
    if target.alias and target.alias.follows_latest and _is_deploying(target):
        changes = (f"publish $LATEST and point {target.environment}, which follows it, at that version", *changes)
    return replace(Part.known(target), changes=changes, notes=tuple(reasons.circumstances(target)))


def _is_deploying(target: Target) -> bool:
    return target.job.inputs.command in (Command.RUN, Command.DEPLOY)


def _is_served(part: Part, candidate: Candidate | None) -> bool:
    """Whether the environment serves already what a run would promote, which is ``candidate`` if it is known."""
    target, served, alias = part.target, part.target.served, part.target.alias
    if part.changes or alias is None or alias.version != served.version or alias.is_moved_by_others:
        return False
    if not _is_deploying(target):
        return candidate is not None and candidate.is_in(vars(served)) and candidate.version == alias.version
    return target.latest is not None and same_content(target.latest, served) and served.plan == target.plan


def promoted(
    job: Job,
    parts: Sequence[Part],
    outcome: PromotionOutcome,
    notes: tuple[str, ...] = (),
    announced: Announcement = NOTHING,
) -> Report:
    """Return the report of what the environment serves now. The parts have their decisions."""
    moved = [part for part in parts if part.has_moved]
    # A rollback leaves out the functions that serve nothing.
    place = f"{job.inputs.environment} of {join_names([part.target.job.inputs.function_name for part in parts])}"
    if traffic := " ".join(part.traffic for part in parts if part.traffic):
        headline = traffic if len(parts) == 1 else f"{place} points at {_releases(parts)}. {traffic}"
    elif not moved:
        headline = f"{place} serves {_releases(parts)} already; nothing was changed."
    elif outcome.result is Result.ROLLED_BACK:
        headline = f"{place} was rolled back to {_releases(parts)}."
    else:
        headline = f"{place} now serves {_releases(parts)}."
    if outcome.seconds is not None and len(moved) > 1:
        notes = (*notes, f"The {len(moved)} aliases were moved within {1000 * outcome.seconds:.0f} ms.")
    return report_of(parts, outcome.result, headline, notes=notes, warnings=outcome.warnings, announced=announced)


def _releases(parts: Sequence[Part]) -> str:
    """Return the versions that are served now, with those that were served before."""
    if len(parts) == 1:
        [part] = parts
        version = f"version {part.candidate.version if part.candidate else 'unknown'}"
        before = f" (before: version {part.previous})" if part.previous else " (its first)"
        return f"{version}{before}" if part.has_moved else version
    moves = [
        f"{part.target.function.name} {part.candidate.version} (before: {part.previous or 'none'})"
        for part in parts
        if part.has_moved and part.candidate
    ]
    return f"one release: {join_names(moves)}" if moves else "this release"
