"""Decide whether a candidate would bring back rolled-back code.

A rollback records the version that it leaves. After that, the environment takes only newer commits with other code or
configuration. A promotion of a newer commit ends that, and so does an override.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from promote.core.commit_order import Barred, CommitOrder, CommitRelation
from promote.core.promotion import Promotion, RolledBack
from promote.core.version import Content, same_content

MOST = 10
"""The most entries of an environment, because the size of an item is limited. The oldest are dropped."""


def keep_out(  # noqa: PLR0913 - the candidate, and what is known about it
    found: CommitOrder,
    entries: Sequence[RolledBack],
    content: Content | None,
    orders: Mapping[str, CommitOrder],
    *,
    served: str,
    excused: Collection[str] = (),
    overridden: Collection[str] = (),
) -> CommitOrder:
    """Return the order ``found``, with the reason if it would bring back rolled-back code.

    ``overridden`` are the rollbacks that the input ``override`` is about. Any other one refuses the promotion. The
    other arguments are as for ``barred``.
    """
    for count in ([entry for entry in entries if entry.promotion not in overridden], entries):
        bar = barred(count, found.ours, content, orders, served=served, excused=excused)
        if bar:
            is_kept_out = bar.entry.promotion not in overridden
            return replace(found, barred=bar, is_kept_out=is_kept_out, is_refused=found.is_refused or is_kept_out)
    return found


def barred(  # noqa: PLR0913 - the candidate, and what is known about it
    entries: Sequence[RolledBack],
    commit: str,
    content: Content | None,
    orders: Mapping[str, CommitOrder],
    *,
    served: str,
    excused: Collection[str] = (),
) -> Barred | None:
    """Return why ``content`` of ``commit`` must not be promoted; None if it may be.

    - ``content`` is None if it is not known yet.
    - ``orders`` has the order of ``commit`` relative to the commit of each entry.
    - ``served`` is the commit that the environment serves according to the ledger.
    - ``excused`` are the rollbacks of several functions that do not count, because another function gets new code.
    """
    for entry in reversed(entries):
        if entry.commit and not (commit and commit == served):
            order = orders[entry.commit]
            is_unknown = order.relation is CommitRelation.UNKNOWN and order.is_refused
            if order.relation in (CommitRelation.SAME, CommitRelation.OLDER) or is_unknown:
                return Barred(entry, order.relation)
        if content is not None and is_same(entry, content) and entry.promotion not in excused:
            return Barred(entry, None)
    return None


def is_same(entry: RolledBack, content: Content) -> bool:
    """Return whether ``content`` was rolled back in ``entry``."""
    return bool(entry.code_sha256) and same_content(entry, content)


def after_promotion(
    entries: Sequence[RolledBack], commit: str, content: Content, orders: Mapping[str, CommitOrder]
) -> tuple[RolledBack, ...]:
    """Return the entries that still count after ``content`` of ``commit`` is promoted.

    They do not include ``content``, which an override has brought back, or entries whose commits ``commit`` contains.
    ``orders`` is as for ``barred``.
    """
    return tuple(
        entry for entry in entries if not (is_same(entry, content) or _is_contained(entry.commit, commit, orders))
    )


def _is_contained(theirs: str, ours: str, orders: Mapping[str, CommitOrder]) -> bool:
    if not ours:
        return False
    # If the commit of the rolled-back version is not known, the later promotion counts as newer.
    return not theirs or orders[theirs].relation in (CommitRelation.SAME, CommitRelation.NEWER)


def after_rollback(entries: Sequence[RolledBack], content: Content, left: RolledBack | None) -> tuple[RolledBack, ...]:
    """Return the entries after a rollback from ``left`` (None if the environment had no version) to ``content``."""
    added = [left] if left and not is_same(left, content) else []
    kept = [
        entry
        for entry in entries
        if not is_same(entry, content) and not (added and _identity(entry) == _identity(added[0]))
    ]
    return tuple([*kept, *added][-MOST:])


def _identity(entry: RolledBack) -> tuple[str, str]:
    return entry.version, entry.code_sha256


def after_unknown(
    entries: Sequence[RolledBack], promotion: Promotion, content: Content, left: RolledBack | None
) -> tuple[RolledBack, ...]:
    """Return the entries after a move that is known only from the alias, so that the order of commits is not used."""
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
    """Return the identities of rollbacks of several functions of which at least one now gets other content.

    ``known`` has, per function, its entries and its new content (None if it is not known yet).
    """
    return frozenset(
        entry.promotion
        for entries, content in known
        for entry in entries
        if content is None or not is_same(entry, content)
    )
