"""Everything that one run works with: its inputs and every effect, brought together once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from promote.aws import Clients
from promote.clock import Clock
from promote.context import Context
from promote.inputs import Inputs
from promote.model import Phase, Run
from promote.report import Report
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
    temporary: Path
    """A folder of this run's own."""
    phases: list[Phase] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    """What is certain so far, newest last: what is told of a run that comes to a sudden end."""

    def say(self, subject: str, text: str) -> None:
        """Write a line into the log, in two columns."""
        self.workflow.say(f"{subject:<9} {text}")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Take the time of a part of the run."""
        now, started = self.clock.now(), self.clock.monotonic()
        try:
            yield
        finally:
            self.phases.append(Phase(name, now, self.clock.monotonic() - started))
