"""A release, which moves one or more functions to new versions in an environment.

Lambda moves one alias at a time. The record is written before the first move, and names each alias, its old version and
its new one. Any run that finds it can complete the release or roll it back (``promote.pipeline.release``).
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from promote.core.promotion import Alias, Kind, Promotion, ReleaseKey, Together
from promote.core.run import join_names
from promote.core.version import Candidate


class Stage(StrEnum):
    """The stage of a release. It ends as ``done``, or as ``rolled_back`` after ``rolling_back``."""

    MOVING = "moving"
    """The aliases are being moved."""
    DONE = "done"
    """All aliases have moved, and the history of each function has an entry."""
    ROLLING_BACK = "rolling_back"
    """The aliases return to what they served: one could not move, a version failed, or the run was cancelled."""
    ROLLED_BACK = "rolled_back"
    """All functions serve what they served before, except those that were moved externally."""

    @property
    def is_final(self) -> bool:
        """Whether the release has ended."""
        return self in (Stage.DONE, Stage.ROLLED_BACK)


@dataclass(frozen=True)
class ReleasePart:
    """One function of a release."""

    arn: str
    promotion: Promotion
    """The move. If its ``previous`` is None, the alias keeps its version, and gets a new Description and RevisionId."""
    candidate: Candidate
    """The version that the function serves after the release."""
    plan: str
    """The digest of the verification that it passed."""
    sequence: int
    """The sequence of the environment before the release."""
    before: Alias | None
    """The alias before the release; None if there was none."""
    since: str = ""
    """The commit of the previous promotion; empty if there was none, or if it is not known."""
    token: str = ""
    """The key of the candidate's record that this promotion uses; empty if there is none."""

    @property
    def moves(self) -> bool:
        """Whether the release changes the version of its alias."""
        return self.promotion.previous is not None

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True)
class Undo:
    """The rollback of an unfinished release by ``command: rollback``."""

    at: str
    reason: str = ""
    by: str = ""


@dataclass(frozen=True)
class Release:
    """A release: either all of its functions are promoted, or none."""

    key: ReleaseKey
    environment: str
    parts: tuple[ReleasePart, ...]
    """In the order in which the user named them."""
    run_id: int
    url: str = ""
    """The page of the run, or empty."""
    origin: str = ""
    """The workflow step that releases these functions. Its next release should include all of them."""
    stage: Stage = Stage.MOVING
    reason: str = ""
    """Why it was rolled back; empty if it was not."""
    denied: tuple[str, ...] = ()
    """The ARNs of functions whose moves were refused. No move of them can arrive late, so they need no fence."""
    undone: Undo | None = None
    """Who rolled it back with ``command: rollback``; None if no user did."""
    begun: str = ""
    """The time of its start; empty before it."""
    ended: str = ""
    """The time of its end; empty if it is unfinished."""

    @property
    def sequence(self) -> int:
        """The sequence of all its promotions."""
        return self.parts[0].promotion.sequence

    @property
    def moves(self) -> list[ReleasePart]:
        """The parts whose aliases the release moves."""
        return [part for part in self.parts if part.moves]

    @property
    def kind(self) -> Kind:
        """Why its aliases move. A part whose alias stays does not show that."""
        return (self.moves or self.parts)[0].promotion.kind

    @property
    def commit(self) -> str:
        """The commit that it promotes, or to which it rolls back."""
        return (self.moves or self.parts)[0].promotion.commit

    def is_of(self, arns: Collection[str], retired: Collection[str]) -> bool:
        """Return whether it is a release of the application with the functions ``arns``.

        Its other functions must be ``retired``. Functions may be missing, because they may have been added later. But a
        release of one function is never a release of an application with several.
        """
        others = [part.name for part in self.parts if part.arn not in arns]
        is_alone = len(self.parts) == 1 < len(arns)
        return not is_alone and len(others) < len(self.parts) and all(name in retired for name in others)

    @property
    def meaning(self) -> str:
        """The end of the release, as text."""
        before = self.parts[0].before
        if self.stage is Stage.DONE and not self.has_several:
            return f"{self.environment} was moved to version {self.parts[0].promotion.version}"
        if self.stage is Stage.ROLLED_BACK and not self.has_several:
            return f"{self.environment} was rolled back to {f'version {before.version}' if before else 'nothing'}"
        return {
            Stage.DONE: "all functions have moved",
            Stage.ROLLED_BACK: "all functions were rolled back",
        }.get(self.stage, "it is unfinished")

    @property
    def has_several(self) -> bool:
        """Whether it includes several functions."""
        return len(self.parts) > 1

    @property
    def together(self) -> Together:
        """What the record of each environment contains about it."""
        return Together(self.origin, tuple(part.name for part in self.parts))

    @property
    def names(self) -> str:
        """The names of its functions, as text."""
        return join_names([part.name for part in self.parts])

    @property
    def fence(self) -> str:
        """The Description of an alias while the release is rolled back. Writing it changes the RevisionId.

        Therefore, a move that was sent before and arrives late fails its precondition.
        """
        return f"promote-on-success: rolling back release {self.key.identity}"
