"""One promotion in the steady state, as a whole process: its time, and its AWS calls by name.

``python -m benchmarks.promotion``. Times are of this machine; the ratio of a promotion to a run that finds nothing to
do says what deploying, verifying and promoting cost beyond starting up, reading and locking.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sandbox.client import Account, Sandbox

REPOSITORY = Path(__file__).resolve().parent.parent
ROUNDS = 7
SOURCE = "def handler(event, context):\n    return {'statusCode': 200, 'body': '{}'}\n"


def main() -> None:
    """Measure, and print what was found."""
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(settle=0.1) as sandbox:
        account = sandbox.account()
        workspace = Path(folder)
        source = workspace / "function" / "app.py"
        source.parent.mkdir()
        source.write_text(SOURCE, encoding="utf-8")
        promote(account, workspace, 0)
        promotions, repetitions = [], []
        calls: Counter[str] = Counter()
        for number in range(1, ROUNDS + 1):
            source.write_text(f"{SOURCE}# {number}\n", encoding="utf-8")
            account.forget()
            promotions.append(promote(account, workspace, number))
            calls = Counter(call.name for call in account.calls() if call.service != "execute-api")
            repetitions.append(promote(account, workspace, number))
    for name, times in (("promoted", promotions), ("unchanged", repetitions)):
        middle = statistics.median(times)
        say(f"{name:<10} {min(times):.2f} s at best, {middle:.2f} s in the middle, {max(times):.2f} s at worst")
    say(f"ratio      {statistics.median(promotions) / statistics.median(repetitions):.1f}")
    say(f"AWS calls  {calls.total()} for the last promotion:")
    for name, count in sorted(calls.items()):
        say(f"           {count} {name}")


def promote(account: Account, workspace: Path, number: int) -> float:
    """Run the action once; give the seconds that the process took."""
    started = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-I", str(REPOSITORY / "entrypoint.py")],
        env=environ(account, workspace, number),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def environ(account: Account, workspace: Path, number: int) -> dict[str, str]:
    """Give the environment of a run that promotes ``function/`` of the workspace."""
    return {
        "PATH": os.environ["PATH"],
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_SHA": f"{number:040x}",
        "GITHUB_RUN_ID": str(number),
        **account.environ,
        "INPUT_FUNCTION-NAME": "measured",
        "INPUT_ENVIRONMENT": "preprod",
        "INPUT_ARTIFACT": "function",
        "INPUT_RUNTIME": "python3.13",
        "INPUT_HANDLER": "app.handler",
        "INPUT_ROLE": f"arn:aws:iam::{account.id}:role/measured",
        "INPUT_CHECKS": "GET / 200",
    }


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
