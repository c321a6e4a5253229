"""The report of a run, from which outputs and job summary are rendered."""

import json
from dataclasses import dataclass

from promote.core.endpoint import Endpoint
from promote.core.promotion import Promotion
from promote.core.run import Result
from promote.core.verdict import Outcome, Verdict
from promote.core.version import Candidate, Snapshot

_SHOWN = 5
"""The most failed checks in the annotation. The job summary has all."""


@dataclass(frozen=True)
class Link:
    """A label, and the page it links to; ``url`` may be empty."""

    label: str
    url: str

    def __str__(self) -> str:
        """Return the text for the log."""
        return self.label


@dataclass(frozen=True)
class Table:
    """A table of a report."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Link, ...], ...]
    otherwise: str
    """The text if there are no rows."""


@dataclass(frozen=True)
class Report:
    """The result of a run, and its cause."""

    result: Result
    headline: str = ""
    """One sentence; the output ``summary``."""
    hint: str = ""
    """What to do; empty if nothing is to be done."""
    title: str = "Not promoted"
    """The title of the error annotation, if there is one."""
    candidate: Candidate | None = None
    deployed: Snapshot | None = None
    """The candidate's code and configuration, if this run has deployed it."""
    previous: str = ""
    """The version that the environment served before; empty if there was none."""
    changes: tuple[str, ...] = ()
    """What was deployed or, in a dry run, would be deployed."""
    verdict: Verdict | None = None
    token: str = ""
    """The output ``candidate`` if later steps of the job test the candidate; else empty."""
    preview: Endpoint | None = None
    """The preview endpoint of the candidate."""
    latest: Endpoint | None = None
    environment: Endpoint | None = None
    links: tuple[tuple[str, Link], ...] = ()
    """Links to other runs and pages, with their labels."""
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    """Information for the reader."""
    warnings: tuple[str, ...] = ()
    """Problems that did not stop the run."""
    lock_wait: float | None = None
    """The wait for the lock in seconds; None if the run did not need the lock."""
    may_have_moved: bool = False
    """Whether an alias may have moved and the run cannot tell."""
    move: Promotion | None = None
    """The promotion or rollback; None if there was none."""
    since: str = ""
    """The commit of the environment's previous promotion; empty if there was none or if it is not known."""
    release_notes: str = ""
    """The release notes, as Markdown."""
    release_notes_path: str = ""
    parts: tuple[tuple[str, "Report"], ...] = ()
    """The report of each function by name, if the release has several. The other fields are about the whole release."""

    @property
    def each(self) -> tuple["Report", ...]:
        """The report of each function; of one function, this report."""
        return tuple(part for _, part in self.parts) or (self,)

    @property
    def failures(self) -> list[str]:
        """The first failed or inconclusive checks, with their details."""
        checks = self.verdict.checks if self.verdict else ()
        missed = [check for check in checks if check.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE)]
        found = [f"{check.name}: {check.detail}" for check in missed]
        more = [f"... and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        return found[:_SHOWN] + more

    @property
    def version_change(self) -> str:
        """The environment's version before and after, such as ``1 → 2``; empty if it stays as it should."""
        before, now = self.previous, self.candidate.version if self.candidate else ""
        if now in ("", before) or self.result is Result.UNCHANGED:
            return ""
        if self.has_moved:
            return f"{before} → {now}" if before else f"{now}, the first"
        return f"{before} stays, {now} was not promoted" if before else f"none yet, {now} was not promoted"

    @property
    def has_moved(self) -> bool:
        """Whether the environment serves another version than before the run."""
        return self.result in (Result.PROMOTED, Result.ROLLED_BACK)

    def outputs(self) -> dict[str, str]:
        """Return the outputs of the step. For several functions, outputs about one function are those of the first."""
        first = self.parts[0][1] if self.parts else self
        return {
            "result": self.result.value,
            "promoted": "unknown" if self.may_have_moved else str(self.result is Result.PROMOTED).lower(),
            **first.facts,
            "functions": json.dumps({name: part.facts for name, part in self.parts}) if self.parts else "",
            "release-notes": self.release_notes,
            "release-notes-path": self.release_notes_path,
            "lock-wait-seconds": "" if self.lock_wait is None else f"{self.lock_wait:.1f}",
            "summary": self.headline,
        }

    @property
    def facts(self) -> dict[str, str]:
        """The outputs of one function."""
        return {
            "version": self.candidate.version if self.candidate else "",
            "previous-version": self.previous,
            "code-sha256": self.candidate.code_sha256 if self.candidate else "",
            "candidate": self.token or (self.candidate.identity if self.candidate else ""),
            "candidate-url": self.preview.url if self.preview else "",
            "latest-url": self.latest.url if self.latest else "",
            "environment-url": self.environment.url if self.environment else "",
        }
