"""Repeat calls that AWS refuses only for the moment: it throttles them, or a new role has not reached Lambda yet.

Such a call had no effect, so it is safe to repeat it. Throttled calls are common: all control-plane calls of an account
and region share one request quota (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promote.aws.confirmation import mark_response_lost, may_have_taken_effect
from promote.aws.errors import (
    code_of,
    is_throttled,
    is_throttled_response,
    lacks_reserved_concurrency,
    message_of,
    note_wait,
)
from promote.core.clock import Clock

if TYPE_CHECKING:
    from botocore.client import BaseClient

THROTTLED, NEW_ROLE, RESERVED = 600.0, 300.0, 60.0
"""Seconds for which one call is repeated while AWS throttles it, while Lambda cannot use a new role, and while the
function has no reserved concurrency left. If that is 0, no invocation succeeds."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 20.0
"""Seconds between two attempts, on average."""

_OF_NEW_ROLES = (
    "The role defined for the function cannot be assumed by Lambda",
    "The provided execution role does not have permissions",
    "the KMS key is invalid for CreateGrant",
)
"""Parts of Lambda's messages for a role, or a policy of it, that has not reached all of AWS yet.

Terraform waits for the same messages, and for "throttled by EC2", for five minutes:
https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/lambda/function.go (retryFunctionOp).
"""


@dataclass(frozen=True)
class _Reason:
    """Why a call is repeated."""

    kind: str
    """What the log names once."""
    text: str
    longest: float
    """The seconds for which one call is repeated."""


class Patience:
    """Repeats the calls of one run. Thread-safe. The first wait of each kind is logged."""

    def __init__(
        self,
        clock: Clock,
        chance: Callable[[], float],
        say: Callable[[str, str], None],
        longest: float = THROTTLED,
    ) -> None:
        """``chance`` returns numbers from 0 to 1, ``say`` writes a line by subject and text, ``longest`` is seconds."""
        self._clock = clock
        self._chance = chance
        self._say = say
        self._longest = longest
        self._logged: set[str] = set()
        self._lock = threading.Lock()

    def call(
        self,
        call: Callable[..., Any],
        guard: Callable[[], None],
        until: float,
        again: Callable[[], None] = lambda: None,
        **arguments: Any,
    ) -> Any:
        """Make a call, and repeat it while AWS refuses it only for the moment.

        ``guard`` is called before each repetition. If it raises, the call is not repeated. ``until`` is the end of all
        attempts, in the clock's monotonic time. ``again`` is called right before each repetition, if no earlier attempt
        may have taken effect.
        """
        started = self._clock.monotonic()
        pause = _FIRST_PAUSE
        is_response_lost = False
        while True:
            try:
                return call(**arguments)
            except Exception as error:
                if is_response_lost:
                    mark_response_lost(error)
                reason = self._reason(error)
                if reason is None:
                    raise
                now = self._clock.monotonic()
                left = min(started + reason.longest, until) - now
                if left <= 0:
                    note_wait(error, now - started)
                    raise
                # An attempt of the same call may have taken effect before this one was refused.
                is_response_lost = may_have_taken_effect(error)
                self._log_once(reason, left)
                self._clock.sleep(min(left, max(_wanted(error), pause * (0.5 + self._chance()))))
                try:
                    guard()
                except Exception as stop:
                    if is_response_lost:
                        raise error from stop  # the caller reads back whether the write took effect
                    raise
                pause = min(_LONGEST_PAUSE, 2 * pause)
                _rewind(arguments)
                if not is_response_lost:
                    again()

    def _reason(self, error: Exception) -> _Reason | None:
        """Return why the call may be repeated; None if ``error`` is final."""
        if lacks_reserved_concurrency(error):
            return _Reason(
                "reserved concurrency",
                f"No reserved concurrency of the function is left ({_named(error)})",
                min(self._longest, RESERVED),
            )
        if is_throttled(error):
            return _Reason("throttling", f"AWS throttles {_named(error)}", min(self._longest, THROTTLED))
        if code_of(error) == "InvalidParameterValueException":
            message = message_of(error)  # type: ignore[arg-type] # it has a code, so it is a ClientError
            if any(part in message for part in _OF_NEW_ROLES):
                return _Reason("new role", "Lambda cannot use the function's role yet", min(self._longest, NEW_ROLE))
        return None

    def _log_once(self, reason: _Reason, left: float) -> None:
        with self._lock:
            is_new = reason.kind not in self._logged
            self._logged.add(reason.kind)
        if is_new:
            how_long = f"{left / 60:.0f} minutes" if left >= 90 else f"{left:.0f} seconds"  # noqa: PLR2004 - rounding
            self._say("wait", f"{reason.text}: repeating such calls, each for up to {how_long}")


def leave_throttling_to_us(client: "BaseClient", attempts: int) -> None:
    """Make ``client`` raise the error of a throttled attempt at once. Other attempts it still repeats itself.

    botocore would give up after ``attempts`` attempts, wait on its own clock, and use up the quota of its retries.
    """
    from botocore.retries import standard  # noqa: PLC0415 - a client has loaded it

    service = client.meta.service_model.service_id.hyphenize()
    event, unique = f"needs-retry.{service}", f"retry-config-{service}"
    client.meta.events.unregister(event, unique_id=unique)
    decide = standard.register_retry_handler(client, attempts).needs_retry
    client.meta.events.unregister(event, unique_id=unique)

    def needs_retry(response: Any = None, **others: Any) -> Any:
        if response is not None and is_throttled_response(response[1]):
            return None
        return decide(response=response, **others)

    client.meta.events.register(event, needs_retry, unique_id=unique)


def _named(error: Exception) -> str:
    """Return the operation and the code, as text. The message of an error may have values of the request."""
    reason = (getattr(error, "response", None) or {}).get("Reason", "")
    return f"{getattr(error, 'operation_name', 'a call')} ({': '.join(filter(None, [code_of(error), str(reason)]))})"


def _wanted(error: Exception) -> float:
    """Return the seconds that AWS asks to wait; 0 if it does not say so. More than a minute is not believed."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    text = response.get("retryAfterSeconds") or response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get(
        "retry-after", ""
    )
    return min(60.0, float(text)) if str(text).isdecimal() else 0.0


def _rewind(arguments: Mapping[str, Any]) -> None:
    """Move open files to their start, for the next attempt."""
    for value in arguments.values():
        if isinstance(value, Mapping):
            _rewind(value)
        elif hasattr(value, "seek"):
            value.seek(0)
