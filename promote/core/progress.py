"""The progress of a run: its phases, and the report of what is certain so far."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from promote.core.clock import Clock
from promote.core.report import Report
from promote.core.run import Result


@dataclass(frozen=True)
class Phase:
    """A phase of the run, for the chart in the job summary."""

    name: str
    started: datetime
    seconds: float


class Progress:
    """The progress of one run. It changes during the run, unlike the rest of a job."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.phases: list[Phase] = []
        """The phases that have ended."""
        self.current = ""
        """The name of the current phase; empty between phases."""
        self.certain = Report(Result.FAILED)
        """The report of what is certain so far. If an error or a signal ends the run, this is shown with its cause."""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase. A nested phase is part of the outer one."""
        if self.current:
            yield
            return
        now, started = self._clock.now(), self._clock.monotonic()
        self.current = name
        try:
            yield
        finally:
            self.current = ""
            self.phases.append(Phase(name, now, self._clock.monotonic() - started))
