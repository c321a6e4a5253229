"""Conditions that are always true or always false are refused, and no others."""

import itertools
import json
import re

import pytest

from promote.core.errors import InputError
from promote.inputs.checks import Expectation, parse_checks
from promote.inputs.expression import problem
from promote.inputs.value import Value


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("[status == 'ok']", "a list or an object of conditions is always true", "&&"),
        ("[status == 'ok', db == 'ok']", "a list or an object of conditions is always true", "&&"),
        ("{a: status == 'ok'}", "a list or an object of conditions is always true", "&&"),
        ("status == 'ok' || [db]", "a list or an object of conditions is always true", "&&"),
        ("status == 'ok' && {a: b}", "a list or an object of conditions is always true", "&&"),
        ("parts.[a, b]", "a list or an object of conditions is always true", "&&"),
        ("[status == 'ok'] | @", "it is always true or always false", "status == 'ok'"),
        ("status == 'ok' | `true`", "it is always true or always false", "status == 'ok'"),
        ("status == 'ok' | 'x'", "it is always true or always false", "status == 'ok'"),
        ("'x' | @", "it is always true or always false", "status == 'ok'"),
        ("(status == 'ok' || 'x') | @", "it is always true or always false", "status == 'ok'"),
        ("!(ok > `true`)", "it is always true or always false", "status == 'ok'"),
        ("length(items) >= `0`", "it is always true or always false", "status == 'ok'"),
        ("length(items) != '3'", "it is always true or always false", "status == 'ok'"),
        ("type(items) != 'list'", "it is always true or always false", "status == 'ok'"),
        ("items[*].status != 'error'", "it is always true or always false", "status == 'ok'"),
        ("(status || 'none') != ''", "it is always true or always false", "status == 'ok'"),
        ("items[?'x'] | length(@) == `3`", "it is always true or always false", "status == 'ok'"),
        ("not_null(status, 'x')", "not_null() is always true", "Compare the result"),
        ("not_null(status, type(@))", "not_null() is always true", "Compare the result"),
        ("to_string(status)", "to_string() is always true", "Compare the result"),
        ("to_array(status)", "to_array() is always true", "Compare the result"),
        ("type(@)", "type() is always true", "Compare the result"),
        ("!type(@)", "type() is always true", "Compare the result"),
        ("status.type(@)", "type() is always true", "Compare the result"),
        ('merge(@, `{"a": 1}`)', "merge() is always true", "Compare the result"),
        ("keys({a: b})", "keys() is always true", "Compare the result"),
        ("length([a, b])", "length() is always true", "Compare the result"),
        ("length(items) && status == 'ok'", "length() is always true", "Compare the result"),
        ("!!length(items)", "length() is always true", "Compare the result"),
        ("status == status", "it compares something with itself", "status == 'ok'"),
        ("!(a.b != a.b)", "it compares something with itself", "status == 'ok'"),
        ("items[?a == a]", "it compares something with itself", "status == 'ok'"),
    ],
)
def test_a_condition_that_tests_nothing_is_refused(expression: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match="does not depend on the response") as caught:
        parse_checks(Value("GET / " + expression))
    assert message in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "expression",
    [
        "length(items)",
        "status == 'ok' && length(items)",
        "not_null(a, b)",
        "not_null(enabled, `true`) == `true`",
        "not_null(enabled, `true`) != `false`",
        "not_null(enabled, `false`)",
        "(count || `0`) == `0`",
        "contains(['ok', 'up'], status)",
        "['x', a] == [b, 'y']",
        '{a: a} == `{"a": 1}`',
        "updated >= '2024-01-01'",
        "version < '2'",
        "to_string(code) == '200'",
        "type(items) == 'array'",
        'items[*].status == `["ok"]`',
        "items[?level == 'fatal'] | length(@) == `0`",
        "items[?@] | [0] == 'x'",
        "items[].tags[] | contains(@, 'x')",
        "headers.\"content-type\" == 'x' | @",
        "kind == type(@)",
        "!(error || warning) && avg(times)",
    ],
)
def test_a_condition_that_may_be_false_is_taken(expression: str) -> None:
    assert parse_checks(Value("GET / " + expression))[0].expectation == Expectation(expression)


TERMS = [
    *("a", "a.b", "a[0]", "a[*].b", "a[?b]", "a[1:]", "[a]", "[a, 'x']", "{b: a.b}", "a | b", "a || 'x'", "a && b"),
    *(
        "!a",
        "@",
        "type(a)",
        "length(a)",
        "abs(a)",
        "sum(a)",
        "avg(a)",
        "keys(a)",
        "reverse(a)",
        "max(a)",
        "to_number(a)",
    ),
    *("contains(a, 'x')", "join('', a)", "sort(a)", "merge(a, a)", "not_null(a, 'x')", "map(&b, a)", "values(a)"),
    *("`0`", "`1`", "`-1`", "'x'", "''", "`null`", "`true`", "`[]`", '`["x"]`', "`{}`", '`{"b": "x"}`', "'number'"),
]
VALUES: list[object] = [
    None,
    False,
    True,
    0,
    1,
    -1,
    2,
    "",
    "x",
    "y",
    [],
    ["x"],
    ["x", "y"],
    [0],
    [-1, 2],
    [None],
    [{"b": "x"}],
]
VALUES += [{}, {"b": "x"}, {"b": 1}, {"b": ["x"]}, [["x"]], [True, "x"], ["x", "x"]]


@pytest.mark.parametrize("comparator", ["==", "!=", "<", ">="])
def test_a_comparison_that_can_be_both_is_never_refused(comparator: str) -> None:
    documents = [json.dumps({"a": value}).encode() for value in VALUES]
    for left, right in itertools.combinations(TERMS, 2):
        expression = f"({left}) {comparator} ({right})"
        if "does not depend" in problem(expression)[0]:
            complaints = [str(Expectation(expression).complaint(document)) for document in documents]
            outcomes = {
                not text for text in complaints if not re.search("cannot be evaluated|compares two fields", text)
            }
            assert len(outcomes) <= 1, expression


def test_an_expression_of_many_parts_is_nested_too_deeply() -> None:
    with pytest.raises(InputError, match="it is nested too deeply"):
        parse_checks(Value("GET / " + " || ".join(f"a{number} == b" for number in range(5000))))
