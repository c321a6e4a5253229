"""Start steps as copies of one process that has loaded everything. Loading takes most of the time of a short step.

Each step still is a process with its own environment, folder, outputs and signals, and ``entrypoint.py`` starts it.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TextIO

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SIZE = 4
"""Bytes of a length, of a process number and of an exit code."""
_PAUSE = 0.02
"""Seconds between two looks at whether a process has ended."""


class Forked:
    """A step's process, with what the tests use of ``subprocess.Popen``."""

    def __init__(self, pid: int, ended: int, stdout: TextIO, stderr: TextIO) -> None:
        self.pid = pid
        self.args = ["entrypoint.py"]
        self.stdout: TextIO | None = stdout
        self.stderr: TextIO | None = stderr
        self.returncode: int | None = None
        self._ended = ended
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Another thread may send a signal in the meantime, or wait as well."""
        deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        while True:
            with self._lock:
                if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
                    self.returncode = int.from_bytes(os.read(self._ended, SIZE), "big", signed=True)
                    os.close(self._ended)
                if self.returncode is not None:
                    return self.returncode
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(_PAUSE)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class ForkServer:
    """The process whose copies are steps. It ends with this process at the latest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-u",
                    "-W",
                    "error",
                    "-W",
                    "ignore::ResourceWarning",
                    "-m",
                    "tests.runner.fork_server",
                ],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),  # unused; as a pipe, and unlike a file, it has no position
                cwd=REPOSITORY,
                env={"PATH": os.environ["PATH"]},
            )

    def start(self, arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> Forked:
        """Start ``entrypoint.py`` with these arguments, these variables alone, and this working folder."""
        request = json.dumps([list(arguments), dict(environ), str(folder)]).encode()
        pipes = [os.pipe() for _ in range(3)]
        with self._lock:
            socket.send_fds(self._socket, [len(request).to_bytes(SIZE, "big")], [write for _, write in pipes])
            self._socket.sendall(request)
            pid = int.from_bytes(self._socket.recv(SIZE, socket.MSG_WAITALL), "big")
        assert pid, "the fork server has ended"
        for _, write in pipes:
            os.close(write)
        stdout, stderr = (os.fdopen(read, encoding="utf-8", errors="replace") for read, _ in pipes[:2])
        return Forked(pid, pipes[2][0], stdout, stderr)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


@cache
def fork_server() -> ForkServer:
    """Return the fork server of this process."""
    server = ForkServer()
    atexit.register(server.close)
    return server
