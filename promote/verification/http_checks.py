"""HTTP checks against an endpoint."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from promote.core.clock import Clock
from promote.core.concurrency import OneThread
from promote.core.endpoint import ERRORS_TIMEOUT, NEW_TIMEOUT, Endpoint
from promote.core.verdict import CheckResult, Outcome
from promote.inputs.checks import (
    Complaint,
    Expectation,
    HttpCheck,
    UnreadableError,
    excerpt,
    first_path,
    unambiguous_path,
    values_of,
)
from promote.inputs.model import Inputs
from promote.verification.check import EndpointUse, Results, Subject, no_endpoint
from promote.verification.crash import crash_of
from promote.verification.http_client import Response, ask

if TYPE_CHECKING:
    import requests

KIND = "http"

_LONGEST_RESPONSE = 35.0
"""Seconds. API Gateway's timeout for a function is 30 seconds."""

_TIMEOUT = 5.0
"""Seconds to wait for an existing endpoint."""


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
        return {self.input: [check.written for check in self.checks]}

    def secrets(self) -> Iterator[str]:
        """Yield the values of the queries."""
        for check in self.checks:
            yield from values_of(check.path)

    def calls(self, subject: Subject) -> Iterator[Callable[[], Results]]:
        """Yield one call per check."""
        endpoint = subject.endpoint
        if endpoint is None:
            # A check that did not run has not passed.
            yield lambda: [no_endpoint(check.name, KIND) for check in self.checks]
            return
        session = subject.session()
        reach = Reach(session, endpoint, unambiguous_path(self.checks), is_seen=subject.endpoint_ok)

        def judged(check: HttpCheck) -> Results:
            result = run_check(check, session, endpoint, subject.clock, subject.deadline, reach)
            return [self._explained(check, result, subject)]

        for check in self.checks:
            yield partial(judged, check)

    def _explained(self, check: HttpCheck, result: CheckResult, subject: Subject) -> CheckResult:
        """Add why the function crashed. A crash is a failure of the function, even if the endpoint is new."""
        if result.outcome is Outcome.PASSED or not result.crash_symptom:
            return result
        path = check.path if check.method in ("GET", "HEAD") else first_path(self.checks)
        left = subject.deadline - subject.clock.monotonic()
        reason = crash_of(subject.function, subject.version, path, left)
        if not reason:
            return result
        return replace(result, outcome=Outcome.FAILED, detail=f"{result.detail}. {reason}")


PROBE = HttpChecks((HttpCheck("GET", "/", None, Expectation(""), is_probe=True),))
"""Shows that a function without checks runs."""


class Reach:
    """Whether a new endpoint reaches the function. One response that only the function can return shows it.

    All checks of a verification share it. After that response, a 404 or 500 with API Gateway's message also counts as
    the function's.
    """

    def __init__(
        self, session: "requests.Session", endpoint: Endpoint, path: str = "/", *, is_seen: bool = False
    ) -> None:
        """Take the path of a request that shows it if the responses of the checks do not."""
        self.is_seen = is_seen or not endpoint.is_new
        self._session = session
        self._endpoint = endpoint
        self._path = path
        self._lock = threading.Lock()

    def note(self, response: Response) -> None:
        """Take a response into account."""
        self.is_seen = self.is_seen or response.is_functions_own

    def look(self, check: HttpCheck, clock: Clock, deadline: float) -> None:
        """Send a request to the path that may show it, unless ``check`` has sent the same."""
        if (check.method, check.path) == ("GET", self._path):
            return
        with self._lock:  # other checks may have waited for it before
            left = deadline - clock.monotonic()
            if left > 0 and not self.is_seen:
                self.note(ask(self._session, self._endpoint, "GET", self._path, _limit(left)))


def _limit(left: float) -> float:
    """Return the seconds for one request if ``left`` are left for all."""
    return min(_LONGEST_RESPONSE, max(left, 0.1))


def run_check(  # noqa: PLR0913, PLR0917 - what a check depends on
    check: HttpCheck,
    session: "requests.Session",
    endpoint: Endpoint,
    clock: Clock,
    deadline: float,
    reach: Reach | None = None,
) -> CheckResult:
    """Run one check. It is repeated only until the endpoint is reachable, and while API Gateway throttles it.

    ``deadline`` is on the clock's monotonic time. The checks of one verification share ``reach``.
    """
    reach = reach or Reach(session, endpoint)
    started = clock.monotonic()
    pause = 0.25
    while True:
        left = deadline - clock.monotonic()
        if left <= 0:
            why = "verify-timeout was reached before it could run"
            return CheckResult(check.name, KIND, Outcome.INCONCLUSIVE, clock.monotonic() - started, why, own=why)
        limit = _limit(left)
        endpoint_ok = reach.is_seen
        response = ask(session, endpoint, check.method, check.path, limit)
        reach.note(response)
        complaint, is_judged = _judged(check, response, deadline - clock.monotonic())
        complaint = complaint or _crash(endpoint, response)
        waited = clock.monotonic() - started
        patience = _patience(response, endpoint, endpoint_ok=endpoint_ok, is_as_expected=not complaint)
        if waited + pause >= patience or waited + pause >= deadline - started:
            break
        clock.sleep(pause)
        pause = min(2 * pause, 2.0)
        if not reach.is_seen:
            reach.look(check, clock, deadline)
    outcome = Outcome.FAILED if complaint else Outcome.PASSED
    may_be_late = response.trouble and limit < _LONGEST_RESPONSE
    if doubt := _doubt(response, complaint, endpoint_ok=endpoint_ok):
        outcome, complaint = Outcome.INCONCLUSIVE, doubt
    elif not is_judged or response.is_unreachable or may_be_late:
        outcome = Outcome.INCONCLUSIVE  # the response of the function is unknown
    return CheckResult(
        check.name,
        KIND,
        outcome,
        clock.monotonic() - started,
        str(complaint),
        gateway_symptom=response.is_gateways_own,
        crash_symptom=endpoint.gateway is not None and response.is_failure,
        own=complaint.own,
    )


def _doubt(response: Response, complaint: Complaint, *, endpoint_ok: bool) -> Complaint:
    """Return why the response may not be the function's; false if it is."""
    if response.cached:
        return Complaint("the response came from a cache, not from the function", f" ({response.cached})")
    if complaint and response.is_throttled:
        return Complaint("API Gateway throttled the requests until verify-timeout (status 429)")
    if not endpoint_ok and response.is_gateways_own:
        why = f"status {response.status} may come from API Gateway: the endpoint was just created"
        return complaint or Complaint(why)
    return Complaint()


def _patience(response: Response, endpoint: Endpoint, *, endpoint_ok: bool, is_as_expected: bool) -> float:
    """Return the seconds after the first request in which the check is repeated; 0 if the response is final."""
    if response.is_throttled and not is_as_expected:
        return math.inf  # until verify-timeout
    if response.is_unreachable:
        return NEW_TIMEOUT if endpoint.is_new else _TIMEOUT
    if not (endpoint.is_new and response.is_gateways_own):
        return 0
    if endpoint_ok:
        # Parts of API Gateway may know a new API later than others.
        return 0 if is_as_expected else _TIMEOUT
    # A function that crashes also returns 500, so the time is short.
    return ERRORS_TIMEOUT if response.status >= 500 else NEW_TIMEOUT  # noqa: PLR2004


def _crash(endpoint: Endpoint, response: Response) -> Complaint:
    """Return the reason if API Gateway responds because the function failed; false if the function responded.

    A check that expects 500 tests how the function reports an error. A crash is not such a report.
    """
    if endpoint.gateway is None or not response.is_failure:
        return Complaint()
    if response.is_bodiless:
        return Complaint("status 500 without a body: it may come from API Gateway, after a crash. Use GET")
    why = "status 500 comes from API Gateway: the function crashed, timed out, or returned an invalid response"
    return Complaint(why)


_reading = OneThread()
"""Has a body in memory as a whole. Python judges one at a time anyway, and each can be large."""


def _judged(check: HttpCheck, response: Response, left: float) -> tuple[Complaint, bool]:
    """Return why the response is not as expected, and whether that is known. It takes at most ``left`` seconds."""
    if response.trouble:
        return Complaint("", response.trouble), not response.is_unknown
    if status := _status_complaint(check, response):
        return Complaint(status, f": {excerpt(response.start)}"), True
    if check.is_probe or not check.expectation.expression:
        return Complaint(), True
    return _judged_body(check.expectation, response, left)


def _judged_body(expectation: Expectation, response: Response, left: float) -> tuple[Complaint, bool]:
    """Return the same for the body. Other large bodies are waited for."""
    if response.coding:
        coding = excerpt(response.coding.encode(), 40)
        why = f" {coding}, which the action did not accept and cannot decode"
        return Complaint("the response has the Content-Encoding", why), False

    def judged() -> tuple[Complaint, bool]:
        try:
            return expectation.complaint(response.whole()), True
        except UnreadableError as error:
            return Complaint(str(error)), False

    try:
        return _reading.result(max(0.0, left), judged)
    except TimeoutError:
        return Complaint("verify-timeout was reached while the responses were judged"), False


def _status_complaint(check: HttpCheck, response: Response) -> str:
    """Return how the status differs from what is expected; empty if it does not."""
    if check.is_probe:
        return f"status {response.status}" if response.status >= 500 else ""  # noqa: PLR2004
    if check.status is None:
        return "" if 200 <= response.status < 300 else f"status {response.status} instead of 2xx"  # noqa: PLR2004 - RFC 9110, 15.3
    return "" if response.status == check.status else f"status {response.status} instead of {check.status}"
