"""A commit as git stores it, read from the content of its object.

dulwich's parser is not used: it refuses commits that git takes, such as one without an address or a time zone.
"""

import re
from dataclasses import dataclass
from typing import Self

from promote.github.ancestry import Id

DIGEST_LENGTHS = frozenset({40, 64})
"""Of digests in hexadecimal: SHA-1 and SHA-256."""

_DIGITS = 18
"""Of a time, in seconds."""


@dataclass(frozen=True)
class RawCommit:
    """A commit as it is stored."""

    parents: tuple[Id, ...]
    author: bytes
    """Name, address and time, if they are there."""
    committer: bytes
    encoding: bytes
    """Of the names and the message; empty: UTF-8."""
    message: bytes

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Read the content of a commit object.

        Raises:
            ValueError: git does not take it for a commit.

        """
        head, _, message = content.partition(b"\n\n")
        headers: dict[bytes, bytes] = {}
        for line in head.split(b"\n"):
            name, _, value = line.partition(b" ")
            headers.setdefault(name, value)
        author, committer = headers.get(b"author", b""), headers.get(b"committer", b"")
        return cls(links(content)[0], author, committer, headers.get(b"encoding", b""), message)


def links(content: bytes) -> tuple[tuple[Id, ...], int]:
    """Return the parents of a commit, and when it was committed (0: it does not say), from its content.

    Git takes for parents what stands between the tree and the author, and nothing that comes later.

    Raises:
        ValueError: git does not take it for a commit.

    """
    place = content.find(b"\n") + 1
    size = place - len(b"tree \n")
    if size not in DIGEST_LENGTHS or not content.startswith(b"tree "):
        raise ValueError("a commit in it has no tree")
    parents: list[Id] = []
    while content.startswith(b"parent ", place):
        parents.append(content[place + 7 : place + 7 + size])
        place += size + 8
    start = content.find(b"\ncommitter ", place - 1)
    return tuple(parents), seconds(content[start : content.find(b"\n", start + 1)]) if start >= 0 else 0


def seconds(person: bytes) -> int:
    """Return the time at the end of an ``author`` or ``committer`` line; 0 if there is none."""
    words = person.rpartition(b">")[2].split()
    if words and words[0].isdigit() and len(words[0]) <= _DIGITS:
        return int(words[0])
    found = _TIME.search(person)
    return int(found[1]) if found else 0


def signature(person: bytes) -> bytes:
    """Return an ``author`` or ``committer`` line without the time at its end."""
    return _TIME.sub(b"", person)


_TIME = re.compile(rb"(?:(?<=>)|^|[ ])[ ]*(-?\d{1,18})(?: [+-]\d+)?\s*$")
