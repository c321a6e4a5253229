"""The recorded commit is the one whose files are deployed, whatever ``GITHUB_SHA`` names."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from promote.core.errors import InputError, RefusedError
from promote.github.actions.context import Context
from promote.inputs.model import Inputs
from promote.inputs.step import read
from promote.pipeline import checkout
from tests.repository import commit, git

SHA = "5" * 40
"""``GITHUB_SHA``."""
RUN = {"function-name": "hello", "environment": "preprod", "checks": "GET /", "artifact": "function"}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / "function").mkdir(parents=True)
    (folder / "function" / "app.py").write_text("")
    return folder


def inputs(workspace: Path, given: Mapping[str, str]) -> Inputs:
    return read({f"INPUT_{name.upper()}": value for name, value in {**RUN, **given}.items()}, workspace)


def context(workspace: Path, event: str = "push", payload: object = None, ref: str = "refs/heads/main") -> Context:
    file = workspace.parent / "event.json"
    file.write_text(json.dumps(payload))
    environ = {"GITHUB_WORKSPACE": str(workspace), "GITHUB_SHA": SHA, "GITHUB_REF": ref}
    environ["GITHUB_REPOSITORY"] = "acme/hello"
    return Context.from_environ({**environ, "GITHUB_EVENT_NAME": event, "GITHUB_EVENT_PATH": str(file)})


def settled(workspace: Path, given: Mapping[str, str] | None = None, **event: object) -> Context:
    return checkout.resolve_commit(inputs(workspace, given or {}), context(workspace, **event))  # type: ignore[arg-type]


def cloned(folder: Path, count: int = 2) -> list[str]:
    folder.mkdir(exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    return [commit(folder, f"commit {number}") for number in range(count)]


def test_the_clone_decides(workspace: Path) -> None:
    first, second = cloned(workspace)
    assert settled(workspace).commit == second
    git(workspace, "checkout", "--quiet", first)  # as with ref: at actions/checkout
    for event in ("push", "workflow_dispatch", "repository_dispatch", "schedule"):
        found = settled(workspace, event=event)
        assert (found.commit, found.clone, found.head) == (first, workspace, first)
    found = settled(workspace, event="workflow_run", payload={"workflow_run": {"head_sha": second}})
    assert found.commit == first
    assert checkout.warning(found, SHA) == ""
    assert f"of {second[:10]}" in checkout.warning(
        found, first
    )  # the default checkout, and the artifact of another commit


def test_it_is_the_clone_that_holds_the_artifact(workspace: Path) -> None:
    root = cloned(workspace)[-1]
    own = cloned(workspace / "src", 3)[-1]
    (workspace / "src" / "dist").mkdir()
    found = settled(workspace, {"artifact": "src/dist"})
    assert (found.commit, found.clone, found.head) == (own, workspace / "src", root)
    assert settled(workspace, {"artifact": "src/not/built.zip"}).commit == own
    (workspace / "link").symlink_to(workspace / "src" / "dist")
    assert settled(workspace, {"artifact": "link"}).commit == own
    assert settled(workspace, {"artifact": "a" * 5000}).commit == root
    for elsewhere in ("s3://bucket/key", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1", "", "../.."):
        assert settled(workspace, {"artifact": elsewhere}).commit == root


ROLLBACK = {"command": "rollback", "artifact": "", "checks": ""}


def test_a_clone_beside_the_artifact_counts(workspace: Path) -> None:
    first, second = cloned(workspace / "src")  # path: src at actions/checkout; the build writes to function/
    git(workspace / "src", "checkout", "--quiet", first)
    for artifact in ("function", "", "s3://bucket/key"):
        found = settled(workspace, {"artifact": artifact})
        assert (found.commit, found.clone, found.head) == (first, workspace / "src", first)
    assert settled(workspace, {"commit": second}).commit == second  # no clone holds the artifact: the input decides
    found = settled(workspace, ROLLBACK)
    assert (found.commit, found.clone, found.head) == (SHA, workspace / "src", first)


def test_of_several_clones_beside_the_artifact_none_is_guessed(workspace: Path) -> None:
    first = cloned(workspace / "src", 1)[0]
    git(workspace, "clone", "--quiet", "src", "again")
    git(workspace / "again", "remote", "remove", "origin")
    assert settled(workspace).commit == first
    second = commit(workspace / "again", "second")
    with pytest.raises(InputError, match=f"commit: .* no clone holds .* several, at {second[:10]} and {first[:10]}"):
        settled(workspace)
    assert settled(workspace, {"commit": first}).commit == first
    assert settled(workspace, {"artifact": "src/dist"}).commit == first
    assert settled(workspace, ROLLBACK).head == f"{second} {first}"


def test_a_clone_of_another_repository_does_not_say_what_is_deployed(workspace: Path) -> None:
    tools = cloned(workspace / "tools")[-1]
    git(workspace / "tools", "remote", "add", "origin", "https://github.com/Acme/Tools")
    with pytest.raises(InputError, match=r"commit: .* the workspace has one of acme/tools") as caught:
        settled(workspace)
    assert "${{ github.sha }}" in caught.value.hint
    assert settled(workspace, {"commit": "9" * 40}).commit == "9" * 40
    assert settled(workspace, ROLLBACK).clone == workspace
    assert settled(workspace, {"artifact": "tools/dist"}).commit == tools
    own = cloned(workspace / "src")[-1]
    for url in (
        "https://github.com/acme/hello",
        "https://a:b@github.com/Acme/Hello.git/",
        "git@github.com:acme/hello.git",
    ):
        git(workspace / "src", "config", "remote.origin.url", url)
        found = settled(workspace)
        assert (found.commit, found.clone) == (own, workspace / "src")


def test_what_tools_clone_and_what_lies_deep_is_not_searched(workspace: Path) -> None:
    for folder in ("node_modules/a", "app/.venv/src/a", "a/b/c/d/e"):
        (workspace / folder).mkdir(parents=True)
        cloned(workspace / folder, 1)
    (workspace / "link").symlink_to(workspace / "node_modules")
    assert settled(workspace).commit == SHA
    (workspace / "a" / "b" / "c" / "d" / "e").rename(workspace / "a" / "b" / "c" / "e")
    own = git(workspace / "a/b/c/e", "rev-parse", "HEAD")
    assert settled(workspace).commit == own


def test_without_a_clone_the_event_decides_and_then_the_sha(workspace: Path) -> None:
    assert settled(workspace).commit == SHA
    assert settled(workspace, event="workflow_run", payload={"workflow_run": {"head_sha": "6" * 40}}).commit == "6" * 40
    pull = {"pull_request": {"head": {"sha": "7" * 40}}}
    merge = "refs/pull/8/merge"
    assert settled(workspace, event="pull_request", payload=pull, ref=merge).commit == "7" * 40
    assert settled(workspace, event="pull_request_target", payload=pull).commit == SHA
    git(workspace, "init", "--quiet")  # nothing was committed
    assert settled(workspace).commit == SHA
    head = commit(workspace, "first")
    git(workspace / "function", "init", "--quiet")
    assert settled(workspace).commit == head
    shutil.rmtree(workspace / ".git")
    shutil.rmtree(workspace / "function" / ".git")
    nothing: list[object] = [None, {}, [], {"workflow_run": 1}, {"workflow_run": {"head_sha": "--help"}}]
    for payload in nothing:
        with pytest.raises(InputError, match="the event workflow_run does not name one"):
            settled(workspace, event="workflow_run", payload=payload)
        assert settled(workspace, {"commit": "9" * 40}, event="workflow_run", payload=payload).commit == "9" * 40
    with pytest.raises(InputError, match="the event pull_request does not name one"):
        settled(workspace, event="pull_request", payload={}, ref=merge)


def test_the_merge_of_a_pull_request_stands_for_the_commit_that_it_merges(workspace: Path) -> None:
    base = cloned(workspace)[-1]
    git(workspace, "checkout", "--quiet", "-b", "topic", "HEAD~1")
    own = commit(workspace, "topic")
    git(workspace, "checkout", "--quiet", "--detach", base)
    git(workspace, "merge", "--quiet", "--no-ff", "--message", "merge", own)
    merge = git(workspace, "rev-parse", "HEAD")
    pull = {"pull_request": {"head": {"sha": own}}}
    found = settled(workspace, event="pull_request", payload=pull, ref="refs/pull/8/merge")
    assert (found.commit, found.head) == (own, merge)
    for given in ({"commit": merge}, {"commit": merge, "artifact": "s3://bucket/key"}):
        assert settled(workspace, given, event="pull_request", payload=pull).commit == own
    git(workspace, "checkout", "--quiet", "--detach", base)  # ref: of the base branch
    assert settled(workspace, event="pull_request", payload=pull, ref="refs/pull/8/merge").commit == base


def test_a_pull_request_that_another_event_has_checked_out(workspace: Path) -> None:
    """As on ``issue_comment``, with ``ref: refs/pull/8/merge`` at actions/checkout."""
    base = cloned(workspace)[-1]
    git(workspace, "checkout", "--quiet", "-b", "topic", "HEAD~1")
    own = commit(workspace, "topic")
    git(workspace, "update-ref", "refs/remotes/pull/8/head", own)
    git(workspace, "checkout", "--quiet", "--detach", base)
    git(workspace, "merge", "--quiet", "--no-ff", "--message", "merge", own)
    git(workspace, "update-ref", "refs/remotes/pull/8/merge", "HEAD")
    for ref, what in (("HEAD", "merge"), (own, "head")):
        git(workspace, "checkout", "--quiet", "--detach", ref)
        with pytest.raises(RefusedError, match=f"refs/pull/8/{what} is checked out: .* not reviewed") as caught:
            settled(workspace, event="issue_comment")
        assert "allow-pull-requests" in caught.value.hint
        for allowed in ("allow-pull-requests", "dry-run"):
            assert settled(workspace, {allowed: "true"}, event="issue_comment").commit == own
    git(workspace, "checkout", "--quiet", "--detach", base)
    assert settled(workspace, event="issue_comment").commit == base


def test_a_merge_of_a_pull_request_without_its_parents_stands_for_itself(workspace: Path) -> None:
    """As in a clone whose history was cut, or rewritten by another tool."""
    for alone in cloned(workspace):  # the first has no parent, the second has one
        git(workspace, "checkout", "--quiet", "--detach", alone)
        git(workspace, "update-ref", "refs/remotes/pull/8/merge", alone)
        assert settled(workspace, {"dry-run": "true"}, event="issue_comment").commit == alone


def test_a_pull_request_that_was_fetched_by_hand(workspace: Path) -> None:
    base = cloned(workspace)[-1]
    git(workspace, "checkout", "--quiet", "-b", "topic", "HEAD~1")
    own = commit(workspace, "topic")
    git(workspace, "update-ref", "refs/pull/8/head", own)
    git(workspace, "fetch", "--quiet", str(workspace), "refs/pull/8/head")
    with pytest.raises(RefusedError, match=r"refs/pull/8/head is checked out: .* not reviewed"):
        settled(workspace, event="issue_comment")
    git(workspace, "checkout", "--quiet", "--detach", base)
    assert settled(workspace, event="issue_comment").commit == base


@pytest.mark.parametrize("ref", ["refs/pull/8/head", "refs/remotes/origin/pull/8/merge"])
def test_a_pull_request_that_a_fetch_has_written_to_a_ref(workspace: Path, ref: str) -> None:
    base = cloned(workspace)[-1]
    git(workspace, "checkout", "--quiet", "-b", "topic", "HEAD~1")
    git(workspace, "update-ref", ref, commit(workspace, "topic"))
    with pytest.raises(RefusedError, match=r"refs/pull/8/\w+ is checked out: .* not reviewed"):
        settled(workspace, event="workflow_dispatch")
    git(workspace, "checkout", "--quiet", "--detach", base)
    assert settled(workspace, event="workflow_dispatch").commit == base


def test_a_pull_request_that_was_fetched_before_its_worktree_was_made(workspace: Path) -> None:
    cloned(workspace)
    git(workspace, "checkout", "--quiet", "-b", "topic", "HEAD~1")
    git(workspace, "update-ref", "refs/topics/8", commit(workspace, "topic"))
    git(workspace, "update-ref", "refs/pull/8/head", "refs/topics/8")
    git(workspace, "fetch", "--quiet", str(workspace), "refs/pull/8/head")
    git(workspace, "update-ref", "-d", "refs/pull/8/head")
    git(workspace, "checkout", "--quiet", "main")
    git(workspace, "worktree", "add", "--quiet", "function/pr", "FETCH_HEAD")
    with pytest.raises(RefusedError, match=r"refs/pull/8/head is checked out: .* not reviewed"):
        settled(workspace, {"artifact": "function/pr"}, event="workflow_dispatch")


def test_the_input_decides_where_nothing_else_can(workspace: Path) -> None:
    given = {"commit": "A" * 40}
    assert settled(workspace, given).commit == "a" * 40
    head = cloned(workspace)[-1]
    assert settled(workspace, {"commit": head}).commit == head
    for artifact in ("function", ""):
        with pytest.raises(InputError, match=f"commit: it is aaaaaaaaaa, and the clone .* is at {head[:10]}") as caught:
            settled(workspace, {**given, "artifact": artifact})
        assert "ref:" in caught.value.hint
    found = settled(workspace, {**given, "artifact": "s3://bucket/key"})
    assert (found.commit, found.clone, found.head) == ("a" * 40, workspace, head)


@pytest.mark.parametrize("damage", ["HEAD", "object", "extension"])
def test_a_clone_that_cannot_be_read_leaves_the_commit_unknown(workspace: Path, damage: str) -> None:
    head = cloned(workspace)[-1]
    if damage == "HEAD":
        (workspace / ".git" / "HEAD").unlink()
    elif damage == "object":
        (workspace / ".git" / "objects" / head[:2] / head[2:]).unlink()
    else:
        git(workspace, "config", "core.repositoryformatversion", "7")
    with pytest.raises(InputError, match="the clone in the workspace cannot be read") as caught:
        settled(workspace)
    assert caught.value.name == "commit"
    assert settled(workspace, {"commit": "9" * 40}).commit == "9" * 40
    assert settled(workspace, ROLLBACK).commit == SHA


def test_a_worktree_whose_git_directory_is_on_the_host(workspace: Path) -> None:
    """In the action's container, the workspace has another path."""
    first = cloned(workspace)[0]
    git(workspace, "worktree", "add", "--quiet", "--detach", "tree", first)
    assert settled(workspace, {"artifact": "tree"}).commit == first
    file = workspace / "tree" / ".git"
    file.write_text(file.read_text().replace(str(workspace), "/outside/hello"))
    with pytest.raises(InputError, match=r"/outside/.* is outside of the action's container") as caught:
        settled(workspace, {"artifact": "tree"})
    assert "Set the input commit." in caught.value.hint
    assert settled(workspace, {"artifact": "tree", "commit": first}).commit == first
    file.write_text("gitdir: ../.git/worktrees/tree\n")  # as git worktree add --relative-paths writes it
    assert settled(workspace, {"artifact": "tree"}).commit == first


def test_a_submodule_that_leads_nowhere_is_named(workspace: Path) -> None:
    cloned(workspace)
    (workspace / "lib" / "dist").mkdir(parents=True)
    (workspace / "lib" / ".git").write_text("gitdir: ../missing/lib\n")
    with pytest.raises(InputError) as caught:
        settled(workspace, {"artifact": "lib/dist"})
    assert str(caught.value) == (
        "commit: the commit that is deployed is not known: the clone in 'lib' cannot be read: its file .git names the "
        "git directory ../missing/lib, which does not exist"
    )
    assert "submodules: true" in caught.value.hint


def test_several_functions_have_one_commit(workspace: Path) -> None:
    several = {"artifact": "", "checks": "api: GET /", "function-name": "api = a/dist\nworker = b/dist"}
    (workspace / "a" / "dist").mkdir(parents=True)
    (workspace / "b" / "dist").mkdir(parents=True)
    head = cloned(workspace)[-1]
    assert settled(workspace, several).commit == head
    own = cloned(workspace / "b", 1)[-1]
    with pytest.raises(InputError, match="artifact: the artifacts are of different commits") as caught:
        settled(workspace, several)
    assert own[:10] in str(caught.value)
    assert head[:10] in str(caught.value)


@pytest.mark.parametrize("value", ["abc1234", "main", "g" * 40, "a" * 41, "a" * 63])
def test_only_a_full_sha_is_taken(workspace: Path, value: str) -> None:
    with pytest.raises(InputError, match="is not a full commit SHA"):
        inputs(workspace, {"commit": value})
    assert inputs(workspace, {"commit": "a" * 64}).commit == "a" * 64
