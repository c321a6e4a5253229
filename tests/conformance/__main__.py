"""Play the recorded sequences of a file, and print the differences: `python -m tests.conformance [FILE]`."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.client import Sandbox
from tests.conformance.recording import RECORDED, load
from tests.conformance.replay import Player
from tests.conformance.unsupported import reason_of

WORKERS = 6
"""Sequences that are played at the same time. They wait most of the time."""


def main(file: Path) -> int:
    """Print each sequence with its differences, and return how many differ and are not listed."""
    recordings = load(file)
    with Sandbox.start(settle=0.1) as sandbox, ThreadPoolExecutor(WORKERS) as pool:
        played = list(pool.map(lambda recording: list(Player(sandbox.account(), recording).play()), recordings))
    lines, different = [], 0
    for recording, differences in zip(recordings, played, strict=True):
        reason = reason_of(recording)
        different += bool(differences) and not reason
        lines.append(f"{'different' if differences else 'equal'}: {recording.id}{reason and f' (listed: {reason})'}")
        lines += [f"    {difference}" for difference in differences]
    lines.append(f"{len(recordings)} sequences, {different} different")
    print("\n".join(lines))  # noqa: T201
    return different


if __name__ == "__main__":
    sys.exit(bool(main(Path(sys.argv[1]) if sys.argv[1:] else RECORDED)))
