"""Everything that one run works with: its inputs, and the objects through which it has effects."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from promote.aws.clients import Clients
from promote.aws.dynamodb import Table
from promote.aws.lambda_function import Function
from promote.core.clock import Clock
from promote.core.progress import Progress
from promote.core.report import Report
from promote.core.run import Run
from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState, LedgerLocation
from promote.github.actions.log import ActionsLog
from promote.inputs.model import Inputs
from promote.pipeline.resources import Resources

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True)
class Job:
    """The inputs of a run, or of one function in it, and the clients and the state that it uses."""

    inputs: Inputs
    context: Context
    run: Run
    workflow: ActionsLog
    clock: Clock
    clients: Clients
    session: "Callable[[], requests.Session]"
    """The HTTP session. It is made at the first use."""
    chance: Callable[[], float]
    """Random numbers from 0 to 1, so that waiting runs do not read the lock at the same time."""
    environ: Mapping[str, str] = field(repr=False)
    """The step's environment variables, for the user's commands."""
    state: JobState
    """The state that the steps of this job share."""
    temporary: Path
    """A temporary folder of this run."""
    progress: Progress
    part: str = ""
    """The function that this job is about, if the release has several; empty for the whole release."""
    application: str = ""
    """Digest of the functions that are released together; empty for one function."""

    def of_part(self, inputs: Inputs, application: str) -> "Job":
        """Return the job for one function of several, with its own folder. It shares the progress of the run."""
        folder = self.temporary / inputs.function_name
        folder.mkdir()
        return replace(self, inputs=inputs, part=inputs.function_name, application=application, temporary=folder)

    def of_parts(self, application: str = "") -> list["Job"]:
        """Return the job of each function (see ``of_part``), or this job itself if there is only one function."""
        return [self.of_part(inputs, application) for inputs in self.inputs.parts] or [self]

    @property
    def place(self) -> str:
        """The environment with the functions that this job is about, as messages show it."""
        return f"{self.inputs.environment} of {self.inputs.names}"

    @cached_property
    def arn(self) -> str:
        """The function's ARN, whether or not it exists."""
        return self.inputs.function_arn or self.clients.function_arn(self.inputs.function_name)

    @cached_property
    def resources(self) -> Resources:
        """What builds table, function, gateways, ledger and lock."""
        return Resources(self.clients, self.inputs.table, self.clock)

    @property
    def function(self) -> Function:
        """The function, whether or not it exists."""
        return self.resources.function(self.inputs.function_arn, self.inputs.function_name)

    @property
    def table(self) -> Table:
        """The table of lock and ledger."""
        return self.resources.table

    def location(self, arn: str) -> LedgerLocation:
        """Return the location of the lock and the ledger of the function ``arn``."""
        return LedgerLocation(arn, self.clients.resolve_region(), self.inputs.table)

    @property
    def name(self) -> str:
        """The job's name in its workflow; empty outside GitHub."""
        return self.environ.get("GITHUB_JOB", "")

    @property
    def origin(self) -> str:
        """The identity of this workflow step, the same in all its runs; empty if it is not known."""
        workflow = self.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0]
        where = (workflow, self.environ.get("GITHUB_JOB", ""), self.environ.get("GITHUB_ACTION", ""))
        # One step of a matrix may release several applications, each from its own file.
        return " ".join((*where, self.inputs.application)).strip() if all(where) else ""

    @property
    def report_file(self) -> Path:
        """The JUnit file with the results of the verification, for other tools."""
        name = "-".join(filter(None, ["junit", self.inputs.environment, self.part]))
        return self.context.temporary / "promote-on-success" / f"{name}.xml"

    def say(self, subject: str, text: str) -> None:
        """Write a line with two columns to the log."""
        self.workflow.info(f"{subject:<9} {self.part}{': ' if self.part else ''}{text}")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase of the run. A phase of one function of several is part of the run's phase."""
        with nullcontext() if self.part else self.progress.phase(name):
            yield

    def keep_certain(self, report: Report) -> None:
        """Keep ``report`` for the case that an error or a signal ends the run now."""
        if not self.part:
            self.progress.certain = report
