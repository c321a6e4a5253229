"""Find the commit that is deployed: the commit of the files, which may differ from ``GITHUB_SHA``.

``GITHUB_SHA`` is the commit of the event. With ``ref:`` at actions/checkout, or after ``workflow_run``, the files are
of another commit.
"""

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from promote.core.artifact_kind import Kind, kind_of
from promote.core.errors import InputError
from promote.core.run import join_names, short_commit
from promote.core.workspace import matches
from promote.github.actions.context import Context
from promote.github.clone import CloneError, opened
from promote.github.clone_search import below, find
from promote.inputs.limits import SHA
from promote.inputs.model import Inputs
from promote.inputs.reviewed import require_merged
from promote.inputs.usage import Command


@dataclass(frozen=True)
class _Head:
    """What is checked out in a clone."""

    folder: Path
    commit: str
    parents: tuple[str, ...]
    repository: str
    """``owner/name`` in lower case, or empty."""
    pull: str
    """The ref of a pull request, such as ``pull/5/merge``, or empty."""


def resolve_commit(inputs: Inputs, context: Context) -> Context:
    """Return the context with the commit that a run deploys, and with the clone that has its history.

    The commit comes from the first of these that exists: the clone that holds the artifact, the input ``commit``, a
    clone of the repository below the workspace, the event, ``GITHUB_SHA``. A run that deploys nothing keeps
    ``GITHUB_SHA``, because the record of what it promotes names the commit.

    Raises:
        InputError: The commit is not known, or the input ``commit`` and the clone contradict each other.
        RefusedError: A pull request is checked out, and the inputs do not allow its deployment.

    """
    workspace = context.workspace
    root = find(workspace, workspace)
    around = [root] if root else below(workspace)
    context = _with_history(context, around)
    if inputs.command not in {Command.RUN, Command.DEPLOY}:
        return context
    parts = inputs.each
    paths = [part.artifact for part in parts if kind_of(part.artifact) is Kind.PATH]
    holding = {find(folder, workspace) for folder in {_folder(workspace, path) for path in paths} or {workspace}}
    held = sorted(filter(None, holding))
    given = inputs.commit
    try:
        heads = _heads(held, workspace)
        near = _heads([clone for clone in around if clone not in held], workspace) if len(heads) < len(holding) else []
    except CloneError as error:
        if given:
            return replace(context, commit=_branch_commit(given, (), context))
        raise InputError(
            "commit",
            f"the commit that is deployed is not known: {error}",
            hint=error.hint or "Check out again with actions/checkout, or set the input commit.",
        ) from error
    is_held = bool(heads) and (
        bool(paths) or not any(part.artifact for part in parts)
    )  # no clone holds an artifact in S3 or ECR
    heads += [head for head in near if _is_ours(head, context)]
    require_merged(inputs, max((head.pull for head in heads), default=""))
    commits = {_branch_commit(head.commit, head.parents, context, head.pull): head for head in heads}
    if given and not is_held:
        same = (found for found, head in commits.items() if head.commit == given)
        return replace(context, commit=next(same, None) or _branch_commit(given, (), context))
    if len(commits) > 1 or (near and not commits):
        raise _unclear(list(commits), near)
    if not commits:
        return replace(context, commit=_event_commit(context))
    [(found, head)] = commits.items()
    if given not in {"", found, head.commit}:
        raise InputError(
            "commit",
            f"it is {short_commit(given)}, and the clone that holds the artifact is at {short_commit(found)}",
            hint="Check out that commit (ref: at actions/checkout), or remove the input commit.",
        )
    return replace(context, commit=found, clone=head.folder)


def _with_history(context: Context, clones: Sequence[Path]) -> Context:
    """Return the context with a clone of the repository, and with what is checked out in all ``clones``."""
    heads: list[_Head] = []
    for clone in clones:
        with suppress(CloneError):
            heads += _heads([clone], context.workspace)
    ours = next((head.folder for head in heads if _is_ours(head, context)), None)
    return replace(context, clone=ours or context.clone, head=" ".join(head.commit for head in heads))


def _is_ours(head: _Head, context: Context) -> bool:
    """Whether a clone is of the repository whose workflow runs, as far as is known."""
    return head.repository in {"", context.repository.lower()} or not context.repository


def _unclear(commits: Sequence[str], near: Sequence[_Head]) -> InputError:
    """Return the error if it is not clear which commit is deployed.

    If no clone holds an artifact, ``near`` has the clones in the workspace.
    """
    if not near:
        return InputError(
            "artifact",
            f"the artifacts are of different commits: {join_names([short_commit(commit) for commit in commits])}",
            hint="One release has one commit. Check out one commit, or release the functions in separate steps.",
        )
    clones = (
        f"several, at {join_names([short_commit(commit) for commit in commits])}"
        if commits
        else f"one of {near[0].repository}"
    )
    return InputError(
        "commit",
        f"the commit that is deployed is not known: no clone holds the artifact, and the workspace has {clones}",
        hint="Set the input commit to the commit that the artifact was built from. If this workflow run "
        "has built it from a checkout without ref:, that is ${{ github.sha }}.",
    )


def warning(context: Context, sha: str) -> str:
    """Return a warning if the checkout is probably not what its author wants; else return an empty text.

    ``sha`` is ``GITHUB_SHA``. After ``workflow_run``, it is the newest commit of the default branch.
    """
    triggering = _sha(context, "workflow_run", "head_sha") if context.event == "workflow_run" else ""
    if context.commit != sha or triggering in {"", sha}:
        return ""
    return (
        f"The checked-out commit {short_commit(sha)} is recorded, and the run that triggered this one was of "
        f"{short_commit(triggering)}. "
        "If that run has built the artifact, check out its commit: ref: ${{ github.event.workflow_run.head_sha }}."
    )


def _folder(workspace: Path, path: str) -> Path:
    """Return the folder of an artifact. If the path leads out of the workspace, return the workspace."""
    found = Path(os.path.realpath(workspace / next(iter(matches(workspace, path)), path)))
    if not found.is_relative_to(workspace):
        return workspace
    return found if os.path.isdir(found) else found.parent  # noqa: PTH112 - Path.is_dir raises where a name is too long


def _heads(clones: Sequence[Path], workspace: Path) -> list[_Head]:
    """Return what is checked out in each clone that has a commit.

    Raises:
        CloneError: A clone cannot be read. The message names its folder.

    """
    heads = []
    for clone in clones:
        try:
            heads.append(_head(clone))
        except CloneError as error:
            where = "the workspace" if clone == workspace else repr(os.path.relpath(clone, workspace))
            raise CloneError(f"the clone in {where} cannot be read: {error}", error.hint) from error
    return list(filter(None, heads))


def _head(clone: Path) -> _Head | None:
    """Return what is checked out, or None if the clone has no commit yet.

    Raises:
        CloneError: The clone cannot be read.

    """
    with opened(clone) as found:
        commit = found.head
        if not commit:
            return None
        try:
            parents = found.commit(commit.encode()).parents
        except KeyError as error:
            raise CloneError(f"it does not have the commit {short_commit(commit)}, which is checked out") from error
        return _Head(clone, commit, tuple(parent.decode() for parent in parents), found.repository, found.pull)


def _branch_commit(commit: str, parents: Sequence[str], context: Context, pull: str = "") -> str:
    """Return the commit of a branch that ``commit``, which is checked out or given, stands for.

    For a pull request, GitHub checks out a merge with its base, ``refs/pull/N/merge``. That commit is on no branch, and
    GitHub makes a new one whenever the base grows. So the commit of the pull request counts.
    """
    if context.event.startswith("pull_request"):
        own = _sha(context, "pull_request", "head", "sha")
        if own in parents[1:] or (commit == context.commit and _is_merge(context)):
            return own or _not_named(context)
    return parents[1] if pull.endswith("/merge") and len(parents) > 1 else commit


def _event_commit(context: Context) -> str:
    """Return the commit of the event. It counts if there is no clone."""
    if context.event == "workflow_run":
        return _sha(context, "workflow_run", "head_sha") or _not_named(context)
    return _branch_commit(context.commit, (), context)


def _is_merge(context: Context) -> bool:
    """Whether ``GITHUB_SHA`` is a pull request's merge with its base."""
    return bool(re.fullmatch(r"refs/pull/\d+/merge", context.ref))


def _not_named(context: Context) -> NoReturn:
    raise InputError(
        "commit",
        f"the commit that is deployed is not known: the event {context.event} does not name one",
        hint="Check out the commit with actions/checkout, or set the input commit.",
    )


def _sha(context: Context, *names: str) -> str:
    """Return the commit at a path of keys in the event; empty if there is none."""
    try:
        here: Any = json.loads(context.event_file.read_bytes()) if context.event_file else {}
    except (OSError, ValueError, RecursionError):
        return ""
    for name in names:
        here = here.get(name) if isinstance(here, dict) else None
    return here if isinstance(here, str) and re.fullmatch(SHA, here) else ""
