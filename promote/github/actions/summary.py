"""The job summary: what has become of the environment, for people."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from promote.core.report import Link, Report
from promote.core.run import Phase, Result, short_commit
from promote.core.verdict import CheckResult, Outcome
from promote.github.actions.context import Context
from promote.github.actions.log import SUMMARY_LIMIT
from promote.github.actions.markdown import Markdown, address, code, escape, link, row, text, unbroken

if TYPE_CHECKING:
    from jinja2 import Template

_RESULTS = {
    Result.PROMOTED: Markdown("✅"),
    Result.UNCHANGED: Markdown("✅"),
    Result.SUPERSEDED: Markdown("⏭️"),
    Result.DEPLOYED: Markdown("🧪"),
    Result.ROLLED_BACK: Markdown("⏪"),
    Result.BLOCKED: Markdown("⛔"),
    Result.REFUSED: Markdown("⛔"),
    Result.LOCKED: Markdown("🔒"),
    Result.UNLOCKED: Markdown("🔓"),
    Result.REPORTED: Markdown("📋"),
    Result.PLANNED: Markdown("📋"),
    Result.FAILED: Markdown("❌"),
}
_OUTCOMES = {
    Outcome.FAILED: Markdown("❌"),
    Outcome.INCONCLUSIVE: Markdown("❓"),
    Outcome.PASSED: Markdown("✅"),
    Outcome.SKIPPED: Markdown("⏭️"),
}
"""In the order in which checks are shown."""
_LENGTHS = (1000, 100, 10)
"""Entries of each list that are shown: as many as fit, and ten always do."""


class Named(Protocol):
    """The inputs, as far as the summary shows them."""

    @property
    def environment(self) -> str:
        """The environment's name, or empty."""

    @property
    def names(self) -> str:
        """The function's name, or the names of all, for people."""

    @property
    def parts(self) -> Sequence[object]:
        """The inputs of each function, where there are several."""


class Subject(Protocol):
    """A job, as far as the summary shows it."""

    @property
    def inputs(self) -> Named:
        """What it works on."""

    @property
    def phases(self) -> list[Phase]:
        """Those that have ended."""


def render(report: Report, context: Context, job: Subject | None, redact: Callable[[str], str] = str) -> str:
    """Give the summary as GitHub Flavored Markdown, never more than the runner takes.

    ``job`` is None where the inputs were wrong. ``redact`` takes the secrets out of text as it came: when it has been
    cut and has marks in between, they might not be found any more.
    """
    checks = report.verdict.checks if report.verdict else ()
    render_with = partial(
        _template(redact).render,
        report=report,
        mark=_RESULTS[report.result],
        facts=list(_facts(report, context, job)),
        missed=sorted((check for check in checks if check.outcome is not Outcome.PASSED), key=_order),
        passed=[check for check in checks if check.outcome is Outcome.PASSED],
        marks=_OUTCOMES,
        flow=Flow.of(report, context, job.inputs.environment if job else ""),
        timeline=Timeline.of(report, job.phases) if job else None,
    )
    # Their title would repeat the headline.
    summary, notes = "", Markdown(re.sub(r"\A#+ .*\n*", "", redact(report.release_notes).strip()))
    for length in _LENGTHS:
        summary = re.sub(r"\n{3,}", "\n\n", render_with(length=length, release_notes=notes)).strip()
        if len(summary.encode()) < SUMMARY_LIMIT:
            return summary
    return re.sub(r"\n{3,}", "\n\n", render_with(length=_LENGTHS[-1], release_notes=_TOO_LONG)).strip()


_TOO_LONG = Markdown("The release notes are too long for this page; the step's output `release-notes` has them.")


def _template(redact: Callable[[str], str]) -> "Template":
    """Return the template of the summary."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - takes a while to load

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - it knows HTML alone; finalize escapes all that is inserted
        finalize=lambda value: value if isinstance(value, Markdown) else text(redact(str(value))),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(code=lambda value: code(redact(value)), duration=duration, unbroken=unbroken)
    environment.filters.update(raw=Markdown)
    environment.globals.update(row=lambda *cells: row(*(_cell(cell, redact) for cell in cells)), more=_more)
    return environment.get_template("summary.md.jinja")


def _cell(cell: object, redact: Callable[[str], str]) -> Markdown:
    if isinstance(cell, Link):
        return link(redact(cell.label), cell.url)
    return cell if isinstance(cell, Markdown) else text(redact(str(cell)))


def duration(seconds: float) -> str:
    """Give a time as people say it: ``34 ms``, ``1.2 s``, ``2 min 5 s``, ``1 h 2 min``."""
    if round(seconds, 3) < 1:
        return f"{1000 * seconds:.0f} ms"
    if round(seconds, 1) < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


@dataclass(frozen=True)
class Flow:
    """How a candidate came to an environment, or why it did not, as a chart. Its parts hold nothing from outside."""

    commit: str
    version: str
    outcome: str
    verdict: str
    environment: str
    after: str
    """What the environment serves."""
    has_moved: bool

    @classmethod
    def of(cls, report: Report, context: Context, name: str) -> "Flow | None":
        """Lay it out; ``name`` is the environment's, which may have no endpoint. None: nothing was verified."""
        verdict, environment = report.verdict, report.environment.qualifier if report.environment else name
        if not (verdict and report.candidate and environment and report.result in (Result.PROMOTED, Result.BLOCKED)):
            return None
        outcome, has_moved = verdict.outcome, report.result is Result.PROMOTED
        after = report.candidate.version if has_moved else report.previous
        count = sum(check.outcome is outcome for check in verdict.checks)
        return cls(
            commit=short_commit(report.move.commit if report.move else context.commit),
            version=report.candidate.version,
            outcome=outcome.value,
            verdict=f"{count} of {len(verdict.checks)} checks {outcome.value}" if verdict.checks else outcome.value,
            environment=environment,
            after=f"{'serves' if has_moved else 'keeps'} version {after}" if after else "serves nothing yet",
            has_moved=has_moved,
        )


@dataclass(frozen=True)
class Bar:
    """A phase in the chart: times in milliseconds from the run's beginning."""

    name: str
    start: int
    end: int
    label: str
    has_stopped: bool
    """Whether it is where a run stopped that did not end well."""


@dataclass(frozen=True)
class Timeline:
    """The phases as a chart."""

    bars: tuple[Bar, ...]
    seconds: float

    @classmethod
    def of(cls, report: Report, phases: list[Phase]) -> "Timeline | None":
        """Lay the phases out; None: there are too few to compare."""
        if len(phases) < 2:  # noqa: PLR2004 - one bar says nothing
            return None
        ordered = sorted(phases, key=lambda phase: phase.started)
        zero = ordered[0].started
        end = max(phase.started + timedelta(seconds=phase.seconds) for phase in phases)
        seconds = (end - zero).total_seconds()
        stopped = {Result.BLOCKED: "verify", Result.FAILED: phases[-1].name}.get(report.result)
        bars = []
        for phase in ordered:
            start = round(1000 * (phase.started - zero).total_seconds())
            # A bar that is too short is not drawn.
            length = round(1000 * max(phase.seconds, seconds / 200, 0.001))
            bars.append(Bar(_title(phase), start, start + length, duration(phase.seconds), phase.name == stopped))
        return cls(tuple(bars), seconds)

    @property
    def axis(self) -> str:
        """The format of times on the axis. They count from the epoch, whatever the reader's time zone."""
        return "%Q ms" if self.seconds < 2 else "%s s" if self.seconds > 10 else "%s.%L s"  # noqa: PLR2004 - by eye


def _title(phase: Phase) -> str:
    """Give a phase's name as a chart takes it."""
    return re.sub(r"[^a-z ]", "", phase.name).capitalize()


def _facts(report: Report, context: Context, job: Subject | None) -> Iterator[tuple[str, object]]:
    """Yield the evidence: what is spoken of, and where to find it."""
    if job:
        yield "Functions" if job.inputs.parts else "Function", job.inputs.names
        at = Markdown(f" {address(report.environment.url)}" if report.environment else "")
        if job.inputs.environment:
            yield "Environment", Markdown(escape(job.inputs.environment) + at)
    if version := _version(report):
        yield "Version", version
    if report.preview and report.preview != report.latest:
        yield "Candidate", address(report.preview.url)
    if report.latest:
        yield "Endpoint of latest", address(report.latest.url)
    yield from report.links
    if commit := report.move.commit if report.move else context.commit:
        yield "Commit", link(code(short_commit(commit)), context.commit_url(commit))
    if context.run_url:
        attempt = f", attempt {context.attempt}" if context.attempt > 1 else ""
        yield "Run", link(f"{context.run_id}{attempt}", context.run_url)


def _version(report: Report) -> Markdown | str:
    before, now = report.previous, report.candidate.version if report.candidate else ""
    if not now or before == now:
        return before
    if report.result in (Result.PROMOTED, Result.ROLLED_BACK):
        return code(f"{before} → {now}") if before else f"{now}, the first"
    return f"{before} stays, {now} was not promoted" if before else f"none yet, {now} was not promoted"


def _more(entries: Sequence[object], length: int) -> Markdown:
    """Say how many of ``entries`` are left out."""
    return Markdown(f"_{len(entries) - length} more are not shown here._" if len(entries) > length else "")


def _order(check: CheckResult) -> int:
    return list(_OUTCOMES).index(check.outcome)
