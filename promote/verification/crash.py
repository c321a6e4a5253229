"""Why the function crashes. API Gateway hides the reason, so the action invokes the version itself."""

import json
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from promote import __version__
from promote.core.concurrency import with_timeout
from promote.inputs.checks import excerpt, without_values

if TYPE_CHECKING:
    from promote.aws.lambda_function import Function


_LONGEST = 30.0
"""Seconds. API Gateway's timeout for a function."""


def crash_of(function: "Function", version: str, path: str, seconds: float) -> str:
    """Invoke ``version`` with a GET of ``path``, as API Gateway does. Return its error; empty if none is known.

    It takes at most ``seconds``, and no longer than API Gateway waits for a function. API Gateway hides why an
    invocation failed, and whether the function or a missing permission is the reason.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - already loaded by the clients

    errors: list[str] = []

    def look() -> bool:
        """Note the error, and return whether the function accepts payload format 1.0."""
        payload, trouble, executed = function.invoke(version, _get(path), until=0)
        if not trouble or executed not in ("", version):
            return False
        errors.append(_error_of(payload))
        # After a time-out, a second request would only take as long again.
        return "timed out" not in errors[0] and not function.invoke(version, _get_of_format_1(path), until=0)[1]

    is_of_format = False
    with suppress(BotoCoreError, ClientError, TimeoutError):
        is_of_format = with_timeout(max(0, min(seconds, _LONGEST)), look)
    if not errors:
        return ""
    return (
        f"The function raised an error at GET {without_values(path)}: {errors[0]}{_FORMAT_HINT if is_of_format else ''}"
    )


_FORMAT_HINT = ". An event of payload format 1.0 raises none: let the handler read format 2.0, which the endpoint sends"


_AGENT = f"promote-on-success/{__version__}"
_HEADERS = {"accept": "*/*", "host": "localhost", "user-agent": _AGENT}
_CONTEXT = {
    "accountId": "anonymous",
    "apiId": "promote-on-success",
    "domainName": "localhost",
    "domainPrefix": "localhost",
    "requestId": "promote-on-success",
    "stage": "$default",
}
"""What both payload formats have in their requestContext.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""
_TIME, _MILLISECONDS = "01/Jan/2026:00:00:00 +0000", 1767225600000


def _get(path: str) -> bytes:
    """Return the event of a GET in payload format 2.0."""
    raw_path, _, query = path.partition("?")
    http = {"method": "GET", "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": _AGENT}
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(raw_path),
        "rawQueryString": query,
        "headers": _HEADERS,
        "requestContext": {
            **_CONTEXT,
            "http": http,
            "routeKey": "$default",
            "time": _TIME,
            "timeEpoch": _MILLISECONDS,
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(parse_qsl(query, keep_blank_values=True))
    return json.dumps(event).encode()


def _get_of_format_1(path: str) -> bytes:
    """Return the event of a GET in payload format 1.0, which REST APIs send."""
    raw_path, _, query = path.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    event = {
        "version": "1.0",
        "resource": "$default",
        "path": unquote(raw_path),
        "httpMethod": "GET",
        "headers": _HEADERS,
        "multiValueHeaders": {name: [value] for name, value in _HEADERS.items()},
        "queryStringParameters": dict(pairs) or None,
        "multiValueQueryStringParameters": values or None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {
            **_CONTEXT,
            "httpMethod": "GET",
            "identity": {"sourceIp": "127.0.0.1", "userAgent": _AGENT},
            "path": unquote(raw_path),
            "protocol": "HTTP/1.1",
            "requestTime": _TIME,
            "requestTimeEpoch": _MILLISECONDS,
            "resourceId": "$default",
            "resourcePath": "$default",
        },
    }
    return json.dumps(event).encode()


def _error_of(payload: bytes) -> str:
    """Return the error type and message from Lambda's payload, or the payload itself."""
    try:
        found = json.loads(payload)
        return excerpt(f"{found['errorType']}: {found['errorMessage']}".encode())
    except (ValueError, TypeError, KeyError, RecursionError):
        return excerpt(payload)
