"""Decide from what the environment's alias says now whether it moves."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial

from promote.core.decision import CommitOrder, CommitRelation, Decision, PromotionRequest
from promote.core.errors import ConflictError, RefusedError
from promote.core.promotion import Alias, Kind, Promotion, RolledBack
from promote.core.rolledback import after_promotion, after_rollback
from promote.core.run import Result
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
    target: Target,
    request: PromotionRequest,
    alias: Alias | None,
    sequence: int = 0,
    excused: Collection[str] = frozenset(),
) -> Decision:
    """Decide from what the alias says at this moment; the move is made only if it still says so.

    ``target`` was made by ``Target.seeing`` the same alias: what the ledger says of a deleted one decides nothing.
    ``sequence`` is that of the promotion, where it is the same for several functions; 0: the next of this one.
    ``excused`` is as for ``barred``.
    """
    run, served, candidate = target.job.run, target.served, request.candidate
    is_back = request.kind is Kind.ROLLBACK
    found = standing(target, request.commit, None if is_back else commit_of(target, alias, candidate))
    found = kept_out(target, found, candidate, excused=excused, is_back=is_back)
    is_there = alias is not None and alias.version == candidate.version and not alias.is_moved_by_others
    previous = alias.version if alias and not alias.is_fence else ""
    if request.instead_of not in ("", previous):
        raise ConflictError(
            f"{target.environment} was moved from version {request.instead_of} to {previous or 'nothing'} meanwhile",
            hint="See what it serves now (command: status), and go back from there if that is still wanted.",
        )
    is_known = served.version == candidate.version and served.plan == request.plan and same_content(candidate, served)
    if is_there and (is_back or found.is_older or (found.relation is CommitRelation.SAME and is_known)):
        return Decision(Result.UNCHANGED, previous, found, alias=alias)
    if found.is_older and not is_back:
        return Decision(Result.SUPERSEDED, previous, found)
    if found.is_refused:
        return Decision(Result.REFUSED, previous, found)
    if not is_back:
        require_not_lower(target, request.commit, candidate, previous)
    require_free(target.function.name, alias, target.job.inputs, is_back=is_back)
    promotion = Promotion(
        environment=target.environment,
        version=candidate.version,
        previous=None if is_there else previous,
        commit=request.commit,
        run_id=request.run_id,
        attempt=run.attempt if request.run_id == run.run_id else 1,
        sequence=sequence or next_sequence(target, alias),
        operation=run.operation,
        kind=_kind(request, found, stays=is_there),
        is_proven=request.is_proven,
        reason=request.reason,
        by=request.by,
    )
    promotion = replace(promotion, rolled_back=_rolled_back(target, alias, promotion, candidate))
    made = Result.ROLLED_BACK if is_back else Result.PROMOTED
    warnings = () if is_back else tuple(_warnings(target, alias, found))
    return Decision(Result.UNCHANGED if is_there else made, previous, found, promotion, warnings, since=served.promoted)


def _kind(request: PromotionRequest, found: CommitOrder, *, stays: bool) -> Kind:
    """Return the kind of a move. A Description cannot tell any other one of an alias that ``stays`` where it is."""
    if stays:
        return Kind.PROMOTION
    return Kind.OVERRIDE if found.barred and request.kind is not Kind.ROLLBACK else request.kind


def _rolled_back(
    target: Target, alias: Alias | None, promotion: Promotion, candidate: Candidate
) -> tuple[RolledBack, ...] | None:
    """Give what must not return to the environment after a move; None: nothing, neither before it nor after it."""
    entries = target.served.rolled_back
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
