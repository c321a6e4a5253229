"""Build the report of a run from what is known of its functions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from promote.core.report import Link, Report, Table
from promote.core.run import Result, join_names
from promote.pipeline.announce import NOTHING, Announcement
from promote.pipeline.part import Part, verdict_of

_COLUMNS = ("Function", "Version", "Verification", "Endpoint")


def report_of(  # noqa: PLR0913 - what a report says of the whole
    parts: Sequence[Part],
    result: Result,
    headline: str = "",
    hint: str = "",
    *,
    notes: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    announced: Announcement = NOTHING,
) -> Report:
    """Return the report of a run that ends with ``result``. ``notes`` and ``warnings`` are about all functions."""
    report = _whole(parts, result, headline, hint, notes, warnings)
    return replace(
        report,
        warnings=(*report.warnings, *announced.warnings),
        release_notes=announced.notes,
        release_notes_path=announced.path,
    )


def _whole(  # noqa: PLR0913, PLR0917 - as above
    parts: Sequence[Part],
    result: Result,
    headline: str,
    hint: str,
    notes: tuple[str, ...],
    warnings: tuple[str, ...],
) -> Report:
    named = [(part.target.job.inputs.function_name, _report(part, result)) for part in parts]
    if len(named) == 1:
        [(_, only)] = named
        notes, warnings = (*notes, *only.notes), (*warnings, *only.warnings)
        return replace(only, headline=headline, hint=hint, notes=notes, warnings=warnings)
    waits = [part.lock_wait for part in parts if part.lock_wait is not None]
    return Report(
        result,
        headline,
        hint,
        parts=tuple(named),
        verdict=verdict_of(parts),
        changes=tuple(f"{name}: {change}" for name, report in named for change in report.changes),
        tables=(_table(named),),
        notes=(*notes, *_distinct(named, lambda report: report.notes)),
        warnings=(*warnings, *_distinct(named, lambda report: report.warnings)),
        lock_wait=sum(waits) if waits else None,
    )


def _report(part: Part, result: Result) -> Report:
    """Return the report of one function."""
    decision = part.decision
    return Report(
        decision.result if decision else result,
        candidate=part.candidate,
        deployed=part.snapshot,
        previous=part.previous,
        changes=part.changes,
        verdict=part.verdict,
        latest=part.latest_endpoint,
        environment=part.environment_endpoint,
        notes=part.notes,
        warnings=part.warnings,
        lock_wait=part.lock_wait,
        move=part.move,
        since=part.since,
    )


def _distinct(named: Sequence[tuple[str, Report]], of: Callable[[Report], tuple[str, ...]]) -> Iterator[str]:
    """Yield the texts of all functions. A text that several functions share is yielded once."""
    texts: dict[str, list[str]] = {}
    for name, report in named:
        for text in of(report):
            texts.setdefault(text, []).append(name)
    for text, names in texts.items():
        yield f"{join_names(names)}: {text}"


def _table(named: Sequence[tuple[str, Report]]) -> Table:
    rows = [
        (
            name,
            _version(report),
            report.verdict.outcome.value if report.verdict else "",
            Link(report.environment.url, report.environment.url) if report.environment else "",
        )
        for name, report in named
    ]
    return Table("Functions", _COLUMNS, tuple(rows), "None.")


def _version(report: Report) -> str:
    before, now = report.previous, report.candidate.version if report.candidate else ""
    if report.move and report.move.previous is not None:
        return f"{before} → {now}" if before else f"{now}, the first"
    if report.result is Result.UNCHANGED or not now or now == before:
        return f"{before or now or 'nothing'} stays"
    return f"{before} stays, {now} was not promoted" if before else f"none yet, {now} was not promoted"
