"""Run one command. When standard input is closed, stop it and all processes that it has started.

The run closes it to stop the command. If the run dies, the system closes it, so no test continues without its run. This
file is a separate program, so that only the standard library is loaded.
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
"""Seconds between SIGTERM and SIGKILL."""

_PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h; see prctl(2)."""


def main() -> int:
    """Run the command in the arguments. Return its exit code, as a shell does."""
    # Ctrl-C also sends SIGINT here, and the parent decides. The command would inherit SIG_IGN, but not a handler.
    signal.signal(signal.SIGINT, lambda *_: None)
    # The thread that has started this program blocks them, and the command must receive them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    with suppress(OSError, AttributeError):  # not Linux
        # A process that loses its parent becomes a child of this one, and can be found.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - a command of the user
    except OSError as error:
        sys.stdout.write(f"{sys.argv[1]}: {error.strerror}\n")
        return 127
    threading.Thread(target=_end_with_input, args=(process,), daemon=True).start()
    code = process.wait()
    _signal(process.pid, signal.SIGKILL)  # its processes in the background
    _end_children()
    return code if code >= 0 else 128 - code


def _end_with_input(process: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # not sys.stdin, whose lock would prevent the exit
        pass
    _signal(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    _signal(process.pid, signal.SIGKILL)


def _end_children() -> None:
    """End processes that have left the command's process group, such as a daemon or a browser."""
    deadline = time.monotonic() + _GRACE
    while time.monotonic() < deadline:
        for child in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            # The children of a process that ends become children of this one.
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
        except ChildProcessError:
            return


def _children() -> Iterator[int]:
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The name is in parentheses, and may contain any character: proc_pid_stat(5).
            parent = file.read_bytes().rpartition(b")")[2].split()[1]
            if int(parent) == os.getpid():
                yield int(file.parent.name)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
