"""The results of functions that fail: the members that AWS's runtime and service give them.

Recorded on AWS: TestLambdaErrors and test_lambda_invoke_with_timeout in
https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda.py
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from uuid import uuid4

from sandbox.workers import FAILURE

if TYPE_CHECKING:
    from sandbox.strict.emulator import Record, Reply

_DIED = ("Worker process died", "Worker process exited immediately")


def shaped(reply: Reply) -> Reply:
    """Return the reply to an invocation with the result that AWS gives if the function fails."""
    status, headers, body = reply
    if not headers.get("X-Amz-Function-Error"):
        return reply
    result = json.loads(body)
    message = str(result.get("errorMessage", "")) if isinstance(result, dict) else ""
    _, marker, failure = message.partition(FAILURE)
    if marker:
        return status, headers, failure.encode()
    if message.startswith(_DIED):
        message = "Runtime exited without providing a reason"
        result = {"errorType": "Runtime.ExitError"}
    elif not message.startswith("Task timed out"):
        return reply
    failed = {"errorType": result["errorType"], "errorMessage": f"RequestId: {uuid4()} Error: {message}"}
    return status, headers, json.dumps(failed).encode()


def without_version(reply: Reply) -> Reply:
    """Return the reply to an event or a dry run without the version: test_invocation_type_event."""
    status, headers, body = reply
    if status == 200:  # noqa: PLR2004 - botocore lambda:Invoke, RequestResponse
        return reply
    return status, {name: value for name, value in headers.items() if name != "X-Amz-Executed-Version"}, body


def with_log(request: Record, reply: Reply) -> Reply:
    """Return the reply with the end of the log, if the request asks for it.

    botocore lambda:InvocationRequest.LogType
    """
    status, headers, body = reply
    version = headers.get("X-Amz-Executed-Version", "")
    if request.get("x-amz-log-type") != "Tail" or status != 200 or not version:  # noqa: PLR2004 - botocore lambda:Invoke
        return reply
    identifier = str(uuid4())
    text = base64.b64decode(headers.get("X-Amz-Log-Result", "")).decode().rstrip("\n")
    lines = [f"START RequestId: {identifier} Version: {version}", *([text] if text else ())]
    lines += [f"END RequestId: {identifier}", f"REPORT RequestId: {identifier}"]
    log = base64.b64encode("\n".join(lines).encode()[-4096:]).decode()
    return status, {**headers, "X-Amz-Log-Result": log}, body
