"""What DynamoDB refuses in the expressions of a request, and MiniStack accepts or words in another way.

Sources are moto's tests that are verified against AWS:
https://github.com/getmoto/moto/blob/master/tests/test_dynamodb/exceptions/test_dynamodb_exceptions.py
"""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

from sandbox import errors
from sandbox.parameters import json_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.exchange import Answer, Request
    from sandbox.operations import Operation

EXPRESSIONS = (
    "UpdateExpression",
    "ConditionExpression",
    "KeyConditionExpression",
    "FilterExpression",
    "ProjectionExpression",
)
_WRITES = ("PutItem", "UpdateItem", "DeleteItem")
_OTHERS = ("GetItem", "Query", "Scan", "TransactGetItems", "TransactWriteItems")
_SECTION = re.compile(r"(?<![\w.#:])(SET|REMOVE|ADD|DELETE)(?=\s)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"[#:]\w+")
_SETS = {
    "SS": "An string set  may not be empty",
    "NS": "An number set  may not be empty",
    "BS": "Binary sets should not be empty",
}
_STEP = re.compile(r"\[\d+\]|[^.\[\]]+")


def refuse(operation: Operation, request: Request) -> Answer | None:
    """Return DynamoDB's error for a request with an expression that it does not accept."""
    if operation.service != "dynamodb" or operation.name not in _WRITES + _OTHERS:
        return None
    data = json_object(request.body)
    parts = [part for item in data.get("TransactItems", ()) for part in item.values()] or [data]
    message = next((text for part in parts for text in _wrong(part)), "")
    if not message:
        return None
    # A write of one item has its message inside the one of the validation.
    message = f"1 validation error detected: {message}" if operation.name in _WRITES else message
    return errors.answer("dynamodb", errors.Error(400, "ValidationException", message))


def plain(operation: Operation, request: Request) -> Request:
    """Return the request with the elements of lists that it removes from the last to the first.

    MiniStack removes one before it searches the next, and DynamoDB uses the original positions:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
    """
    if operation.service != "dynamodb" or b"REMOVE" not in request.body.upper():
        return request
    data = json_object(request.body)
    parts = [part for item in data.get("TransactItems", ()) for part in item.values()] or [data]
    for part in parts:
        if update := part.get("UpdateExpression"):
            part["UpdateExpression"] = _from_the_last(update)
    return request.with_body(json.dumps(data).encode())


def _from_the_last(expression: str) -> str:
    start, *sections = _SECTION.split(expression)
    for number, kind in enumerate(sections[::2]):
        if kind.upper() == "REMOVE":
            paths = list(_changes("REMOVE", sections[2 * number + 1]))
            sections[2 * number + 1] = f" {', '.join(sorted(paths, key=_positions, reverse=True))} "
    return start + "".join(sections)


def _positions(path: str) -> list[int]:
    """Return the positions in a path."""
    return [int(position) for position in re.findall(r"\[(\d+)\]", path)]


def _wrong(part: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the expressions of one item."""
    names, values = part.get("ExpressionAttributeNames"), part.get("ExpressionAttributeValues")
    yield from _wrong_placeholders(part)
    yield from _empty_sets([part.get("Item"), part.get("Key"), values])
    given = {name: part[name] for name in EXPRESSIONS if isinstance(part.get(name), str)}
    yield from (f"Invalid {name}: The expression can not be empty;" for name in given if not given[name].strip())
    if not given:
        if names and not values:  # MiniStack refuses values without expressions
            yield "ExpressionAttributeNames can only be specified when using expressions"
        return
    used = set(_PLACEHOLDER.findall(" ".join(given.values())))
    for member in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        unused = [name for name in part.get(member) or {} if name not in used]
        if unused:
            yield f"Value provided in {member} unused in expressions: keys: {{{', '.join(unused)}}}"
    if update := part.get("UpdateExpression"):
        yield from _wrong_update(update, part.get("ExpressionAttributeNames") or {})


def _wrong_placeholders(part: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the names of placeholders."""
    for member, sign in (("ExpressionAttributeNames", "#"), ("ExpressionAttributeValues", ":")):
        if part.get(member) == {}:
            yield f"{member} must not be empty"
        for name in part.get(member) or {}:
            if not name.startswith(sign):
                yield f'{member} contains invalid key: Syntax error; key: "{name}"'


def _empty_sets(value: Any) -> Iterator[str]:
    """Yield what is wrong with the sets in an item, in values or in a list of them."""
    if isinstance(value, dict):
        for kind, part in value.items():
            if kind in _SETS and part == []:
                yield f"One or more parameter values were invalid: {_SETS[kind]}"
            else:
                yield from _empty_sets(part)
    elif isinstance(value, list):
        for part in value:
            yield from _empty_sets(part)


def _wrong_update(expression: str, names: dict[str, str]) -> Iterator[str]:
    _, *sections = _SECTION.split(expression)
    kinds = [kind.upper() for kind in sections[::2]]
    for kind in kinds:
        if kinds.count(kind) > 1:
            section = f'The "{kind}" section can only be used once in an update expression;'
            yield f"Invalid UpdateExpression: {section}"
    paths = [
        _path(change, names)
        for kind, text in zip(kinds, sections[1::2], strict=True)
        for change in _changes(kind, text)
    ]
    for one, two in combinations(paths, 2):
        length = min(len(one), len(two))
        if length and one[:length] == two[:length]:
            yield (
                "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of "
                f"these paths; path one: [{', '.join(one)}], path two: [{', '.join(two)}]"
            )


def _changes(kind: str, text: str) -> Iterator[str]:
    """Yield the path of each change in a section."""
    depth, start = 0, 0
    for position, character in enumerate(f"{text},"):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            change = text[start:position].strip()
            yield change.partition("=")[0].strip() if kind == "SET" else change.split()[0] if change else ""
            start = position + 1


def _path(text: str, names: dict[str, str]) -> tuple[str, ...]:
    """Return the steps of a path. A name from ExpressionAttributeNames is one step, also with a dot in it."""
    return tuple(names.get(step, step) for step in _STEP.findall(text))
