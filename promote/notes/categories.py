"""Sort changes into sections, by the repository's `.github/release.yml` or by Conventional Commits.

The file's format:
https://docs.github.com/repositories/releasing-projects-on-github/automatically-generated-release-notes
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from promote.github.model import Person
from promote.inputs import located_yaml
from promote.inputs.located_yaml import LocatedError
from promote.notes.model import Change, Section

_ANY = "*"
_BREAKING = "Breaking changes"
_OTHER = "Other changes"
_ONLY = "Changes"
"""The title if there are no other sections."""
_TITLES = {
    "feat": "Features",
    "fix": "Fixes",
    "perf": "Performance",
    "revert": "Reverts",
    "docs": "Documentation",
    "deps": "Dependencies",
}
_MINOR = "Maintenance"
_MINOR_KINDS = ("refactor", "build", "ci", "test", "style", "chore")
_DEPENDENCY_SCOPES = frozenset({"deps", "deps-dev", "deps-build", "dependencies"})
_DEPENDENCY_LABEL = "dependencies"
"""The label that Dependabot and Renovate add to pull requests."""


@dataclass(frozen=True)
class Filter:
    """Labels, and logins of authors, normalized for comparison."""

    labels: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()

    def takes(self, change: Change) -> bool:
        """Return whether ``change`` has one of the labels or authors."""
        return self.labels_take(change) or bool(self.authors & {_handle(login) for login in _logins(change)})

    def labels_take(self, change: Change) -> bool:
        """Return whether ``change`` has one of the labels."""
        return _ANY in self.labels or bool(self.labels & _labels(change))


@dataclass(frozen=True)
class Category:
    """A section that the file defines."""

    title: str
    wanted: Filter
    unwanted: Filter = Filter()

    def takes(self, change: Change) -> bool:
        """Return whether ``change`` belongs to the category."""
        return self.wanted.labels_take(change) and not self.unwanted.takes(change)


@dataclass(frozen=True)
class Categories:
    """The content of the file. A change belongs to the first category that takes it."""

    categories: tuple[Category, ...] = ()
    unwanted: Filter = Filter()


def read(text: str) -> Categories:
    """Read the text of `.github/release.yml`.

    Raises:
        ValueError: The file does not have the documented format. The message is the cause.

    """
    try:
        content = located_yaml.read(text).plain
    except LocatedError as error:
        raise ValueError(f"{error} (line {error.line})") from None
    changelog = _mapping(_mapping(content, "the file").get("changelog"), "changelog")
    return Categories(
        tuple(
            _category(item, f"category {number}")
            for number, item in enumerate(_list(changelog.get("categories"), "categories"), 1)
        ),
        _filter(changelog.get("exclude"), "exclude"),
    )


def sections(changes: Sequence[Change], categories: Categories | None = None) -> tuple[Section, ...]:
    """Return ``changes`` sorted by ``categories``, or by Conventional Commits with breaking changes first."""
    return _by_categories(changes, categories) if categories else _by_kind(changes)


def is_bot(person: Person) -> bool:
    """Return whether a person is a bot. On GitHub, logins of bots end with ``[bot]``."""
    return person.is_bot or person.login.endswith("[bot]") or person.name.endswith("[bot]")


def _by_categories(changes: Sequence[Change], asked: Categories) -> tuple[Section, ...]:
    sorted_in: list[list[Change]] = [[] for _ in (*asked.categories, _OTHER)]
    for change in changes:
        if not asked.unwanted.takes(change):
            which = (number for number, category in enumerate(asked.categories) if category.takes(change))
            sorted_in[next(which, -1)].append(change)
    return _filled([(category.title, False) for category in asked.categories], sorted_in)


def _by_kind(changes: Sequence[Change]) -> tuple[Section, ...]:
    titles = [_BREAKING, *_TITLES.values(), _OTHER, _MINOR]
    sorted_in: dict[str, list[Change]] = {title: [] for title in titles}
    for change in changes:
        sorted_in[_title(change)].append(change)
    minor = sorted_in.pop(_MINOR)
    titles.remove(_MINOR)
    found = _filled([(title, False) for title in titles[:-1]], list(sorted_in.values()))
    return (*found, Section(_MINOR, tuple(minor), is_minor=True)) if minor else found


def _title(change: Change) -> str:
    if change.breaking:
        return _BREAKING
    is_dependency = change.scope.lower() in _DEPENDENCY_SCOPES or _DEPENDENCY_LABEL in _labels(change)
    is_by_bots = bool(change.authors) and all(is_bot(person) for person in change.authors)
    if is_dependency or (is_by_bots and change.kind in ("", *_MINOR_KINDS)):
        return _TITLES["deps"]
    return _MINOR if change.kind in _MINOR_KINDS else _TITLES.get(change.kind, _OTHER)


def _filled(titles: Sequence[tuple[str, bool]], sorted_in: Sequence[Sequence[Change]]) -> tuple[Section, ...]:
    """Return the sections that have changes. The changes without a category are last."""
    found = [
        Section(title, tuple(changes), is_minor)
        for (title, is_minor), changes in zip(titles, sorted_in[:-1], strict=True)
        if changes
    ]
    rest = tuple(sorted_in[-1])
    return (*found, Section(_OTHER if found else _ONLY, rest)) if rest else tuple(found)


def _labels(change: Change) -> frozenset[str]:
    return frozenset(label.casefold() for label in (change.pull_request.labels if change.pull_request else ()))


def _logins(change: Change) -> Iterable[str]:
    """Return the login of the user who opened the pull request, or of the first author."""
    if change.pull_request:
        return [change.pull_request.author.login]
    return [person.login for person in change.authors[:1]]


def _handle(login: str) -> str:
    """Return a login normalized for comparison. The suffix ``[bot]`` does not count."""
    return login.casefold().removesuffix("[bot]")


def _category(value: Any, where: str) -> Category:
    content = _mapping(value, where)
    title = content.get("title")
    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"{where} has no title")
    labels = _names(content.get("labels"), f"labels of {where}")
    if not labels:
        raise ValueError(f"{where} has no labels")
    return Category(title.strip(), Filter(labels), _filter(content.get("exclude"), f"exclude of {where}"))


def _filter(value: Any, where: str) -> Filter:
    content = _mapping(value, where) if value is not None else {}
    authors = _names(content.get("authors"), f"authors of {where}")
    return Filter(_names(content.get("labels"), f"labels of {where}"), frozenset(_handle(author) for author in authors))


def _names(value: Any, where: str) -> frozenset[str]:
    names = _list(value, where)
    if any(isinstance(name, dict | list) or name is None for name in names):
        raise ValueError(f"{where} is not a list of words")
    return frozenset(str(name).casefold() for name in names)


def _list(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{where} is not a list")  # noqa: TRY004 - the file is wrong, not the code
    return value


def _mapping(value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} has no keys" if value is not None else f"{where} is missing or empty")  # noqa: TRY004
    return value
