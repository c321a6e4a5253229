"""Guarantee 2: an older commit never replaces a newer one, in a real repository. An unknown order is refused."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.client import Account
from tests.conftest import counting, make_runner
from tests.repository import commit, environment, git, line
from tests.runner import REPOSITORY, Ended, Runner
from tests.world import World

READS = re.compile(r"(sts|lambda|dynamodb|apigatewayv2)\.(Get|List|Describe|Query|BatchGet)")


def change(workspace: Path, text: str) -> str:
    """Commit ``text`` as a file of the function, and return the commit."""
    (workspace / "function" / "commit").write_text(text)
    return commit(workspace, text)


def cloned(workspace: Path, depth: int) -> None:
    """Replace the workspace with a shallow clone of it."""
    whole = workspace.parent / "whole"
    shutil.move(workspace / ".git", whole)
    git(workspace.parent, "clone", "--quiet", "--bare", f"--depth={depth}", f"file://{whole}", str(workspace / ".git"))
    git(workspace, "config", "core.bare", "false")


def assert_refused(ended: Ended, account: Account, *words: str) -> None:
    """Assert that there is one error with cause and fix, and that nothing was changed."""
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (1, "refused", "false"), ended.log
    assert len(ended.errors) == 1, ended.log
    for text in words:
        assert text in ended.errors[0].message
    assert [call.name for call in account.calls() if not READS.match(call.name)] == []


def test_the_order_of_commits_decides_and_not_that_of_runs(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    workspace = runner.workspace
    git(workspace, "init", "--quiet", "--initial-branch=main")
    first = change(workspace, "first")
    second = change(workspace, "second")
    third = change(workspace, "third")
    # The run numbers contradict the history, which decides.
    assert runner.run(inputs, commit=third, run_id=1).result == "promoted"
    served = world.alias_version()
    git(workspace, "checkout", "--quiet", second)
    late = runner.run(inputs, commit=second, run_id=9)
    assert (late.code, late.result, world.alias_version()) == (0, "superseded", served), late.log
    assert third[:10] in late.outputs["summary"]
    assert world.lock_owner() == ""

    # A diverged branch is promoted, with a warning.
    git(workspace, "checkout", "--quiet", "-b", "hotfix", first)
    hotfix = change(workspace, "hotfix")
    parted = runner.run(inputs, commit=hotfix, run_id=10)
    assert (parted.code, parted.result) == (0, "promoted"), parted.log
    assert [annotation.kind for annotation in parted.annotations] == ["warning"]
    assert "histories have diverged" in parted.annotations[0].message
    assert world.history()[-1] == (served, world.alias_version())


@dataclass(frozen=True)
class Ending:
    """How a run ends, and what it warns of."""

    result: str
    warning: str = ""


PROMOTED, REFUSED, SUPERSEDED = Ending("promoted"), Ending("refused"), Ending("superseded")
PARTED, UNKNOWN = Ending("promoted", "histories have diverged"), Ending("promoted", "Cannot tell whether")


ENDINGS = {
    "": {"newer": PROMOTED, "older": SUPERSEDED, "parted": PARTED, "unknown": REFUSED},
    "promote": {"newer": PROMOTED, "older": SUPERSEDED, "parted": PARTED, "unknown": UNKNOWN},
    "refuse": {"newer": PROMOTED, "older": SUPERSEDED, "parted": REFUSED, "unknown": REFUSED},
}
"""What a run does, for each value of ``diverged`` and each relation of two commits."""


@pytest.mark.parametrize(
    ("command", "diverged"),
    [("run", ""), ("run", "promote"), ("run", "refuse"), ("deploy", "refuse"), ("promote", "refuse")],
)
def test_what_diverged_decides_and_what_it_does_not(
    runner: Runner, inputs: dict[str, str], world: World, command: str, diverged: str
) -> None:
    """Whatever it says, a newer commit is promoted and an older one is not."""
    workspace = runner.workspace
    git(workspace, "init", "--quiet", "--initial-branch=main")
    commits = {name: change(workspace, name) for name in ("older", "served", "newer")}
    git(workspace, "checkout", "--quiet", "-b", "hotfix", commits["older"])
    commits["parted"] = change(workspace, "parted")
    git(workspace, "checkout", "--quiet", "--orphan", "elsewhere")
    commits["unknown"] = change(workspace, "unknown")
    git(workspace, "checkout", "--quiet", commits["served"])
    assert runner.run(inputs).result == "promoted"
    given = counting({**inputs, "command": command, "diverged": diverged})
    for number, (name, ending) in enumerate(ENDINGS[diverged].items(), 2):
        environment = f"env-{number}"
        world.function.create_alias(FunctionName="hello", Name=environment, FunctionVersion="1")
        given["environment"] = environment
        git(workspace, "checkout", "--quiet", "--force", commits[name])
        if name == "unknown":
            shutil.move(workspace / ".git", workspace.parent / "moved")
        if command == "promote":
            given |= {"version": publish(world, name), "commit": commits[name]}
        # A person has asked for this version, so a green run would be misleading.
        is_older = command == "promote" and ending is SUPERSEDED
        expected = REFUSED if is_older else ending
        planned = runner.run({**given, "dry-run": "true"}, commit=commits[name], run_id=number)
        assert (planned.code, planned.result, len(planned.errors)) == (0, "planned", 0), planned.log
        assert ("would be refused" in planned.outputs["summary"]) == (expected is REFUSED), planned.log
        if is_older:
            assert f"is older than what {environment} serves (version 1)" in planned.outputs["summary"]
        world.account.forget()
        ended = runner.run(given, commit=commits[name], run_id=number)
        if is_older:
            assert (ended.code, ended.result, len(ended.errors)) == (1, "refused", 1), ended.log
            assert f"is older than what {environment} serves (version 1)" in ended.errors[0].message
        elif expected is REFUSED:
            assert_refused(ended, world.account, environment, commits[name][:10], commits["served"][:10])
        else:
            result = "deployed" if command == "deploy" and expected is PROMOTED else expected.result
            assert (ended.code, ended.result, ended.errors) == (0, result, []), f"{name}: {ended.log}"
            warnings = [annotation.message for annotation in ended.annotations]
            assert [expected.warning in text for text in warnings] == [True] * bool(expected.warning), ended.log
        assert (world.alias_version(environment) != "1") == (ended.result == "promoted"), name
        runner.finish()


def publish(world: World, text: str) -> str:
    """Publish a version of an external tool, and return it."""
    world.overwrite_latest(f"{(REPOSITORY / 'tests' / 'function' / 'app.py').read_text()}# {text}\n")
    return world.function.publish_version(FunctionName="hello")["Version"]


@pytest.mark.parametrize("event", ["workflow_dispatch", "workflow_run"])
def test_what_is_checked_out_counts_and_not_what_the_event_names(
    runner: Runner, inputs: dict[str, str], world: World, event: str
) -> None:
    """With ``ref:`` at actions/checkout, the files are older than GITHUB_SHA."""
    workspace = runner.workspace
    git(workspace, "init", "--quiet", "--initial-branch=main")
    old, new = change(workspace, "old"), change(workspace, "new")
    newest = change(workspace, "newest")
    given = {**inputs, "release-notes-path": "notes.md"}
    payload = workspace.parent / "event.json"
    payload.write_text(json.dumps({"workflow_run": {"event": "push", "head_sha": newest}}))
    environ = {"GITHUB_EVENT_NAME": event, "GITHUB_EVENT_PATH": str(payload)}
    promoted = runner.run(given, commit="5" * 40, environ={"GITHUB_EVENT_NAME": "push"})
    assert promoted.result == "promoted", promoted.log
    git(workspace, "checkout", "--quiet", "--force", old)
    late = runner.run(given, commit=newest, run_id=2000, environ=environ)
    assert (late.result, world.alias_version()) == ("superseded", "1"), late.log

    git(workspace, "checkout", "--quiet", "--force", new)
    again = runner.run({**given, "environment": "stage"}, commit=newest, environ=environ)
    assert again.result == "promoted", again.log
    description = world.function.get_alias(FunctionName="hello", Name="stage")["Description"]
    assert f"commit {new} " in description
    records = [item["commit"] for item in world.records("promotion") + world.records("environment")]
    assert sorted(set(records)) == sorted({newest, new})
    assert {item["commit"] for item in world.records("version")} == {newest, new}
    assert new[:10] in (workspace / "notes.md").read_text()
    assert new[:10] in again.summary
    assert newest[:10] not in again.summary


def test_the_clone_lies_where_the_artifact_does(runner: Runner, inputs: dict[str, str], world: World) -> None:
    """With ``path:`` at actions/checkout, the workspace itself is not a clone."""
    source = runner.workspace / "src"
    source.mkdir()
    shutil.move(runner.workspace / "function", source / "function")
    git(source, "init", "--quiet", "--initial-branch=main")
    old, new = change(source, "old"), change(source, "new")
    given = {**inputs, "artifact": "src/function"}
    assert runner.run(given, commit=old).result == "promoted"
    assert world.records("environment")[0]["commit"] == new
    git(source, "checkout", "--quiet", old)
    assert runner.run(given, commit=new, run_id=2000).result == "superseded"

    # The same, with its build output beside the clone.
    shutil.copytree(source / "function", runner.workspace / "dist")
    late = runner.run({**given, "artifact": "dist"}, commit=new, run_id=2001)
    assert (late.result, world.alias_version()) == ("superseded", "1"), late.log
    promoted = {"command": "promote", "function-name": "hello", "environment": "prod", "github-deployments": "false"}
    assert runner.run({**promoted, "version": "1"}, commit=old, run_id=2002).result == "promoted"
    (runner.workspace / "dist" / "commit").write_text("newest")
    newest = change(source, "newest")
    ended = runner.run({**given, "artifact": "dist"}, commit=old, run_id=2003)
    assert (ended.result, world.records("environment")[0]["commit"]) == ("promoted", newest), ended.log
    ended = runner.run({**promoted, "from": "preprod"}, commit=newest, run_id=2004)  # the clone shows the order
    assert ended.result == "promoted", ended.log


def test_an_order_that_is_not_known_is_refused(
    runner: Runner, inputs: dict[str, str], world: World, account: Account
) -> None:
    workspace = runner.workspace
    assert runner.run(inputs, commit="2" * 40, run_id=20).result == "promoted"
    (workspace / "function" / "commit").write_text("another")
    # The numbers of the runs decide nothing, in either direction.
    for run_id in (10, 30):
        for diverged in ("", "refuse"):
            account.forget()
            refused = runner.run({**inputs, "diverged": diverged}, commit="1" * 40, run_id=run_id)
            assert_refused(
                refused,
                account,
                "Cannot tell whether 1111111111 is newer than 2222222222, which is in preprod of hello",
                "there is no clone in the workspace, and there is no github-token",
                "`fetch-depth: 0`",
                "`contents: read`",
                "`diverged: promote`",
            )
    account.forget()
    planned = runner.run({**inputs, "dry-run": "true"}, commit="1" * 40)
    assert "a run would be refused. Cannot tell" in planned.outputs["summary"]
    assert_refused(runner.run({**inputs, "command": "deploy", "checks": ""}, commit="1" * 40), account, "Cannot tell")
    assert_refused(runner.run(inputs, environ={"GITHUB_SHA": None}), account, "its commit is not known", "`commit`")

    wanted = runner.run({**inputs, "diverged": "promote"}, commit="1" * 40, run_id=10)
    assert (wanted.result, world.alias_version()) == ("promoted", "2"), wanted.log
    assert [annotation.kind for annotation in wanted.annotations] == ["warning"]
    assert "Cannot tell whether 1111111111 is newer" in wanted.annotations[0].message
    assert runner.run(inputs, commit="1" * 40, run_id=11).result == "unchanged"  # the same commit


@pytest.mark.parametrize(
    ("damage", "cause", "hint"),
    [
        ("shallow", "the clone is shallow", "Set `fetch-depth: 0`"),
        ("unreadable", "the clone cannot be read: ", "Check out again"),
        ("forced", "the clone does not have", "Fetch the branch"),
    ],
)
def test_the_true_cause_is_said(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], account: Account, damage: str, cause: str, hint: str
) -> None:
    workspace = runner.workspace
    git(workspace, "init", "--quiet", "--initial-branch=main")
    old, _, new = (change(workspace, text) for text in ("old", "middle", "new"))
    git(workspace, "checkout", "--quiet", old)
    assert runner.run(inputs).result == "promoted"
    git(workspace, "checkout", "--quiet", "main")
    given = dict(inputs)
    if damage == "shallow":
        cloned(workspace, 1)
    elif damage == "unreadable":
        (workspace / ".git" / "HEAD").unlink()
        given["commit"] = new
    else:
        shutil.rmtree(workspace / ".git")
        git(workspace, "init", "--quiet", "--initial-branch=main")
        change(workspace, "made again")
    account.forget()
    refused = runner.run(given, run_id=2000)
    assert_refused(refused, account, cause, hint)
    assert ("shallow" in refused.errors[0].message) == (damage == "shallow")


def test_a_shallow_clone_that_has_both_commits_is_enough(runner: Runner, inputs: dict[str, str], world: World) -> None:
    workspace = runner.workspace
    git(workspace, "init", "--quiet", "--initial-branch=main")
    change(workspace, "first")
    second = change(workspace, "second")
    assert runner.run(inputs).result == "promoted"
    third = change(workspace, "third")
    cloned(workspace, 2)
    assert runner.run(inputs, run_id=2000).result == "promoted"
    git(workspace, "checkout", "--quiet", "--force", second)
    assert runner.run(inputs, run_id=3000).result == "superseded"
    assert world.records("environment")[0]["commit"] == third


def test_an_environment_that_this_action_has_not_promoted_to_is_adopted_with_a_warning(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    assert runner.run(inputs, commit="2" * 40).result == "promoted"
    (runner.workspace / "function" / "commit").write_text("another")
    for name in ("stage", "prod"):
        world.function.create_alias(FunctionName="hello", Name=name, FunctionVersion="1")
    # The ledger has the commit of version 1, which decides.
    refused = runner.run({**inputs, "environment": "stage"}, commit="3" * 40)
    assert (refused.result, world.alias_version("stage")) == ("refused", "1"), refused.log
    assert "2222222222, which is in stage of hello" in refused.errors[0].message
    line(runner.workspace)
    adopted = runner.run({**inputs, "environment": "stage"}, commit="3" * 40)
    assert (adopted.result, adopted.annotations) == ("promoted", ()), adopted.log
    older = runner.run({**inputs, "environment": "prod"}, commit="1" * 40)
    assert (older.result, world.alias_version("prod")) == ("superseded", "1"), older.log

    # The commit of a version from another tool is unknown.
    world.overwrite_latest("def handler(event, context): return {}")
    theirs = world.function.publish_version(FunctionName="hello")["Version"]
    world.function.create_alias(FunctionName="hello", Name="live", FunctionVersion=theirs)
    taken = runner.run({**inputs, "environment": "live"}, commit="4" * 40)
    assert taken.result == "promoted", taken.log
    assert f"live served version {theirs}, which this action did not promote" in taken.annotations[0].message
    assert runner.run({**inputs, "environment": "new"}, commit="4" * 40).annotations == ()


def test_a_version_without_a_known_commit_is_promoted_with_the_input(
    runner: Runner, inputs: dict[str, str], world: World, account: Account
) -> None:
    line(runner.workspace)
    assert runner.run(inputs, commit="2" * 40).result == "promoted"
    shutil.copy(runner.workspace / "function" / "app.py", runner.workspace / "app.py")
    source = (runner.workspace / "app.py").read_text()
    world.overwrite_latest(f"{source}# by hand\n")
    version = world.function.publish_version(FunctionName="hello")["Version"]
    given = {
        **inputs,
        "command": "promote",
        "version": version,
        "artifact": "",
        "runtime": "",
        "handler": "",
        "role": "",
    }
    account.forget()
    refused = runner.run(given, commit="9" * 40)
    assert_refused(refused, account, "Cannot tell whether the version to promote is newer", "the input `commit`")
    assert runner.run({**given, "commit": "3" * 40}, commit="9" * 40).result == "promoted"
    assert {item["version"]: item["commit"] for item in world.records("version")}[version] == "3" * 40
    assert world.records("environment")[0]["commit"] == "3" * 40
    wrong = runner.run({**given, "commit": "4" * 40}, commit="9" * 40)
    assert wrong.result == "failed"
    assert f"commit: it is 4444444444, but version {version} was built from 3333333333" in wrong.errors[0].message


def test_the_order_is_decided_again_at_the_move(runner: Runner, inputs: dict[str, str], world: World) -> None:
    """What was known when the run began is not what the environment has when the alias is moved."""
    line(runner.workspace)
    assert runner.run(inputs, commit="2" * 40).result == "promoted"
    (runner.workspace / "function" / "commit").write_text("another")
    fault = world.hold("hold-before", "execute-api.Invoke")
    started = runner.start(inputs, commit="3" * 40, run_id=2000)
    fault.wait_until_hit()
    alias = world.function.get_alias(FunctionName="hello", Name="preprod")
    text = re.sub(r"commit \w+", f"commit {'a' * 39}b", alias["Description"])
    moved = re.sub(r"promotion \d+", "promotion 0000000009", text)
    world.function.update_alias(FunctionName="hello", Name="preprod", Description=moved)
    fault.release()
    ended = started.wait()
    assert (ended.result, world.alias_version()) == ("refused", "1"), ended.log
    assert "the clone does not have aaaaaaaaaa" in ended.errors[0].message
    assert world.lock_owner() == ""


def test_the_time_to_read_a_clone_grows_no_faster_than_its_history(
    tmp_path: Path, account: Account, inputs: dict[str, str]
) -> None:
    small, large = (cpu_seconds(make_runner(tmp_path / str(count), account), inputs, count) for count in SIZES)
    assert large / small < 2 * SIZES[1] / SIZES[0]


SIZES = (10_000, 100_000)
"""Commits of a clone."""


def cpu_seconds(runner: Runner, inputs: Mapping[str, str], count: int) -> float:
    """Promote the last of ``count`` commits after the first one, and return the CPU time of that run."""
    workspace = runner.workspace
    inputs = {**inputs, "function-name": f"hello-{count}"}
    git(workspace, "init", "--quiet", "--initial-branch=main")
    who = "A <a@example.com> 1700000000 +0000"  # all in one second, so times do not help
    text = f"committer {who}\ndata 4\ntext\n"
    stream = "".join(f"commit refs/heads/main\nmark :{mark}\n{text}" for mark in range(1, count + 1))
    subprocess.run(
        ["git", "fast-import", "--quiet"],  # noqa: S607 - whatever git there is
        cwd=workspace,
        check=True,
        input=stream.encode(),
        env=environment(workspace),
    )
    first = git(workspace, "rev-list", "--max-parents=0", "main")
    git(workspace, "update-ref", "--no-deref", "HEAD", first)
    assert runner.run(inputs).result == "promoted"
    git(workspace, "symbolic-ref", "HEAD", "refs/heads/main")
    (workspace / "function" / "commit").write_text("another")
    began = time.process_time()
    ended = runner.run(inputs, run_id=2000)
    seconds = time.process_time() - began
    assert ended.result == "promoted", ended.log
    return seconds


def test_the_events_of_pull_requests_record_the_commit_of_their_branch(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    workspace = runner.workspace
    git(workspace, "init", "--quiet", "--initial-branch=main")
    base = change(workspace, "base")
    git(workspace, "checkout", "--quiet", "-b", "topic")
    own = change(workspace, "topic")
    git(workspace, "checkout", "--quiet", "--detach", base)
    git(workspace, "merge", "--quiet", "--no-ff", "--message", "merge", own)
    event = workspace.parent / "pull.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": own}}}))
    environ = {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REF": "refs/pull/8/merge",
    }
    given = {**inputs, "allow-pull-requests": "true"}
    ended = runner.run(given, commit=git(workspace, "rev-parse", "HEAD"), environ=environ)
    assert ended.result == "promoted", ended.log
    assert world.records("environment")[0]["commit"] == own
