"""The JSON Schema of ``promote.yml`` for editors, generated from the tables that the action checks the file with."""

from collections.abc import Mapping
from typing import Any

from promote.inputs.environment_variables import RESERVED_VARIABLES
from promote.inputs.limits import ENVIRONMENT, FUNCTION_ARN, FUNCTION_NAME, VARIABLE
from promote.inputs.manifest_schema import FUNCTION, LINE, MOST, TEXT, WHOLE, Key, Kind

_ONLY_HERE = {
    "functions": "The functions by their names or ARNs, each with its own settings. Other settings come from the "
    "inputs of the step.",
    "environments": "Settings of each environment, by its name. If this key is there, no other environments are valid.",
    "retired": "Names of functions that belonged to the application and are no longer released with it.",
    "checks": "HTTP checks, one per line, in the format of the input checks. A line that begins with the name of a "
    "function and a colon is for that function. Any other line is for the first function.",
    "invoke": "Events, one per line, in the format of the input invoke. A line that begins with the name of a function "
    "and a colon is for that function. Any other line is for the first function.",
    "environment-variables": "Environment variables, such as LOG_LEVEL: info. The action adds them to those that the "
    "function has, and never removes any.",
}


def schema(action: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema. Keys that are inputs have their descriptions from action.yml."""
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
        "title": "promote.yml: an application of several AWS Lambda functions that are released together",
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
    """Return a pattern that matches a whole text. In Python, $ also matches before a line break at the end."""
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
            assert key.limits  # noqa: S101 - each kind of number has them
            kind = "integer" if key.kind is Kind.WHOLE else "number"
            return {"type": kind, "minimum": key.limits.least, "maximum": key.limits.most}
        case Kind.CHOICE:
            return {"enum": list(key.choices)}
        case Kind.VARIABLES:
            names = {"pattern": whole(VARIABLE), "not": {"enum": sorted(RESERVED_VARIABLES)}}
            return {"type": "object", "propertyNames": names, "additionalProperties": {"type": "string"}}
