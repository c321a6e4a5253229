"""The changes that the configuration inputs make to a function. They are merged into what it has."""

from collections.abc import Mapping
from typing import Any

from promote.core.errors import FunctionError, InputError
from promote.inputs.environment_variables import require_size
from promote.inputs.model import Configuration

_NAMES = {
    "Handler": "handler",
    "Runtime": "runtime",
    "Role": "role",
    "MemorySize": "memory-size",
    "Timeout": "timeout",
}


def changes(wanted: Configuration, current: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of UpdateFunctionConfiguration that change ``current`` to ``wanted``; empty if equal.

    Raises:
        InputError: An image has no handler and no runtime, or the variables become too large.

    """
    if current.get("PackageType") == "Image" and (wanted.handler or wanted.runtime):
        raise InputError(
            "handler" if wanted.handler else "runtime",
            "the function is a container image, which defines its own",
            hint="Leave handler and runtime empty.",
        )
    found = {name: value for name, value in _given(wanted).items() if current.get(name) != value}
    if wanted.environment_variables is not None:
        existing = (current.get("Environment") or {}).get("Variables") or {}
        merged = {**existing, **wanted.environment_variables}
        if merged != existing:
            require_size(merged, "together with the function's existing variables, they are")
            found["Environment"] = {"Variables": merged}
    return found


def gap_of_latest(current: Mapping[str, Any]) -> str:
    """Return why an invocation without a qualifier does not run what a version runs; empty if it does.

    Facts: https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-version-publishing.html,
    .../snapstart.html and .../durable-invoking.html.
    """
    if current.get("CapacityProviderConfig"):
        return "the function uses Lambda Managed Instances, whose unqualified ARN invokes $LATEST.PUBLISHED"
    if (current.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions":
        return "the function uses SnapStart, and $LATEST has no snapshot: only published versions start from one"
    if current.get("DurableConfig"):
        return "the function is a durable function, which is invoked only with a qualified ARN"
    return ""


def creation(wanted: Configuration, name: str, package_type: str) -> dict[str, Any]:
    """Return the configuration for CreateFunction.

    Raises:
        FunctionError: An input that a new function needs is missing.

    """
    needed = {"role": wanted.role}
    if package_type == "Zip":
        needed |= {"runtime": wanted.runtime, "handler": wanted.handler}
    missing = [key for key, value in needed.items() if not value]
    if missing:
        raise FunctionError(
            f"the function {name} does not exist in this region, and {_list(missing)} would be needed to create it",
            hint=f"Correct function-name or aws-region. To create the function, add {_list(missing)}.",
        )
    given = _given(wanted)
    if wanted.environment_variables:
        given["Environment"] = {"Variables": dict(wanted.environment_variables)}
    return given


def describe(arguments: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Return the changes that ``arguments`` make, one per line, without the value of any variable."""
    lines = []
    for name, value in arguments.items():
        if name == "Environment":
            existing = (current.get("Environment") or {}).get("Variables") or {}
            names = sorted(key for key, item in value["Variables"].items() if existing.get(key) != item)
            lines.append(f"environment-variables: {', '.join(names)}")
        elif name not in _NAMES:
            continue
        elif current.get(name):
            lines.append(f"{_NAMES[name]}: {current[name]} → {value}")
        else:
            lines.append(f"{_NAMES[name]}: {value}")
    return lines


def _given(wanted: Configuration) -> dict[str, Any]:
    values = {
        "Handler": wanted.handler,
        "Runtime": wanted.runtime,
        "Role": wanted.role,
        "MemorySize": wanted.memory_size,
        "Timeout": wanted.timeout,
    }
    return {name: value for name, value in values.items() if value is not None}


def _list(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
