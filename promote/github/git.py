"""What the local clone and, where it does not tell, GitHub say of the history: order of commits, ranges, tags.

Order and ranges follow from parents alone (``promote.github.ancestry``): clocks of those who commit decide nothing.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from promote.core.clock import Clock
from promote.core.decision import CommitRelation
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


_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Order:
    """How one commit stands to another."""

    relation: CommitRelation
    cause: str = ""
    """Why it is not known, without a full stop; empty: it is."""
    hint: str = ""
    """What makes it known, in sentences."""


@cache
def order(commit: str, to: str, context: Context, session: "Callable[[], requests.Session]", clock: Clock) -> Order:
    """Say, once a run, how ``commit`` stands to ``to``: by local history when it is there, else as GitHub says."""
    return ordered(commit, to, context.clone, GitHub(context, session, clock, _PATIENCE))


def related(commit: str, to: str, folder: Path, github: GitHub) -> CommitRelation:
    """Say the same without the cause; what GitHub is asked is of its own limits then."""
    return ordered(commit, to, folder, github).relation


def ordered(commit: str, to: str, folder: Path, github: GitHub) -> Order:
    """Say how ``commit`` stands to ``to``; ``folder`` is that of the clone."""
    if not (commit and to):
        return Order(CommitRelation.UNKNOWN, "a commit is not known", "Give it with the input `commit`.")
    if commit == to:
        return Order(CommitRelation.SAME)
    found = _asked(folder, lambda clone: ancestry.relation(clone, _held(clone, commit), _held(clone, to)))
    if found and found is not CommitRelation.UNKNOWN:
        return Order(found)
    return _asked_of_github(commit, to, github, *lack(folder, commit, to))


def _asked_of_github(commit: str, to: str, github: GitHub, cause: str, hint: str) -> Order:
    """Say what GitHub says; ``cause`` is why the clone does not tell, and ``hint`` is what helps there."""
    if not github.is_known:
        cause += ", and there is no github-token to ask GitHub with"
        hint += " Or leave github-token at its default, and give the job `contents: read`."
        return Order(CommitRelation.UNKNOWN, cause, hint)
    try:
        status = github.relation(to, commit)
    except GitHubError as error:
        return Order(CommitRelation.UNKNOWN, f"{cause}, and GitHub does not tell: {error}", f"{hint} {error.hint}")
    if status not in _BY_STATUS:
        return Order(CommitRelation.UNKNOWN, f"{cause}, and GitHub answered {status!r}", hint)
    return Order(_BY_STATUS[status])


def lack(folder: Path, *commits: str) -> tuple[str, str]:
    """Say why the clone in ``folder`` does not tell how ``commits`` hang together, and what helps."""
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
    """Give what ``until`` has and ``since`` has not, a commit before its parents; None: the clone does not tell.

    As ``git log since..until`` has it, so that ``since`` may also be of a history that was replaced. An empty ``since``
    is before the first commit.
    """

    def answer(clone: Clone) -> Listing[Commit] | None:
        head = _held(clone, until)
        found: Range | None
        found = ancestry.between(clone, _held(clone, since), head, most) if since else None
        found = found if since else ancestry.newest(clone, head, most)
        if found is None:
            return None
        return Listing(
            tuple(_commit(sha, clone.commit(sha), clone.parents(sha) or ()) for sha in found.commits), found.is_whole
        )

    return _asked(folder, answer)


def tag_commit(folder: Path, tag: str) -> str:
    """Give the commit that ``tag`` is of; empty: the clone does not have it."""
    return _asked(folder, lambda clone: clone.tagged(tag).decode()) or ""


def tag_before(folder: Path, tag: str) -> str | None:
    """Give the nearest tag before ``tag`` in its own history; empty: there is none; None: the clone does not tell.

    Of tags that name versions, the one before by :func:`promote.github.tags.before`; where ``tag`` names none, the one
    that the history comes to first.
    """

    def answer(clone: Clone) -> str | None:
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

    return _asked(folder, answer)


def _asked(folder: Path, question: "Callable[[Clone], _Answer]") -> "_Answer | None":
    """Put ``question`` to the clone in ``folder``; None: there is none, it lacks something, or cannot be read."""
    if not (folder / ".git").exists():
        return None
    with suppress(CloneError, KeyError), opened(folder) as clone:
        return question(clone)
    return None


def _held(clone: Clone, commit: str) -> Id:
    """Give the commit, which the clone must have."""
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
    """Give the tag of the commit that comes first on the way back from ``head``, its own left out."""
    by_commit: dict[Id, str] = {}
    for name in sorted(names):
        with suppress(KeyError):
            by_commit[clone.tagged(name)] = name
    found = ancestry.first(clone, head, by_commit)
    return by_commit[found] if found else ""


def _has(clone: Clone, head: Id, tag: str) -> bool:
    try:
        found = clone.tagged(tag)
    except KeyError:  # of a tree or a blob, or not fetched
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
    """Read ``text`` as its commit says; whoever has left that out or got it wrong most likely meant UTF-8."""
    with suppress(LookupError, UnicodeError, ValueError):
        return text.decode(encoding.decode() if encoding else "utf-8")
    return text.decode("utf-8", "replace")


_BY_STATUS = {
    "ahead": CommitRelation.NEWER,
    "behind": CommitRelation.OLDER,
    "identical": CommitRelation.SAME,
    "diverged": CommitRelation.DIVERGED,
}
_PATIENCE = 13.0
"""Seconds that a promotion waits for GitHub's word on the order of two commits."""
_TRIES = 20
"""Tags that are looked for in the history: the nearest one is, unless many belong to other branches."""
