"""Invocations of the version: they end with the verification."""

import json
import time
from base64 import b64encode
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ReadTimeoutError

from promote.core.clock import SystemClock
from promote.core.verdict import Outcome
from promote.inputs.checks import Expectation, Invocation
from promote.verification.check import Subject
from promote.verification.crash import crash_of
from promote.verification.invocations import Event, run_invocation, texts_of
from tests.clock import Time

NOTHING = Event.of(b"{}")


class Slow:
    """A function that responds after some time, or with a payload."""

    def __init__(self, seconds: float = 0, payload: bytes = b"{}") -> None:
        self._seconds, self._payload = seconds, payload

    def invoke(self, version: str, _event: bytes, until: float) -> tuple[bytes, str, str]:
        del until
        time.sleep(self._seconds)
        return self._payload, "", version


def subject(function: Slow, seconds: float) -> Subject:
    clock = SystemClock()
    facts = SimpleNamespace(function=function, version="1", clock=clock, deadline=clock.monotonic() + seconds)
    return cast("Subject", facts)


@pytest.mark.parametrize(
    ("seconds", "detail"),
    [
        (0.3, "verify-timeout was reached before the function responded"),
        (-1, "verify-timeout was reached before it could run"),
    ],
)
def test_an_invocation_ends_with_the_verification(seconds: float, detail: str) -> None:
    found = run_invocation(Invocation("event.json", Expectation("")), NOTHING, subject(Slow(20), seconds))
    assert (found.outcome, found.detail) == (Outcome.INCONCLUSIVE, detail)
    assert found.seconds < 1.3


class Unreachable:
    """A function whose client gives up after some time."""

    def __init__(self, clock: Time) -> None:
        self._clock = clock

    def invoke(self, *_: object) -> tuple[bytes, str, str]:
        self._clock.sleep(6)
        raise ReadTimeoutError(endpoint_url="https://a")


@pytest.mark.parametrize(("limit", "detail"), [(6, "verify-timeout was reached"), (900, "AWS is not reachable")])
def test_the_limit_of_the_client_is_the_same_as_that_of_the_verification(limit: float, detail: str) -> None:
    clock = Time()
    facts = SimpleNamespace(function=Unreachable(clock), version="1", clock=clock, deadline=clock.monotonic() + limit)
    found = run_invocation(Invocation("event.json", Expectation("")), NOTHING, cast("Subject", facts))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.detail.startswith(detail)


def test_the_look_for_the_reason_of_a_crash_ends_with_the_verification() -> None:
    started = time.monotonic()
    assert crash_of(cast("Any", Slow(20)), "1", "/", 0.3) == ""
    assert crash_of(cast("Any", Slow(20)), "1", "/", -1) == ""
    assert time.monotonic() - started < 1.3


def test_a_payload_with_too_many_values_is_not_judged() -> None:
    payload = json.dumps([0] * 300_000).encode()
    found = run_invocation(Invocation("event.json", Expectation("[0] == `0`")), NOTHING, subject(Slow(0, payload), 60))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "more than 250,000 values" in found.detail


@pytest.mark.parametrize(
    "value",
    [
        "t0k/en-1",
        ["a", {"b": "t0k/en-1"}],
        "Bearer t0k/en-1",
        "Basic bWU6dDBrL2VuLTE=",
        "name=a%20b&key=t0k%2Fen-1",
        "a=b; session=t0k/en-1",
        '{"a": ["{\\"b\\": \\"t0k/en-1\\"}"]}',
        b64encode(b'{"key": "t0k/en-1"}').decode(),
    ],
)
def test_the_texts_of_an_event_are_found_wherever_a_function_reads_them(value: object) -> None:
    found = set(texts_of({"a": 1, "b": None, "key": value}))
    assert found & {"t0k/en-1", "me:t0k/en-1"}


def test_a_response_is_not_shown_if_its_event_has_too_many_texts() -> None:
    event = Event.of(json.dumps([f"text {number}" for number in range(700_000)]).encode())
    assert len(event.texts) <= 2000
    found = run_invocation(Invocation("event.json", Expectation("ok")), event, subject(Slow(0, b'"text 699999"'), 60))
    assert found.outcome is Outcome.FAILED
    assert found.detail.endswith("the event has more than 2,000 texts")
    passed = run_invocation(Invocation("event.json", Expectation("ok")), event, subject(Slow(0, b'{"ok": 1}'), 60))
    assert (passed.outcome, passed.detail) == (Outcome.PASSED, "")
