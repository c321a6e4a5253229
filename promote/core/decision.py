"""The request to promote a candidate, the order of its commit and the served one, and the decision."""

from dataclasses import dataclass
from enum import StrEnum

from promote.core.promotion import Alias, Kind, Promotion, RolledBack
from promote.core.run import Result
from promote.core.verdict import Verdict
from promote.core.version import Candidate


class CommitRelation(StrEnum):
    """The order of one commit relative to another."""

    SAME = "same"
    NEWER = "newer"
    OLDER = "older"
    DIVERGED = "diverged"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Barred:
    """Why a candidate is not promoted: it was rolled back, or may have been."""

    entry: RolledBack
    relation: CommitRelation | None
    """The order of its commit relative to the one that was rolled back; None: it is newer, with the same code."""


@dataclass(frozen=True)
class PromotionRequest:
    """What to promote, and why it is allowed."""

    candidate: Candidate
    commit: str
    """The commit of the environment after the promotion."""
    run_id: int
    """The run that built the candidate. It decides the order if the git history does not; 0 if it is not known."""
    plan: str
    """The digest of the verification that the candidate passed."""
    verdict: Verdict | None = None
    """The verdict to record; None if the ledger has it."""
    token: str = ""
    """The key of the candidate's record that the promotion uses up; empty if there is none."""
    kind: Kind = Kind.PROMOTION
    is_proven: bool = True
    """Whether it has a passed verdict. If not, a user has overridden that."""
    reason: str = ""
    by: str = ""
    instead_of: str = ""
    """The version that the environment must still serve; empty if any will do."""
    seen_under: str = ""
    """The RevisionId of the environment's alias, read before the version; empty if there was no alias.

    A deleted function loses its aliases. So if the alias still has this RevisionId, the version is unchanged."""


@dataclass(frozen=True)
class CommitOrder:
    """The order of the commit to promote relative to the environment's commit."""

    ours: str
    commit: str
    """The environment's commit. Both are empty if they are not known."""
    relation: CommitRelation
    is_refused: bool = False
    """Whether the inputs refuse it, because the histories have diverged or the order is not known."""
    cause: str = ""
    """Why the order is not known, without a full stop; empty if it is known."""
    hint: str = ""
    """How to make the order known, in sentences."""
    is_first: bool = False
    """Whether the action has not promoted to this environment yet, so that there is no commit to compare with."""
    barred: Barred | None = None
    """Why it would bring back rolled-back code; None if it would not. With an override, it is not refused for that."""

    @property
    def is_older(self) -> bool:
        """Whether a newer commit is served, so that this run is superseded."""
        return self.relation is CommitRelation.OLDER


@dataclass(frozen=True)
class Decision:
    """The result of a promotion."""

    result: Result
    previous: str
    """The version of the alias before; empty if there was no alias."""
    standing: CommitOrder
    promotion: Promotion | None = None
    """The move; None if none was needed."""
    warnings: tuple[str, ...] = ()
    since: str = ""
    """The commit of the environment's previous promotion; empty if there was none or if it is not known."""
    alias: Alias | None = None
    """The alias as last read, after a move or without one; None if it was not read."""
