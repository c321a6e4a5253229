"""The calls of one promotion: how many, how large, which wait for which, and what that takes where each takes 50 ms.

The sandbox adds 50 ms to each call of AWS's API, and to no request to the function. What the calls have to take then is
the longest chain of those that need each other's answers (``benchmarks.chain``): the floor. What is held against it is
the time from the first call to the last answer, without what is not ours: the answer to the check, and the time
that Lambda takes for its update. What we do between two calls is in it; starting Python, loading modules and writing
the summary is not, and is told beside it.
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chain import REQUEST, STEPS, assigned, calls_in, ended, longest
from benchmarks.findings import Figure, Findings, at_most, machine, spread
from benchmarks.runs import SETTLE, first, plant, promote, visit
from sandbox.client import Account, Call, Sandbox

ROUNDS = 7
LATENCY = 0.05
GOAL = 1.25
"""What the path may take of the floor."""
MOST_CALLS = 14
SERVICES = ("lambda", "dynamodb", "apigatewayv2", "s3", "sts")
SCALE = 0.02
"""Seconds that a character of the drawing stands for."""


@dataclass(frozen=True)
class Promotion:
    """One promotion, on the clock that all processes of the machine share."""

    begun: float
    over: float
    steps: Mapping[str, Sequence[Call]]

    @property
    def aws(self) -> list[Call]:
        """The calls of AWS's API."""
        return [call for calls in self.steps.values() for call in calls if call.name != REQUEST]

    @property
    def before(self) -> float:
        """Seconds until the first call."""
        return min(call.started for call in self.aws) - self.begun

    @property
    def path(self) -> float:
        """Seconds from the first call to the last answer."""
        return max(map(ended, self.aws)) - min(call.started for call in self.aws)

    @property
    def ours(self) -> float:
        """The same without the check, and without what Lambda takes for the update."""
        return self.path - self.steps["check"][0].seconds - SETTLE

    @property
    def after(self) -> float:
        """Seconds from the last answer to the end of the process."""
        return self.over - max(map(ended, self.aws))


def measure() -> Findings:
    """Measure, and give what was found."""
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(settle=SETTLE) as sandbox:
        account, workspace = sandbox.account(), Path(folder)
        _, url = first(account, workspace)
        fast, slow = [], []
        for number in range(1, 2 * ROUNDS, 2):
            fast.append(one(account, workspace, number, url))
            for service in SERVICES:
                account.inject("latency", f"{service}.*", times=0, seconds=LATENCY)
            slow.append(one(account, workspace, number + 1, url))
            account.clear_faults()
    chain = longest()
    floor = calls_in(chain) * LATENCY
    path = statistics.median(run.ours for run in slow) / floor
    count = statistics.median(len(run.aws) for run in slow)
    figures = (
        at_most(f"{1000 * LATENCY:.0f} ms for each call: the path against the floor", path, GOAL),
        at_most("AWS calls of a promotion", count, MOST_CALLS, "{:.0f}"),
        Figure("of them, one after the other", str(calls_in(chain))),
    )
    whole = [run.over - run.begun for run in slow]
    added = statistics.median(whole) - statistics.median(run.over - run.begun for run in fast)
    lines = [
        (
            f"The longest chain has {calls_in(chain)} calls: the floor is {floor:.2f} s. From the first call to the "
            f"last answer, a promotion takes **{path:.2f}** of it; the goal is {GOAL} at the most."
        ),
        "",
        f"| with {1000 * LATENCY:.0f} ms for each call | ratio to the floor | min | median | max |",
        "| --- | --- | --- | --- | --- |",
    ]
    rows = {
        "first call to last answer, without the check and Lambda's update": [run.ours for run in slow],
        "first call to last answer": [run.path for run in slow],
        "until the first call: Python, modules, the first client": [run.before for run in slow],
        "after the last answer: outputs, summary, end": [run.after for run in slow],
        "the whole process": whole,
    }
    for name, times in rows.items():
        lines.append(f"| {name} | {statistics.median(times) / floor:.2f} | {spread(times)} |")
    lines += ["", f"The latency makes the whole process {added:.2f} s longer: {added / floor:.2f} of the floor.", ""]
    lines += [*table(slow[-1].aws), "", *drawing(slow[-1], chain), "", *graph(), ""]
    lines.append(f"{machine()}; {ROUNDS} promotions of each, in turn; table and drawing are of the last one.")
    return Findings(figures, "\n".join(lines))


def one(account: Account, workspace: Path, number: int, url: str) -> Promotion:
    """Promote something new to the environment at ``url``, which is in use."""
    plant(workspace, number)
    visit(url)
    account.forget()
    begun = time.monotonic()
    promote(account, workspace, number)
    return Promotion(begun, time.monotonic(), assigned(account.calls()))


def table(calls: Sequence[Call]) -> Iterator[str]:
    """Write the calls by name, with their bytes."""
    named: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        named[call.name].append(call)
    yield "| call | number | bytes sent | bytes received |"
    yield "| --- | --- | --- | --- |"
    for name, group in (*sorted(named.items()), ("**all**", list(calls))):
        sent, received = sum(call.bytes_in for call in group), sum(call.bytes_out for call in group)
        yield f"| {name} | {len(group)} | {sent:,} | {received:,} |"


def drawing(run: Promotion, chain: Sequence[str]) -> Iterator[str]:
    """Draw the calls over time."""
    start = min(call.started for call in run.aws)
    each = f"{1000 * SCALE:.0f} ms a character"
    yield f"`#` is on the longest chain, `-` beside it, `.` a request to the function; {each}:"
    yield ""
    for step in STEPS:
        mark = "." if step.call == REQUEST else "#" if step.name in chain else "-"
        bar = ""
        for call in run.steps[step.name]:
            left, right = round((call.started - start) / SCALE), round((ended(call) - start) / SCALE)
            bar = bar.ljust(left) + mark * max(1, right - left)
        yield f"    {step.name:<26}{bar}"


def graph() -> Iterator[str]:
    """Write which step needs which."""
    yield "| step | call | needs | for |"
    yield "| --- | --- | --- | --- |"
    for step in STEPS:
        yield f"| {step.name} | {step.call} | {', '.join(step.needs)} | {step.why} |"
