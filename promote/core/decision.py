"""The request to promote a candidate, the order of its commit and the served one, and the decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from promote.core.errors import ConflictError
from promote.core.promotion import Alias, EnvironmentRecord, Kind, Promotion, RolledBack, served_version
from promote.core.run import Result, Run
from promote.core.verdict import Verdict
from promote.core.version import Candidate


class CommitRelation(StrEnum):
    """The order of one commit relative to another."""

    SAME = "same"
    NEWER = "newer"
    OLDER = "older"
    DIVERGED = "diverged"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Barred:
    """Why a candidate is not promoted: it was rolled back, or may have been."""

    entry: RolledBack
    relation: CommitRelation | None
    """The order of its commit relative to the one that was rolled back; None if it is newer, with the same code."""


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
class CommitOrder:
    """The order of the commit to promote relative to the environment's commit."""

    ours: str
    commit: str
    """The environment's commit. Both are empty if they are not known."""
    relation: CommitRelation
    is_refused: bool = False
    """Whether the inputs refuse it, because the histories have diverged or the order is not known."""
    cause: str = ""
    """Why the order is not known, without a full stop; empty if it is known."""
    hint: str = ""
    """How to make the order known, in sentences."""
    is_first: bool = False
    """Whether the action has not promoted to this environment yet, so that there is no commit to compare with."""
    barred: Barred | None = None
    """Why it would bring back rolled-back code; None if it would not. With an override, it is not refused for that."""

    @property
    def is_older(self) -> bool:
        """Whether a newer commit is served, so that this run is superseded."""
        return self.relation is CommitRelation.OLDER


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

    environment: str
    order: CommitOrder
    alias: Alias | None
    """The environment's alias as it was just read; None if it does not exist."""
    served: EnvironmentRecord
    """The environment's record in the ledger."""
    sequence: int
    """The sequence of the release, which is higher than all before it."""
    run: Run

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
    run = situation.run
    promotion = Promotion(
        environment=situation.environment,
        version=candidate.version,
        previous=None if is_there else previous,
        commit=request.commit,
        run_id=request.run_id,
        attempt=run.attempt if request.run_id == run.run_id else 1,
        sequence=situation.sequence,
        operation=run.operation,
        kind=_kind(request, order, stays=is_there),
        is_verified=request.is_verified,
        reason=request.reason,
        by=request.by,
    )
    moved = Result.ROLLED_BACK if is_back else Result.PROMOTED
    return Decision(Result.UNCHANGED if is_there else moved, previous, order, promotion, since=served.promoted)


def _kind(request: PromotionRequest, order: CommitOrder, *, stays: bool) -> Kind:
    """Return the kind of a move. The Description of an alias that ``stays`` where it is can name only one."""
    if stays:
        return Kind.PROMOTION
    return Kind.OVERRIDE if order.barred and request.kind is not Kind.ROLLBACK else request.kind


def result_of(decisions: Sequence[Decision]) -> Result:
    """Return the result of a release: if one function has something newer, or is refused, none is moved."""
    results = [decision.result for decision in decisions]
    order = (Result.SUPERSEDED, Result.REFUSED, Result.PROMOTED, Result.ROLLED_BACK)
    return next((result for result in order if result in results), Result.UNCHANGED)
