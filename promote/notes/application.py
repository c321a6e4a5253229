"""The notes of a release of several functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.lambda_function import Function
from promote.core.commit_order import CommitRelation
from promote.core.concurrency import map_and_wait
from promote.core.promotion import Kind, Promotion
from promote.core.verdict import Outcome
from promote.core.version import Snapshot
from promote.github import git
from promote.github.actions.context import Context
from promote.github.api.repository import GitHub
from promote.notes.compose import of_promotion, sources
from promote.notes.model import Earlier, Notes, Part, VerdictSummary


@dataclass(frozen=True)
class Piece:
    """What is known about one function of a release."""

    function: Function
    version: str
    """The version that it serves after the release."""
    move: Promotion | None = None
    """The move of its alias; None if the alias did not change."""
    since: str = ""
    """The commit of the previous promotion; empty if there was none or if it is not known."""
    replaced: Snapshot | None = None
    """The previous version, if it was read before."""
    deployed: Snapshot | None = None
    """The version itself, if it was read before."""
    verdict: VerdictSummary | None = None
    """The verdict of the version, if the release has no common verdict."""
    url: str = ""
    """The environment's endpoint."""
    earlier: Earlier | None = None
    """The promotion of the previous version; None if it is not known."""


def of_release(  # noqa: PLR0913 - a release, and what is already known about it
    context: Context,
    github: GitHub,
    names: str,
    pieces: Sequence[Piece],
    *,
    verdict: VerdictSummary | None = None,
    at: datetime | None = None,
    actor: str = "",
    run_url: str = "",
) -> Notes:
    """Return the notes of a release that has moved some of ``pieces``. ``names`` is the enumeration of all functions.

    ``verdict`` is the verdict of the whole release; None if each function has a verdict.
    """
    widest = _widest(context, github, [piece for piece in pieces if piece.move])
    whole, *others = map_and_wait(
        [
            partial(_of_piece, context, github, piece, has_changes=piece is widest)
            for piece in (widest, *(piece for piece in pieces if piece is not widest))
        ],
        CALLS_AT_ONCE,
    )
    reported = {notes.function: notes for notes in (whole, *others)}
    return Notes(
        function=names,
        environment=whole.environment,
        commit=whole.commit,
        since=whole.since,
        is_rollback=whole.is_rollback,
        changes=whole.changes,
        functions=tuple(_part(reported[piece.function.name], piece) for piece in pieces),
        verdict=verdict or _verdict_of_all(pieces),
        at=at,
        actor=actor,
        reason=whole.reason,
        run_url=run_url,
        repository=whole.repository,
        repository_url=whole.repository_url,
    )


def _widest(context: Context, github: GitHub, moved: Sequence[Piece]) -> Piece:
    """Return the function whose changes include those of all others.

    If a function was also promoted alone, it has fewer changes than the others. For a new function, the changes are not
    known.
    """
    found, *others = [piece for piece in moved if piece.since] or moved
    is_back = found.move is not None and found.move.kind is Kind.ROLLBACK
    for other in others:
        order = git.related(found.since, other.since, context.clone, github)
        found = other if order is (CommitRelation.OLDER if is_back else CommitRelation.NEWER) else found
    return found


def _of_piece(context: Context, github: GitHub, piece: Piece, *, has_changes: bool) -> Notes:
    """Return the notes of one function. If its alias did not move, they only contain its version."""
    if piece.move is None:
        return Notes(piece.function.name, version=piece.version, previous_version=piece.version)
    known: dict[str, Any] = {"replaced": piece.replaced, "deployed": piece.deployed}
    found = sources(context, github) if has_changes else None
    return of_promotion(context, found, piece.function, piece.move, piece.since, **known)


def _part(notes: Notes, piece: Piece) -> Part:
    return Part(notes.function, notes.version, notes.previous_version, piece.url, notes.differences, piece.earlier)


def _verdict_of_all(pieces: Sequence[Piece]) -> VerdictSummary | None:
    """Return the combined verdict of all functions; None if one has none or if it is not known."""
    verdicts = [(piece.function.name, piece.verdict) for piece in pieces if piece.verdict]
    if len(verdicts) < len(pieces):
        return None
    urls = {verdict.url for _, verdict in verdicts}
    return VerdictSummary(
        outcome=next(
            (verdict.outcome for _, verdict in verdicts if verdict.outcome is not Outcome.PASSED), Outcome.PASSED
        ),
        count=sum(verdict.count for _, verdict in verdicts),
        names=tuple(f"{function}: {name}" for function, verdict in verdicts for name in verdict.names),
        at=max((verdict.at for _, verdict in verdicts if verdict.at), default=None),
        url=urls.pop() if len(urls) == 1 else "",
    )
