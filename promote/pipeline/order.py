"""The order of a commit relative to the environment's commit and to rolled-back commits."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.core.commit_order import CommitOrder, first_order
from promote.core.concurrency import map_and_wait
from promote.core.promotion import Alias
from promote.core.rolled_back import excuses, keep_out
from promote.core.version import Content, same_content
from promote.github.git import order
from promote.pipeline.target import Target


def compare(target: Target, ours: str, theirs: str | None) -> CommitOrder:
    """Return the order of ``ours`` relative to ``theirs``, the environment's commit.

    ``theirs`` is None if the action has not promoted to the environment yet.
    """
    if theirs is None:
        return first_order(ours)
    job = target.job
    found = order(ours, theirs, job.context, job.session, job.clock)
    return found.under(job.inputs.diverged, target.environment)


def compare_all(target: Target, ours: str, theirs: str | None) -> tuple[CommitOrder, dict[str, CommitOrder]]:
    """Return the result of ``compare``, and the order relative to each rolled-back commit, by that commit.

    All are found in parallel, because GitHub may have to be asked for each of them.
    """
    commits = sorted({entry.commit for entry in target.served.rolled_back if entry.commit})
    calls = [partial(compare, target, ours, commit) for commit in (theirs, *commits)]
    found, *others = map_and_wait(calls, CALLS_AT_ONCE)
    return found, dict(zip(commits, others, strict=True))


def ordered(
    target: Target, ours: str, content: Content | None = None, excused: Collection[str] = frozenset()
) -> CommitOrder:
    """Return the order of ``ours`` relative to the environment's commit and rolled-back commits, before a deployment.

    ``content`` is what would be promoted; None if it is not known yet. ``excused`` is as for ``barred``. The order
    according to the ledger saves needless work. It is determined again from the alias before the alias moves.
    """
    found, orders = compare_all(target, ours, commit_of(target, target.alias, content))
    return kept_out(target, found, content, orders, excused)


def kept_out(
    target: Target,
    found: CommitOrder,
    content: Content | None,
    orders: Mapping[str, CommitOrder],
    excused: Collection[str] = frozenset(),
) -> CommitOrder:
    """Return the order ``found``, with the reason if it would bring back rolled-back code.

    ``orders`` and ``excused`` are as for ``barred``.
    """
    entries, served = target.served.rolled_back, target.served.commit
    return keep_out(found, entries, content, orders, served=served, excused=excused, overridden=target.overridden)


def order_back(target: Target, commit: str, content: Content, excused: Collection[str] = frozenset()) -> CommitOrder:
    """Return the order for a rollback to ``content`` of ``commit``.

    It returns to an older commit, so only its code may not have been rolled back. ``excused`` is as for ``barred``.
    """
    entries = tuple(replace(entry, commit="") for entry in target.served.rolled_back)
    found, served = first_order(commit), target.served.commit
    return keep_out(found, entries, content, {}, served=served, excused=excused, overridden=target.overridden)


def commit_of(target: Target, alias: Alias | None, content: Content | None) -> str | None:
    """Return the commit that the environment serves.

    It is empty if it is not known, and None if nothing was promoted to the environment yet.

    - If the alias was changed externally, the record of its version names the commit. If the alias or the function was
      deleted and created again, only that record counts.
    - ``content`` is what would be promoted. If the alias already serves that, as after a deployment by another tool,
      this run may have written the record. Then the ledger's commit counts.
    """
    if alias is None or alias.is_placeholder:
        return None
    served, last = target.served, alias.promotion
    # The Description is newer than the ledger if the last move was not recorded.
    if last is not None and last.sequence > served.sequence and last.version == alias.version:
        return last.commit
    is_known = bool(served.sequence) and not target.is_lost
    if is_known and (served.version == alias.version or alias.follows_latest):
        return served.commit
    snapshot, record = target.function.find(alias.version), target.ledger.versions.read(alias.version)
    recorded = str(record.get("commit", "")) if snapshot and snapshot.candidate.is_in(record) else ""
    is_served = bool(served.sequence and snapshot and content and same_content(snapshot, content))
    if recorded and not (is_served and recorded == target.job.run.commit):
        return recorded
    # An alias that the action has pinned still counts as one that follows $LATEST.
    if is_known and (is_served or target.ledger.is_pinned(alias)):
        return served.commit
    return "" if is_known or last else None


def orders(targets: Sequence[Target], contents: Sequence[Content | None]) -> list[CommitOrder]:
    """Return the order of the run's commit relative to each environment's commit.

    ``contents`` are what would be promoted; None if it is not known yet.
    """
    found = list(zip(targets, contents, strict=True))
    excused = excuses([(target.served.rolled_back, content) for target, content in found])
    return [ordered(target, target.job.run.commit, content, excused) for target, content in found]
