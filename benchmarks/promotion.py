"""One promotion as a whole process, beside a bash script on the AWS CLI that takes the same steps.

Both deploy, verify and promote something new each time, in turn, on one sandbox, each in an account of its own. A run
of the action that finds nothing to do is measured along with them: what it takes is for starting, reading and locking.
"""

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
"""What our median may be of the script's."""
LOCKS = "locks"
"""The script's table."""


def measure() -> Findings:
    """Measure, and give what was found."""
    for program in ("bash", "curl", "zip"):
        if not shutil.which(program):
            raise SystemExit(f"{program} is not there, which the script needs: install it")
    ours, unchanged, theirs = [], [], []
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(settle=SETTLE) as sandbox:
        account, other = sandbox.account(), sandbox.account()
        ours_at, theirs_at = Path(folder) / "ours", Path(folder) / "theirs"
        visited, (url, _) = first(account, ours_at)[1], first(other, theirs_at)
        make_table(other)
        calls = 0
        for number in range(1, ROUNDS + 1):
            plant(ours_at, number)
            visit(visited)
            ours.append(promote(account, ours_at, number))
            unchanged.append(promote(account, ours_at, number))
            directory = plant(theirs_at, number)
            other.forget()
            theirs.append(script(other, directory, url))
            calls = sum(call.service != "execute-api" for call in other.calls())
    ratio = statistics.median(ours) / statistics.median(theirs)
    lines = [
        f"A promotion takes **{ratio:.2f}** of the script's time; the goal is {GOAL:.2f} at the most.",
        "",
        "| a whole process | ratio of medians | min | median | max |",
        "| --- | --- | --- | --- | --- |",
    ]
    base = statistics.median(theirs)
    rows = {
        "this action, a promotion": ours,
        "this action, nothing to do": unchanged,
        f"the script on the AWS CLI ({calls} calls)": theirs,
    }
    lines += [f"| {name} | {statistics.median(times) / base:.2f} | {spread(times)} |" for name, times in rows.items()]
    lines += ["", f"{machine()}; {aws_version()}; {ROUNDS} rounds, in turn."]
    return Findings((at_most("a promotion against a script on the AWS CLI", ratio, GOAL),), "\n".join(lines))


def make_table(account: Account) -> None:
    """Make the script's table."""
    client(account, "dynamodb").create_table(
        TableName=LOCKS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
    )


def script(account: Account, directory: Path, url: str) -> float:
    """Let the script promote what is in ``directory``; give the seconds that it took."""
    program = [str(REPOSITORY / "benchmarks" / "script.sh"), FUNCTION, ENVIRONMENT, str(directory), url, LOCKS]
    environ = {"PATH": f"{PEERS}:{os.environ['PATH']}", "HOME": str(directory.parent), **account.environ}
    started = time.perf_counter()
    subprocess.run(["bash", *program], env=environ, check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607 - our own
    return time.perf_counter() - started


def aws_version() -> str:
    """Name the AWS CLI."""
    told = subprocess.run([PEERS / "aws", "--version"], check=True, capture_output=True, text=True).stdout  # noqa: S603 - as locked
    return told.split()[0]
