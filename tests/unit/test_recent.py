"""Which "not found" errors count at once, and which only after some time."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from promote.aws import calls
from promote.aws.lambda_function import Function
from promote.aws.patience import Patience
from promote.aws.recent import ASKING, CREATING, PATIENCE, Recent
from promote.core.errors import LockError
from promote.core.version import Snapshot
from tests.clock import Time
from tests.simulation.errors import real, refusal

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:hello"
PATIENT = Patience(Time(), lambda: 0.5, lambda *_: None)
MISSING = {"lambda": "ResourceNotFoundException", "apigatewayv2": "NotFoundException"}


def error(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "…"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Any")


class Service:
    """A service that finds nothing until ``seconds``, and counts its calls."""

    def __init__(self, clock: Time, seconds: float, answer: Any = None, failure: Exception | None = None) -> None:
        self._clock, self._seconds, self._answer, self._failure = clock, seconds, answer or {}, failure
        self.calls = 0

    def create(self, **_: Any) -> Any:
        if self._failure:
            raise self._failure
        return self._answer

    def ask(self, **_: Any) -> dict[str, Any]:
        self.calls += 1
        if self._clock.seconds < self._seconds:
            raise error("ResourceNotFoundException", 404)
        return {"found": True}


CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, dict[str, Any]]] = [
    ("create_function", {"FunctionName": "hello"}, {}, "get_function_configuration", {"FunctionName": ARN}),
    ("create_function", {"FunctionName": ARN}, {}, "publish_version", {"FunctionName": "hello"}),
    (
        "publish_version",
        {"FunctionName": ARN},
        {"Version": "7"},
        "get_function_configuration",
        {"FunctionName": "hello", "Qualifier": "7"},
    ),
    (
        "update_function_code",
        {"FunctionName": ARN},
        {"Version": "7"},
        "invoke",
        {"FunctionName": ARN, "Qualifier": "7"},
    ),
    (
        "publish_version",
        {"FunctionName": ARN},
        {"Version": "7"},
        "create_alias",
        {"FunctionName": ARN, "Name": "prod", "FunctionVersion": "7"},
    ),
    (
        "publish_version",
        {"FunctionName": ARN},
        {"Version": "7"},
        "update_alias",
        {"FunctionName": ARN, "Name": "prod", "FunctionVersion": "7"},
    ),
    ("create_alias", {"FunctionName": ARN, "Name": "prod"}, {}, "get_alias", {"FunctionName": "hello", "Name": "prod"}),
    (
        "create_alias",
        {"FunctionName": ARN, "Name": "prod"},
        {},
        "add_permission",
        {"FunctionName": "hello", "Qualifier": "prod"},
    ),
    ("create_api", {"Name": "any"}, {"ApiId": "a1"}, "get_api", {"ApiId": "a1"}),
    ("create_api", {"Name": "any"}, {"ApiId": "a1"}, "create_route", {"ApiId": "a1"}),
    ("create_table", {"TableName": "t"}, {}, "query", {"TableName": "t"}),
    (
        "create_table",
        {"TableName": "t"},
        {},
        "transact_write_items",
        {"TransactItems": [{"Put": {"TableName": "other"}}, {"Update": {"TableName": "t"}}]},
    ),
]


def watched(recent: Recent, **methods: Callable[..., Any]) -> Any:
    return calls.watched(SimpleNamespace(**methods), recent, PATIENT)


@pytest.mark.parametrize(("creating", "arguments", "answer", "asking", "asked"), CASES)
def test_what_was_just_created_is_asked_for_again(
    creating: str, arguments: dict[str, Any], answer: dict[str, Any], asking: str, asked: dict[str, Any]
) -> None:
    clock = Time()
    service = Service(clock, 3, answer)
    client = watched(Recent(clock), **{creating: service.create, asking: service.ask})
    getattr(client, creating)(**arguments)
    assert getattr(client, asking)(**asked) == {"found": True}
    assert 3 <= clock.seconds < 6
    assert service.calls < 8


@pytest.mark.parametrize(("creating", "arguments", "answer", "asking", "asked"), CASES)
def test_what_is_older_is_believed_to_be_missing(
    creating: str, arguments: dict[str, Any], answer: dict[str, Any], asking: str, asked: dict[str, Any]
) -> None:
    clock = Time()
    service = Service(clock, 1000, answer)
    client = watched(Recent(clock), **{creating: service.create, asking: service.ask})
    getattr(client, creating)(**arguments)
    with pytest.raises(ClientError):
        getattr(client, asking)(**asked)
    assert clock.seconds == pytest.approx(PATIENCE)
    with pytest.raises(ClientError):
        getattr(client, asking)(**asked)
    assert clock.seconds == pytest.approx(PATIENCE)


@pytest.mark.parametrize(
    ("asking", "asked"),
    [
        ("get_alias", {"FunctionName": "hello", "Name": "preprod"}),
        ("get_function_configuration", {"FunctionName": "hello", "Qualifier": "6"}),
        ("get_function_configuration", {"FunctionName": "other", "Qualifier": "7"}),
        ("get_function_configuration", {"FunctionName": "hello"}),
        ("get_api", {"ApiId": "a2"}),
        ("query", {"TableName": "other"}),
        ("get_policy", {"FunctionName": "hello", "Qualifier": "prod"}),
        ("remove_permission", {"FunctionName": "hello", "Qualifier": "prod"}),
    ],
)
def test_what_was_not_just_created_is_believed_at_once(asking: str, asked: dict[str, Any]) -> None:
    clock = Time()
    service = Service(clock, 1000)
    recent = Recent(clock)
    answers = {"publish_version": {"Version": "7"}, "create_api": {"ApiId": "a1"}, "create_alias": {}}
    client = watched(recent, **{name: Service(clock, 0, answer).create for name, answer in answers.items()})
    client.publish_version(FunctionName="hello")
    client.create_alias(FunctionName="hello", Name="prod", FunctionVersion="7")
    client.create_api(Name="any")
    with pytest.raises(ClientError):
        getattr(watched(recent, **{asking: service.ask}), asking)(**asked)
    assert (service.calls, clock.seconds) == (1, 0)


@pytest.mark.parametrize(
    ("failure", "is_repeated"),
    [
        (error("ResourceConflictException", 409), True),
        (error("ServiceException", 500), True),
        (ReadTimeoutError(endpoint_url="https://lambda"), True),
        (error("TooManyRequestsException", 429), False),
        (error("AccessDeniedException", 403), False),
        (error("InvalidParameterValueException"), False),
    ],
)
def test_what_may_have_been_created_is_asked_for_again(failure: Exception, *, is_repeated: bool) -> None:
    clock = Time()
    service = Service(clock, 1, failure=failure)
    client = watched(Recent(clock), create_alias=service.create, get_alias=service.ask)
    with pytest.raises(type(failure)):
        client.create_alias(FunctionName="hello", Name="prod", FunctionVersion="7")
    if is_repeated:
        assert client.get_alias(FunctionName="hello", Name="prod") == {"found": True}
    else:
        with pytest.raises(ClientError):
            client.get_alias(FunctionName="hello", Name="prod")
    assert (service.calls > 1) == is_repeated


def test_another_error_is_raised() -> None:
    clock = Time()

    def refuse(**_: Any) -> None:
        raise error("AccessDeniedException", 403)

    recent = Recent(clock)
    client = watched(recent, create_api=lambda **_: {"ApiId": "a1"}, get_api=refuse)
    client.create_api(Name="any")
    with pytest.raises(ClientError):
        client.get_api(ApiId="a1")
    assert clock.seconds == 0


def test_each_watched_call_is_one_of_boto3() -> None:
    import boto3  # noqa: PLC0415 - only here

    session = boto3.session.Session(region_name="eu-west-1")
    methods = {name for service in ("lambda", "apigatewayv2", "dynamodb") for name in dir(session.client(service))}
    assert CREATING.keys() | ASKING.keys() <= methods


class Missing:
    """Lambda, which does not find a new function at first."""

    exceptions = real("lambda").exceptions

    def __init__(self) -> None:
        self.calls: list[str] = []

    def create_function(self, **_: Any) -> dict[str, Any]:
        return {}

    def update_function_configuration(self, **_: Any) -> None:
        self._refuse("UpdateFunctionConfiguration")

    def publish_version(self, **_: Any) -> None:
        self._refuse("PublishVersion")

    def _refuse(self, operation: str) -> None:
        self.calls.append(operation)
        raise refusal("lambda", operation, "ResourceNotFoundException", "not yet", 404)


@pytest.mark.parametrize("change", ["configure", "publish"])
def test_a_change_is_not_repeated_after_the_lock_was_lost(change: str) -> None:
    missing, time = Missing(), Time()
    client: Any = calls.watched(missing, Recent(time), PATIENT)
    client.create_function(FunctionName="hello")

    def require() -> None:
        if time.seconds > 1:
            raise LockError("the lock was lost", hint="")

    function = Function(lambda: client, "hello", ARN, time).guarded(require)
    latest = Snapshot(ARN, "$LATEST", "revision", "code", "configuration", {})
    with pytest.raises(LockError):
        function.configure(latest, {"Timeout": 9}) if change == "configure" else function.publish(latest)
    assert 1 < len(missing.calls) < 6
