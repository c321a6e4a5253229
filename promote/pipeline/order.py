"""How a commit stands to the environment's commit, and to what was rolled back."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from promote.core.decision import CommitOrder, CommitRelation
from promote.core.promotion import Alias
from promote.core.rolled_back import barred, excuses
from promote.core.version import Content, same_content
from promote.github.git import order
from promote.inputs.model import Diverged
from promote.pipeline.target import Target


def standing(target: Target, ours: str, theirs: str | None) -> CommitOrder:
    """Say how ``ours`` stands to ``theirs``, the environment's; None: there is nothing that could be newer.

    What has diverged is promoted, unless the input ``diverged`` refuses it. An order that is not known is refused,
    unless that input says ``promote``.
    """
    job = target.job
    if theirs is None:
        return CommitOrder(ours, "", CommitRelation.NEWER, is_first=True)
    found = order(ours, theirs, job.context, job.session, job.clock)
    cause, hint = found.cause, found.hint
    if not theirs:
        cause = f"the commit of what {target.environment} serves is not known"
        hint = "See with `command: status` what it serves, and who has moved its alias."
    if not ours:
        cause = "its commit is not known"
        hint = "Check out with actions/checkout, or give the commit with the input `commit`."
    wanted = job.inputs.diverged
    is_refused = (found.relation is CommitRelation.DIVERGED and wanted is Diverged.REFUSE) or (
        found.relation is CommitRelation.UNKNOWN and wanted is not Diverged.PROMOTE
    )
    return CommitOrder(ours, theirs, found.relation, is_refused, cause, hint)


def ordered(
    target: Target, ours: str, content: Content | None = None, excused: Collection[str] = frozenset()
) -> CommitOrder:
    """Say how ``ours`` stands to the environment's commit and to what was rolled back, before anything is deployed.

    ``content`` is what would be promoted, where that is known; ``excused`` is as for ``barred``. What the ledger says
    is enough to spare the work. Whether the alias may move is decided again, by the alias itself.
    """
    found = standing(target, ours, commit_of(target, target.alias, content))
    return kept_out(target, found, content, excused=excused)


def kept_out(
    target: Target,
    found: CommitOrder,
    content: Content | None,
    *,
    excused: Collection[str] = frozenset(),
    is_back: bool = False,
) -> CommitOrder:
    """Say the same, and whether it would bring back what was rolled back; ``excused`` is as for ``barred``.

    A rollback (``is_back``) goes to older commits, so that there only the code counts.
    """
    entries = target.served.rolled_back
    if not entries:
        return found
    relate = partial(standing, target, found.ours)
    if is_back:
        entries = tuple(replace(entry, commit="") for entry in entries)
    bar = barred(entries, found.ours, content, relate, served=target.served.commit, excused=excused)
    if bar is None:
        return found
    return replace(found, barred=bar, is_refused=found.is_refused or not target.job.inputs.override)


def commit_of(target: Target, alias: Alias | None, content: Content | None) -> str | None:
    """Return the commit that the environment serves; empty: it is not known; None: this action has not promoted to it.

    If the alias was changed externally, the record of its version names the commit. ``content`` is what would be
    promoted. If the alias serves that already, as after a deployment by another tool, the record may be of this run.
    Then the ledger's commit counts.
    """
    if target.is_lost or alias is None:
        return None
    served, last = target.served, alias.promotion
    # An alias that has stayed as it was, while others of its release moved, knows of an earlier commit than the ledger.
    if last is not None and last.sequence > served.sequence and last.version == alias.version:
        return last.commit
    if served.sequence and (served.version == alias.version or alias.follows_latest):
        return served.commit
    snapshot, record = target.function.find(alias.version), target.ledger.versions.read(alias.version)
    recorded = str(record.get("commit", "")) if snapshot and snapshot.candidate.is_in(record) else ""
    is_served = bool(served.sequence and snapshot and content and same_content(snapshot, content))
    if recorded and not (is_served and recorded == target.job.run.commit):
        return recorded
    # What the action itself has pinned followed $LATEST before, as which it counts.
    if served.sequence and (is_served or target.ledger.is_pinned(alias)):
        return served.commit
    return "" if served.sequence or last else None


def orders(targets: Sequence[Target], contents: Sequence[Content | None]) -> list[CommitOrder]:
    """Say how each commit stands to what its environment has; the history is asked once for each commit.

    ``contents`` are what would be promoted, where that is known.
    """
    found = list(zip(targets, contents, strict=True))
    excused = excuses([(target.served.rolled_back, content) for target, content in found])
    return [ordered(target, target.job.run.commit, content, excused) for target, content in found]
