"""The job summary."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from promote.core.progress import Phase, Progress
from promote.core.report import Link, Report
from promote.core.run import Result, short_commit
from promote.core.verdict import CheckResult, Outcome
from promote.github.actions.context import Context
from promote.github.actions.log import SUMMARY_LIMIT
from promote.github.actions.markdown import Markdown, address, code, escape, link, row, text, unbroken

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.runtime import Context as Variables

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
    Result.ADOPTED: Markdown("✅"),
    Result.UNINSTALLED: Markdown("🧹"),
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
"""The mark of each outcome, in the order in which checks are shown."""
_LENGTHS = (1000, 100, 10)
"""The most entries of each list: the largest of these numbers with which the summary fits. Ten always fit."""


class Named(Protocol):
    """The inputs that the summary shows."""

    @property
    def environment(self) -> str:
        """The name of the environment; or empty."""

    @property
    def names(self) -> str:
        """The name of the function, or the names of all functions."""

    @property
    def parts(self) -> Sequence[object]:
        """The inputs of each function, if there are several."""


class Subject(Protocol):
    """The parts of a job that the summary shows."""

    @property
    def inputs(self) -> Named:
        """The inputs."""

    @property
    def progress(self) -> Progress:
        """The phases that have ended."""


def render(report: Report, context: Context, job: Subject | None, redact: Callable[[str], str] = str) -> str:
    """Return the summary as GitHub Flavored Markdown, within the runner's limit.

    ``job`` is None if the inputs are not valid. ``redact`` redacts secrets in each text before the text is shortened
    and escaped, because after that a secret might not be found.
    """
    checks = report.verdict.checks if report.verdict else ()
    render_with = partial(
        _template().render,
        redact=redact,
        report=report,
        mark=_RESULTS[report.result],
        facts=list(_facts(report, context, job)),
        missed=sorted((check for check in checks if check.outcome is not Outcome.PASSED), key=_order),
        passed=[check for check in checks if check.outcome is Outcome.PASSED],
        marks=_OUTCOMES,
        flow=Flow.of(report, context, job.inputs.environment if job else ""),
        timeline=Timeline.of(report, job.progress.phases) if job else None,
    )
    # The title of the notes would repeat the headline.
    summary, notes = "", Markdown(re.sub(r"\A#+ .*\n*", "", redact(report.release_notes).strip()))
    for length in _LENGTHS:
        summary = re.sub(r"\n{3,}", "\n\n", render_with(length=length, release_notes=notes)).strip()
        if len(summary.encode()) < SUMMARY_LIMIT:
            return summary
    return re.sub(r"\n{3,}", "\n\n", render_with(length=_LENGTHS[-1], release_notes=_TOO_LONG)).strip()


_TOO_LONG = Markdown("The release notes are too long for this page. See the output `release-notes` of the step.")


@cache
def _template() -> "Template":
    """Return the template of the summary. Its variable ``redact`` redacts the text that is inserted."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context  # noqa: PLC0415 - slow to load

    @pass_context
    def finalize(context: "Variables", value: object) -> Markdown:
        return value if isinstance(value, Markdown) else text(context["redact"](str(value)))

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - it only supports HTML; finalize escapes all inserted values
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(code=pass_context(lambda context, value: code(context["redact"](value))))
    environment.filters.update(duration=duration, unbroken=unbroken, raw=Markdown)
    environment.globals.update(
        row=pass_context(lambda context, *cells: row(*(_cell(cell, context["redact"]) for cell in cells))), more=_more
    )
    return environment.get_template("summary.md.jinja")


def _cell(cell: object, redact: Callable[[str], str]) -> Markdown:
    if isinstance(cell, Link):
        return link(redact(cell.label), cell.url)
    return cell if isinstance(cell, Markdown) else text(redact(str(cell)))


def duration(seconds: float) -> str:
    """Return a duration with its unit: ``34 ms``, ``1.2 s``, ``2 min 5 s``, ``1 h 2 min``."""
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
    """The flowchart of a promotion, or of one that was blocked. Its values contain no untrusted text."""

    commit: str
    version: str
    outcome: str
    verdict: str
    environment: str
    after: str
    """What the environment serves afterwards."""
    has_moved: bool

    @classmethod
    def of(cls, report: Report, context: Context, name: str) -> "Flow | None":
        """Return the chart; None if nothing was verified. ``name`` is the environment's name, if it has no endpoint."""
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
    """A phase in the time chart. Times are in milliseconds since the start of the run."""

    name: str
    start: int
    end: int
    label: str
    has_stopped: bool
    """Whether the run failed or was blocked in this phase."""


@dataclass(frozen=True)
class Timeline:
    """The time chart of the phases."""

    bars: tuple[Bar, ...]
    seconds: float

    @classmethod
    def of(cls, report: Report, phases: list[Phase]) -> "Timeline | None":
        """Return the chart; None if there are fewer than two phases."""
        if len(phases) < 2:  # noqa: PLR2004 - nothing to compare
            return None
        ordered = sorted(phases, key=lambda phase: phase.started)
        zero = ordered[0].started
        end = max(phase.started + timedelta(seconds=phase.seconds) for phase in phases)
        seconds = (end - zero).total_seconds()
        stopped = {Result.BLOCKED: "verify", Result.FAILED: phases[-1].name}.get(report.result)
        bars = []
        for phase in ordered:
            start = round(1000 * (phase.started - zero).total_seconds())
            # Mermaid does not draw a bar that is too short.
            length = round(1000 * max(phase.seconds, seconds / 200, 0.001))
            bars.append(Bar(_title(phase), start, start + length, duration(phase.seconds), phase.name == stopped))
        return cls(tuple(bars), seconds)

    @property
    def axis(self) -> str:
        """The format of times on the axis. They count from the epoch, in any time zone of the reader."""
        return "%Q ms" if self.seconds < 2 else "%s s" if self.seconds > 10 else "%s.%L s"  # noqa: PLR2004 - readable


def _title(phase: Phase) -> str:
    """Return the name of a phase for the chart."""
    return re.sub(r"[^a-z ]", "", phase.name).capitalize()


def _facts(report: Report, context: Context, job: Subject | None) -> Iterator[tuple[str, object]]:
    """Yield the rows of the table of facts, with links."""
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
    change = report.version_change
    is_change = change and report.has_moved and report.previous
    return code(change) if is_change else change or report.previous


def _more(entries: Sequence[object], length: int) -> Markdown:
    """Return a line with the number of ``entries`` that are not shown; empty if all are."""
    return Markdown(f"_{len(entries) - length} more are not shown here._" if len(entries) > length else "")


def _order(check: CheckResult) -> int:
    return list(_OUTCOMES).index(check.outcome)
