"""A run: who acts, its phases, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Result(StrEnum):
    """How a run ended; the output ``result``."""

    PROMOTED = "promoted"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    DEPLOYED = "deployed"
    ROLLED_BACK = "rolled-back"
    BLOCKED = "blocked"
    REFUSED = "refused"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    REPORTED = "reported"
    PLANNED = "planned"
    FAILED = "failed"

    @property
    def is_success(self) -> bool:
        """Whether the step ends green."""
        return self not in (Result.BLOCKED, Result.REFUSED, Result.FAILED)


@dataclass(frozen=True)
class Run:
    """Who acts: one attempt of one workflow run, for one commit."""

    commit: str
    """Full SHA, or empty when the run knows none."""
    run_id: int
    """Grows with time across GitHub and is kept over re-run attempts; 0 outside GitHub."""
    attempt: int
    url: str
    """The run's page, or empty."""
    operation: str
    """Random, unique to this process: tells our own writes from anybody else's."""


@dataclass(frozen=True)
class Phase:
    """A part of the run, for the summary's chart."""

    name: str
    started: datetime
    seconds: float


def join_names(names: Sequence[str]) -> str:
    """Give names in a row, as a sentence has them; of many, the first ones."""
    shown = [*names[:_LISTED], f"{len(names) - _LISTED} more"] if len(names) > _LISTED + 1 else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


_LISTED = 5
