"""JMESPath expressions that test a JSON document. They are compiled strictly, and must depend on the document."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from jmespath.functions import Functions
from jmespath.parser import ParsedResult, Parser
from jmespath.visitor import TreeInterpreter

from promote.inputs.condition import Conditions

_LITERALS = ("true", "false", "null")
"""Words that are names of fields in JMESPath, and values in JSON."""

_ADVICE = "Write strings in single quotes, as in status == 'ok'. See https://jmespath.org."


_UNKNOWN = "compares two fields, and one is null (write text in single quotes, and null as `null`) in"


class _StrictParser(Parser):
    """A parser that marks fields whose names are in double quotes."""

    _CACHE: ClassVar[dict[str, ParsedResult]] = {}
    """A separate cache, because the nodes of jmespath's parser have no marks."""

    def _token_nud_quoted_identifier(self, token: Any) -> Any:
        return {**super()._token_nud_quoted_identifier(token), "quoted": True}  # type: ignore[misc]


class _Interpreter(TreeInterpreter):
    """An interpreter that returns ``unknown`` for each comparison of two fields of which one is null."""

    def __init__(self, *, unknown: bool) -> None:
        super().__init__()
        self._unknown = unknown

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """Compare two sides. A comparison of null with a literal is valid, as in ``error == `null```."""
        if any(child["type"] == "literal" for child in node["children"]):
            return super().visit_comparator(node, value)
        found = [self.visit(child, value) for child in node["children"]]
        if None in found:
            return self._unknown
        literals: Any = [{"type": "literal", "value": side, "children": []} for side in found]
        compared: Any = {"type": "comparator", "value": node["value"], "children": literals}
        return super().visit_comparator(compared, value)


def problem(expression: str) -> tuple[str, str]:
    """Return the error of an expression, and what to write instead; both empty if there is no error.

    This includes errors that jmespath finds only when it evaluates the expression.
    """
    try:
        parsed = _parse(expression).parsed
    except RecursionError:
        return "does not compile: it is nested too deeply", _ADVICE
    except ValueError as error:  # also JMESPathError
        text = re.sub(r"(, for expression)?:$", "", " ".join(str(error).split("\n")[0].split()))
        return f"does not compile: {text}", _ADVICE
    try:
        return _misuses(parsed)
    except RecursionError:
        return "does not compile: it is nested too deeply", _ADVICE


def complaint(expression: str, document: Any) -> str:
    """Return why ``expression`` is not true, as words between it and the document; empty if it is true.

    An expression is true unless it returns null, false, zero, or an empty value. It must not depend on a comparison of
    two fields of which one is null, because its result is unknown.

    Raises:
        ValueError, TypeError, ArithmeticError, RecursionError: The expression cannot be evaluated.

    """
    parsed = _parse(expression).parsed
    found = _Interpreter(unknown=False).visit(parsed, document)
    if bool(found) != bool(_Interpreter(unknown=True).visit(parsed, document)):
        return _UNKNOWN
    return "" if found else f"is {json.dumps(found)} of"


def _parse(expression: str) -> ParsedResult:
    return _StrictParser().parse(expression)


def _misuses(parsed: Mapping[str, Any]) -> tuple[str, str]:
    nodes = [*_nodes(parsed, {})]
    for node, parent in nodes:
        if what := _misuse(node, parent):
            return f"does not compile: {what}", _ADVICE
        if node["type"] == "comparator":
            what, hint = _mistaken(node["children"])
            if what:
                return what, hint
    conditions = Conditions(node for node, _ in nodes)
    if pointless := conditions.pointless(parsed, is_result=True):
        return _explained(pointless)
    for node, _ in nodes:
        if node["type"] == "filter_projection" and (
            pointless := conditions.pointless(node["children"][2], is_result=False)
        ):
            return _explained(pointless)
    return "", ""


def _explained(pointless: Mapping[str, Any]) -> tuple[str, str]:
    """Return why a condition tests nothing, and what to write instead."""
    if pointless["type"] in {"multi_select_list", "multi_select_dict"}:
        return (
            "does not depend on the response: a list or an object of conditions is always true",
            "Join conditions with &&, as in status == 'ok' && db == 'ok'.",
        )
    if pointless["type"] == "function_expression":
        return (
            f"does not depend on the response: as a condition, {pointless['value']}() is always true here",
            "Compare the result with a value, as in length(items) > `0`.",
        )
    return (
        "does not depend on the response, or a part of it does not: it is always true or always false",
        "Compare a field with a value that it can have, as in status == 'ok'.",
    )


def _mistaken(sides: list[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the error of a comparison, and what to write instead.

    A side may be the name of a field where a value is meant, or both sides may be the same.
    """
    if sides[0] == sides[1]:
        return (
            "does not depend on the response: it compares something with itself",
            "Compare a field with a value, as in status == 'ok'.",
        )
    for side, other in (sides, reversed(sides)):
        if side["type"] != "field":
            continue
        name = side["value"]
        if side.get("quoted") and other["type"] != "literal":
            return (
                f'compares with a field: "{name}" in double quotes is the name of a field',
                f"Write text in single quotes: '{name}'. To compare with the field, write @.\"{name}\".",
            )
        if not side.get("quoted") and name in _LITERALS:
            return (
                f"compares with a field: {name} without quotes is the name of a field",
                f"Write the value in backticks: `{name}`. To compare with the field, write @.{name}.",
            )
    return "", ""


def _misuse(node: Mapping[str, Any], parent: Mapping[str, Any]) -> str:
    if node["type"] == "function_expression" and node["value"] not in Functions.FUNCTION_TABLE:
        near = difflib.get_close_matches(node["value"], Functions.FUNCTION_TABLE, n=1)
        return f"there is no function {node['value']}()" + (f"; did you mean {near[0]}()?" if near else "")
    if node["type"] == "expref" and not _accepts_reference(parent, node):
        return "&, a reference, is only valid as an argument of some functions, as in sort_by(items, &name)"
    if node["type"] == "slice" and node["children"][2] == 0:
        return "the step of a slice cannot be 0"
    return ""


def _accepts_reference(parent: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether ``parent`` is a function that takes a reference as the argument ``node``."""
    if parent.get("type") != "function_expression":
        return False
    signature = Functions.FUNCTION_TABLE[parent["value"]]["signature"]
    return any(
        child is node and "expref" in argument["types"]
        for child, argument in zip(parent["children"], signature, strict=False)
    )


def _nodes(node: Mapping[str, Any], parent: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield each node of a parsed expression with its parent. Parents come first."""
    yield node, parent
    for child in node["children"]:
        if isinstance(child, Mapping):  # the children of a slice are numbers
            yield from _nodes(child, node)
