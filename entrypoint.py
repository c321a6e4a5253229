#!/opt/promote/bin/python -Iu
"""The container's entry: the action's main step or, under the name ``post`` or with that argument, its post step."""

import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Before anything that takes time is loaded: they wait until main minds them, and post minds none.
signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
for _number in _SIGNALS:
    signal.signal(_number, lambda *_: None)

import gc  # noqa: E402

# What is loaded stays, and there is little else: to look through it for garbage, time and again, takes a third of the
# run's own time.
gc.set_threshold(50_000, 50, 100)

import io  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from promote.action import main  # noqa: E402
from promote.commands.post import post  # noqa: E402

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The runner reads UTF-8, whatever the locale says.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    is_post = Path(sys.argv[0]).name == "post" or sys.argv[1:] == ["post"]
    code = (post if is_post else main)(os.environ, sys.stdout)
    for _number in _SIGNALS:
        # The step has ended, and told how: nothing is to put another exit code in the place of its own.
        signal.signal(_number, signal.SIG_IGN)
    # All is told, and nothing is left to be tidied up: to take the modules apart would only take time.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
