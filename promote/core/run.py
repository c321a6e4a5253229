"""The identity and the result of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """The result of a run; the output ``result``."""

    PROMOTED = "promoted"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    DEPLOYED = "deployed"
    ROLLED_BACK = "rolled-back"
    BLOCKED = "blocked"
    REFUSED = "refused"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    ADOPTED = "adopted"
    UNINSTALLED = "uninstalled"
    REPORTED = "reported"
    PLANNED = "planned"
    FAILED = "failed"

    @property
    def is_success(self) -> bool:
        """Whether the step succeeds."""
        return self not in (Result.BLOCKED, Result.REFUSED, Result.FAILED)


@dataclass(frozen=True)
class Run:
    """One attempt of a workflow run, for one commit."""

    commit: str
    """The full SHA; empty if it is not known."""
    run_id: int
    """GitHub's id, which grows with time and stays the same in a re-run; 0 outside of GitHub."""
    attempt: int
    url: str
    """The page of the run; empty outside of GitHub."""
    operation: str
    """A random id, unique to this process. It identifies the writes of this process."""


def join_names(names: Sequence[str]) -> str:
    """Return the names as an enumeration, such as ``a, b and c``. If there are many, return the first ones."""
    shown = [*names[:_LISTED], f"{len(names) - _LISTED} more"] if len(names) > _LISTED + 1 else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


_LISTED = 5
"""The most names in an enumeration."""


def short_commit(sha: str) -> str:
    """Return the first characters of a commit's SHA, as messages and pages show it."""
    return sha[:_SHORT]


_SHORT = 10
