"""HTTP checks against an endpoint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promote import __version__
from promote.check import HttpCheck, excerpt
from promote.clock import Clock
from promote.model import CheckResult, Endpoint, Outcome

if TYPE_CHECKING:
    import requests

_LONGEST_ANSWER = 35.0
"""Seconds: API Gateway gives up on a function after 30."""

_PATIENCE, _PATIENCE_WHEN_NEW, _PATIENCE_WITH_ERRORS = 5.0, 30.0, 5.0
"""Seconds that an endpoint has to become reachable; a new one also to stop answering for a function it cannot reach."""

_GATEWAY_MESSAGES: Mapping[int, str] = {
    403: "Forbidden",
    404: "Not Found",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""What API Gateway itself answers where the API, its mapping, its route, or the permission to invoke is missing."""


@dataclass(frozen=True)
class Answer:
    """What came back: a status, or why there was none."""

    status: int
    body: bytes
    trouble: str = ""
    is_unreachable: bool = False

    @property
    def is_gateways_own(self) -> bool:
        """Whether the endpoint itself may be at fault, and not the function behind it."""
        if self.is_unreachable:
            return True
        if self.status not in _GATEWAY_MESSAGES:
            return False
        try:
            return bool(json.loads(self.body) == {"message": _GATEWAY_MESSAGES[self.status]})
        except (ValueError, RecursionError):
            return False


def ask(session: "requests.Session", endpoint: Endpoint, method: str, path: str, limit: float) -> Answer:
    """Send one request, at most ``limit`` seconds long; redirects are answers, not followed."""
    import requests  # noqa: PLC0415 - the session's maker has loaded it

    headers = {"User-Agent": f"promote-on-success/{__version__}", "Cache-Control": "no-cache"}
    if endpoint.host:
        headers["Host"] = endpoint.host
    try:
        response = session.request(
            method, endpoint.address + path, headers=headers, timeout=(min(5, limit), limit), allow_redirects=False
        )
    except requests.ReadTimeout:
        return Answer(0, b"", f"no answer within {limit:.0f} seconds")
    except requests.RequestException as error:
        return Answer(0, b"", f"not reachable: {_cause(error)}", is_unreachable=True)
    return Answer(response.status_code, response.content)


def run_check(
    check: HttpCheck, session: "requests.Session", endpoint: Endpoint, clock: Clock, deadline: float
) -> CheckResult:
    """Run one check; it is repeated only while the endpoint is not reachable yet.

    ``deadline`` is on the clock's monotonic time.
    """
    started = clock.monotonic()
    pause = 0.25
    while True:
        left = deadline - clock.monotonic()
        if left <= 0:
            return _result(check, started, clock, Outcome.INCONCLUSIVE, "verify-timeout was reached before it could run")
        answer = ask(session, endpoint, check.method, check.path, min(_LONGEST_ANSWER, max(left, 0.1)))
        waited = clock.monotonic() - started
        if waited + pause >= _patience(answer, endpoint) or waited + pause >= deadline - started:
            break
        clock.sleep(pause)
        pause = min(2 * pause, 2.0)
    if answer.is_unreachable:
        outcome, detail = Outcome.INCONCLUSIVE, answer.trouble
    else:
        detail = answer.trouble or _complaint(check, answer)
        outcome = Outcome.FAILED if detail else Outcome.PASSED
    return _result(check, started, clock, outcome, detail, gateway_symptom=answer.is_gateways_own and bool(detail))


def _patience(answer: Answer, endpoint: Endpoint) -> float:
    """Give the seconds from the first request within which another one is worth while; 0: the answer stands."""
    if answer.is_unreachable:
        return _PATIENCE_WHEN_NEW if endpoint.is_new else _PATIENCE
    if not (endpoint.is_new and answer.is_gateways_own):
        return 0
    # A function that crashes shows as 500 too, so that one is not given long.
    return _PATIENCE_WITH_ERRORS if answer.status >= 500 else _PATIENCE_WHEN_NEW  # noqa: PLR2004


def _complaint(check: HttpCheck, answer: Answer) -> str:
    if check.status is None:
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
            return f"status {answer.status} instead of 2xx: {excerpt(answer.body)}"
    elif answer.status != check.status:
        return f"status {answer.status} instead of {check.status}: {excerpt(answer.body)}"
    return check.expectation.complaint(answer.body)


def _result(  # noqa: PLR0913 - a result's parts
    check: HttpCheck, started: float, clock: Clock, outcome: Outcome, detail: str, *, gateway_symptom: bool = False
) -> CheckResult:
    return CheckResult(check.name, "http", outcome, clock.monotonic() - started, detail, gateway_symptom)


def _cause(error: Exception) -> str:
    """Give the innermost reason: the outer ones repeat the URL and object addresses."""
    reason: BaseException = error
    while (inner := reason.__cause__ or reason.__context__) is not None:
        reason = inner
    return " ".join(str(reason).split()) or type(reason).__name__
