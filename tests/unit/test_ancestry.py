"""Order and ranges follow only from parents: compared with git, on random histories (``tests.histories``)."""

from pathlib import Path

import pytest

from promote.core.commit_order import CommitRelation
from promote.github import ancestry
from promote.github.clone import CloneError, opened
from promote.github.clone_search import find
from promote.github.raw_commit import RawCommit, links
from tests.histories import compare
from tests.repository import commit, git, line

TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_random_histories_are_what_git_says() -> None:
    assert compare(300, seed=7) == []


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    return tmp_path


def relation(clone: Path, ours: str, theirs: str) -> CommitRelation:
    with opened(clone) as found:
        return ancestry.relation(found, ours.encode(), theirs.encode())


def stored(clone: Path, text: str) -> str:
    """Store a commit as it is written, also if it is malformed."""
    (clone / "object").write_text(text)
    return git(clone, "hash-object", "-t", "commit", "-w", "--literally", "object")


def test_merges_made_in_one_second_diverge_from_nothing(clone: Path) -> None:
    """In this case, dulwich's find_merge_base called an ancestor diverged, and the older commit was promoted."""
    who = "A <a@example.com> 1700000000 +0000"
    first = main = side = stored(clone, f"tree {TREE}\nauthor {who}\ncommitter {who}\n\nfirst\n")
    made = [first]
    for number in range(4):
        side = stored(clone, f"tree {TREE}\nparent {side}\nauthor {who}\ncommitter {who}\n\nside {number}\n")
        parents = f"parent {main}\nparent {side}\n"
        main = stored(clone, f"tree {TREE}\n{parents}author {who}\ncommitter {who}\n\nmerge {number}\n")
        made += [side, main]
    for older in made[:-1]:
        assert relation(clone, main, older) is CommitRelation.NEWER
        assert relation(clone, older, main) is CommitRelation.OLDER


@pytest.mark.parametrize(
    ("author", "committer"),
    [
        ("author A 1700000000 +0000", "committer A 1700000000 +0000"),  # no address
        ("author A <a@example.com> 1700000000", "committer A <a@example.com> 1700000000"),  # no time zone
        ("author A <a@example.com>", "committer A <a@example.com>"),  # no time
        ("author A <a@example.com> x y", "committer A <a@example.com> -5 +99999999"),
        ("author", "committer"),
        ("encoding nothing\nodd: header", "gpgsig -----BEGIN\n parent " + "f" * 40 + "\n -----END"),
        ("author A <a> 1 +0000\nauthor B <b> 2 +0000", "parent " + "f" * 40),  # git accepts no parent here
    ],
)
def test_a_malformed_commit_does_not_lose_the_history(clone: Path, author: str, committer: str) -> None:
    first = commit(clone, "first")
    odd = stored(clone, f"tree {TREE}\nparent {first}\n{author}\n{committer}\n\nodd\n")
    last = git(clone, "commit-tree", "-p", odd, "-m", "last", TREE)
    assert relation(clone, last, first) is CommitRelation.NEWER
    assert relation(clone, first, odd) is CommitRelation.OLDER
    with opened(clone) as found:
        listed = ancestry.between(found, first.encode(), last.encode(), 9)
    assert listed is not None
    assert listed.commits == (last.encode(), odd.encode())


def test_an_invalid_commit_is_an_error() -> None:
    for content in (b"", b"tree\n", b"tree abc\n", b"author A\n\ntext", b"tree " + b"a" * 41 + b"\n"):
        with pytest.raises(ValueError, match="has no tree"):
            links(content)
    assert links(b"tree " + b"a" * 64 + b"\nparent " + b"b" * 64 + b"\n\n") == ((b"b" * 64,), 0)
    assert RawCommit.of(b"tree " + b"a" * 40 + b"\nauthor A\n\nmessage").author == b"A"


def test_missing_parents_are_not_known(clone: Path) -> None:
    who = "A <a@example.com> 1700000000 +0000"
    end = f"author {who}\ncommitter {who}\n\n"
    first = commit(clone, "first")
    cut = stored(clone, f"tree {TREE}\nparent {'e' * 40}\n{end}")
    assert relation(clone, cut, first) is CommitRelation.UNKNOWN
    both = [stored(clone, f"tree {TREE}\nparent {cut}\n{end}{number}") for number in range(2)]
    assert relation(clone, *both) is CommitRelation.DIVERGED  # what both contain does not matter
    assert relation(clone, both[0], cut) is CommitRelation.NEWER


def test_the_clone_is_found_from_the_artifact_upwards(tmp_path: Path) -> None:
    nested = tmp_path / "src" / "dist" / "code"
    nested.mkdir(parents=True)
    assert find(nested, tmp_path) is None
    (tmp_path.parent / ".git").mkdir(exist_ok=True)  # outside the workspace
    assert find(nested, tmp_path) is None
    (tmp_path.parent / ".git").rmdir()
    line(tmp_path)
    assert find(nested, tmp_path) == tmp_path
    line(tmp_path / "src")
    assert find(nested, tmp_path) == tmp_path / "src"
    # A submodule belongs to its superproject.
    for place in (".git", ".git/worktrees/tree", "../bare.git/worktrees/tree"):
        (nested.parent / ".git").write_text(f"gitdir: ../../{place}/modules/dist\n")
        assert find(nested, tmp_path) == tmp_path / "src"
    for place in ("../modules/src/.git/worktrees/tree", "/worktrees/all/modules/src/.git/worktrees/tree"):
        (nested.parent / ".git").write_text(f"gitdir: {place}\n")
        assert find(nested, tmp_path) == nested.parent


def test_a_clone_without_a_version_of_its_format_has_the_first_one(clone: Path) -> None:
    """Its extensions do not count. https://git-scm.com/docs/repository-version."""
    head = commit(clone, "first")
    git(clone, "config", "--unset", "core.repositoryformatversion")
    git(clone, "config", "extensions.somethingNew", "true")
    with opened(clone) as found:
        assert found.head == head


def test_partial_clones_and_worktrees_are_read(clone: Path) -> None:
    first, second = commit(clone, "first"), commit(clone, "second")
    git(clone, "worktree", "add", "--quiet", "--detach", str(clone / "tree"), first)
    git(clone, "config", "core.repositoryformatversion", "1")
    git(clone, "config", "extensions.partialClone", "origin")
    for folder, head in ((clone, second), (clone / "tree", first)):
        with opened(folder) as found:
            assert found.head == head
        assert relation(folder, second, first) is CommitRelation.NEWER
    file = clone / ".git" / "config"
    file.write_bytes(file.read_bytes() + b"[extensions]\n\tpartialClone = \xff\n")
    with opened(clone) as found:
        assert found.head == second
    git(clone, "config", "extensions.somethingNew", "true")
    with pytest.raises(CloneError, match="extension somethingnew"), opened(clone):
        pass
