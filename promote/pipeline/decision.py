"""Decide from what the environment's alias says now whether it moves."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial

from promote.core import decision as core
from promote.core.decision import CommitOrder, CommitRelation, Decision, PromotionRequest, Situation
from promote.core.errors import RefusedError
from promote.core.promotion import Alias, Kind, Promotion, RolledBack
from promote.core.rolled_back import after_promotion, after_rollback
from promote.core.traffic import Split
from promote.core.version import Candidate, Content, same_content
from promote.pipeline.capacity import require_free
from promote.pipeline.order import commit_of, kept_out, standing
from promote.pipeline.target import Target

ATTEMPTS = 5
"""Decisions that are made again when somebody else was first; more often than that, somebody does not stop."""


def is_proven(target: Target, candidate: Candidate) -> bool:
    """Whether the environment serves exactly this, proven by the same plan, so that nothing is left to find out."""
    served = target.served
    return served.version == candidate.version and served.plan == target.plan and same_content(candidate, served)


def decide(
    target: Target, request: PromotionRequest, sequence: int, excused: Collection[str] = frozenset()
) -> Decision:
    """Decide from what the alias of ``target`` says whether it moves. The move is made only if it still says so.

    ``sequence`` is that of the release. ``excused`` is as for ``barred``.

    Raises:
        ConflictError: The environment does not serve what the request replaces any more.
        RefusedError: The version is lower than the one that is served, and its commit is not known; or the move would
            end a traffic split that others have set.

    """
    alias, served, candidate = target.alias, target.served, request.candidate
    is_back = request.kind is Kind.ROLLBACK
    order = standing(target, request.commit, None if is_back else commit_of(target, alias, candidate))
    order = kept_out(target, order, candidate, excused=excused, is_back=is_back)
    situation = Situation(target.environment, order, alias, served, sequence, target.job.run)
    decision = core.decide(request, situation)
    promotion = decision.promotion
    if promotion is None:
        return decision
    if not is_back:
        require_not_lower(target, request.commit, candidate, decision.previous)
    require_free(target.function.name, alias, target.job.inputs, is_back=is_back)
    promotion = replace(promotion, rolled_back=_rolled_back(target, promotion, candidate))
    warnings = () if is_back else tuple(_warnings(target, alias, order))
    return replace(decision, promotion=promotion, warnings=warnings)


def _rolled_back(target: Target, promotion: Promotion, candidate: Candidate) -> tuple[RolledBack, ...] | None:
    """Return what must not return to the environment after a move; None: nothing, neither before it nor after it."""
    entries, alias = target.served.rolled_back, target.alias
    if promotion.kind is Kind.ROLLBACK:
        return after_rollback(entries, candidate, _left(target, alias, promotion) if alias else None)
    relate = partial(standing, target, promotion.commit)
    return after_promotion(entries, promotion.commit, candidate, relate) if entries else None


def _left(target: Target, alias: Alias, rollback: Promotion) -> RolledBack:
    """Say what a rollback leaves: what the environment has, also where external changes have brought it there."""
    served, version = target.served, alias.version
    content: Content | None = served
    commit = served.commit
    if served.version != version:
        content = target.function.find(version)
        commit = str(target.ledger.versions.read(version).get("commit", "")) if version.isdecimal() else ""
    return RolledBack(
        version=version,
        code_sha256=content.code_sha256 if content else "",
        fingerprint=content.fingerprint if content else "",
        commit=commit,
        at=target.job.clock.now().isoformat(timespec="seconds"),
        reason=rollback.reason,
        by=rollback.by,
        promotion=rollback.identity,
    )


def require_not_lower(target: Target, commit: str, candidate: Candidate, served: str) -> None:
    """Refuse a version that is lower than the one ``served`` where its commit is not known.

    Lambda's numbers grow, so that it is the older one as far as anything is known of it.

    Raises:
        RefusedError: it is.

    """
    if commit or not served.isdecimal() or int(candidate.version) >= int(served):
        return
    raise RefusedError(
        f"version {candidate.version} of {target.function.name} is not promoted: its commit is not known, and "
        f"{target.environment} serves version {served}, which was published after it",
        hint=f"To go back, use `command: rollback` with `version: {candidate.version}`. Otherwise give its commit with "
        "the input `commit`.",
    )


def next_sequence(target: Target, alias: Alias | None) -> int:
    """Give the least that a further promotion may have."""
    return max(alias.promotion.sequence if alias and alias.promotion else 0, target.served.sequence) + 1


def _warnings(target: Target, alias: Alias | None, found: CommitOrder) -> Iterator[str]:
    """Say what is to be looked into after a promotion that is made all the same."""
    name, ours = target.environment, found.ours
    if alias and alias.split is not Split.NONE:
        yield f"This promotion has ended a traffic split of {name} that this action had not set: {alias.shares}."
    elif alias and target.served.sequence and alias.is_moved_by_others and not target.ledger.is_pinned(alias):
        yield f"Somebody else had pointed {name} at version {alias.version} since its last promotion."
    if found.relation is CommitRelation.DIVERGED:
        yield f"The history has parted: {found.commit[:10]}, which {name} served, is no ancestor of {ours[:10]}."
    if found.relation is CommitRelation.UNKNOWN:
        yield f"{undecided(target, found)} It was promoted, since the input diverged says so."
    if found.is_first and alias:
        yield (
            f"{name} served version {alias.version}, which this action has not promoted. Its commit is not known, so "
            "the order of commits was not checked."
        )


def undecided(target: Target, found: CommitOrder) -> str:
    """Say that the order of commits is not known, and why."""
    where = f"{target.environment} of {target.function.name}"
    ours = found.ours[:10] or "what is to be promoted"
    theirs = f"{found.commit[:10]}, which is in {where}" if found.commit else f"what is in {where}"
    return f"Cannot tell whether {ours} is newer than {theirs}: {found.cause}."
