"""Old code that answers at $LATEST for a moment after its update neither passes nor fails for the new code."""

from collections.abc import Mapping

import pytest

from sandbox.client import Account
from tests.conftest import counting
from tests.runner import Runner, edit
from tests.world import World, get

LASTS = 0.7
"""Seconds for which old code answers after the update."""
SETTLE_TIME = "1.2"
FIRST, SECOND = "1" * 40, "2" * 40
BROKEN = ('"status": "ok"', '"status": "broken"')


@pytest.fixture
def given(runner: Runner, inputs: Mapping[str, str], account: Account, history: None) -> dict[str, str]:  # noqa: ARG001 - commits
    """Promote a first commit. Then let old code answer for a moment after each update. Return the inputs."""
    assert runner.run(inputs, commit=FIRST, run_id=1).outputs["result"] == "promoted"
    account.inject("old-code-lasts", "lambda.UpdateFunctionCode", times=0, seconds=LASTS)
    return {**inputs, "settle-time": SETTLE_TIME}


def test_old_code_does_not_pass_for_new(runner: Runner, given: dict[str, str], world: World) -> None:
    edit(runner.workspace, *BROKEN)
    assert runner.run(given, commit=SECOND, run_id=2).outputs["result"] == "blocked"
    assert world.alias_version() == "1"


def test_without_the_time_it_does(runner: Runner, given: dict[str, str], world: World) -> None:
    edit(runner.workspace, *BROKEN)
    assert runner.run({**given, "settle-time": "0"}, commit=SECOND, run_id=2).outputs["result"] == "promoted"
    assert world.alias_version() == "2"


def test_old_code_does_not_fail_for_new(runner: Runner, given: dict[str, str]) -> None:
    edit(runner.workspace, "Hello", "Hi")
    checks = "GET /greeting?name=you 200 greeting == 'Hi, you!'"
    assert runner.run({**given, "checks": checks}, commit=SECOND, run_id=2).outputs["result"] == "promoted"


def test_a_version_has_no_old_code(runner: Runner, given: dict[str, str]) -> None:
    edit(runner.workspace, *BROKEN)
    alone = {**given, "isolation": "version", "settle-time": "0"}
    assert runner.run(alone, commit=SECOND, run_id=2).outputs["result"] == "blocked"


def test_the_jobs_own_steps_see_new_code_only(runner: Runner, given: dict[str, str]) -> None:
    edit(runner.workspace, *BROKEN)
    deployed = runner.run(counting({**given, "command": "deploy"}), commit=SECOND, run_id=2)
    assert get(deployed.outputs["latest-url"] + "/health") == (200, {"status": "broken"})
