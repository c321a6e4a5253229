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
    named = [(part.target.job.inputs.function_name, _report(part, result)) for part in parts]
    whole = named[0][1] if len(named) == 1 else _together(parts, named, result)
    return replace(
        whole,
        headline=headline,
        hint=hint,
        notes=(*notes, *whole.notes),
        warnings=(*warnings, *whole.warnings, *announced.warnings),
        release_notes=announced.notes,
        release_notes_path=announced.path,
    )


def _together(parts: Sequence[Part], named: Sequence[tuple[str, Report]], result: Result) -> Report:
    """Return the report of several functions from their own reports, by name."""
    waits = [part.lock_wait for part in parts if part.lock_wait is not None]
    return Report(
        result,
        parts=tuple(named),
        verdict=verdict_of(parts),
        changes=tuple(f"{name}: {change}" for name, report in named for change in report.changes),
        tables=(_table(named),),
        notes=tuple(_distinct(named, lambda report: report.notes)),
        warnings=tuple(_distinct(named, lambda report: report.warnings)),
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
            report.version_change or f"{report.previous or 'nothing'} stays",
            report.verdict.outcome.value if report.verdict else "",
            Link(report.environment.url, report.environment.url) if report.environment else "",
        )
        for name, report in named
    ]
    return Table("Functions", _COLUMNS, tuple(rows), "None.")
