"""Runs one command, and ends it with everything it has started as soon as standard input is closed.

That is when whoever runs this wants it to end, and also when that one has died: no test goes on without its run. A
program of its own, so that nothing but the standard library is loaded.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_GRACE = 2.0
"""Seconds between asking a command to end and ending it."""

_PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h; see prctl(2)."""


def main() -> int:
    """Run the command that the arguments are; give its exit code, as a shell would."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us as well; our parent decides
    with suppress(OSError, AttributeError):  # not Linux
        # Whatever loses its parent becomes our child, so that we find it.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - the user's own command
    except OSError as error:
        sys.stdout.write(f"{sys.argv[1]}: {error.strerror}\n")
        return 127
    threading.Thread(target=_end_with_input, args=(process,), daemon=True).start()
    code = process.wait()
    _signal(process.pid, signal.SIGKILL)  # what it has left in the background
    _end_children()
    return code if code >= 0 else 128 - code


def _end_with_input(process: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # not sys.stdin, whose lock would stand in the way of our own end
        pass
    _signal(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    _signal(process.pid, signal.SIGKILL)


def _end_children() -> None:
    """End what has left the command's process group, such as a daemon or a browser."""
    deadline = time.monotonic() + _GRACE
    while time.monotonic() < deadline:
        for child in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            # Each that ends may leave us its own children.
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
        except ChildProcessError:
            return


def _children() -> Iterator[int]:
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The name stands in parentheses, and may hold anything: proc_pid_stat(5).
            parent = file.read_bytes().rpartition(b")")[2].split()[1]
            if int(parent) == os.getpid():
                yield int(file.parent.name)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
