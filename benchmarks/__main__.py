"""All benchmarks, side by side in one run: ``python -m benchmarks [PART ...] [--write FILE]``.

What was found is printed and, with ``--write``, put into the page: each part into its section, and all into the
summary. Without names, all parts take their turns. Times are of this machine; what counts are ratios and counts.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import application, calls, container, handoff, hour, packing, promotion
from benchmarks.findings import Findings
from benchmarks.page import written

PARTS: Mapping[str, Callable[[], Findings]] = {
    "promotion": promotion.measure,
    "calls": calls.measure,
    "hand-off": handoff.measure,
    "application": application.measure,
    "hour": hour.measure,
    "container": container.measure,
    "packing": packing.measure,
}


def main() -> None:
    """Measure, and tell what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The action, measured.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of: {', '.join(PARTS)}; all without one")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write what was found into FILE")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for part, measure in PARTS.items():
        if arguments.parts and part not in arguments.parts:
            continue
        started = time.perf_counter()
        findings = measure()
        sys.stdout.write(f"\n== {part}, measured in {time.perf_counter() - started:.0f} s\n\n{findings.text}\n")
        sys.stdout.flush()
        file: Path | None = arguments.write
        if file:  # at once: what a later part finds or meets is no reason to lose it
            file.write_text(written(file.read_text(encoding="utf-8"), part, findings), encoding="utf-8")


if __name__ == "__main__":
    main()
