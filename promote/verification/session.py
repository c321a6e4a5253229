"""Run pytest, and count the collected tests that complete.

After ``pytest.exit(0)`` or with ``--setup-plan``, pytest ends with 0, and its report shows tests as passed that were
never called. This file is a separate program, because it runs in the tests' environment, which does not have this
package. Its arguments are the path of the record and pytest's arguments.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


class Count:
    """A plugin of pytest, which calls its hooks by name."""

    def __init__(self, record: Path) -> None:
        """Take the file to write to."""
        self._record = record
        self._judged: set[str] = set()
        self._finished = 0

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Record that a test was called, or was skipped or failed before that."""
        if report.when == "call" or report.outcome != "passed":
            self._judged.add(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Count a test that has ended, including its teardown."""
        self._finished += nodeid in self._judged

    def pytest_sessionfinish(self, session: Any) -> None:
        """Write the counts. With pytest-xdist, they are those of all workers."""
        self._record.write_text(json.dumps({"collected": session.testscollected, "finished": self._finished}))


def main() -> int:
    """Run pytest as ``python -m pytest`` does. Return its exit code."""
    if not sys.flags.safe_path:
        # The repository's folder replaces the folder of this file, whose modules must not be importable.
        sys.path[0] = os.getcwd()  # noqa: PTH109 - as Python itself does
    import pytest  # noqa: PLC0415 - in the tests' environment, after the change of sys.path

    return int(pytest.main(sys.argv[2:], plugins=[Count(Path(sys.argv[1]))]))


if __name__ == "__main__":
    sys.exit(main())
