"""The headlines and hints of a release. ``part_messages`` has those of a single function."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.commands import part_messages
from promote.commands.part import Part
from promote.core.concurrency import map_and_wait
from promote.core.decision import CommitOrder
from promote.core.lock_state import Claim
from promote.core.report import Link, Report, Table
from promote.core.run import Result, join_names
from promote.core.verdict import Outcome as Found
from promote.core.verdict import Verdict
from promote.inputs.model import Isolation
from promote.pipeline.held_locks import Held
from promote.pipeline.job import Job
from promote.pipeline.promote import Outcome
from promote.pipeline.target import Target

_COLUMNS = ("Function", "Version", "Verification", "Endpoint")


def name(job: Job) -> str:
    """Return the name of the environment with its functions, as messages show it."""
    return f"{job.inputs.environment} of {job.inputs.names}"


def begun(held: Held) -> list[Part]:
    """Return the functions after the locks were acquired, with the reports of that time."""
    return [Part(target, part_messages.begun(target, held_lock), held_lock) for target, held_lock in held]


def so_far(job: Job, parts: Sequence[Part]) -> Report:
    """Return the report that is shown if the run is interrupted now."""
    return _combined(job, parts, Report(Result.FAILED)) if job.inputs.parts else parts[0].report


def _combined(job: Job, parts: Sequence[Part], whole: Report) -> Report:
    """Return the report ``whole``, with the reports of all functions added."""
    named = [(inputs.function_name, part.report) for inputs, part in zip(job.inputs.parts, parts, strict=True)]
    waits = [report.lock_wait for _, report in named if report.lock_wait is not None]
    return replace(
        whole,
        parts=tuple(named),
        verdict=_verdict(named),
        changes=tuple(f"{name}: {change}" for name, report in named for change in report.changes),
        tables=(*whole.tables, _table(named)),
        warnings=(*whole.warnings, *_distinct(named, lambda report: report.warnings)),
        notes=(*whole.notes, *_distinct(named, lambda report: report.notes)),
        lock_wait=sum(waits) if waits else whole.lock_wait,
    )


def _distinct(parts: Sequence[tuple[str, Report]], of: Callable[[Report], tuple[str, ...]]) -> Iterator[str]:
    """Yield the texts of all functions. A text that several functions share is yielded once."""
    texts: dict[str, list[str]] = {}
    for name, report in parts:
        for text in of(report):
            texts.setdefault(text, []).append(name)
    for text, names in texts.items():
        yield f"{join_names(names)}: {text}"


def _verdict(parts: Sequence[tuple[str, Report]]) -> Verdict | None:
    """Return the verdict of all functions together; None if no function was verified."""
    verdicts = [(name, report.verdict) for name, report in parts if report.verdict]
    if not verdicts:
        return None
    checks = tuple(replace(check, name=f"{name}: {check.name}") for name, found in verdicts for check in found.checks)
    order = (Found.FAILED, Found.INCONCLUSIVE, Found.PASSED)
    outcome = next(found for found in order if found in [verdict.outcome for _, verdict in verdicts])
    reason = "; ".join(f"{name}: {found.reason}" for name, found in verdicts if found.reason)
    return Verdict(outcome, checks, reason)


def _table(parts: Sequence[tuple[str, Report]]) -> Table:
    rows = [
        (
            name,
            _version(report),
            report.verdict.outcome.value if report.verdict else "",
            Link(report.environment.url, report.environment.url) if report.environment else "",
        )
        for name, report in parts
    ]
    return Table("Functions", _COLUMNS, tuple(rows), "None.")


def _version(report: Report) -> str:
    before, now = report.previous, report.candidate.version if report.candidate else ""
    if report.move and report.move.previous is not None:
        return f"{before} → {now}" if before else f"{now}, the first"
    if report.result is Result.UNCHANGED or not now or now == before:
        return f"{before or now} stays"
    return f"{before} stays, {now} was not promoted" if before else f"none, {now} was not promoted"


def blocked(job: Job, parts: Sequence[Part]) -> Report:
    """Return the report if not all candidates have passed."""
    missed = [part for part in parts if part.report.verdict and not part.report.verdict.passed]
    if not job.inputs.parts:
        return part_messages.blocked(missed[0].target, missed[0].report)
    whole = _combined(job, [part.reported(result=Result.BLOCKED) for part in parts], Report(Result.BLOCKED))
    assert whole.verdict is not None  # noqa: S101 - the caller has checked it
    how = "could not be verified" if whole.verdict.outcome is Found.INCONCLUSIVE else "failed verification"
    serves = "keeps serving what it served" if any(part.report.previous for part in parts) else "still serves nothing"
    is_shown = job.inputs.isolation is Isolation.LATEST and whole.verdict.outcome is Found.FAILED
    shown = missed[0].report.latest if is_shown else None
    look = f"The broken build is still at {shown.url}. " if shown else ""
    names = join_names([part.target.function.name for part in missed])
    return replace(
        whole,
        headline=f"{names} {how}, so {name(job)} {serves}: {whole.verdict.reason}.",
        hint=f"{look}Push a fix. A rollback is not needed.",
    )


def superseded(job: Job, parts: Sequence[Part], orders: Sequence[CommitOrder]) -> Report:
    """Return the report if an environment has a newer commit, so that no function is moved."""
    at = next(place for place, order in enumerate(orders) if order.is_older)
    reason = part_messages.superseded(parts[at].target, parts[at].report, orders[at])
    headline = f"{reason.headline} So no function of {job.inputs.names} was moved."
    return of_all(job, parts, reason, headline)


def refused(job: Job, parts: Sequence[Part], orders: Sequence[CommitOrder]) -> Report:
    """Return the report if the order of commits is not known for a function, or its histories have diverged."""
    at = next(place for place, order in enumerate(orders) if order.is_refused)
    reason = part_messages.refused(parts[at].target, parts[at].report, orders[at])
    return of_all(job, parts, reason, reason.headline)


def of_all(job: Job, parts: Sequence[Part], reason: Report, headline: str) -> Report:
    """Return the report of the whole release, if the ``reason`` of one function applies to all."""
    if not job.inputs.parts:
        return reason
    whole = Report(reason.result, headline, reason.hint)
    return _combined(job, [part.reported(result=reason.result) for part in parts], whole)


def refused_early(job: Job, targets: Sequence[Target], orders: Sequence[CommitOrder]) -> Report | None:
    """Return the refusal of all functions before a lock is acquired; None if there is no reason yet.

    If an environment has a newer commit or an unfinished release, the run decides after it has acquired the locks.
    """
    is_unsettled = any(target.served.pending for target in targets)
    if is_unsettled or any(order.is_older for order in orders):
        return None
    found = [part_messages.refused_early(target, order) for target, order in zip(targets, orders, strict=True)]
    reason = next((report for report in found if report), None)
    if reason is None:
        return None
    parts = [Part(target, Report(reason.result, previous=target.served.version)) for target in targets]
    return of_all(job, parts, reason, reason.headline)


def left_to(job: Job, targets: Sequence[Target], newer: Claim) -> Report:
    """Return the report if a newer run has taken this one's place in the queue."""
    reason = part_messages.left_to(targets[0], newer)
    headline = f"{name(job)} was left as it is: {newer.name}, which is newer on this branch, supersedes this run."
    return replace(reason, headline=headline)


def steps(job: Job) -> str:
    """Return the steps of ``run``, for the plan of a dry run."""
    count = sum(sum(inputs.checks_of.values()) for inputs in job.inputs.parts or (job.inputs,))
    return f"deploy, verify with {count} {'check' if count == 1 else 'checks'}, and promote if all pass"


def planned(job: Job, targets: Sequence[Target], steps: str, orders: Sequence[CommitOrder]) -> Report:
    """Return the report of a dry run that would do ``steps``. ``orders`` would decide, if there are any."""
    if not job.inputs.parts:
        return part_messages.planned(targets[0], steps, orders[0] if orders else None)
    reports = map_and_wait([partial(part_messages.planned, target, steps, None) for target in targets], CALLS_AT_ONCE)
    parts = [Part(target, report) for target, report in zip(targets, reports, strict=True)]
    if any(order.is_older for order in orders):
        headline = f"Dry run: a run would be superseded. {superseded(job, parts, orders).headline}"
    elif any(order.is_refused for order in orders):
        headline = f"Dry run: a run would be refused. {refused(job, parts, orders).headline}"
    elif orders and not any(report.changes for report in reports) and all(_is_served(target) for target in targets):
        headline = f"Dry run: nothing would change; {name(job)} serves this release already."
    else:
        headline = f"Dry run: a run would {steps}: {name(job)}."
    return _combined(job, parts, Report(Result.PLANNED, headline))


def _is_served(target: Target) -> bool:
    latest, served = target.latest, target.served
    return latest is not None and latest.candidate.is_in(vars(served)) and served.plan == target.plan


def promoted(job: Job, parts: Sequence[Part], outcome: Outcome) -> Report:
    """Return the report of what the environment serves now."""
    return served(job, moved(parts, outcome), outcome)


def moved(parts: Sequence[Part], outcome: Outcome) -> list[Part]:
    """Add to each function's report what the environment serves now."""
    return [
        replace(part, report=part_messages.promoted(part.target, part.report, decision))
        for part, decision in zip(parts, outcome.decisions, strict=True)
    ]


def served(job: Job, parts: Sequence[Part], outcome: Outcome) -> Report:
    """Return the report of what the environment serves now, from the reports of ``moved``."""
    if not job.inputs.parts:
        report = parts[0].report
        return replace(report, warnings=(*report.warnings, *outcome.warnings))
    whole = _combined(job, parts, Report(outcome.result, warnings=outcome.warnings))
    moves = [
        f"{function} {report.candidate.version} (before: {report.previous or 'none'})"
        for function, report in whole.parts
        if report.move and report.candidate
    ]
    if not moves:
        return replace(whole, headline=f"{name(job)} serves this release already; nothing was changed.")
    verb = "was rolled back to" if outcome.result is Result.ROLLED_BACK else "now serves"
    headline = f"{name(job)} {verb} one release: {join_names(moves)}."
    if outcome.seconds is None or len(moves) == 1:
        return replace(whole, headline=headline)
    window = f"The {len(moves)} aliases were moved within {1000 * outcome.seconds:.0f} ms."
    return replace(whole, headline=headline, notes=(window, *whole.notes))
