"""The history that the local clone has: how commits stand to each other, what lies between them, and its tags.

Whatever the clone does not have, since it is shallow or there is none, is "not known" here, and never an error.
"""

from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from promote import tags
from promote.clock import Clock
from promote.commits import Listing, Message, person
from promote.context import Context
from promote.errors import GitHubError
from promote.github import MOST, GitHub
from promote.notes.model import Commit

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from dulwich.objects import Commit as Object
    from dulwich.objects import ObjectID
    from dulwich.repo import Repo


_Answer = TypeVar("_Answer")


class Relation(StrEnum):
    """How one commit stands to another."""

    SAME = "same"
    NEWER = "newer"
    OLDER = "older"
    DIVERGED = "diverged"
    UNKNOWN = "unknown"


@cache
def relation(
    commit: str, to: str, context: Context, session: "Callable[[], requests.Session]", clock: Clock
) -> Relation:
    """Say, once a run, how ``commit`` stands to ``to``: by local history when it is there, else as GitHub says."""
    return related(commit, to, context.workspace, GitHub(context, session, clock, _PATIENCE))


def related(commit: str, to: str, workspace: Path, github: GitHub) -> Relation:
    """Say the same; what GitHub is asked is of its own limits then."""
    if commit == to:
        return Relation.SAME
    if not (commit and to):
        return Relation.UNKNOWN
    found = _local(commit, to, workspace)
    if found is Relation.UNKNOWN and github.is_known:
        with suppress(GitHubError):
            found = _BY_STATUS.get(github.relation(to, commit), found)
    return found


def contains(workspace: Path, commit: str, head: str) -> bool | None:
    """Say whether ``commit`` is part of the history of ``head``; None: the clone does not tell."""
    found = Relation.SAME if commit == head else _local(commit, head, workspace)
    return None if found is Relation.UNKNOWN else found in {Relation.SAME, Relation.OLDER}


def commits(workspace: Path, since: str, until: str, most: int = MOST) -> Listing[Commit] | None:
    """Give what ``until`` has and ``since`` has not, a commit before its parents; None: the clone does not tell.

    As ``git log since..until`` has it, so that ``since`` may also be of a history that was replaced. An empty ``since``
    is before the first commit.
    """

    def answer(repository: "Repo") -> Listing[Commit] | None:
        exclude = [_id(since)] if since else []
        walker = repository.get_walker([_id(until)], exclude=exclude, order="topo", max_entries=most + 1)
        walked = [entry.commit for entry in walker]
        # Where the history was cut off, nobody knows what was there, nor whether the other commit has it.
        cut = repository.get_shallow()
        if any(commit.id in cut for commit in walked):
            return None
        return Listing(tuple(map(_commit, walked[:most])), is_whole=len(walked) <= most)

    return _asked(workspace, answer)


def tag_commit(workspace: Path, tag: str) -> str:
    """Give the commit that ``tag`` is of; empty: the clone does not have it."""
    return _asked(workspace, lambda repository: _peeled(repository, tag).decode()) or ""


def tag_before(workspace: Path, tag: str) -> str | None:
    """Give the nearest tag before ``tag`` in its own history; empty: there is none; None: the clone does not tell.

    Of tags that name versions, the one before by :func:`promote.tags.before`; where ``tag`` names none, the one that
    the history comes to first.
    """

    def answer(repository: "Repo") -> str | None:
        from dulwich.refs import Ref  # noqa: PLC0415 - seldom needed

        head = _peeled(repository, tag)
        names = [name.decode("utf-8", "replace") for name in repository.refs.as_dict(Ref(_TAGS))]
        is_far = False
        if tags.Version.of(tag):
            nearest = tags.before(tag, names)
            found = next((name for name in nearest[:_TRIES] if _has(repository, head, name)), "")
            is_far = len(nearest) > _TRIES
        else:
            found = _first_tagged(repository, head, set(names) - {tag})
        # A shallow clone may lack older tags, and the history that leads to those it has.
        return found or (None if is_far or repository.get_shallow() else "")

    return _asked(workspace, answer)


def _asked(workspace: Path, question: "Callable[[Repo], _Answer]") -> "_Answer | None":
    """Put ``question`` to the repository that ``workspace`` is in; None: there is none, or it lacks something."""
    if not any((folder / ".git").exists() for folder in (workspace, *workspace.parents)):
        return None
    from dulwich.repo import Repo  # noqa: PLC0415 - needed only where there is a clone

    try:
        with Repo.discover(str(workspace)) as repository:
            return question(repository)
    except Exception:  # noqa: BLE001 - a clone may be broken in many ways; in each of them GitHub is asked instead
        return None


def _local(commit: str, to: str, workspace: Path) -> Relation:
    def answer(repository: "Repo") -> Relation:
        from dulwich.graph import find_merge_base  # noqa: PLC0415 - seldom needed

        # Unlike can_fast_forward, this does not take a clock that was wrong for a parting.
        common = find_merge_base(repository, [_id(commit), _id(to)])
        if common == [_id(to)]:
            return Relation.NEWER
        if common == [_id(commit)]:
            return Relation.OLDER
        # In a shallow clone the missing history may join what seems to have parted.
        return Relation.UNKNOWN if repository.get_shallow() else Relation.DIVERGED

    return _asked(workspace, answer) or Relation.UNKNOWN


def _first_tagged(repository: "Repo", head: "ObjectID", names: set[str]) -> str:
    """Give the tag of the commit that comes first on the way back from ``head``, its own left out."""
    by_commit: dict[bytes, str] = {}
    for name in sorted(names):
        with suppress(KeyError):
            by_commit[_peeled(repository, name)] = name
    by_commit.pop(head, None)
    walked = repository.get_walker([head], max_entries=_FAR) if by_commit else ()
    return next((by_commit[entry.commit.id] for entry in walked if entry.commit.id in by_commit), "")


def _has(repository: "Repo", head: "ObjectID", tag: str) -> bool:
    from dulwich.graph import find_merge_base  # noqa: PLC0415 - seldom needed

    try:
        found = _peeled(repository, tag)
    except KeyError:  # of a tree or a blob, or not fetched
        return False
    return find_merge_base(repository, [found, head]) == [found]


def _peeled(repository: "Repo", tag: str) -> "ObjectID":
    from dulwich.objects import Commit as Object  # noqa: PLC0415 - seldom needed
    from dulwich.objects import Tag  # noqa: PLC0415 - the same
    from dulwich.refs import Ref  # noqa: PLC0415 - the same

    found = repository[repository.refs[Ref(_TAGS + b"/" + tag.encode())]]
    while isinstance(found, Tag):
        found = repository[found.object[1]]
    if not isinstance(found, Object):
        raise KeyError(tag)
    return found.id


def _commit(found: "Object") -> Commit:
    name, _, address = _decoded(found.author, found.encoding).partition("<")
    message = Message.of(_decoded(found.message, found.encoding))
    return Commit(
        sha=found.id.decode(),
        subject=message.subject,
        body=message.body,
        authors=message.authors(person(name, address.partition(">")[0])),
        at=_moment(found.commit_time),
        parents=tuple(parent.decode() for parent in found.parents),
        written=_moment(found.author_time),
    )


def _moment(seconds: float) -> datetime | None:
    with suppress(OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(seconds, UTC)
    return None


def _decoded(text: bytes, encoding: bytes | None) -> str:
    """Read ``text`` as its commit says; whoever has left that out or got it wrong most likely meant UTF-8."""
    with suppress(LookupError, UnicodeError, ValueError):
        return text.decode(encoding.decode() if encoding else "utf-8")
    return text.decode("utf-8", "replace")


def _id(commit: str) -> "ObjectID":
    from dulwich.objects import ObjectID  # noqa: PLC0415 - seldom needed

    return ObjectID(commit.encode())


_BY_STATUS = {
    "ahead": Relation.NEWER,
    "behind": Relation.OLDER,
    "identical": Relation.SAME,
    "diverged": Relation.DIVERGED,
}
_PATIENCE = 13.0
"""Seconds that a promotion waits for GitHub's word on the order of two commits."""
_TAGS = b"refs/tags"
_TRIES = 20
"""Tags that are looked for in the history: the nearest one is, unless many belong to other branches."""
_FAR = 10_000
"""Commits back from a tag that names no version."""
