"""The grammar of the inputs ``checks`` and ``invoke``, and what is expected of an answer."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from promote.errors import InputError

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
GRAMMAR = "METHOD PATH [STATUS] [JMESPath expression], as in: GET /health 200 status == 'ok'"


@dataclass(frozen=True)
class Expectation:
    """A JMESPath expression that must be true of a JSON document."""

    expression: str

    def complaint(self, document: bytes) -> str:
        """Say what is wrong with ``document``, or nothing.

        An expression is true unless it gives null, false, zero, or something empty.
        """
        if not self.expression:
            return ""
        try:
            value = json.loads(document)
        except (ValueError, RecursionError):
            return f"the body is not JSON: {excerpt(document)}"
        try:
            found = jmespath.search(self.expression, value)
        except JMESPathError as error:
            return f"{self.expression} cannot be evaluated: {error}"
        return "" if found else f"{self.expression} is {json.dumps(found)} of {excerpt(document)}"


@dataclass(frozen=True)
class HttpCheck:
    """A request to an endpoint and what its answer must be."""

    method: str
    path: str
    status: int | None
    """None: any 2xx."""
    expectation: Expectation

    @property
    def name(self) -> str:
        """The check as its author wrote it."""
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


def parse_checks(text: str) -> tuple[HttpCheck, ...]:
    """Read the input ``checks``.

    Raises:
        InputError: a line does not follow the grammar; the error names the line.

    """
    return tuple(_http_check(number, line) for number, line in _lines(text))


def parse_invocations(text: str) -> tuple[Invocation, ...]:
    """Read the input ``invoke``.

    Raises:
        InputError: an expression does not compile; the error names the line.

    """
    invocations = []
    for number, line in _lines(text):
        event, _, expression = line.partition(" ")
        invocations.append(Invocation(event, _expectation("invoke", number, expression)))
    return tuple(invocations)


def excerpt(document: bytes, limit: int = 160) -> str:
    """Show the beginning of ``document`` on one line; empty is said to be so."""
    text = " ".join(document[: limit * 4].decode("utf-8", "replace").split())
    if not text:
        return "an empty body"
    return text if len(text) <= limit else text[:limit] + "…"


def _http_check(number: int, line: str) -> HttpCheck:
    method, _, rest = line.partition(" ")
    path, _, rest = rest.strip().partition(" ")
    if method not in METHODS:
        known = (
            f"did you mean {method.upper()}?"
            if method.upper() in METHODS
            else f"it must be one of {', '.join(METHODS)}"
        )
        raise InputError("checks", f"line {number}: {method!r} is no HTTP method; {known}", hint=f"Write {GRAMMAR}.")
    if not re.fullmatch(r"/[!-~]*", path):
        what = f"the path {path!r} must begin with / and hold no space" if path else "the path is missing"
        raise InputError("checks", f"line {number}: {what}", hint=f"Write {GRAMMAR}.")
    status, _, expression = rest.strip().partition(" ")
    if not re.fullmatch(r"\d+", status):
        return HttpCheck(method, path, None, _expectation("checks", number, rest))
    if not 100 <= int(status) <= 599:  # noqa: PLR2004 - RFC 9110, 15
        raise InputError("checks", f"line {number}: {status} is no HTTP status", hint="Give a number from 100 to 599.")
    return HttpCheck(method, path, int(status), _expectation("checks", number, expression))


def _expectation(name: str, number: int, expression: str) -> Expectation:
    expression = expression.strip()
    if expression:
        try:
            jmespath.compile(expression)
        except JMESPathError as error:
            reason = " ".join(str(error).split("\n")[0].split())
            raise InputError(
                name,
                f"line {number}: the JMESPath expression {expression!r} does not compile: {reason}",
                hint="Strings are written in single quotes, as in status == 'ok'; see https://jmespath.org.",
            ) from error
    return Expectation(expression)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, with their numbers from 1 and without comments."""
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = _without_comment(line).strip()
        if stripped:
            yield number, re.sub(r"^(\S+)\s+", r"\1 ", stripped)


def _without_comment(line: str) -> str:
    """Cut a ``#`` that begins a word, unless it stands within quotes."""
    quote = ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character == "#" and (index == 0 or line[index - 1].isspace()):
            return line[:index]
    return line


def json_object(text: str) -> dict[str, Any]:
    """Read ``text`` as a JSON object.

    Raises:
        ValueError: it is not one; the message says where.

    """
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"it is a JSON {type(value).__name__}")  # noqa: TRY004 - one error for both
    return value
