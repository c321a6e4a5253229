"""A run is killed after one of its AWS calls. The next run must succeed.

The sandbox applies the call and withholds its response. Then the process is killed, so that it cannot clean up. Here,
real processes are killed after one call of each kind of write. tests/simulation (docs/proof.md) shows that a run may
die before, in and after each of its calls, alone and with other runs.
"""

from pathlib import Path

import pytest

from sandbox.client import Sandbox
from tests.conftest import make_inputs, make_runner
from tests.runner import Runner
from tests.world import World, get

FIRST_RUN = {
    "table": ("dynamodb.CreateTable", 1),
    "function": ("lambda.CreateFunction", 1),
    "gateway-of-latest": ("apigatewayv2.CreateApi", 1),
    "version": ("lambda.PublishVersion", 1),
    "alias": ("lambda.CreateAlias", 1),
    "gateway-of-environment": ("apigatewayv2.CreateApi", 2),
}
"""Calls of a function's first run, with what each creates."""

MOVED = {"alias", "gateway-of-environment"}
"""The calls after which the alias has its version, so the next run has nothing to promote."""

FURTHER_RUN = {
    "lock": ("dynamodb.UpdateItem", 1),
    "update": ("lambda.UpdateFunctionCode", 1),
    "verdict": ("dynamodb.TransactWriteItems", 1),
    "move": ("lambda.UpdateAlias", 1),
    "record": ("dynamodb.TransactWriteItems", 2),
}
"""Calls of each later run."""


def kill_after_call(call: tuple[str, int], runner: Runner, inputs: dict[str, str], world: World, commit: str) -> None:
    """Kill a run after that call, which it must make."""
    operation, number = call
    held = world.account.inject("hold-after", operation, nth=number)
    started = runner.start({**inputs, "lease": "2"}, commit=commit)
    while not held.is_hit_within(0.1):
        assert started.process.poll() is None, f"it has ended without {call}:\n{started.wait().log}"
    started.kill()
    world.account.clear_faults()


def assert_whole(world: World, url: str) -> None:
    """Assert that nothing is unfinished, and that what is served has a passed verdict."""
    version = world.alias_version()
    record = next(item for item in world.records("version") if item["version"] == version)
    environment = world.records("environment")[0]
    assert record["verdict"]["outcome"] == "passed"
    assert record["code_sha256"] == world.code_sha256(version) == environment["code_sha256"]
    assert environment["version"] == version
    assert "pending" not in environment
    assert world.lock_owner() == ""
    assert len(world.apis()) == 2
    assert get(url + "/health") == (200, {"status": "ok"})


@pytest.mark.parametrize("made", FIRST_RUN)
def test_first_run(sandbox: Sandbox, tmp_path: Path, made: str) -> None:
    account = sandbox.account()
    runner = make_runner(tmp_path, account)
    inputs, world = make_inputs(account), World(account)
    kill_after_call(FIRST_RUN[made], runner, inputs, world, "1" * 40)
    ended = runner.run({**inputs, "lease": "30"}, commit="1" * 40, attempt=2)
    assert ended.code == 0, ended.log
    assert ended.result == ("unchanged" if made in MOVED else "promoted"), ended.log
    assert world.history() == [("", "1")], ended.log
    assert world.versions() == ["1"]
    assert_whole(world, ended.outputs["environment-url"])


@pytest.mark.usefixtures("history")
def test_further_runs(runner: Runner, inputs: dict[str, str], world: World) -> None:
    first = runner.run(inputs, commit="0" * 40)
    url, history, token = first.outputs["environment-url"], [("", "1")], 1
    for number, (made, call) in enumerate(FURTHER_RUN.items(), 1):
        commit = f"{number:040x}"
        (runner.workspace / "function" / "commit").write_text(commit)
        kill_after_call(call, runner, inputs, world, commit)
        assert get(url + "/health") == (200, {"status": "ok"})
        ended = runner.run({**inputs, "lease": "30"}, commit=commit, attempt=2)
        assert ended.code == 0, f"killed after the {made}:\n{ended.log}"
        history.append((str(number), str(number + 1)))
        assert world.history() == history, f"killed after the {made}:\n{ended.log}"
        assert world.versions() == [str(version) for version in range(1, number + 2)]
        assert world.records("lock")[0]["token"] > token
        token = world.records("lock")[0]["token"]
        assert_whole(world, url)
