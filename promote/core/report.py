"""What a run has to say: one value, rendered as outputs and as the job summary."""

import json
from dataclasses import dataclass

from promote.core.endpoint import Endpoint
from promote.core.promotion import Promotion
from promote.core.run import Result
from promote.core.verdict import Outcome, Verdict
from promote.core.version import Candidate, Snapshot

_SHOWN = 5
"""Failed checks in the annotation; the summary has all."""


@dataclass(frozen=True)
class Link:
    """Text that leads to a page, where it has one."""

    label: str
    url: str

    def __str__(self) -> str:
        """Give it as the log shows it."""
        return self.label


@dataclass(frozen=True)
class Table:
    """A table of a report."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Link, ...], ...]
    otherwise: str
    """What is said where there are no rows."""


@dataclass(frozen=True)
class Report:
    """How a run ended and why."""

    result: Result
    headline: str = ""
    """One sentence; the output ``summary``."""
    hint: str = ""
    """What to do, where there is something to do."""
    title: str = "Not promoted"
    """Of the error annotation, where the run ends with one."""
    candidate: Candidate | None = None
    deployed: Snapshot | None = None
    """The candidate's code and configuration, where this run has deployed it."""
    previous: str = ""
    """The version that the environment served before; empty: none."""
    changes: tuple[str, ...] = ()
    """What was deployed or, in a dry run, would be."""
    verdict: Verdict | None = None
    token: str = ""
    """Of a candidate that the job's own steps are to test; empty: there is none."""
    preview: Endpoint | None = None
    """Where the candidate can be tested."""
    latest: Endpoint | None = None
    environment: Endpoint | None = None
    links: tuple[tuple[str, Link], ...] = ()
    """Who else is concerned, and how."""
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    """Things that a reader may want to know."""
    warnings: tuple[str, ...] = ()
    """Things that a reader should look into though they did not stop the run."""
    lock_wait: float | None = None
    """Seconds; None: the lock was not asked for."""
    may_have_moved: bool = False
    """Whether an alias may have moved though the run does not know it."""
    move: Promotion | None = None
    """The promotion or rollback that was made; None: none was."""
    since: str = ""
    """The commit of the environment's last promotion before; empty: there was none, or it is not known."""
    release_notes: str = ""
    """Finished Markdown."""
    release_notes_path: str = ""
    parts: tuple[tuple[str, "Report"], ...] = ()
    """How it ended for each function, by name, where several are released as one; the rest is said of the whole."""

    @property
    def failures(self) -> list[str]:
        """The first of the checks that have not passed, with what they found."""
        checks = self.verdict.checks if self.verdict else ()
        missed = [check for check in checks if check.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE)]
        found = [f"{check.name}: {check.detail}" for check in missed]
        more = [f"... and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        return found[:_SHOWN] + more

    def outputs(self) -> dict[str, str]:
        """Give the step's outputs by name; of several functions, what is said of one is that of the first."""
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
        """Give the outputs that are of one function."""
        return {
            "version": self.candidate.version if self.candidate else "",
            "previous-version": self.previous,
            "code-sha256": self.candidate.code_sha256 if self.candidate else "",
            "candidate": self.token or (self.candidate.identity if self.candidate else ""),
            "candidate-url": self.preview.url if self.preview else "",
            "latest-url": self.latest.url if self.latest else "",
            "environment-url": self.environment.url if self.environment else "",
        }
