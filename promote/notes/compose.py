"""Bringing release notes together: what was promoted, what it changes, what proved it."""

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
from promote.notes.model import Changes, Earlier, Notes, Proof
from promote.notes.render import Template, render


def sources(context: Context, github: GitHub) -> Sources:
    """Say where to look for what has changed."""
    return Sources(context.clone, github, context.repository_url)


def of_promotion(  # noqa: PLR0913 - a promotion, and what is already known of it
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
    """Give the notes of ``move``; ``since`` is the commit of the promotion before it.

    Without ``found``, they leave out what has changed in the repository.
    ``replaced`` and ``deployed`` are the configurations of the version before and of this one, where they are known;
    ``facts`` are further fields of ``Notes``.
    """
    is_back = move.kind is Kind.ROLLBACK
    # What a rollback takes back is what lay between the two.
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


def proof_of(verdict: Verdict, at: datetime, url: str) -> Proof:
    """Give the verdict that this run has found."""
    names = tuple(check.name for check in verdict.checks)
    return Proof(verdict.outcome, len(verdict.checks), names, at, url, verdict.reason)


def earlier_served(context: Context, served: EnvironmentRecord, move: Promotion) -> Earlier | None:
    """Return the promotion of what ``move`` replaced; ``served`` is what the ledger said of it before."""
    moved = served.moved
    facts = {"version": served.version, "commit": moved.commit, "at": moved.at, "url": moved.url}
    return earlier_recorded(context, facts, move)


def earlier_recorded(context: Context, entry: Item, move: Promotion) -> Earlier | None:
    """Return the promotion of what ``move`` replaced, if ``entry`` of the history, or nothing, is its record.

    An external change leaves no record: then the one before it is of another version.
    """
    if not move.previous or entry.get("version") != move.previous:
        return None
    return Earlier(
        str(entry.get("commit") or ""), moment(entry.get("at")), context.own_page(str(entry.get("url") or ""))
    )


def recorded_proof(context: Context, item: Item | None) -> Proof | None:
    """Give a verdict of the ledger's; None: there is none that makes sense."""
    with suppress(KeyError, ValueError, TypeError, AttributeError):
        return Proof(
            outcome=Outcome(item["outcome"]),  # type: ignore[index] # None is one of what makes no sense
            count=int(item["count"]),  # type: ignore[index]
            names=tuple(str(check["name"]) for check in item["checks"]),  # type: ignore[index]
            at=moment(item.get("at")),  # type: ignore[union-attr]
            url=context.own_page(str(item.get("url") or "")),  # type: ignore[union-attr]
        )
    return None


def moment(text: object) -> datetime | None:
    """Read a time of the ledger's; None: it is none."""
    with suppress(ValueError):
        return datetime.fromisoformat(str(text))
    return None


def rendered(redact: Callable[[str], str], notes: Notes, template: Template | None) -> tuple[str, tuple[str, ...]]:
    """Render ``notes``; where the repository's own ``template`` fails, by ours and with a warning."""
    try:
        return render(notes, template, limit=BODY_LIMIT, redact=redact), ()
    except InputError as error:
        if template is None:
            raise
        text = render(notes, limit=BODY_LIMIT, redact=redact)
        return text, (f"The release notes are rendered by the action's own template. {error}. {error.hint}",)


def write(workspace: Path, path: str, text: str) -> str:
    """Write the notes to ``path``, the input ``release-notes-path``, for the owner of the workspace; give the path.

    Raises:
        InputError: it cannot be written, or leads out of the repository.

    """
    file = workspace / path
    try:
        if inside(workspace, path) is None:
            raise InputError(
                "release-notes-path",
                "it leads out of the repository by a link, or into .git",
                hint="Name a file within it.",
            )
        owner = workspace.stat()
        for folder in reversed(file.parents):
            if not folder.exists():
                folder.mkdir()
                os.chown(folder, owner.st_uid, owner.st_gid)
        file.write_text(text + "\n", encoding="utf-8")
        # In a container we are root, and the job's next steps are not.
        os.chown(file, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise InputError(
            "release-notes-path",
            f"{path!r} cannot be written: {error.strerror or error}",
            hint="Name a file in the repository that can be written.",
        ) from error
    return path
