"""Taking secrets out of text."""

from collections.abc import Iterable

_SHORTEST_SECRET = 6
"""Characters: shorter values protect nothing, and would make holes in whatever is said."""


class Redactor:
    """Replaces each of ``secrets``: before the text is cut, or they might not be found any more."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Of a key with several lines, one may show up alone, or all of them on one line.
        parts = {part for secret in secrets for part in (secret, " ".join(secret.split()), *secret.splitlines())}
        self._parts = sorted((part for part in parts if len(part) >= _SHORTEST_SECRET), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Give ``text`` without them."""
        for part in self._parts:
            text = text.replace(part, "***")
        return text
