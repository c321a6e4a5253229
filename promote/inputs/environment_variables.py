"""The input ``environment-variables``."""

import re
from collections.abc import Mapping
from typing import Any

from promote.inputs.checks import json_object, json_type
from promote.inputs.limits import VARIABLE
from promote.inputs.value import STEP, Place, Value

_NAME = "environment-variables"


def environment_variables(value: Value) -> Mapping[str, str] | None:
    """Return the variables from a JSON object in the step or a mapping in ``promote.yml``; None if they are not given.

    No error contains the value of a variable, because it may be a secret.
    """
    variables = value.content if isinstance(value.content, Mapping) else _from_json(value)
    if variables is None:
        return None
    for key, item in variables.items():
        if not re.fullmatch(VARIABLE, key):
            raise value.place.error(
                _NAME,
                f"{key!r} is not a valid name of a Lambda environment variable",
                hint="Names begin with a letter and have two or more letters, digits and _.",
            )
        if key in RESERVED_VARIABLES:
            raise value.place.error(
                _NAME, f"{key} is set by Lambda itself and cannot be given", hint="Choose another name for it."
            )
        if not isinstance(item, str):
            raise value.place.error(
                _NAME, f"the value of {key} is {json_type(item)}, not a string", hint='Put it in "quotes".'
            )
        if item.encode(errors="replace").decode() != item:
            raise value.place.error(
                _NAME, f"the value of {key} has an incomplete Unicode character", hint="Write it in Unicode (UTF-8)."
            )
    require_size(variables, "the variables are", value.place)
    return variables


def _from_json(value: Value) -> Mapping[str, Any] | None:
    text = value.text.strip()
    if not text:
        return None
    try:
        return json_object(text)
    except ValueError as error:
        hint = 'Write a JSON object of strings, such as {"LOG_LEVEL": "info"}.'
        raise value.place.error(_NAME, str(error), hint=hint) from None


def require_size(variables: Mapping[str, str], which: str, place: Place = STEP) -> None:
    """Refuse environment variables that are larger than Lambda accepts. ``which`` names them in the error.

    Lambda measures them as JSON, without escapes and blanks: ``{"NAME":"value"}``.

    Raises:
        InputError: The variables are too large.

    """
    measured = "{" + ",".join(f'"{key}":"{item}"' for key, item in variables.items()) + "}"
    size = len(measured.encode())
    if size > VARIABLES_LIMIT:
        raise place.error(
            _NAME,
            f"{which} {size} bytes as JSON, and Lambda accepts {VARIABLES_LIMIT}",
            hint="Keep large values in Parameter Store or Secrets Manager.",
        )


VARIABLES_LIMIT = 4096
"""Bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, environment variables. What Lambda
measures is recorded in test_large_environment_variables_fails and test_lambda_envvars_near_limit_succeeds:
https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.py"""


RESERVED_VARIABLES = frozenset(
    {
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, reserved environment variables."""
