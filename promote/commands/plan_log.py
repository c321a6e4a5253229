"""Write the plan of ``adopt`` and ``uninstall`` to the log."""

from collections.abc import Iterable

from promote.core.report import Table
from promote.pipeline.job import Job


def log_plan(job: Job, tables: Iterable[Table]) -> None:
    """Write a line for each row of ``tables``."""
    for table in tables:
        for row in table.rows:
            job.say("plan", "  ".join(map(str, row)))
