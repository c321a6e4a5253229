"""Which words of a script a message may repeat: the names of its commands and variables. Others may be secret.

After ``TOKEN= s3cret``, bash reports that the command s3cret was not found. If a line is not valid, it shows the line.
"""

import re
from collections.abc import Iterator

from promote.core.redaction import SHORTEST_SECRET

_BEFORE_COMMANDS = frozenset({*"!;&|({`\n", "if", "then", "elif", "else", "while", "until", "do", "time", "-c"})
_BEFORE_COMMANDS |= {"command", "exec", "eval"}
"""What the name of a command follows."""

_MESSAGE = re.compile(r"(?:/\S+/)?(?:ba|da)?sh: ")
"""How bash begins its own messages about a script that is an argument."""


class ScriptWords:
    """The words of a script."""

    def __init__(self, script: str) -> None:
        self._text = _bare(script)
        self._names = frozenset(_names(self._text))

    def named(self, word: str) -> str:
        """Return the name of a command for a message, or what stands for it."""
        return word if self._may_be_shown(word) else "a word of the script"

    def command(self, text: str) -> str:
        """Return the name of the command in ``text``. Its arguments and variables may have a secret."""
        words = text.split()
        name = next((word for word in words if not re.match(r"[A-Za-z_]\w*=", word)), "a variable")
        return self.named(name) + ("" if [name] == words else " …")

    def hidden(self, line: str) -> str:
        """Return a line of output. If it is a message of bash, the words of the script are replaced."""
        if not _MESSAGE.match(line):
            return line
        line = re.sub("`(.*)'", lambda found: "`…'" if self._has(found[1]) else found[0], line)
        return ": ".join(part if self._may_be_shown(part) else "…" for part in line.split(": "))

    def _may_be_shown(self, word: str) -> bool:
        return not self._has(word) or _bare(word) in self._names

    def _has(self, text: str) -> bool:
        """Return whether ``text`` is in the script, and long enough to be a secret."""
        return len(_bare(text)) >= SHORTEST_SECRET and _bare(text) in self._text


def _names(script: str) -> Iterator[str]:
    """Yield each word that names a variable or, by its place, a command.

    The word after an assignment may be the rest of the value.
    """
    yield from re.findall(r"\$\{?(\w+)", script)
    begins = True
    for word in re.findall(r"[;&|({`\n]|[^\s;&|(){}`]+", script):
        if begins and word not in _BEFORE_COMMANDS and "=" not in word:
            yield word
        begins = word in _BEFORE_COMMANDS


def _bare(text: str) -> str:
    """Return ``text`` without quotes and backslashes, which bash removes."""
    return re.sub(r"[\"'\\]", "", text)
