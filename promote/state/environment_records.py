"""What an environment serves, as its record says: key, attributes and their strict reading. No effects."""

from dataclasses import replace
from typing import Any

from promote.aws.dynamodb import Item
from promote.core.promotion import EnvironmentRecord, Moved, Promotion, Together
from promote.core.version import Candidate
from promote.state.endpoint_records import gateway_of
from promote.state.promotion_records import content_item, release_key_of, rolled_back_items, rolled_back_of
from promote.state.strict import Record

ENVIRONMENT = "environment#"
"""How the sort key of an environment begins."""


def environment_key(name: str) -> str:
    """Give the sort key of an environment."""
    return f"{ENVIRONMENT}{name}"


def served_of(item: Item) -> EnvironmentRecord:
    """Read what an environment serves.

    Raises:
        RecordError: it is not what this action writes.

    """
    record = Record.of(item)
    if "version" not in item and "sequence" not in item:
        # Its endpoint was made, or a first promotion has begun.
        return replace(_unserved(record), gateway=gateway_of(record))
    commit = record.text("commit")
    return replace(
        _unserved(record),
        version=record.version("version"),
        code_sha256=record.text("code_sha256"),
        fingerprint=record.text("fingerprint"),
        plan=record.text("plan"),
        commit=commit,
        promoted=record.text("promoted", "") or commit,
        run_id=record.whole("run_id"),
        sequence=record.whole("sequence"),
        gateway=gateway_of(record),
    )


def _unserved(record: Record) -> EnvironmentRecord:
    """Read what an environment has also before its first promotion."""
    return EnvironmentRecord(
        pending=release_key_of(record.part("pending")),
        released=release_key_of(record.part("released")),
        together=_together_of(record.part("together")),
        undone_release=record.text("undone_release", ""),
        moved=_moved_of(record.part("moved")),
        rolled_back=rolled_back_of(record),
    )


def served_item(promotion: Promotion, candidate: Candidate, plan: str, at: str, url: str) -> dict[str, Any]:
    """Write what an environment serves after ``promotion``; ``url`` is the page of its run, or empty."""
    moved = {
        "previous": promotion.previous,
        "since": at,
        "promoted": promotion.commit,
        "moved": {"commit": promotion.commit, "at": at, "url": url},
    }
    rolled_back = promotion.rolled_back
    return {
        **content_item(candidate, plan),
        "version": promotion.version,
        "commit": promotion.commit,
        "run_id": promotion.run_id,
        "attempt": promotion.attempt,
        "sequence": promotion.sequence,
        **(moved if promotion.previous is not None else {}),
        **({} if rolled_back is None else {"rolled_back": rolled_back_items(rolled_back)}),
    }


def _moved_of(record: Record | None) -> Moved:
    return Moved(record.text("commit"), record.text("at"), record.text("url")) if record else Moved()


def together_item(together: Together) -> dict[str, Any]:
    """Write which functions were released as one."""
    return {"origin": together.origin, "functions": list(together.functions)}


def _together_of(record: Record | None) -> Together:
    return Together(record.text("origin"), record.texts("functions")) if record else Together()
