"""People, commits and pull requests as frozen values. All text in them is from outside and untrusted."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Person:
    """Somebody who has contributed."""

    name: str
    """As the commit or GitHub has it; never an e-mail address."""
    login: str = ""
    """On GitHub; empty: not known."""
    is_bot: bool = False


@dataclass(frozen=True)
class Commit:
    """A commit, as the local clone or GitHub tells it."""

    sha: str
    subject: str
    body: str = ""
    authors: tuple[Person, ...] = ()
    """The author, then those of ``Co-authored-by:``."""
    at: datetime | None = None
    """When it was committed."""
    parents: tuple[str, ...] = ()
    written: datetime | None = None
    """When its author wrote it, which a rebase and a cherry-pick keep; None: not known."""


@dataclass(frozen=True)
class PullRequest:
    """A merged pull request."""

    number: int
    title: str
    url: str
    author: Person
    labels: tuple[str, ...] = ()
    merge_commit: str = ""
    """What it became on the branch: the merge, the squashed commit, or the last of the rebased ones."""
    commits: tuple[str, ...] = ()
    """Those on the branch that it has brought, where GitHub says so: those of a rebase are known by nothing else."""
