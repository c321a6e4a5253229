"""HTTP checks against an endpoint."""

from typing import TYPE_CHECKING

from promote.check import HttpCheck, excerpt
from promote.clock import Clock
from promote.http import Answer, ask
from promote.model import CheckResult, Endpoint, Outcome

if TYPE_CHECKING:
    import requests

_LONGEST_ANSWER = 35.0
"""Seconds: API Gateway gives up on a function after 30."""

_PATIENCE, _PATIENCE_WHEN_NEW, _PATIENCE_WITH_ERRORS = 5.0, 30.0, 5.0
"""Seconds that an endpoint has to become reachable; a new one also to stop answering for a function it cannot reach."""


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
            return _result(
                check, started, clock, Outcome.INCONCLUSIVE, "verify-timeout was reached before it could run"
            )
        limit = min(_LONGEST_ANSWER, max(left, 0.1))
        answer = ask(session, endpoint, check.method, check.path, limit)
        waited = clock.monotonic() - started
        if waited + pause >= _patience(answer, endpoint) or waited + pause >= deadline - started:
            break
        clock.sleep(pause)
        pause = min(2 * pause, 2.0)
    detail = answer.trouble or _complaint(check, answer)
    if endpoint.is_new and answer.is_gateways_own:
        outcome = Outcome.INCONCLUSIVE
        detail = detail or f"status {answer.status} may be API Gateway's own: the endpoint has just been made"
    elif answer.is_unreachable or (answer.trouble and limit < _LONGEST_ANSWER):
        outcome = Outcome.INCONCLUSIVE  # it is not known what the function would have answered
    else:
        outcome = Outcome.FAILED if detail else Outcome.PASSED
    return _result(check, started, clock, outcome, detail, gateway_symptom=answer.is_gateways_own)


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
    return CheckResult(
        check.name, "http", outcome, clock.monotonic() - started, detail, gateway_symptom=gateway_symptom
    )
