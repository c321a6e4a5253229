"""Whether a write that ended with an error may have taken effect."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)

from promote.aws.confirmation import confirmed, may_have_taken_effect, note
from promote.core.errors import LockError, UnconfirmedError

URL = "https://lambda.eu-west-1.amazonaws.com/"

REFUSED, THROTTLED, FAILED = 412, 429, 500
CUT, UNSENT, LATE = "cut", "unsent", "late"


def ended(*attempts: int | str) -> Exception:
    """Return botocore's error of a call after ``attempts``, each a status or its outcome."""
    context: dict[str, Any] = {}
    error: Exception | None = None
    for attempt in attempts:
        if isinstance(attempt, int):
            response: Any = {"Error": {"Code": str(attempt)}, "ResponseMetadata": {"HTTPStatusCode": attempt}}
            note(context, parsed_response=response, exception=None)
            error = ClientError(response, "UpdateAlias")
        else:
            error = {
                CUT: ConnectionClosedError(endpoint_url=URL),
                UNSENT: EndpointConnectionError(endpoint_url=URL),
                LATE: ReadTimeoutError(endpoint_url=URL),
            }[attempt]
            note(context, parsed_response=None, exception=error)
    assert error is not None
    return error


@pytest.mark.parametrize(
    "attempts",
    [(CUT,), (LATE,), (FAILED,), (CUT, REFUSED), (FAILED, THROTTLED), (LATE, UNSENT), (THROTTLED, CUT, THROTTLED)],
)
def test_a_write_with_an_attempt_that_was_not_answered_may_have_taken_effect(attempts: tuple[int | str, ...]) -> None:
    assert may_have_taken_effect(ended(*attempts))


@pytest.mark.parametrize("attempts", [(REFUSED,), (THROTTLED, REFUSED), (UNSENT,), (UNSENT, THROTTLED)])
def test_a_write_of_which_each_attempt_was_refused_or_never_sent_has_not(attempts: tuple[int | str, ...]) -> None:
    assert not may_have_taken_effect(ended(*attempts))


def test_what_does_not_tell_is_unknown_and_what_came_before_the_call_is_not() -> None:
    assert may_have_taken_effect(OSError("anything"))
    assert not may_have_taken_effect(ParamValidationError(report="wrong"))
    assert not may_have_taken_effect(LockError("lost", hint="again"))


def failing(error: Exception) -> Callable[[], str]:
    def fail() -> str:
        raise error

    return fail


def test_an_unknown_effect_is_read_back() -> None:
    assert confirmed(lambda: "answer", failing(AssertionError()), "it") == "answer"
    assert confirmed(failing(ended(CUT, REFUSED)), lambda: "found", "it") == "found"
    with pytest.raises(ClientError):  # it does not exist
        confirmed(failing(ended(CUT, REFUSED)), lambda: None, "it")
    with pytest.raises(ClientError):  # a definite refusal needs no read
        confirmed(failing(ended(REFUSED)), failing(AssertionError()), "it")
    with pytest.raises(UnconfirmedError, match=r"^it may be there: AWS did not confirm it .* cannot be read"):
        confirmed(failing(ended(CUT)), failing(ended(FAILED)), "it may be there")
