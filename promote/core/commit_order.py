"""The order of the commit to promote relative to the environment's commit, and whether the inputs refuse it."""

from dataclasses import dataclass, replace
from enum import StrEnum

from promote.core.promotion import RolledBack
from promote.core.run import short_commit


class CommitRelation(StrEnum):
    """The order of one commit relative to another."""

    SAME = "same"
    NEWER = "newer"
    OLDER = "older"
    DIVERGED = "diverged"
    UNKNOWN = "unknown"


class Diverged(StrEnum):
    """What to do if the commits of the environment and of this run have diverged, or if their order is unknown."""

    PROMOTE = "promote"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Barred:
    """Why a candidate is not promoted: it was rolled back, or may have been."""

    entry: RolledBack
    relation: CommitRelation | None
    """The order of its commit relative to the one that was rolled back; None if it is newer, with the same code."""


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
    """Why it would bring back rolled-back code; None if it would not."""
    is_kept_out: bool = False
    """Whether it is refused for that: no override is about that rollback."""

    @property
    def is_older(self) -> bool:
        """Whether a newer commit is served, so that this run is superseded."""
        return self.relation is CommitRelation.OLDER

    def under(self, diverged: Diverged | None, environment: str) -> "CommitOrder":
        """Return the order with the policy of the input ``diverged``: which orders are refused, and why.

        Without the input, diverged commits are promoted and an unknown order is refused.
        """
        cause, hint = self.cause, self.hint
        if not self.commit:
            cause = f"the commit that {environment} serves is not known"
            hint = "Run `command: status` to see what it serves, and find out what else moves its alias."
        if not self.ours:
            cause = "its commit is not known"
            hint = "Check out with actions/checkout, or set the input `commit`."
        refuses = {
            CommitRelation.DIVERGED: diverged is Diverged.REFUSE,
            CommitRelation.UNKNOWN: diverged is not Diverged.PROMOTE,
        }
        return replace(self, is_refused=refuses.get(self.relation, False), cause=cause, hint=hint)

    def undecided(self, place: str) -> str:
        """Return a sentence that says that the order is not known, and why. ``place`` is what is promoted to."""
        ours = short_commit(self.ours) or "the version to promote"
        theirs = f"{short_commit(self.commit)}, which is in {place}" if self.commit else f"what is in {place}"
        return f"Cannot tell whether {ours} is newer than {theirs}: {self.cause}."


def first_order(ours: str) -> CommitOrder:
    """Return the order of a commit for an environment to which the action has not promoted yet."""
    return CommitOrder(ours, "", CommitRelation.NEWER, is_first=True)
