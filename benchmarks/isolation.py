"""Ten runs at once on one function, whose verification takes five seconds each, in both isolations.

What counts is the ratio of ten runs to one.
"""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.findings import Findings, at_most, machine
from benchmarks.runs import SETTLE, command, environ, plant
from sandbox.client import Account, Sandbox

RUNS = 10
VERIFICATION = 5
"""Seconds."""
GOAL = 3.0
"""What ten runs may take of the time of one, each at an endpoint of its own."""
LATEST, VERSION = "latest", "version"
ROUNDS = {VERSION: 5, LATEST: 1}
"""One after the other, ten runs are ten measurements by themselves."""


def measure() -> Findings:
    """Measure, and give what was found."""
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(settle=SETTLE) as sandbox:
        found = {
            isolation: [round_of(sandbox.account(), Path(folder) / f"{isolation}{n}", isolation) for n in range(rounds)]
            for isolation, rounds in ROUNDS.items()
        }
    ratio = statistics.median(ten / one for one, ten in found[VERSION])
    figure = at_most(f"{RUNS} runs at once against one, `isolation: version`", ratio, GOAL, "{:.1f}")
    return Findings((figure,), describe(found))


def round_of(account: Account, folder: Path, isolation: str) -> tuple[float, float]:
    """Give the seconds of one run and of all of them together, with an endpoint of the environment's made before."""
    finish([start(account, folder, 1, isolation)])
    begun = time.perf_counter()
    finish([start(account, folder, 2, isolation)])
    one = time.perf_counter() - begun
    begun = time.perf_counter()
    finish([start(account, folder, number, isolation) for number in range(3, 3 + RUNS)])
    return one, time.perf_counter() - begun


def start(account: Account, folder: Path, number: int, isolation: str) -> subprocess.Popen[str]:
    """Start a run that promotes something new."""
    workspace = folder / str(number)
    plant(workspace, number)
    different = {
        # Whose commits and runs have no order, so that none gives way to another before it has verified.
        "GITHUB_SHA": "",
        "GITHUB_RUN_ID": "",
        "INPUT_CHECKS": "",
        "INPUT_TEST-COMMAND": f"sleep {VERIFICATION}",
        "INPUT_ISOLATION": isolation,
        "INPUT_QUEUE": "fifo",
    }
    return subprocess.Popen(  # noqa: S603 - our own interpreter and script
        command(),
        env={**environ(account, workspace, number), **different},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(runs: list[subprocess.Popen[str]]) -> None:
    """Wait for runs, which must end well."""
    for run in runs:
        output, _ = run.communicate()
        if run.returncode:
            raise subprocess.CalledProcessError(run.returncode, run.args, output)


def describe(found: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Write what was found, as Markdown: medians."""
    ratio = f"**{statistics.median(ten / one for one, ten in found[VERSION]):.1f}**"
    lines = [
        f"With `isolation: version`, {RUNS} runs take {ratio} times what one takes; the goal is {GOAL:.0f}.",
        "",
        f"| verification of {VERIFICATION} s each | one run | {RUNS} runs at once | ratio |",
        "| --- | --- | --- | --- |",
    ]
    for isolation, pairs in found.items():
        one, ten = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = f"{statistics.median(ten / one for one, ten in pairs):.1f}"
        lines.append(f"| `isolation: {isolation}` | {one:.1f} s | {ten:.1f} s | {ratio} |")
    return "\n".join(
        [*lines, "", f"{machine()}; `queue: fifo`; {ROUNDS[VERSION]} rounds with `version`, one with `latest`."]
    )
