"""How many calls of AWS a promotion in the steady state makes, and how many of them wait for another."""

from benchmarks.chain import REQUEST, calls_in, longest
from sandbox.client import Account
from tests.runner import Runner
from tests.world import World

CALLS, CHAIN = 13, 10


def test_a_promotion_in_the_steady_state(runner: Runner, inputs: dict[str, str], account: Account) -> None:
    assert runner.run(inputs, commit="1" * 40, run_id=1).result == "promoted"
    (runner.workspace / "function" / "commit").write_text("2")
    account.forget()
    ended = runner.run({**inputs, "diverged": "promote"}, commit="2" * 40, run_id=2)
    assert ended.result == "promoted", ended.log
    names = [call.name for call in account.calls() if call.name != REQUEST]
    # While the new version or $LATEST is not ready yet, it is asked for again.
    polls = max(0, names.count("lambda.GetFunctionConfiguration") - 4)
    assert len(names) - polls <= CALLS, names
    assert not [name for name in names if name.startswith("apigateway")], names
    assert calls_in(longest()) <= CHAIN  # by what each call needs of the others


def test_the_version_and_latest_are_waited_for_side_by_side(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    assert runner.run(inputs, commit="1" * 40, run_id=1).result == "promoted"
    (runner.workspace / "function" / "commit").write_text("2")
    # The first is the read at the beginning: of the next two, neither waits for the other's response.
    first = world.account.inject("hold-before", "lambda.GetFunctionConfiguration", nth=2)
    second = world.account.inject("hold-before", "lambda.GetFunctionConfiguration", nth=3)
    run = runner.start({**inputs, "diverged": "promote"}, commit="2" * 40, run_id=2)
    first.wait_until_hit(60)
    second.wait_until_hit(60)
    first.release()
    second.release()
    ended = run.wait()
    assert ended.result == "promoted", ended.log
