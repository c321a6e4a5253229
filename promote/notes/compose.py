"""Compose release notes: the promotion, its changes and its verdict."""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from promote.aws.dynamodb import Item
from promote.aws.lambda_function import Function
from promote.core.concurrency import run_both
from promote.core.errors import InputError
from promote.core.promotion import EnvironmentRecord, Kind, Promotion
from promote.core.verdict import Outcome, Verdict
from promote.core.version import Snapshot
from promote.core.workspace import inside
from promote.github.actions.context import Context
from promote.github.api.release_page import BODY_LIMIT
from promote.github.api.repository import GitHub
from promote.notes.collect import Sources
from promote.notes.config_diff import differences
from promote.notes.model import Changes, Earlier, Notes, VerdictSummary
from promote.notes.render import Template, render


def sources(context: Context, github: GitHub) -> Sources:
    """Return the sources of the changes."""
    return Sources(context.clone, github, context.repository_url)


def of_promotion(  # noqa: PLR0913 - a promotion, and what is already known about it
    context: Context,
    found: Sources | None,
    function: Function,
    move: Promotion,
    since: str,
    *,
    replaced: Snapshot | None = None,
    deployed: Snapshot | None = None,
    **facts: Any,
) -> Notes:
    """Return the notes of ``move``. ``since`` is the commit of the previous promotion.

    Without ``found``, the notes contain no changes of the repository. ``replaced`` and ``deployed`` are the snapshots
    of the previous and the new version, if they are known. ``facts`` are further fields of ``Notes``.
    """
    is_back = move.kind is Kind.ROLLBACK
    # A rollback removes the changes between the two commits.
    older, newer = (move.commit, since) if is_back else (since, move.commit)
    changes, (before, after) = run_both(
        lambda: found.between(older, newer) if found and older and newer else Changes(),
        lambda: _versions(function, move, replaced, deployed),
    )
    return Notes(
        function=function.name,
        environment=move.environment,
        version=move.version,
        previous_version=move.previous or "",
        commit=move.commit,
        since=since,
        is_rollback=is_back,
        changes=changes,
        differences=differences(before.configuration, after.configuration) if before and after else (),
        reason=move.reason,
        repository=context.repository,
        repository_url=context.repository_url,
        **facts,
    )


def _versions(
    function: Function, move: Promotion, replaced: Snapshot | None, deployed: Snapshot | None
) -> tuple[Snapshot | None, Snapshot | None]:
    has_before = move.previous and move.previous.isdecimal()
    before = replaced or (function.find(move.previous) if move.previous and has_before else None)
    return before, deployed or (function.find(move.version) if before else None)


def summarized(verdict: Verdict, at: datetime, url: str) -> VerdictSummary:
    """Return the verdict of this run for the notes."""
    names = tuple(check.name for check in verdict.checks)
    return VerdictSummary(verdict.outcome, len(verdict.checks), names, at, url, verdict.reason)


def earlier_served(context: Context, served: EnvironmentRecord, move: Promotion) -> Earlier | None:
    """Return the promotion of the version that ``move`` replaced. ``served`` is the record before the move."""
    moved = served.moved
    facts = {"version": served.version, "commit": moved.commit, "at": moved.at, "url": moved.url}
    return earlier_recorded(context, facts, move)


def earlier_recorded(context: Context, entry: Item, move: Promotion) -> Earlier | None:
    """Return the promotion of the version that ``move`` replaced, if ``entry`` of the history is its record; else None.

    An external change has no record. Then ``entry`` is of another version.
    """
    if not move.previous or entry.get("version") != move.previous:
        return None
    return Earlier(
        str(entry.get("commit") or ""), moment(entry.get("at")), context.own_page(str(entry.get("url") or ""))
    )


def recorded_verdict(context: Context, item: Item | None) -> VerdictSummary | None:
    """Return a verdict from the ledger for the notes; None if there is no valid one."""
    with suppress(KeyError, ValueError, TypeError, AttributeError):
        return VerdictSummary(
            outcome=Outcome(item["outcome"]),  # type: ignore[index] # None is not valid either
            count=int(item["count"]),  # type: ignore[index]
            names=tuple(str(check["name"]) for check in item["checks"]),  # type: ignore[index]
            at=moment(item.get("at")),  # type: ignore[union-attr]
            url=context.own_page(str(item.get("url") or "")),  # type: ignore[union-attr]
        )
    return None


def moment(text: object) -> datetime | None:
    """Return a time from the ledger; None if it is not valid."""
    with suppress(ValueError):
        return datetime.fromisoformat(str(text))
    return None


def rendered(redact: Callable[[str], str], notes: Notes, template: Template | None) -> tuple[str, tuple[str, ...]]:
    """Return ``notes`` rendered. If the user's ``template`` fails, use the action's template and return a warning."""
    try:
        return render(notes, template, limit=BODY_LIMIT, redact=redact), ()
    except InputError as error:
        if template is None:
            raise
        text = render(notes, limit=BODY_LIMIT, redact=redact)
        return text, (f"The release notes are rendered with the action's template. {error.full_text}",)


def write(workspace: Path, path: str, text: str) -> str:
    """Write the notes to ``path``, the input ``release-notes-path``, and return it.

    The file belongs to the owner of the workspace.

    Raises:
        InputError: The file cannot be written, or is outside of the repository.

    """
    file = workspace / path
    try:
        if inside(workspace, path) is None:
            raise InputError(
                "release-notes-path",
                "it leads out of the repository by a link, or into .git",
                hint="Set it to a file in the repository.",
            )
        owner = workspace.stat()
        for folder in reversed(file.parents):
            if not folder.exists():
                folder.mkdir()
                os.chown(folder, owner.st_uid, owner.st_gid)
        file.write_text(text + "\n", encoding="utf-8")
        # The container runs as root, and the next steps of the job do not.
        os.chown(file, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise InputError(
            "release-notes-path",
            f"{path!r} cannot be written: {error.strerror or error}",
            hint="Set it to a writable file in the repository.",
        ) from error
    return path
