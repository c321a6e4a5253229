"""Read the message and the people of a commit, from git or GitHub."""

import re
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from promote.github.model import Person

_One = TypeVar("_One")


@dataclass(frozen=True)
class Listing(Generic[_One]):
    """The newest of many items, newest first."""

    items: tuple[_One, ...] = ()
    is_whole: bool = True
    """False if there are older items that are left out."""


@dataclass(frozen=True)
class Message:
    """The message of a commit, without e-mail addresses."""

    subject: str
    body: str
    coauthors: tuple[Person, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """Read the whole message ``text``."""
        subject, _, body = legible(text).strip().partition("\n")
        coauthors = tuple(person(found["name"], found["address"]) for found in _COAUTHOR.finditer(body))
        return cls(_without_address(subject), _without_address(body).strip(), coauthors)

    def authors(self, author: Person) -> tuple[Person, ...]:
        """Return ``author`` and the co-authors, each once."""
        known = [author]
        known += (one for one in self.coauthors if not any(_is_same(one, other) for other in known))
        return tuple(known)


def person(name: str, address: str = "", login: str = "", *, is_bot: bool = False) -> Person:
    """Return a person. ``address`` is only used to find the login.

    A user who hides the e-mail address on GitHub has a noreply address that contains the login:
    https://docs.github.com/account-and-profile/reference/email-addresses-reference
    """
    found = _HIDDEN_ADDRESS.fullmatch(address.strip())
    login = login or (found["login"] if found else "")
    name = " ".join(legible(name).split())
    name = name.partition("@")[0] if _ADDRESS.fullmatch(name) else _without_address(name)
    return Person(name or login or "unknown", login, is_bot=is_bot or name.endswith("[bot]") or login.endswith("[bot]"))


def legible(text: str) -> str:
    """Return ``text`` with line feeds at the ends of lines, and without characters that cannot be encoded."""
    return _SURROGATE.sub("\ufffd", text).replace("\r\n", "\n").replace("\x00", "\ufffd")


def _is_same(one: Person, other: Person) -> bool:
    if one.login and other.login:
        return one.login.casefold() == other.login.casefold()
    return one.name.casefold() == other.name.casefold()


def _without_address(text: str) -> str:
    return _BRACKETED_ADDRESS.sub("", text)


_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+")
# Each of these reads a character only a few times, in messages of any length.
_BRACKETED_ADDRESS = re.compile(r"(?:(?<![ \t])[ \t]+)?<[^@\s<>]+@[^@\s<>]+>")
_HIDDEN_ADDRESS = re.compile(
    r"(?:\d+\+)?(?P<login>[a-z\d][\w-]*(?:\[bot\])?)@users\.noreply\.[\w.-]+", re.ASCII | re.IGNORECASE
)
_COAUTHOR = re.compile(r"^co-authored-by:(?P<name>[^<\n]*)<(?P<address>[^>\n]*)>[ \t]*$", re.IGNORECASE | re.MULTILINE)
