"""From commits to changes: each rule by itself. Whole histories are in the golden files."""

import re
import string
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promote.aws.archive import size_of
from promote.github.model import Commit, Person, PullRequest
from promote.inputs.located_yaml import LARGEST
from promote.notes.categories import read, sections
from promote.notes.changes import changes
from promote.notes.config_diff import differences
from promote.notes.conventional_commits import breaking_note, read_subject
from promote.notes.model import Change, Changes, Difference

MONA = Person("Mona Lisa", "octocat")
HUBOT = Person("Hubert", "hubot")
BOT = Person("dependabot[bot]", "dependabot[bot]", is_bot=True)


def sha(number: int) -> str:
    return f"{number:040x}"


def line(*messages: str | tuple[str, str]) -> tuple[Commit, ...]:
    """Return commits in one line, the newest first. ``sha`` counts from 1 at the oldest."""
    made = []
    for number, message in enumerate(messages, 1):
        subject, body = message if isinstance(message, tuple) else (message, "")
        made.append(Commit(sha(number), subject, body, (MONA,), parents=(sha(number - 1),)))
    return tuple(reversed(made))


def titles(found: Changes) -> list[str]:
    return [change.title for section in found.sections for change in section.changes]


# --- Conventional Commits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "title", "kind", "scope", "is_breaking"),
    [
        ("feat: greet", "Greet", "feat", "", False),
        ("Feature(the api)!:  greet   you", "Greet you", "feat", "the api", True),
        ("hotfix: npm_config is read", "npm_config is read", "fix", "", False),
        ("fix: iOS is no word", "iOS is no word", "fix", "", False),
        ("fix: Ärger", "Ärger", "fix", "", False),
        ("docs: übersetzt", "Übersetzt", "docs", "", False),
        ("plain words (#12)", "plain words", "", "", False),
        ("see (#12) and more", "see (#12) and more", "", "", False),
        ("(#12)", "(#12)", "", "", False),
        ("Note: this is none", "Note: this is none", "", "", False),
        ("api!: drop XML", "api!: drop XML", "", "", True),
        ("feat:no space", "feat:no space", "", "", False),
        ("feat: ", "feat:", "", "", False),
        ("", "", "", "", False),
        ('Revert "feat(x): greet (#3)" (#4)', 'Revert "Greet"', "revert", "x", False),
        ('Reapply "fix: wait"', 'Reapply "Wait"', "fix", "", False),
        ("revert: feat: greet", 'Revert "Greet"', "revert", "", False),
        ('Revert "' * 5000 + '"' * 5000, 'Revert "' * 5000 + '"' * 5000, "revert", "", False),
    ],
)
def test_subjects_are_read(written: str, title: str, kind: str, scope: str, is_breaking: bool) -> None:  # noqa: FBT001
    subject = read_subject(written)

    assert (subject.title, subject.kind, subject.scope, subject.is_breaking) == (title, kind, scope, is_breaking)


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("", ""),
        ("why\n\nBREAKING CHANGE: XML is gone", "XML is gone"),
        ("BREAKING-CHANGE: XML\nis gone\n\nnot this", "XML is gone"),
        ("BREAKING CHANGE: a\r\nb\r\nReviewed-by: Z\r\n", "a b"),
        ("BREAKING CHANGE: a\nBREAKING CHANGE: b", "a; b"),
        ("no BREAKING CHANGE: here", ""),
        ("breaking change: neither", ""),
        ("BREAKING CHANGE:", ""),
    ],
)
def test_footers_say_what_breaks(body: str, note: str) -> None:
    assert breaking_note(body) == note


# --- pull requests, reverts and duplicates ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "left"),
    [
        (("a", ("b", f"This reverts commit {sha(1)}.")), []),
        (("a", ("b", f"This reverts commit {sha(1)[:9]}.")), ["b", "a"]),  # which could be any of them
        (("a", ("b", f"This reverts commit {sha(1)}."), ("c", f"This reverts commit {sha(2)}.")), ["a"]),
        (
            (
                "a",
                ("b", f"This reverts commit {sha(1)}."),
                ("c", f"This reverts commit {sha(2)}."),
                ("d", f"This reverts commit {sha(3)}."),
            ),
            [],
        ),
        (("a", ("b", f"This reverts commit {'f' * 40}.")), ["b", "a"]),
        (("a", "b", ("c", f"This reverts commit {sha(1)}.\nThis reverts commit {sha(2)}.")), []),
        (("a", ("b", f"This reverts commit {sha(1)}."), ("c", f"This reverts commit {sha(1)}.")), []),
        ((("a", f"This reverts commit {sha(2)}."), "b"), ["b", "a"]),  # it cannot refer to a newer one
        ((("a", f"This reverts commit {sha(1)}."),), ["a"]),
        (("a (#5)", ("b (#6)", "Reverts octo-org/hello#5")), []),
        (("a (#5)", ("b (#6)", "It reverts #5 in part")), ["b", "a"]),
        (("a", ("a", f"(cherry picked from commit {sha(1)})")), ["a"]),
        (("a", ("a", f"(cherry picked from commit {sha(1)})"), ("b", f"This reverts commit {sha(1)}.")), []),
        (
            ("a", ("b", f"This reverts commit {sha(1)}."), ("a", f"(cherry picked from commit {sha(1)})")),
            ["a"],
        ),
        (("a", ("a", f"(cherry picked from commit {'f' * 40})")), ["a", "a"]),
        (("a", "a"), ["a", "a"]),  # two that only read alike
    ],
)
def test_what_is_taken_back_or_there_twice(messages: tuple[str | tuple[str, str], ...], left: list[str]) -> None:
    assert titles(changes(line(*messages))) == left
    assert changes(line(*messages)).count == len(messages)


def test_the_beginning_of_a_digest_is_enough() -> None:
    commits = line("a", ("b", "This reverts commit abcdef012."))
    first = replace(commits[1], sha="abcdef0123456789" * 2 + "abcdef01")

    assert titles(changes((replace(commits[0], parents=(first.sha,)), first))) == []


def test_clocks_that_were_wrong_do_no_harm() -> None:
    commits = line("a", ("b", f"This reverts commit {sha(1)}."), "c")

    assert titles(changes(tuple(reversed(commits)))) == ["c"]


def test_a_pull_request_has_the_strongest_of_its_commits() -> None:
    commits = [*line("chore: a", ("fix: b", "BREAKING CHANGE: it breaks"), "docs: c")]
    request = PullRequest(7, "Words", "", Person("octocat", "octocat"), (), sha(3), (sha(1), sha(2)))

    (section,) = changes(commits, [request]).sections

    assert section.title == "Breaking changes"
    assert section.changes == (Change("Words", sha(3), (MONA,), request, "fix", "", "it breaks"),)


def test_what_a_pull_request_takes_back_itself_is_nothing() -> None:
    commits = line("a", ("b", f"This reverts commit {sha(1)}."), "c")
    request = PullRequest(7, "Words", "", MONA, (), sha(2), (sha(1),))

    assert titles(changes(commits, [request])) == ["c"]
    assert titles(changes(commits, [replace(request, merge_commit=sha(3), commits=(sha(1), sha(2)))])) == ["Words"]


def test_pull_requests_of_other_commits_are_left_alone() -> None:
    other = PullRequest(9, "Other", "", HUBOT, (), "f" * 40, ("e" * 40,))

    assert titles(changes(line("a"), [other])) == ["a"]
    assert changes((), [other]) == Changes()


def test_who_is_who() -> None:
    """A commit has a name, a pull request a login. One name with two logins is two people."""
    login = Person("octocat", "octocat")
    commits = [
        Commit(sha(4), "d", "", (Person("Sam", "sam-1"),)),
        Commit(sha(3), "c", "", (Person("Sam", "sam-2"), Person("Sam"))),
        Commit(sha(2), "b", "", (Person("Mona Lisa"), Person("dependabot", "dependabot[bot]"))),
        Commit(sha(1), "a (#1)", "", (Person("Mona Lisa"), HUBOT)),
    ]
    asked: list[Person] = []

    def is_newcomer(person: Person) -> bool:
        asked.append(person)
        return person.login == "octocat"

    found = changes(commits, [PullRequest(1, "a", "", login, (), sha(1))], is_newcomer=is_newcomer)

    assert found.people == (MONA, HUBOT, Person("Sam", "sam-2"), Person("Sam"), Person("Sam", "sam-1"))
    assert asked == list(found.people)
    assert [(newcomer.person, newcomer.change.commit) for newcomer in found.newcomers] == [(MONA, sha(1))]


words = st.lists(
    st.one_of(
        st.sampled_from(["feat: x", "Merge pull request #3 from a/b", "y (#3)", "Reverts #3", 'Revert "y (#3)" (#4)']),
        st.integers(0, 12).map(lambda number: f"This reverts commit {sha(number)}."),
        st.integers(0, 12).map(lambda number: f"(cherry picked from commit {sha(number)})"),
        st.text(string.printable, max_size=20),
    ),
    max_size=3,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(words, st.lists(st.integers(0, 12), max_size=3)), max_size=12), st.randoms())
def test_any_history_can_be_described(made: list[tuple[list[str], list[int]]], chance: object) -> None:
    """Whatever commits contain about each other, each is in at most one change, and no change has a missing commit."""
    commits = [
        Commit(
            sha(number),
            said[0] if said else "",
            "\n".join(said),
            (MONA, HUBOT)[number % 3 :],
            parents=tuple(sha(parent) for parent in parents if parent < number),
        )
        for number, (said, parents) in enumerate(made)
    ]
    chance.shuffle(commits)  # type: ignore[attr-defined]

    found = changes(commits, [PullRequest(3, "z", "", HUBOT, ("bug",), sha(5), (sha(2), sha(4)))])

    shas = [change.commit for section in found.sections for change in section.changes]
    assert len(set(shas)) == len(shas)
    assert set(shas) <= {commit.sha for commit in commits}
    assert found.count == len(commits)
    assert all(section.changes for section in found.sections)


# --- sections --------------------------------------------------------------------------------------------------------


def change(
    title: str = "x", kind: str = "", scope: str = "", by: Person = MONA, labels: tuple[str, ...] = ()
) -> Change:
    request = PullRequest(1, title, "", by, labels, "m") if labels else None
    return Change(title, sha(1), (by,), request, kind, scope)


def test_sections_of_conventional_commits() -> None:
    given_changes = (
        change("a", "chore"),
        change("b"),
        change("c", "docs"),
        change("d", "build", "deps"),
        change("e", "fix", "deps"),
        change("f", by=BOT),
        change("g", labels=("Dependencies",)),
        change("h", "fix", by=BOT),
        replace(change("i", "chore"), breaking="x"),
        change("j", "perf"),
        change("k", "ci", by=BOT),
        change("l", "revert"),
    )

    assert [
        (section.title, "".join(c.title for c in section.changes), section.is_minor)
        for section in sections(given_changes)
    ] == [
        ("Breaking changes", "i", False),
        ("Fixes", "h", False),
        ("Performance", "j", False),
        ("Reverts", "l", False),
        ("Documentation", "c", False),
        ("Dependencies", "defgk", False),
        ("Other changes", "b", False),
        ("Maintenance", "a", True),
    ]


def test_nothing_sorted_is_one_section() -> None:
    assert [section.title for section in sections((change(), change("y")))] == ["Changes"]
    assert sections(()) == ()


RELEASE = """
# as in GitHub's documentation
changelog:
  exclude:
    labels: [ignore-for-release]
    authors: [octocat-bot, Renovate]
  categories:
    - title: Breaking Changes 🛠
      labels: [Semver-Major, breaking-change]
    - title: Features
      labels: ["*"]
      exclude:
        labels: [dependencies]
        authors: [hubot]
    - title: Numbers
      labels: [1, 2.0, true]
"""


def test_sections_of_the_repositorys_own() -> None:
    asked = read(RELEASE)
    given_changes = (
        change("a", labels=("semver-major", "x")),
        change("b"),
        change("c", labels=("dependencies",)),
        change("d", by=HUBOT),
        change("e", labels=("Ignore-For-Release",)),
        change("f", by=Person("r", "renovate[bot]")),
        change("g", labels=("dependencies", "1")),
        change("h", "feat", labels=("y",)),
    )

    assert [
        (section.title, "".join(c.title for c in section.changes)) for section in sections(given_changes, asked)
    ] == [
        ("Breaking Changes 🛠", "a"),
        ("Features", "bh"),
        ("Numbers", "g"),
        ("Other changes", "cd"),
    ]


def test_without_labels_the_file_is_not_used_and_that_is_said() -> None:
    found = changes(line("feat: a"), configuration=RELEASE)

    assert [section.title for section in found.sections] == ["Features"]
    (gap,) = found.gaps
    assert gap.startswith(".github/release.yml is not used: it sorts by labels, and no pull request is known. ")
    assert changes((), configuration=RELEASE) == Changes()


def test_who_is_excluded_is_not_thanked() -> None:
    request = PullRequest(1, "x", "", HUBOT, (), sha(1))
    found = changes(line("x", "y"), [request], configuration="changelog: {exclude: {authors: [hubot]}}")

    assert titles(found) == ["y"]
    assert found.people == (MONA,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("changelog: [", "it is not valid YAML: .*"),
        ("a: b\nc: {", r"it is not valid YAML: .*\(line 2\)"),
        ("a: &a [*a", "it is not valid YAML: .*"),
        ("!!python/object/apply:os.system ['true']", r"it has a tag, which has no meaning here \(line 1\)"),
        ("\x00", "it contains a character that YAML does not accept"),
        ("- " * 1000, "it is nested too deeply"),
        ("a: 2001-99-99 00:00:00", r"this is not a date \(line 1\)"),
        ("x" * (LARGEST + 1), r"it is larger than 256 KB \(line 1\)"),
        ("- a", "the file has no keys"),
        ("{}", "changelog is missing or empty"),
        ("changelog: words", "changelog has no keys"),
        ("changelog: {categories: words}", "categories is not a list"),
        ("changelog: {categories: [words]}", "category 1 has no keys"),
        ("changelog: {categories: [{labels: [a]}]}", "category 1 has no title"),
        ("changelog: {categories: [{title: a}]}", "category 1 has no labels"),
        ("changelog: {categories: [{title: a, labels: b}]}", "labels of category 1 is not a list"),
        ("changelog: {categories: [{title: a, labels: [[b]]}]}", "labels of category 1 is not a list of words"),
        ("changelog: {exclude: [a]}", "exclude has no keys"),
        ("changelog: {exclude: {authors: a}}", "authors of exclude is not a list"),
    ],
)
def test_a_broken_file_is_said_and_not_used(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        read(text)

    found = changes(line("fix: a"), [PullRequest(1, "x", "", MONA)], configuration=text)
    assert [section.title for section in found.sections] == ["Fixes"]
    assert re.match(rf"\.github/release\.yml is not used: {problem}", found.gaps[0])


def test_names_that_stand_for_much_are_no_danger() -> None:
    """A few hundred bytes of aliases can stand for more values than fit into memory, or take minutes to walk."""
    nested = "a: &a [x, x]\n" + "\n".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}, *a]" for n in range(40))
    doubled = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 19))
    merged = "a0: &a0 {x: y}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 19))
    for bomb in (nested, doubled, merged):
        started = time.monotonic()
        with pytest.raises(ValueError, match=r"too deeply|too large"):
            read(f"{bomb}\nchangelog: {{}}")
        assert time.monotonic() - started < 3


# --- the function ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({}, {}, []),
        ({"MemorySize": 128}, {"MemorySize": 256}, [("Memory", "128 MB", "256 MB")]),
        ({"Timeout": 3}, {"Timeout": 3, "LastModified": "now", "RevisionId": "x"}, []),
        ({"CodeSize": 100}, {"CodeSize": 3 * 1024 * 1024}, [("Code size", "100 bytes", "3.0 MB")]),
        ({"Architectures": ["x86_64"]}, {"Architectures": ["arm64"]}, [("Architecture", "x86_64", "arm64")]),
        (
            {"PackageType": "Zip", "CodeSha256": "a", "Runtime": "python3.13", "CodeSize": 1},
            {"PackageType": "Image", "CodeSha256": "b", "CodeSize": 0},
            [
                ("Package", "Zip", "Image"),
                ("Code size", "1 bytes", ""),
                ("CodeSha256", "a", ""),
                ("Image digest", "", "b"),
                ("Runtime", "python3.13", ""),
            ],
        ),
        (
            {"Layers": [{"Arn": "arn:l:a:1"}, {"Arn": "arn:l:b:1"}]},
            {"Layers": [{"Arn": "arn:l:b:1"}, {"Arn": "arn:l:a:2"}, {"Arn": "arn:l:c:1"}]},
            [("Layer a", "arn:l:a:1", "arn:l:a:2"), ("Layer c", "", "arn:l:c:1")],
        ),
        (
            {"Layers": [{"Arn": "arn:l:a:1"}, {"Arn": "arn:l:b:1"}]},
            {"Layers": [{"Arn": "arn:l:b:1"}, {"Arn": "arn:l:a:1"}]},
            [("Order of layers", "a, b", "b, a")],
        ),
        (
            {"Environment": {"Variables": {"A": "secret", "B": "secret"}}},
            {"Environment": {"Variables": {"B": "hidden", "C": "hidden"}}},
            [("Variable A", "set", ""), ("Variable B", "set", "changed"), ("Variable C", "", "set")],
        ),
        ({"Environment": {"Variables": {"A": "1"}}}, {"Environment": {"Error": {"Message": "no key"}}}, []),
        ({"EphemeralStorage": {"Size": 512}}, {"EphemeralStorage": {"Size": 1024}}, [("Storage", "512 MB", "1024 MB")]),
        ({"SnapStart": {"ApplyOn": "None"}}, {"SnapStart": {"ApplyOn": "None", "OptimizationStatus": "On"}}, []),
        (
            {"ImageConfigResponse": {"ImageConfig": {"Command": ["a"]}}},
            {"ImageConfigResponse": {"ImageConfig": {"Command": ["a", "b"]}}},
            [("Image command", "a", "a b")],
        ),
        (
            {"VpcConfig": {"SubnetIds": ["b", "a"], "VpcId": "v"}},
            {"VpcConfig": {"SubnetIds": ["a", "b"], "VpcId": "w"}},
            [("VpcConfig.VpcId", "v", "w")],
        ),
        (
            {"FileSystemConfigs": [{"Arn": "x", "LocalMountPath": "/a"}]},
            {},
            [("FileSystemConfigs.1.Arn", "x", ""), ("FileSystemConfigs.1.LocalMountPath", "/a", "")],
        ),
    ],
)
def test_what_differs_in_the_function(
    before: dict[str, object], after: dict[str, object], found: list[tuple[str, str, str]]
) -> None:
    listed = differences(before, after)

    assert listed == tuple(Difference(*row) for row in found)
    assert "secret" not in repr(listed)
    assert "hidden" not in repr(listed)


def test_the_first_version_differs_from_nothing() -> None:
    assert differences(None, {"MemorySize": 128}) == ()


def test_sizes_are_said_as_people_say_them() -> None:
    assert [size_of(count) for count in (0, 1023, 1024, 1536, 5 << 20)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KB",
        "1.5 KB",
        "5.0 MB",
    ]
