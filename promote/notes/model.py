"""The content of release notes. All text in it is untrusted."""

from dataclasses import dataclass
from datetime import datetime

from promote.core.verdict import Outcome
from promote.github.model import Person, PullRequest


@dataclass(frozen=True)
class Change:
    """One change: a pull request, or a commit without a pull request."""

    title: str
    """The title, without the prefix of Conventional Commits and without the pull request's number."""
    commit: str
    """The last commit of the change."""
    authors: tuple[Person, ...] = ()
    pull_request: PullRequest | None = None
    kind: str = ""
    """The type in Conventional Commits, such as ``feat``, in lower case; empty if there is none."""
    scope: str = ""
    """The scope in Conventional Commits; empty if there is none."""
    breaking: str = ""
    """The author's text about what breaks, or the title; empty if nothing breaks."""


@dataclass(frozen=True)
class Section:
    """Changes of one category."""

    title: str
    changes: tuple[Change, ...]
    is_minor: bool = False
    """Whether it changes nothing for users, such as tests. It is shown collapsed."""


@dataclass(frozen=True)
class Newcomer:
    """A person with a first contribution."""

    person: Person
    change: Change


@dataclass(frozen=True)
class Difference:
    """A difference between the previous version and this one. It never contains the value of a variable."""

    name: str
    before: str
    """The value before; empty if it did not exist."""
    after: str
    """The value now; empty if it does not exist."""


@dataclass(frozen=True)
class Earlier:
    """The promotion of the version that the environment served before."""

    commit: str = ""
    """The commit; empty if it is not known."""
    at: datetime | None = None
    """When it was recorded; None if it is not known."""
    url: str = ""
    """The page of the run; empty if it is not known."""


@dataclass(frozen=True)
class Part:
    """One function in a release of several."""

    function: str
    version: str
    previous_version: str
    """The version before; the same if it did not change, and empty if the environment served nothing."""
    environment_url: str = ""
    differences: tuple[Difference, ...] = ()
    earlier: Earlier | None = None
    """The promotion of the previous version; None if it is not known."""


@dataclass(frozen=True)
class VerdictSummary:
    """The verdict of the version."""

    outcome: Outcome
    count: int
    """The number of checks."""
    names: tuple[str, ...] = ()
    """The names of the checks that the ledger contains."""
    at: datetime | None = None
    url: str = ""
    """The page of the run that verified it."""
    reason: str = ""
    """The reason of a user who has overridden a missing verdict."""


@dataclass(frozen=True)
class Carried:
    """The first promotion of a tag's commit to an environment."""

    environment: str
    version: str
    """The version; empty if the environment does not have the tag yet."""
    at: datetime | None = None
    url: str = ""
    """The page of the run."""
    is_taken_back: bool = False
    """Whether the environment was rolled back since then, to a version without the tag."""


@dataclass(frozen=True)
class Changes:
    """The changes between two commits."""

    sections: tuple[Section, ...] = ()
    """The sections that are not empty, breaking changes first."""
    people: tuple[Person, ...] = ()
    """All contributors except bots, each once."""
    newcomers: tuple[Newcomer, ...] = ()
    count: int = 0
    """The number of commits, including those that are not in the sections."""
    gaps: tuple[str, ...] = ()
    """What could not be read, and why. The sentences are in the notes, and warnings of the run."""


@dataclass(frozen=True)
class Notes:
    """The values that a template can use."""

    function: str
    """The name of the function, or the names of all functions."""
    environment: str = ""
    """The environment; empty if the notes are for a tag."""
    tag: str = ""
    """The tag; empty if the notes are for an environment."""
    version: str = ""
    previous_version: str = ""
    """The version before; empty if the environment served nothing."""
    earlier: Earlier | None = None
    """The promotion of the previous version; None if it is not known."""
    commit: str = ""
    since: str = ""
    """The previous commit of the environment, or that of the previous tag; empty if there is none."""
    since_tag: str = ""
    is_rollback: bool = False
    """Whether the changes were rolled back."""
    changes: Changes = Changes()
    differences: tuple[Difference, ...] = ()
    functions: tuple[Part, ...] = ()
    """The functions in a release of several; empty for one function."""
    verdict: VerdictSummary | None = None
    carried: tuple[Carried, ...] = ()
    """For a tag, its first promotion to each environment."""
    at: datetime | None = None
    """When the environment was moved, or the notes were written."""
    actor: str = ""
    reason: str = ""
    """The input ``reason`` of a rollback or an override."""
    run_url: str = ""
    environment_url: str = ""
    repository: str = ""
    """``owner/name``."""
    repository_url: str = ""
    """The page of the repository; empty if it is not known, so that there are no links."""
