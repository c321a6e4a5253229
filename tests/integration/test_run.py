"""``run`` as a user meets it: the happy paths."""

from sandbox.client import Account
from tests.runner import Runner


def test_first_promotion(runner: Runner, inputs: dict[str, str]) -> None:
    ended = runner.run(inputs)
    assert ended.code == 0, ended.log
    assert ended.result == "promoted"
    assert ended.outputs["version"] == "1"
