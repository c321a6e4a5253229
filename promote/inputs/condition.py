"""Find conditions of a JMESPath expression that are always true, or always false, for every document.

Each part of an expression has samples: one value of each kind that it can return. A condition whose samples are all
true, or all false, tests nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from jmespath.visitor import TreeInterpreter

Node: TypeAlias = Mapping[str, Any]
Samples: TypeAlias = tuple[Any, ...]

_MANY = 10**300
"""Larger than any number in a useful comparison."""

_LAST = "\U0010ffff"
"""Sorts after all other text."""

_BOOLEANS: Samples = (False, True)
_COUNTS: Samples = (0, _MANY)
_NUMBERS: Samples = (-_MANY, 0, _MANY)
_STRINGS: Samples = ("", "string", _LAST)
_ARRAYS: Samples = ([], ["text"], [_LAST])
_OBJECTS: Samples = ({}, {"text": "text"}, {"text": _LAST})
_ANYTHING: Samples = (None, *_BOOLEANS, *_NUMBERS, *_STRINGS, *_ARRAYS, *_OBJECTS)

_FUNCTIONS: Mapping[str, Samples] = {
    "abs": _COUNTS,
    "avg": (None, *_NUMBERS),
    "ceil": _NUMBERS,
    "contains": _BOOLEANS,
    "ends_with": _BOOLEANS,
    "floor": _NUMBERS,
    "join": _STRINGS,
    "keys": _ARRAYS,
    "length": _COUNTS,
    "map": _ARRAYS,
    "merge": _OBJECTS,
    "reverse": (*_STRINGS, *_ARRAYS),
    "sort": _ARRAYS,
    "sort_by": _ARRAYS,
    "starts_with": _BOOLEANS,
    "sum": _NUMBERS,
    "to_array": _ARRAYS[1:],
    "to_number": (None, *_NUMBERS),
    "to_string": _STRINGS[1:],
    "values": _ARRAYS,
}
"""What functions return: https://jmespath.org/specification.html#built-in-functions. Others can return any value.

``to_array`` and ``to_string`` return an empty value only for an empty one, so they hide a missing value.
"""

_TYPES: Samples = ("array", "boolean", "null", "number", "object", "string")
"""All values of ``type``."""

_AS_FULL_AS_ARGUMENT = ("keys", "length", "map", "merge", "reverse", "sort", "sort_by", "values")
"""Functions that return neither an empty value nor zero if an argument is never empty."""

_OPERATORS = ("comparator", "not_expression", "or_expression", "and_expression")

_OTHERS: Mapping[str, Samples] = {
    **dict.fromkeys(("projection", "filter_projection", "value_projection", "flatten", "slice"), (None, *_ARRAYS)),
    "multi_select_list": _ARRAYS[1:],
    "multi_select_dict": _OBJECTS[1:],
}
"""What other nodes return. Those that are not listed, such as a field, can return any value."""

_OF_DOCUMENT = ("current", "field", "identity")
"""The nodes of an expression that refer to the document."""


class Conditions:
    """The conditions of one expression."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """Take all nodes of the expression. A document can contain each value that the expression compares with."""
        self._literals = tuple(node["value"] for node in nodes if node["type"] == "literal")

    def pointless(self, node: Node, *, is_result: bool) -> Node | None:
        """Return the part of a condition that is always true or always false, or None.

        ``is_result``: the condition is the result of the expression. Zero is true within an expression, but not as the
        result.
        """
        return self._pointless(node, self._widened(_ANYTHING), is_result=is_result)

    def _pointless(self, node: Node, current: Samples, *, is_result: bool) -> Node | None:
        children = node["children"]
        if node["type"] in {"pipe", "subexpression"}:
            return self._pointless(children[1], self._samples(children[0], current), is_result=is_result)
        if node["type"] in {"or_expression", "and_expression"}:
            first = self._pointless(children[0], current, is_result=False)
            return first or self._pointless(children[1], current, is_result=is_result)
        if node["type"] == "not_expression":
            return self._pointless(children[0], current, is_result=False)
        truths = {_is_true(sample, is_result=is_result) for sample in self._samples(node, current)}
        has_default = node.get("value") == "not_null" and self._is_never_empty(children, current)
        return node if len(truths) == 1 or has_default or not _is_of_document(node) else None

    def _samples(self, node: Node, current: Samples) -> Samples:
        """Return the samples of ``node``, for the samples ``current`` of ``@``."""
        kind, children = node["type"], node["children"]
        if kind in {"pipe", "subexpression"}:
            return self._samples(children[1], self._samples(children[0], current))
        if kind == "function_expression":
            return self._returned(node, current)
        if kind in _OPERATORS:
            return _operated(node, [self._samples(child, current) for child in children])
        if kind == "literal":
            return (node["value"],)
        return current if kind in {"current", "identity"} else self._widened(_OTHERS.get(kind, _ANYTHING))

    def _returned(self, node: Node, current: Samples) -> Samples:
        """Return the samples of a function."""
        name = node["value"]
        if name == "type":
            return _TYPES
        samples = self._widened(_FUNCTIONS.get(name, _ANYTHING))
        if name in _AS_FULL_AS_ARGUMENT and self._is_never_empty(node["children"], current):
            samples = tuple(filter(None, samples))
        return samples

    def _is_never_empty(self, arguments: Iterable[Node], current: Samples) -> bool:
        """Whether an argument of a function is true for every document."""
        return any(all(self._samples(argument, current)) for argument in arguments if argument["type"] != "expref")

    def _widened(self, samples: Samples) -> Samples:
        """Return ``samples`` and the literals of the same kinds."""
        kinds = {_kind(sample) for sample in samples}
        return (*samples, *(literal for literal in self._literals if _kind(literal) in kinds))


def _operated(node: Node, sides: Sequence[Samples]) -> Samples:
    """Return the samples of an operator."""
    if node["type"] == "comparator":
        return _compared(node["value"], *sides)
    if node["type"] == "not_expression":
        return tuple({not _is_true(sample, is_result=False) for sample in sides[0]})
    is_or = node["type"] == "or_expression"
    return (*(sample for sample in sides[0] if _is_true(sample, is_result=False) is is_or), *sides[1])


def _compared(comparator: str, left: Samples, right: Samples) -> Samples:
    """Return the samples of a comparison."""
    found: set[Any] = set()
    interpreter = TreeInterpreter()
    for one in left:
        for other in right:
            sides: Any = [{"type": "literal", "value": side, "children": []} for side in (one, other)]
            with suppress(TypeError):  # a number and text have no order: the whole expression cannot be evaluated
                found.add(interpreter.visit({"type": "comparator", "value": comparator, "children": sides}, None))
            if found >= {True, False}:
                return (None, False, True)
    return tuple(found)


def _is_true(value: Any, *, is_result: bool) -> bool:
    """Whether a value counts as true. Zero does within an expression, but not as the result."""
    return bool(value) or (_is_number(value) and not is_result)


def _kind(value: Any) -> tuple[type, bool, bool]:
    is_number = _is_number(value)
    return (int if is_number else type(value), bool(value), is_number and value < 0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_of_document(node: Node) -> bool:
    return node["type"] in _OF_DOCUMENT or any(
        _is_of_document(child) for child in node["children"] if isinstance(child, Mapping)
    )
