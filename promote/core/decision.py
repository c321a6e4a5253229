"""The request to promote a candidate, what the decision depends on, and the decision. Values only, no calls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from promote.core.commit_order import CommitOrder, CommitRelation
from promote.core.errors import ConflictError, RefusedError
from promote.core.promotion import Alias, EnvironmentRecord, Kind, Promotion, RolledBack, served_version
from promote.core.rolled_back import after_promotion, after_rollback
from promote.core.run import Result, Run, short_commit
from promote.core.traffic import Split
from promote.core.verdict import Verdict
from promote.core.version import Candidate


@dataclass(frozen=True)
class PromotionRequest:
    """What to promote, and why it is allowed."""

    candidate: Candidate
    commit: str
    """The commit of the environment after the promotion."""
    run_id: int
    """The run that built the candidate. It decides the order if the git history does not; 0 if it is not known."""
    plan: str
    """The digest of the verification that the candidate passed."""
    verdict: Verdict | None = None
    """The verdict to record; None if the ledger has it."""
    token: str = ""
    """The key of the candidate's record that the promotion uses up; empty if there is none."""
    kind: Kind = Kind.PROMOTION
    is_verified: bool = True
    """Whether it has a passed verdict. If not, a user has overridden that."""
    reason: str = ""
    by: str = ""
    instead_of: str = ""
    """The version that the environment must still serve; empty if any will do."""
    seen_under: str = ""
    """The RevisionId of the environment's alias, read before the version; empty if there was no alias.

    A deleted function loses its aliases. So if the alias still has this RevisionId, the version is unchanged."""


@dataclass(frozen=True)
class Decision:
    """The result of a promotion."""

    result: Result
    previous: str
    """The version of the alias before; empty if there was no alias."""
    order: CommitOrder
    promotion: Promotion | None = None
    """The move; None if none was needed."""
    warnings: tuple[str, ...] = ()
    since: str = ""
    """The commit of the environment's previous promotion; empty if there was none or if it is not known."""
    alias: Alias | None = None
    """The alias as last read, after a move or without one; None if it was not read."""

    @property
    def move(self) -> Promotion | None:
        """The promotion or rollback of this run; None if nothing was changed."""
        return self.promotion if self.result is not Result.UNCHANGED else None


@dataclass(frozen=True)
class Situation:
    """What a decision depends on, besides the request."""

    function: str
    """The name of the function."""
    place: str
    """The environment with the functions of the release, as messages show it."""
    environment: str
    order: CommitOrder
    alias: Alias | None
    """The environment's alias as it was just read; None if it does not exist."""
    served: EnvironmentRecord
    """The environment's record in the ledger."""
    sequence: int
    """The sequence of the release, which is higher than all before it."""
    run: Run
    override: bool = False
    """The input ``override``."""
    is_pinned: bool = False
    """Whether the action's own pin is the last move of the alias, so that it was not moved externally."""
    left: RolledBack | None = None
    """The version that a rollback leaves; None for a promotion, and if the environment serves nothing."""
    orders: Mapping[str, CommitOrder] = field(default_factory=dict)
    """The order of the request's commit relative to each rolled-back commit, by that commit."""

    @property
    def previous(self) -> str:
        """The version that the environment serves; empty if it serves nothing."""
        return served_version(self.alias)


def decide(request: PromotionRequest, situation: Situation) -> Decision:
    """Decide whether the environment moves to the requested version, or stays at the version that it serves.

    A rollback may move to an older commit. A promotion never does. If the alias serves the version already, it stays,
    and its Description and record get the new commit.

    Raises:
        ConflictError: The environment no longer serves what the request replaces.
        RefusedError: The version is lower than the served one and its commit is not known, or the move would end a
            traffic split that was set externally.

    """
    order, alias, served = situation.order, situation.alias, situation.served
    candidate, previous = request.candidate, situation.previous
    is_back = request.kind is Kind.ROLLBACK
    if request.instead_of not in ("", previous):
        raise ConflictError(
            f"{situation.environment} was moved from version {request.instead_of} to {previous or 'nothing'} since the "
            "run read it",
            hint="Run command: status to see what it serves now. Roll back again if you still want to.",
        )
    is_there = alias is not None and alias.version == candidate.version and not alias.is_moved_by_others
    is_known = served.has_passed(candidate, request.plan)
    if is_there and (is_back or order.is_older or (order.relation is CommitRelation.SAME and is_known)):
        return Decision(Result.UNCHANGED, previous, order, alias=alias)
    if order.is_older and not is_back:
        return Decision(Result.SUPERSEDED, previous, order)
    if order.is_refused:
        return Decision(Result.REFUSED, previous, order)
    if not is_back and not request.commit:
        require_not_lower(situation.function, candidate.version, situation.environment, replaced_version(alias, served))
    require_free(situation.function, alias, override=situation.override, is_back=is_back)
    promotion = _promotion(request, situation, stays=is_there)
    moved = Result.ROLLED_BACK if is_back else Result.PROMOTED
    return Decision(
        Result.UNCHANGED if is_there else moved,
        previous,
        order,
        promotion,
        () if is_back else tuple(_warnings(situation, candidate.version)),
        since=served.promoted,
    )


def _promotion(request: PromotionRequest, situation: Situation, *, stays: bool) -> Promotion:
    """Return the move. If the alias ``stays`` at its version, only its Description and the records change."""
    run = situation.run
    promotion = Promotion(
        environment=situation.environment,
        version=request.candidate.version,
        previous=None if stays else situation.previous,
        commit=request.commit,
        run_id=request.run_id,
        attempt=run.attempt if request.run_id == run.run_id else 1,
        sequence=situation.sequence,
        operation=run.operation,
        kind=_kind(request, situation.order, stays=stays),
        is_verified=request.is_verified,
        reason=request.reason,
        by=request.by,
    )
    return replace(promotion, rolled_back=_rolled_back(request, situation, promotion))


def _kind(request: PromotionRequest, order: CommitOrder, *, stays: bool) -> Kind:
    """Return the kind of a move. The Description of an alias that ``stays`` where it is can name only one."""
    if stays:
        return Kind.PROMOTION
    return Kind.OVERRIDE if order.barred and request.kind is not Kind.ROLLBACK else request.kind


def _rolled_back(
    request: PromotionRequest, situation: Situation, promotion: Promotion
) -> tuple[RolledBack, ...] | None:
    """Return the rolled-back versions that must not return after the move; None if the record need not change."""
    entries, candidate = situation.served.rolled_back, request.candidate
    if promotion.kind is Kind.ROLLBACK:
        left = situation.left
        named = replace(left, reason=promotion.reason, by=promotion.by, promotion=promotion.identity) if left else None
        return after_rollback(entries, candidate, named)
    return after_promotion(entries, promotion.commit, candidate, situation.orders) if entries else None


def require_free(function: str, alias: Alias | None, *, override: bool, is_back: bool = False) -> None:
    """Refuse to move an alias if that ends a split that may be external, or that Lambda cannot end.

    A rollback (``is_back``) may end a weight that Lambda has set.

    Raises:
        RefusedError: The move ends such a split, and ``override`` is not set.

    """
    if alias is None or override:
        return
    name = f"{alias.name} of {function}"
    if alias.split.is_external:
        text = f"{name} splits its traffic, and this action did not set that split: {alias.shares}"
        if alias.split is Split.UNKNOWN:
            text += f". The run could not read whether Lambda set it: {alias.capacity_reason}"
        raise RefusedError(
            text,
            hint="If the split is no longer needed, end it: aws lambda update-alias "
            f"--function-name {function} --name {alias.name} --routing-config AdditionalVersionWeights={{}}. "
            "To let this run end it, set override: true and a reason, which is recorded.",
        )
    if alias.split is Split.STUCK and not is_back:
        raise RefusedError(
            f"Lambda could not allocate provisioned concurrency for version {alias.version} of {function} "
            f"({alias.capacity_reason or 'no reason given'}), so it sends all traffic of {alias.name} to version "
            f"{alias.serving}",
            hint=f"Run command: rollback, which returns the alias to version {alias.serving}. Then run the job again. "
            "To move the alias anyway, set override: true and a reason, which is recorded.",
        )


def replaced_version(alias: Alias | None, served: EnvironmentRecord) -> str:
    """Return the version that a promotion replaces; empty if there is none.

    An alias that follows $LATEST has no number. Then it is the version that was promoted last.
    """
    version = served_version(alias)
    return version if version.isdecimal() else served.version


def require_not_lower(function: str, version: str, environment: str, replaced: str) -> None:
    """Check that a ``version`` without a known commit is not lower than the one that it replaces.

    Lambda numbers versions in ascending order, so the lower one is older.

    Raises:
        RefusedError: The version is lower.

    """
    if not replaced.isdecimal() or int(version) >= int(replaced):
        return
    raise RefusedError(
        f"version {version} of {function} is not promoted: its commit is not known, and {environment} serves version "
        f"{replaced}, which was published after it",
        hint=f"To roll back, use `command: rollback` with `version: {version}`. Otherwise set the input `commit` to "
        "its commit.",
    )


def _warnings(situation: Situation, version: str) -> Iterator[str]:
    """Yield what to look into after a promotion to ``version`` that is made nevertheless."""
    name, found, alias, served = situation.environment, situation.order, situation.alias, situation.served
    if alias and alias.split is not Split.NONE:
        yield f"This promotion ended a traffic split of {name} that was set externally: {alias.shares}."
    elif alias and served.sequence and alias.is_moved_by_others and not situation.is_pinned:
        is_same = alias.version == served.version
        how = "the description of its alias was changed" if is_same else f"it was moved to version {alias.version}"
        if alias.version == version and not is_same:
            how += ", before that version was verified"
        yield f"{name} was changed externally since its last promotion: {how}."
    if found.relation is CommitRelation.DIVERGED:
        ours, theirs = short_commit(found.ours), short_commit(found.commit)
        yield f"The histories have diverged: {theirs}, which {name} served, is not an ancestor of {ours}."
    if found.relation is CommitRelation.UNKNOWN:
        yield f"{found.undecided(situation.place)} It was promoted because of diverged: promote."
    for commit, order in situation.orders.items():
        if order.relation is CommitRelation.UNKNOWN:
            yield (
                f"Cannot tell whether {short_commit(found.ours)} is newer than {short_commit(commit)}, which was "
                f"rolled back: {order.cause}."
            )
    if found.is_first and alias and not alias.is_placeholder:
        yield (
            f"{name} served version {alias.version}, which this action did not promote. Its commit is not known, so "
            "the order of commits was not checked."
        )


def result_of(decisions: Sequence[Decision]) -> Result:
    """Return the result of a release: if one function has something newer, or is refused, none is moved."""
    results = [decision.result for decision in decisions]
    order = (Result.SUPERSEDED, Result.REFUSED, Result.PROMOTED, Result.ROLLED_BACK)
    return next((result for result in order if result in results), Result.UNCHANGED)
