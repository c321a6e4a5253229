"""What an environment has gone back from, and what must not return to it by itself. No effects.

A rollback records the version that it leaves. From then on the environment takes newer commits alone, and not the same
code and configuration under a newer commit either. A promotion of a newer commit ends that, and so does an override.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from promote.core.decision import Barred, CommitRelation
from promote.core.promotion import Promotion, RolledBack
from promote.core.version import Content, same_content

MOST = 10
"""Entries of an environment, since an item has a limit: the oldest are dropped."""


class Order(Protocol):
    """How a commit stands to another one, and what follows from that."""

    @property
    def relation(self) -> CommitRelation:
        """How it stands."""

    @property
    def is_refused(self) -> bool:
        """Whether the user does not want a promotion in this order, or in one that is not known."""


def barred(  # noqa: PLR0913 - what is to be promoted, and what is known of it
    entries: Sequence[RolledBack],
    commit: str,
    content: Content | None,
    relate: Callable[[str], Order],
    *,
    served: str,
    excused: Collection[str] = (),
) -> Barred | None:
    """Say why ``content`` of ``commit`` must not be promoted; None: it may be.

    ``content`` None: it is not known yet. ``relate`` says how ``commit`` stands to another one. ``served`` is the
    commit that the ledger says is served. ``excused`` are rollbacks of several functions of which another one now gets
    other code, so that the whole is not the same.
    """
    for entry in reversed(entries):
        if entry.commit and not (commit and commit == served):
            order = relate(entry.commit)
            is_unknown = order.relation is CommitRelation.UNKNOWN and order.is_refused
            if order.relation in (CommitRelation.SAME, CommitRelation.OLDER) or is_unknown:
                return Barred(entry, order.relation)
        if content is not None and is_same(entry, content) and entry.promotion not in excused:
            return Barred(entry, None)
    return None


def is_same(entry: RolledBack, content: Content) -> bool:
    """Whether ``content`` is what was rolled back."""
    return bool(entry.code_sha256) and same_content(entry, content)


def after_promotion(
    entries: Sequence[RolledBack], commit: str, content: Content, relate: Callable[[str], Order]
) -> tuple[RolledBack, ...]:
    """Return what still must not return when ``content`` of ``commit`` is promoted.

    What it replaces for good is left out: itself, where a person has brought it back, and whatever its commit contains.
    """
    return tuple(
        entry for entry in entries if not (is_same(entry, content) or _is_contained(entry.commit, commit, relate))
    )


def _is_contained(theirs: str, ours: str, relate: Callable[[str], Order]) -> bool:
    if not ours:
        return False
    # Of a version whose commit was never known, the time alone says that this one is newer.
    return not theirs or relate(theirs).relation in (CommitRelation.SAME, CommitRelation.NEWER)


def after_rollback(entries: Sequence[RolledBack], content: Content, left: RolledBack | None) -> tuple[RolledBack, ...]:
    """Return what must not return when an environment goes back to ``content`` from ``left``; None: from nothing."""
    added = [left] if left and not is_same(left, content) else []
    kept = [
        entry
        for entry in entries
        if not is_same(entry, content) and not (added and (entry.version, entry.code_sha256) == _of(added[0]))
    ]
    return tuple([*kept, *added][-MOST:])


def _of(entry: RolledBack) -> tuple[str, str]:
    return entry.version, entry.code_sha256


def after_unknown(
    entries: Sequence[RolledBack], promotion: Promotion, content: Content, left: RolledBack | None
) -> tuple[RolledBack, ...]:
    """Return the same for a move of which only the alias tells, so that the order of commits is not looked at."""
    if left is not None:
        return after_rollback(entries, content, left)
    return tuple(
        entry
        for entry in entries
        if not (is_same(entry, content) or (entry.commit and entry.commit == promotion.commit))
    )


def excuses(
    known: Sequence[tuple[Sequence[RolledBack], Content | None]],
) -> frozenset[str]:
    """Return the rollbacks of several functions of which at least one gets something else now.

    ``known`` has the entries of each function and what it is to get; None: that is not known yet.
    """
    return frozenset(
        entry.promotion
        for entries, content in known
        for entry in entries
        if content is None or not is_same(entry, content)
    )
