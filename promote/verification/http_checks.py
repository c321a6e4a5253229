"""HTTP checks against an endpoint."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from promote.core.clock import Clock
from promote.core.endpoint import Endpoint
from promote.core.verdict import CheckResult, Outcome
from promote.inputs.checks import Expectation, HttpCheck, excerpt, first_path, telling_path
from promote.inputs.model import Inputs
from promote.verification.check import EndpointUse, Results, Subject, no_endpoint
from promote.verification.crash import crash_of
from promote.verification.http_client import Answer, ask

if TYPE_CHECKING:
    import requests

KIND = "http"

_LONGEST_ANSWER = 35.0
"""Seconds: API Gateway gives up on a function after 30."""

_PATIENCE, _PATIENCE_WHEN_NEW, _PATIENCE_WITH_ERRORS = 5.0, 30.0, 5.0
"""Seconds that an endpoint has to become reachable; a new one also to stop answering for a function it cannot reach."""


@dataclass(frozen=True)
class HttpChecks:
    """Requests to the candidate's endpoint: the input ``checks``."""

    input: ClassVar[str] = "checks"
    endpoint_use: ClassVar[EndpointUse] = EndpointUse.REQUIRED
    is_command: ClassVar[bool] = False

    checks: tuple[HttpCheck, ...]

    @classmethod
    def parse(cls, inputs: Inputs, workspace: Path) -> Self | None:  # noqa: ARG003 - they name no file
        """Return the checks."""
        return cls(inputs.checks) if inputs.checks else None

    def digest(self) -> Mapping[str, object]:
        """Return the checks as they are written."""
        return {self.input: [check.name for check in self.checks]}

    def calls(self, subject: Subject) -> Iterator[Callable[[], Results]]:
        """Yield one call per check."""
        endpoint = subject.endpoint
        if endpoint is None:
            # A check that was not made has not passed.
            yield lambda: [no_endpoint(check.name, KIND) for check in self.checks]
            return
        session = subject.session()
        reach = Reach(session, endpoint, telling_path(self.checks), is_seen=subject.endpoint_ok)

        def judged(check: HttpCheck) -> Results:
            result = run_check(check, session, endpoint, subject.clock, subject.deadline, reach)
            return [self._explained(check, result, subject)]

        for check in self.checks:
            yield partial(judged, check)

    def _explained(self, check: HttpCheck, result: CheckResult, subject: Subject) -> CheckResult:
        """Say why the function crashed; a crash is the function's, however new the endpoint is."""
        if result.outcome is Outcome.PASSED or not result.crash_symptom:
            return result
        path = check.path if check.method in ("GET", "HEAD") else first_path(self.checks)
        reason = crash_of(subject.function, subject.version, path)
        if not reason:
            return result
        return replace(result, outcome=Outcome.FAILED, detail=f"{result.detail}. {reason}")


PROBE = HttpChecks((HttpCheck("GET", "/", None, Expectation(""), is_probe=True),))
"""Shows that a function runs that has no checks of its own."""


class Reach:
    """Whether a new endpoint was seen to reach the function: by one answer that only the function can have given.

    All checks of a verification share it. From then on, a 404 or 500 in API Gateway's words is the function's, too.
    """

    def __init__(
        self, session: "requests.Session", endpoint: Endpoint, path: str = "/", *, is_seen: bool = False
    ) -> None:
        """Take the path to ask for when no check's own answer tells."""
        self.is_seen = is_seen or not endpoint.is_new
        self._session = session
        self._endpoint = endpoint
        self._path = path
        self._lock = threading.Lock()

    def note(self, answer: Answer) -> None:
        """Take an answer into account."""
        self.is_seen = self.is_seen or answer.is_functions_own

    def look(self, check: HttpCheck, limit: float) -> None:
        """Ask for a path that may tell more than ``check`` does, if it is another one."""
        if (check.method, check.path) == ("GET", self._path):
            return
        with self._lock:
            if not self.is_seen:
                self.note(ask(self._session, self._endpoint, "GET", self._path, limit))


def run_check(  # noqa: PLR0913, PLR0917 - what a check depends on
    check: HttpCheck,
    session: "requests.Session",
    endpoint: Endpoint,
    clock: Clock,
    deadline: float,
    reach: Reach | None = None,
) -> CheckResult:
    """Run one check; it is repeated only while the endpoint is not reachable yet.

    ``deadline`` is on the clock's monotonic time. ``reach`` is what the checks of one verification share.
    """
    reach = reach or Reach(session, endpoint)
    started = clock.monotonic()
    pause = 0.25
    while True:
        left = deadline - clock.monotonic()
        if left <= 0:
            detail = "verify-timeout was reached before it could run"
            return CheckResult(check.name, KIND, Outcome.INCONCLUSIVE, clock.monotonic() - started, detail)
        limit = min(_LONGEST_ANSWER, max(left, 0.1))
        endpoint_ok = reach.is_seen
        answer = ask(session, endpoint, check.method, check.path, limit)
        reach.note(answer)
        complaint = answer.trouble or _complaint(check, answer) or _crash(endpoint, answer)
        waited = clock.monotonic() - started
        patience = _patience(answer, endpoint, endpoint_ok=endpoint_ok, is_as_expected=not complaint)
        if waited + pause >= patience or waited + pause >= deadline - started:
            break
        clock.sleep(pause)
        pause = min(2 * pause, 2.0)
        if not reach.is_seen:
            reach.look(check, limit)
    outcome, detail = Outcome.FAILED if complaint else Outcome.PASSED, complaint
    if answer.cached:
        outcome, detail = Outcome.INCONCLUSIVE, f"the answer came from a cache, not from the function ({answer.cached})"
    elif not endpoint_ok and answer.is_gateways_own:
        outcome = Outcome.INCONCLUSIVE
        detail = detail or f"status {answer.status} may be API Gateway's own: the endpoint has just been made"
    elif answer.is_unreachable or (answer.trouble and limit < _LONGEST_ANSWER):
        outcome = Outcome.INCONCLUSIVE  # it is not known what the function would have answered
    return CheckResult(
        check.name,
        KIND,
        outcome,
        clock.monotonic() - started,
        detail,
        gateway_symptom=answer.is_gateways_own,
        crash_symptom=endpoint.gateway is not None and answer.is_failure,
    )


def _patience(answer: Answer, endpoint: Endpoint, *, endpoint_ok: bool, is_as_expected: bool) -> float:
    """Give the seconds from the first request within which another one is worth while; 0: the answer stands."""
    if answer.is_unreachable:
        return _PATIENCE_WHEN_NEW if endpoint.is_new else _PATIENCE
    if not (endpoint.is_new and answer.is_gateways_own):
        return 0
    if endpoint_ok:
        # Parts of API Gateway may learn of a new API later than others.
        return 0 if is_as_expected else _PATIENCE
    # A function that crashes shows as 500 too, so that one is not given long.
    return _PATIENCE_WITH_ERRORS if answer.status >= 500 else _PATIENCE_WHEN_NEW  # noqa: PLR2004


def _crash(endpoint: Endpoint, answer: Answer) -> str:
    """Return what to say if API Gateway answers in place of a function that failed; empty: the function answered.

    A check that expects 500 asks how the function reports an error. A crash is no such report.
    """
    if endpoint.gateway is None or not answer.is_failure:
        return ""
    if answer.is_bodiless:
        return "status 500 without a body: it may be API Gateway's own, after a crash. Use GET"
    return "status 500 is API Gateway's own: the function crashed, timed out, or returned no valid answer"


def _complaint(check: HttpCheck, answer: Answer) -> str:
    if check.is_probe:
        return "" if answer.status < 500 else f"status {answer.status}: {excerpt(answer.body)}"  # noqa: PLR2004
    if check.status is None:
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
            return f"status {answer.status} instead of 2xx: {excerpt(answer.body)}"
    elif answer.status != check.status:
        return f"status {answer.status} instead of {check.status}: {excerpt(answer.body)}"
    return check.expectation.complaint(answer.body)
