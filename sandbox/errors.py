"""Errors in the shape of each service's own protocol, as botocore's parsers expect them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from xml.sax.saxutils import escape

from sandbox.exchange import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Error:
    """A service's refusal: HTTP status, error code and message."""

    status: int
    code: str
    message: str
    more: Mapping[str, Any] = field(default_factory=dict)
    """Members beside the message."""


THROTTLING = {
    "lambda": Error(429, "TooManyRequestsException", "Rate exceeded"),
    "dynamodb": Error(400, "ThrottlingException", "Throughput exceeds the current capacity of your table."),
    "apigateway": Error(429, "TooManyRequestsException", "Too Many Requests"),
    "apigatewayv2": Error(429, "TooManyRequestsException", "Too Many Requests"),
    "s3": Error(503, "SlowDown", "Please reduce your request rate."),
    "execute-api": Error(429, "TooManyRequestsException", "Too Many Requests"),
}
"""Each service's throttling error: the exception shapes of its model in botocore."""
OTHER_THROTTLING = Error(400, "Throttling", "Rate exceeded")

FAILURE = {
    "lambda": Error(500, "ServiceException", "The service encountered an internal error."),
    "dynamodb": Error(500, "InternalServerError", "The request processing has failed because of an unknown error."),
    "apigateway": Error(500, "InternalServerErrorException", "Internal server error"),
    "apigatewayv2": Error(500, "InternalServerErrorException", "Internal server error"),
    "s3": Error(500, "InternalError", "We encountered an internal error. Please try again."),
    "execute-api": Error(500, "InternalServerErrorException", "Internal Server Error"),
}
"""Each service's internal error."""
OTHER_FAILURE = Error(500, "InternalFailure", "The request processing has failed because of an unknown error.")

DENIAL = {
    "lambda": (403, "AccessDeniedException"),
    "dynamodb": (400, "AccessDeniedException"),
    "apigateway": (403, "AccessDeniedException"),
    "apigatewayv2": (403, "AccessDeniedException"),
}
"""Status and code of each service's error for a missing permission."""
OTHER_DENIAL = (403, "AccessDenied")

CONCURRENT_MODIFICATION = Error(
    409,
    "ConflictException",
    "Unable to complete operation due to concurrent modification. Please try again later.",
)
"""API Gateway's error while another change of the same API is in progress:
https://github.com/hashicorp/terraform-provider-aws/issues/18018."""

LATEST_WITH_WEIGHTS = "$LATEST is not supported for an alias pointing to more than 1 version"
UNRESERVED = (
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
    "minimum value of [100]."
)
UNRESERVED_PROVISIONED = UNRESERVED.replace("ReservedConcurrentExecutions", "ConcurrentExecutions", 1)
OVER_LIMIT = "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000]."
UNTYPED = frozenset({LATEST_WITH_WEIGHTS, UNRESERVED, UNRESERVED_PROVISIONED, OVER_LIMIT})
"""Messages of Lambda's errors without a Type. So is that about less reserved than provisioned concurrency."""


def missing_api(account: str, api: str) -> str:
    """Return API Gateway's message about an API that does not exist."""
    return f"Invalid API identifier specified {account}:{api}"


REST_JSON = ("lambda", "apigateway", "apigatewayv2")
JSON = {"dynamodb": "com.amazonaws.dynamodb.v20120810#"}
"""The namespace of the error codes of each service that speaks the json protocol."""


def throttling(service: str) -> Error:
    """Return a service's throttling error."""
    return THROTTLING.get(service, OTHER_THROTTLING)


def failure(service: str) -> Error:
    """Return a service's internal error."""
    return FAILURE.get(service, OTHER_FAILURE)


def denial(service: str, message: str) -> Error:
    """Return a service's error for a missing permission, in IAM's words."""
    return Error(*DENIAL.get(service, OTHER_DENIAL), message)


def answer(service: str, error: Error) -> Answer:
    """Render an error in the protocol of a service (`metadata.protocol` of its model in botocore)."""
    identifier = str(uuid4())
    if service == "execute-api":
        return _answer(error, "application/json", json.dumps({"message": error.message}), identifier)
    if service in REST_JSON:
        members = _lambda_members(error) if service == "lambda" else {"message": error.message}
        return _answer(error, "application/json", json.dumps(members), identifier, error.code)
    if service in JSON:
        text = json.dumps({"__type": JSON[service] + error.code, "message": error.message, **error.more})
        return _answer(error, "application/x-amz-json-1.0", text, identifier)
    fault = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    if service == "s3":
        return _answer(
            error, "application/xml", f"<Error>{fault}<RequestId>{identifier}</RequestId></Error>", identifier
        )
    text = f"<ErrorResponse><Error>{fault}</Error><RequestId>{identifier}</RequestId></ErrorResponse>"
    return _answer(error, "text/xml", text, identifier)


def _lambda_members(error: Error) -> dict[str, Any]:
    """Return the members of Lambda's error, as recorded: which name the message has, and whether there is a Type.

    https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.snapshot.json
    """
    is_untyped = error.message in UNTYPED or error.message.startswith(" ReservedConcurrentExecutions")
    if is_untyped or error.code in ("ValidationException", "AccessDeniedException"):
        return {"message": error.message or None}
    kind = "User" if error.status < 500 else "Service"  # noqa: PLR2004 - HTTP's limit between the two
    name = "Message" if error.code in ("ResourceNotFoundException", "ServiceException") else "message"
    return {"Type": kind, name: error.message, **error.more}


def _answer(error: Error, content_type: str, text: str, identifier: str, error_type: str = "") -> Answer:
    body = text.encode()
    headers = {
        "content-type": content_type,
        "content-length": str(len(body)),
        "x-amzn-requestid": identifier,
        **({"x-amzn-errortype": error_type} if error_type else {}),
    }
    return Answer(error.status, [(name.encode(), value.encode()) for name, value in headers.items()], body)
