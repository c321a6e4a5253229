"""Lambda's answers in the shape that AWS gives them: the members, the ARNs, and the errors.

Shapes: https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.snapshot.json
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import errors
from sandbox.lambda_requests import refer
from sandbox.parameters import json_object, parameters
from sandbox.strict.emulator import STATES

if TYPE_CHECKING:
    from sandbox.exchange import Answer, Request
    from sandbox.operations import Operation

_CONFIGURATION = (
    "CreateFunction",
    "GetFunctionConfiguration",
    "PublishVersion",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
)
_READS = ("GetFunction", "GetFunctionConfiguration")


def shaped(operation: Operation, request: Request, answer: Answer) -> Answer:
    """Return MiniStack's answer in AWS's shape. Of other services, it does not change."""
    if operation.service != "lambda" or operation.name == "Invoke":
        return _error(answer) if operation.name == "Invoke" and answer.status >= 400 else answer  # noqa: PLR2004 - HTTP's
    if answer.status >= 400:  # noqa: PLR2004 - HTTP's limit between success and error
        return _error(answer)
    data = json_object(answer.body)
    given = parameters(operation.service, operation.name, request)
    if operation.name in _CONFIGURATION:
        data = configuration(data)
    elif operation.name == "GetFunction":
        data["Configuration"] = configuration(data["Configuration"])
        data = {name: value for name, value in data.items() if name != "Tags" or value}
    elif operation.name in ("ListVersionsByFunction", "ListFunctions"):
        member = "Versions" if operation.name == "ListVersionsByFunction" else "Functions"
        data[member] = [_listed(one, is_qualified=member == "Versions") for one in data[member]]
    else:
        return answer
    if operation.name in _READS:
        read = data.get("Configuration", data)
        qualifier = given.get("Qualifier") or refer(str(given["FunctionName"])).qualifier
        if qualifier:
            read["FunctionArn"] = _qualified(read["FunctionArn"], qualifier)
    return answer.with_json(data)


def configuration(config: dict[str, Any]) -> dict[str, Any]:
    """Return a FunctionConfiguration without what AWS leaves out.

    A function or version that is being created has no LastUpdateStatus.
    """
    left_out = {name for name in ("KMSKeyArn", "Layers", "Runtime", "Handler") if not config.get(name)}
    if not (config.get("VpcConfig") or {}).get("SubnetIds"):
        left_out.add("VpcConfig")
    if config.get("StateReasonCode") == "Creating":
        left_out |= {name for name in STATES if name.startswith("LastUpdate")}
    return {name: value for name, value in config.items() if name not in left_out}


def _listed(config: dict[str, Any], *, is_qualified: bool) -> dict[str, Any]:
    """Return an entry of a list, which has no state. The ARN of a version has its qualifier, also that of $LATEST."""
    found = {name: value for name, value in configuration(config).items() if name not in STATES}
    if is_qualified:
        found["FunctionArn"] = _qualified(found["FunctionArn"], found["Version"])
    return found


def _qualified(arn: str, qualifier: str) -> str:
    return f"{':'.join(arn.split(':')[:7])}:{qualifier}"


def _error(answer: Answer) -> Answer:
    """Return an error with the members that Lambda's errors have."""
    data = json_object(answer.body)
    headers = {name.decode().lower(): value.decode() for name, value in answer.headers}
    code = headers.get("x-amzn-errortype") or data.get("__type", "")
    message = str(data.get("message", data.get("Message", "")))
    more = {name: data[name] for name in ("Reason",) if name in data}
    if not code:
        return answer
    return errors.answer("lambda", errors.Error(answer.status, code.split(":")[0], message, more))
