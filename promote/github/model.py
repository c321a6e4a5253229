"""People, commits and pull requests. All text in them is untrusted."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Person:
    """A contributor."""

    name: str
    """The name in the commit or on GitHub, never an e-mail address."""
    login: str = ""
    """The login on GitHub; empty if it is not known."""
    is_bot: bool = False


@dataclass(frozen=True)
class Commit:
    """A commit from the local clone or from GitHub."""

    sha: str
    subject: str
    body: str = ""
    authors: tuple[Person, ...] = ()
    """The author, then the co-authors (``Co-authored-by:``)."""
    at: datetime | None = None
    """The commit time."""
    parents: tuple[str, ...] = ()
    written: datetime | None = None
    """The author time, which a rebase and a cherry-pick keep; None if it is not known."""


@dataclass(frozen=True)
class PullRequest:
    """A merged pull request."""

    number: int
    title: str
    url: str
    author: Person
    labels: tuple[str, ...] = ()
    merge_commit: str = ""
    """The result on the branch: the merge commit, the squashed commit, or the last rebased commit."""
    commits: tuple[str, ...] = ()
    """Its commits on the branch, as far as GitHub returns them. For a rebase, nothing else shows them."""
