"""The action's container: the time from ``docker run`` to its first AWS call, and the size of its image.

The time is compared with that of the bare base image; the difference is the action's own time. Each round starts one
container of each kind. This needs a Docker Engine.
"""

import os
import platform
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.findings import Figure, Findings, at_most, spread
from benchmarks.runs import REPOSITORY

IMAGE = "promote-on-success:bench"
BASE = "python:3.13-slim-trixie"
ROUNDS = 15
MORE = "container start to the first AWS call, beyond an empty container"
ADDED = "what the image adds to its base"
GOAL = 0.45
"""Seconds that the action may take to its first AWS call, beyond the time of the bare base image to its output."""
LARGEST = 40
"""MB that the image may add to its base, unpacked."""
LONGEST_RUN = 60
"""Seconds that a container may run."""
REFUSAL = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>measured</Message></Error></ErrorResponse>"


@dataclass(frozen=True)
class Round:
    """One container of each kind, in seconds from the start of Docker's client."""

    base_output: float
    base_end: float
    call: float
    """Until the action's first AWS call arrived."""
    post_end: float
    """Until the end of the action's post step, without a lock to release."""

    @property
    def difference(self) -> float:
        """The action's time to its first AWS call, beyond that of the base image to its output."""
        return self.call - self.base_output


class Door:
    """A server in place of AWS that refuses each request, and records the time of the first one."""

    def __init__(self, url: str) -> None:
        """Take the server's URL."""
        self.url = url
        self._seen: list[float] = []

    def note(self, authorization: str) -> None:
        """Record the time of a request that an AWS client has signed."""
        if authorization.startswith("AWS4-HMAC-SHA256 "):
            self._seen.append(time.perf_counter())

    def first(self) -> float:
        """Return the time of the first request since the last call of this method.

        Raises:
            LookupError: There was no request.

        """
        if not self._seen:
            raise LookupError("the action ended without an AWS call")
        first, self._seen = self._seen[0], []
        return first


def measure() -> Findings:
    """Return what was measured."""
    client = shutil.which("docker")
    if not client or subprocess.run([client, "version"], check=False, capture_output=True).returncode:  # noqa: S603 - Docker's client
        text = "Not measured: this needs a Docker Engine and its client."
        return Findings(tuple(Figure(name, "not measured: no Docker Engine") for name in (MORE, ADDED)), text)
    # The builder of nektos/act and the tests, so that their layers are in the cache.
    docker(client, "build", "--quiet", "--network", "host", "--tag", IMAGE, str(REPOSITORY))
    with door() as opened:
        one_round(client, opened)  # so that the images are in the machine's cache
        rounds = [one_round(client, opened) for _ in range(ROUNDS)]
    added = unpacked(client, IMAGE) - unpacked(client, BASE)
    more = statistics.median(one.difference for one in rounds)
    figures = at_most(MORE, more, GOAL, "{:.2f} s"), at_most(ADDED, added, LARGEST, "{:.0f} MB")
    return Findings(figures, describe(rounds, added))


@contextmanager
def door() -> Iterator[Door]:
    """Run a server during the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            opened.note(self.headers.get("Authorization", ""))
            self.send_response(403)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(REFUSAL)))
            self.end_headers()
            self.wfile.write(REFUSAL)

        do_GET = do_POST  # noqa: N815 - the name that http.server looks for

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - http.server's own name
            """Log nothing: the benchmark prints the results."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    opened = Door(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield opened
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def one_round(client: str, opened: Door) -> Round:
    """Start one container of each kind, one after the other."""
    environ = {
        "AWS_ENDPOINT_URL": opened.url,
        "AWS_ACCESS_KEY_ID": "measured",
        "AWS_SECRET_ACCESS_KEY": "measured",
        "AWS_REGION": "eu-west-1",
        "INPUT_FUNCTION-NAME": "measured",
        "INPUT_ENVIRONMENT": "preprod",
        "INPUT_CHECKS": "GET / 200",
    }
    begun, output, ended = run(client, [BASE, "echo", "here"], {}, expected=0)
    called, _, _ = run(client, [IMAGE], environ, expected=1)
    post_begun, _, post_ended = run(client, ["--entrypoint", "/opt/promote/post", IMAGE], environ, expected=0)
    return Round(output - begun, ended - begun, opened.first() - called, post_ended - post_begun)


def run(
    client: str, arguments: Sequence[str], environ: Mapping[str, str], *, expected: int
) -> tuple[float, float, float]:
    """Run a container as the runner does, and return the times of its start, its first output and its end."""
    variables = [text for name, value in environ.items() for text in ("-e", f"{name}={value}")]
    begun = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - Docker's client and our own images
        [client, "run", "--rm", "--network", "host", *variables, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        log = process.stdout.readline()
        output = time.perf_counter()
        log += process.stdout.read()
        code = process.wait(LONGEST_RUN)
    if code != expected:
        raise subprocess.CalledProcessError(code, process.args, log)
    return begun, output, time.perf_counter()


def unpacked(client: str, image: str) -> float:
    """Return the size of the image's layers in MB."""
    sizes = docker(client, "history", "--human=false", "--format", "{{.Size}}", image).split()
    return sum(map(int, sizes)) / 1_000_000


def docker(client: str, *arguments: str) -> str:
    """Return the output of Docker's client."""
    environ = {**os.environ, "DOCKER_BUILDKIT": "0"}
    return subprocess.run([client, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=environ).stdout  # noqa: S603 - Docker's client


def describe(rounds: Sequence[Round], added: float) -> str:
    """Return the results as Markdown."""
    more = statistics.median(one.difference for one in rounds)
    ratio = statistics.median(one.call / one.base_output for one in rounds)
    lines = [
        (
            f"To its first AWS call the action takes **{more:.2f} s** more than the bare base image to its output; "
            f"the goal is {GOAL} s at most. It takes {ratio:.1f} times as long."
        ),
        f"It adds **{added:.1f} MB** to the base image, unpacked; the goal is {LARGEST} MB at most.",
        "",
        "| from `docker run` | min | median | max |",
        "| --- | --- | --- | --- |",
    ]
    rows = {
        "the bare base image, until its output": [one.base_output for one in rounds],
        "the bare base image, until its end": [one.base_end for one in rounds],
        "this action, until its first AWS call": [one.call for one in rounds],
        "this action's post step, no lock to release, until its end": [one.post_end for one in rounds],
    }
    for name, times in rows.items():
        lines.append(f"| {name} | {spread(times)} |")
    return "\n".join(
        [*lines, "", f"{os.cpu_count()} cores, {platform.system()}; {ROUNDS} rounds, a container of each kind in turn."]
    )
