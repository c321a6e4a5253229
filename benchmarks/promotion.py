"""One promotion as a whole process, compared with a bash script on the AWS CLI that takes the same steps.

Each promotion deploys, verifies and promotes something new. They run in turn on one sandbox, each in its own account. A
run of the action without changes is measured too: it starts, reads, and acquires the lock.

GitHub's runners have version 2 of the AWS CLI, so the goal refers to it. It is not on PyPI and must be on the machine.
The benchmark installs version 1, which starts faster. It is measured as well, and used alone if version 2 is missing.
"""

import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.findings import Findings, at_most, machine, spread
from benchmarks.runs import ENVIRONMENT, FUNCTION, PEERS, REPOSITORY, SETTLE, client, first, plant, promote, visit
from sandbox.client import Account, Sandbox

ROUNDS = 7
GOAL = 0.20
"""The highest ratio of our median to that of the script."""
LOCKS = "locks"
"""The script's table."""


class Rival:
    """The script with one AWS CLI, and its own account and directory."""

    def __init__(self, cli: Path, account: Account, directory: Path) -> None:
        self.name = version(cli)
        self.times: list[float] = []
        """Seconds of each promotion."""
        self.calls = 0
        """AWS calls of the last one."""
        self._cli, self._account, self._directory = cli, account, directory
        self._url, _ = first(account, directory)
        make_table(account)

    def promote(self, number: int) -> None:
        """Promote the code with that number."""
        planted = plant(self._directory, number)
        self._account.forget()
        self.times.append(script(self._cli, self._account, planted, self._url))
        self.calls = sum(call.service != "execute-api" for call in self._account.calls())


def measure() -> Findings:
    """Return what was measured."""
    for program in ("bash", "curl", "zip"):
        if not shutil.which(program):
            raise SystemExit(f"The script needs {program}, which is not installed.")
    ours, unchanged = [], []
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(settle=SETTLE) as sandbox:
        account, ours_at = sandbox.account(), Path(folder) / "ours"
        visited = first(account, ours_at)[1]
        rivals = [Rival(cli, sandbox.account(), Path(folder) / f"theirs-{cli.parent.name}") for cli in clis()]
        for number in range(1, ROUNDS + 1):
            plant(ours_at, number)
            visit(visited)
            ours.append(promote(account, ours_at, number))
            unchanged.append(promote(account, ours_at, number))
            for rival in rivals:
                rival.promote(number)
    base = statistics.median(rivals[0].times)
    ratio, *others = (statistics.median(ours) / statistics.median(rival.times) for rival in rivals)
    lines = [
        f"A promotion takes **{ratio:.2f}** of the script's time with {rivals[0].name}.",
        f"The goal is {GOAL:.2f} at most.",
        *(f"With {rival.name} it is {other:.2f}." for rival, other in zip(rivals[1:], others, strict=True)),
        "",
        "| a whole process | ratio of medians | min | median | max |",
        "| --- | --- | --- | --- | --- |",
    ]
    rows = {"this action, a promotion": ours, "this action, nothing to do": unchanged}
    rows |= {f"the script with {rival.name} ({rival.calls} calls)": rival.times for rival in rivals}
    lines += [f"| {name} | {statistics.median(times) / base:.2f} | {spread(times)} |" for name, times in rows.items()]
    lines += ["", f"{machine()}; {ROUNDS} rounds, in turn."]
    return Findings((at_most("a promotion against a script on the AWS CLI", ratio, GOAL),), "\n".join(lines))


def clis() -> list[Path]:
    """Return the AWS CLIs to measure: version 2, if it is on the machine, then the installed version 1."""
    there = (Path(folder) / "aws" for folder in os.get_exec_path())
    newer = (cli for cli in there if os.access(cli, os.X_OK) and version(cli).startswith("aws-cli/2"))
    return [*itertools.islice(newer, 1), PEERS / "aws"]


def make_table(account: Account) -> None:
    """Create the script's table."""
    client(account, "dynamodb").create_table(
        TableName=LOCKS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
    )


def script(cli: Path, account: Account, directory: Path, url: str) -> float:
    """Promote ``directory`` with the script and return the seconds that it took."""
    program = [str(REPOSITORY / "benchmarks" / "script.sh"), FUNCTION, ENVIRONMENT, str(directory), url, LOCKS]
    environ = {"PATH": f"{cli.parent}:{os.environ['PATH']}", "HOME": str(directory.parent), **account.environ}
    started = time.perf_counter()
    subprocess.run(["bash", *program], env=environ, check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607 - our own
    return time.perf_counter() - started


def version(cli: Path) -> str:
    """Return name and version of the AWS CLI."""
    printed = subprocess.run([cli, "--version"], check=False, capture_output=True, text=True).stdout  # noqa: S603 - as found on the PATH
    return printed.split()[0] if printed else ""
