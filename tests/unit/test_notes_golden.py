"""Release notes of histories of every kind: golden files.

Update them with ``WRITE_GOLDEN=1 pytest tests/unit/test_notes_golden.py``, and read the differences.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from promote.core.verdict import Outcome
from promote.github.api.release_page import BODY_LIMIT
from promote.github.model import Commit, Person, PullRequest
from promote.notes.changes import changes
from promote.notes.config_diff import differences
from promote.notes.model import Carried, Changes, Earlier, Notes, Part, VerdictSummary
from promote.notes.render import render
from tests.golden import FOLDER, assert_all_used, assert_golden

GOLDEN = FOLDER / "notes"
URL = "https://github.com/octo-org/hello"
RUN = f"{URL}/actions/runs/16512345678/attempts/1"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MONA = Person("Mona Lisa", "octocat")
HUBOT = Person("Hubert", "hubot")
SARA = Person("שרה לוי")
JOSE = Person("José 🦀 Ñandú", "jose")
BOT = Person("dependabot[bot]", "dependabot[bot]", is_bot=True)


@dataclass
class History:
    """Commits in the order of their creation."""

    commits: list[Commit] = field(default_factory=list)
    head: str = "0" * 40

    def commit(self, subject: str, body: str = "", by: Person = MONA, *others: Person, on: str = "") -> str:
        """Add one to the main line, or on top of ``on``."""
        sha = self._add(subject, body, (by, *others), (on or self.head,))
        self.head = self.head if on else sha
        return sha

    def merge(self, branch: str, subject: str, body: str = "", into: str = "") -> str:
        sha = self._add(subject, body, (HUBOT,), (into or self.head, branch))
        self.head = self.head if into else sha
        return sha

    def _add(self, subject: str, body: str, authors: tuple[Person, ...], parents: tuple[str, ...]) -> str:
        sha = hashlib.sha1(f"{len(self.commits)} {subject}".encode(), usedforsecurity=False).hexdigest()
        at = AT - timedelta(days=1) + timedelta(minutes=len(self.commits))
        self.commits.append(Commit(sha, subject, body, authors, at, parents, written=at))
        return sha

    @property
    def newest_first(self) -> tuple[Commit, ...]:
        return tuple(reversed(self.commits))


def pull_request(
    number: int, title: str, author: Person, merge_commit: str, *labels: str, commits: Iterable[str] = ()
) -> PullRequest:
    # GitHub returns only the login of the person who opened it.
    by = replace(author, name=author.login) if author.login else author
    return PullRequest(number, title, f"{URL}/pull/{number}", by, labels, merge_commit, tuple(commits))


def merges() -> Changes:
    history = History()
    main = history.commit("chore: begin")
    one = history.commit("feat: a first draft", by=SARA, on=main)
    history.commit("fix(api): say what is missing", by=HUBOT)
    one = history.merge(history.head, "Merge branch 'main' into greeting", into=one)
    one = history.commit("say it in `Hebrew` too", by=SARA, on=one)
    merged = history.merge(one, "Merge pull request #7 from sara/greeting", "feat: greet everybody")
    two = history.commit("docs: how to greet", by=JOSE, on=merged)
    history.merge(two, "Merge pull request #9 from jose/docs", "Tell how to greet\n\nIt was not clear.")
    three = history.commit("perf: remember the last answer", on=merged)
    history.merge(three, "Merge branch 'faster'")
    requests = (pull_request(7, "feat: greet everybody", Person("sara-l", "sara-l"), merged),)
    return changes(history.newest_first, requests, repository_url=URL, is_newcomer=lambda who: who.login == "sara-l")


def develop() -> Changes:
    """A release branch: one pull request that contains others, squashed, rebased and merged."""
    history = History()
    main = history.commit("chore: begin")
    squashed = history.commit(
        "Add a cache (#11)", "* wip\n\n* more\n\nBREAKING CHANGE: `TABLE_NAME` is needed now", on=main
    )
    first = history.commit("Split the handler", by=HUBOT, on=squashed)
    last = history.commit("Test the handler", by=HUBOT, on=first)
    feature = history.commit("Log in JSON", by=JOSE, on=last)
    inner = history.merge(feature, "Merge pull request #13 from jose/json", "Log in JSON", into=last)
    merged = history.merge(inner, "Merge pull request #14 from octo-org/develop", "Release 2")
    requests = (
        pull_request(11, "Add a cache", MONA, squashed, "enhancement"),
        pull_request(12, "Handler in two parts", HUBOT, last, "Ignore-For-Release", commits=(first, last)),
        pull_request(13, "Log in JSON", JOSE, inner, "bug"),
        pull_request(14, "Release 2", HUBOT, merged),
    )
    configuration = """
changelog:
  exclude: {labels: [ignore-for-release], authors: [renovate]}
  categories:
    - {title: "New 🎉", labels: [Enhancement]}
    - {title: Everything else, labels: ["*"]}
"""
    return changes(history.newest_first, requests, configuration=configuration, repository_url=URL)


def reverts() -> Changes:
    history = History()
    old = "98f6bcd4621d373cade4e832627b4f6a98f6bcd4"
    bad = history.commit("feat: guess the name")
    history.commit("feat: stay", by=HUBOT)
    history.commit('Revert "feat: guess the name"', f"This reverts commit {bad}.")
    again = history.commit("fix: trust the header")
    undo = history.commit('Revert "fix: trust the header"', f"This reverts commit {again}.")
    history.commit('Reapply "fix: trust the header"', f"This reverts commit {undo}.")
    history.commit('Revert "feat(api): answer in XML (#3)"', f"This reverts commit {old}.", HUBOT)
    branch = history.commit("feat: two things", by=JOSE, on=history.head)
    half = history.commit("feat: and another", by=JOSE, on=branch)
    merged = history.merge(half, "Merge pull request #21 from jose/two", "Two things")
    history.commit('Revert "feat: and another"', f"This reverts commit {half}.")
    whole = history.commit("feat: a mistake", by=JOSE, on=merged)
    mistaken = history.merge(whole, "Merge pull request #22 from jose/mistake", "A mistake")
    history.commit('Revert "A mistake" (#23)', "Reverts octo-org/hello#22", HUBOT)
    history.commit("fix: trust the header less", f"It also reverts commit {mistaken}, says the author.")
    return changes(history.newest_first, repository_url=URL)


def twice() -> Changes:
    """Cherry-picks, a branch that was pushed by force, and a number that only refers to an issue."""
    history = History()
    fix = history.commit("fix: close the file (#31)")
    release = history.commit("chore: release branch", by=HUBOT, on=fix)
    picked = history.commit("fix: close the file (#31)", f"(cherry picked from commit {fix})", on="1" * 40)
    history.merge(picked, "Merge branch 'release/1'")
    draft = history.commit("feat: one more way", by=JOSE, on=release)
    written = history.commits[-1]
    history.merge(draft, "Merge branch 'way'")
    rebased = replace(written, sha="ab" * 20, parents=(history.head,))
    history.commits.append(rebased)
    history.head = rebased.sha
    history.commit("fix: the first half (#40)")
    history.commit("fix: the second half (#40)")
    return changes(history.newest_first, repository_url=URL)


def people() -> Changes:
    history = History()
    history.commit("feat: 👋🏽 greet in emoji 🎉 :tada:", "", JOSE, SARA, replace(MONA, login=""), MONA)
    history.commit("fix: שלום is read from right to left", "", SARA, Person("李小龍"), Person("عمر"))
    history.commit("docs: thank @octocat, see #1 and <b>everybody</b>", "", Person("evil\u202ename @octo-org/team"))
    history.commit("build(deps): bump boto3 from 1.2 to 1.3", "", BOT)
    history.commit("Update dependency requests to v3", "", Person("renovate[bot]", "renovate[bot]"))
    history.commit("ci: cache more", "", HUBOT)
    history.commit("feat: a 🧑\u200d💻 reads نیم\u200cشب", "", Person("علی\u200cمحمد"))
    history.commit(
        "refactor!: drop Python 3.10", "BREAKING-CHANGE: Python 3.11\nis needed\n\nSigned-off-by: nobody", HUBOT
    )
    return changes(history.newest_first, repository_url=URL, is_newcomer=lambda who: who == SARA)


def thousand() -> Changes:
    history = History()
    kinds = ("feat", "fix", "docs", "chore", "perf(api)", "Merge what", "feat!")
    for number in range(1000):
        history.commit(
            f"{kinds[number % 7]}: change number {number} of {'many ' * (number % 9)}things",
            by=(MONA, JOSE)[number % 2],
        )
    return changes(history.newest_first, repository_url=URL)


def plain() -> Changes:
    history = History()
    history.commit("Begin")
    history.commit("say hello to more people", by=HUBOT)
    return changes(history.newest_first)


BEFORE = {
    "Version": "3",
    "CodeSize": 1230,
    "CodeSha256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
    "Runtime": "python3.12",
    "MemorySize": 128,
    "Timeout": 3,
    "Environment": {"Variables": {"LOG_LEVEL": "secret-1", "OLD": "secret-2", "SAME": "same"}},
    "Layers": [{"Arn": "arn:aws:lambda:eu-west-1:123456789012:layer:tools:4"}],
    "TracingConfig": {"Mode": "PassThrough"},
}
AFTER = {
    **BEFORE,
    "Version": "4",
    "CodeSize": 2_345_678,
    "CodeSha256": "Vf0S1QwYyG1z0pJrD0bq5i3qv7Jm2m8s5h4Y2Q9b7nE=",
    "Runtime": "python3.13",
    "MemorySize": 256,
    "Environment": {"Variables": {"LOG_LEVEL": "secret-3", "NEW": "secret-4", "SAME": "same"}},
    "Layers": [{"Arn": "arn:aws:lambda:eu-west-1:123456789012:layer:tools:5"}],
    "TracingConfig": {"Mode": "Active"},
}
EARLIER = Earlier(
    "98f6bcd4621d373cade4e832627b4f6a98f6bcd4", AT - timedelta(days=2), f"{URL}/actions/runs/1/attempts/2"
)
PROMOTED = Notes(
    "hello",
    "preprod",
    version="4",
    previous_version="3",
    earlier=EARLIER,
    commit="3f1c9a2b7d5e4f60718293a4b5c6d7e8f9012345",
    since="98f6bcd4621d373cade4e832627b4f6a98f6bcd4",
    at=AT,
    actor="octocat",
    verdict=VerdictSummary(
        Outcome.PASSED, 2, ("GET /health 200 status == 'ok'", "tests/test_api.py::test_greeting"), AT, RUN
    ),
    differences=differences(BEFORE, AFTER),
    run_url=RUN,
    environment_url="https://api.example.com/hello/preprod",
    repository="octo-org/hello",
    repository_url=URL,
)
TAGGED = replace(
    PROMOTED,
    environment="",
    tag="v1.2.0",
    version="",
    previous_version="",
    earlier=None,
    since_tag="v1.1.0",
    verdict=None,
    differences=(),
    actor="",
    run_url="",
    environment_url="",
    carried=(
        Carried("preprod", "4", AT - timedelta(hours=5), RUN),
        Carried("prod", "5", AT, RUN),
        Carried("demo", "3", AT - timedelta(days=1), RUN, is_taken_back=True),
        Carried("test", ""),
    ),
)
ENDPOINT = "https://api.example.com/{}/preprod"
RELEASED = replace(
    PROMOTED,
    function="shop-api, shop-mail and shop-reports",
    version="",
    previous_version="",
    earlier=None,
    differences=(),
    environment_url="",
    functions=(
        Part("shop-api", "4", "3", ENDPOINT.format("shop-api"), differences(BEFORE, AFTER), EARLIER),
        Part("shop-mail", "7", "7", differences=()),
        Part("shop-reports", "1", "", ENDPOINT.format("shop-reports")),
    ),
    verdict=VerdictSummary(Outcome.PASSED, 2, ("shop-api: GET /health 200", "shop-mail: events/order.json"), AT, RUN),
)
CASES: dict[str, Callable[[], Notes]] = {
    "merges": lambda: replace(PROMOTED, changes=merges()),
    "develop": lambda: replace(PROMOTED, changes=develop(), differences=()),
    "reverts": lambda: replace(PROMOTED, changes=reverts(), differences=()),
    "twice": lambda: replace(PROMOTED, changes=twice(), differences=()),
    "people": lambda: replace(PROMOTED, changes=people(), differences=()),
    "thousand": lambda: replace(PROMOTED, changes=thousand()),
    "plain": lambda: replace(Notes("hello", "preprod", version="1"), changes=plain()),
    "tag": lambda: replace(TAGGED, changes=merges()),
    "tag-nothing": lambda: replace(TAGGED, carried=(), since=TAGGED.commit),
    "rollback": lambda: replace(
        PROMOTED,
        version="3",
        previous_version="4",
        earlier=replace(EARLIER, commit=PROMOTED.commit),
        commit=PROMOTED.since,
        since=PROMOTED.commit,
        is_rollback=True,
        reason="orders fail since `/greeting` is slow; see #7",
        differences=differences(AFTER, BEFORE)[:3],
        changes=merges(),
    ),
    "override": lambda: replace(
        PROMOTED,
        verdict=VerdictSummary(Outcome.FAILED, 1, ("GET /health",), AT, RUN, "the check itself was wrong"),
        differences=(),
        changes=Changes(gaps=("Pull requests and first contributions are not known: there is no github-token.",)),
    ),
    "nothing": lambda: replace(PROMOTED, differences=()),
    "external": lambda: replace(PROMOTED, earlier=None, differences=()),
    "application": lambda: replace(RELEASED, changes=merges()),
    "application-rollback": lambda: replace(
        RELEASED,
        commit=PROMOTED.since,
        since=PROMOTED.commit,
        is_rollback=True,
        reason="orders fail since `/greeting` is slow; see #7",
        functions=(
            Part("shop-api", "3", "4", ENDPOINT.format("shop-api"), differences(AFTER, BEFORE)[:3]),
            *RELEASED.functions[1:2],
            Part("shop-reports", "1", "1", ENDPOINT.format("shop-reports")),
        ),
        changes=merges(),
    ),
    "application-tag": lambda: replace(
        TAGGED,
        function=RELEASED.function,
        changes=merges(),
        carried=(
            Carried("preprod", "shop-api 4, shop-mail 7 and shop-reports 1", AT - timedelta(hours=5), RUN),
            Carried("prod", "shop-api 3, shop-mail 7 and shop-reports 1", AT, RUN, is_taken_back=True),
            Carried("test", ""),
        ),
    ),
    "first": lambda: replace(PROMOTED, previous_version="", earlier=None, since="", differences=(), verdict=None),
}
LIMITS = {"thousand": 6000}
"""So that its golden file can be read."""


@pytest.mark.parametrize("name", CASES)
def test_notes_are_the_golden_ones(name: str) -> None:
    rendered = render(CASES[name](), limit=LIMITS.get(name, BODY_LIMIT))
    assert_golden(f"{rendered}\n", GOLDEN / f"{name}.md")
    assert len(rendered) <= LIMITS.get(name, BODY_LIMIT)
    assert "secret" not in rendered


def test_each_golden_file_belongs_to_a_case() -> None:
    assert_all_used(GOLDEN, CASES)
