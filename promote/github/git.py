"""The git history from the local clone or, if that is not enough, from GitHub: order of commits, ranges, tags.

Order and ranges depend only on the parents of commits (``promote.github.ancestry``), never on the clocks of committers.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from promote.core.clock import Clock
from promote.core.commit_order import CommitOrder, CommitRelation
from promote.core.errors import GitHubError
from promote.core.run import short_commit
from promote.github import ancestry, tags
from promote.github.actions.context import Context
from promote.github.ancestry import Id, Range
from promote.github.api.repository import MOST, GitHub
from promote.github.clone import Clone, CloneError, opened
from promote.github.commits import Listing, Message, person
from promote.github.model import Commit
from promote.github.raw_commit import RawCommit, seconds, signature

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests


_Value = TypeVar("_Value")


@cache
def order(
    commit: str, to: str, context: Context, session: "Callable[[], requests.Session]", clock: Clock
) -> CommitOrder:
    """Return the order of ``commit`` relative to ``to``, from the clone or from GitHub. The result is cached."""
    return ordered(commit, to, context.clone, GitHub(context, session, clock, _TIMEOUT))


def related(commit: str, to: str, folder: Path, github: GitHub) -> CommitRelation:
    """Return the order of ``commit`` relative to ``to``, without the cause. The calls use the limits of ``github``."""
    return ordered(commit, to, folder, github).relation


def ordered(commit: str, to: str, folder: Path, github: GitHub) -> CommitOrder:
    """Return the order of ``commit`` relative to ``to``. ``folder`` is that of the clone."""
    if not (commit and to):
        cause, hint = "a commit is not known", "Set the input `commit`."
        return CommitOrder(commit, to, CommitRelation.UNKNOWN, cause=cause, hint=hint)
    if commit == to:
        return CommitOrder(commit, to, CommitRelation.SAME)
    found = _read_clone(folder, lambda clone: ancestry.relation(clone, _held(clone, commit), _held(clone, to)))
    if found and found is not CommitRelation.UNKNOWN:
        return CommitOrder(commit, to, found)
    cause, hint = lack(folder, commit, to)
    return _order_on_github(CommitOrder(commit, to, CommitRelation.UNKNOWN, cause=cause, hint=hint), github)


def _order_on_github(found: CommitOrder, github: GitHub) -> CommitOrder:
    """Return the order from GitHub. ``found`` says why the clone is not enough, and how to fix that."""
    cause, hint = found.cause, found.hint
    if not github.is_known:
        cause += ", and there is no github-token to ask GitHub"
        hint += " Or leave github-token at its default, and add `contents: read` to the job's permissions."
        return replace(found, cause=cause, hint=hint)
    try:
        status = github.relation(found.commit, found.ours)
    except GitHubError as error:
        return replace(found, cause=f"{cause}, and GitHub cannot be asked: {error}", hint=f"{hint} {error.hint}")
    if status not in _BY_STATUS:
        return replace(found, cause=f"{cause}, and GitHub returned {status!r}")
    return CommitOrder(found.ours, found.commit, _BY_STATUS[status])


def lack(folder: Path, *commits: str) -> tuple[str, str]:
    """Return why the clone in ``folder`` is not enough to find the order of ``commits``, and how to fix that."""
    if not (folder / ".git").exists():
        return "there is no clone in the workspace", "Check out with `fetch-depth: 0`."
    try:
        with opened(folder) as clone:
            missing = [commit for commit in commits if commit and not _holds(clone, commit)]
            if clone.is_shallow:
                return "the clone is shallow", "Set `fetch-depth: 0` at actions/checkout."
    except CloneError as error:
        return f"the clone cannot be read: {error}", error.hint or "Check out again, with `fetch-depth: 0`."
    if missing:
        return f"the clone does not have {short_commit(missing[0])}", "Fetch the branch that has it."
    return "the clone lacks a part of the history", "Check out again, with `fetch-depth: 0`."


def commits(folder: Path, since: str, until: str, most: int = MOST) -> Listing[Commit] | None:
    """Return the commits in ``until`` and not in ``since``, children first; None if the clone is not enough.

    It is the range of ``git log since..until``, so ``since`` may belong to a history that was replaced. An empty
    ``since`` is before the first commit.
    """

    def read(clone: Clone) -> Listing[Commit] | None:
        head = _held(clone, until)
        found: Range | None
        found = ancestry.between(clone, _held(clone, since), head, most) if since else None
        found = found if since else ancestry.newest(clone, head, most)
        if found is None:
            return None
        return Listing(
            tuple(_commit(sha, clone.commit(sha), clone.parents(sha) or ()) for sha in found.commits), found.is_whole
        )

    return _read_clone(folder, read)


def tag_commit(folder: Path, tag: str) -> str:
    """Return the commit of ``tag``; empty if it is not in the clone."""
    return _read_clone(folder, lambda clone: clone.tagged(tag).decode()) or ""


def tag_before(folder: Path, tag: str) -> str | None:
    """Return the nearest tag before ``tag`` in its history; empty if there is none; None if the clone is not enough.

    If ``tag`` is a version, it is the version before by :func:`promote.github.tags.before`. Otherwise it is the tag
    that is nearest in the history.
    """

    def read(clone: Clone) -> str | None:
        head, names = clone.tagged(tag), clone.tags()
        is_far = False
        if tags.Version.of(tag):
            nearest = tags.before(tag, names)
            found = next((name for name in nearest[:_TRIES] if _has(clone, head, name)), "")
            is_far = len(nearest) > _TRIES
        else:
            found = _first_tagged(clone, head, set(names) - {tag})
        # A shallow clone may lack older tags, and the history that leads to those it has.
        return found or (None if is_far or clone.is_shallow else "")

    return _read_clone(folder, read)


def _read_clone(folder: Path, read: "Callable[[Clone], _Value]") -> "_Value | None":
    """Return the result of ``read`` for the clone in ``folder``; None if it is missing, incomplete or unreadable."""
    if not (folder / ".git").exists():
        return None
    with suppress(CloneError, KeyError), opened(folder) as clone:
        return read(clone)
    return None


def _held(clone: Clone, commit: str) -> Id:
    """Return the commit, or raise KeyError if it is not in the clone."""
    found = commit.encode()
    clone.commit(found)
    return found


def _holds(clone: Clone, commit: str) -> bool:
    try:
        _held(clone, commit)
    except KeyError:
        return False
    return True


def _first_tagged(clone: Clone, head: Id, names: set[str]) -> str:
    """Return the tag of the first tagged commit before ``head``."""
    by_commit: dict[Id, str] = {}
    for name in sorted(names):
        with suppress(KeyError):
            by_commit[clone.tagged(name)] = name
    found = ancestry.first(clone, head, by_commit)
    return by_commit[found] if found else ""


def _has(clone: Clone, head: Id, tag: str) -> bool:
    try:
        found = clone.tagged(tag)
    except KeyError:  # the tag of a tree or a blob, or a commit that was not fetched
        return False
    return ancestry.relation(clone, found, head) in {CommitRelation.SAME, CommitRelation.OLDER}


def _commit(sha: Id, found: RawCommit, parents: tuple[Id, ...]) -> Commit:
    name, _, address = _decoded(signature(found.author), found.encoding).partition("<")
    message = Message.of(_decoded(found.message, found.encoding))
    return Commit(
        sha=sha.decode(),
        subject=message.subject,
        body=message.body,
        authors=message.authors(person(name, address.partition(">")[0])),
        at=_moment(seconds(found.committer)),
        parents=tuple(parent.decode() for parent in parents),
        written=_moment(seconds(found.author)),
    )


def _moment(at: int) -> datetime | None:
    with suppress(OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(at, UTC)
    return None


def _decoded(text: bytes, encoding: bytes) -> str:
    """Decode ``text`` in the encoding of its commit, or in UTF-8 if the encoding is missing or not valid."""
    with suppress(LookupError, UnicodeError, ValueError):
        return text.decode(encoding.decode() if encoding else "utf-8")
    return text.decode("utf-8", "replace")


_BY_STATUS = {
    "ahead": CommitRelation.NEWER,
    "behind": CommitRelation.OLDER,
    "identical": CommitRelation.SAME,
    "diverged": CommitRelation.DIVERGED,
}
_TIMEOUT = 13.0
"""Seconds that a promotion waits for GitHub to return the order of two commits."""
_TRIES = 20
"""The most tags that are searched in the history. More are only needed if many tags belong to other branches."""
