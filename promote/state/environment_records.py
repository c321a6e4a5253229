"""The record of an environment: its key, how it is written and how it is read. No calls."""

from dataclasses import replace
from typing import Any

from promote.aws.dynamodb import Item
from promote.core.promotion import EnvironmentRecord, Moved, Promotion, Together
from promote.core.version import Candidate
from promote.state.endpoint_records import gateway_of
from promote.state.promotion_records import content_item, release_key_of, rolled_back_items, rolled_back_of
from promote.state.strict import Record

ENVIRONMENT = "environment#"
"""The prefix of the sort key of an environment."""


def environment_key(name: str) -> str:
    """Return the sort key of an environment."""
    return f"{ENVIRONMENT}{name}"


def served_of(item: Item) -> EnvironmentRecord:
    """Return the environment in an item.

    Raises:
        RecordError: The item is not valid.

    """
    record = Record.of(item)
    if "version" not in item and "sequence" not in item:
        # Its endpoint was created, or its first release has begun.
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
    """Return the attributes that an environment can have before its first promotion."""
    return EnvironmentRecord(
        pending=release_key_of(record.part("pending")),
        released=release_key_of(record.part("released")),
        together=_together_of(record.part("together")),
        undone_release=record.text("undone_release", ""),
        moved=_moved_of(record.part("moved")),
        rolled_back=rolled_back_of(record),
    )


def served_item(promotion: Promotion, candidate: Candidate, plan: str, at: str, url: str) -> dict[str, Any]:
    """Return the attributes of an environment after ``promotion``; ``url`` is the page of the run, or empty."""
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
    """Return the attribute that lists the functions of a release."""
    return {"origin": together.origin, "functions": list(together.functions)}


def _together_of(record: Record | None) -> Together:
    return Together(record.text("origin"), record.texts("functions")) if record else Together()
