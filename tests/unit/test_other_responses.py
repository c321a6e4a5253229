"""Responses that are not of AWS. Each is named as that, whatever botocore makes of it."""

import io
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from boto3 import Session
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from promote.aws.confirmation import may_have_taken_effect
from promote.aws.errors import is_transient, to_promote_error
from promote.aws.other_responses import refuse_other_responses
from promote.core.errors import PromoteError, ServiceError

HTML, JSON = {"content-type": "text/html; charset=utf-8"}, {"content-type": "application/json"}
PAGE = b"<html><h1>Blocked by the\nproxy</h1></html>"

Call = Callable[[Any], object]
CALLS: Mapping[str, Call] = {
    "sts": lambda client: client.get_caller_identity(),
    "lambda": lambda client: client.get_function(FunctionName="hello"),
    "dynamodb": lambda client: client.get_item(TableName="t", Key={"pk": {"S": "a"}}),
    "apigatewayv2": lambda client: client.get_apis(),
    "s3": lambda client: client.head_object(Bucket="b", Key="k"),
}


class Raw(io.BytesIO):
    """A body as urllib3 has it."""

    def stream(self, **_: object) -> list[bytes]:
        return [self.read()]


def answer_all(session: Session, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Let each request have this response, without a connection."""

    def respond(request: Any, **_: object) -> AWSResponse:
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), Raw(body))

    session.events.register("before-send", cast("Any", respond))


def response_to(
    service: str, status: int, headers: Mapping[str, str], body: bytes, environ: Mapping[str, str] | None = None
) -> PromoteError | None:
    """Return the error of a call that gets a response; None if it has none."""
    session = Session(aws_access_key_id="1", aws_secret_access_key="2", region_name="eu-west-1")
    refuse_other_responses(session.events, environ or {})
    answer_all(session, status, headers, body)
    try:
        CALLS[service](session.client(service))  # type: ignore[call-overload] # not a literal
    except Exception as error:  # noqa: BLE001 - whatever botocore raises
        return to_promote_error(error)
    return None


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, HTML, PAGE),
        (404, HTML, PAGE),
        (200, HTML, PAGE),
        (302, {"location": "https://login.example"}, b""),
        (407, {}, b"Proxy Authentication Required"),
    ],
)
@pytest.mark.parametrize("service", CALLS)
def test_a_response_that_is_not_of_aws(service: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    error = response_to(service, status, headers, body)
    assert isinstance(error, ServiceError)
    assert "something else than AWS, probably a proxy or a firewall in the network of the runner, responded" in str(
        error
    )
    assert f"with status {status}" in str(error)


@pytest.mark.parametrize(("headers", "body"), [({}, PAGE), ({}, b""), (JSON, b"{}"), (JSON, b"null")])
@pytest.mark.parametrize("service", [service for service in CALLS if service != "s3"])
def test_content_that_is_not_of_aws(service: str, headers: Mapping[str, str], body: bytes) -> None:
    """Except in S3, where headers may be the whole response."""
    error = response_to(service, 200, headers, body)
    assert isinstance(error, ServiceError)
    assert "something else than AWS" in str(error)


@pytest.mark.parametrize(
    ("environ", "who", "hint"),
    [
        (
            {"AWS_ENDPOINT_URL": "http://a"},
            "than AWS at AWS_ENDPOINT_URL responded",
            "Correct AWS_ENDPOINT_URL, or unset",
        ),
        (
            {"AWS_ENDPOINT_URL_LAMBDA": "http://a"},
            "at AWS_ENDPOINT_URL_LAMBDA responded",
            "Correct AWS_ENDPOINT_URL_LAMBDA",
        ),
        ({"HTTPS_PROXY": "http://me:pw@p", "http_proxy": "http://q"}, "probably the proxy of HTTPS_PROXY,", "NO_PROXY"),
        (
            {"HTTPS_PROXY": "http://p", "NO_PROXY": "a.example, .amazonaws.com"},
            "probably a proxy or a firewall",
            "HTTPS_PROXY",
        ),
        (
            {"AWS_ENDPOINT_URL": "http://a", "http_proxy": "http://q"},
            "the proxy of http_proxy,",
            "requests to AWS_ENDPOINT_URL",
        ),
    ],
)
def test_the_setting_that_leads_there_is_named(environ: Mapping[str, str], who: str, hint: str) -> None:
    error = response_to("lambda", 403, HTML, PAGE, environ)
    assert error is not None
    assert str(error).startswith("GetFunction failed: something else than AWS")
    assert str(error).endswith("responded with status 403: <html><h1>Blocked by the proxy</h1></html>")
    assert who in str(error)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("service", "status", "headers", "body", "text"),
    [
        ("lambda", 403, JSON, b'{"message": "Missing Authentication Token"}', "AWS denies GetFunction: Missing"),
        ("lambda", 403, {"x-amzn-requestid": "1"}, b"", "AWS denies GetFunction"),
        ("s3", 403, {"x-amz-request-id": "1"}, b"", "AWS denies HeadObject"),
        ("sts", 403, {}, b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", "AWS denies"),
        ("dynamodb", 200, {"x-amzn-requestid": "1"}, b"{}", ""),
        ("s3", 200, {}, b"", ""),
        ("lambda", 200, {}, b'{"Configuration": {}}', ""),
    ],
)
def test_a_response_of_aws_is_explained_as_before(
    service: str, status: int, headers: Mapping[str, str], body: bytes, text: str
) -> None:
    assert str(response_to(service, status, headers, body) or "").startswith(text)


def test_an_emulator_may_leave_out_the_headers_of_aws() -> None:
    """An item that does not exist."""
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        assert response_to("dynamodb", 200, JSON, b"{}", {variable: "http://localhost:8000"}) is None


def test_a_write_whose_response_is_not_of_aws_may_have_taken_effect() -> None:
    session = Session(aws_access_key_id="1", aws_secret_access_key="2", region_name="eu-west-1")
    refuse_other_responses(session.events, {})
    answer_all(session, 200, {}, b"")
    client = session.client("lambda")
    with pytest.raises(Exception, match="not of AWS") as caught:
        client.publish_version(FunctionName="hello")
    assert may_have_taken_effect(caught.value)
    assert is_transient(caught.value)
