"""The sandbox: what $LATEST runs during an update, and for how long after it."""

import json
import subprocess
import time

from sandbox.client import INTERPRETER, REPOSITORY
from tests.world import FUNCTION, World, archive


def source(text: str) -> str:
    return f"def handler(event, context): return {{'text': '{text}', 'version': context.function_version}}"


def answer(world: World, qualifier: str = "$LATEST") -> dict[str, str]:
    payload = world.function.invoke(FunctionName=FUNCTION, Qualifier=qualifier)["Payload"].read()
    found: dict[str, str] = json.loads(payload)
    return found


def test_an_update_in_progress_leaves_the_previous_code(world: World) -> None:
    world.create(source("old"))
    world.settle()
    world.account.inject("update-lasts", "lambda.UpdateFunctionCode", seconds=0.5)
    world.function.update_function_code(FunctionName=FUNCTION, ZipFile=archive({"app.py": source("new")}))
    assert answer(world) == {"text": "old", "version": "$LATEST"}
    world.settle()
    assert answer(world) == {"text": "new", "version": "$LATEST"}


def test_the_previous_code_can_last_beyond_the_update(world: World) -> None:
    world.create(source("old"))
    world.settle()
    world.account.inject("old-code-lasts", "lambda.UpdateFunctionCode", seconds=0.5)
    updated = world.function.update_function_code(
        FunctionName=FUNCTION, ZipFile=archive({"app.py": source("new")}), Publish=True
    )
    world.settle()
    assert answer(world)["text"] == "old"
    assert answer(world, updated["Version"])["text"] == "new"
    deadline = time.monotonic() + 5
    while answer(world)["text"] == "old" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer(world)["text"] == "new"


SETUP = """
from ministack.core import lambda_runtime as runtime
from sandbox.strict.emulator import set_function_record
from sandbox.strict.previous import execution, keep, lease, running

runtime.reset()
acquire = lease(runtime.acquire_worker)
latest = {"FunctionName": "hello", "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:hello",
          "Version": "$LATEST", "Runtime": "python3.13", "Timeout": 3, "CodeSha256": "old"}
function = {"config": latest, "code_zip": b"old"}
set_function_record("hello", function)

def update(**changes):
    before = running(function)
    function["code_zip"] = changes.get("CodeSha256", "old").encode()
    latest.update(changes)
    return keep(function, before)

def run(record, event):
    event()
    worker, _ = acquire("hello", record["config"], record["code_zip"], qualifier="$LATEST")
    runtime.release_worker(worker)
    return {"code": worker.code_zip.decode(), "timeout": worker.config["Timeout"]}

def invoke(event=lambda: None):
    return tuple(execution(run)(function, event).values())

"""
"""Invocations with MiniStack's processes, which are never started. The event of an invocation happens after the
invocation has begun and before it takes its process."""

ORDERS = {
    "end = update(CodeSha256='new'); print(invoke(end), invoke())": "('old', 3) ('new', 3)",
    "print(invoke(lambda: update(CodeSha256='new')()), invoke())": "('old', 3) ('new', 3)",
    "end = update(Timeout=9); print(invoke(end), invoke())": "('old', 3) ('old', 9)",
    "print(invoke(lambda: update(Timeout=9)()), invoke())": "('old', 3) ('old', 9)",
    "end = update(Timeout=4); last = update(Timeout=5); print(invoke(end), invoke(last), invoke())": (
        "('old', 3) ('old', 3) ('old', 5)"
    ),
}
"""What two or three invocations run, in turn, if the updates end in between."""


def test_an_invocation_that_began_before_the_end_leaves_no_process_of_the_previous_code() -> None:
    """All in one process, because the start of MiniStack takes long."""
    every = "import sys\nfor order in sys.argv[2:]: exec(sys.argv[1] + order, {})"
    command = [str(INTERPRETER), "-c", every, SETUP, *ORDERS]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - the test's own code
    assert (found.stdout.splitlines(), found.stderr) == (list(ORDERS.values()), "")
