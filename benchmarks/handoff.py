"""How fast the lock passes from one holder to the next, compared with python-dynamodb-lock.

Both locks are measured at the same time, on one sandbox. Each has its own process and virtual environment.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.findings import Findings, at_most, machine
from benchmarks.relay import LANES, LONGEST_WAIT, ROUNDS
from benchmarks.runs import PEERS, REPOSITORY, SETTLE
from sandbox.client import Sandbox

GOAL = 0.1
"""The highest ratio of this action's mean to that of python-dynamodb-lock."""


def measure() -> Findings:
    """Return what was measured."""
    with Sandbox.start(settle=SETTLE) as sandbox:
        contenders = [contend(sandbox, Path(sys.executable), "ours"), contend(sandbox, PEERS / "python", "peer")]
        ours, peer = (json.loads(output_of(contender)) for contender in contenders)
    ratio = statistics.mean(ours["relays"]) / statistics.mean(peer["relays"])
    figure = at_most("hand-off of the lock against python-dynamodb-lock, means", ratio, GOAL, "{:.3f}")
    return Findings((figure,), "\n".join(describe(ours, peer)))


def contend(sandbox: Sandbox, python: Path, module: str) -> subprocess.Popen[str]:
    """Start ``benchmarks.<module>`` in a new account."""
    return subprocess.Popen(  # noqa: S603 - our own interpreters and modules
        [str(python), "-m", f"benchmarks.{module}"],
        env={"PATH": os.environ["PATH"], **sandbox.account().environ},
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )


def output_of(process: subprocess.Popen[str]) -> str:
    """Wait for a process and return its output.

    Raises:
        subprocess.CalledProcessError: The process failed.

    """
    output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return output


def describe(ours: Mapping[str, Any], peer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of Markdown."""
    mean = statistics.mean(peer["relays"])
    ratio = statistics.mean(ours["relays"]) / mean
    yield f"The mean is **{ratio:.3f}** of python-dynamodb-lock's; the goal is {GOAL} at most."
    yield ""
    yield "| from the release to the next holder's first change | ratio of means | min | mean | median | max | number |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, found in (("this action", ours), ("python-dynamodb-lock", peer)):
        times = found["relays"]
        numbers = (min(times), statistics.mean(times), statistics.median(times), max(times))
        cells = " | ".join(f"{number:.3f} s" for number in numbers)
        yield f"| {name} | {statistics.mean(times) / mean:.3f} | {cells} | {len(times)} |"
    yield ""
    yield "| to acquire a free lock | calls | median |"
    yield "| --- | --- | --- |"
    for name, found in (("this action", ours), ("python-dynamodb-lock", peer)):
        calls = [call.partition(".")[2] for call in found["alone"]["calls"]]
        milliseconds = 1000 * statistics.median(found["alone"]["seconds"])
        yield f"| {name} | {len(calls)} ({', '.join(calls)}) | {milliseconds:.0f} ms |"
    yield ""
    waits = f"{LANES} locks at a time, each handed on {ROUNDS} times after waits of up to {LONGEST_WAIT:.0f} s"
    yield f"{machine()}; {waits}."
