"""Ten runs at once on one function, whose verification takes five seconds each, in both isolations.

``python -m benchmarks.isolation [--write FILE]`` prints what was found, and writes it between the marks in FILE. Times
are of this machine: what counts is the ratio of ten runs to one.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.page import filled
from benchmarks.promotion import REPOSITORY, SOURCE, environ, say
from sandbox.client import Account, Sandbox

RUNS = 10
VERIFICATION = 5
"""Seconds."""
GOAL = 3.0
"""What ten runs may take of the time of one, each at an endpoint of its own."""
LATEST, VERSION = "latest", "version"


def main() -> None:
    """Measure, and tell what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.isolation", description="Ten runs beside one another.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the findings between the marks in FILE")
    file: Path | None = parser.parse_args().write
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(settle=0.1) as sandbox:
        found = {
            isolation: measure(sandbox.account(), Path(folder) / isolation, isolation)
            for isolation in (VERSION, LATEST)
        }
    text = describe(found)
    say(text)
    if file:
        file.write_text(filled(file.read_text(encoding="utf-8"), "isolation", text), encoding="utf-8")


def measure(account: Account, folder: Path, isolation: str) -> tuple[float, float]:
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
    (workspace / "function").mkdir(parents=True)
    (workspace / "function" / "app.py").write_text(f"{SOURCE}# {number}\n", encoding="utf-8")
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
        [sys.executable, "-I", str(REPOSITORY / "entrypoint.py")],
        env={**environ(account, workspace, number), **different},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(runs: list[subprocess.Popen[str]]) -> None:
    """Wait for runs, which must end well."""
    for run in runs:
        output, _ = run.communicate()
        if run.returncode:
            say(output)
            raise subprocess.CalledProcessError(run.returncode, run.args)


def describe(found: Mapping[str, tuple[float, float]]) -> str:
    """Write what was found, as Markdown."""
    one, ten = found[VERSION]
    ratio = f"**{ten / one:.1f}**"
    lines = [
        f"With `isolation: version`, {RUNS} runs take {ratio} times what one takes; the goal is {GOAL:.0f}.",
        "",
        f"| verification of {VERIFICATION} s each | one run | {RUNS} runs at once | ratio |",
        "| --- | --- | --- | --- |",
    ]
    for isolation, (one, ten) in found.items():
        lines.append(f"| `isolation: {isolation}` | {one:.1f} s | {ten:.1f} s | {ten / one:.1f} |")
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return "\n".join([*lines, "", f"{machine}; `queue: fifo`."])


if __name__ == "__main__":
    main()
