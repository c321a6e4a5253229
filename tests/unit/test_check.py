"""The grammar of checks and invocations, and the expectation of a response."""

import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promote.core.errors import InputError
from promote.inputs.checks import (
    METHODS,
    Expectation,
    HttpCheck,
    Invocation,
    excerpt,
    json_object,
    json_type,
    parse_checks,
    parse_invocations,
    values_of,
)
from promote.inputs.value import Value

NOTHING = Expectation("")


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("GET /", HttpCheck("GET", "/", None, NOTHING)),
        ("GET /health 204", HttpCheck("GET", "/health", 204, NOTHING)),
        ("GET /health status == 'ok'", HttpCheck("GET", "/health", None, Expectation("status == 'ok'"))),
        ("POST /a?b=c&d=%20 201 a.b[0]", HttpCheck("POST", "/a?b=c&d=%20", 201, Expectation("a.b[0]"))),
        ("  GET \t /  \t 200  a  ==  'b  c'  ", HttpCheck("GET", "/", 200, Expectation("a  ==  'b  c'"))),
        ("GET\t/\t200\ta", HttpCheck("GET", "/", 200, Expectation("a"))),
        ("GET / 200 # why", HttpCheck("GET", "/", 200, NOTHING)),
        ("GET / a == '# b' # why", HttpCheck("GET", "/", None, Expectation("a == '# b'"))),
        ('GET / "# a"', HttpCheck("GET", "/", None, Expectation('"# a"'))),
        ('GET / a == `"# b"` # why', HttpCheck("GET", "/", None, Expectation('a == `"# b"`'))),
        (r"GET / a == 'it\'s # 1' # why", HttpCheck("GET", "/", None, Expectation(r"a == 'it\'s # 1'"))),
        ("GET /it's 200 # why", HttpCheck("GET", "/it's", 200, NOTHING)),
        ("GET / code == `200`", HttpCheck("GET", "/", None, Expectation("code == `200`"))),
    ],
)
def test_a_line_is_a_check(line: str, check: HttpCheck) -> None:
    assert parse_checks(Value(line)) == (check,)


def test_comments_and_empty_lines_say_nothing() -> None:
    assert parse_checks(Value("")) == ()
    assert parse_checks(Value("# GET /\n\n   \n\t# b")) == ()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_keep_their_order(end: str) -> None:
    checks = parse_checks(Value(end.join(["GET /a", "", "# b", "HEAD /c"])))
    assert [check.path for check in checks] == ["/a", "/c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FETCH /", "line 1: 'FETCH' is not an HTTP method; it must be one of GET, HEAD,"),
        ("get /", "line 1: 'get' is not an HTTP method; did you mean GET?"),
        ("\n\nGET", "line 3: the path is missing"),
        ("GET health", "line 1: the path 'health' must begin with /"),
        ("GET /ä", "line 1: the path '/ä' must begin with / and be ASCII"),
        ("GET /a#b", "line 1: the path '/a#b' must"),
        ("GET / 99", "line 1: 99 is not a valid HTTP status"),
        ("GET / 600", "line 1: 600 is not a valid HTTP status"),
        ("GET / 0200", "line 1: 0200 is not a valid HTTP status"),
        ("GET / ٢٠٠", "line 1: ٢٠٠ is not a valid HTTP status"),
        ("GET / " + "9" * 5000, "line 1: 999"),
        ("GET / status = 'ok'", "does not compile: Bad jmespath expression: Unknown token '='"),
        ("GET / 'ok", "does not compile: Bad jmespath expression: Unclosed ' delimiter"),
        ("GET / 2xx", "does not compile: invalid token: Parse error at column 0"),
        ("GET / a[" + "9" * 5000 + "]", "does not compile"),
        ("GET / " + "(" * 5000, "does not compile: it is nested too deeply"),
        ("GET / lenght(@)", "does not compile: there is no function lenght(); did you mean length()?"),
        ("GET / a[?b(@)].c | [0]", "does not compile: there is no function b()"),
        ("GET / {map: &a}", "does not compile: &, a reference"),
        ("GET / [&a]", "does not compile: &, a reference"),
        ("GET / not_null(&a)", "does not compile: &, a reference"),
        ("GET / [to_array(&a)]", "does not compile: &, a reference"),
        ("GET / sort_by(&name, items)", "does not compile: &, a reference"),
        ("GET / sort_by(items, &name, &age)", "does not compile: &, a reference"),
        ("GET / sort_by(items, [&name])", "does not compile: &, a reference"),
        ("GET / items[::0]", "does not compile: the step of a slice cannot be 0"),
        ("GET / a == `1` && length(keys(@)[1:2:0]) > `0`", "does not compile: the step of a slice cannot be 0"),
        ("HEAD / a", "line 1: the response to HEAD has no body"),
    ],
)
def test_an_invalid_check_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_checks(Value(text))
    assert caught.value.name == "checks"
    assert message in str(caught.value)
    assert "for expression" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert caught.value.hint


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ('status != "error"', "Write text in single quotes: 'error'."),
        ('"error" != status', "Write text in single quotes: 'error'."),
        ('!(status == "error")', "Write text in single quotes: 'error'."),
        ('items[?type == "a b"] | length(@) == `0`', "Write text in single quotes: 'a b'."),
        ('length(items) > "3"', "Write text in single quotes: '3'."),
        ("ok == true", "Write the value in backticks: `true`."),
        ("error == null", "Write the value in backticks: `null`."),
        ("false != ok && ok", "Write the value in backticks: `false`."),
    ],
)
def test_a_field_that_is_meant_as_a_value_is_refused(expression: str, hint: str) -> None:
    for parse, line, name in ((parse_checks, "GET / ", "checks"), (parse_invocations, "a.json ", "invoke")):
        with pytest.raises(InputError) as caught:
            parse(Value(line + expression))
        assert caught.value.name == name
        assert "compares with a field" in str(caught.value)
        assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("expression", ["'ok'", "`true`", "status == 'ok' || 'x'", "`1` == `1`", "!'' && ok"])
def test_an_expression_that_does_not_need_the_answer_is_refused(expression: str) -> None:
    with pytest.raises(InputError, match="does not depend on the response") as caught:
        parse_checks(Value("GET / 200 " + expression))
    assert "status == 'ok'" in caught.value.hint


@pytest.mark.parametrize(
    "expression",
    [
        "\"my-field\" == 'ok'",
        '`1` < "my-count"',
        'a == @."my-field"',
        'items."my-field" == a',
        "a == `null`",
        "a.null == b",
    ],
)
def test_a_field_that_is_meant_as_a_field_may_be_compared(expression: str) -> None:
    assert parse_checks(Value("GET / " + expression))[0].expectation == Expectation(expression)


@pytest.mark.parametrize(
    ("expression", "document"),
    [
        ("status == ok", '{"state": 1}'),
        ("status == ok", '{"status": "ok"}'),
        ("status != error", '{"status": "error"}'),
        ("!(errors > limit)", "{}"),
        ("!(status == error)", '{"status": "error"}'),
        ("length(items[?a == b]) == `1`", '{"items": [{"a": 1, "b": 1}, {}]}'),
        ("length(items[?a == b]) == `2`", '{"items": [{"a": 1, "b": 1}, {}]}'),
    ],
)
def test_a_comparison_of_fields_that_are_not_there_says_nothing(expression: str, document: str) -> None:
    complaint = Expectation(expression).complaint(document.encode())
    assert str(complaint).startswith(f"{expression} compares two fields, and one is null")


@pytest.mark.parametrize(
    ("expression", "document"),
    [
        ("a == b", '{"a": 1, "b": 1}'),
        ("a != b", '{"a": 1, "b": 2}'),
        ("error == `null`", "{}"),
        ("status != 'error'", "{}"),
        ("a == b || ok", '{"ok": true}'),
        ("length(items[?age > `3`]) == `1`", '{"items": [{"age": 4}, {}]}'),
    ],
)
def test_a_comparison_that_does_not_depend_on_what_is_not_there_is_true(expression: str, document: str) -> None:
    assert not Expectation(expression).complaint(document.encode())


def test_functions_may_take_references() -> None:
    (check,) = parse_checks(
        Value("GET / sort_by(items, &name)[0].name == max_by(map(&@, items), &age).name && items[::-1]")
    )
    assert not check.expectation.complaint(b'{"items": [{"name": "a", "age": 1}, {"name": "b", "age": 0}]}')


METHOD = st.sampled_from([method for method in METHODS if method != "HEAD"])
PATH = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#")).map(
    lambda rest: f"/{rest}"
)
STATUS = st.none() | st.integers(100, 599)
WORD = st.from_regex(r"(?!(true|false|null)$)[a-z_][a-z0-9_]{0,8}", fullmatch=True)
RAW = st.text(
    st.characters(exclude_categories=["C", "Z"], include_characters=" #", exclude_characters="'\\"), max_size=9
)
EXPRESSION = st.just("") | WORD | st.builds("{0} == '{1}'".format, WORD, RAW) | st.builds("length({0})".format, WORD)


@settings(deadline=None)
@given(METHOD, PATH, STATUS, EXPRESSION)
def test_a_check_is_read_as_it_is_written(method: str, path: str, status: int | None, expression: str) -> None:
    check = HttpCheck(method, path, status, Expectation(expression))
    assert parse_checks(Value(f"\n{check.written}\n")) == (check,)
    if not {"'", '"', "`"} & set(path):  # an unclosed quote hides what follows
        assert parse_checks(Value(f"{check.written} # why")) == (check,)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/a", "/a"),
        ("/a?token=s3cr3t", "/a?token=…"),
        ("/a?b=1&token=s3cr3t;x=y=z&e=&f", "/a?b=…&token=…;x=…&e=&…"),
        ("/a?s3cr3t", "/a?…"),
        ("/a?", "/a?"),
        ("/a?b=?s3cr3t", "/a?b=…"),
    ],
)
def test_a_name_has_no_value_of_a_query(path: str, shown: str) -> None:
    check = parse_checks(Value(f"GET {path} 200 ok"))[0]
    assert (check.name, check.written) == (f"GET {shown} 200 ok", f"GET {path} 200 ok")
    for line in (f"{path}", f"GET {path}#s3cr3t") if "s3cr3t" in path else ():
        with pytest.raises(InputError) as caught:
            parse_checks(Value(line))
        assert "s3cr3t" not in str(caught.value)


def test_the_values_of_a_query_are_known_as_written_and_decoded() -> None:
    assert list(values_of("/a?token=s3+cr%2Bt&bare%21;b=")) == [
        *("s3+cr%2Bt", "s3+cr+t", "s3 cr+t"),
        *("bare%21", "bare!", "bare!"),
        *("", "", ""),
    ]
    assert not any(values_of("/a"))


# jmespath accepts it, with a deprecation warning, so users are not stopped.
@pytest.mark.filterwarnings("ignore:deprecated string literal syntax:PendingDeprecationWarning")
@settings(deadline=None)
@given(st.text())
@example("`text without quotes`")
@pytest.mark.parametrize(
    ("name", "parse", "start"),
    [("checks", parse_checks, "GET / "), ("checks", parse_checks, ""), ("invoke", parse_invocations, "")],
)
def test_each_line_that_is_not_a_comment_is_a_check_or_an_error_of_its_line(
    name: str, parse: Callable[[Value], Sequence[HttpCheck | Invocation]], start: str, text: str
) -> None:
    """Which expressions are right is tested above."""
    text = start + text
    written = [number for number, line in enumerate(text.split("\n"), 1) if line.strip() and line.strip()[0] != "#"]
    try:
        found = parse(Value(text))
    except InputError as error:
        place = re.match(rf"{name}: line (\d+): ", str(error))
        assert place, error  # noqa: PT017 - both ends are right
        assert int(place[1]) in written
    else:
        assert len(found) == len(written)


def test_invocations() -> None:
    assert parse_invocations(Value("a.json\n# no\n b/c.json \t ok == `true` # why")) == (
        Invocation("a.json", NOTHING),
        Invocation("b/c.json", Expectation("ok == `true`")),
    )
    assert parse_invocations(Value("b.json\tok"))[0].name == "b.json ok"


def test_an_invocation_that_does_not_compile_names_its_input() -> None:
    with pytest.raises(InputError, match=r"^invoke: line 2: .*'a ==' does not compile") as caught:
        parse_invocations(Value("\na.json a =="))
    assert caught.value.name == "invoke"


@pytest.mark.parametrize(
    ("document", "is_true"),
    [
        ("true", True),
        ('"text"', True),
        ("1", True),
        ("[0]", True),
        ('{"a": null}', True),
        ("false", False),
        ("null", False),
        ("0", False),
        ("0.0", False),
        ('""', False),
        ("[]", False),
        ("{}", False),
    ],
)
def test_nothing_empty_is_true(document: str, is_true: bool) -> None:  # noqa: FBT001 - a table's column
    complaint = Expectation("@").complaint(document.encode())
    assert str(complaint) == ("" if is_true else f"@ is {document} of {document}")


@pytest.mark.parametrize(
    ("expression", "document", "complaint"),
    [
        ("", b"\xff no JSON", ""),
        ("a == 'b'", b'{"a": "b"}', ""),
        ("a == 'b'", b'{"a": "c"}', 'a == \'b\' is false of {"a": "c"}'),
        ("a", b"<html>\n <p>", "the body is not JSON: <html> <p>"),
        ("a", b"", "the body is not JSON: an empty body"),
        ("a", b"\xff", "the body is not JSON: \ufffd"),
        ("a", b"[" * 99999, "the body is not JSON: [["),
        ("length(a)", b'{"a": 1}', "length(a) cannot be evaluated: "),
        ("ceil(to_number(a))", b'{"a": "1e999"}', "ceil(to_number(a)) cannot be evaluated: "),
        ("ceil(to_number('nan'))", b"{}", "ceil(to_number('nan')) cannot be evaluated: "),
        ("contains('abc', a)", b'{"a": 1}', "contains('abc', a) cannot be evaluated: "),
        ("to_number('nan')", b"{}", ""),
        ("sort(@)", b"[" * 900 + b"]" * 900, "sort(@) cannot be evaluated: "),
        ("to_string(@)", b"[" * 900 + b"]" * 900, ""),
    ],
)
def test_a_complaint_says_what_is_wrong(expression: str, document: bytes, complaint: str) -> None:
    found = Expectation(expression).complaint(document)
    assert str(found).startswith(complaint)
    assert bool(found) == bool(complaint)


def test_an_excerpt_is_short_and_on_one_line() -> None:
    assert excerpt(b" a\r\n\tb ") == "a b"
    assert excerpt(b" \n") == "an empty body"
    assert excerpt("ä".encode() * 3000) == "ä" * 2000 + "…"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": secret}', "it is not JSON: Expecting value at line 1, column 7"),
        ('["secret"]', "it is a JSON array, not an object"),
        ("null", "it is JSON null, not an object"),
        ("[" * 99999, "it is nested too deeply"),
        ('{"b": "1", "a": "secret", "a": "secret"}', "the key 'a' is repeated"),
    ],
)
def test_an_invalid_json_object_is_not_repeated(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^(it|the key '.') is ") as caught:
        json_object(text)
    assert str(caught.value) == message


def test_json_objects_and_types() -> None:
    assert json_object(' {"a": 1} ') == {"a": 1}
    values = [True, 1, 1.5, "a", [], {}]
    assert [json_type(value) for value in values] == [
        "a JSON boolean",
        "a JSON number",
        "a JSON number",
        "a JSON string",
        "a JSON array",
        "a JSON object",
    ]
