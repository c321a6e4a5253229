"""The entries of the history: their keys, how they are written and how they are read. No calls."""

from collections.abc import Sequence
from typing import Any

from promote.aws.dynamodb import Item
from promote.core.promotion import Alias, Kind, Promotion, ReleaseKey, RolledBack
from promote.core.version import LATEST, Candidate
from promote.state.sizes import clipped
from promote.state.strict import Record

_LONGEST = 200
"""The most bytes of a reason and of a name in the list of rolled-back versions of an environment."""

RELEASE = "release#"
"""The prefix of the sort key of a release."""


def promotion_key(promotion: Promotion) -> str:
    """Return the sort key of a promotion. The promotions of an environment are sorted by time."""
    return promotion_prefix(promotion.environment) + promotion.identity


def promotion_prefix(environment: str) -> str:
    """Return the beginning of the sort keys of all promotions of an environment."""
    return f"promotion#{environment}#"


def content_item(candidate: Candidate, plan: str) -> dict[str, str]:
    """Return the attributes of an environment or a promotion that identify the verified code."""
    return {"code_sha256": candidate.code_sha256, "fingerprint": candidate.fingerprint, "plan": plan}


def promotion_item(promotion: Promotion) -> dict[str, Any]:
    """Return the attributes of a promotion."""
    return {
        "environment": promotion.environment,
        "version": promotion.version,
        "previous": promotion.previous,
        "commit": promotion.commit,
        "run_id": promotion.run_id,
        "attempt": promotion.attempt,
        "sequence": promotion.sequence,
        "operation": promotion.operation,
        "kind": promotion.kind.value,
        "verified": promotion.is_verified,
        "reason": promotion.reason,
        "by": promotion.by,
    }


def planned_item(promotion: Promotion) -> dict[str, Any]:
    """Return a planned promotion with everything that another run needs to record it."""
    item = promotion_item(promotion)
    if promotion.rolled_back is not None:
        item["rolled_back"] = rolled_back_items(promotion.rolled_back)
    return item


def rolled_back_items(entries: Sequence[RolledBack]) -> list[dict[str, Any]]:
    """Return the list of rolled-back versions. The history has the full reason and name of each rollback."""
    return [
        {**vars(entry), "reason": clipped(entry.reason, _LONGEST), "by": clipped(entry.by, _LONGEST)}
        for entry in entries
    ]


def rolled_back_of(record: Record) -> tuple[RolledBack, ...]:
    """Return the rolled-back versions in a record."""
    return tuple(
        RolledBack(
            version=entry.version("version", others=(LATEST,)),
            **{name: entry.text(name) for name in _ROLLED_BACK},
        )
        for entry in record.parts("rolled_back")
    )


_ROLLED_BACK = ("code_sha256", "fingerprint", "commit", "at", "reason", "by", "promotion")


def promotion_of(record: Record) -> Promotion:
    """Return the promotion in a record.

    Raises:
        RecordError: The item is not valid.

    """
    previous = record.values.get("previous", "")
    return Promotion(
        environment=record.text("environment"),
        version=record.version("version"),
        previous=None if previous is None else record.version("previous", others=("", LATEST)),
        commit=record.text("commit"),
        run_id=record.whole("run_id"),
        attempt=record.whole("attempt"),
        sequence=record.whole("sequence"),
        operation=record.text("operation"),
        kind=record.choice("kind", Kind, Kind.PROMOTION),
        is_verified=record.boolean("verified", default=True),
        reason=record.text("reason", ""),
        by=record.text("by", ""),
        rolled_back=rolled_back_of(record) if "rolled_back" in record.values else None,
    )


def entry_item(arn: str, promotion: Promotion, candidate: Candidate, plan: str, at: str) -> dict[str, Any]:
    """Return the entry of a promotion in the history of the function ``arn``."""
    return {
        "pk": arn,
        "sk": promotion_key(promotion),
        "at": at,
        **promotion_item(promotion),
        **content_item(candidate, plan),
    }


def release_key_of(record: Record | None) -> ReleaseKey | None:
    """Return the key of a release in a record; None if there is none."""
    if record is None:
        return None
    key = ReleaseKey(record.text("pk"), record.text("sk"))
    if not key.pk:
        raise record.unreadable("pk", key.pk)
    if not key.sk.startswith(RELEASE):
        raise record.unreadable("sk", key.sk)
    return key


def require_move(item: Item) -> Item:
    """Return an entry of the history if it is valid.

    Raises:
        RecordError: The entry is not valid.

    """
    record = Record.of(item)
    promotion = promotion_of(record)
    for name in ("at", "code_sha256", "fingerprint", "plan", "url"):
        record.text(name)
    release = record.part("release")
    release_key_of(release)
    if release:
        release.whole("functions", 1)
    record.require("sk", promotion_key(promotion))
    return item


def has_several(entry: Item) -> bool:
    """Return whether the release of a valid entry had several functions."""
    release = entry.get("release") or {}
    return int(release.get("functions", 1)) > 1


def has_happened(entry: Item, alias: Alias | None) -> bool:
    """Return whether the move of an entry took effect. A pin is recorded before the move, and may have failed."""
    return entry.get("kind") != Kind.PIN or alias is None or alias.revision_id != entry.get("revision_id")


def is_pinned(alias: Alias, history: Sequence[Item]) -> bool:
    """Return whether the newest entry is the pin that moved ``alias``; ``history`` is newest first."""
    return bool(history) and history[0].get("kind") == Kind.PIN and history[0].get("version") == alias.version
