"""Typed access to the values of inputs, whether the step or ``promote.yml`` gives them."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address
from typing import TypeVar

from promote.core.errors import InputError
from promote.core.redaction import without_secrets
from promote.inputs.limits import Range
from promote.inputs.value import Line, Place, Value

Choice = TypeVar("Choice", bound=StrEnum)


_EMPTY = Value("")


@dataclass(frozen=True)
class Reader:
    """Typed access to the inputs by their names. Each method raises InputError if the input is invalid."""

    values: Mapping[str, Value]

    def value(self, name: str) -> Value:
        """Return the value. An input that is not given is an empty text."""
        return self.values.get(name, _EMPTY)

    def error(self, name: str, problem: str, *, hint: str, place: Place | None = None) -> InputError:
        """Return the error of an input, with its place or that of one of its lines."""
        return (place or self.value(name).place).error(name, problem, hint=hint)

    def raw(self, name: str) -> str:
        """Return the text unchanged."""
        return self.value(name).text

    def lines(self, name: str) -> tuple[Line, ...]:
        """Return its lines."""
        return self.value(name).lines

    def text(self, name: str) -> str:
        """Return the text as one line without surrounding white space."""
        value = self.raw(name).strip()
        if not value.isprintable():
            raise self.error(name, "it contains a line break or a control character", hint="Write it on one line.")
        return value

    def optional(self, name: str) -> str | None:
        """Return a line of text, or None if it is empty."""
        return self.text(name) or None

    def choice(self, name: str, kind: type[Choice], default: Choice) -> Choice:
        """Return one of the known values."""
        value = self.text(name)
        if not value:
            return default
        try:
            return kind(value)
        except ValueError:
            known = [member.value for member in kind]
            near = difflib.get_close_matches(value, known, n=1)
            hint = f"Did you mean {near[0]}? Known are: " if near else "Known are: "
            raise self.error(name, f"{value!r} is not known", hint=hint + ", ".join(known) + ".") from None

    def boolean(self, name: str) -> bool:
        """Return whether it is ``true``; False if it is empty."""
        value = self.text(name).lower()
        if value not in ("", "true", "false"):
            raise self.error(name, f"{self.text(name)!r} is neither true nor false", hint="Write true or false.")
        return value == "true"

    def number(self, name: str, limits: Range, *, default: float) -> float:
        """Return a number, or the default if it is empty."""
        number = self._number(name, r"\d+(\.\d+)?")
        if number is None:
            return default
        if number not in limits:
            raise self.error(
                name,
                f"{self._shown(name)} is not a number of {limits}",
                hint=f"Write it like {default:g}, which is the default.",
            )
        return number

    def integer(self, name: str, limits: Range, *, empty: str = "to keep what the function has") -> int | None:
        """Return a whole number, or None if it is empty. ``empty`` is the purpose of an empty input, for the hint."""
        number = self._number(name, r"[0-9]{1,9}")
        if number is None:
            return None
        if number not in limits or number != int(number):
            raise self.error(
                name,
                f"{self._shown(name)} is not a whole number of {limits}",
                hint=f"Correct it, or leave it empty {empty}.",
            )
        return int(number)

    def _number(self, name: str, pattern: str) -> float | None:
        """Return a number; None if the input is empty, and NaN if its text does not match ``pattern``."""
        content = self.value(name).content
        if isinstance(content, int | float):
            return float(content)
        text = self.text(name)
        if not text:
            return None
        return float(text) if re.fullmatch(pattern, text) else math.nan

    def _shown(self, name: str) -> str:
        content = self.value(name).content
        return repr(content.strip() if isinstance(content, str) else content)

    def url(self, name: str) -> str:
        """Return an http(s) URL without a slash at its end; empty if none is given."""
        value = self.text(name).rstrip("/")
        if value and not _is_url(value):
            raise self.error(
                name,
                f"{without_secrets(value)!r} is not an http(s) URL without user, query and fragment",
                hint="Write https://host/path.",
            )
        return value


def _is_url(value: str) -> bool:
    """Whether ``value`` is the URL of a host, with an optional path."""
    found = re.fullmatch(
        rf"https?://({_HOST}|\[(?P<ipv6>[0-9a-fA-F:.]+)])(:(?P<port>[0-9]{{1,5}}))?(/[^\s?#]*)?", value
    )
    if not found or not 1 <= int(found["port"] or 1) <= 65535:  # noqa: PLR2004 - RFC 9293, 3.1
        return False
    try:
        return found["ipv6"] is None or bool(IPv6Address(found["ipv6"]))
    except ValueError:
        return False


_HOST = r"(?=[^/:]{1,253}(/|:|$))[a-zA-Z0-9_-]{1,63}(\.[a-zA-Z0-9_-]{1,63})*"
"""https://www.rfc-editor.org/rfc/rfc1035, 2.3.4. Names of containers and of internal networks may have a _."""
