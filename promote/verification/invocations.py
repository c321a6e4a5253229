"""Direct invocations of the candidate, for functions without HTTP."""

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from promote import __version__
from promote.aws.errors import explain
from promote.core.clock import Clock
from promote.core.errors import InputError
from promote.core.verdict import CheckResult, Outcome
from promote.core.workspace import require_inside
from promote.inputs.checks import Invocation, excerpt

if TYPE_CHECKING:
    from promote.aws.lambda_function import Function

_LARGEST_EVENT = 6 * 1024 * 1024
"""Bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, invocation payload."""


def read_events(invocations: tuple[Invocation, ...], workspace: Path) -> dict[Invocation, bytes]:
    """Read the event files.

    Raises:
        InputError: one is missing, lies outside the workspace, holds no JSON, or is too large.

    """
    events = {}
    for invocation in invocations:
        path = require_inside(workspace, invocation.event, "invoke")
        if not path.is_file():
            raise InputError(
                "invoke",
                f"the event file {invocation.event!r} does not exist in the workspace",
                hint="Paths start at the repository's root.",
            )
        events[invocation] = path.read_bytes()
        if len(events[invocation]) > _LARGEST_EVENT:
            raise InputError(
                "invoke",
                f"the event file {invocation.event!r} is larger than the 6 MB that Lambda takes",
                hint="Put what is large into S3, and its place into the event.",
            )
        try:
            json.loads(events[invocation])
        except (ValueError, RecursionError) as error:
            raise InputError(
                "invoke", f"the event file {invocation.event!r} holds no JSON: {error}", hint="Correct the file."
            ) from error
    return events


def crash_of(function: "Function", version: str, path: str) -> str:
    """Ask ``version`` itself for ``path``, as API Gateway would; return how it crashes. Empty: it does not, or unknown.

    API Gateway hides why an invocation failed, and whether it was the function or a missing permission.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loaded long before

    try:
        payload, trouble, executed = function.invoke(version, _get(path))
    except (BotoCoreError, ClientError):
        return ""
    if not trouble or executed not in ("", version):
        return ""
    return f"The function raised an error at GET {path}: {_error_of(payload)}"


def _get(path: str) -> bytes:
    """Return the event of a GET: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html."""
    raw_path, _, query = path.partition("?")
    agent = f"promote-on-success/{__version__}"
    http = {"method": "GET", "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": agent}
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(raw_path),
        "rawQueryString": query,
        "headers": {"accept": "*/*", "host": "localhost", "user-agent": agent},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "promote-on-success",
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": http,
            "requestId": "promote-on-success",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(parse_qsl(query, keep_blank_values=True))
    return json.dumps(event).encode()


def _error_of(payload: bytes) -> str:
    """Return what Lambda says of an error, or the payload as it is."""
    try:
        found = json.loads(payload)
        return excerpt(f"{found['errorType']}: {found['errorMessage']}".encode())
    except (ValueError, TypeError, KeyError, RecursionError):
        return excerpt(payload)


def run_invocation(
    invocation: Invocation, event: bytes, function: "Function", version: str, clock: Clock
) -> CheckResult:
    """Send ``event`` to ``version`` and judge the answer."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loaded long before

    started = clock.monotonic()

    def result(outcome: Outcome, detail: str = "") -> CheckResult:
        return CheckResult(invocation.name, "invoke", outcome, clock.monotonic() - started, detail)

    try:
        payload, trouble, executed = function.invoke(version, event)
    except (BotoCoreError, ClientError) as error:
        return result(Outcome.INCONCLUSIVE, str(explain(error)))
    if executed and executed != version:
        return result(Outcome.INCONCLUSIVE, f"version {executed} ran instead of {version}")
    if trouble:
        return result(Outcome.FAILED, f"the function raised an error ({trouble}): {excerpt(payload)}")
    complaint = invocation.expectation.complaint(payload)
    return result(Outcome.FAILED if complaint else Outcome.PASSED, complaint)
