"""The locks of several functions are acquired in one transaction. However the run ends, none of them is left."""

import signal
import time
from collections.abc import Mapping
from pathlib import Path
from signal import Signals

import pytest
from boto3.dynamodb.types import TypeSerializer

from promote.aws.dynamodb import Table
from sandbox.client import Account, Call
from tests.clock import Time
from tests.conftest import make_runner, make_several
from tests.repository import line
from tests.runner import Ended
from tests.world import TABLE, World

NAMES = ("api", "mail", "worker")
ACQUISITION = "dynamodb.TransactWriteItems"
LASTS = 7.0
"""Seconds that a cancelled run may take. The runner sends SIGTERM after 7.5 and kills after 10."""


class Functions:
    """Three functions that do not exist yet, and a table that does."""

    def __init__(self, folder: Path, account: Account) -> None:
        self.runner, self.world, self.account = make_runner(folder, account), World(account), account
        line(self.runner.workspace)
        self.inputs = {
            **make_several(self.runner, account, NAMES),
            "endpoints": "none",
            "checks": "",
            "invoke": "".join(f"{name}: event.json\n" for name in NAMES),
        }
        (self.runner.workspace / "event.json").write_text("{}")
        Table(lambda: self.world.table, TABLE, Time()).ensure()
        account.forget()

    def arn(self, name: str) -> str:
        return f"arn:aws:lambda:us-east-1:{self.account.id}:function:{name}"

    def put(self, item: Mapping[str, object]) -> None:
        """Write an item as another program."""
        encode = TypeSerializer().serialize
        self.world.table.put_item(TableName=TABLE, Item={name: encode(value) for name, value in item.items()})

    def run(self, **inputs: str) -> Ended:
        given = {**self.inputs, **{name.replace("_", "-"): value for name, value in inputs.items()}}
        return self.runner.run(given, commit="1" * 40, run_id=1)

    @property
    def held(self) -> dict[str, str]:
        """The owners of the locks, and of tickets, by function."""
        owners = {}
        for item in self.world.records("lock"):
            tickets = [ticket["owner"] for ticket in item.get("tickets", [])]
            if found := [*([item["owner"]] if "owner" in item else []), *tickets]:
                owners[item["pk"].rpartition(":")[2]] = " ".join(found)
        return owners

    @property
    def acquisitions(self) -> list[Call]:
        return [call for call in self.account.calls() if call.name == ACQUISITION]


@pytest.fixture
def functions(tmp_path: Path, account: Account) -> Functions:
    return Functions(tmp_path / "runner", account)


MOMENTS = {
    "before they are held": ("hold-before", ACQUISITION),
    "before the run knows that they are held": ("hold-after", ACQUISITION),
    "before the first change": ("hold-before", "lambda.CreateFunction"),
    "during the verification": ("hold-before", "lambda.Invoke"),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: str(number.name))
@pytest.mark.parametrize(("kind", "operation"), MOMENTS.values(), ids=MOMENTS)
def test_a_cancelled_run_leaves_no_lock(functions: Functions, kind: str, operation: str, number: Signals) -> None:
    held = functions.account.inject(kind, operation)
    run = functions.runner.start(functions.inputs, commit="1" * 40, run_id=1)
    held.wait_until_hit(30)
    assert len(functions.held) == (0 if (kind, operation) == ("hold-before", ACQUISITION) else 3)
    run.process.send_signal(number)
    ended = run.wait(LASTS)
    assert (ended.code, [error.title for error in ended.errors]) == (1, ["Cancelled"]), ended.log
    assert functions.held == {}, ended.log


@pytest.mark.parametrize(("kind", "operation"), MOMENTS.values(), ids=MOMENTS)
def test_the_post_step_of_a_killed_run_leaves_no_lock(functions: Functions, kind: str, operation: str) -> None:
    held = functions.account.inject(kind, operation)
    run = functions.runner.start(functions.inputs, commit="1" * 40, run_id=1)
    held.wait_until_hit(30)
    run.kill()
    assert len(functions.held) == (0 if (kind, operation) == ("hold-before", ACQUISITION) else 3)
    functions.account.clear_faults()
    [post] = functions.runner.finish()
    assert (post.code, post.annotations) == (0, ()), post.log
    assert functions.held == {}, post.log


def test_the_post_step_releases_locks_that_are_acquired_only_after_the_run_has_gone(functions: Functions) -> None:
    late = functions.account.inject("latency", ACQUISITION, seconds=1)
    run = functions.runner.start(functions.inputs, commit="1" * 40, run_id=1)
    late.wait_until_hit(30)
    run.kill()
    assert functions.held == {}
    while not functions.acquisitions:
        time.sleep(0.02)
    assert len(functions.held) == 3
    [post] = functions.runner.finish()
    assert (post.code, functions.held) == (0, {}), post.log


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_run_that_fails_for_one_function_leaves_no_lock(functions: Functions, nth: int) -> None:
    refused = functions.account.inject(
        "error-before",
        "lambda.CreateFunction",
        nth=nth,
        status=400,
        code="InvalidParameterValueException",
        message="The role cannot be used.",
    )
    ended = functions.run()
    assert (ended.code, ended.result, refused.hit) == (1, "failed", True), ended.log
    assert [call.status for call in functions.acquisitions] == [200]
    assert functions.held == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_cannot_begin_for_one_function_leaves_no_lock(functions: Functions, name: str) -> None:
    """All locks are held at once. One of the functions is part of a release whose record is gone."""
    pending = {"pk": functions.arn("api"), "sk": "release#preprod#0000000001-0123456789ab"}
    functions.put({"pk": functions.arn(name), "sk": "environment#preprod", "pending": pending})
    ended = functions.run()
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert "was deleted from the table" in ended.errors[0].message
    assert [call.status for call in functions.acquisitions] == [200]
    assert functions.held == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_finds_one_lock_held_leaves_none_of_the_others(functions: Functions, name: str) -> None:
    """It waits for them one by one then, and gives up."""
    lock = {"format": 1, "token": 4, "owner": "9/1/x", "lease": 600, "beat": 0, "run_id": 9, "tickets": []}
    functions.put({"pk": functions.arn(name), "sk": "lock", **lock})
    ended = functions.run(lock_timeout="0")
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert "The lock was not free" in ended.errors[0].message
    assert functions.held == {name: "9/1/x"}


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_that_is_taken_since_it_was_read_leaves_none_of_the_others(functions: Functions, name: str) -> None:
    held = functions.account.inject("hold-before", ACQUISITION)
    run = functions.runner.start({**functions.inputs, "lock-timeout": "0"}, commit="1" * 40, run_id=1)
    held.wait_until_hit(30)
    lock = {"format": 1, "token": 1, "owner": "9/1/x", "lease": 600, "beat": 0, "run_id": 9, "tickets": []}
    functions.put({"pk": functions.arn(name), "sk": "lock", **lock})
    held.release()
    ended = run.wait()
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert "The lock was not free" in ended.errors[0].message
    assert functions.held == {name: "9/1/x"}
    functions.account.clear_faults()
    [post] = functions.runner.finish()
    assert (post.code, post.annotations, functions.held) == (0, (), {name: "9/1/x"}), post.log
