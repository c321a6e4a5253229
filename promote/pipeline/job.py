"""Everything that one run works with: its inputs and every effect, brought together once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from promote.aws.clients import Clients
from promote.aws.dynamodb import Table
from promote.aws.lambda_function import Function
from promote.core.clock import Clock
from promote.core.report import Report
from promote.core.run import Phase, Run
from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState, LedgerLocation
from promote.github.actions.log import ActionsLog
from promote.inputs.model import Inputs
from promote.pipeline.resources import Resources

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True)
class Job:
    """One run."""

    inputs: Inputs
    context: Context
    run: Run
    workflow: ActionsLog
    clock: Clock
    clients: Clients
    session: "Callable[[], requests.Session]"
    """One HTTP session, made when first asked for."""
    chance: Callable[[], float]
    """Numbers from 0 to 1, so that waiting runs do not move in step."""
    environ: Mapping[str, str] = field(repr=False)
    """The step's variables, for the commands of the user's."""
    state: JobState
    """What this job's steps share."""
    temporary: Path
    """A folder of this run's own."""
    part: str = ""
    """The function, where it is one of several that are released as one; empty: the job is of the whole."""
    application: str = ""
    """What tells these functions, together, from others."""
    phases: list[Phase] = field(default_factory=list)
    """Those that have ended."""
    under_way: list[str] = field(default_factory=list)
    """The phase that the run is in, by its name; none between two."""
    reports: list[Report] = field(default_factory=list)
    """What is certain so far, newest last: what is told of a run that comes to a sudden end."""

    def of_part(self, inputs: Inputs, application: str) -> "Job":
        """Give the job for one function of several, with a folder of its own; phases and reports are the whole's."""
        folder = self.temporary / inputs.function_name
        folder.mkdir()
        name = inputs.function_name
        return replace(self, inputs=inputs, part=name, application=application, temporary=folder, reports=[])

    @cached_property
    def arn(self) -> str:
        """The function's ARN, whether or not it exists."""
        return self.inputs.function_arn or self.clients.function_arn(self.inputs.function_name)

    @cached_property
    def resources(self) -> Resources:
        """What builds table, function, ledger and lock."""
        return Resources(self.clients, self.inputs.table, self.clock)

    @property
    def function(self) -> Function:
        """The function, whether or not it exists."""
        return self.resources.function(self.inputs.function_arn, self.inputs.function_name)

    @property
    def table(self) -> Table:
        """The table of lock and ledger."""
        return self.resources.table

    def heartbeat_table(self, lease: float) -> Table:
        """Make the same table for the heartbeat of a lease of ``lease`` seconds: no call of it can outlast that.

        Its client is its own, and not made before the first beat.
        """
        client = cache(lambda: self.clients.heart(min(2, lease / 4)))
        return Table(client, self.inputs.table, self.clock, reads_back=False)

    def location(self, arn: str) -> LedgerLocation:
        """Say where the lock and the ledger of the function ``arn`` are."""
        return LedgerLocation(arn, self.clients.resolve_region(), self.inputs.table)

    @property
    def name(self) -> str:
        """The job's name in its workflow; empty outside GitHub."""
        return self.environ.get("GITHUB_JOB", "")

    @property
    def origin(self) -> str:
        """What tells this step of this workflow from others, in all of its runs; empty: nothing does."""
        workflow = self.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0]
        where = (workflow, self.environ.get("GITHUB_JOB", ""), self.environ.get("GITHUB_ACTION", ""))
        # One step of a matrix may release several applications, from a file each.
        return " ".join((*where, self.inputs.application)).strip() if all(where) else ""

    @property
    def report_file(self) -> Path:
        """Where the results of verification are put for other tools."""
        name = "-".join(filter(None, ["junit", self.inputs.environment, self.part]))
        return self.context.temporary / "promote-on-success" / f"{name}.xml"

    def say(self, subject: str, text: str) -> None:
        """Write a line into the log, in two columns."""
        self.workflow.info(f"{subject:<9} {self.part}{': ' if self.part else ''}{text}")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase of the run. A phase within a phase, or of one function of several, is part of that."""
        if self.part or self.under_way:
            yield
            return
        now, started = self.clock.now(), self.clock.monotonic()
        self.under_way[:] = [name]
        try:
            yield
        finally:
            self.under_way.clear()
            self.phases.append(Phase(name, now, self.clock.monotonic() - started))
