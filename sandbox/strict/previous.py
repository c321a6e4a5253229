"""The code that $LATEST ran before an update. It serves until the update has completed, or longer with a fault."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime as runtime
from ministack.services import lambda_svc

from sandbox.strict.emulator import Record, content, function_record, replace

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "previous"
"""This module's key in the record of a function."""

planned_overlap: ContextVar[float] = ContextVar("planned_overlap", default=0.0)
"""The seconds after the update of the current request for which a fault lets the previous code serve."""


@dataclass(frozen=True)
class Previous:
    """Code and configuration that $LATEST runs instead of those in its record."""

    config: Record
    code_zip: Any


def running(function: Record) -> Previous:
    """Return what $LATEST runs now, as a new object: what an update keeps ends with this update."""
    now = Previous({**function["config"]}, function.get("code_zip"))
    before: Previous | None = function.get(KEY)
    return Previous(before.config, before.code_zip) if before else now


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

    def complete() -> None:
        if overlap:
            asyncio.get_running_loop().call_later(overlap, end)
        else:
            end()

    return complete


def install() -> None:
    """Replace MiniStack's execution of functions, and its choice of a process."""
    replace(lambda_svc, "_execute_function", execution)
    replace(lambda_svc, "acquire_worker", lease)


def execution(original: Callable[[Record, object], Record]) -> Callable[[Record, object], Record]:
    """Let an invocation of $LATEST run what $LATEST ran when it began, even if an update completes in between."""

    def execute(record: Record, event: object) -> Record:
        config: Record = record.get("config") or record
        function = function_record(config.get("FunctionName", "")) if config.get("Version") == "$LATEST" else None
        if function is None:
            return original(record, event)
        now = running(function)
        # The ARN is that of the invocation.
        run = {**now.config, "FunctionArn": config["FunctionArn"]}
        return original({**record, "config": run, "code_zip": now.code_zip}, event)

    return execute


def lease(original: Callable[..., tuple[Any, str]]) -> Callable[..., tuple[Any, str]]:
    """Let an invocation use only a process with the code and configuration that the invocation runs.

    MiniStack keeps the processes of $LATEST in one pool, before and after an update. An invocation that began before
    the end of the previous code can start a process of that code after this end.
    """

    def acquire(name: str, config: Record, code_zip: bytes, **options: Any) -> tuple[Any, str]:
        wanted = content(config), code_zip
        while True:
            worker, reason = original(name, config, code_zip, **options)
            if reason == "spawn":
                worker.runs = wanted
            elif worker is not None and worker.runs != wanted:
                _end(worker)
                continue
            return worker, reason

    return acquire


def _end(worker: Any) -> None:
    """End a process that is leased, and remove it from its pool."""
    with runtime._lock:  # noqa: SLF001 - MiniStack has no other access
        for pool in runtime._workers.values():  # noqa: SLF001 - as above
            if worker in pool:
                pool.remove(worker)
    runtime.kill_workers([worker])
