"""Copies of an account in the sandbox, and tests that begin from a copied past."""

from pathlib import Path

import pytest

from sandbox.client import Account, Sandbox, SandboxError
from tests.conftest import make_inputs, make_runner
from tests.past import Pasts, first_release
from tests.runner import Ended, Runner
from tests.world import World, get

pytestmark = pytest.mark.usefixtures("history")


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], account: Account) -> Ended:
    return first_release(pasts, runner, account, inputs)


def test_a_copy_has_the_resources_under_its_own_names(
    promoted: Ended, account: Account, sandbox: Sandbox, world: World
) -> None:
    other = sandbox.account()
    names = account.copy_to(other)
    copied = World(other)
    assert (copied.alias_version(), copied.versions()) == (promoted.outputs["version"], world.versions())
    assert (copied.code_sha256("1"), copied.history()) == (world.code_sha256("1"), world.history())
    configuration = copied.function.get_function_configuration(FunctionName="hello", Qualifier="1")
    assert configuration["FunctionArn"] == f"arn:aws:lambda:us-east-1:{other.id}:function:hello:1"
    assert sorted(copied.apis()) == sorted(names[api] for api in world.apis()) != sorted(world.apis())
    assert account.id not in str(copied.items())
    url = promoted.outputs["environment-url"]
    for api in world.apis():
        url = url.replace(api, names[api])
    assert get(f"{url}/health") == (200, {"status": "ok"})
    assert [call.name for call in other.calls() if call.service == "execute-api"] == ["execute-api.Invoke"]


def test_a_change_of_one_is_none_of_the_other(
    promoted: Ended, account: Account, sandbox: Sandbox, world: World
) -> None:
    other = sandbox.account()
    account.copy_to(other)
    copied = World(other)
    before = (world.items(), world.apis(), world.code_sha256())
    copied.overwrite_latest("def handler(event, context): return {}")
    copied.table.delete_table(TableName="promote-on-success")
    for api in copied.apis():
        copied.gateway.delete_api(ApiId=api)
    copied.function.delete_function(FunctionName="hello")
    assert (world.items(), world.apis(), world.code_sha256()) == before
    assert get(promoted.outputs["environment-url"] + "/health") == (200, {"status": "ok"})


def test_only_an_empty_account_is_copied_to(promoted: Ended, account: Account, sandbox: Sandbox) -> None:
    assert promoted.result == "promoted"
    other = sandbox.account()
    account.copy_to(other)
    with pytest.raises(SandboxError, match=f"account {other.id} is not empty"):
        account.copy_to(other)


def promoted_once(pasts: Pasts, runner: Runner, account: Account) -> Ended:
    """Promote in an account, or copy what this did in another one."""
    inputs = make_inputs(account)
    return pasts.of("made here", runner, account, inputs, lambda: runner.run(inputs, commit="1" * 40, run_id=1))


def test_a_copied_past_is_the_same_as_one_that_was_made(pasts: Pasts, sandbox: Sandbox, tmp_path: Path) -> None:
    accounts = [sandbox.account(), sandbox.account()]
    runners = [make_runner(tmp_path / account.id, account) for account in accounts]
    made, copied = (promoted_once(pasts, *each) for each in zip(runners, accounts, strict=True))
    assert (made.result, copied.result, copied.outputs["version"]) == ("promoted", "promoted", "1"), made.log
    assert copied.outputs["environment-url"] != made.outputs["environment-url"]
    assert get(copied.outputs["environment-url"] + "/health") == (200, {"status": "ok"})
    for ours in (accounts[0].id, str(runners[0].folder)):
        assert ours not in copied.log + str(copied.outputs) + str(copied.state)
    # The job's post step and the next run find the same.
    assert [[step.code for step in each.finish()] for each in runners] == [[0], [0]]
    again = [
        each.run(make_inputs(account), commit="1" * 40, run_id=2)
        for each, account in zip(runners, accounts, strict=True)
    ]
    assert again[0].result == again[1].result == "unchanged", again[0].log
    assert [World(account).history() for account in accounts] == [[("", "1")]] * 2
