"""A run is killed after each of its AWS calls, one call after the other; the next run must end well.

The sandbox lets the call take effect and withholds its answer; then the process is killed, so that it cannot clean up.
"""

from itertools import count
from pathlib import Path

import pytest

from sandbox.client import Sandbox
from tests.conftest import make_inputs, make_runner
from tests.runner import Runner
from tests.world import World, get

SHARES = 6
"""Tests among which the calls of a first run are divided, so that they run at the same time."""


def kill_after_call(number: int, runner: Runner, inputs: dict[str, str], world: World, commit: str) -> bool:
    """Kill a run after its call ``number``; False: it has ended before that."""
    held = world.account.inject("hold-after", nth=number)
    started = runner.start({**inputs, "lease": "2"}, commit=commit)
    while not held.hit:
        if started.process.poll() is not None:
            world.account.clear_faults()
            assert started.wait().code == 0
            return False
    started.kill()
    world.account.clear_faults()
    return True


def assert_whole(world: World, url: str) -> None:
    """Assert that nothing is left half done, and that what is served was proven."""
    version = world.alias_version()
    record = next(item for item in world.records("version") if item["version"] == version)
    environment = world.records("environment")[0]
    assert record["verdict"]["outcome"] == "passed"
    assert record["code_sha256"] == world.code_sha256(version) == environment["code_sha256"]
    assert environment["version"] == version
    assert "intent" not in environment
    assert world.lock_owner() == ""
    assert len(world.apis()) == 2
    assert get(url + "/health") == (200, {"status": "ok"})


@pytest.mark.parametrize("share", range(SHARES))
def test_first_run(sandbox: Sandbox, tmp_path: Path, share: int) -> None:
    for number in count(share + 1, SHARES):
        account = sandbox.account()
        runner = make_runner(tmp_path / str(number), account)
        inputs, world = make_inputs(account), World(account)
        is_killed = kill_after_call(number, runner, inputs, world, "1" * 40)
        ended = runner.run({**inputs, "lease": "2"}, commit="1" * 40, attempt=2)
        assert ended.code == 0, f"killed after call {number}:\n{ended.log}"
        assert ended.result in ("promoted", "unchanged")
        assert world.history() == [("", "1")], f"killed after call {number}:\n{ended.log}"
        assert world.versions() == ["1"]
        assert_whole(world, ended.outputs["environment-url"])
        if not is_killed:
            return


def test_every_further_run(runner: Runner, inputs: dict[str, str], world: World) -> None:
    first = runner.run(inputs, commit="0" * 40)
    url, history, token = first.outputs["environment-url"], [("", "1")], 1
    for number in count(1):
        commit = f"{number:040x}"
        (runner.workspace / "function" / "commit").write_text(commit)
        is_killed = kill_after_call(number, runner, inputs, world, commit)
        assert get(url + "/health") == (200, {"status": "ok"})
        ended = runner.run({**inputs, "lease": "2"}, commit=commit, attempt=2)
        assert ended.code == 0, f"killed after call {number}:\n{ended.log}"
        history.append((str(number), str(number + 1)))
        assert world.history() == history, f"killed after call {number}:\n{ended.log}"
        assert world.versions() == [str(version) for version in range(1, number + 2)]
        assert world.records("lock")[0]["token"] > token
        token = world.records("lock")[0]["token"]
        assert_whole(world, url)
        if not is_killed:
            return
