"""Changes from histories that git itself writes: merges, squashes, reverts, cherry-picks, and a replaced history."""

import os
import random
from pathlib import Path

import pytest
import requests

from promote.core.clock import SystemClock
from promote.github.actions.context import Context
from promote.github.api.repository import GitHub
from promote.github.git import commits
from promote.notes.changes import changes
from promote.notes.collect import Sources
from promote.notes.model import Changes
from tests.repository import commit, git

URL = "https://github.com/octo-org/hello"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, "Begin")
    return tmp_path


def write(folder: Path, name: str, message: str) -> str:
    (folder / name).write_text(message, encoding="utf-8")
    return commit(folder, message)


def between(folder: Path, since: str, until: str = "main") -> Changes:
    found = commits(folder, git(folder, "rev-parse", since), git(folder, "rev-parse", until))
    assert found
    return changes(found.items, repository_url=URL)


def titles(found: Changes) -> dict[str, list[str]]:
    return {section.title: [change.title for change in section.changes] for section in found.sections}


def test_what_git_writes_is_understood(repository: Path) -> None:
    since = git(repository, "rev-parse", "HEAD")
    # A pull request with a merge of main into it.
    git(repository, "checkout", "-q", "-b", "greeting")
    write(repository, "a", "feat: greet")
    git(repository, "checkout", "-q", "main")
    fix = write(repository, "b", "fix(api): wait")
    git(repository, "checkout", "-q", "greeting")
    git(repository, "merge", "-q", "--no-edit", "main")
    write(repository, "c", "test: greeting\n\nCo-authored-by: שרה לוי <sara@example.com>")
    git(repository, "checkout", "-q", "main")
    merge = ("merge", "-q", "--no-ff", "-m", "Merge pull request #7 from octo-org/greeting", "-m", "Greet everybody")
    git(repository, *merge, "greeting")
    # A squash, which is reverted and restored; and a merge, which is reverted.
    squashed = write(repository, "d", "feat!: a new 🎉 table (#8)\n\n* wip\n\nBREAKING CHANGE: name the `table`")
    git(repository, "revert", "--no-edit", squashed)
    git(repository, "revert", "--no-edit", "HEAD")
    git(repository, "checkout", "-q", "-b", "mistake")
    write(repository, "e", "feat: one mistake")
    write(repository, "f", "feat: and another")
    git(repository, "checkout", "-q", "main")
    git(repository, "merge", "-q", "--no-ff", "-m", "Merge pull request #9 from a/mistake", "-m", "Two", "mistake")
    git(repository, "revert", "--no-edit", "-m", "1", "HEAD")
    # A branch for a release, with a fix of main.
    git(repository, "checkout", "-q", "-b", "release", since)
    git(repository, "cherry-pick", "-x", fix)
    git(repository, "checkout", "-q", "main")
    git(repository, "merge", "-q", "--no-edit", "release")

    found = between(repository, since)

    expected = {"Breaking changes": ["A new 🎉 table"], "Features": ["Greet everybody"], "Fixes": ["Wait"]}
    assert titles(found) == expected
    breaking, greeting, waiting = (section.changes[0] for section in found.sections)
    assert breaking.breaking == "name the `table`"
    assert greeting.pull_request
    assert greeting.pull_request.url == f"{URL}/pull/7"
    assert greeting.pull_request.author.name == "a"
    assert [person.name for person in greeting.authors] == ["a", "שרה לוי"]
    assert (waiting.commit, waiting.scope) == (fix, "api")
    assert found.count == 14
    # Clocks decide which of two parallel lines is listed first. The result is the same.
    listed = commits(repository, since, git(repository, "rev-parse", "main"))
    assert listed
    for seed in range(50):
        items = random.Random(seed).sample(listed.items, len(listed.items))  # noqa: S311 - any order will do
        assert titles(changes(items, repository_url=URL)) == expected


def test_history_that_was_replaced(repository: Path) -> None:
    """The environment's commit is not part of main any more. Only what is new is listed."""
    first = write(repository, "a", "feat: a draft")
    served = write(repository, "b", "feat: more of it")
    git(repository, "reset", "-q", "--hard", first)
    git(repository, "commit", "-q", "--amend", "-m", "feat: the draft, in better words")
    write(repository, "c", "fix: a slip")

    assert titles(between(repository, served)) == {
        "Features": ["The draft, in better words"],
        "Fixes": ["A slip"],
    }
    assert titles(between(repository, "main", served)) == {"Features": ["More of it", "A draft"]}


def test_a_branch_that_was_rewritten_is_listed_once(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "draft")
    write(repository, "a", "feat: greet")
    git(repository, "checkout", "-q", "main")
    since = write(repository, "b", "fix: wait")
    write(repository, "c", "docs: explain")
    git(repository, "checkout", "-q", "-b", "final")
    git(repository, "cherry-pick", "draft")
    git(repository, "checkout", "-q", "main")
    for branch in ("final", "draft"):
        git(repository, "merge", "-q", "--no-ff", "--no-edit", branch)

    assert titles(between(repository, since)) == {"Features": ["Greet"], "Documentation": ["Explain"]}


def test_the_sections_file_is_one_of_the_repositorys_own(repository: Path) -> None:
    """Another repository is not read, whatever links exist."""
    since, until = git(repository, "rev-parse", "HEAD"), write(repository, "a", "feat: greet")
    file, outside = repository / ".github" / "release.yml", repository.parent / "outside"
    file.parent.mkdir()
    outside.write_text("outside")
    (repository / ".git" / "extra").write_text("token")

    def gaps() -> tuple[str, ...]:
        github = GitHub(Context.from_environ({}), requests.Session, SystemClock())
        return Sources(repository, github, "").between(since, until).gaps[1:]

    assert gaps() == ()
    for target in ("../../outside", "../.git/extra", "release.yml", ".."):
        file.symlink_to(target)
        assert gaps() == ()
        file.unlink()
    os.mkfifo(file)
    assert gaps() == ()
    file.unlink()
    file.write_text("a: b")
    [gap] = gaps()
    assert gap.startswith(".github/release.yml is not used: ")
    with file.open("ab") as opened:
        opened.truncate(10**11)  # of which only a little is read
    [gap] = gaps()
    assert gap.startswith(".github/release.yml is not used: ")


def test_the_same_commit_has_no_changes(repository: Path) -> None:
    assert between(repository, "main") == Changes()
