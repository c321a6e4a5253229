"""Verification: every kind of check, side by side, summed up in one verdict."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promote.core.clock import Clock
from promote.core.concurrency import map_concurrently
from promote.core.endpoint import Endpoint
from promote.core.redaction import Redactor
from promote.core.verdict import CheckResult, Outcome, Verdict
from promote.verification.check import Check, EndpointUse, Subject
from promote.verification.crash import crash_of
from promote.verification.http_checks import KIND as HTTP
from promote.verification.process import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from promote.aws.lambda_function import Function

_WIDTH = 16
"""Checks and commands at the same time."""

_LONGEST_DETAIL = 300
"""Characters."""


@dataclass(frozen=True)
class Verification:
    """What to verify a candidate with."""

    checks: tuple[Check, ...]
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
        return any(check.is_command for check in self.checks)

    @property
    def needs_url(self) -> bool:
        """Whether it cannot do without an endpoint."""
        return any(check.endpoint_use is EndpointUse.REQUIRED for check in self.checks)

    @property
    def needs_endpoint(self) -> bool:
        """Whether it goes through an endpoint, and not to the version alone."""
        return any(check.endpoint_use is not EndpointUse.NONE for check in self.checks)

    def run(self, endpoint: Endpoint | None, version: str, *, endpoint_ok: bool = False) -> Verdict:
        """Verify ``version``, which ``endpoint`` shows, with all there is at the same time.

        ``endpoint_ok``: a new endpoint was seen to reach the function.
        """
        facts = {"PROMOTE_URL": endpoint.url if endpoint else "", "PROMOTE_VERSION": version}
        subject = Subject(
            function=self.function,
            version=version,
            endpoint=endpoint,
            endpoint_ok=endpoint_ok,
            deadline=self.clock.monotonic() + self.seconds,
            clock=self.clock,
            session=self.session,
            around=replace(self.around, environ={**self.around.environ, **facts}),
        )
        calls = [call for check in self.checks for call in check.calls(subject)]
        try:
            results = map_concurrently(calls, _WIDTH)
        except BaseException:
            self.around.console.close()
            raise
        return Verdict.of(tuple(self._presentable(result) for group in results for result in group))

    def crash(self, version: str, path: str) -> Verdict | None:
        """Return the verdict on a version that crashes when it is asked for ``path``; None: it is not seen to crash."""
        reason = crash_of(self.function, version, path)
        if not reason:
            return None
        check = CheckResult(f"GET {path}", HTTP, Outcome.FAILED, 0, reason)
        return Verdict.of((self._presentable(check),))

    def _presentable(self, result: CheckResult) -> CheckResult:
        """Take secrets out of the detail, and then cut it to what people read."""
        hide = self.around.console.redact
        detail = hide(self.redact(result.detail))
        detail = detail if len(detail) <= _LONGEST_DETAIL else detail[:_LONGEST_DETAIL] + "…"
        return replace(result, name=hide(result.name), detail=detail)
