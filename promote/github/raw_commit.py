"""Read a commit from the content of its git object.

dulwich's parser is not used, because it refuses commits that git accepts, such as one without an address or a time
zone.
"""

import re
from dataclasses import dataclass
from typing import Self

from promote.github.ancestry import Id

DIGEST_LENGTHS = frozenset({40, 64})
"""The lengths of digests in hexadecimal: SHA-1 and SHA-256."""

_DIGITS = 18
"""The most digits of a time in seconds."""


@dataclass(frozen=True)
class RawCommit:
    """A commit as it is stored."""

    parents: tuple[Id, ...]
    author: bytes
    """The name, the address and the time, as far as they exist."""
    committer: bytes
    encoding: bytes
    """The encoding of the names and the message; empty means UTF-8."""
    message: bytes

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Read the content of a commit object.

        Raises:
            ValueError: It is not a valid commit for git.

        """
        head, _, message = content.partition(b"\n\n")
        headers: dict[bytes, bytes] = {}
        for line in head.split(b"\n"):
            name, _, value = line.partition(b" ")
            headers.setdefault(name, value)
        author, committer = headers.get(b"author", b""), headers.get(b"committer", b"")
        return cls(links(content)[0], author, committer, headers.get(b"encoding", b""), message)


def links(content: bytes) -> tuple[tuple[Id, ...], int]:
    """Return the parents of a commit and its commit time (0 if it is not known), from its content.

    For git, the parents are the lines between the tree and the author. Later lines do not count.

    Raises:
        ValueError: It is not a valid commit for git.

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
