"""What Lambda refuses before it looks for the function: sizes, constraints, and the function's name.

Sources are LocalStack's tests that are validated against AWS, if no other is given:
https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.py
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sandbox import errors
from sandbox.constraints import violations
from sandbox.errors import Error
from sandbox.parameters import input_shape, parameters

if TYPE_CHECKING:
    from sandbox.exchange import Answer, Request
    from sandbox.operations import Operation

ARCHIVE_LIMIT = 52_428_800
"""The largest archive in a request, in bytes (50 MB)."""
REQUEST_LIMIT = 70_167_211
"""The largest request with code, in bytes."""
EVENT_LIMIT = 6_291_456
"""The largest event of an invocation that waits for the result, in bytes (6 MB)."""
ENVIRONMENT_LIMIT = 4096
"""The most bytes of the environment variables, as JSON without escapes and blanks."""
NAME_LIMIT = 64
RUNTIMES = (
    *("nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x", "java25"),
    *("python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2", "python3.8", "python3.9", "java17"),
    *("nodejs16.x", "dotnet10", "dotnet8", "java11", "dotnet6", "nodejs18.x", "provided.al2", "java8.al2"),
)
"""The runtimes that AWS's message about an unknown one names, as in January 2026: test_create_lambda_exceptions."""
_CODE = ("CreateFunction", "UpdateFunctionCode")
_REFERENCE = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]+(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)(?::(?P<qualifier>.+))?"
)


@dataclass(frozen=True)
class Reference:
    """What FunctionName names: a name, a part of an ARN, or an ARN."""

    name: str
    qualifier: str = ""
    region: str = ""
    account: str = ""


def refer(name: str) -> Reference:
    """Return what a FunctionName names."""
    found = _REFERENCE.fullmatch(name)
    if found is None:
        return Reference(name)
    return Reference(found["name"], found["qualifier"] or "", found["region"] or "", found["account"] or "")


def refuse(operation: Operation, request: Request) -> Answer | None:
    """Return Lambda's error for a request that it refuses without looking for the function."""
    if operation.service != "lambda":
        return None
    given = parameters(operation.service, operation.name, request)
    error = (
        too_large(operation.name, given, len(request.body))
        or invalid(operation, given)
        or unreachable(operation, given)
        or long_name(operation.name, given)
        or other_qualifier(given)
        or for_functions_only(operation.name, given)
        or large_environment(given)
    )
    return errors.answer("lambda", error) if error else None


def too_large(operation: str, given: dict[str, Any], size: int) -> Error | None:
    """Refuse a large archive, a large request with code, and a large event. The archive is looked at first.

    test_oversized_zipped_create_lambda, test_oversized_request_create_lambda; event:
    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. botocore's model does not have the error.
    """
    if operation in _CODE:
        archive = (given.get("Code") or given).get("ZipFile") or ""
        if len(archive) * 3 // 4 - archive[-2:].count("=") > ARCHIVE_LIMIT:
            message = f"Zipped size must be smaller than {ARCHIVE_LIMIT} bytes"
            return Error(413, "RequestEntityTooLargeException", message)
    limit = REQUEST_LIMIT if operation in _CODE else EVENT_LIMIT if operation == "Invoke" else size
    if size <= limit:
        return None
    name = "InvokeFunction" if operation == "Invoke" else operation
    message = f"Request must be smaller than {limit} bytes for the {name} operation"
    return Error(413, "RequestEntityTooLargeException", message)


def invalid(operation: Operation, given: dict[str, Any]) -> Error | None:
    """Refuse parameters that break constraints of botocore's model."""
    shape = input_shape(operation.service, operation.name)
    if shape is None:
        return None
    runtime = given.get("Runtime")
    options = shape.members["Runtime"].metadata.get("enum", ()) if "Runtime" in shape.members else ()
    broken = list(violations(shape, {name: value for name, value in given.items() if name != "Runtime"}))
    if broken:
        count = f"{len(broken)} validation error{'s' if len(broken) > 1 else ''} detected"
        return Error(400, "ValidationException", f"{count}: {'; '.join(broken)}")
    if runtime and runtime not in options:
        message = (
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(RUNTIMES)}] or be a valid ARN"
        )
        return Error(400, "InvalidParameterValueException", message)
    return None


def unreachable(operation: Operation, given: dict[str, Any]) -> Error | None:
    """Refuse an ARN of another region or, to create a function, of another account.

    test_get_function_wrong_region, test_function_arns.
    """
    reference = refer(str(given.get("FunctionName", "")))
    if reference.region and reference.region != operation.region:
        message = f"Functions from '{reference.region}' are not reachable in this region ('{operation.region}')"
        return Error(404, "ResourceNotFoundException", message)
    if operation.name == "CreateFunction" and reference.account not in ("", operation.account):
        return Error(403, "AccessDeniedException", "")
    return None


def long_name(operation: str, given: dict[str, Any]) -> Error | None:
    """Refuse to create a function with a long name. An ARN may be longer.

    test_function_arns.
    """
    name = refer(str(given.get("FunctionName", ""))).name
    if operation != "CreateFunction" or len(name) <= NAME_LIMIT:
        return None
    message = (
        f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: "
        f"Member must have length less than or equal to {NAME_LIMIT}"
    )
    return Error(400, "InvalidParameterValueException", message)


def other_qualifier(given: dict[str, Any]) -> Error | None:
    """Refuse a qualifier that is not the one in the function's name.

    test_ops_with_arn_qualifier_mismatch.
    """
    derived, qualifier = refer(str(given.get("FunctionName", ""))).qualifier, given.get("Qualifier")
    if not derived or not qualifier or derived == qualifier:
        return None
    message = "The derived qualifier from the function name does not match the specified qualifier."
    return Error(400, "InvalidParameterValueException", message)


def for_functions_only(operation: str, given: dict[str, Any]) -> Error | None:
    """Refuse a reserved concurrency of a version or an alias.

    test_function_concurrency_exceptions
    """
    if operation != "PutFunctionConcurrency" or not refer(str(given.get("FunctionName", ""))).qualifier:
        return None
    message = (
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
        "Please specify either a function name or an unqualified function ARN."
    )
    return Error(400, "InvalidParameterValueException", message)


def large_environment(given: dict[str, Any]) -> Error | None:
    """Refuse environment variables of more than 4 KB.

    test_large_environment_variables_fails, test_lambda_envvars_near_limit_succeeds.
    """
    variables = (given.get("Environment") or {}).get("Variables") or {}
    measured = "{" + ",".join(f'"{name}":"{value}"' for name, value in variables.items()) + "}"
    if len(measured.encode()) <= ENVIRONMENT_LIMIT:
        return None
    message = (
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        f"exceeded the 4KB limit. String measured: {measured}"
    )
    return Error(400, "InvalidParameterValueException", message)


def plain(operation: Operation, request: Request) -> Request:
    """Return the request with the function's name in place of a part of an ARN, which MiniStack does not know."""
    given = parameters(operation.service, operation.name, request) if operation.service == "lambda" else {}
    name = str(given.get("FunctionName", ""))
    reference = refer(name)
    known = f"{reference.name}:{reference.qualifier}" if reference.qualifier else reference.name
    if not name or known == name:
        return request
    if operation.name == "CreateFunction":
        return request.with_body(json.dumps({**json.loads(request.body), "FunctionName": reference.name}).encode())
    return request.with_path(request.raw_path.replace(quote(name, safe=""), quote(known, safe=""), 1))
