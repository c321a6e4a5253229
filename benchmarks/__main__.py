"""All benchmarks: ``python -m benchmarks [PART ...] [--write FILE]``.

The results are printed. With ``--write``, they are also written into the page: each part into its section, and all into
the summary. Without names, all parts run. Times depend on the machine; compare ratios and counts.
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
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of the action.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of: {', '.join(PARTS)}; all without one")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the results into FILE")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    for part, measure in PARTS.items():
        if arguments.parts and part not in arguments.parts:
            continue
        started = time.perf_counter()
        findings = measure()
        sys.stdout.write(f"\n== {part}, measured in {time.perf_counter() - started:.0f} s\n\n{findings.text}\n")
        sys.stdout.flush()
        file: Path | None = arguments.write
        if file:  # at once, so that a failure of a later part does not lose it
            file.write_text(written(file.read_text(encoding="utf-8"), part, findings), encoding="utf-8")


if __name__ == "__main__":
    main()
