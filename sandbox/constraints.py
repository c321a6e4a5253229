"""The constraints of botocore's model on parameters, with AWS's texts for values that break them.

Texts as recorded on AWS:
https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.snapshot.json
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from sandbox.parameters import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator


def violations(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Yield a text for each part of a value that breaks a constraint of its shape."""
    if shape.type_name == "structure":
        if isinstance(value, dict):
            for name, member in shape.members.items():
                if name in value:
                    yield from violations(member, value[name], f"{path}.{_member(name)}" if path else _member(name))
        return
    for broken in _broken(shape, value):
        yield f"Value '{_shown(shape, value)}' at '{path}' failed to satisfy constraint: {broken}"


def _broken(shape: Any, value: Any) -> Iterator[str]:
    """Yield the constraints that a value breaks."""
    if shape.type_name == "string" and isinstance(value, str):
        yield from _range(shape, len(value), "length")
        pattern, options = shape.metadata.get("pattern"), shape.metadata.get("enum")
        if pattern and not _compiled(pattern).fullmatch(value):
            yield f"Member must satisfy regular expression pattern: {pattern}"
        if options and value not in options:
            yield f"Member must satisfy enum value set: [{', '.join(options)}]"
    elif shape.type_name in NUMBERS and isinstance(value, int | float):
        yield from _range(shape, value, "value")
    elif shape.type_name == "list" and isinstance(value, list):
        yield from _range(shape, len(value), "length")
        if any(True for part in value for _ in _broken(shape.member, part)):
            yield f"Member must satisfy constraint: [{', '.join(_all(shape.member))}]"
    elif shape.type_name == "map" and isinstance(value, dict):
        yield from _range(shape, len(value), "length")
        if any(True for key in value for _ in _broken(shape.key, key)):
            yield f"Map keys must satisfy constraint: [{', '.join(_all(shape.key)[:-1])}]"
        elif any(True for part in value.values() for _ in _broken(shape.value, part)):
            yield f"Map value must satisfy constraint: [{', '.join(_all(shape.value))}]"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern of botocore's model, which may have classes of Unicode that Python writes in another way."""
    for name, ours in (("L", "\\w"), ("N", "\\d"), ("Z", "\\s"), ("IsLetter", "\\w"), ("IsDigit", "\\d")):
        pattern = pattern.replace(f"\\p{{{name}}}", ours)
    return re.compile(pattern)


def _range(shape: Any, size: float, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and size > most:
        yield f"Member must have {what} less than or equal to {most}"
    if least is not None and size < least:
        yield f"Member must have {what} greater than or equal to {least}"


def _all(shape: Any) -> list[str]:
    """Return all constraints on the parts of a list or map."""
    what = "value" if shape.type_name in NUMBERS else "length"
    texts = []
    if (most := shape.metadata.get("max")) is not None:
        texts.append(f"Member must have {what} less than or equal to {most}")
    if (least := shape.metadata.get("min")) is not None:
        texts.append(f"Member must have {what} greater than or equal to {least}")
    if pattern := shape.metadata.get("pattern"):
        texts.append(f"Member must satisfy regular expression pattern: {pattern}")
    if options := shape.metadata.get("enum"):
        texts.append(f"Member must satisfy enum value set: [{', '.join(options)}]")
    return [*texts, "Member must not be null"]


def _shown(shape: Any, value: Any) -> str:
    """Return a value as AWS shows it."""
    if shape.type_name == "map" and isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_shown(shape.value, part)}" for key, part in value.items()) + "}"
    if shape.type_name == "list" and isinstance(value, list):
        return f"[{', '.join(_shown(shape.member, part) for part in value)}]"
    return str(float(value)) if shape.type_name in ("float", "double") else str(value)


def _member(name: str) -> str:
    """Return the name of a member as AWS shows it, such as `functionName`. Abbreviations stay: `KMSKeyArn`."""
    return name if name[:2].isupper() else name[0].lower() + name[1:]
