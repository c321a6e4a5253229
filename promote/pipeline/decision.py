"""Decide from the current alias of an environment whether it moves."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial

from promote.core import decision as core
from promote.core.decision import CommitOrder, CommitRelation, Decision, PromotionRequest, Situation
from promote.core.errors import RefusedError
from promote.core.promotion import Alias, Kind, Promotion, RolledBack
from promote.core.rolled_back import after_promotion, after_rollback
from promote.core.run import short_commit
from promote.core.traffic import Split
from promote.core.version import Candidate, Content
from promote.pipeline.capacity import require_free
from promote.pipeline.order import commit_of, compare, kept_out
from promote.pipeline.target import Target

ATTEMPTS = 5
"""The most attempts to move an alias if other runs or external changes move it first."""


def is_verified(target: Target, candidate: Candidate) -> bool:
    """Return whether the environment serves ``candidate`` and it passed the same checks, so it need not be verified."""
    return target.served.has_passed(candidate, target.plan)


def decide(
    target: Target, request: PromotionRequest, sequence: int, excused: Collection[str] = frozenset()
) -> Decision:
    """Decide whether the alias of ``target`` moves. The move fails if the alias changes after it was read.

    ``sequence`` is that of the release. ``excused`` is as for ``barred``.

    Raises:
        ConflictError: The environment no longer serves what the request replaces.
        RefusedError: The version is lower than the served one and its commit is not known, or the move would end a
            traffic split that was set externally.

    """
    alias, served, candidate = target.alias, target.served, request.candidate
    is_back = request.kind is Kind.ROLLBACK
    order = compare(target, request.commit, None if is_back else commit_of(target, alias, candidate))
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
    """Return the rolled-back versions that must not return after the move; None if there are none, as before it."""
    entries, alias = target.served.rolled_back, target.alias
    if promotion.kind is Kind.ROLLBACK:
        return after_rollback(entries, candidate, _left(target, alias, promotion) if alias else None)
    relate = partial(compare, target, promotion.commit)
    return after_promotion(entries, promotion.commit, candidate, relate) if entries else None


def _left(target: Target, alias: Alias, rollback: Promotion) -> RolledBack:
    """Return the version that the rollback leaves, which may have been set externally."""
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
    """Check that a version without a known commit is not lower than the ``served`` one.

    Lambda numbers versions in ascending order, so the lower one is older.

    Raises:
        RefusedError: The version is lower, and its commit is not known.

    """
    # An alias that follows $LATEST has no number. Then what was promoted last counts.
    served = served if served.isdecimal() else target.served.version
    if commit or not served.isdecimal() or int(candidate.version) >= int(served):
        return
    raise RefusedError(
        f"version {candidate.version} of {target.function.name} is not promoted: its commit is not known, and "
        f"{target.environment} serves version {served}, which was published after it",
        hint=f"To roll back, use `command: rollback` with `version: {candidate.version}`. Otherwise set the input "
        "`commit` to its commit.",
    )


def next_sequence(target: Target, alias: Alias | None) -> int:
    """Return the lowest sequence that the next promotion may have."""
    return max(alias.promotion.sequence if alias and alias.promotion else 0, target.served.sequence) + 1


def _warnings(target: Target, alias: Alias | None, found: CommitOrder) -> Iterator[str]:
    """Yield what to look into after a promotion that is made nevertheless."""
    name, ours = target.environment, found.ours
    if alias and alias.split is not Split.NONE:
        yield f"This promotion ended a traffic split of {name} that was set externally: {alias.shares}."
    elif alias and target.served.sequence and alias.is_moved_by_others and not target.ledger.is_pinned(alias):
        is_same = alias.version == target.served.version
        how = "the description of its alias was changed" if is_same else f"it was moved to version {alias.version}"
        yield f"{name} was changed externally since its last promotion: {how}."
    if found.relation is CommitRelation.DIVERGED:
        theirs = short_commit(found.commit)
        yield f"The histories have diverged: {theirs}, which {name} served, is not an ancestor of {short_commit(ours)}."
    if found.relation is CommitRelation.UNKNOWN:
        yield f"{undecided(target, found)} It was promoted because of diverged: promote."
    if found.is_first and alias and not alias.is_placeholder:
        yield (
            f"{name} served version {alias.version}, which this action did not promote. Its commit is not known, so "
            "the order of commits was not checked."
        )


def undecided(target: Target, found: CommitOrder) -> str:
    """Return a sentence that says that the order of commits is not known, and why."""
    where = target.job.place
    ours = short_commit(found.ours) or "the version to promote"
    theirs = f"{short_commit(found.commit)}, which is in {where}" if found.commit else f"what is in {where}"
    return f"Cannot tell whether {ours} is newer than {theirs}: {found.cause}."
