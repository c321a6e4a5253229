"""Verification: all kinds of check run in parallel, and produce one verdict."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promote.core.clock import Clock
from promote.core.concurrency import map_concurrently
from promote.core.endpoint import Endpoint
from promote.core.redaction import Redactor
from promote.core.verdict import CheckResult, Outcome, Verdict
from promote.inputs.checks import without_values
from promote.verification.check import Check, EndpointUse, Subject
from promote.verification.crash import crash_of
from promote.verification.http_checks import KIND as HTTP
from promote.verification.process import CommandContext

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from promote.aws.lambda_function import Function

_WIDTH = 16
"""Checks and commands that run in parallel."""

_LONGEST_DETAIL = 300
"""Characters."""


@dataclass(frozen=True)
class Verification:
    """The checks of a candidate, and what they run with."""

    checks: tuple[Check, ...]
    context: CommandContext
    seconds: float
    """The time limit of all checks together, in seconds."""
    session: "Callable[[], requests.Session]"
    function: "Function"
    clock: Clock
    redact: Redactor
    """Removes the values of the function's variables, and what the checks send, from details of responses."""

    @property
    def has_commands(self) -> bool:
        """Whether there are commands, which cannot distinguish a missing endpoint from a broken function."""
        return any(check.is_command for check in self.checks)

    @property
    def needs_url(self) -> bool:
        """Whether a check requires an endpoint."""
        return any(check.endpoint_use is EndpointUse.REQUIRED for check in self.checks)

    @property
    def at_endpoint(self) -> frozenset[str]:
        """The inputs whose checks use an endpoint, if there is one."""
        return frozenset(check.input for check in self.checks if check.endpoint_use is not EndpointUse.NONE)

    @property
    def needs_endpoint(self) -> bool:
        """Whether a check uses an endpoint, if there is one."""
        return bool(self.at_endpoint)

    def run(self, endpoint: Endpoint | None, version: str, *, endpoint_ok: bool = False) -> Verdict:
        """Run all checks of ``version``, which ``endpoint`` invokes. Return the verdict.

        ``endpoint_ok`` says whether a new endpoint has already returned a response of the function.
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
            context=replace(self.context, environ={**self.context.environ, **facts}),
        )
        calls = [call for check in self.checks for call in check.calls(subject)]
        try:
            results = map_concurrently(calls, _WIDTH)
        except BaseException:
            self.context.console.close()
            raise
        return Verdict.of(tuple(self._presentable(result) for group in results for result in group))

    def crash(self, version: str, path: str) -> Verdict | None:
        """Return the verdict on a version that crashes at a GET of ``path``; None if no crash is known."""
        reason = crash_of(self.function, version, path, self.seconds)
        if not reason:
            return None
        check = CheckResult(f"GET {without_values(path)}", HTTP, Outcome.FAILED, 0, reason)
        return Verdict.of((self._presentable(check),))

    def _presentable(self, result: CheckResult) -> CheckResult:
        """Redact secrets in the detail, and then shorten it.

        The values of variables are not redacted in what the action itself says. They may be any words.
        """
        hide, hide_own = self.context.console.redact, self.context.console.redact_own
        detail = hide_own(result.own) + hide(self.redact(result.detail.removeprefix(result.own)))
        detail = detail if len(detail) <= _LONGEST_DETAIL else detail[:_LONGEST_DETAIL] + "…"
        # The names of tests are text from outside.
        name = (hide if result.file else hide_own)(result.name)
        return replace(result, name=name, detail=detail, own="")
