"""The words of release notes as frozen values, without effects. All text in them is from outside and untrusted."""

from dataclasses import dataclass
from datetime import datetime

from promote.core.verdict import Outcome
from promote.github.model import Person, PullRequest


@dataclass(frozen=True)
class Change:
    """One thing that has changed, as a reader counts: a pull request, or a commit that none has brought."""

    title: str
    """Without the prefix of Conventional Commits and without its pull request's number at its end."""
    commit: str
    """The last of its commits."""
    authors: tuple[Person, ...] = ()
    pull_request: PullRequest | None = None
    kind: str = ""
    """The type of Conventional Commits, such as ``feat``, in lower case; empty: none is given."""
    scope: str = ""
    """Of Conventional Commits; empty: none is given."""
    breaking: str = ""
    """What breaks, in the author's words (the title, where nothing else is said); empty: nothing does."""


@dataclass(frozen=True)
class Section:
    """Changes of one category."""

    title: str
    changes: tuple[Change, ...]
    is_minor: bool = False
    """Whether it is for those alone who look for it: what changes nothing for users, such as tests."""


@dataclass(frozen=True)
class Newcomer:
    """Somebody whose first contribution this is."""

    person: Person
    change: Change


@dataclass(frozen=True)
class Difference:
    """What differs between the version before and this one: names and sizes, never values of variables."""

    name: str
    before: str
    """Empty: it was not there."""
    after: str
    """Empty: it is gone."""


@dataclass(frozen=True)
class Earlier:
    """The promotion of what the environment served before."""

    commit: str = ""
    """Empty: not known."""
    at: datetime | None = None
    """When it was recorded; None: not known."""
    url: str = ""
    """Of the run; empty: not known."""


@dataclass(frozen=True)
class Part:
    """One function of several that are released as one."""

    function: str
    version: str
    previous_version: str
    """The same: it stays as it is. Empty: the environment served nothing before."""
    environment_url: str = ""
    differences: tuple[Difference, ...] = ()
    earlier: Earlier | None = None
    """The promotion of the previous version; None: not known."""


@dataclass(frozen=True)
class Proof:
    """The verdict by which the version was proven."""

    outcome: Outcome
    count: int
    """Checks in all."""
    names: tuple[str, ...] = ()
    """Those that the ledger has names of."""
    at: datetime | None = None
    url: str = ""
    """Of the run that verified it."""
    reason: str = ""
    """Of a person who has overridden a missing verdict."""


@dataclass(frozen=True)
class Carried:
    """The promotion that brought a tag's commit to an environment first."""

    environment: str
    version: str
    """Empty: the environment does not have it yet."""
    at: datetime | None = None
    url: str = ""
    """Of the run."""
    is_taken_back: bool = False
    """Whether the environment has been rolled back since, to something that lacks it."""


@dataclass(frozen=True)
class Changes:
    """What lies between two commits."""

    sections: tuple[Section, ...] = ()
    """None of them empty; breaking changes first."""
    people: tuple[Person, ...] = ()
    """Everybody who has contributed, each once; bots are left out."""
    newcomers: tuple[Newcomer, ...] = ()
    count: int = 0
    """Commits, also those that sections leave out."""
    gaps: tuple[str, ...] = ()
    """What could not be found out, and why: sentences for the reader, and warnings for the run."""


@dataclass(frozen=True)
class Notes:
    """All that a template can tell."""

    function: str
    """Of several functions, all their names."""
    environment: str = ""
    """Empty: the notes are of a tag."""
    tag: str = ""
    """Empty: the notes are of an environment."""
    version: str = ""
    previous_version: str = ""
    """Empty: the environment served nothing before."""
    earlier: Earlier | None = None
    """The promotion of the previous version; None: not known."""
    commit: str = ""
    since: str = ""
    """The commit that the environment had before, or that of the tag before; empty: there is none."""
    since_tag: str = ""
    is_rollback: bool = False
    """Whether the changes were taken back."""
    changes: Changes = Changes()
    differences: tuple[Difference, ...] = ()
    functions: tuple[Part, ...] = ()
    """Each of several that are released as one; empty: there is one, and the rest is said of it."""
    proof: Proof | None = None
    carried: tuple[Carried, ...] = ()
    """Of a tag, by environment."""
    at: datetime | None = None
    """When the environment was moved, or the notes were written."""
    actor: str = ""
    reason: str = ""
    """Of a rollback or an override, in the words of who asked for it."""
    run_url: str = ""
    environment_url: str = ""
    repository: str = ""
    """``owner/name``."""
    repository_url: str = ""
    """Empty: not known, so that there are no links."""
