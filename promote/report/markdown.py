"""Text as GitHub Flavored Markdown that shows it and does nothing else.

What could be taken for markup is shown as a code span, in which neither Markdown nor what GitHub does to the finished
page (mentions, references, emoji, mathematics, links) finds anything. So nothing needs a backslash, and the source
reads like the page.
"""

import re
from itertools import groupby
from urllib.parse import quote

LIMIT = 600
"""Characters of one value that are shown."""

_SPECIAL = re.compile(
    r"""
    [\\`*\[\]<>~|&$@#]                            # markup, mathematics, mentions, references
    | (?<![^\W_])_ | _(?![^\W_])                  # emphasis, which an underscore within a word never is
    | :(?=[\w/+-])                                # emoji, addresses
    | www\. | gh-\d                               # an address without a scheme, a reference to an issue
    | \b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}\b    # a commit
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BLOCK = re.compile(r"[-+=]+|\d+[.)]")
"""A first word that would begin a list, or make a heading of what stands before."""
_AROUND = re.compile(r"""([("']*)(.+?)([.,:;!?)"']*)""")
"""Punctuation of the sentence, which is none of the word's."""


class Markdown(str):
    """Finished Markdown of one line, to be written as it is."""

    __slots__ = ()


def escape(value: object) -> Markdown:
    """Give any value as Markdown: Markdown as it is, everything else as text."""
    return value if isinstance(value, Markdown) else text(str(value))


_TIME = re.compile(r"\d\d:\d\d(:\d\d)?")
"""Which is no emoji, though it has colons."""


def text(value: str) -> Markdown:
    """Show a sentence; its words that could be taken for markup become code."""
    words = _visible(value).split()
    special = [bool(_SPECIAL.search(word)) and not _TIME.fullmatch(word) for word in words]
    if words and _BLOCK.fullmatch(words[0]):
        special[0] = True
    parts = []
    for is_special, group in groupby(zip(special, words, strict=True), key=lambda pair: pair[0]):
        part = " ".join(word for _, word in group)
        parts.append(_code_within(part) if is_special else part)
    return Markdown(" ".join(parts))


def code(value: str) -> Markdown:
    """Show a value, letter for letter, as code."""
    return Markdown(_span(_visible(value)))


def unbroken(value: str) -> Markdown:
    """Show a few words that a narrow column is not to break."""
    return Markdown(text(value).replace(" ", "\N{NO-BREAK SPACE}"))


def link(label: str, url: str) -> Markdown:
    """Show ``label``, which leads to ``url`` where that is a web address."""
    if not re.match(r"https?://", url):
        return escape(label)
    return Markdown(f"[{escape(label)}](<{_address(url)}>)")


def address(url: str) -> Markdown:
    """Show a web address as a link to itself; anything else as text."""
    return Markdown(f"<{_address(url)}>") if re.match(r"https?://", url) else text(url)


def row(*cells: object) -> Markdown:
    """Give a line of a table. Cells are split at bars before anything else is looked at, also within code."""
    # Two backslashes would leave the bar after them unescaped.
    escaped = (re.sub(r"\\(?=\|)", r"\\ ", escape(cell)).replace("|", r"\|") for cell in cells)
    return Markdown(f"| {' | '.join(escaped)} |")


def _visible(value: str) -> str:
    """Give ``value`` on one line, shortened, with invisible characters (control, bidirectional, ...) spelled out."""
    line = " ".join(value.split())
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in line[: LIMIT + 1]
    )
    return shown if len(shown) <= LIMIT else shown[: LIMIT - 1] + "…"


def _code_within(words: str) -> str:
    found = _AROUND.fullmatch(words)
    assert found  # noqa: S101 - any text of one character or more
    before, core, after = found.groups()
    return f"{before}{_span(core)}{after}"


def _span(content: str) -> str:
    if not content:
        return ""
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * (longest + 1)
    # One space at both ends is not part of the content.
    padding = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{fence}{padding}{content}{padding}{fence}"


def _address(url: str) -> str:
    return quote(url, safe=":/?#@!$&'()*+,;=%~[]", errors="replace")
