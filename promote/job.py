"""Everything that one run works with: its inputs and every effect, brought together once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from promote.aws import Clients
from promote.clock import Clock
from promote.context import Context
from promote.inputs import Inputs
from promote.model import Phase, Run
from promote.report import Report
from promote.steps import Place, Steps
from promote.table import Table
from promote.workflow import Workflow

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True)
class Job:
    """One run."""

    inputs: Inputs
    context: Context
    run: Run
    workflow: Workflow
    clock: Clock
    clients: Clients
    session: "Callable[[], requests.Session]"
    """One HTTP session, made when first asked for."""
    chance: Callable[[], float]
    """Numbers from 0 to 1, so that waiting runs do not move in step."""
    environ: Mapping[str, str] = field(repr=False)
    """The step's variables, for the commands of the user's."""
    steps: Steps
    """What this job's steps share."""
    temporary: Path
    """A folder of this run's own."""
    idle: Callable[[], object] = lambda: None
    """Loads, each time it is called, a piece more of what the run needs later; called while it waits for others."""
    phases: list[Phase] = field(default_factory=list)
    """Those that have ended."""
    under_way: list[str] = field(default_factory=list)
    """The phase that the run is in, by its name; none between two."""
    reports: list[Report] = field(default_factory=list)
    """What is certain so far, newest last: what is told of a run that comes to a sudden end."""

    @cached_property
    def arn(self) -> str:
        """The function's ARN, whether or not it exists."""
        return self.inputs.function_arn or self.clients.function_arn(self.inputs.function_name)

    @cached_property
    def table(self) -> Table:
        """The table of lock and ledger."""
        return Table(lambda: self.clients.table, self.inputs.table, self.clock)

    def beaten_table(self, lease: float) -> Table:
        """Make the same table for the heartbeat of a lease of ``lease`` seconds: no call of it can outlast that.

        Its client is its own, and not made before the first beat.
        """
        client = cache(lambda: self.clients.heart(min(2, lease / 4)))
        return Table(client, self.inputs.table, self.clock)

    def place(self, arn: str) -> Place:
        """Say where the lock and the ledger of the function ``arn`` are."""
        return Place(arn, self.clients.resolve_region(), self.inputs.table)

    @property
    def report_file(self) -> Path:
        """Where the results of verification are put for other tools."""
        return self.context.temporary / "promote-on-success" / f"junit-{self.inputs.environment}.xml"

    def say(self, subject: str, text: str) -> None:
        """Write a line into the log, in two columns."""
        self.workflow.say(f"{subject:<9} {text}")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Take the time of a part of the run."""
        now, started = self.clock.now(), self.clock.monotonic()
        self.under_way[:] = [name]
        try:
            yield
        finally:
            self.under_way.clear()
            self.phases.append(Phase(name, now, self.clock.monotonic() - started))
