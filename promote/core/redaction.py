"""Redact secrets in text."""

import json
from collections.abc import Iterable

_SHORTEST_SECRET = 6
"""The fewest characters of a secret. Shorter values are not secret, and would make texts unreadable."""


class Redactor:
    """Replaces the secrets in a text. Redact before the text is shortened, because a part of a secret is not found."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # A key with several lines may be shown line by line, or with all lines joined.
        parts = {part for secret in secrets for part in (secret, " ".join(secret.split()), *secret.splitlines())}
        found = {spelling for part in parts if len(part) >= _SHORTEST_SECRET for spelling in _spellings(part)}
        self._parts = sorted(found, key=len, reverse=True)
        self.longest = len(self._parts[0]) if self._parts else 0
        """The characters of the longest secret. Text that is read in chunks needs an overlap of this length."""

    def __call__(self, text: str) -> str:
        """Return ``text`` with each secret replaced by ``***``."""
        for part in self._parts:
            text = text.replace(part, "***")
        return text


def _spellings(part: str) -> set[str]:
    """Return ``part`` as it is, within JSON, and within JSON in JSON, as in a function's response to API Gateway."""
    found = {part}
    for _ in range(2):
        found |= {json.dumps(text, ensure_ascii=is_ascii)[1:-1] for text in found for is_ascii in (False, True)}
    return found
