"""The lock, handed on: our own against python-dynamodb-lock, and what waiting for it costs.

Both locks are handed on at the same time, on one sandbox; each in its own process and virtual environment.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.findings import Findings, at_most, machine
from benchmarks.relay import LANES, LONGEST_WAIT, ROUNDS
from benchmarks.runs import PEERS, REPOSITORY, SETTLE, command, environ, plant, promote
from sandbox.client import Account, Call, Sandbox

PAIRS = 7
"""Pairs of whole runs, one of which waits for the other."""
LONGEST_CHECK = 1.0
"""Seconds for which the holder's check goes on at the most when the waiter stands in line."""
GOAL = 0.1
"""What our mean may be of the peer's."""
READS_FIRST, READS_BEHIND = 3000, 200
"""What a waiter may read in ten minutes."""


def measure() -> Findings:
    """Measure, and give what was found."""
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(settle=SETTLE) as sandbox:
        contenders = [contend(sandbox, Path(sys.executable), "ours"), contend(sandbox, PEERS / "python", "peer")]
        ours, peer = (json.loads(answer_of(contender)) for contender in contenders)
        runs = pairs(sandbox.account(), Path(folder))
    ratio = statistics.mean(ours["relays"]) / statistics.mean(peer["relays"])
    figure = at_most("hand-off of the lock against python-dynamodb-lock, means", ratio, GOAL, "{:.3f}")
    return Findings((figure,), describe(ours, peer, runs))


def contend(sandbox: Sandbox, python: Path, module: str) -> subprocess.Popen[str]:
    """Start a relay of ``benchmarks.<module>``, in an account of its own."""
    return subprocess.Popen(  # noqa: S603 - our own interpreters and modules
        [str(python), "-m", f"benchmarks.{module}"],
        env={"PATH": os.environ["PATH"], **sandbox.account().environ},
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer_of(process: subprocess.Popen[str]) -> str:
    """Wait for a process that must end well, and give what it has printed."""
    output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return output


def pairs(account: Account, folder: Path) -> list[tuple[float, float]]:
    """Let one run wait while another verifies; give the seconds from release to lock and to the first change."""
    chance, found = random.Random(0), []  # noqa: S311 - a schedule, not a secret
    workspaces = folder / "holder", folder / "waiter"
    plant(workspaces[0], 1)
    promote(account, workspaces[0], 1)
    for number in range(2, 2 + 2 * PAIRS, 2):
        # The holder sends the check, and beside it a look at the environment, which it would not wait for.
        held = account.inject("hold-before", "execute-api.Invoke", times=0)
        holder = begin(account, workspaces[0], number)
        held.wait_until_hit()
        waiter = begin(account, workspaces[1], number + 1)
        assert waiter.stdout  # noqa: S101 - it is a pipe
        if not any("next in line" in line for line in waiter.stdout):
            raise AssertionError("the waiter has not come to wait")
        time.sleep(LONGEST_CHECK * chance.random())
        account.forget()
        held.release()
        for run in (holder, waiter):
            answer_of(run)
        found.append(handed_on(account.calls()))
    return found


def begin(account: Account, workspace: Path, number: int) -> subprocess.Popen[str]:
    """Start a run that promotes something new."""
    plant(workspace, number)
    return subprocess.Popen(  # noqa: S603 - our own interpreter and script
        command("-u"),
        env=environ(account, workspace, number),
        stdout=subprocess.PIPE,
        text=True,
    )


def handed_on(calls: Sequence[Call]) -> tuple[float, float]:
    """Give the time from the holder's release to the waiter's lock, and to the change that it begins with."""
    names = [call.name for call in calls]
    change = names.index("lambda.UpdateFunctionCode")
    # The record of the promotion, which gives the lock back, is the holder's last transaction; the waiter has none yet.
    release = max(place for place in range(change) if names[place] == "dynamodb.TransactWriteItems")
    take = names.index("dynamodb.UpdateItem", release)
    return calls[take].started - calls[release].started, calls[change].started - calls[release].started


def describe(ours: Mapping[str, Any], peer: Mapping[str, Any], runs: Sequence[tuple[float, float]]) -> str:
    """Write what was found, as Markdown."""
    return "\n".join([*_times(ours, peer, runs), "", *_counts(ours, peer), "", _circumstances()])


def _times(ours: Mapping[str, Any], peer: Mapping[str, Any], runs: Sequence[tuple[float, float]]) -> Iterator[str]:
    mean = statistics.mean(peer["relays"])
    ratio = statistics.mean(ours["relays"]) / mean
    rows = {
        "this action": ours["relays"],
        "python-dynamodb-lock": peer["relays"],
        "this action, first in line for more than a minute": ours["patient"],
        "this action, whole runs, until the lock is held": [lock for lock, _ in runs],
        "this action, whole runs, until `UpdateFunctionCode`": [change for _, change in runs],
    }
    yield f"The mean is **{ratio:.3f}** of python-dynamodb-lock's; the goal is {GOAL} at the most."
    yield ""
    yield "| from the release to the next holder's first change | ratio of means | min | mean | median | max | number |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, times in rows.items():
        numbers = (min(times), statistics.mean(times), statistics.median(times), max(times))
        cells = " | ".join(f"{number:.3f} s" for number in numbers)
        yield f"| {name} | {statistics.mean(times) / mean:.3f} | {cells} | {len(times)} |"


def _counts(ours: Mapping[str, Any], peer: Mapping[str, Any]) -> Iterator[str]:
    first, behind = ours["first"], ours["behind"]
    yield "| counted | | goal |"
    yield "| --- | --- | --- |"
    yield f"| calls of an acquisition that nobody contends for | {_calls(ours)} | 1 |"
    yield f"| the same, python-dynamodb-lock | {_calls(peer)} | |"
    yield f"| reads of the first in line in ten minutes | {_reads(first)} | {READS_FIRST:,} |"
    yield f"| reads of a waiter behind it in ten minutes | {_reads(behind)} | {READS_BEHIND} |"


def _calls(found: Mapping[str, Any]) -> str:
    calls = [name.partition(".")[2] for name in found["alone"]["calls"]]
    return f"{len(calls)} ({', '.join(calls)}; {1000 * statistics.median(found['alone']['seconds']):.0f} ms)"


def _reads(waiter: Mapping[str, int]) -> str:
    return f"{waiter['reads']:,}, and {waiter['writes']} writes"


def _circumstances() -> str:
    waits = f"{LANES} locks at a time, each handed on {ROUNDS} times after waits of up to {LONGEST_WAIT:.0f} s"
    return f"{machine()}; {waits}; {PAIRS} pairs of whole runs."
