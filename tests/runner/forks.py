"""Start steps as copies of one process that has loaded everything. Loading takes most of the time of a short step.

Each step still is a process with its own environment, folder, outputs and signals, and ``entrypoint.py`` starts it.
"""

import atexit
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from sandbox.forks import Forked, ForkServer

REPOSITORY = Path(__file__).resolve().parent.parent.parent
_COMMAND = ("-u", "-W", "error", "-W", "ignore::ResourceWarning", "-m", "tests.runner.fork_server")


def start_step(arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> Forked:
    """Start ``entrypoint.py`` with these arguments, these variables alone, and this working folder."""
    step = _fork_server().start(arguments, environ, folder)
    assert step.stdin
    step.stdin.close()
    return step


@cache
def _fork_server() -> ForkServer:
    server = ForkServer([sys.executable, *_COMMAND], {"PATH": os.environ["PATH"]}, REPOSITORY)
    atexit.register(server.close)
    return server
