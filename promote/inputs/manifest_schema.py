"""The keys of ``promote.yml`` and the types of their values.

docs/promote.schema.json, for editors, is generated from the same tables (``tools.schema``).
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from promote.core.errors import InputError
from promote.inputs.environment_variables import RESERVED_VARIABLES
from promote.inputs.limits import (
    ENVIRONMENT,
    FUNCTION_ARN,
    FUNCTION_NAME,
    MEMORY_SIZE,
    TIMEOUT,
    VARIABLE,
    VERIFY_TIMEOUT,
    Range,
)
from promote.inputs.located_yaml import Located, LocatedError, read
from promote.inputs.model import Endpoints
from promote.inputs.value import Place

MOST = 25
"""The most functions of an application. One transaction ends a release: it writes the release and, for each function,
the environment, the history and the lock. A transaction has at most 100 items:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html"""
LINE = r"(?=.*[^ ])[^\u0000-\u001f\u007f]+"
TEXT = r"[\s\S]*[^\s][\s\S]*"
"""A line of text, and text, as patterns. Neither is empty. They mean the same in JavaScript and in Python."""


class Kind(StrEnum):
    """The type of a key's value."""

    LINE = "a line of text"
    TEXT = "text"
    LINES = "text or a list of text"
    WHOLE = "a whole number"
    NUMBER = "a number"
    CHOICE = "a choice"
    VARIABLES = "a mapping of names to text"


@dataclass(frozen=True)
class Key:
    """A key of the file. It is an input of the action."""

    kind: Kind
    limits: Range | None = None
    choices: tuple[str, ...] = ()

    @property
    def wanted(self) -> str:
        """What its value must be, for messages."""
        if self.kind is Kind.CHOICE:
            return " or ".join(self.choices)
        if self.limits:
            return f"{self.kind.value} from {self.limits.least:g} to {self.limits.most:g}"
        return self.kind.value


FUNCTION: Mapping[str, Key] = {
    "artifact": Key(Kind.LINE),
    "handler": Key(Kind.LINE),
    "runtime": Key(Kind.LINE),
    "role": Key(Kind.LINE),
    "memory-size": Key(Kind.WHOLE, MEMORY_SIZE),
    "timeout": Key(Kind.WHOLE, TIMEOUT),
    "environment-variables": Key(Kind.VARIABLES),
    "endpoints": Key(Kind.CHOICE, choices=tuple(Endpoints)),
    "latest-url": Key(Kind.LINE),
    "environment-url": Key(Kind.LINE),
    "domain-name": Key(Kind.LINE),
    "base-path": Key(Kind.LINE),
    "checks": Key(Kind.LINES),
    "invoke": Key(Kind.LINES),
}
"""The keys of one function."""

WHOLE: Mapping[str, Key] = {
    "checks": Key(Kind.LINES),
    "invoke": Key(Kind.LINES),
    "tests": Key(Kind.LINE),
    "tests-requirements": Key(Kind.LINE),
    "test-command": Key(Kind.TEXT),
    "test-environment": Key(Kind.LINES),
    "verify-timeout": Key(Kind.NUMBER, VERIFY_TIMEOUT),
}
"""The keys of the application as a whole."""


def check(text: str, file: str) -> Mapping[str, Located]:
    """Read ``text``. Refuse what docs/promote.schema.json refuses, and repeated keys.

    Raises:
        InputError: The text is invalid. The error names the line.

    """
    try:
        document = read(text)
    except LocatedError as error:
        raise InputError("application", f"{file}:{error.line}: {error}", hint=error.hint) from None
    shape = _Shape(file)
    top = shape.mapping(document, "", {*WHOLE, "functions", "environments", "retired"})
    if "functions" not in top:
        refuse(
            Place(file, document.line),
            "functions is missing",
            "Name the functions, such as functions: {my-function: {}}.",
        )
    shape.section(top, "", is_whole=True)
    if "retired" in top:
        shape.names(top["retired"], "retired")
    if "environments" in top:
        environments = shape.named(top["environments"], "environments", ENVIRONMENT, "an environment's name", most=0)
        for name, environment in environments.items():
            if environment.kind != "empty":
                where = f"environments.{name}"
                shape.section(shape.mapping(environment, where, {*WHOLE, "functions"}), where, is_whole=False)
    return top


@dataclass(frozen=True)
class _Shape:
    """The checks of the schema, with the line of each error."""

    file: str

    def section(self, section: Mapping[str, Located], where: str, *, is_whole: bool) -> None:
        """Check the keys of the application as a whole, and the functions."""
        for key, value in section.items():
            if key in WHOLE:
                self.value(value, _path(where, key), WHOLE[key])
        if "functions" in section:
            self.functions(section["functions"], _path(where, "functions"), least=1 if is_whole else 0)

    def functions(self, value: Located, where: str, *, least: int) -> None:
        """Check the functions and their keys."""
        functions = self.named(value, where, f"{FUNCTION_NAME}|{FUNCTION_ARN}", "a function's name or ARN", most=MOST)
        if len(functions) < least:
            self._refuse(value, where, "it names no function", "Add at least one, such as my-function: {}.")
        for name, function in functions.items():
            if function.kind == "empty":
                continue
            keys = self.mapping(function, _path(where, name), FUNCTION)
            for key, item in keys.items():
                self.value(item, f"{where}.{name}.{key}", FUNCTION[key])

    def mapping(self, value: Located, where: str, known: Iterable[str]) -> Mapping[str, Located]:
        """Return a mapping with known keys."""
        if not isinstance(value.value, Mapping):
            self._refuse(value, where, f"it must be a mapping, and it is {value.kind}", _MAPPING)
        known = sorted(known)
        for key, item in value.value.items():
            if key not in known:
                hint = hint_of(key, known, "Known keys")
                refuse(Place(self.file, item.key_line), f"{_path(where, key)} is not known", hint)
        return value.value

    def named(self, value: Located, where: str, pattern: str, what: str, *, most: int) -> Mapping[str, Located]:
        """Return a mapping whose keys match a pattern."""
        if not isinstance(value.value, Mapping):
            self._refuse(value, where, f"it must be a mapping, and it is {value.kind}", _MAPPING)
        for count, (key, item) in enumerate(value.value.items(), 1):
            if not re.fullmatch(pattern, key):
                refuse(Place(self.file, item.key_line), f"{where}: {key!r} is not {what}", _NAMES)
            if most and count > most:
                refuse(Place(self.file, item.key_line), f"{where}: there are more than {most}", TOO_MANY)
        return value.value

    def names(self, value: Located, where: str) -> None:
        """Check a list of functions' names."""
        if not isinstance(value.value, tuple):
            self._refuse(value, where, f"it must be a list, and it is {value.kind}", "Write one per line, as - name.")
        for item in value.value:
            if not (isinstance(item.value, str) and re.fullmatch(FUNCTION_NAME, item.value)):
                shown = repr(item.value) if isinstance(item.value, str) else f"it is {item.kind}, which"
                self._refuse(item, where, f"{shown} is not a function's name", _NAMES)

    def value(self, value: Located, where: str, key: Key) -> None:
        """Check the value of a key."""
        match key.kind:
            case Kind.LINE | Kind.TEXT:
                self._text(value, where, key.kind)
            case Kind.LINES if isinstance(value.value, tuple):
                for item in value.value:
                    self._text(item, where, Kind.LINE)
            case Kind.LINES:
                self._text(value, where, Kind.TEXT, wanted=key.wanted)
            case Kind.WHOLE | Kind.NUMBER:
                self._number(value, where, key)
            case Kind.CHOICE:
                if value.value not in key.choices:
                    self._refuse(value, where, f"{self._shown(value)} is neither {' nor '.join(key.choices)}", _CHOICE)
            case Kind.VARIABLES:
                self._variables(value, where)

    def _text(self, value: Located, where: str, kind: Kind, wanted: str = "") -> None:
        if not isinstance(value.value, str):
            self._refuse(value, where, f"it must be {wanted or kind.value}, and it is {value.kind}", _QUOTES)
        if kind is Kind.LINE and not re.fullmatch(LINE, value.value):
            problem = "it contains a line break or a control character" if value.value.strip(" ") else "it is empty"
            self._refuse(value, where, problem, "Write it on one line, or remove the key.")
        if not re.fullmatch(TEXT, value.value):
            self._refuse(value, where, "it is empty", "Set a value, or remove the key.")

    def _number(self, value: Located, where: str, key: Key) -> None:
        number = value.value
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not is_number:
            self._refuse(value, where, f"it must be {key.wanted}, and it is {value.kind}", "Write it without quotes.")
        assert isinstance(number, int | float) and key.limits  # noqa: S101, PT018 - see above
        if number not in key.limits or (key.kind is Kind.WHOLE and number != int(number)):
            self._refuse(value, where, f"it must be {key.wanted}, and it is {number:g}", "Correct it.")

    def _variables(self, value: Located, where: str) -> None:
        """Check environment variables. No error contains a value, because it may be a secret."""
        variables = self.named(value, where, VARIABLE, "a valid name of a Lambda environment variable", most=0)
        for name, item in variables.items():
            if name in RESERVED_VARIABLES:
                place = Place(self.file, item.key_line)
                refuse(place, f"{where}: {name} is set by Lambda itself", "Choose another name for it.")
            if not isinstance(item.value, str):
                self._refuse(item, f"{where}.{name}", f"it must be text, and it is {item.kind}", _QUOTES)

    def _shown(self, value: Located) -> str:
        return repr(value.value) if isinstance(value.value, str) else f"it is {value.kind}, which"

    def _refuse(self, value: Located, where: str, problem: str, hint: str) -> NoReturn:
        refuse(Place(self.file, value.line), f"{where}: {problem}" if where else problem, hint)


_MAPPING = "Write key: value, one per line and indented."
_NAMES = "Use letters, digits, - and _: up to 64 for a function, 128 for an environment."
TOO_MANY = "Release only functions that belong together. Release the others in another workflow."
_CHOICE = "Write one of them."
_QUOTES = 'Put text that looks like a number or a boolean in quotes, such as "3.13" or "true".'


def refuse(place: Place, problem: str, hint: str) -> NoReturn:
    """Raise the error of what is written at ``place``."""
    raise InputError("application", f"{place}: {problem}", hint=hint)


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def hint_of(word: str, known: Iterable[str], which: str) -> str:
    """Return a hint with the nearest known word, and all known words."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    return (f"Did you mean {near[0]}? " if near else "") + f"{which}: {', '.join(known)}."
