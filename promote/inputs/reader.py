"""Typed access to ``INPUT_*``, as the runner hands inputs over: in upper case, with hyphens, set even when empty."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address
from typing import TypeVar

from promote.core.errors import InputError

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True)
class Reader:
    """Typed access to the inputs by their names; all raise InputError where one is not what it should be."""

    environ: Mapping[str, str]

    def raw(self, name: str) -> str:
        """Give it as it is."""
        return self.environ.get(f"INPUT_{name.upper()}", "")

    def text(self, name: str) -> str:
        """Give it as one line without white space around it."""
        value = self.raw(name).strip()
        if not value.isprintable():
            raise InputError(name, "it holds a line break or a control character", hint="Write it on one line.")
        return value

    def optional(self, name: str) -> str | None:
        """Give a line of text, or None where it is empty."""
        return self.text(name) or None

    def choice(self, name: str, kind: type[Choice], default: Choice) -> Choice:
        """Give one of the known values."""
        value = self.text(name)
        if not value:
            return default
        try:
            return kind(value)
        except ValueError:
            known = [member.value for member in kind]
            near = difflib.get_close_matches(value, known, n=1)
            hint = f"Did you mean {near[0]}? Known are: " if near else "Known are: "
            raise InputError(name, f"{value!r} is not known", hint=hint + ", ".join(known) + ".") from None

    def boolean(self, name: str) -> bool:
        """Give whether it is ``true``; empty is false."""
        value = self.text(name).lower()
        if value not in ("", "true", "false"):
            raise InputError(name, f"{self.text(name)!r} is neither true nor false", hint="Write true or false.")
        return value == "true"

    def number(self, name: str, unit: str, *, default: float, least: float, most: float) -> float:
        """Give a number, or the default where it is empty."""
        value = self.text(name)
        if not value:
            return default
        if not re.fullmatch(r"\d+(\.\d+)?", value) or not least <= float(value) <= most:
            raise InputError(
                name,
                f"{value!r} is no number of {unit} from {least:g} to {most:g}",
                hint=f"Write it like {default:g}, which is the default.",
            )
        return float(value)

    def integer(
        self, name: str, unit: str, least: int, most: int, *, empty: str = "to keep what the function has"
    ) -> int | None:
        """Give a whole number, or None where it is empty; ``empty`` says what that is for."""
        value = self.text(name)
        if not value:
            return None
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise InputError(
                name,
                f"{value!r} is no whole number of {unit} from {least} to {most}",
                hint=f"Correct it, or leave it empty {empty}.",
            )
        return int(value)

    def url(self, name: str) -> str:
        """Give an http(s) URL without a slash at its end, or nothing."""
        value = self.text(name).rstrip("/")
        if value and not _is_url(value):
            # A user, or a query, may hold a password, which is not repeated.
            shown = "it" if set(value) & {"@", "?"} else repr(value)
            raise InputError(
                name, f"{shown} is no http(s) URL without user, query and fragment", hint="Write https://host/path."
            )
        return value


def _is_url(value: str) -> bool:
    """Whether ``value`` is the URL of a host, and what follows of a path."""
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
"""https://www.rfc-editor.org/rfc/rfc1035, 2.3.4; the _ of names inside a network or a container's is taken as well."""
