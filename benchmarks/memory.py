"""The most memory that a run takes, with archives of the sizes that Lambda takes at the most.

Each run is a process of its own, measured from its start to
its end, and promotes something new.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.findings import Findings, at_most, machine, spread
from benchmarks.runs import REPOSITORY, SETTLE, SOURCE, client, command, environ
from promote.aws.archive import pack
from sandbox.client import Account, Sandbox

ROUNDS = 5
GOAL = 120
"""MB that a run may take."""
MEGABYTE = 1 << 20
SPARE = 2 * 1024
"""Bytes of each megabyte that are left to what is in the archive beside the large files."""
TEXT = (b"one,two,three,four\n" * MEGABYTE)[: MEGABYTE - SPARE]


@dataclass(frozen=True)
class Case:
    """A function of some size, and the way that its code takes."""

    name: str
    noise: int
    """MB that do not become smaller."""
    text: int = 0
    """MB that do."""
    artifact: str = "function"


CASES = (
    Case("a small directory", 0),
    Case("a directory of 50 MB, directly", 50),
    Case("a .zip of 50 MB, directly", 50, artifact="code.zip"),
    Case("a directory of 250 MB, through the bucket", 120, 130),
    Case("a .zip of 250 MB unpacked, through the bucket", 120, 130, artifact="code.zip"),
    Case("a .zip of 250 MB unpacked, from S3", 120, 130, artifact="s3://{}/code.zip"),
)


def measure() -> Findings:
    """Measure, and give what was found."""
    found: dict[Case, list[float]] = {}
    for case in CASES:
        # A sandbox for each: it keeps what it is given in memory.
        with tempfile.TemporaryDirectory() as folder, Sandbox.start(settle=SETTLE) as sandbox:
            found[case] = [peak(case, sandbox.account(), Path(folder) / str(number)) for number in range(ROUNDS)]
    most = max(number for numbers in found.values() for number in numbers)
    figure = at_most("peak memory, archives of 50 MB and of 250 MB unpacked", most, GOAL, "{:.0f} MB")
    return Findings((figure,), describe(found))


def peak(case: Case, account: Account, folder: Path) -> float:
    """Let a run promote the function of the case; give the MB that its process has had at the most."""
    function = folder / "function"
    function.mkdir(parents=True)
    (function / "app.py").write_text(SOURCE, encoding="utf-8")
    with (function / "model.bin").open("wb") as sink:
        for _ in range(case.noise):
            sink.write(os.urandom(MEGABYTE - SPARE))
    with (function / "table.csv").open("wb") as sink:
        for _ in range(case.text):
            sink.write(TEXT)
    storage = client(account, "s3")
    bucket = f"archives-{account.id}"
    storage.create_bucket(Bucket=bucket)
    if case.artifact != "function":
        pack(function, folder / "code.zip", folder)
    if case.artifact.startswith("s3://"):
        with (folder / "code.zip").open("rb") as content:
            storage.put_object(Bucket=bucket, Key="code.zip", Body=content)
    inputs = {"INPUT_ARTIFACT": case.artifact.format(bucket)}
    if not case.artifact.startswith("s3://"):
        inputs["INPUT_ARTIFACT-BUCKET"] = bucket
    return measured(command(), {**environ(account, folder, 1), **inputs})


def measured(program: Sequence[str], variables: Mapping[str, str]) -> float:
    """Run a command; give the MB that it has had at the most."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(  # noqa: S603 - our own interpreter and scripts
            [sys.executable, "-IS", str(REPOSITORY / "benchmarks" / "measured.py"), file.name, *program],
            env=variables,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return int(Path(file.name).read_text("ascii")) / 1024


def describe(found: Mapping[Case, Sequence[float]]) -> str:
    """Write what was found, as Markdown."""
    most = max(number for numbers in found.values() for number in numbers)
    lines = [
        f"A run takes **{most:.0f} MB** at the most; the goal is {GOAL} MB.",
        "",
        "| the function's code | min | median | max |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {case.name} | {spread(numbers, '{:.0f} MB')} |" for case, numbers in found.items()]
    return "\n".join([*lines, "", f"{machine()}; {ROUNDS} runs of each."])
