"""The function's environment variables, as the input gives them."""

import re
from collections.abc import Mapping

from promote.core.errors import InputError
from promote.inputs.checks import json_object, json_type
from promote.inputs.reader import Reader

VARIABLE = r"[a-zA-Z][a-zA-Z0-9_]+"
"""An environment variable's name, as a pattern."""


def environment_variables(read: Reader) -> Mapping[str, str] | None:
    """Read the JSON object of variables. No value is ever repeated in an error: it may be a secret."""
    name, text = "environment-variables", read.raw("environment-variables").strip()
    if not text:
        return None
    hint = 'Write a JSON object of strings, such as {"LOG_LEVEL": "info"}.'
    try:
        value = json_object(text)
    except ValueError as error:
        raise InputError(name, str(error), hint=hint) from None
    for key, item in value.items():
        if not re.fullmatch(VARIABLE, key):
            raise InputError(
                name,
                f"{key!r} is no name that Lambda takes for a variable",
                hint="Names begin with a letter and have two or more letters, digits and _.",
            )
        if key in RESERVED_VARIABLES:
            raise InputError(
                name, f"{key} is set by Lambda itself and cannot be given", hint="Choose another name for it."
            )
        if not isinstance(item, str):
            raise InputError(name, f"the value of {key} is {json_type(item)}, not a string", hint='Put it in "quotes".')
        if item.encode(errors="replace").decode() != item:
            raise InputError(name, f"the value of {key} holds half a character", hint="Write it in Unicode (UTF-8).")
    require_size(value, "the variables are")
    return value


def require_size(variables: Mapping[str, str], which: str) -> None:
    """Refuse environment variables that together are larger than Lambda takes; ``which`` says whose they are.

    Raises:
        InputError: they are.

    """
    size = sum(len(key.encode()) + len(item.encode()) for key, item in variables.items())
    if size > VARIABLES_LIMIT:
        raise InputError(
            "environment-variables",
            f"{which} {size} bytes, and Lambda takes {VARIABLES_LIMIT}",
            hint="Keep large values in Parameter Store or Secrets Manager.",
        )


VARIABLES_LIMIT = 4096
"""Bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, environment variables."""


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
