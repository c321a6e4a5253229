"""Several runs at once on one function, each a process with a commit of its own; with the lock and without it."""

import random
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.client import Account
from tests.conftest import make_inputs
from tests.repository import commit, git
from tests.runner import REPOSITORY, Ended, Runner
from tests.world import FUNCTION, World

COMMITS = 6
BROKEN = (2, 4)
"""The commits by number from 0; the last one is good."""


@contextmanager
def no_lock(world: World) -> Iterator[None]:
    """Take the lock away from whoever holds it, over and over."""
    ended = threading.Event()

    def take_away() -> None:
        while not ended.wait(0.05):
            held = [item for item in world.records("lock") if item.get("owner")]
            for item in held:
                world.table.update_item(
                    TableName="promote-on-success",
                    Key={"pk": {"S": item["pk"]}, "sk": {"S": "lock"}},
                    UpdateExpression="REMOVE #owner",
                    ExpressionAttributeNames={"#owner": "owner"},
                )

    thread = threading.Thread(target=take_away)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def prepare(folder: Path, account: Account) -> tuple[list[str], list[Runner]]:
    """Make a history, and for each of its commits a runner that has it checked out with all that came before."""
    origin = folder / "origin"
    origin.mkdir()
    shutil.copytree(REPOSITORY / "tests" / "function", origin / "function")
    git(origin, "init", "--quiet", "--initial-branch=main")
    commits, runners = [], []
    for number in range(COMMITS):
        source = (REPOSITORY / "tests" / "function" / "app.py").read_text()
        status = "broken" if number in BROKEN else "ok"
        (origin / "function" / "app.py").write_text(source.replace('"status": "ok"', f'"status": "{status}"'))
        (origin / "function" / "commit").write_text(str(number))
        commits.append(commit(origin, str(number)))
        place = folder / str(number)
        place.mkdir()
        runner = Runner(place, account.environ)
        git(folder, "clone", "--quiet", str(origin), str(runner.workspace))
        runners.append(runner)
    return commits, runners


def assert_nothing_unproven_was_served(world: World) -> None:
    """Guarantee 1, of every move of the alias that the sandbox has let through."""
    records: Mapping[str, Mapping[str, str]] = {
        item["version"]: item["proof"] for item in world.records("version") if "proof" in item
    }
    for _, version in world.history():
        assert records[version]["outcome"] == "passed"
        assert world.code_sha256(version) == next(
            item["code_sha256"] for item in world.records("version") if item["version"] == version
        )
    assert world.alias_version() == world.history()[-1][1]


@pytest.mark.parametrize("seed", [1, 2])
def test_runs_take_turns_and_the_newest_good_commit_is_served(tmp_path: Path, account: Account, seed: int) -> None:
    commits, runners = prepare(tmp_path, account)
    inputs, world = {**make_inputs(account), "queue": "fifo"}, World(account)
    order = list(range(COMMITS))
    random.Random(seed).shuffle(order)  # noqa: S311 - a schedule, not a secret
    started = {number: runners[number].start(inputs, commit=commits[number], run_id=100 + number) for number in order}
    ended: dict[int, Ended] = {number: run.wait(90) for number, run in started.items()}
    logs = "\n".join(f"{number}:\n{run.log}" for number, run in ended.items())
    for number, run in ended.items():
        expected = ("blocked", "superseded") if number in BROKEN else ("promoted", "superseded")
        assert run.result in expected, logs
    assert ended[COMMITS - 1].result == "promoted", logs
    assert world.code_sha256(world.alias_version()) == ended[COMMITS - 1].outputs["code-sha256"]
    assert world.records("lock")[0]["token"] == COMMITS
    assert world.lock_owner() == ""
    assert len(world.history()) == [run.result for run in ended.values()].count("promoted")
    assert_nothing_unproven_was_served(world)


def test_without_the_lock_runs_may_fail_and_nothing_unproven_is_served(tmp_path: Path, account: Account) -> None:
    commits, runners = prepare(tmp_path, account)
    inputs, world = make_inputs(account), World(account)
    assert runners[0].run(inputs, commit=commits[0], run_id=100).result == "promoted"
    with no_lock(world):
        started = [
            runners[number].start(inputs, commit=commits[number], run_id=100 + number) for number in range(1, COMMITS)
        ]
        ended = [run.wait(90) for run in started]
    logs = "\n".join(run.log for run in ended)
    assert_nothing_unproven_was_served(world)
    served = [commits.index(item["commit"]) for item in world.records("promotion")]
    assert served == sorted(served), f"an older commit replaced a newer one\n{logs}"
    assert not set(served) & set(BROKEN)
    for run in ended:
        assert run.result in ("promoted", "superseded", "blocked", "failed"), run.log
        assert "unexpected" not in run.log
    alias = world.function.get_alias(FunctionName=FUNCTION, Name="preprod")
    assert alias["FunctionVersion"] == world.history()[-1][1]
