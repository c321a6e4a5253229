"""The sandbox: what $LATEST runs during an update, and for how long after it."""

import json
import time

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
