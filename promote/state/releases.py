"""The record of a release, which moves one or more functions to new versions in an environment. No calls.

Lambda moves one alias at a time. The record is written before the first move, and names each alias, its old version and
its new one. Any run that finds it can complete the release or roll it back (``promote.pipeline.release``).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from promote.aws.dynamodb import Item
from promote.core.promotion import Alias, Kind, Promotion, ReleaseKey, Together
from promote.core.run import join_names
from promote.core.traffic import Capacity
from promote.core.version import LATEST, Candidate
from promote.state.promotion_records import RELEASE, content_item, planned_item, promotion_of
from promote.state.strict import Record


class Stage(StrEnum):
    """The stage of a release. It ends as ``done``, or as ``rolled_back`` after ``rolling_back``."""

    MOVING = "moving"
    """The aliases are being moved."""
    DONE = "done"
    """All aliases have moved, and the history of each function has an entry."""
    ROLLING_BACK = "rolling_back"
    """An alias could not be moved, so the others return to what they served."""
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


def release_key(arns: Sequence[str], environment: str, identity: str) -> ReleaseKey:
    """Return the key of a release. Its record is in the partition of the first function by ARN."""
    return ReleaseKey(min(arns), f"{RELEASE}{environment}#{identity}")


def release_item(release: Release) -> dict[str, Any]:
    """Return the record of a release without the times of its start and its end, which its caller adds."""
    return {
        "pk": release.key.pk,
        "sk": release.key.sk,
        "environment": release.environment,
        "stage": release.stage.value,
        "reason": release.reason,
        "denied": list(release.denied),
        "run_id": release.run_id,
        "url": release.url,
        "origin": release.origin,
        "parts": [_part_item(part) for part in release.parts],
    }


def release_of(item: Item) -> Release:
    """Return the release in an item.

    Raises:
        RecordError: The item is not valid.

    """
    record = Record.of(item)
    environment, parts = record.text("environment"), record.parts("parts")
    if not parts:
        raise record.unreadable("parts", [])
    return Release(
        key=ReleaseKey(record.text("pk"), record.text("sk")),
        environment=environment,
        parts=tuple(_part_of(environment, part) for part in parts),
        run_id=record.whole("run_id"),
        url=record.text("url"),
        origin=record.text("origin"),
        stage=record.choice("stage", Stage),
        reason=record.text("reason"),
        denied=record.texts("denied"),
        undone=_undo_of(record.part("undone")),
        begun=record.text("begun"),
        ended=record.text("ended", ""),
    )


def _undo_of(record: Record | None) -> Undo | None:
    return Undo(record.text("at"), record.text("reason"), record.text("by")) if record else None


def _part_item(part: ReleasePart) -> dict[str, Any]:
    before = part.before
    return {
        "arn": part.arn,
        "promotion": planned_item(part.promotion),
        **content_item(part.candidate, part.plan),
        "sequence": part.sequence,
        "since": part.since,
        "token": part.token,
        "before": before
        and {
            "version": before.version,
            "revision_id": before.revision_id,
            "description": before.description,
            "capacity": before.capacity.value,
            # boto3 does not accept floats for DynamoDB.
            "weights": {version: str(weight) for version, weight in before.weights.items()},
        },
    }


def _part_of(environment: str, record: Record) -> ReleasePart:
    before, promotion = record.part("before"), promotion_of(record.require_part("promotion"))
    return ReleasePart(
        arn=record.text("arn"),
        promotion=promotion,
        candidate=Candidate(promotion.version, record.text("code_sha256"), record.text("fingerprint")),
        plan=record.text("plan"),
        sequence=record.whole("sequence"),
        since=record.text("since", ""),
        token=record.text("token", ""),
        before=_alias_of(environment, before) if before else None,
    )


def _alias_of(environment: str, record: Record) -> Alias:
    return Alias(
        name=environment,
        version=record.version("version", others=(LATEST,)),
        revision_id=record.text("revision_id"),
        description=record.text("description"),
        weights=record.weights("weights"),
        capacity=record.choice("capacity", Capacity),
    )
