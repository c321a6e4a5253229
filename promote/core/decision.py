"""A proposal to promote, the order of its commit and the one that is served, and the decision."""

from dataclasses import dataclass
from enum import StrEnum

from promote.core.promotion import Alias, Kind, Promotion, RolledBack
from promote.core.run import Result
from promote.core.verdict import Verdict
from promote.core.version import Candidate


class CommitRelation(StrEnum):
    """How one commit stands to another."""

    SAME = "same"
    NEWER = "newer"
    OLDER = "older"
    DIVERGED = "diverged"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Barred:
    """Why something is not promoted: it was rolled back, or may have been."""

    entry: RolledBack
    relation: CommitRelation | None
    """How its commit stands to the one that was rolled back; None: it is newer, with the same code."""


@dataclass(frozen=True)
class PromotionRequest:
    """What is to be promoted, and why it may be."""

    candidate: Candidate
    commit: str
    """The commit that the environment is to have then."""
    run_id: int
    """The run that has built it, which says how old it is where the history does not; 0: not known."""
    plan: str
    """Digest of the verification that the candidate has passed."""
    verdict: Verdict | None = None
    """What is still to be recorded; None: the ledger has it."""
    token: str = ""
    """The key of the candidate's record that this promotion of one function uses up; empty: it has none."""
    kind: Kind = Kind.PROMOTION
    is_proven: bool = True
    """Whether it has a passed verdict; else a person has overridden that."""
    reason: str = ""
    by: str = ""
    instead_of: str = ""
    """The version that the environment must still serve; empty: any."""
    seen_under: str = ""
    """The RevisionId of the environment's alias that was read before the version was; empty: there was none.

    The alias goes with its function. So long as it has this RevisionId, the version is the one that was read."""


@dataclass(frozen=True)
class CommitOrder:
    """How the commit that is to be promoted stands to the one that the environment has."""

    ours: str
    commit: str
    """The environment's; of both, empty: not known."""
    relation: CommitRelation
    is_refused: bool = False
    """Whether the user does not want it promoted, since the histories have diverged or the order is not known."""
    cause: str = ""
    """Why the order is not known, without a full stop; empty: it is."""
    hint: str = ""
    """What makes it known, in sentences."""
    is_first: bool = False
    """Whether there is nothing to compare with: this action has not promoted to the environment yet."""
    barred: Barred | None = None
    """Why it would bring back what was rolled back; None: it would not. With an override it is not refused for that."""

    @property
    def is_older(self) -> bool:
        """Whether this run gives way."""
        return self.relation is CommitRelation.OLDER


@dataclass(frozen=True)
class Decision:
    """How a promotion ended."""

    result: Result
    previous: str
    """The version that the alias pointed at; empty: there was no alias."""
    standing: CommitOrder
    promotion: Promotion | None = None
    """The move that was made; None: none was needed."""
    warnings: tuple[str, ...] = ()
    since: str = ""
    """The commit of the environment's last promotion before; empty: there was none, or it is not known."""
    alias: Alias | None = None
    """The alias as it was last seen, after a move or without one; None: it was not seen."""
