"""Which commit is deployed: that of the files, and not the one that the workflow's run happens to name.

``GITHUB_SHA`` is of the event. With ``ref:`` at actions/checkout, or after ``workflow_run``, the files are of another.
"""

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from promote.aws.artifact import is_path
from promote.core.errors import InputError
from promote.core.run import join_names
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


def settle(inputs: Inputs, context: Context) -> Context:
    """Return the context with the commit that a run deploys, and with the clone that has its history.

    The clone that holds the artifact decides. If there is none, the input ``commit`` decides, then a clone of the
    repository below the workspace, then the event, then ``GITHUB_SHA``. A run that deploys nothing keeps
    ``GITHUB_SHA``: what it promotes has the commit of its record.

    Raises:
        InputError: the commit is not known, or the input ``commit`` and the clone contradict each other.
        RefusedError: a pull request is checked out, and the inputs do not allow to deploy one.

    """
    workspace = context.workspace
    root = find(workspace, workspace)
    around = [root] if root else below(workspace)
    context = _with_history(context, around)
    if inputs.command not in {Command.RUN, Command.DEPLOY}:
        return context
    parts = inputs.parts or (inputs,)
    paths = [part.artifact for part in parts if is_path(part.artifact)]
    holding = {find(folder, workspace) for folder in {_folder(workspace, path) for path in paths} or {workspace}}
    held = sorted(filter(None, holding))
    given = inputs.commit
    try:
        heads = _heads(held)
        near = _heads([clone for clone in around if clone not in held]) if len(heads) < len(holding) else []
    except CloneError as error:
        if given:
            return replace(context, commit=_branch_commit(given, (), context))
        raise InputError(
            "commit",
            f"the commit that is deployed is not known: the clone in the workspace cannot be read: {error}",
            hint=error.hint or "Check out again with actions/checkout, or give the commit with the input commit.",
        ) from error
    is_held = bool(heads) and (bool(paths) or not any(part.artifact for part in parts))  # S3 and ECR: no clone does
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
            f"it is {given[:10]}, and the clone that holds the artifact is at {found[:10]}",
            hint="Check out that commit (ref: at actions/checkout), or remove the input commit.",
        )
    return replace(context, commit=found, clone=head.folder)


def _with_history(context: Context, clones: Sequence[Path]) -> Context:
    """Return the context with a clone of the repository, and with what is checked out in all ``clones``."""
    heads: list[_Head] = []
    for clone in clones:
        with suppress(CloneError):
            heads += _heads([clone])
    ours = next((head.folder for head in heads if _is_ours(head, context)), None)
    return replace(context, clone=ours or context.clone, head=" ".join(head.commit for head in heads))


def _is_ours(head: _Head, context: Context) -> bool:
    """Whether a clone is of the repository whose workflow runs, as far as is known."""
    return head.repository in {"", context.repository.lower()} or not context.repository


def _unclear(commits: Sequence[str], near: Sequence[_Head]) -> InputError:
    """Return the error of several commits that may be the one that is deployed, or of none.

    ``near`` are the clones in the workspace, if an artifact lies in none.
    """
    if not near:
        return InputError(
            "artifact",
            f"the artifacts are of different commits: {join_names([commit[:10] for commit in commits])}",
            hint="One release has one commit. Check out one commit, or release the functions by steps of their own.",
        )
    those = (
        f"several, at {join_names([commit[:10] for commit in commits])}" if commits else f"one of {near[0].repository}"
    )
    return InputError(
        "commit",
        f"the commit that is deployed is not known: no clone holds the artifact, and the workspace has {those}",
        hint="Give the commit that the artifact was built from with the input commit. If this workflow run "
        "has built it from a checkout without ref:, that is ${{ github.sha }}.",
    )


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


def _heads(clones: Sequence[Path]) -> list[_Head]:
    """Return what is checked out in each; a clone without a commit tells nothing, as no clone does.

    Raises:
        CloneError: a clone cannot be read.

    """
    return [head for clone in clones if (head := _head(clone))]


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
        return _Head(clone, commit, tuple(parent.decode() for parent in parents), found.repository, found.pull)


def _branch_commit(commit: str, parents: Sequence[str], context: Context, pull: str = "") -> str:
    """Return the commit of a branch that ``commit``, which is checked out or given, stands for.

    Of a pull request, GitHub checks out a merge with its base, ``refs/pull/N/merge``. That commit is on no branch, and
    is made again whenever the base grows. So the pull request's own commit is what counts.
    """
    if context.event.startswith("pull_request"):
        own = _sha(context, "pull_request", "head", "sha")
        if own in parents[1:] or (commit == context.commit and _is_merge(context)):
            return own or _not_named(context)
    return parents[1] if pull.endswith("/merge") and len(parents) > 1 else commit


def _event_commit(context: Context) -> str:
    """Return the commit that the event is of, where no clone tells."""
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
