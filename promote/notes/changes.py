"""The changes between two commits: pull requests, and commits without a pull request.

- A pull request is one change, however it was merged. A commit belongs to the innermost pull request that contains
  it. A pull request that only contains other pull requests is not a change.
- Merge commits are not changes.
- A reverted change and its revert are both left out. If the revert was reverted, the change is listed again. A revert
  of an earlier change, or of a part of a pull request, is a change.
- A change that exists twice, cherry-picked or rewritten, is listed once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from promote.github.model import Commit, Person, PullRequest
from promote.notes import categories
from promote.notes.commit_graph import Lineage
from promote.notes.conventional_commits import breaking_note, read_subject, strongest
from promote.notes.model import Change, Changes, Newcomer


def changes(
    commits: Sequence[Commit],
    pull_requests: Iterable[PullRequest] = (),
    *,
    configuration: str = "",
    is_newcomer: Callable[[Person], bool] = lambda _: False,
    repository_url: str = "",
) -> Changes:
    """Return the changes in ``commits`` (newest first).

    - ``pull_requests`` are the known pull requests, in any order. They may include others.
    - ``configuration`` is the content of `.github/release.yml`; empty if there is none. It is a gap if it is not valid.
    - ``is_newcomer`` is called once per person.
    - ``repository_url`` is for links to pull requests that are known only from the message of a commit.
    """
    known = tuple(pull_requests)
    asked, gap = _categories(configuration, has_labels=bool(known) or not commits)
    lineage = Lineage(commits, known, repository_url)
    found = list(_changes(lineage))
    if asked:
        found = [change for change in found if not asked.unwanted.takes(change)]
    people = _unique(person for change in reversed(found) for person in change.authors if not categories.is_bot(person))
    return Changes(
        sections=categories.sections(found, asked),
        people=people,
        newcomers=tuple(
            Newcomer(person, next(change for change in reversed(found) if person in change.authors))
            for person in people
            if is_newcomer(person)
        ),
        count=len(lineage.commits),
        gaps=(gap,) if gap else (),
    )


def _categories(configuration: str, *, has_labels: bool) -> tuple[categories.Categories | None, str]:
    """Return the categories of the repository, or why they are not used."""
    if not configuration.strip():
        return None, ""
    try:
        asked = categories.read(configuration)
    except ValueError as error:
        return None, f".github/release.yml is not used: {error}. The sections are by Conventional Commits."
    if not has_labels:
        return None, (
            ".github/release.yml is not used: it sorts by labels, and no pull request is known. "
            "The sections are by Conventional Commits."
        )
    return asked, ""


def _changes(lineage: Lineage) -> Iterator[Change]:
    """Yield the changes, newest first."""
    units: dict[object, list[int]] = {}
    for number in range(len(lineage.commits)):
        if not lineage.is_merge(number):
            units.setdefault(_unit(lineage, number), []).append(number)
    remaining = _without_duplicates(lineage, _without_reverted(lineage, units))
    people = _People(lineage, remaining)
    for numbers in remaining:
        yield _change(lineage, numbers, people)


def _unit(lineage: Lineage, number: int) -> object:
    """Return the key of the change that a commit belongs to."""
    request = lineage.pull_request_of.get(number)
    # A number at the end of a subject may be that of an issue, which many commits may mention.
    return request.number if request and request.merge_commit else lineage.commits[number].sha


def _without_reverted(lineage: Lineage, units: dict[object, list[int]]) -> list[list[int]]:
    """Return the commits of each change, without reverted commits and without reverts of whole changes."""
    gone: set[object] = set()

    def counts(number: int, unit: object) -> bool:
        targets = {_unit(lineage, target) for target in lineage.targets.get(number, ())}
        return number not in lineage.undone and not (targets and targets <= gone | {unit})

    is_settled = False
    while not is_settled:
        found = {unit for unit, numbers in units.items() if not any(counts(number, unit) for number in numbers)}
        is_settled = found <= gone
        gone |= found
    return [
        [number for number in numbers if counts(number, unit)] for unit, numbers in units.items() if unit not in gone
    ]


def _without_duplicates(lineage: Lineage, units: list[list[int]]) -> list[list[int]]:
    """Return each change once: the pull request and not its commits, the original and not its cherry-pick."""
    best: dict[int, int] = {}

    def rank(number: int) -> tuple[bool, bool, int]:
        return not lineage.is_picked(number), number in lineage.pull_request_of, -number

    for number in (number for numbers in units for number in numbers):
        other = best.setdefault(lineage.same[number], number)
        best[lineage.same[number]] = max(number, other, key=rank)
    return [numbers for numbers in units if any(best[lineage.same[number]] == number for number in numbers)]


def _change(lineage: Lineage, numbers: list[int], people: "_People") -> Change:
    commits = [lineage.commits[number] for number in numbers]
    request = lineage.pull_request_of.get(numbers[0])
    subjects = [read_subject(commit.subject) for commit in commits]
    own = read_subject(request.title) if request and request.merge_commit else subjects[0]
    is_breaking = own.is_breaking or any(subject.is_breaking for subject in subjects)
    notes = "; ".join(dict.fromkeys(filter(None, (breaking_note(commit.body) for commit in commits))))
    authors = people.authors(request, commits)
    if request and authors and request.author == Person(""):  # known only from its merge by another user
        request = replace(request, author=authors[0])
    return Change(
        title=own.title,
        commit=request.merge_commit if request and request.merge_commit in lineage else commits[0].sha,
        authors=authors,
        pull_request=request,
        kind=own.kind or strongest(subject.kind for subject in subjects),
        scope=own.scope or (subjects[0].scope if len(subjects) == 1 else ""),
        breaking=notes or (own.title if is_breaking else ""),
    )


class _People:
    """Matches names in commits with logins on GitHub."""

    def __init__(self, lineage: Lineage, units: list[list[int]]) -> None:
        self._by_login: dict[str, Person] = {}
        self._by_name: dict[str, Person | None] = {}
        for person in (person for commit in lineage.commits for person in commit.authors):
            self._learn(person.name, person)
        for numbers in units:
            request = lineage.pull_request_of.get(numbers[0])
            names = {author.name for number in numbers for author in lineage.commits[number].authors[:1]}
            # If all commits are by one person, that is most likely the person who opened the pull request.
            self._learn(names.pop() if len(names) == 1 else "", request.author if request else Person(""))

    def authors(self, request: PullRequest | None, commits: Sequence[Commit]) -> tuple[Person, ...]:
        """Return the authors of a change, each once. The one who opened the pull request is first."""
        opened = (request.author,) if request else ()
        written = (person for commit in reversed(commits) for person in commit.authors)
        return _unique(self._known(person) for person in (*opened, *written) if person.name or person.login)

    def _learn(self, name: str, person: Person) -> None:
        if not person.login:
            return
        login = person.login.casefold()
        known = self._by_login.setdefault(login, person)
        if name and known.name.casefold() == login != name.casefold():
            self._by_login[login] = known = replace(known, name=name)
        if name and self._by_name.setdefault(name, known) not in (None, known):
            same = self._by_name[name]
            # Two people with the same name are distinguished only by their logins.
            self._by_name[name] = known if same and same.login.casefold() == login else None

    def _known(self, person: Person) -> Person:
        found = self._by_name.get(person.name) if not person.login else person
        return self._by_login.get(found.login.casefold(), found) if found else person


def _unique(people: Iterable[Person]) -> tuple[Person, ...]:
    found: dict[str, Person] = {}
    for person in people:
        found.setdefault((person.login or person.name).casefold(), person)
    return tuple(found.values())
