"""The JSON Schema of ``promote.yml``, for editors, made of the tables by which the action checks it."""

from collections.abc import Mapping
from typing import Any

from promote.inputs.environment_variables import RESERVED_VARIABLES
from promote.inputs.limits import ENVIRONMENT, FUNCTION_ARN, FUNCTION_NAME, VARIABLE
from promote.inputs.manifest_schema import FUNCTION, LINE, MOST, TEXT, WHOLE, Key, Kind

_ONLY_HERE = {
    "functions": "The functions by their names or ARNs, with what is particular to each; what is not said here, the "
    "inputs of the step say for all of them.",
    "environments": "What is different in an environment, by its name. Where this is given, there are no others.",
    "retired": "Names of functions that belonged to the application once, and are not released with it any more.",
    "checks": "HTTP checks, a line each, as the input checks has them. A line that begins with the name of a function "
    "and a colon is for that function, any other for the first.",
    "invoke": "Events, a line each, as the input invoke has them. A line that begins with the name of a function and a "
    "colon is for that function, any other for the first.",
    "environment-variables": "Environment variables. They are merged into what the function has; none is ever removed.",
}


def schema(action: Mapping[str, Any]) -> dict[str, Any]:
    """Give the schema; what a key means is said as in action.yml, whose inputs they are."""
    inputs = action["inputs"]
    functions = {
        "description": _ONLY_HERE["functions"],
        "type": "object",
        "propertyNames": {"pattern": whole(f"{FUNCTION_NAME}|{FUNCTION_ARN}")},
        "maxProperties": MOST,
        "additionalProperties": {"$ref": "#/$defs/function"},
    }
    application = {name: _value(name, key, inputs, of_all=True) for name, key in WHOLE.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "promote.yml: an application of several AWS Lambda functions, promoted together",
        "type": "object",
        "required": ["functions"],
        "additionalProperties": False,
        "properties": {
            "functions": {**functions, "minProperties": 1},
            **application,
            "environments": {
                "description": _ONLY_HERE["environments"],
                "type": "object",
                "propertyNames": {"pattern": whole(ENVIRONMENT)},
                "additionalProperties": {
                    "type": ["object", "null"],
                    "additionalProperties": False,
                    "properties": {"functions": functions, **application},
                },
            },
            "retired": {
                "description": _ONLY_HERE["retired"],
                "type": "array",
                "items": {"type": "string", "pattern": whole(FUNCTION_NAME)},
            },
        },
        "$defs": {
            "function": {
                "type": ["object", "null"],
                "additionalProperties": False,
                "properties": {name: _value(name, key, inputs, of_all=False) for name, key in FUNCTION.items()},
            }
        },
    }


def whole(pattern: str) -> str:
    """Make a pattern match from the beginning to the end; in Python, $ would leave room for a line break."""
    return rf"^(?:{pattern})(?![\s\S])"


def _value(name: str, key: Key, inputs: Mapping[str, Any], *, of_all: bool) -> dict[str, Any]:
    own = name == "environment-variables" or (of_all and name in _ONLY_HERE)
    return {"description": _ONLY_HERE[name] if own else inputs[name]["description"], **_type(key)}


def _type(key: Key) -> dict[str, Any]:
    line, text = ({"type": "string", "pattern": whole(pattern)} for pattern in (LINE, TEXT))
    match key.kind:
        case Kind.LINE:
            return line
        case Kind.TEXT:
            return text
        case Kind.LINES:
            return {"oneOf": [text, {"type": "array", "items": line}]}
        case Kind.WHOLE | Kind.NUMBER:
            assert key.limits  # noqa: S101 - each number has them
            kind = "integer" if key.kind is Kind.WHOLE else "number"
            return {"type": kind, "minimum": key.limits.least, "maximum": key.limits.most}
        case Kind.CHOICE:
            return {"enum": list(key.choices)}
        case Kind.VARIABLES:
            names = {"pattern": whole(VARIABLE), "not": {"enum": sorted(RESERVED_VARIABLES)}}
            return {"type": "object", "propertyNames": names, "additionalProperties": {"type": "string"}}
