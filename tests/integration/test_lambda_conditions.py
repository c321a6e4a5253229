"""A write to a function needs the state that was read, and a lock that is still held. Otherwise it changes nothing."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from promote.aws.artifact import Archive
from promote.aws.contents import Contents
from promote.aws.lambda_function import Function
from promote.core.clock import SystemClock
from promote.core.errors import ConflictError, LockError
from promote.core.promotion import Alias
from promote.core.version import Snapshot
from sandbox.client import Account
from tests.conftest import make_runner
from tests.repository import line
from tests.world import FUNCTION, TABLE, World, archive

Act = Callable[[Function, Snapshot], object]

STALE = "00000000-0000-0000-0000-000000000000"
ALIAS = Alias("preprod", "1", "", "", {})


class Code(Archive):
    """An archive in memory, because the client of these tests sends no files."""

    @contextmanager
    def arguments(self) -> Iterator[dict[str, Any]]:
        yield {"ZipFile": archive({"app.py": "2"})}


CODE = Code(Path(), "", 0, Contents({"app.py": None}, {}))


@pytest.fixture
def function(world: World) -> Function:
    """A function with version 1, to which the alias points, and with a later configuration in $LATEST."""
    made = world.create("1", publishes=True)
    world.settle()
    world.function.create_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion="1")
    world.function.update_function_configuration(FunctionName=FUNCTION, Timeout=7)
    world.settle()
    return Function(lambda: world.function, FUNCTION, made["FunctionArn"].removesuffix(":1"), SystemClock())


def seen(world: World) -> Mapping[str, Any]:
    """Return everything that the writes can change."""
    latest = world.function.get_function_configuration(FunctionName=FUNCTION)
    alias = world.function.get_alias(FunctionName=FUNCTION, Name="preprod")
    return {
        "latest": latest["RevisionId"],  # each change of code or configuration changes it, and so does a publication
        "alias": (alias["RevisionId"], alias["FunctionVersion"]),
        "versions": world.versions(),
    }


WRITES: Mapping[str, Act] = {
    "configure": lambda function, latest: function.configure(latest, {"Timeout": 9}),
    "upload": lambda function, latest: function.upload(latest, CODE),
    "publish": lambda function, latest: function.publish(latest),
}


@pytest.mark.parametrize("act", WRITES.values(), ids=WRITES)
def test_a_write_to_latest_takes_effect_on_what_was_read(world: World, function: Function, act: Act) -> None:
    before = seen(world)
    act(function, function.read())
    assert seen(world) != before


@pytest.mark.parametrize(
    ("act", "changes"),
    [
        *(pytest.param(act, {"revision_id": STALE}, id=f"{name}: RevisionId") for name, act in WRITES.items()),
        pytest.param(WRITES["publish"], {"code_sha256": "b3RoZXI="}, id="publish: CodeSha256"),
    ],
)
def test_a_write_to_latest_has_no_effect_on_anything_else(
    world: World, function: Function, act: Act, changes: Mapping[str, Any]
) -> None:
    before = seen(world)
    with pytest.raises(ConflictError, match="was changed externally"):
        act(function, replace(function.read(), **changes))
    assert seen(world) == before


GUARDED: Mapping[str, Act] = {
    **WRITES,
    "create": lambda function, _: function.create(CODE, {"Runtime": "python3.13", "Handler": "app.handler"}),
    "delete a version": lambda function, _: function.delete_version(1),
    "restore an alias": lambda function, _: function.restore_alias(function.alias("preprod"), ALIAS),
    "restore a missing alias": lambda function, _: function.restore_alias(None, replace(ALIAS, name="prod")),
}


@pytest.mark.parametrize("act", GUARDED.values(), ids=GUARDED)
def test_without_the_lock_nothing_is_sent(world: World, account: Account, function: Function, act: Act) -> None:
    def refuse() -> None:
        raise LockError("the lock was lost", hint="")

    latest = function.read()
    account.forget()
    with pytest.raises(LockError):
        act(function.guarded(refuse), latest)
    assert {call.operation[:3] for call in account.calls()} <= {"Get"}
    assert seen(world)["versions"] == ["1"]


# A run that has lost the lock notices it before the next change, whichever it is.


class Suspended(SystemClock):
    """A clock that was suspended for some time."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped


def replace_code(world: World) -> None:
    """Let $LATEST have code that no version has."""
    world.overwrite_latest("def handler(event, context):\n    return {}\n")


def follow_latest(world: World) -> None:
    """Let the alias follow $LATEST, whose code no version has."""
    replace_code(world)
    world.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion="$LATEST")


@dataclass(frozen=True)
class Moment:
    """When a run loses its lock."""

    last: str
    """The call after whose effect it is lost."""
    change: str
    """The change that would be next."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[World], object] = lambda _: None
    nth: int = 1
    """The first calls of the same name are others."""


ACQUIRED = "dynamodb.UpdateItem"
MEMORY = {"memory-size": "512"}

MOMENTS: Mapping[str, Moment] = {
    # The first attempt finds no table.
    "create": Moment(ACQUIRED, "lambda.CreateFunction", nth=2),
    "configure": Moment(ACQUIRED, "lambda.UpdateFunctionConfiguration", MEMORY),
    "upload": Moment(ACQUIRED, "lambda.UpdateFunctionCode"),
    "upload after the configuration": Moment("lambda.UpdateFunctionConfiguration", "lambda.UpdateFunctionCode", MEMORY),
    "publish": Moment(ACQUIRED, "lambda.PublishVersion", {"artifact": ""}, replace_code),
    "publish what the alias follows": Moment(ACQUIRED, "lambda.PublishVersion", prepare=follow_latest),
    "pin the alias that follows $LATEST": Moment("lambda.PublishVersion", "lambda.UpdateAlias", prepare=follow_latest),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_run_that_has_lost_the_lock_stops_before_the_next_change(
    tmp_path: Path,
    account: Account,
    world: World,
    inputs: dict[str, str],
    moment: Moment,
) -> None:
    clock = Suspended()
    runner = make_runner(tmp_path, account, clock)
    line(runner.workspace)
    if moment.change != "lambda.CreateFunction":
        assert runner.run(inputs, commit="1" * 40, run_id=1).result == "promoted"
        (runner.workspace / "function" / "commit").write_text("2")
        moment.prepare(world)
    account.forget()
    held = account.inject("hold-after", moment.last, nth=moment.nth)

    def lose() -> None:
        held.wait_until_hit(30)
        world.table.update_item(
            TableName=TABLE,
            Key={"pk": {"S": world.records("lock")[0]["pk"]}, "sk": {"S": "lock"}},
            UpdateExpression="SET #owner = :other, #token = #token + :one",
            ExpressionAttributeNames={"#owner": "owner", "#token": "token"},
            ExpressionAttributeValues={":other": {"S": "9/1/x"}, ":one": {"N": "1"}},
        )
        clock.skipped = 1000  # longer than its lease
        held.release()

    thread = threading.Thread(target=lose)
    thread.start()
    ended = runner.run({**inputs, **moment.inputs}, commit="2" * 40, run_id=2)
    thread.join()
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert "stops before its next change" in ended.errors[0].message
    assert moment.change not in [call.name for call in account.calls()]
    assert world.lock_owner() == "9/1/x"
