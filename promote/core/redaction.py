"""Taking secrets out of text."""

import json
from collections.abc import Iterable

_SHORTEST_SECRET = 6
"""Characters: shorter values protect nothing, and would make holes in whatever is said."""


class Redactor:
    """Replaces each of ``secrets``: before the text is cut, or they might not be found any more."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Of a key with several lines, one may show up alone, or all of them on one line.
        parts = {part for secret in secrets for part in (secret, " ".join(secret.split()), *secret.splitlines())}
        found = {spelling for part in parts if len(part) >= _SHORTEST_SECRET for spelling in _spellings(part)}
        self._parts = sorted(found, key=len, reverse=True)
        self.longest = len(self._parts[0]) if self._parts else 0
        """Characters: as long as text that is read piece by piece is to be kept together."""

    def __call__(self, text: str) -> str:
        """Give ``text`` without them."""
        for part in self._parts:
            text = text.replace(part, "***")
        return text


def _spellings(part: str) -> set[str]:
    """Give ``part`` as it is, within JSON, and within JSON in JSON: the answer of a function behind API Gateway."""
    found = {part}
    for _ in range(2):
        found |= {json.dumps(text, ensure_ascii=is_ascii)[1:-1] for text in found for is_ascii in (False, True)}
    return found
