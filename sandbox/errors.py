"""Errors in the shape of each service's own protocol, as botocore's parsers expect them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import uuid4
from xml.sax.saxutils import escape

from sandbox.exchange import Answer


@dataclass(frozen=True)
class Error:
    """A service's refusal: HTTP status, error code and message."""

    status: int
    code: str
    message: str


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
        text = json.dumps({"Type": "User" if error.status < 500 else "Service", "message": error.message})  # noqa: PLR2004
        return _answer(error, "application/json", text, identifier, error.code)
    if service in JSON:
        text = json.dumps({"__type": JSON[service] + error.code, "message": error.message})
        return _answer(error, "application/x-amz-json-1.0", text, identifier)
    fault = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    if service == "s3":
        return _answer(
            error, "application/xml", f"<Error>{fault}<RequestId>{identifier}</RequestId></Error>", identifier
        )
    text = f"<ErrorResponse><Error>{fault}</Error><RequestId>{identifier}</RequestId></ErrorResponse>"
    return _answer(error, "text/xml", text, identifier)


def _answer(error: Error, content_type: str, text: str, identifier: str, error_type: str = "") -> Answer:
    body = text.encode()
    headers = {
        "content-type": content_type,
        "content-length": str(len(body)),
        "x-amzn-requestid": identifier,
        **({"x-amzn-errortype": error_type} if error_type else {}),
    }
    return Answer(error.status, [(name.encode(), value.encode()) for name, value in headers.items()], body)
