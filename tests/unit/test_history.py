"""What a local clone contains, in real repositories of git, and GitHub's response where it is missing."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promote.core.clock import SystemClock
from promote.core.commit_order import CommitRelation
from promote.github import git as history
from promote.github.git import order, related
from promote.github.model import Person
from tests.clock import Time
from tests.github import Repository, emulated
from tests.repository import commit, git

START = 1_700_000_000


@pytest.fixture
def github() -> Iterator[Repository]:
    with emulated() as made:
        yield made


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


@pytest.fixture
def commits(clone: Path) -> Mapping[str, str]:
    """Commits first - second - third, and other parallel to second."""
    made = {name: commit(clone, name) for name in ("first", "second", "third")}
    git(clone, "checkout", "--quiet", "-b", "side", made["first"])
    made["other"] = commit(clone, "other")
    git(clone, "gc", "--quiet")  # packed, as in a clone
    return made


def imported(folder: Path, stream: str | bytes) -> None:
    """Import commits with ``git fast-import``: many at once, with any time, people and encoding."""
    subprocess.run(
        ["git", "fast-import", "--quiet", "--force"],  # noqa: S607 - whatever git there is
        cwd=folder,
        check=True,
        input=stream if isinstance(stream, bytes) else stream.encode(),
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"},
    )


def line(
    mark: int, message: str = "", *, at: int = 0, parents: tuple[int, ...] | None = None, branch: str = "main"
) -> str:
    """Return a commit for :func:`imported`. Without ``parents``, its parent is the previous mark."""
    text = message or f"commit {mark}"
    before = ((mark - 1,) if mark > 1 else ()) if parents is None else parents
    links = "".join(f"{'merge' if index else 'from'} :{parent}\n" for index, parent in enumerate(before))
    who = f"A <a@example.com> {at or START + 60 * mark} +0000"
    header = f"reset refs/heads/{branch}\ncommit refs/heads/{branch}\nmark :{mark}\nauthor {who}\ncommitter {who}\n"
    return f"{header}data {len(text.encode())}\n{text}\n{links}\n"


def shallow(clone: Path, depth: int, name: str = "shallow") -> Path:
    git(clone.parent, "clone", "--quiet", f"--depth={depth}", "--no-single-branch", f"file://{clone}", name)
    return clone.parent / name


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("third", "first"), CommitRelation.NEWER),
        (("first", "third"), CommitRelation.OLDER),
        (("second", "second"), CommitRelation.SAME),
        (("other", "second"), CommitRelation.DIVERGED),
    ],
)
def test_local_history_decides(
    clone: Path, commits: Mapping[str, str], github: Repository, pair: tuple[str, str], expected: CommitRelation
) -> None:
    ours, theirs = (commits[name] for name in pair)
    assert order(ours, theirs, github.context(clone), github.session, SystemClock()).relation is expected
    assert github.requests == []


def test_a_clock_that_was_wrong_parts_no_history(clone: Path, github: Repository) -> None:
    imported(clone, line(1, at=START) + line(2, at=START - 90_000) + line(3, at=START + 9) + line(4, at=START - 9))
    first, *others = git(clone, "rev-list", "--reverse", "main").splitlines()
    for other in others:
        assert related(other, first, clone, github.client()) is CommitRelation.NEWER
        assert related(first, other, clone, github.client()) is CommitRelation.OLDER
    assert github.requests == []


def test_a_shallow_clone_does_not_take_missing_history_for_a_parting(
    clone: Path, commits: Mapping[str, str], github: Repository
) -> None:
    folder = shallow(clone, 1)
    offline = github.client(token="")
    assert related(commits["third"], commits["first"], folder, offline) is CommitRelation.UNKNOWN
    assert related(commits["third"], commits["other"], folder, offline) is CommitRelation.UNKNOWN


def test_github_is_asked_where_there_is_no_history(tmp_path: Path, github: Repository) -> None:
    first, second = github.commit("first"), github.commit("second")
    other = github.commit("other", parents=(first,), branch="side")
    time = Time()

    def found(ours: str, theirs: str) -> CommitRelation:
        return order(ours, theirs, github.context(tmp_path), github.session, time).relation

    assert found(second, first) is CommitRelation.NEWER
    assert found(first, second) is CommitRelation.OLDER
    assert found(second, other) is CommitRelation.DIVERGED
    assert found(second, "e" * 40) is CommitRelation.UNKNOWN
    assert github.asked()[0] == f"compare/{first}...{second}"
    count = len(github.requests)
    assert found(second, first) is CommitRelation.NEWER  # once per run
    assert (found("", first), found("", ""), found(first, first)) == (
        CommitRelation.UNKNOWN,
        CommitRelation.UNKNOWN,
        CommitRelation.SAME,
    )
    assert len(github.requests) == count

    github.fail(200, body={"status": "something new"})
    assert related(second, first, tmp_path, github.client()) is CommitRelation.UNKNOWN
    github.fail(500, times=9)
    assert related(second, first, tmp_path, github.client()) is CommitRelation.UNKNOWN


def log(folder: Path, since: str, until: str) -> list[str]:
    """Return the range according to git."""
    return git(folder, "rev-list", until, *([f"^{since}"] if since else [])).splitlines()


def test_a_range_has_what_git_says(clone: Path) -> None:
    # A merge of a side branch, a merge of main into it before, a cherry-pick, and wrong clocks.
    marks = [
        line(1),
        line(2),
        line(3, at=START + 9_000),
        line(4, parents=(2,), branch="side"),
        line(5, parents=(4, 3), branch="side", at=START),
        line(6, parents=(3,), at=START - 9_000),
        line(7, parents=(6, 5)),
        line(8),
        line(9, parents=(5,), branch="side"),
    ]
    imported(clone, "".join(marks))
    shas = {git(clone, "show", "-s", "--format=%s", sha): sha for sha in git(clone, "rev-list", "--all").splitlines()}
    for since in ("", *shas.values()):
        for until in shas.values():
            found = history.commits(clone, since, until)
            assert found is not None
            assert {one.sha for one in found.items} == set(log(clone, since, until))
            place = {one.sha: index for index, one in enumerate(found.items)}
            assert all(place[one.sha] < place.get(parent, 99) for one in found.items for parent in one.parents)


def test_a_replaced_history_is_left_out_as_far_as_both_have_it(clone: Path, commits: Mapping[str, str]) -> None:
    found = history.commits(clone, commits["other"], commits["third"])
    assert found is not None
    assert [one.subject for one in found.items] == ["third", "second"]


def test_many_commits_are_cut_where_they_are_too_many(clone: Path) -> None:
    imported(clone, "".join(line(mark) for mark in range(1, 1_202)))
    shas = git(clone, "rev-list", "main").splitlines()
    whole = history.commits(clone, shas[1_000], shas[0])
    assert whole is not None
    assert ([one.sha for one in whole.items], whole.is_whole) == (shas[:1_000], True)
    cut = history.commits(clone, shas[1_001], shas[0])
    assert cut is not None
    assert ([one.sha for one in cut.items], cut.is_whole) == (shas[:1_000], False)
    every = history.commits(clone, "", shas[0])
    assert every is not None
    assert ([one.sha for one in every.items], every.is_whole) == (shas[:1_000], False)
    start = history.commits(clone, "", shas[1_199])
    assert start is not None
    assert ([one.sha for one in start.items], start.is_whole) == (shas[1_199:], True)


def test_a_shallow_clone_tells_what_it_holds(clone: Path) -> None:
    imported(clone, "".join(line(mark) for mark in range(1, 11)))
    shas = git(clone, "rev-list", "main").splitlines()
    folder = shallow(clone, 4)
    for since in (shas[1], shas[2], shas[3]):
        found = history.commits(folder, since, shas[0])
        assert found is not None
        assert [one.sha for one in found.items] == log(clone, since, shas[0])
    assert history.commits(folder, shas[4], shas[0]) is None
    assert history.commits(folder, "", shas[0]) is None
    assert history.commits(folder, shas[0], "f" * 40) is None


def test_what_lies_behind_the_cut_of_a_side_branch_is_not_known(clone: Path) -> None:
    marks = [line(mark) for mark in range(1, 5)]
    marks += [line(mark, parents=(1 if mark == 5 else mark - 1,), branch="side") for mark in range(5, 12)]
    imported(clone, "".join([*marks, line(12, parents=(4, 11)), line(13)]))
    shas = {git(clone, "show", "-s", "--format=%s", sha): sha for sha in git(clone, "rev-list", "main").splitlines()}
    assert history.commits(shallow(clone, 5), shas["commit 4"], shas["commit 13"]) is None
    assert history.commits(clone, shas["commit 4"], shas["commit 13"]) is not None


def test_a_commit_has_its_people_but_no_address(clone: Path) -> None:
    message = (
        "fix: مرحبا 🎉\n\nBody\n\nBREAKING CHANGE: all\n\n"
        "Co-authored-by: 李雷 <9+li-lei@users.noreply.github.com>\n"
        "Co-Authored-By: renovate[bot] <29139614+renovate[bot]@users.noreply.github.com>\n"
        "Co-authored-by: Bob <bob@example.com>\nCo-authored-by: bob <other@example.com>\n"
    )
    who = (
        "author O'Neil <o@users.noreply.ghe.example.com> 1700000000 -0500\ncommitter C <c@example.com> 1700000060 +0000"
    )
    imported(clone, f"commit refs/heads/main\n{who}\ndata {len(message.encode())}\n{message}\n")
    head = git(clone, "rev-parse", "main")
    found = history.commits(clone, "", head)
    assert found is not None
    (one,) = found.items
    assert one.authors == (
        Person("O'Neil", "o"),
        Person("李雷", "li-lei"),
        Person("renovate[bot]", "renovate[bot]", is_bot=True),
        Person("Bob"),
    )
    assert (one.subject, one.body.splitlines()[:3]) == ("fix: مرحبا 🎉", ["Body", "", "BREAKING CHANGE: all"])
    assert "@" not in str(one)
    assert one.written == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert one.at == datetime(2023, 11, 14, 22, 14, 20, tzinfo=UTC)
    assert (one.sha, one.parents) == (head, ())


@pytest.mark.parametrize(
    ("encoding", "message", "subject"),
    [
        ("ISO-8859-1", b"caf\xe9", "café"),
        ("Shift_JIS", "日本語".encode("shift-jis"), "日本語"),
        ("", "ü".encode(), "ü"),
        ("", b"caf\xe9", "caf\ufffd"),
        ("", b"a \xed\xa0\xbd b", "a \ufffd\ufffd\ufffd b"),  # half of an emoji, which is invalid UTF-8
        ("no-such-thing", "ü".encode(), "ü"),
        ("hex", b"616", "616"),
        ("unicode_escape", b"\\ud83d", "\ufffd"),
        ("", b"", ""),
        ("", b"\n\n  late \n", "late"),
        ("", b"long\n\n" + b" " * 300_000 + b"\nCo-authored-by:" + b" " * 300_000 + b"x", "long"),
        ("", b"long\n\n" + b"<" * 300_000 + b"\nCo-authored-by: a <" + b"b" * 300_000, "long"),
    ],
)
def test_every_message_is_legible(clone: Path, encoding: str, message: bytes, subject: str) -> None:
    header = f"tree {git(clone, 'write-tree')}\nauthor A <a> 0 +0000\ncommitter A <a> 0 +0000\n"
    header += f"encoding {encoding}\n" if encoding else ""
    (clone / "object").write_bytes(header.encode() + b"\n" + message)
    sha = git(clone, "hash-object", "-t", "commit", "-w", "--literally", "object")
    found = history.commits(clone, "", sha)
    assert found is not None
    assert found.items[0].subject == subject
    str(found).encode()


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        ("<> 0 +0000", Person("unknown")),
        (" <1+mona@users.noreply.github.com> 0 +0000", Person("mona", "mona")),
        ("a@example.com <a@example.com> 0 +0000", Person("a")),
        ("A <b@example.com> <c@example.com> 0 +0000", Person("A")),
        ("A <a> 99999999999999 +0000", Person("A")),
    ],
)
def test_every_author_is_a_person(clone: Path, author: str, expected: Person) -> None:
    text = f"tree {git(clone, 'write-tree')}\nauthor {author}\ncommitter {author}\n\nmessage\n"
    (clone / "object").write_text(text)
    sha = git(clone, "hash-object", "-t", "commit", "-w", "--literally", "object")
    found = history.commits(clone, "", sha)
    assert found is not None
    assert found.items[0].authors == (expected,)


def test_without_a_repository_nothing_is_known(tmp_path: Path, clone: Path) -> None:
    (tmp_path / "broken" / ".git").mkdir(parents=True)
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / ".git").write_text("gitdir: /nowhere")
    for folder in (tmp_path, tmp_path / "broken", tmp_path / "file", tmp_path / "missing", clone):
        assert history.commits(folder, "", "a" * 40) is None
        assert history.commits(folder, "not", "commits") is None
        assert history.tag_commit(folder, "v1") == ""
        assert history.tag_before(folder, "v1") is None


def test_tags_are_peeled(clone: Path, commits: Mapping[str, str]) -> None:
    git(clone, "tag", "light", commits["first"])
    git(clone, "tag", "-m", "m", "heavy/ü", commits["first"])
    git(clone, "tag", "-m", "m", "nested", "heavy/ü")
    git(clone, "tag", "tree", git(clone, "rev-parse", f"{commits['first']}^{{tree}}"))
    for _ in range(2):
        assert [history.tag_commit(clone, tag) for tag in ("light", "heavy/ü", "nested")] == [commits["first"]] * 3
        assert (history.tag_commit(clone, "tree"), history.tag_commit(clone, "missing")) == ("", "")
        git(clone, "pack-refs", "--all")


def test_the_tag_before_is_the_nearest_of_its_own_history(clone: Path) -> None:
    # main: 1 - 2 - 3 - 4 - 5 - 6; side, a maintenance branch: 2 - 7 - 8
    marks = [*(line(mark) for mark in range(1, 7)), line(7, parents=(2,), branch="side"), line(8, branch="side")]
    imported(clone, "".join(marks))
    shas = {git(clone, "show", "-s", "--format=%s", sha): sha for sha in git(clone, "rev-list", "--all").splitlines()}
    places = {
        "v1.0.0": 1,
        "v1.1.0": 2,
        "hello/v1.5.0": 3,
        "v1.2.0-rc.1": 3,
        "v1.2.0-rc.2": 4,
        "nightly": 4,
        "v1.2.0": 5,
        "v1.10.0": 6,
        "v1.1.1": 7,
        "v1.1.2": 8,
        "before": 2,
        "after": 6,
    }
    for name, place in places.items():
        git(clone, "tag", "-m", name, name, shas[f"commit {place}"])
    git(clone, "tag", "v1.1.9", git(clone, "rev-parse", "main^{tree}"))  # of no commit
    expected = {
        "v1.0.0": "",
        "v1.1.0": "v1.0.0",
        "v1.1.2": "v1.1.1",
        "v1.2.0-rc.1": "v1.1.0",
        "v1.2.0-rc.2": "v1.2.0-rc.1",
        "v1.2.0": "v1.1.0",
        "v1.10.0": "v1.2.0",
        "hello/v1.5.0": "",
        "nightly": "v1.2.0-rc.1",
        "before": "v1.0.0",
    }
    assert {name: history.tag_before(clone, name) for name in expected} == expected
    assert history.tag_before(clone, "after") == "v1.2.0"
    assert history.tag_before(clone, "missing") is None

    folder = shallow(clone, 2)
    git(folder, "fetch", "--quiet", "--depth=2", "origin", "tag", "v1.10.0")
    assert history.tag_before(folder, "v1.10.0") == "v1.2.0"
    assert history.tag_before(folder, "v1.2.0") is None
