"""Which commit is deployed: that of the files, and not the one that the workflow's run happens to name.

``GITHUB_SHA`` is of the event. With ``ref:`` at actions/checkout, or after ``workflow_run``, the files are of another.
"""

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from promote.artifact import is_path
from promote.clone import CloneError, find, opened
from promote.context import Context
from promote.errors import InputError
from promote.inputs import SHA, Command, Inputs
from promote.model import listed


@dataclass(frozen=True)
class _Head:
    """What is checked out in a clone."""

    folder: Path
    commit: str
    parents: tuple[str, ...]


def settle(inputs: Inputs, context: Context) -> Context:
    """Return the context with the commit that a run deploys, and with the clone that has its history.

    The clone that holds the artifact decides. If there is none, the input ``commit`` decides, then the event, then
    ``GITHUB_SHA``. A run that deploys nothing keeps ``GITHUB_SHA``: what it promotes has the commit of its record.

    Raises:
        InputError: the commit is not known, or the input ``commit`` and the clone contradict each other.

    """
    root = find(context.workspace, context.workspace)
    with suppress(CloneError):
        context = replace(context, clone=root or context.workspace, head=_commit(root))
    if inputs.command not in {Command.RUN, Command.DEPLOY}:
        return context
    parts = inputs.parts or (inputs,)
    paths = [part.artifact for part in parts if is_path(part.artifact)]
    folders = {_folder(context.workspace, path) for path in paths} or {context.workspace}
    clones = {find(folder, context.workspace) for folder in folders} - {None}
    given = inputs.commit
    try:
        heads = [head for clone in sorted(filter(None, clones)) if (head := _head(clone))]
    except CloneError as error:
        if given:
            return replace(context, commit=given)
        raise InputError(
            "commit",
            f"the commit that is deployed is not known: the clone in the workspace cannot be read: {error}",
            hint="Check out again with actions/checkout, or give the commit with the input commit.",
        ) from error
    commits = {_branch_commit(head, context): head for head in heads}
    if len(commits) > 1:
        raise InputError(
            "artifact",
            f"the artifacts are of different commits: {listed([commit[:10] for commit in commits])}",
            hint="One release has one commit. Check out one commit, or release the functions by steps of their own.",
        )
    if not commits:
        return replace(context, commit=given or _event_commit(context))
    [(found, head)] = commits.items()
    is_elsewhere = not paths and any(part.artifact for part in parts)  # S3 and ECR: no clone holds it
    if given and is_elsewhere:
        found = given
    if given not in {"", found, head.commit}:
        raise InputError(
            "commit",
            f"it is {given[:10]}, and the clone that holds the artifact is at {found[:10]}",
            hint="Check out that commit (ref: at actions/checkout), or remove the input commit.",
        )
    return replace(context, commit=given or found, clone=head.folder)


def warning(context: Context, sha: str) -> str:
    """Return what a run should say of a checkout that is probably not what its author meant; empty: nothing.

    ``sha`` is ``GITHUB_SHA``. After ``workflow_run``, it is the newest commit of the default branch.
    """
    triggering = _sha(context, "workflow_run", "head_sha") if context.event == "workflow_run" else ""
    if context.commit != sha or triggering in {"", sha}:
        return ""
    return (
        f"The checked-out commit {sha[:10]} is recorded, and the run that triggered this one was of {triggering[:10]}. "
        "If that run has built the artifact, check out its commit: ref: ${{ github.event.workflow_run.head_sha }}."
    )


def _folder(workspace: Path, path: str) -> Path:
    """Return the folder that an artifact lies in, or is; that of the workspace if it leads out of it."""
    found = Path(os.path.realpath(workspace / path))
    if not found.is_relative_to(workspace):
        return workspace
    return found if os.path.isdir(found) else found.parent  # noqa: PTH112 - Path.is_dir raises where a name is too long


def _commit(clone: Path | None) -> str:
    head = _head(clone) if clone else None
    return head.commit if head else ""


def _head(clone: Path) -> _Head | None:
    """Return what is checked out; None: no commit was made yet.

    Raises:
        CloneError: the clone cannot be read.

    """
    with opened(clone) as found:
        commit = found.head
        if not commit:
            return None
        try:
            parents = found.commit(commit.encode()).parents
        except KeyError as error:
            raise CloneError(f"it does not have the commit {commit[:10]}, which is checked out") from error
        return _Head(clone, commit, tuple(parent.decode() for parent in parents))


def _branch_commit(head: _Head, context: Context) -> str:
    """Return the commit of a branch that is checked out.

    Of a pull request, GitHub checks out a merge with its base, ``refs/pull/N/merge``. That commit is on no branch, and
    is made again whenever the base grows. So the pull request's own commit is what counts.
    """
    if context.event.startswith("pull_request"):
        own = _sha(context, "pull_request", "head", "sha")
        if own in head.parents[1:] or (head.commit == context.commit and _is_merge(context)):
            return own or _not_named(context)
    return head.commit


def _event_commit(context: Context) -> str:
    """Return the commit that the event is of, where no clone tells."""
    if context.event == "workflow_run":
        return _sha(context, "workflow_run", "head_sha") or _not_named(context)
    if context.event.startswith("pull_request") and _is_merge(context):
        return _sha(context, "pull_request", "head", "sha") or _not_named(context)
    return context.commit


def _is_merge(context: Context) -> bool:
    """Whether ``GITHUB_SHA`` is a pull request's merge with its base."""
    return bool(re.fullmatch(r"refs/pull/\d+/merge", context.ref))


def _not_named(context: Context) -> NoReturn:
    raise InputError(
        "commit",
        f"the commit that is deployed is not known: the event {context.event} does not name one",
        hint="Check out the commit with actions/checkout, or give it with the input commit.",
    )


def _sha(context: Context, *names: str) -> str:
    """Return a commit that the event names, by the keys that lead to it; empty: it names none."""
    try:
        here: Any = json.loads(context.event_file.read_bytes()) if context.event_file else {}
    except (OSError, ValueError, RecursionError):
        return ""
    for name in names:
        here = here.get(name) if isinstance(here, dict) else None
    return here if isinstance(here, str) and re.fullmatch(SHA, here) else ""
