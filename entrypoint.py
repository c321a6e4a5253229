#!/opt/promote/bin/python -Iu
"""The container's entry point: the action's main step or, with the name or argument ``post``, its post step."""

import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Before slow imports: signals stay pending until main handles them. post ignores them.
signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
for _number in _SIGNALS:
    signal.signal(_number, lambda *_: None)

import os  # noqa: E402

for _descriptor in range(3):
    try:
        os.fstat(_descriptor)
    except OSError:
        # stdin, stdout or stderr is closed. Otherwise, the next file or connection would take its number.
        os.open(os.devnull, os.O_RDONLY)

import ctypes  # noqa: E402
from contextlib import suppress  # noqa: E402

with suppress(OSError, AttributeError):  # not Linux
    # PR_SET_DUMPABLE (linux/prctl.h). Other processes can read neither the memory nor the variables of this one, which
    # have the job's credentials. The tests that it starts run as the same user, and in a container as root without
    # CAP_SYS_PTRACE: proc(5), ptrace(2).
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)

import gc  # noqa: E402

# Almost all objects are modules, which stay. Frequent garbage collections would take a third of the run's own time.
gc.set_threshold(50_000, 50, 100)

import io  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from promote.action import main  # noqa: E402
from promote.commands.post import post  # noqa: E402
from promote.core.environment import tidy  # noqa: E402

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The runner reads UTF-8, whatever the locale.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - closed: writes to it fail
    tidy(os.environ)  # boto3 and requests read it too
    is_post = Path(sys.argv[0]).name == "post" or sys.argv[1:] == ["post"]
    code = (post if is_post else main)(os.environ, stdout)
    for _number in _SIGNALS:
        # The step has ended and reported its result. Nothing may replace its exit code.
        signal.signal(_number, signal.SIG_IGN)
    # Everything is reported, and there is nothing to clean up. Unloading the modules would only take time.
    try:
        stdout.flush()
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError, AttributeError):  # stderr may be closed, too
            sys.stderr.write(f"The log is not complete, because stdout cannot be written: {error}\n")
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    os._exit(code)
