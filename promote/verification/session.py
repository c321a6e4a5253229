"""Runs pytest, and counts which of the collected tests came to an end.

pytest ends with 0, and its report shows tests as passed, also where they were never called: after ``pytest.exit(0)``,
or with ``--setup-plan``. A program of its own, started by its path with the record's path and pytest's arguments: it
runs in the tests' environment, which has nothing of this package.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


class Count:
    """A plugin of pytest: its hooks are called by name."""

    def __init__(self, record: Path) -> None:
        """Take the file to write to."""
        self._record = record
        self._judged: set[str] = set()
        self._finished = 0

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note that a test was called, or that it was skipped or failed before that."""
        if report.when == "call" or report.outcome != "passed":
            self._judged.add(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Count a test that has ended, its teardown included."""
        self._finished += nodeid in self._judged

    def pytest_sessionfinish(self, session: Any) -> None:
        """Write the counts; with pytest-xdist, they are those of all workers."""
        self._record.write_text(json.dumps({"collected": session.testscollected, "finished": self._finished}))


def main() -> int:
    """Run pytest as ``python -m pytest`` does; return its exit code."""
    if not sys.flags.safe_path:
        # The repository's folder takes the place of this file's, whose modules have names of their own.
        sys.path[0] = os.getcwd()  # noqa: PTH109 - as Python itself writes it
    import pytest  # noqa: PLC0415 - of the tests' environment, and found only now

    return int(pytest.main(sys.argv[2:], plugins=[Count(Path(sys.argv[1]))]))


if __name__ == "__main__":
    sys.exit(main())
