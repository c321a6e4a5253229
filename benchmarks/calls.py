"""The AWS calls of one promotion, and the time that it takes if each call takes 50 ms.

The sandbox adds 50 ms to each call of AWS's API, and nothing to requests to the function. ``benchmarks.chain`` defines
which calls need each other's response.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.chain import REQUEST, assigned, calls_in, longest
from benchmarks.findings import Figure, Findings, at_most, machine, spread
from benchmarks.runs import SETTLE, first, plant, promote, visit
from sandbox.client import Account, Sandbox

ROUNDS = 7
LATENCY = 0.05
MOST_CALLS = 13
SERVICES = ("lambda", "dynamodb", "apigatewayv2", "s3", "sts")


def measure() -> Findings:
    """Return what was measured."""
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(settle=SETTLE) as sandbox:
        account, workspace = sandbox.account(), Path(folder)
        _, url = first(account, workspace)
        for service in SERVICES:
            account.inject("latency", f"{service}.*", times=0, seconds=LATENCY)
        runs = [promotion(account, workspace, number, url) for number in range(1, ROUNDS + 1)]
    calls, in_turn = sorted((names for _, names in runs), key=len)[ROUNDS // 2], calls_in(longest())
    figures = (
        at_most("AWS calls of a promotion", len(calls), MOST_CALLS, "{:.0f}"),
        Figure("of them, one after the other", str(in_turn)),
    )
    lines = [
        f"A promotion makes **{len(calls)}** calls; {in_turn} of them are made one after the other.",
        "",
        f"| with {1000 * LATENCY:.0f} ms for each call | min | median | max |",
        "| --- | --- | --- | --- |",
        f"| the whole process | {spread([seconds for seconds, _ in runs])} |",
        "",
        *table(calls),
        "",
        f"{machine()}; {ROUNDS} promotions.",
    ]
    return Findings(figures, "\n".join(lines))


def promotion(account: Account, workspace: Path, number: int, url: str) -> tuple[float, list[str]]:
    """Promote something new; return the seconds that it took and the names of its AWS calls.

    The environment at ``url`` is requested before, so that its function has started.
    """
    plant(workspace, number)
    visit(url)
    account.forget()
    seconds = promote(account, workspace, number)
    steps = assigned(account.calls())
    return seconds, [call.name for calls in steps.values() for call in calls if call.name != REQUEST]


def table(calls: Sequence[str]) -> Iterator[str]:
    """Yield a table of the calls by name."""
    yield "| call | number |"
    yield "| --- | --- |"
    for name, count in sorted(Counter(calls).items()):
        yield f"| {name} | {count} |"
    yield f"| **all** | {len(calls)} |"
