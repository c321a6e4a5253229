"""Verification: every kind of check, side by side, summed up in one verdict."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from promote.core.clock import Clock
from promote.core.concurrency import map_concurrently
from promote.core.endpoint import Endpoint
from promote.core.redaction import Redactor
from promote.core.verdict import CheckResult, Outcome, Verdict
from promote.inputs.checks import HttpCheck, Invocation, first_path, telling_path
from promote.verification.http_checks import KIND as HTTP
from promote.verification.http_checks import Reach, run_check
from promote.verification.invocations import crash_of, run_invocation
from promote.verification.process import Surroundings, run_script
from promote.verification.pytest_suite import KIND, Suite, run_suite

if TYPE_CHECKING:
    import requests

    from promote.aws.lambda_function import Function

Results: TypeAlias = list[CheckResult]

_WIDTH = 16
"""Checks and commands at the same time."""

_NO_ENDPOINT = "the candidate has no endpoint"

_LONGEST_DETAIL = 300
"""Characters."""


@dataclass(frozen=True)
class Verification:
    """What to verify a candidate with."""

    checks: tuple[HttpCheck, ...]
    events: Mapping[Invocation, bytes]
    suite: Suite | None
    script: str
    """Of ``test-command``; empty: none."""
    around: Surroundings
    seconds: float
    """For all of it together."""
    session: "Callable[[], requests.Session]"
    function: "Function"
    clock: Clock
    redact: Redactor
    """Takes the values of the function's variables out of what its answers repeat."""

    @property
    def has_commands(self) -> bool:
        """Whether there are commands, which cannot tell an endpoint that is not there from a broken function."""
        return bool(self.suite or self.script)

    @property
    def needs_url(self) -> bool:
        """Whether it cannot do without an endpoint."""
        return bool(self.checks or self.suite)

    @property
    def needs_endpoint(self) -> bool:
        """Whether it goes through an endpoint, and not to the version alone."""
        return bool(self.checks or self.has_commands)

    def run(self, endpoint: Endpoint | None, version: str, *, endpoint_ok: bool = False) -> Verdict:
        """Verify ``version``, which ``endpoint`` shows, with all there is at the same time.

        ``is_reached``: a new endpoint was seen to reach the function. Results come in the order of tests, test-command,
        checks, invoke.
        """
        deadline = self.clock.monotonic() + self.seconds
        calls = [*self._commands(endpoint, version, deadline)]
        calls += self._requests(endpoint, version, deadline, endpoint_ok=endpoint_ok)
        try:
            results = map_concurrently(calls, _WIDTH)
        except BaseException:
            self.around.console.close()
            raise
        return Verdict.of(tuple(self._presentable(result) for group in results for result in group))

    def _commands(self, endpoint: Endpoint | None, version: str, deadline: float) -> Iterator[Callable[[], Results]]:
        url = endpoint.url if endpoint else ""
        facts = {**self.around.environ, "PROMOTE_URL": url, "PROMOTE_VERSION": version}
        around = replace(self.around, environ=facts)
        suite = self.suite
        if suite and endpoint:
            yield lambda: run_suite(suite, url, around, deadline)
        elif suite:
            yield lambda: [CheckResult("tests", KIND, Outcome.INCONCLUSIVE, 0, _NO_ENDPOINT)]
        if self.script:
            yield lambda: [run_script(self.script, around, deadline)]

    def crash(self, version: str, path: str) -> Verdict | None:
        """Return the verdict on a version that crashes when it is asked for ``path``; None: it is not seen to crash."""
        reason = crash_of(self.function, version, path)
        if not reason:
            return None
        check = CheckResult(f"GET {path}", HTTP, Outcome.FAILED, 0, reason)
        return Verdict.of((self._presentable(check),))

    def _requests(
        self, endpoint: Endpoint | None, version: str, deadline: float, *, endpoint_ok: bool
    ) -> Iterator[Callable[[], Results]]:
        if endpoint and self.checks:
            session = self.session()
            reach = Reach(session, endpoint, telling_path(self.checks), is_seen=endpoint_ok)

            def judged(check: HttpCheck) -> Results:
                result = run_check(check, session, endpoint, self.clock, deadline, reach)
                return [self._explained(check, result, version)]

            for check in self.checks:
                yield partial(judged, check)
        elif self.checks:
            # A check that was not made has not passed.
            yield lambda: [
                CheckResult(check.name, HTTP, Outcome.INCONCLUSIVE, 0, _NO_ENDPOINT) for check in self.checks
            ]
        for invocation, event in self.events.items():
            yield lambda invocation=invocation, event=event: [  # type: ignore[misc]
                run_invocation(invocation, event, self.function, version, self.clock)
            ]

    def _explained(self, check: HttpCheck, result: CheckResult, version: str) -> CheckResult:
        """Say why the function crashed; a crash is the function's, however new the endpoint is."""
        if result.outcome is Outcome.PASSED or not result.crash_symptom:
            return result
        path = check.path if check.method in ("GET", "HEAD") else first_path(self.checks)
        reason = crash_of(self.function, version, path)
        if not reason:
            return result
        return replace(result, outcome=Outcome.FAILED, detail=f"{result.detail}. {reason}")

    def _presentable(self, result: CheckResult) -> CheckResult:
        """Take secrets out of the detail, and then cut it to what people read."""
        hide = self.around.console.redact
        detail = hide(self.redact(result.detail))
        detail = detail if len(detail) <= _LONGEST_DETAIL else detail[:_LONGEST_DETAIL] + "…"
        return replace(result, name=hide(result.name), detail=detail)
