"""Redact secrets in text."""

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote, urlsplit

SHORTEST_SECRET = 6
"""The fewest characters of a secret. Shorter values are not secret, and would make texts unreadable."""


class Redactor:
    """Replaces the secrets in a text. Redact before the text is shortened, because a part of a secret is not found."""

    def __init__(self, secrets: Iterable[str]) -> None:
        wholes = {whole for secret in secrets for whole in (secret, *_passwords(secret))}
        # A key with several lines may be shown line by line, or with all lines joined.
        parts = {part for whole in wholes for part in (whole, " ".join(whole.split()), *whole.splitlines())}
        found = {spelling for part in parts if len(part) >= SHORTEST_SECRET for spelling in _spellings(part)}
        found |= {spelling for whole in wholes if len(whole) >= SHORTEST_SECRET for spelling in _in_base64(whole)}
        self._parts = sorted(found, key=len, reverse=True)
        self.longest = len(self._parts[0]) if self._parts else 0
        """The characters of the longest secret. Text that is read in chunks needs an overlap of this length."""

    def __call__(self, text: str) -> str:
        """Return ``text`` with each secret replaced by ``***``."""
        for part in self._parts:
            text = text.replace(part, "***")
        return text


def without_secrets(url: str) -> str:
    """Return a URL without user, password, query and fragment, such as ``https://host/a.zip?…``. It may be invalid."""
    scheme = re.match(r"([\w+.-]+:/+)?", url)
    assert scheme  # noqa: S101 - it may be empty
    if "@" in url:  # in an invalid URL, the end of the password is not certain
        return f"{scheme[0]}…"
    return re.sub(r"[?#].*", "?…", url, flags=re.DOTALL)


def quoted(value: str) -> str:
    """Return the value of an input in quotes. If it is a URL, it is shown without its secrets."""
    return repr(without_secrets(value) if ":/" in value else value)  # paths are shown without double slashes


def _passwords(secret: str) -> Iterator[str]:
    """Yield the password of a URL, such as that of a database: as it is, and decoded. It may also be shown alone."""
    try:
        password = urlsplit(secret.strip()).password or ""
    except ValueError:
        return
    yield password
    yield unquote(password)


def _spellings(part: str) -> set[str]:
    """Return ``part`` as it is and as it is in a URL, in HTML, in Python and in JSON.

    JSON may be in JSON, as in a function's response to API Gateway.
    """
    # JavaScript and Python encode different characters. Characters that are not valid Unicode are in no URL.
    found = {quote(part, safe, errors="replace") for safe in ("", "/", "!'()*")} | {quote_plus(part, errors="replace")}
    found |= {part, repr(part)[1:-1], html.escape(part), html.escape(part, quote=False)}
    found.add(html.escape(part).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"))
    for _ in range(2):
        found |= {json.dumps(text, ensure_ascii=is_ascii)[1:-1] for text in found for is_ascii in (False, True)}
    return found


def _in_base64(secret: str) -> Iterator[str]:
    """Yield ``secret`` in Base64, alone or within a longer text, such as ``user:secret``.

    Only the characters are yielded that do not also depend on what is before and after it.
    """
    content = secret.encode(errors="replace")
    for before in range(3):
        first, end = (8 * before + 5) // 6, 8 * (before + len(content)) // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(bytes(before) + content).decode()[first:end]
