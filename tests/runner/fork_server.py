"""A process that has loaded what steps load, and whose copies are steps. ``tests.runner.forks`` starts it.

A request is a length, the descriptors of three pipes, and JSON: arguments, environment and folder. The answer is the
process number. The third pipe receives the exit code.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import boto3

import promote.action
import promote.commands.post  # noqa: F401 - steps load it
from tests.runner.botocore_data import share_service_models
from tests.runner.forks import REPOSITORY, SIZE

ENTRY_POINT = REPOSITORY / "entrypoint.py"


def load() -> None:
    """Load the data of the services. The copies share it."""
    share_service_models()
    for service in ("lambda", "dynamodb", "apigatewayv2", "sts", "s3"):
        _ = boto3.Session("key", "secret", region_name="eu-west-1").client(service).exceptions  # needs all shapes
    gc.collect()
    gc.freeze()


def serve(requests: socket.socket) -> None:
    """Start a step for each request, until there are no more, and report how each step ends."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pipes: dict[int, int] = {}
    while True:
        ready = select.select([requests.fileno(), woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            report(pipes)
        if requests.fileno() in ready:
            length, descriptors, _, _ = socket.recv_fds(requests, SIZE, 3)
            if not length:
                return
            request = json.loads(requests.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL))
            stdout, stderr, ended = descriptors
            child = os.fork()
            if not child:
                arguments, environ, folder = request
                become(arguments, environ, folder, stdout, stderr)
            os.close(stdout)
            os.close(stderr)
            pipes[child] = ended
            requests.sendall(child.to_bytes(SIZE, "big"))


def report(pipes: dict[int, int]) -> None:
    """Write the exit codes of the steps that have ended."""
    while pipes:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        pipe = pipes.pop(child)
        with suppress(BrokenPipeError):
            os.write(pipe, os.waitstatus_to_exitcode(status).to_bytes(SIZE, "big", signed=True))
        os.close(pipe)


def become(arguments: Sequence[str], environ: Mapping[str, str], folder: str, stdout: int, stderr: int) -> None:
    """Be a step: its own outputs, folder and variables, and nothing of the server's."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, stdout, stderr)):
        os.dup2(descriptor, number)
    os.closerange(3, min(1 << 16, os.sysconf("SC_OPEN_MAX")))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.path = [path for path in sys.path if path != str(REPOSITORY)]
    sys.argv = [str(ENTRY_POINT), *arguments]
    runpy.run_path(str(ENTRY_POINT), run_name="__main__")
    raise AssertionError("the entry point ends the process")


if __name__ == "__main__":
    load()
    serve(socket.socket(fileno=0))
