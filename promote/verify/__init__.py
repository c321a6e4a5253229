"""Verification: every kind of check, side by side, summed up in one verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promote.check import HttpCheck, Invocation
from promote.clock import Clock
from promote.model import CheckResult, Endpoint, Verdict
from promote.parallel import gather
from promote.redaction import Redactor
from promote.verify.checks import run_check
from promote.verify.invoke import run_invocation

if TYPE_CHECKING:
    import requests

    from promote.function import Function

_WIDTH = 16
"""Checks at the same time."""

_LONGEST_DETAIL = 300
"""Characters."""


@dataclass(frozen=True)
class Verification:
    """What to verify a candidate with."""

    checks: tuple[HttpCheck, ...]
    events: Mapping[Invocation, bytes]
    seconds: float
    """For all of it together."""
    session: "Callable[[], requests.Session]"
    function: "Function"
    clock: Clock
    redact: Redactor
    """Takes the values of the function's variables out of what its answers repeat."""

    def run(self, endpoint: Endpoint | None, version: str) -> Verdict:
        """Send the checks to ``endpoint`` and the events to ``version``; results come in the inputs' order."""
        deadline = self.clock.monotonic() + self.seconds
        jobs: list[Callable[[], CheckResult]] = []
        if endpoint and self.checks:
            session = self.session()
            jobs += [
                lambda check=check: run_check(check, session, endpoint, self.clock, deadline)  # type: ignore[misc]
                for check in self.checks
            ]
        jobs += [
            lambda invocation=invocation, event=event: run_invocation(  # type: ignore[misc]
                invocation, event, self.function, version, self.clock
            )
            for invocation, event in self.events.items()
        ]
        return Verdict.of(tuple(self._presentable(result) for result in gather(jobs, _WIDTH)))

    def _presentable(self, result: CheckResult) -> CheckResult:
        """Take secrets out of the detail, and then cut it to what people read."""
        detail = self.redact(result.detail)
        return replace(result, detail=detail if len(detail) <= _LONGEST_DETAIL else detail[:_LONGEST_DETAIL] + "…")
