"""Promotions as records of the history: keys, attributes and their strict reading. No effects."""

from collections.abc import Sequence
from typing import Any

from promote.aws.dynamodb import Item
from promote.core.promotion import Alias, Kind, Promotion, ReleaseKey, RolledBack
from promote.core.version import LATEST, Candidate
from promote.state.sizes import clipped
from promote.state.strict import Record

_LONGEST = 200
"""Bytes of a reason and of a name that an environment's record keeps of a rollback."""

RELEASE = "release#"
"""How the sort key of a release begins."""


def promotion_key(promotion: Promotion) -> str:
    """Give the sort key of a promotion; those of an environment sort by time."""
    return f"promotion#{promotion.environment}#{promotion.identity}"


def content_item(candidate: Candidate, plan: str) -> dict[str, str]:
    """Write what an environment or a promotion says of the code."""
    return {"code_sha256": candidate.code_sha256, "fingerprint": candidate.fingerprint, "plan": plan}


def promotion_item(promotion: Promotion) -> dict[str, Any]:
    """Write a promotion."""
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
        "proven": promotion.is_proven,
        "reason": promotion.reason,
        "by": promotion.by,
    }


def intent_item(promotion: Promotion) -> dict[str, Any]:
    """Write a promotion that is still to be made, with all that whoever finds it needs to record it."""
    item = promotion_item(promotion)
    if promotion.rolled_back is not None:
        item["rolled_back"] = rolled_back_items(promotion.rolled_back)
    return item


def rolled_back_items(entries: Sequence[RolledBack]) -> list[dict[str, Any]]:
    """Write what an environment has gone back from; the record of each rollback has reason and name in full."""
    return [
        {**vars(entry), "reason": clipped(entry.reason, _LONGEST), "by": clipped(entry.by, _LONGEST)}
        for entry in entries
    ]


def rolled_back_of(record: Record) -> tuple[RolledBack, ...]:
    """Read what an environment has gone back from."""
    return tuple(
        RolledBack(
            version=entry.version("version", others=(LATEST,)),
            **{name: entry.text(name) for name in _ROLLED_BACK},
        )
        for entry in record.parts("rolled_back")
    )


_ROLLED_BACK = ("code_sha256", "fingerprint", "commit", "at", "reason", "by", "promotion")


def promotion_of(record: Record) -> Promotion:
    """Read a promotion.

    Raises:
        RecordError: it is not what this action writes.

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
        is_proven=record.boolean("proven", default=True),
        reason=record.text("reason", ""),
        by=record.text("by", ""),
        rolled_back=rolled_back_of(record) if "rolled_back" in record.values else None,
    )


def entry_item(arn: str, promotion: Promotion, candidate: Candidate, plan: str, at: str) -> dict[str, Any]:
    """Write a promotion's entry in the history of the function ``arn``."""
    return {
        "pk": arn,
        "sk": promotion_key(promotion),
        "at": at,
        **promotion_item(promotion),
        **content_item(candidate, plan),
    }


def release_key_of(record: Record | None) -> ReleaseKey | None:
    """Read the key of a release; None: there is none."""
    if record is None:
        return None
    key = ReleaseKey(record.text("pk"), record.text("sk"))
    if not key.sk.startswith(RELEASE):
        raise record.unreadable("sk", key.sk)
    return key


def require_move(item: Item) -> Item:
    """Return an entry of the history, if it is what this action writes.

    Raises:
        RecordError: it is not.

    """
    record = Record.of(item)
    promotion = promotion_of(record)
    for name in ("at", "code_sha256", "fingerprint", "plan", "url"):
        record.text(name)
    release_key_of(record.part("release"))
    record.require("sk", promotion_key(promotion))
    return item


def has_happened(entry: Item, alias: Alias | None) -> bool:
    """Whether an entry of the history is of a move that took effect: a pin is recorded before it is made."""
    return entry.get("kind") != Kind.PIN or alias is None or alias.revision_id != entry.get("revision_id")


def is_pinned(alias: Alias, history: Sequence[Item]) -> bool:
    """Whether the last entry of the history, which is newest first, is of a pin that ``alias`` shows."""
    return bool(history) and history[0].get("kind") == Kind.PIN and history[0].get("version") == alias.version
