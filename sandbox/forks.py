"""Processes as copies of one that has loaded everything. Loading takes most of the time of a short process.

Each copy is a process with its own arguments, environment, folder, pipes and signals. Only the standard library is
used: the sandbox starts the handlers of functions in this way, and the tests start the steps of workflows.

`ForkServer` starts the process to copy, which calls `serve`. A request is a length, the descriptors of the copy's
stdin, stdout and stderr and of one more pipe, and JSON: arguments, environment and folder. The answer is the process
number. The last pipe receives the exit code.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SIZE = 4
"""Bytes of a length, of a process number and of an exit code."""
PAUSE = 0.02
"""Seconds between two looks at whether a process has ended."""


class Forked:
    """A copy, with what its users need of `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], pid: int, ended: int, streams: Sequence[IO[str]]) -> None:
        """Take its process number, the pipe that receives its exit code, and its stdin, stdout and stderr."""
        self.args = list(arguments)
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: IO[str] | None
        self.stdout: IO[str] | None
        self.stderr: IO[str] | None
        self.stdin, self.stdout, self.stderr = streams
        self._ended = ended
        # Unlike select(), it takes descriptors from 1024 on, which a sandbox with many handlers has.
        self._has_ended = select.poll()
        self._has_ended.register(ended, select.POLLIN)
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Another thread may send a signal in the meantime, or wait as well."""
        deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        while True:
            with self._lock:
                if self.returncode is None and self._has_ended.poll(0):
                    self.returncode = int.from_bytes(os.read(self._ended, SIZE), "big", signed=True)
                    os.close(self._ended)
                if self.returncode is not None:
                    return self.returncode
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(PAUSE)

    def send_signal(self, number: int) -> None:
        """Send a signal if it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class ForkServer:
    """The process to copy. It ends with this process at the latest."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        """Start the command. It has to call `serve` with the socket that is its stdin."""
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),  # unused; as a pipe, and unlike a file, it has no position
                cwd=folder,
                env=environ,
            )

    def start(self, arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> Forked:
        """Start a copy with these arguments, these variables alone, and this working folder."""
        request = json.dumps([list(arguments), dict(environ), str(folder)]).encode()
        stdin, stdout, stderr, ended = (os.pipe() for _ in range(4))
        theirs = (stdin[0], stdout[1], stderr[1], ended[1])
        with self._lock:
            socket.send_fds(self._socket, [len(request).to_bytes(SIZE, "big")], theirs)
            self._socket.sendall(request)
            pid = int.from_bytes(self._socket.recv(SIZE, socket.MSG_WAITALL), "big")
        for descriptor in theirs:
            os.close(descriptor)
        if not pid:
            raise ChildProcessError(f"the fork server has ended, with exit code {self._process.wait()}")
        streams = [
            os.fdopen(descriptor, mode, buffering=1, encoding="utf-8", errors="replace")
            for descriptor, mode in ((stdin[1], "w"), (stdout[0], "r"), (stderr[0], "r"))
        ]
        return Forked(arguments, pid, ended[0], streams)

    def close(self) -> None:
        """End the process to copy. The copies continue."""
        self._socket.close()
        self._process.wait()


def serve(run: Callable[[Sequence[str]], NoReturn]) -> None:
    """Start a copy for each request until there are no more, and report how each copy ends.

    A copy calls `run` with its arguments. `run` must end the process.
    """
    requests = socket.socket(fileno=0)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pipes: dict[int, int] = {}
    while True:
        ready = select.select([requests.fileno(), woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _report(pipes)
        if requests.fileno() in ready:
            length, descriptors, _, _ = socket.recv_fds(requests, SIZE, 4)
            if not length:
                return
            arguments, environ, folder = json.loads(requests.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL))
            *streams, ended = descriptors
            child = os.fork()
            if not child:
                requests.detach()
                _become(environ, folder, streams)
                run(arguments)
            for descriptor in streams:
                os.close(descriptor)
            pipes[child] = ended
            requests.sendall(child.to_bytes(SIZE, "big"))


def _report(pipes: dict[int, int]) -> None:
    """Write the exit codes of the copies that have ended."""
    while pipes:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        pipe = pipes.pop(child)
        with suppress(BrokenPipeError):
            os.write(pipe, os.waitstatus_to_exitcode(status).to_bytes(SIZE, "big", signed=True))
        os.close(pipe)


def _become(environ: Mapping[str, str], folder: str, streams: Sequence[int]) -> None:
    """Take this environment, folder and streams, and nothing of the process that was copied."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.closerange(3, min(1 << 16, os.sysconf("SC_OPEN_MAX")))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
