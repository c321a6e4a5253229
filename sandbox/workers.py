"""The local processes of functions. MiniStack keeps one for each version that ever ran, until it ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime as runtime

from sandbox.client import REPOSITORY
from sandbox.forks import Forked, ForkServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IDLE = 10.0
"""Seconds after its last invocation at which a process is ended. The next invocation starts another one."""
INTERVAL = 5.0
"""Seconds between two rounds."""


_COUNTER = "    _ms_install_invoke_depth()\n"


def skip_recursion_counter() -> None:
    """Start Python functions without MiniStack's counter of recursive invocations.

    The counter imports botocore at each cold start, which takes 0.15 s. No function of a test calls itself.
    """
    script = runtime._PYTHON_WORKER_SCRIPT  # noqa: SLF001 - MiniStack has no other access
    if script.count(_COUNTER) != 1:
        raise RuntimeError("MiniStack starts Python functions in a way that this sandbox does not know")
    runtime._PYTHON_WORKER_SCRIPT = script.replace(_COUNTER, "")  # noqa: SLF001 - as above


FAILURE = "\x1ffailure:"
"""What the error of a Python function begins with, before its result in JSON."""

_DESCRIBE = f"""
def _describe(error, request_id):
    frames = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
    result = {{"errorMessage": str(error), "errorType": type(error).__name__, "requestId": request_id}}
    return {FAILURE!r} + json.dumps({{**result, "stackTrace": frames}})

def run():
"""
_INITIALIZATION = """{"status": "error", "error": str(e)}"""
_INVOCATION = """{"status": "error", "error": str(e), "trace\""""


def tell_failures() -> None:
    """Let a Python function that fails tell the type and the place of its exception, as on AWS.

    MiniStack passes on the message only.
    """
    script = runtime._PYTHON_WORKER_SCRIPT  # noqa: SLF001 - MiniStack has no other access
    for old, new in (
        ("\ndef run():\n", _DESCRIBE),
        (_INITIALIZATION, _INITIALIZATION.replace("str(e)", '_describe(e, "")')),
        (_INVOCATION, _INVOCATION.replace("str(e)", '_describe(e, _ms_ctx.get("request_id", ""))')),
    ):
        if script.count(old) != 1:
            raise RuntimeError("MiniStack starts Python functions in a way that this sandbox does not know")
        script = script.replace(old, new)
    runtime._PYTHON_WORKER_SCRIPT = script  # noqa: SLF001 - as above


def take_logs_at_once() -> None:
    """Respond to an invocation without waiting for more of its log.

    MiniStack waits 0.05 s after each one, in steps of 0.001 s. It shows logs in CloudWatch, which no test reads.
    """
    runtime.Worker._drain_stderr_bounded = runtime.Worker._drain_stderr  # noqa: SLF001 - MiniStack has no other access


def fork_python_handlers() -> None:
    """Start the processes of Python functions as copies of one that has loaded what they need.

    A new interpreter takes 0.04 s of CPU time for each version of each function.
    """
    runtime.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": _start})


def _start(
    command: Sequence[str], *, cwd: str, env: Mapping[str, str], **options: Any
) -> subprocess.Popen[str] | Forked:
    """Start a function's process. Python reads some variables only when it starts, so a copy must have the same."""
    if command[0] != sys.executable or _of_python(env) != _of_python(os.environ):
        return subprocess.Popen(command, cwd=cwd, env=env, **options)  # noqa: S603 - MiniStack's commands
    return _fork_server().start(command[1:], env, Path(cwd))


def _of_python(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith("PYTHON")}


@cache
def _fork_server() -> ForkServer:
    script = runtime._PYTHON_WORKER_SCRIPT  # noqa: SLF001 - MiniStack has no other access
    return ForkServer([sys.executable, "-m", "sandbox.handlers", script], dict(os.environ), REPOSITORY)


async def end_idle_forever() -> None:
    """End idle processes regularly, so that many accounts do not fill the memory."""
    while True:
        await asyncio.sleep(INTERVAL)
        await asyncio.to_thread(end_idle, IDLE)


def end_idle(seconds: float) -> None:
    """End the processes that have been idle for so many seconds."""
    latest = time.time() - seconds
    idle = []
    with runtime._lock:  # noqa: SLF001 - MiniStack has no other access
        for key, pool in list(runtime._workers.items()):  # noqa: SLF001 - as above
            busy = [worker for worker in pool if worker.in_use or worker.last_used > latest]
            idle += [worker for worker in pool if worker not in busy]
            if busy:
                runtime._workers[key] = busy  # noqa: SLF001 - as above
            else:
                del runtime._workers[key]  # noqa: SLF001 - as above
    runtime.kill_workers(idle)


def end_all() -> None:
    """End every process."""
    runtime.reset()
