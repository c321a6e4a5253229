"""Decide how a release goes on: complete it, roll it back, or leave it to another run. Values only, no calls.

``promote.pipeline.release`` reads what these decisions need, and carries out each step.

A rollback restores the aliases that moved. The others get a new Description, called the fence, and with it a new
RevisionId.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from promote.core.errors import AccessError, ConflictError, PromoteError, RefusedError, UnconfirmedError
from promote.core.promotion import Alias, Kind, placeholder
from promote.core.release import Release, ReleasePart, Stage, Undo

_STOPPED = ConflictError("it was stopped before all aliases had moved", hint="Run the job again.")


class Step(Enum):
    """What a run does next with a release."""

    MOVE_ALIASES = auto()
    """Move the aliases that have not moved yet."""
    READ_ALIASES = auto()
    """Read the aliases and move none. The release is completed only if all have moved already."""
    RECORD_UNDO = auto()
    """Record who rolls back a release that is being rolled back already. That keeps its code out."""
    RESTORE_ALIASES = auto()
    """Restore the aliases, and record that the release has ended."""
    END = auto()
    """The release has ended."""


@dataclass(frozen=True)
class Intent:
    """What a run wants with a release that has begun."""

    is_ours: bool = False
    """Whether this job began it. If the permission to move an alias is missing, the release is rolled back.

    A release of another job is left to a job with that permission."""
    is_cancelled: bool = False
    """Whether it is rolled back unless all its aliases have moved."""
    undo: Undo | None = None
    """As ``is_cancelled``, for ``command: rollback``. The record names the user who rolled it back."""

    def undo_of(self, release: Release) -> Undo | None:
        """Return how this run undoes ``release``; None if it does not.

        A release that is a rollback itself is completed, because the user wants its result. So is one that moves no
        alias, because it does not change what is served.
        """
        return None if release.kind is Kind.ROLLBACK or not release.moves else self.undo

    def stops(self, release: Release) -> bool:
        """Whether this run moves no more aliases of ``release``."""
        return self.is_cancelled or self.undo_of(release) is not None


def stop_reason(release: Release, intent: Intent, refusal: RefusedError | None) -> PromoteError | None:
    """Return why no more aliases of ``release`` may move; None if they may.

    ``refusal`` is why a version of it must not be served any more: it has failed since the release began.
    """
    return _STOPPED if intent.stops(release) else refusal


def next_step(release: Release, intent: Intent, stopped: PromoteError | None) -> Step:
    """Return the first step in the stage of ``release``. ``stopped`` is the result of ``stop_reason``."""
    if release.stage is Stage.MOVING:
        return Step.READ_ALIASES if stopped else Step.MOVE_ALIASES
    if release.stage is Stage.ROLLING_BACK:
        # Another process has started the rollback.
        is_new = release.undone is None and intent.undo_of(release) is not None
        return Step.RECORD_UNDO if is_new else Step.RESTORE_ALIASES
    return Step.END


class Movement(Enum):
    """Whether an alias has moved as its release wants."""

    YES = auto()
    NO = auto()
    UNKNOWN = auto()
    """The alias could not be read, and it may have moved."""


@dataclass(frozen=True)
class AliasMove:
    """One alias of a release after a step that moved or read it."""

    part: ReleasePart
    moved: Movement
    alias: Alias | None = None
    """The alias after its move; None if it has not moved, or if that is not known."""
    problem: PromoteError | None = None
    """Why it has not moved; None if it has, or if the step only read it."""

    @classmethod
    def seen(cls, part: ReleasePart, alias: Alias | None) -> "AliasMove":
        """Return the state of a move whose ``alias`` was just read."""
        has_moved = alias is not None and alias.promotion == part.promotion
        return cls(part, Movement.YES, alias) if has_moved else cls(part, Movement.NO)

    @property
    def is_denied(self) -> bool:
        """Whether the move was refused, so that it cannot take effect late."""
        return self.problem is not None and not isinstance(self.problem, UnconfirmedError)


def after_error(release: Release, part: ReleasePart, problem: PromoteError, alias: Alias | None) -> AliasMove:
    """Return whether an alias has moved although its move failed with ``problem``.

    ``alias`` was read after that; None if it does not exist.
    """
    found = AliasMove.seen(part, alias)
    if found.moved is Movement.NO and release.has_several:
        was = "is not known to have moved" if isinstance(problem, UnconfirmedError) else "was not moved"
        problem = problem.reworded(f"the alias of {part.name} {was}: {problem}")
    return found if found.moved is Movement.YES else replace(found, problem=problem)


def after_unread(release: Release, part: ReleasePart, problem: PromoteError, *, is_begun_here: bool) -> AliasMove:
    """Return whether an alias has moved whose move failed with ``problem``, and that could not be read after that.

    If another process began the release (not ``is_begun_here``), that process may have moved the alias.
    """
    if isinstance(problem, UnconfirmedError) or not is_begun_here:
        return AliasMove(part, Movement.UNKNOWN, problem=problem)
    return after_error(release, part, problem, None)


@dataclass(frozen=True)
class Failure:
    """Why a release is rolled back."""

    problem: PromoteError
    denied: tuple[str, ...] = ()
    """The ARNs of functions whose moves were refused."""


def failure_of(moves: Sequence[AliasMove], intent: Intent, stopped: PromoteError | None) -> Failure | None:
    """Return why a release is rolled back after its aliases were moved or read; None if all of them have moved.

    ``stopped`` is the result of ``stop_reason``.

    Raises:
        PromoteError: The release is left to another run. An alias may have moved and cannot be read, or this run lacks
            the permission to move one.

    """
    unknown = next((move.problem for move in moves if move.moved is Movement.UNKNOWN and move.problem), None)
    if unknown is not None:
        raise unknown
    if all(move.moved is Movement.YES for move in moves):
        return None
    problem = stopped or next(move.problem for move in moves if move.problem)
    if isinstance(problem, AccessError) and not intent.is_ours:
        hint = f"Run a job that may move the aliases of all its functions. {problem.hint}"
        raise problem.reworded(str(problem), hint)
    return Failure(problem, tuple(move.part.arn for move in moves if move.is_denied))


def next_alias(release: Release, part: ReleasePart, alias: Alias | None) -> Alias | None:
    """Return the next state of ``alias`` on the way to the one before the release; None if it stays as it is."""
    before = part.before
    is_fence = alias is not None and alias.description == release.fence
    if alias is not None and alias.promotion == part.promotion:
        # Until provisioned concurrency has moved, the version before may still have all the traffic.
        is_whole = not alias.own.weights or (before is not None and alias.weights == {before.version: 1.0})
        if alias.version == part.promotion.version and is_whole:
            return before or _remaining(release, part)
        # It was moved or split externally. Its Description is still ours, and is no longer true.
        return replace(alias, description=before.description if before else "")
    if before is None:
        return _remaining(release, part) if alias is None else None
    if alias is not None and is_unchanged(part, alias):
        return replace(before, description=release.fence)
    if alias is None or not is_fence:
        return None
    # If it was changed externally since the fence, it stays, with the Description from before the release.
    is_untouched = (alias.version, alias.own.weights) == (before.version, before.weights)
    return before if is_untouched else replace(alias, description=before.description)


def _remaining(release: Release, part: ReleasePart) -> Alias:
    """Return the alias that remains if there was none before the release."""
    version = part.promotion.version
    return Alias(release.environment, version, "", placeholder(version, release.key.identity), {})


def is_unchanged(part: ReleasePart, alias: Alias | None) -> bool:
    """Return whether the alias is unchanged since the release was decided."""
    if alias is None or part.before is None:
        return alias is part.before
    return alias.revision_id == part.before.revision_id


def is_restored(release: Release, part: ReleasePart, alias: Alias | None) -> bool:
    """Return whether the alias is as the rollback leaves it. If not, it was changed externally."""
    before = part.before
    if alias is None:
        return False
    if before is None:
        remaining = _remaining(release, part)
        return (alias.version, alias.weights, alias.description) == (remaining.version, {}, remaining.description)
    # Until provisioned concurrency has moved, Lambda itself leaves the traffic on the version that the alias leaves.
    is_whole = alias.weights in (before.weights, {part.promotion.version: 1.0}) or alias.split.is_lambdas
    return is_whole and (alias.version, alias.description) == (before.version, before.description)
