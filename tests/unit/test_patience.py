"""Which refused calls are repeated, how long, and what is known of their effect afterwards."""

import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from promote.aws.calls import guarded, watched, within
from promote.aws.clients import Clients
from promote.aws.confirmation import mark_response_lost, may_have_taken_effect
from promote.aws.errors import explain, is_throttled
from promote.aws.patience import NEW_ROLE, RESERVED, THROTTLED, Patience
from promote.aws.recent import Recent
from promote.core.errors import LockError
from tests.clock import Time
from tests.simulation.errors import refusal

RATE = refusal("lambda", "UpdateAlias", "TooManyRequestsException", "Rate exceeded", 429)
ASSUMED = "The role defined for the function cannot be assumed by Lambda."


def error(code: str, message: str = "no", status: int = 400, **more: Any) -> ClientError:
    return refusal("lambda", "UpdateAlias", code, message, status, **more)


class Calls:
    """A client with one method, which raises each of ``outcomes``, then the last one for ever; None is a response."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self._outcomes = outcomes
        self.count = 0

    def change(self, **_: Any) -> str:
        outcome = self._outcomes[min(self.count, len(self._outcomes) - 1)]
        self.count += 1
        if outcome is not None:
            raise outcome
        return "done"


class Waiting:
    """A client whose calls are watched, on a clock that moves only when it waits."""

    def __init__(self, *outcomes: Exception | None, longest: float = THROTTLED, chance: float = 0.5) -> None:
        self.clock = Time()
        self.said: list[str] = []
        self.calls = Calls(*outcomes)
        patience = Patience(self.clock, lambda: chance, lambda _, text: self.said.append(text), longest)
        self.client: Any = watched(self.calls, Recent(self.clock), patience)


@pytest.mark.parametrize(
    "passing",
    [
        RATE,
        error("Throttling"),
        error("SlowDown", status=503),
        error("EC2ThrottledException", status=502),
        error("Unknown", status=429),
        error("InvalidParameterValueException", "Your request has been throttled by EC2, please make sure that ..."),
        error("TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": "ThrottlingError"}]),
        error("InvalidParameterValueException", ASSUMED),
        error(
            "InvalidParameterValueException",
            "The provided execution role does not have permissions to call CreateNetworkInterface on EC2",
        ),
        error(
            "InvalidParameterValueException",
            "Lambda was unable to configure access to your environment variables because the KMS key is invalid for "
            "CreateGrant. Please check your KMS key settings.",
        ),
    ],
    ids=str,
)
def test_a_call_that_is_refused_only_for_the_moment_is_repeated(passing: ClientError) -> None:
    waiting = Waiting(*[passing] * 12, None)
    assert waiting.client.change() == "done"
    assert waiting.calls.count == 13
    assert 60 < waiting.clock.seconds < 250
    assert len(waiting.said) == 1


@pytest.mark.parametrize(
    "final",
    [
        error("AccessDeniedException", status=403),
        error("InvalidParameterValueException", "The runtime parameter is not valid"),
        error("TransactionCanceledException", CancellationReasons=[{"Code": "ConditionalCheckFailed"}]),
        error(
            "TransactionCanceledException",
            CancellationReasons=[{"Code": "ConditionalCheckFailed"}, {"Code": "ThrottlingError"}],
        ),
        error("TooManyRequestsException", "Maximum number of APIs for this account has been reached", 429),
        ValueError("no"),
    ],
    ids=str,
)
def test_any_other_error_is_final(final: Exception) -> None:
    waiting = Waiting(final)
    with pytest.raises(type(final)):
        waiting.client.change()
    assert (waiting.calls.count, waiting.clock.seconds, waiting.said) == (1, 0, [])


@pytest.mark.parametrize(
    ("refused", "longest", "seconds"),
    [
        (RATE, THROTTLED, THROTTLED),
        (RATE, 60.0, 60.0),
        (error("InvalidParameterValueException", ASSUMED), THROTTLED, NEW_ROLE),
        (
            error(
                "TooManyRequestsException",
                "Rate Exceeded.",
                429,
                Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
            ),
            THROTTLED,
            RESERVED,
        ),
    ],
    ids=["throttled", "after the job", "role", "reserved concurrency"],
)
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_it_is_repeated_for_a_limited_time(refused: ClientError, longest: float, seconds: float, chance: float) -> None:
    waiting = Waiting(refused, longest=longest, chance=chance)
    with pytest.raises(ClientError):
        waiting.client.change()
    assert waiting.clock.seconds == pytest.approx(seconds)
    assert waiting.calls.count < 70


def test_the_log_says_once_what_is_waited_for_and_how_long() -> None:
    waiting = Waiting(RATE, RATE, None, RATE, None)
    waiting.client.change()
    waiting.client.change()
    assert waiting.said == [
        "AWS throttles UpdateAlias (TooManyRequestsException): repeating such calls, each for up to 10 minutes"
    ]


def test_the_error_says_how_long_aws_has_throttled() -> None:
    refused = error("TooManyRequestsException", "Rate exceeded", 429)
    with pytest.raises(ClientError) as caught:
        Waiting(refused).client.change()
    explained = explain(caught.value)
    assert str(explained) == ("AWS throttles UpdateAlias for 600 seconds (TooManyRequestsException: Rate exceeded)")
    assert "this account and region" in explained.hint


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("ReservedFunctionConcurrentInvocationLimitExceeded", "reserved concurrency"),
        ("ConcurrentInvocationLimitExceeded", "quota"),
        ("CallerRateLimitExceeded", "what else calls AWS"),
    ],
)
def test_the_hint_depends_on_the_limit(reason: str, hint: str) -> None:
    explained = explain(error("TooManyRequestsException", "Rate Exceeded.", 429, Reason=reason))
    assert reason in str(explained)
    assert hint in explained.hint


@pytest.mark.parametrize(
    "more",
    [{"retryAfterSeconds": "30"}, {"ResponseMetadata": {"HTTPHeaders": {"retry-after": "30"}, "HTTPStatusCode": 429}}],
    ids=str,
)
def test_the_time_that_aws_asks_for_is_waited(more: dict[str, Any]) -> None:
    waiting = Waiting(error("TooManyRequestsException", "Rate exceeded", 429, **more), None)
    waiting.client.change()
    assert waiting.clock.seconds == 30


def test_a_call_is_not_repeated_after_its_deadline() -> None:
    waiting = Waiting(RATE)
    with pytest.raises(ClientError):
        within(waiting.client, 0).change()
    assert (waiting.calls.count, waiting.clock.seconds) == (1, 0)
    with pytest.raises(ClientError):
        within(waiting.client, 42).change()
    assert waiting.clock.seconds == pytest.approx(42)


def lost() -> None:
    raise LockError("the lock was lost", hint="again")


def test_a_change_is_not_repeated_after_the_lock_was_lost() -> None:
    waiting = Waiting(RATE, None)
    with pytest.raises(LockError):
        guarded(waiting.client, lost).change()
    assert waiting.calls.count == 1


def throttled_after_a_lost_response() -> ClientError:
    refused = error("TooManyRequestsException", "Rate exceeded", 429)
    mark_response_lost(refused)
    return refused


def test_a_lost_response_before_the_throttling_is_not_forgotten() -> None:
    """The first attempt may have taken effect, so the refusal of the repetition does not show that it has not."""
    refused = error("PreconditionFailedException", status=412)
    with pytest.raises(ClientError) as caught:
        Waiting(throttled_after_a_lost_response(), refused).client.change()
    assert caught.value.response["Error"]["Code"] == "PreconditionFailedException"
    assert may_have_taken_effect(caught.value)


def test_a_lost_response_is_not_forgotten_when_the_lock_is_lost() -> None:
    waiting = Waiting(throttled_after_a_lost_response(), None)
    with pytest.raises(ClientError) as caught:
        guarded(waiting.client, lost).change()
    assert may_have_taken_effect(caught.value)
    assert waiting.calls.count == 1


def test_a_throttled_write_had_no_effect() -> None:
    with pytest.raises(ClientError) as caught:
        Waiting(error("TooManyRequestsException", "Rate exceeded", 429)).client.change()
    assert not may_have_taken_effect(caught.value)


def test_an_archive_is_sent_again_from_its_start() -> None:
    sent: list[bytes] = []

    class Upload:
        def update_function_code(self, **arguments: Any) -> dict[str, Any]:
            sent.append(arguments["ZipFile"].read())
            if len(sent) == 1:
                raise RATE
            return {}

    patience = Patience(Time(), lambda: 0.5, lambda *_: None)
    patience.call(Upload().update_function_code, lambda: None, math.inf, ZipFile=io.BytesIO(b"archive"))
    assert sent == [b"archive", b"archive"]


Status = tuple[int, str]
OK: Status = (200, "{}")
BUSY: Status = (429, '{"__type": "TooManyRequestsException", "message": "Rate exceeded"}')
BROKEN: Status = (500, '{"__type": "ServiceException", "message": "no"}')


def client_that_gets(answers: Sequence[Status], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Callable[[], int]]:
    """Return a client of botocore whose requests get ``answers``, and the number of requests so far."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client: Any = Clients("eu-west-1", {}).function.client  # type: ignore[attr-defined] # the client that is watched
    left = list(answers)

    def answer(request: Any, **_: Any) -> AWSResponse:
        status, body = left.pop(0)
        headers: Any = {"x-amzn-errortype": json.loads(body).get("__type", "")}
        return AWSResponse(request.url, status, headers, _Raw(body.encode()))

    client.meta.events.register("before-send.lambda", answer)
    return client, lambda: len(answers) - len(left)


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


def test_botocore_leaves_throttling_to_the_action_and_repeats_other_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    client, count = client_that_gets([*[BUSY] * 200, BROKEN, OK, BROKEN, BUSY], monkeypatch)
    for number in range(200):
        with pytest.raises(ClientError) as caught:
            client.get_alias(FunctionName="hello", Name="prod")
        assert is_throttled(caught.value)
        assert count() == number + 1
    # The quota of botocore's retries is not used up.
    client.get_alias(FunctionName="hello", Name="prod")
    assert count() == 202
    with pytest.raises(ClientError) as caught:
        client.update_alias(FunctionName="hello", Name="prod")
    assert (is_throttled(caught.value), may_have_taken_effect(caught.value)) == (True, True)
