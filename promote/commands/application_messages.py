"""How the release of several functions ended, in words: what the commands that work on applications have in common."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from promote.commands import messages
from promote.core.concurrency import map_and_wait
from promote.core.decision import CommitOrder
from promote.core.lock_state import Claim
from promote.core.report import Link, Report, Table
from promote.core.run import Result, join_names
from promote.core.verdict import Outcome as Found
from promote.core.verdict import Verdict
from promote.inputs.model import Isolation
from promote.pipeline.announce import announce_all
from promote.pipeline.application import Outcome
from promote.pipeline.capacity import followed
from promote.pipeline.job import Job
from promote.pipeline.prepare import Held
from promote.pipeline.saga import WIDTH
from promote.pipeline.target import Target

_PARTS = ("Function", "Version", "Verification", "Endpoint")


def name(job: Job) -> str:
    """Name the environment for people."""
    return f"{job.inputs.environment} of {job.inputs.names}"


def announced(job: Job, targets: Sequence[Target], report: Report, commit: str) -> Report:
    """Tell of it: ``promote.pipeline.announce``."""
    return announce_all(job, targets, report, commit)


def begun(job: Job, held: Held) -> list[Report]:
    """Say of each function what is certain when the locks are had."""
    reports = [messages.begun(target, held_lock) for target, held_lock in held]
    job.reports.append(combined(job, reports, Report(Result.FAILED)))
    return reports


def combined(job: Job, parts: Sequence[Report], whole: Report) -> Report:
    """Give the report of the whole, with what is known of each function."""
    names = [inputs.function_name for inputs in job.inputs.parts]
    waits = [part.lock_wait for part in parts if part.lock_wait is not None]
    named = list(zip(names, parts, strict=True))
    return replace(
        whole,
        parts=tuple(named),
        verdict=_verdict(named),
        changes=tuple(f"{name}: {change}" for name, part in named for change in part.changes),
        tables=(*whole.tables, _table(named)),
        warnings=(*whole.warnings, *_said(named, lambda part: part.warnings)),
        notes=(*whole.notes, *_said(named, lambda part: part.notes)),
        lock_wait=sum(waits) if waits else whole.lock_wait,
    )


def _said(parts: Sequence[tuple[str, Report]], of: Callable[[Report], tuple[str, ...]]) -> Iterator[str]:
    """Yield what is said of functions; what is said of several alike, once."""
    texts: dict[str, list[str]] = {}
    for name, part in parts:
        for text in of(part):
            texts.setdefault(text, []).append(name)
    for text, names in texts.items():
        yield f"{join_names(names)}: {text}"


def _verdict(parts: Sequence[tuple[str, Report]]) -> Verdict | None:
    """Sum up what was found of all functions; None: nothing was verified."""
    verdicts = [(name, part.verdict) for name, part in parts if part.verdict]
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
            _version(part),
            part.verdict.outcome.value if part.verdict else "",
            Link(part.environment.url, part.environment.url) if part.environment else "",
        )
        for name, part in parts
    ]
    return Table("Functions", _PARTS, tuple(rows), "There are none.")


def _version(part: Report) -> str:
    before, now = part.previous, part.candidate.version if part.candidate else ""
    if part.move and part.move.previous is not None:
        return f"{before} → {now}" if before else f"{now}, the first"
    if part.result is Result.UNCHANGED or not now or now == before:
        return f"{before or now} stays"
    return f"{before} stays, {now} was not promoted" if before else f"none, {now} was not promoted"


def blocked(job: Job, parts: Sequence[Report]) -> Report:
    """Say that not all candidates have passed."""
    names = [inputs.function_name for inputs in job.inputs.parts]
    missed = [name for name, part in zip(names, parts, strict=True) if part.verdict and not part.verdict.passed]
    whole = combined(job, [replace(part, result=Result.BLOCKED) for part in parts], Report(Result.BLOCKED))
    assert whole.verdict is not None  # noqa: S101 - the caller has seen it
    how = "could not be verified" if whole.verdict.outcome is Found.INCONCLUSIVE else "failed verification"
    serves = "keeps serving what it served" if any(part.previous for part in parts) else "still serves nothing"
    first = next(part for part in parts if part.verdict and not part.verdict.passed)
    shown = first.latest if job.inputs.isolation is Isolation.LATEST and whole.verdict.outcome is Found.FAILED else None
    look = f"The broken build can be looked at on {shown.url}. " if shown else ""
    return replace(
        whole,
        headline=f"{join_names(missed)} {how}, so {name(job)} {serves}: {whole.verdict.reason}.",
        hint=f"{look}Push a fix; nothing needs a rollback.",
    )


def superseded(job: Job, targets: Sequence[Target], parts: Sequence[Report], orders: Sequence[CommitOrder]) -> Report:
    """Say that a function has a newer commit, so that none is moved."""
    at = next(place for place, order in enumerate(orders) if order.is_older)
    said = messages.superseded(targets[at], parts[at], orders[at])
    headline = f"{said.headline} All of {job.inputs.names} stay with it."
    return combined(job, [replace(part, result=said.result) for part in parts], Report(said.result, headline))


def refused(job: Job, targets: Sequence[Target], parts: Sequence[Report], orders: Sequence[CommitOrder]) -> Report:
    """Say that the order of commits is not known for a function, or that its histories have diverged."""
    at = next(place for place, order in enumerate(orders) if order.is_refused)
    said = messages.refused(targets[at], parts[at], orders[at])
    whole = Report(said.result, said.headline, said.hint)
    return combined(job, [replace(part, result=said.result) for part in parts], whole)


def refused_early(job: Job, targets: Sequence[Target], orders: Sequence[CommitOrder]) -> Report | None:
    """Refuse all before a lock is taken, so that nothing is changed; None: there is no reason yet.

    If a function has a newer commit, or something that is unfinished, what to do is decided under the locks.
    """
    is_unsettled = any(target.served.pending or target.served.intent for target in targets)
    if is_unsettled or any(order.is_older for order in orders):
        return None
    found = [messages.refused_early(target, order) for target, order in zip(targets, orders, strict=True)]
    said = next((report for report in found if report), None)
    if said is None:
        return None
    parts = [Report(said.result, previous=target.served.version) for target in targets]
    return combined(job, parts, Report(said.result, said.headline, said.hint))


def gave_way(job: Job, targets: Sequence[Target], newer: Claim) -> Report:
    """Say that a newer run has taken this one's place in line."""
    said = messages.gave_way(targets[0], newer)
    headline = f"{name(job)} is left to {newer.name}, a newer one of this branch; nothing was changed."
    return replace(said, headline=headline, lock_wait=job.phases[-1].seconds)


def planned(job: Job, targets: Sequence[Target], steps: str, orders: Sequence[CommitOrder]) -> Report:
    """Say what would be done, ``steps`` after all; ``orders`` are what would be decided by, if that matters."""
    parts = map_and_wait(
        [lambda target=target: messages.planned(target, steps, None) for target in targets],  # type: ignore[misc]
        WIDTH,
    )
    if any(order.is_older for order in orders):
        said = superseded(job, targets, parts, orders).headline
        headline = f"Dry run: a run would give way. {said}"
    elif any(order.is_refused for order in orders):
        headline = f"Dry run: a run would be refused. {refused(job, targets, parts, orders).headline}"
    elif orders and not any(part.changes for part in parts) and all(_is_served(target) for target in targets):
        headline = f"Dry run: nothing would change; {name(job)} serves this release already."
    else:
        headline = f"Dry run: a run would {steps}: {name(job)}."
    return combined(job, parts, Report(Result.PLANNED, headline))


def _is_served(target: Target) -> bool:
    latest, served = target.latest, target.served
    return latest is not None and latest.candidate.is_in(vars(served)) and served.plan == target.plan


def moved(targets: Sequence[Target], parts: Sequence[Report], outcome: Outcome) -> list[Report]:
    """Say of each function what the environment serves now."""
    return [
        messages.promoted(target, part, decision)
        for target, part, decision in zip(targets, parts, outcome.decisions, strict=True)
    ]


def promoted(job: Job, parts: Sequence[Report], outcome: Outcome) -> Report:
    """Say what the environment serves now; ``parts`` say so of each function."""
    whole = combined(job, parts, Report(outcome.result, warnings=outcome.warnings))
    moves = [
        f"{function} {part.candidate.version} (before: {part.previous or 'none'})"
        for function, part in whole.parts
        if part.move and part.candidate
    ]
    if not moves:
        return replace(whole, headline=f"{name(job)} serves this release already; nothing was changed.")
    verb = "is back at" if outcome.result is Result.ROLLED_BACK else "now serves"
    headline = f"{name(job)} {verb} one release: {join_names(moves)}."
    if outcome.seconds is None or len(moves) == 1:
        return replace(whole, headline=headline)
    window = f"The {len(moves)} aliases were moved within {1000 * outcome.seconds:.0f} ms."
    return replace(whole, headline=headline, notes=(window, *whole.notes))


def decided(
    job: Job, targets: Sequence[Target], reports: Sequence[Report], outcome: Outcome, reached: Sequence[bool] = ()
) -> Report:
    """Say how it ended; after a move, see that the endpoints reach the functions, but those that were ``reached``."""
    found = [decision.standing for decision in outcome.decisions]
    if outcome.result is Result.SUPERSEDED:
        return superseded(job, targets, reports, found)
    if outcome.result is Result.REFUSED:
        return refused(job, targets, reports, found)
    parts = moved(targets, reports, outcome)
    if any(decision.alias and decision.alias.split.is_lambdas for decision in outcome.decisions):
        with job.phase("capacity"):
            parts = map_and_wait(
                [
                    partial(followed, target.job, target.function, decision.alias, part)
                    for target, decision, part in zip(targets, outcome.decisions, parts, strict=True)
                ],
                WIDTH,
            )
    with job.phase("endpoints"):
        known = [bool(reached) and reached[place] for place, _ in enumerate(targets)]
        parts = map_and_wait(
            [
                partial(messages.reachable, target, part, endpoint_ok=endpoint_ok)
                for target, part, endpoint_ok in zip(targets, parts, known, strict=True)
            ],
            WIDTH,
        )
    return promoted(job, parts, outcome)
