"""The code that $LATEST ran before an update. It serves until the update has completed, or longer with a fault."""

from __future__ import annotations

import asyncio
import copy
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime as runtime
from ministack.services import lambda_svc

from sandbox.strict.emulator import Record, function_record, replace

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "previous"
"""This module's key in the record of a function."""
ENDING = 5.0
"""Seconds in which the processes of the previous code can end their last invocations."""

planned_overlap: ContextVar[float] = ContextVar("planned_overlap", default=0.0)
"""The seconds after the update of the current request for which a fault lets the previous code serve."""


@dataclass(frozen=True)
class Previous:
    """Code and configuration that $LATEST runs instead of those in its record."""

    config: Record
    code_zip: Any


def running(function: Record) -> Previous:
    """Return what $LATEST runs now."""
    found: Previous | None = function.get(KEY)
    return found or Previous(copy.deepcopy(function["config"]), function.get("code_zip"))


def keep(function: Record, before: Previous) -> Callable[[], None]:
    """Let `before` serve as $LATEST. Return the call that ends it, for the completion of the update.

    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html: invocations during an update run the previous
    code and configuration. The AWS Lambda FAQ (https://aws.amazon.com/lambda/faqs/) mentions a brief window of time
    in which either the old or the new version serves a request.
    """
    function[KEY] = before
    overlap = planned_overlap.get()

    def end() -> None:
        if function.get(KEY) is before:
            del function[KEY]
            _retire(function["config"])

    def complete() -> None:
        if overlap:
            asyncio.get_running_loop().call_later(overlap, end)
        else:
            end()

    return complete


def install() -> None:
    """Replace MiniStack's execution of functions."""
    replace(lambda_svc, "_execute_function", _execute)


def _execute(original: Callable[[Record, object], Record]) -> Callable[[Record, object], Record]:
    def execute(record: Record, event: object) -> Record:
        config: Record = record.get("config") or record
        function = function_record(config.get("FunctionName", "")) if config.get("Version") == "$LATEST" else None
        before: Previous | None = function.get(KEY) if function else None
        if before is None:
            return original(record, event)
        # The ARN is that of the invocation.
        old = {**before.config, "FunctionArn": config["FunctionArn"]}
        return original({**record, "config": old, "code_zip": before.code_zip}, event)

    return execute


def _retire(config: Record) -> None:
    """Let new invocations start new processes, and end those of the previous code some time later."""
    key = runtime._worker_key(config["FunctionName"], config, "$LATEST")  # noqa: SLF001 - MiniStack has no other access
    with runtime._lock:  # noqa: SLF001 - as above
        old = runtime._workers.pop(key, [])  # noqa: SLF001 - as above
    if old:
        loop = asyncio.get_running_loop()
        loop.call_later(ENDING, lambda: loop.run_in_executor(None, runtime.kill_workers, old))
