"""The grammar of the inputs ``checks``, ``invoke`` and ``test-command``, and what is expected of an answer."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from promote.inputs.expression import complaint, problem
from promote.inputs.value import Place, Value

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
GRAMMAR = "METHOD PATH [STATUS] [JMESPath expression], as in: GET /health 200 status == 'ok'"


@dataclass(frozen=True)
class Expectation:
    """A JMESPath expression that must be true of a JSON document."""

    expression: str

    def complaint(self, document: bytes) -> str:
        """Say what is wrong with ``document``, or nothing; see ``promote.inputs.expression``."""
        if not self.expression:
            return ""
        try:
            value = json.loads(document)
        except (ValueError, RecursionError):
            return f"the body is not JSON: {excerpt(document)}"
        try:
            why = complaint(self.expression, value)
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:  # of Python's own too: ceil() of NaN
            return f"{self.expression} cannot be evaluated: {error}"
        return f"{self.expression} {why} {excerpt(document)}" if why else ""


@dataclass(frozen=True)
class HttpCheck:
    """A request to an endpoint and what its answer must be."""

    method: str
    path: str
    status: int | None
    """None: any 2xx."""
    expectation: Expectation
    is_probe: bool = False
    """Whether any answer of the function's own below 500 passes: it shows that the function runs."""

    @property
    def name(self) -> str:
        """The check as its author wrote it."""
        if self.is_probe:
            return f"{self.method} {self.path} is answered"
        return " ".join(filter(None, [self.method, self.path, str(self.status or ""), self.expectation.expression]))


@dataclass(frozen=True)
class Invocation:
    """An event that is sent to the candidate itself, and what its answer must be."""

    event: str
    """Path of the JSON file, from the workspace."""
    expectation: Expectation

    @property
    def name(self) -> str:
        """The invocation as its author wrote it."""
        return " ".join(filter(None, [self.event, self.expectation.expression]))


def parse_checks(value: Value) -> tuple[HttpCheck, ...]:
    """Read the input ``checks``.

    Raises:
        InputError: a line does not follow the grammar; the error names the line.

    """
    return tuple(_http_check(text, place) for text, place in _lines(value))


_AMBIGUOUS = (403, 404, 500, 503)
"""Statuses that API Gateway itself answers with, too."""


def telling_path(checks: Sequence[HttpCheck]) -> str:
    """Return the path of a check whose answer can only be the function's, or the root."""
    telling = (check.path for check in checks if check.method == "GET" and check.status not in _AMBIGUOUS)
    return next(telling, "/")


def first_path(checks: Sequence[HttpCheck]) -> str:
    """Return the path to ask for when it is to be seen whether an endpoint reaches the function at all."""
    gets = [check.path for check in checks if check.method == "GET"]
    telling = telling_path(checks)
    return telling if telling in gets or not gets else gets[0]


def parse_invocations(value: Value) -> tuple[Invocation, ...]:
    """Read the input ``invoke``.

    Raises:
        InputError: an expression does not compile; the error names the line.

    """
    invocations = []
    for text, place in _lines(value):
        event, expression = _word(text)
        invocations.append(Invocation(event, _expectation("invoke", expression, place)))
    return tuple(invocations)


def excerpt(document: bytes, limit: int = 2000) -> str:
    """Give the beginning of ``document`` on one line; empty is said to be so.

    It is longer than what is shown of it, so that a secret can be found whole.
    """
    text = " ".join(document[: limit * 4].decode("utf-8", "replace").split())
    return _shortened(text, limit) or "an empty body"


def _http_check(line: str, place: Place) -> HttpCheck:
    method, rest = _word(line)
    path, rest = _word(rest)
    if method not in METHODS:
        known = (
            f"did you mean {method.upper()}?"
            if method.upper() in METHODS
            else f"it must be one of {', '.join(METHODS)}"
        )
        raise place.error("checks", f"{method!r} is no HTTP method; {known}", hint=f"Write {GRAMMAR}.")
    if not re.fullmatch(r"/[!-~]*", path) or "#" in path:
        what = f"the path {path!r} must begin with / and be ASCII without #" if path else "the path is missing"
        raise place.error("checks", what, hint=f"Write {GRAMMAR}; percent-encode other characters in the path.")
    status, expression = _word(rest)
    if not status.isdecimal():
        status, expression = "", rest
    elif not re.fullmatch(r"[1-5][0-9]{2}", status):  # RFC 9110, 15
        raise place.error(
            "checks",
            f"{_shortened(status)} is no HTTP status",
            hint="Give a number from 100 to 599, or none for any 2xx.",
        )
    if method == "HEAD" and expression:
        raise place.error(
            "checks",
            f"the answer to a HEAD has no body of which {_shortened(expression)} could be true",
            hint="Ask with GET, or leave the expression off.",
        )
    return HttpCheck(method, path, int(status) if status else None, _expectation("checks", expression, place))


def _expectation(name: str, expression: str, place: Place) -> Expectation:
    what, hint = problem(expression) if expression else ("", "")
    if what:
        raise place.error(name, f"the JMESPath expression {_shortened(expression)!r} {what}", hint=hint)
    return Expectation(expression)


def _lines(value: Value) -> Iterator[tuple[str, Place]]:
    """Yield the lines that are not empty, without comments, and their places."""
    for line in value.lines:
        text = _without_comment(line.text).strip()
        if text:
            yield text, line.place


def _word(text: str) -> tuple[str, str]:
    """Split the first word off; what is missing is empty."""
    word, _, rest = re.sub(r"\s+", " ", text, count=1).partition(" ")
    return word, rest


_QUOTED_OR_COMMENT = re.compile(r"""'(\\.|[^'\\])*'|"(\\.|[^"\\])*"|`(\\.|[^`\\])*`|(?<!\S)(?P<comment>\#)""")


def _without_comment(line: str) -> str:
    """Cut a ``#`` that begins a word, unless it stands within quotes of JMESPath, in which a backslash escapes."""
    found = next((match for match in _QUOTED_OR_COMMENT.finditer(line) if match["comment"]), None)
    return line[: found.start()] if found else line


def _shortened(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def json_object(text: str) -> dict[str, Any]:
    """Read ``text`` as a JSON object.

    Raises:
        ValueError: it is not one, or has a key twice. The message says why, and repeats no value.

    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ValueError(f"the key {twice!r} is there twice")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"it is {json_type(value)}, not an object")  # noqa: TRY004 - one error for all
    return value


def json_type(value: Any) -> str:
    """Name the type of ``value`` as JSON does."""
    if value is None:
        return "JSON null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return f"a JSON {names[type(value)]}"


_WORD = r"(?:[^\s;&|<>()`$#]|\$(?!\())+"
"""A word without a command in it."""

_INERT = rf"(?::|exit(?:\s+0)?|(?:set|shopt|cd|export|readonly|unset)(?:\s+{_WORD})*|[A-Za-z_]\w*=(?:{_WORD})?)"
"""A command that tests nothing: an end, or a setting of the shell, such as an option, the folder or a variable."""

_NO_COMMAND = re.compile(rf"\s*(?:{_INERT}\s*(?:(?:;|&&)\s*{_INERT}\s*)*;?\s*)?(?:(?<!\S)#.*)?")
"""A line that tests nothing."""


def require_command(value: Value) -> None:
    """Refuse a script that holds no command.

    Raises:
        InputError: it would pass whatever the function does.

    """
    script = value.text
    if script.strip() and all(_NO_COMMAND.fullmatch(line) for line in script.splitlines()):
        raise value.place.error(
            "test-command",
            "it has no command, so it tests nothing",
            hint='Write a command that fails if the function is broken, such as python3 smoke.py "$PROMOTE_URL"; '
            "or leave the input empty.",
        )
