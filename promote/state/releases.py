"""A release: the functions of an application, promoted to one environment as one. What its record holds; no effects.

Lambda moves one alias at a time. The record says beforehand what is to move from where to where, so that whoever finds
it can bring all functions to one end: all moved, or all back. ``promote.pipeline.release`` does so.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from promote.aws.dynamodb import Item
from promote.core.promotion import FENCE, Alias, Kind, Promotion, ReleaseKey, Together
from promote.core.run import join_names
from promote.core.traffic import Capacity
from promote.core.version import LATEST, Candidate
from promote.state.promotion_records import RELEASE, content_item, intent_item, promotion_of
from promote.state.strict import Record


class Stage(StrEnum):
    """How far a release is: it ends ``done``, or by way of ``rolling_back`` as ``rolled_back``."""

    MOVING = "moving"
    """The aliases are being moved."""
    DONE = "done"
    """All have been moved, and it is recorded for each function."""
    ROLLING_BACK = "rolling_back"
    """One could not be moved: the others go back to what they served."""
    ROLLED_BACK = "rolled_back"
    """All serve what they served before, save for those that a stranger has moved."""

    @property
    def is_final(self) -> bool:
        """Whether nothing is left to be done."""
        return self in (Stage.DONE, Stage.ROLLED_BACK)


@dataclass(frozen=True)
class Part:
    """One function of a release."""

    arn: str
    promotion: Promotion
    """The move; where it has no ``previous``, the alias stays as it is, and the record alone tells the commit."""
    candidate: Candidate
    """The version that the function serves when the release is done."""
    plan: str
    """Digest of the verification that it has passed."""
    sequence: int
    """Of the environment, as it was when the release was decided upon."""
    before: Alias | None
    """The alias as it was then; None: there was none."""
    since: str = ""
    """The commit of the environment's last promotion before; empty: there was none, or it is not known."""
    token: str = ""
    """The key of the candidate's record that this promotion uses up; empty: it has none."""

    @property
    def moves(self) -> bool:
        """Whether its alias is moved."""
        return self.promotion.previous is not None

    @property
    def name(self) -> str:
        """The function's."""
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True)
class Undo:
    """The rollback of a release that was unfinished, by ``command: rollback``."""

    at: str
    reason: str = ""
    by: str = ""


@dataclass(frozen=True)
class Release:
    """The functions that are promoted as one."""

    key: ReleaseKey
    environment: str
    parts: tuple[Part, ...]
    """In the order in which the user named them."""
    run_id: int
    url: str = ""
    """The run's page, or empty."""
    origin: str = ""
    """The workflow's step that releases these functions: the next of its releases should have them all."""
    stage: Stage = Stage.MOVING
    reason: str = ""
    """Why it was turned back; empty: it was not."""
    denied: tuple[str, ...] = ()
    """The ARNs of functions whose moves were refused, so that none is on its way: they need no fence."""
    undone: Undo | None = None
    """By whom it was rolled back; None: it was not, or because an alias could not be moved."""
    begun: str = ""
    """When its record was written."""
    ended: str = ""
    """When all had moved or were back; empty: it is unfinished."""

    @property
    def sequence(self) -> int:
        """That of all its promotions."""
        return self.parts[0].promotion.sequence

    @property
    def moves(self) -> list[Part]:
        """Those whose aliases are moved."""
        return [part for part in self.parts if part.moves]

    @property
    def kind(self) -> Kind:
        """Why its aliases were moved; what stays does not say so."""
        return (self.moves or self.parts)[0].promotion.kind

    @property
    def commit(self) -> str:
        """What it has promoted, or gone back to."""
        return (self.moves or self.parts)[0].promotion.commit

    def is_of(self, arns: Collection[str], retired: Collection[str]) -> bool:
        """Whether it is of the application of the functions ``arns``: it has others only if they are ``retired``.

        It may lack some, which were added later; but a release of one function is not of an application of several.
        """
        others = [part.name for part in self.parts if part.arn not in arns]
        is_alone = len(self.parts) == 1 < len(arns)
        return not is_alone and len(others) < len(self.parts) and all(name in retired for name in others)

    @property
    def meaning(self) -> str:
        """How it has ended, in words for people."""
        before = self.parts[0].before
        if self.stage is Stage.DONE and not self.has_several:
            return f"{self.environment} was moved to version {self.parts[0].promotion.version}"
        if self.stage is Stage.ROLLED_BACK and not self.has_several:
            return f"{self.environment} is back at {f'version {before.version}' if before else 'nothing'}"
        return {
            Stage.DONE: "all functions have moved",
            Stage.ROLLED_BACK: "all functions are back at what they served",
        }.get(self.stage, "it is unfinished")

    @property
    def has_several(self) -> bool:
        """Whether it is of several functions."""
        return len(self.parts) > 1

    @property
    def together(self) -> Together:
        """What each environment's record keeps of it."""
        return Together(self.origin, tuple(part.name for part in self.parts))

    @property
    def names(self) -> str:
        """The functions, for people."""
        return join_names([part.name for part in self.parts])

    @property
    def fence(self) -> str:
        """The Description of an alias while the release is rolled back, by which its RevisionId becomes another.

        A move that was sent before, and arrives late, then fails its precondition.
        """
        return f"{FENCE}{self.key.identity}"


def release_key(arns: Sequence[str], environment: str, identity: str) -> ReleaseKey:
    """Say where the record of a release is: with the first of its functions, by ARN."""
    return ReleaseKey(min(arns), f"{RELEASE}{environment}#{identity}")


def release_item(release: Release) -> dict[str, Any]:
    """Write the record of a release; when it was begun and ended, whoever writes that says."""
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
    """Read the record of a release.

    Raises:
        RecordError: it is not what this action writes.

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


def _part_item(part: Part) -> dict[str, Any]:
    before = part.before
    return {
        "arn": part.arn,
        "promotion": intent_item(part.promotion),
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
            # The table takes no floats.
            "weights": {version: str(weight) for version, weight in before.weights.items()},
        },
    }


def _part_of(environment: str, record: Record) -> Part:
    before, promotion = record.part("before"), promotion_of(record.require_part("promotion"))
    return Part(
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
