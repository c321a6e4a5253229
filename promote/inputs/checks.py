"""The grammar of the inputs ``checks``, ``invoke`` and ``test-command``, and the expectation of a response."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_plus

from promote.inputs.expression import complaint, problem
from promote.inputs.value import Place, Value

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
GRAMMAR = "METHOD PATH [STATUS] [JMESPath expression], as in: GET /health 200 status == 'ok'"


_MOST_VALUES = 250_000
"""The most values of a JSON document. In memory, each takes up to 120 bytes, whatever it takes in the document."""

_SEPARATORS = (b",", b":", b"[", b"{")
"""What stands beside each value of a JSON document."""


class UnreadableError(Exception):
    """A document is not read, so it is not known whether it meets an expectation."""


@dataclass(frozen=True)
class Complaint:
    """Why a response is not as expected, or why that is not known. It is false if there is no reason."""

    own: str = ""
    """The beginning, in the words of the action and of the inputs."""
    outside: str = ""
    """The rest, which may be text from outside."""

    def __str__(self) -> str:
        return self.own + self.outside

    def __bool__(self) -> bool:
        return bool(self.own or self.outside)


@dataclass(frozen=True)
class Expectation:
    """A JMESPath expression that must be true of a JSON document."""

    expression: str

    def complaint(self, document: bytes) -> Complaint:
        """Return why ``document`` does not meet the expectation; false if it does. See ``inputs.expression``.

        Raises:
            UnreadableError: The document has too many values to be read.

        """
        if not self.expression:
            return Complaint()
        if sum(map(document.count, _SEPARATORS)) > _MOST_VALUES:
            raise UnreadableError(f"the body has more than {_MOST_VALUES:,} values, so it was not read as JSON")
        try:
            value = json.loads(document)
        except (ValueError, RecursionError):
            return Complaint("the body is not JSON: ", excerpt(document))
        try:
            why = complaint(self.expression, value)
        except (
            ValueError,
            TypeError,
            ArithmeticError,
            RecursionError,
        ) as error:  # also from Python itself, such as ceil() of NaN
            return Complaint(f"{self.expression} cannot be evaluated: ", str(error))
        return Complaint(self.expression, f" {why} {excerpt(document)}") if why else Complaint()


@dataclass(frozen=True)
class HttpCheck:
    """A request to an endpoint and the expected response."""

    method: str
    path: str
    status: int | None
    """None to accept any 2xx."""
    expectation: Expectation
    is_probe: bool = False
    """Whether any response of the function below 500 passes. It shows that the function runs."""

    @property
    def name(self) -> str:
        """The check for people and records: as its author wrote it, but without the values of the query."""
        return self._with(without_values(self.path))

    @property
    def written(self) -> str:
        """The check as its author wrote it. The query may have a secret."""
        return self._with(self.path)

    def _with(self, path: str) -> str:
        if self.is_probe:
            return f"{self.method} {path} responds"
        return " ".join(filter(None, [self.method, path, str(self.status or ""), self.expectation.expression]))


def without_values(path: str) -> str:
    """Return ``path`` with ``…`` in place of each value of its query, such as ``/hook?token=…``."""

    def without_value(part: re.Match[str]) -> str:
        name, equals, value = part[0].partition("=")
        # Without =, the name may be the secret.
        return name + equals + ("…" if value else "") if equals else "…"

    before, mark, query = path.partition("?")
    return before + mark + re.sub(r"[^&;]+", without_value, query)


def values_of(path: str) -> Iterator[str]:
    """Yield what ``without_values`` hides: as it is written, and decoded, as a response may repeat it."""
    for part in re.split(r"[&;]", path.partition("?")[2]):
        name, equals, value = part.partition("=")
        written = value if equals else name
        yield from (written, unquote(written), unquote_plus(written))


@dataclass(frozen=True)
class Invocation:
    """An event for the version itself, and the expected response."""

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
        InputError: A line does not follow the grammar. The error names the line.

    """
    return tuple(_http_check(text, place) for text, place in _lines(value))


_AMBIGUOUS = (403, 404, 500, 503)
"""Statuses that API Gateway itself also returns."""


def unambiguous_path(checks: Sequence[HttpCheck]) -> str:
    """Return the path of a check whose response can only come from the function; the root if there is none."""
    unambiguous = (check.path for check in checks if check.method == "GET" and check.status not in _AMBIGUOUS)
    return next(unambiguous, "/")


def first_path(checks: Sequence[HttpCheck]) -> str:
    """Return the path that shows whether an endpoint reaches the function."""
    gets = [check.path for check in checks if check.method == "GET"]
    path = unambiguous_path(checks)
    return path if path in gets or not gets else gets[0]


def parse_invocations(value: Value) -> tuple[Invocation, ...]:
    """Read the input ``invoke``.

    Raises:
        InputError: An expression does not compile. The error names the line.

    """
    invocations = []
    for text, place in _lines(value):
        event, expression = _word(text)
        invocations.append(Invocation(event, _expectation("invoke", expression, place)))
    return tuple(invocations)


def excerpt(document: bytes, limit: int = 2000) -> str:
    """Return the beginning of ``document`` on one line, or "an empty body".

    It is longer than the part that is shown, so that a secret in it is complete and can be redacted.
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
        raise place.error(
            "checks", f"{without_values(method)!r} is not an HTTP method; {known}", hint=f"Write {GRAMMAR}."
        )
    if not re.fullmatch(r"/[!-~]*", path) or "#" in path:
        what = (
            f"the path {without_values(path)!r} must begin with / and be ASCII without #"
            if path
            else "the path is missing"
        )
        raise place.error("checks", what, hint=f"Write {GRAMMAR}; percent-encode other characters in the path.")
    status, expression = _word(rest)
    if not status.isdecimal():
        status, expression = "", rest
    elif not re.fullmatch(r"[1-5][0-9]{2}", status):  # RFC 9110, 15
        raise place.error(
            "checks",
            f"{_shortened(status)} is not a valid HTTP status",
            hint="Write a number from 100 to 599, or no status to accept any 2xx.",
        )
    if method == "HEAD" and expression:
        raise place.error(
            "checks",
            f"the response to HEAD has no body, so {_shortened(expression)} cannot be true of it",
            hint="Use GET, or remove the expression.",
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
    """Return the first word and the rest. Both can be empty."""
    word, _, rest = re.sub(r"\s+", " ", text, count=1).partition(" ")
    return word, rest


_QUOTED_OR_COMMENT = re.compile(r"""'(\\.|[^'\\])*'|"(\\.|[^"\\])*"|`(\\.|[^`\\])*`|(?<!\S)(?P<comment>\#)""")


def _without_comment(line: str) -> str:
    """Return the line up to a ``#`` that begins a word. A ``#`` within JMESPath quotes does not count.

    A backslash escapes a quote.
    """
    found = next((match for match in _QUOTED_OR_COMMENT.finditer(line) if match["comment"]), None)
    return line[: found.start()] if found else line


def _shortened(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def json_object(text: str) -> dict[str, Any]:
    """Read ``text`` as a JSON object.

    Raises:
        ValueError: The text is not an object, or a key is repeated. The message says why, without any value.

    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ValueError(f"the key {twice!r} is repeated")
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
    """Return the JSON name of the type of ``value``."""
    if value is None:
        return "JSON null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return f"a JSON {names[type(value)]}"


_WORD = r"(?:[^\s;&|<>()`$#]|\$(?!\())+"
"""A word that contains no command."""

SETTINGS = (
    *("set", "shopt", "cd", "export", "readonly", "unset", "declare", "typeset", "local", "alias", "unalias"),
    *("umask", "hash", "ulimit"),
)
"""Commands that change the state of the shell, and test nothing."""

_SETTING = "|".join(SETTINGS)

_INERT = rf"(?::|exit(?:\s+0)?|(?:{_SETTING})(?:\s+{_WORD})*|[A-Za-z_]\w*=(?:{_WORD})?)"
"""A command that tests nothing: ``exit``, or a setting of the shell, such as an option, the folder or a variable."""

_NO_COMMAND = re.compile(rf"\s*(?:{_INERT}\s*(?:(?:;|&&)\s*{_INERT}\s*)*;?\s*)?(?:(?<!\S)#.*)?")
"""A line that tests nothing."""


def require_command(value: Value) -> None:
    """Refuse a script that has no command.

    Raises:
        InputError: The script would pass whatever the function does.

    """
    script = value.text
    if script.strip() and all(_NO_COMMAND.fullmatch(line) for line in script.splitlines()):
        raise value.place.error(
            "test-command",
            "it has no command, so it tests nothing",
            hint='Write a command that fails if the function is broken, such as python3 smoke.py "$PROMOTE_URL". '
            "Or leave the input empty.",
        )
