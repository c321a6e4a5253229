"""A tool that deploys and also moves the environment's alias itself, as a stack with an alias that is not pinned does.

Stacks with SAM's ``AutoPublishAlias``, CDK's ``currentVersion`` or an alias on Terraform's ``.version`` do so.
"""

import pytest

from tests.runner import REPOSITORY, Runner
from tests.world import FUNCTION, World

pytestmark = pytest.mark.usefixtures("history")


def of_stack(world: World, code: str) -> str:
    """Deploy ``code`` as such a stack does, and return its version."""
    world.overwrite_latest(code)
    version: str = world.function.publish_version(FunctionName=FUNCTION)["Version"]
    world.settle()
    world.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion=version)
    return version


BROKEN = "def handler(event, context): return {'statusCode': 500, 'body': 'broken'}"


@pytest.fixture
def adopting(runner: Runner, inputs: dict[str, str]) -> dict[str, str]:
    """Version 1 is promoted. From now on, a stack deploys."""
    ended = runner.run(inputs, commit="1" * 40, run_id=1)
    assert ended.result == "promoted", ended.log
    return {**inputs, "artifact": "", "runtime": "", "handler": "", "role": ""}


def test_blocked_code_that_is_served_is_named_and_rolled_back(
    runner: Runner, adopting: dict[str, str], world: World
) -> None:
    assert of_stack(world, BROKEN) == "2"
    blocked = runner.run(adopting, commit="2" * 40, run_id=2)
    [error] = blocked.errors
    assert (blocked.result, blocked.outputs["promoted"]) == ("blocked", "false")
    assert "Version 2 failed verification, and preprod of hello serves it already: 2 of 2 checks" in error.message
    assert "Another tool moved the alias preprod before the verification." in error.message
    assert "Users get it now. Return to what was served before with command: rollback" in error.message
    assert "is not needed" not in blocked.log + blocked.summary
    assert "keeps serving" not in blocked.log + blocked.summary
    rollback = {name: adopting[name] for name in ("function-name", "environment", "github-deployments")}
    back = runner.run({**rollback, "command": "rollback"}, commit="2" * 40, run_id=3)
    assert (back.result, world.alias_version()) == ("rolled-back", "1"), back.log


def test_good_code_that_is_served_already_is_promoted_with_a_warning(
    runner: Runner, adopting: dict[str, str], world: World
) -> None:
    assert of_stack(world, (REPOSITORY / "tests/function/app.py").read_text() + "\n# newer\n") == "2"
    ended = runner.run(adopting, commit="2" * 40, run_id=2)
    assert (ended.result, world.alias_version()) == ("promoted", "2"), ended.log
    [warning] = [note.message for note in ended.annotations if note.kind == "warning"]
    assert "preprod was changed externally since its last promotion: it was moved to version 2, before that" in warning


def test_a_promoted_version_that_fails_new_checks_is_said_to_be_served(
    runner: Runner, adopting: dict[str, str], world: World
) -> None:
    blocked = runner.run({**adopting, "checks": "GET /new 200"}, commit="1" * 40, run_id=2)
    [error] = blocked.errors
    assert "Version 1 failed verification, and preprod of hello serves it already" in error.message
    assert "Another tool" not in error.message
    assert world.alias_version() == "1"
