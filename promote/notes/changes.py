"""What lies between two commits, as a reader counts: pull requests, and commits that none has brought.

- A pull request is one change, however it was merged. A commit belongs to the innermost of those that have brought it,
  so that one that has brought nothing but others is none.
- Merges are no changes, whichever way they go.
- What a revert takes back is not there, and neither is the revert; a revert of the revert brings it back. A revert of
  something from before, or of a part of a pull request, is a change.
- What is there twice, cherry-picked or rewritten, is there once.
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
    """Sum ``commits`` (newest first) up.

    ``pull_requests`` are those that are known, in any order and also others; ``configuration`` is the text of the
    repository's `.github/release.yml` (empty: it has none; broken: that becomes one of the gaps); ``is_newcomer`` is
    asked once for each person; ``repository_url`` makes links to pull requests that only a commit's text tells of.
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
    """Read what the repository asks for; where it cannot be followed, say why."""
    if not configuration.strip():
        return None, ""
    try:
        asked = categories.read(configuration)
    except ValueError as error:
        return None, f".github/release.yml is not used: {error}. Conventional Commits decide on the sections."
    if not has_labels:
        return None, (
            ".github/release.yml is not used: it sorts by labels, and no pull request is known. "
            "Conventional Commits decide on the sections."
        )
    return asked, ""


def _changes(lineage: Lineage) -> Iterator[Change]:
    """Yield the changes, newest first."""
    units: dict[object, list[int]] = {}
    for number in range(len(lineage.commits)):
        if not lineage.is_merge(number):
            units.setdefault(_unit(lineage, number), []).append(number)
    left = _once(lineage, _left(lineage, units))
    people = _People(lineage, left)
    for numbers in left:
        yield _change(lineage, numbers, people)


def _unit(lineage: Lineage, number: int) -> object:
    """Give what tells the change of one commit from that of another."""
    request = lineage.brought_by.get(number)
    # A number that only stands at the end of a subject may be that of an issue, which many commits speak of.
    return request.number if request and request.merge_commit else lineage.commits[number].sha


def _left(lineage: Lineage, units: dict[object, list[int]]) -> list[list[int]]:
    """Give of each change the commits that count: those taken back do not, nor does what has taken back whole ones."""
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


def _once(lineage: Lineage, units: list[list[int]]) -> list[list[int]]:
    """Leave out changes that others stand for: the pull request for its commits, the original for what was picked."""
    best: dict[int, int] = {}

    def rank(number: int) -> tuple[bool, bool, int]:
        return not lineage.is_picked(number), number in lineage.brought_by, -number

    for number in (number for numbers in units for number in numbers):
        other = best.setdefault(lineage.same[number], number)
        best[lineage.same[number]] = max(number, other, key=rank)
    return [numbers for numbers in units if any(best[lineage.same[number]] == number for number in numbers)]


def _change(lineage: Lineage, numbers: list[int], people: "_People") -> Change:
    commits = [lineage.commits[number] for number in numbers]
    request = lineage.brought_by.get(numbers[0])
    subjects = [read_subject(commit.subject) for commit in commits]
    own = read_subject(request.title) if request and request.merge_commit else subjects[0]
    is_breaking = own.is_breaking or any(subject.is_breaking for subject in subjects)
    notes = "; ".join(dict.fromkeys(filter(None, (breaking_note(commit.body) for commit in commits))))
    authors = people.authors(request, commits)
    if request and authors and request.author == Person(""):  # only its merge tells of it, and that is somebody else's
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
    """Who is who: a commit tells a name, GitHub a login."""

    def __init__(self, lineage: Lineage, units: list[list[int]]) -> None:
        self._by_login: dict[str, Person] = {}
        self._by_name: dict[str, Person | None] = {}
        for person in (person for commit in lineage.commits for person in commit.authors):
            self._learn(person.name, person)
        for numbers in units:
            request = lineage.brought_by.get(numbers[0])
            names = {author.name for number in numbers for author in lineage.commits[number].authors[:1]}
            # Where all commits are one person's, that is most likely who has opened the pull request.
            self._learn(names.pop() if len(names) == 1 else "", request.author if request else Person(""))

    def authors(self, request: PullRequest | None, commits: Sequence[Commit]) -> tuple[Person, ...]:
        """Give the authors of a change, each once: who has opened it, then the others."""
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
            # Two people of one name are told apart by their logins alone.
            self._by_name[name] = known if same and same.login.casefold() == login else None

    def _known(self, person: Person) -> Person:
        found = self._by_name.get(person.name) if not person.login else person
        return self._by_login.get(found.login.casefold(), found) if found else person


def _unique(people: Iterable[Person]) -> tuple[Person, ...]:
    found: dict[str, Person] = {}
    for person in people:
        found.setdefault((person.login or person.name).casefold(), person)
    return tuple(found.values())
