"""Twelve functions released as one, compared with one function: whole processes, in turn, on one sandbox.

Each run promotes something new. Each call of AWS's API takes 50 ms. All endpoints of the environment are requested
before, as users would. There is one check, of the first function.
"""

import json
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chain import ended
from benchmarks.findings import Figure, Findings, at_most, machine, spread
from benchmarks.runs import FUNCTION, SETTLE, outputs_of, plant, promote, visit
from sandbox.client import Account, Sandbox

NAMES = tuple(f"{FUNCTION}-{number:02}" for number in range(1, 13))
ALL = {"INPUT_FUNCTION-NAME": "\n".join(f"{name} = {name}/function" for name in NAMES), "INPUT_ARTIFACT": ""}
ROUNDS = 7
LATENCY = 0.05
GOAL = 1.5
"""The highest ratio of the time of twelve functions to that of one."""
SERVICES = ("lambda", "dynamodb", "apigatewayv2")


@dataclass(frozen=True)
class Contender:
    """What is released repeatedly, in its own account."""

    account: Account
    workspace: Path
    names: tuple[str, ...]
    inputs: Mapping[str, str]
    urls: tuple[str, ...]
    """The URLs of the environment's endpoints."""

    @classmethod
    def begin(cls, account: Account, workspace: Path, names: tuple[str, ...], inputs: Mapping[str, str]) -> "Contender":
        """Create functions, endpoints and aliases."""
        made = cls(account, workspace, names, inputs, ())
        made.plant(0)
        outputs = outputs_of(account, workspace, 0, inputs)
        parts = json.loads(outputs["functions"] or "{}") or {FUNCTION: outputs}
        for service in SERVICES:
            account.inject("latency", f"{service}.*", times=0, seconds=LATENCY)
        return cls(account, workspace, names, inputs, tuple(part["environment-url"] for part in parts.values()))

    def plant(self, number: int) -> None:
        """Change every function."""
        for folder in [self.workspace / name for name in self.names] or [self.workspace]:
            plant(folder, number)

    def release(self, number: int) -> float:
        """Promote something new and return the seconds that it took."""
        self.plant(number)
        for url in self.urls:
            visit(url)
        self.account.forget()
        return promote(self.account, self.workspace, number, self.inputs)

    def window(self) -> float:
        """Return the seconds from the last release's first move to the response of its last move."""
        moves = [call for call in self.account.calls() if call.name == "lambda.UpdateAlias"]
        return max(map(ended, moves)) - min(call.started for call in moves)


def measure() -> Findings:
    """Return what was measured."""
    with tempfile.TemporaryDirectory() as folder, Sandbox.start(settle=SETTLE) as sandbox:
        one = Contender.begin(sandbox.account(), Path(folder) / "one", (), {})
        several = Contender.begin(sandbox.account(), Path(folder) / "several", NAMES, ALL)
        times: dict[str, list[float]] = {"one": [], "several": []}
        windows = []
        for number in range(1, ROUNDS + 1):
            for name, contender in zip(times, (one, several), strict=True):
                times[name].append(contender.release(number))
            windows.append(several.window())
    base = statistics.median(times["one"])
    ratio, window = statistics.median(times["several"]) / base, statistics.median(windows)
    lines = [
        (
            f"Twelve functions take **{ratio:.2f}** of the time of one; the goal is {GOAL} at most.\n"
            f"Their aliases disagree for {1000 * window:.0f} ms; one call takes {1000 * LATENCY:.0f} ms."
        ),
        "",
        "| a whole process | ratio of medians | min | median | max |",
        "| --- | --- | --- | --- | --- |",
    ]
    rows = {"one function": times["one"], "twelve functions": times["several"]}
    lines += [f"| {name} | {statistics.median(found) / base:.2f} | {spread(found)} |" for name, found in rows.items()]
    in_ms = spread([1000 * found for found in windows], "{:.0f} ms")
    lines += [
        "",
        "| from the first move sent to the last response | min | median | max |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| twelve aliases | {in_ms} |", "", f"{machine()}; {ROUNDS} rounds, in turn."]
    figures = (
        at_most("twelve functions released as one, against one function", ratio, GOAL),
        Figure("their aliases disagree, with 50 ms for a call", f"{1000 * window:.0f} ms"),
    )
    return Findings(figures, "\n".join(lines))
