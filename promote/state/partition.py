"""The items of one function in the table, and the run that writes them."""

from dataclasses import dataclass
from typing import Any

from promote.aws.dynamodb import Table
from promote.core.clock import Clock
from promote.core.run import Run


@dataclass(frozen=True)
class Partition:
    """The items of the function ``arn`` in ``table``, and the ``run`` that writes them."""

    table: Table
    arn: str
    run: Run
    clock: Clock

    def who(self) -> dict[str, Any]:
        """Return the attributes that name the run in each item that it writes."""
        return {
            "commit": self.run.commit,
            "run_id": self.run.run_id,
            "attempt": self.run.attempt,
            "url": self.run.url,
            "operation": self.run.operation,
        }

    def now(self) -> str:
        """Return the current time in ISO format, with milliseconds."""
        return self.clock.now().isoformat(timespec="milliseconds")
