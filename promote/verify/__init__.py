"""Verification: every kind of check, side by side, summed up in one verdict."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promote.check import HttpCheck, Invocation
from promote.clock import Clock
from promote.model import CheckResult, Endpoint, Verdict
from promote.verify.checks import run_check
from promote.verify.invoke import run_invocation

if TYPE_CHECKING:
    import requests

    from promote.function import Function

_WIDTH = 16
"""Checks at the same time."""


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
        if not jobs:
            return Verdict.of(())
        with ThreadPoolExecutor(min(_WIDTH, len(jobs)), thread_name_prefix="verify") as pool:
            return Verdict.of(tuple(pool.map(lambda job: job(), jobs)))
