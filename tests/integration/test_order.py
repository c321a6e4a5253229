"""Guarantee 2: an older commit never replaces a newer one, as a real repository tells."""

from pathlib import Path

from tests.repository import commit, git
from tests.runner import Runner
from tests.world import World


def change(workspace: Path, text: str) -> str:
    """Commit ``text`` as a file of the function; give the commit."""
    (workspace / "function" / "commit").write_text(text)
    return commit(workspace, text)


def test_the_order_of_commits_decides_and_not_that_of_runs(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    workspace = runner.workspace
    git(workspace, "init", "--quiet", "--initial-branch=main")
    first = change(workspace, "first")
    second = change(workspace, "second")
    third = change(workspace, "third")
    # The run numbers tell the contrary of the history, which is the authority.
    assert runner.run(inputs, commit=third, run_id=1).result == "promoted"
    served = world.alias_version()
    git(workspace, "checkout", "--quiet", second)
    late = runner.run(inputs, commit=second, run_id=9)
    assert (late.code, late.result, world.alias_version()) == (0, "superseded", served), late.log
    assert third[:10] in late.outputs["summary"]
    assert world.lock_owner() == ""

    # A branch that has parted is promoted, with a warning.
    git(workspace, "checkout", "--quiet", "-b", "hotfix", first)
    hotfix = change(workspace, "hotfix")
    parted = runner.run(inputs, commit=hotfix, run_id=10)
    assert (parted.code, parted.result) == (0, "promoted"), parted.log
    assert [annotation.kind for annotation in parted.annotations] == ["warning"]
    assert "history has parted" in parted.annotations[0].message
    assert world.history()[-1] == (served, world.alias_version())


def test_without_history_the_numbers_of_the_runs_decide(runner: Runner, inputs: dict[str, str], world: World) -> None:
    assert runner.run(inputs, commit="2" * 40, run_id=20).result == "promoted"
    (runner.workspace / "function" / "commit").write_text("1")
    late = runner.run(inputs, commit="1" * 40, run_id=10)
    assert (late.code, late.result, world.alias_version()) == (0, "superseded", "1"), late.log
    later = runner.run(inputs, commit="3" * 40, run_id=30)
    assert (later.result, world.alias_version()) == ("promoted", "2"), later.log
    assert "is not known, so the order of the runs decided" in later.log


def test_outside_github_the_numbers_decide_nothing(runner: Runner, inputs: dict[str, str], world: World) -> None:
    assert runner.run(inputs, commit="2" * 40, run_id=20).result == "promoted"
    (runner.workspace / "function" / "commit").write_text("by hand")
    nothing = {"GITHUB_SHA": None, "GITHUB_RUN_ID": None, "GITHUB_REPOSITORY": None}
    by_hand = runner.run(inputs, environ=nothing)
    assert (by_hand.result, world.alias_version()) == ("promoted", "2"), by_hand.log
