"""The first release to an environment is rolled back. Its alias remains, and the environment serves nothing."""

import pytest

from promote.core.promotion import placeholder
from tests.conftest import hurried
from tests.runner import Ended, Runner
from tests.world import FUNCTION, World

pytestmark = pytest.mark.usefixtures("history")

PROMOTE = {"command": "promote", "function-name": "hello", "from": "preprod", "environment": "prod"}
ROLLBACK = {"command": "rollback", "function-name": "hello", "environment": "preprod", "reason": "it hangs"}


@pytest.fixture
def failed(runner: Runner, inputs: dict[str, str], world: World) -> Ended:
    """The first release, of commit 2, whose alias could not be created."""
    (runner.workspace / "function" / "commit").write_text("2")
    world.account.inject("error-before", "lambda.CreateAlias", times=5)
    ended = hurried(runner).run(inputs, commit="2" * 40, run_id=2)
    world.account.clear_faults()
    alias = world.function.get_alias(FunctionName=FUNCTION, Name="preprod")
    identity = world.records("environment")[0]["undone_release"]
    assert (alias["FunctionVersion"], alias["Description"]) == ("1", placeholder("1", identity))
    return ended


def test_the_run_says_that_nothing_is_served_and_that_nothing_can_move_any_more(failed: Ended) -> None:
    assert (failed.code, failed.result, failed.outputs["promoted"]) == (1, "failed", "false"), failed.log
    what, _, hint = failed.errors[0].message.partition("\n")
    assert what.endswith("preprod serves nothing, as before.")
    assert hint == "Nothing was promoted. Correct the cause, and run the job again."


def test_status_shows_that_nothing_is_served(runner: Runner, failed: Ended) -> None:
    status = runner.run({"command": "status", "function-name": "hello"})
    assert "preprod serves version" not in status.log
    assert "| preprod | none |" in status.summary.replace("[preprod](", "preprod (").replace("  ", " "), status.summary
    assert failed.result == "failed"


def test_an_older_commit_is_the_first_promotion(
    runner: Runner, inputs: dict[str, str], world: World, failed: Ended
) -> None:
    (runner.workspace / "function" / "commit").write_text("1")
    ended = runner.run(inputs, commit="1" * 40, run_id=3)
    assert (ended.code, ended.result, ended.outputs["previous-version"]) == (0, "promoted", ""), ended.log
    assert not ended.annotations
    assert world.history() == [("", "2")]
    assert failed.result == "failed"


def test_nothing_is_promoted_from_it(runner: Runner, world: World, failed: Ended) -> None:
    ended = runner.run(PROMOTE, commit="2" * 40, run_id=3)
    assert (ended.code, ended.result, len(ended.errors)) == (1, "refused", 1), ended.log
    assert "the environment preprod of hello serves nothing to promote" in ended.errors[0].message.lower()
    assert world.history() == []
    assert failed.result == "failed"


def test_a_rollback_finds_nothing_to_leave(runner: Runner, failed: Ended) -> None:
    ended = runner.run(ROLLBACK, run_id=3)
    assert (ended.code, ended.result, len(ended.errors)) == (1, "refused", 1), ended.log
    assert "preprod of hello serves nothing yet" in ended.errors[0].message
    assert failed.result == "failed"


def test_a_rollback_that_rolls_back_the_first_release_says_that_nothing_is_served(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    held = world.account.inject("hold-before", "lambda.CreateAlias")
    killed = runner.start(inputs, commit="1" * 40, run_id=1)
    held.wait_until_hit(60)
    killed.kill()
    world.account.clear_faults()
    ended = runner.run(ROLLBACK, run_id=3)
    assert (ended.code, ended.result) == (0, "rolled-back"), ended.log
    assert ended.outputs["summary"] == (
        "preprod of hello serves nothing: the unfinished release of run 1 was rolled back."
    )
    assert (ended.outputs["version"], ended.outputs["previous-version"]) == ("", "")
