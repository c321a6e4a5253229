"""Packing a directory, compared with ``zip -r``: time, size, and whether the same files result in the same bytes.

10,000 files of 200 MB contain words, noise (like images) and bytes in between (like libraries). Both pack them in turn,
after a change of all modification times.
"""

import hashlib
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.findings import Findings, at_most, machine, spread
from promote.aws.archive import pack

ROUNDS = 5
SUPPLY = 4 << 20
"""Bytes of each kind, from which the files' contents are cut."""
GOAL = 1.0
"""The highest ratio of our median to that of zip."""


@dataclass
class Found:
    """The times and archives of one of them."""

    seconds: list[float] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)
    size: int = 0


def measure() -> Findings:
    """Return what was measured."""
    program = shutil.which("zip")
    if not program:
        raise SystemExit("zip is not installed. Install it, for example with apt-get install zip.")
    with tempfile.TemporaryDirectory() as folder:
        tree, scratch = Path(folder) / "tree", Path(folder)
        count, size = plant(tree)
        peers: Mapping[str, Callable[[Path], object]] = {
            "this action": lambda archive: pack(tree, archive, scratch),
            "`zip -r`": lambda archive: subprocess.run([program, "-qr", archive, "."], cwd=tree, check=True),  # noqa: S603 - as found
        }
        found = {name: Found() for name in peers}
        for number in range(ROUNDS):
            for path in tree.rglob("*"):
                os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))
            for name, peer in peers.items():
                once(peer, scratch / f"{number}.zip", found[name])
    middle = {name: statistics.median(one.seconds) for name, one in found.items()}
    ratio = middle["this action"] / middle["`zip -r`"]
    figure = at_most("packing 10,000 files of 200 MB against `zip -r`", ratio, GOAL)
    return Findings((figure,), describe(found, count, size))


def once(peer: Callable[[Path], object], archive: Path, found: Found) -> None:
    """Pack once with one of them."""
    started = time.perf_counter()
    peer(archive)
    found.seconds.append(time.perf_counter() - started)
    with archive.open("rb") as content:
        found.digests.add(hashlib.file_digest(content, "sha256").hexdigest())
    found.size = archive.stat().st_size
    archive.unlink()


def plant(tree: Path) -> tuple[int, int]:
    """Write the files and return their number and bytes."""
    chance = random.Random(0)  # noqa: S311 - the same files each time
    falling = [1 / rank for rank in range(1, 257)]
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    words = ["".join(chance.choices(letters, falling[:26], k=chance.randint(2, 10))) for _ in range(256)]
    marks = [" "] * 12 + [" = ", "(", ")", ".", "\n    ", "\n", "\n        ", ", ", ": "]
    text = "".join(word + chance.choice(marks) for word in chance.choices(words, falling, k=SUPPLY // 4)).encode()
    noise = chance.randbytes(SUPPLY)
    machine = bytes(chance.choices(range(256), falling, k=SUPPLY))
    sizes = [
        *(("package{}/module{}.py", text, chance.expovariate(1 / 8_000)) for _ in range(9_000)),
        *(("data{}/table{}.json", text, chance.uniform(1_000, 130_000)) for _ in range(490)),
        *(("data{}/picture{}.png", noise, chance.uniform(1_000, 130_000)) for _ in range(490)),
        *(("lib{}/library{}.so", machine, chance.uniform(1e6, 6e6)) for _ in range(20)),
    ]
    total = 0
    for number, (name, supply, size) in enumerate(sizes):
        path = tree / name.format(number % 100, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        at = chance.randrange(len(supply))
        content = (supply[at:] + supply * 2)[: int(size)]
        path.write_bytes(content)
        total += len(content)
    return len(sizes), total


def describe(found: Mapping[str, Found], count: int, size: int) -> str:
    """Return the results as Markdown."""
    middle = {name: statistics.median(one.seconds) for name, one in found.items()}
    base = middle["`zip -r`"]
    ratio = middle["this action"] / base
    lines = [
        f"Packing takes **{ratio:.2f}** of the time of `zip -r`; the goal is {GOAL:.2f} at most.",
        "",
        f"| {count:,} files, {size / 1e6:.0f} MB | ratio of medians | min | median | max | archive | digests |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in found.items():
        lines.append(
            f"| {name} | {middle[name] / base:.2f} | {spread(one.seconds)} | {one.size / 1e6:.1f} MB | "
            f"{len(one.digests)} of {len(one.seconds)} |"
        )
    return "\n".join([*lines, "", f"{machine()}, zlib {zlib.ZLIB_RUNTIME_VERSION}; {ROUNDS} rounds, in turn."])
