"""Escape untrusted text for GitHub Flavored Markdown.

Words that could be markup become code spans. In a code span, neither Markdown nor GitHub's later steps (mentions,
references, emoji, mathematics, links) change anything. So no backslashes are needed, and the source reads like the
page.
"""

import re
from collections.abc import Callable
from itertools import groupby
from urllib.parse import quote

LIMIT = 600
"""The most characters of a value that are shown."""

_SPECIAL = re.compile(
    r"""
    [\\`*\[\]<>~|&$@#]                            # markup, mathematics, mentions, references
    | (?<![^\W_])_ | _(?![^\W_])                  # emphasis; an underscore within a word is none
    | :(?=[\w/+-])                                # emoji, addresses
    | www\. | gh-\d                               # an address without a scheme, a reference to an issue
    | \b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}\b    # a commit
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BLOCK = re.compile(r"[-+=]+|\d+[.)]")
"""A first word that would begin a list, or turn the line before into a heading."""
_AROUND = re.compile(r"""([("']*)(.+?)([.,:;!?)"']*)""")
"""A word, with the punctuation of the sentence before and after it."""


class Markdown(str):
    """One line of Markdown in which all text is escaped."""

    __slots__ = ()


def escape(value: object) -> Markdown:
    """Return a value as Markdown. Markdown stays as it is, and other values are escaped."""
    return value if isinstance(value, Markdown) else text(str(value))


_TIME = re.compile(r"\d\d:\d\d(:\d\d)?")
"""A time, which has colons but is not an emoji."""


def text(value: str) -> Markdown:
    """Return a sentence as Markdown. Words that could be markup become code."""
    words = _visible(value).split()
    special = [bool(_SPECIAL.search(word)) and not _TIME.fullmatch(word) for word in words]
    if words and _BLOCK.fullmatch(words[0]):
        special[0] = True
    parts = []
    for is_special, group in groupby(zip(special, words, strict=True), key=lambda pair: pair[0]):
        part = " ".join(word for _, word in group)
        parts.append(_code_within(part) if is_special else part)
    return Markdown(" ".join(parts))


_MARKED = re.compile(r"""(?<!\S)([("']*)`([^`]*[^`\s][^`]*)`([.,:;!?)"']*)(?!\S)""")
"""Words between backticks, which the author has marked as code."""


def prose(value: str) -> Markdown:
    """Return a sentence, such as a title, as Markdown. Words between backticks are code, the rest is as in ``text``."""
    return _prose(value, text, code)


def _prose(value: str, show: Callable[[str], Markdown], show_code: Callable[[str], Markdown]) -> Markdown:
    line, parts, end = _visible(value), list[str](), 0
    for found in _MARKED.finditer(line):
        before, marked, after = found.groups()
        parts += [show(line[end : found.start()]), f"{show(before)}{show_code(marked)}{show(after)}"]
        end = found.end()
    return Markdown(" ".join(filter(None, [*parts, show(line[end:])])))


def code(value: str) -> Markdown:
    """Return a value as code."""
    return Markdown(_span(_visible(value)))


def unbroken(value: str) -> Markdown:
    """Return a few words without line breaks between them, for a narrow column."""
    return Markdown(text(value).replace(" ", "\N{NO-BREAK SPACE}"))


def link(label: str, url: str) -> Markdown:
    """Return ``label`` with a link to ``url``, if that is a web address."""
    if not re.match(r"https?://", url):
        return escape(label)
    return Markdown(f"[{escape(label)}](<{_address(url)}>)")


def address(url: str) -> Markdown:
    """Return a web address as a link to itself, and any other text as text."""
    return Markdown(f"<{_address(url)}>") if re.match(r"https?://", url) else text(url)


def row(*cells: object) -> Markdown:
    """Return a row of a table. Bars are escaped even in code, because Markdown splits the row at bars first."""
    # After two backslashes, a bar would not be escaped.
    escaped = (re.sub(r"\\(?=\|)", r"\\ ", escape(cell)).replace("|", r"\|") for cell in cells)
    return Markdown(f"| {' | '.join(escaped)} |")


# The functions below escape text for any place in a user's template: in a tag, in an attribute, in a table, or next to
# a backtick. The result has no characters of Markdown. Words that GitHub would replace are in <code>, where GitHub does
# not change them, and addresses are split by <wbr>, which is invisible.

_MARKUP = re.compile(r"[&<>\"'`*\[\]~|\\$#]|(?<![^\W_])_|_(?![^\W_])")
_REPLACED = re.compile(r"[@#$]|:(?=[\w/+-])|www\.|gh-\d|\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}\b", re.IGNORECASE)
"""Text that GitHub would replace; see ``_SPECIAL``."""
_JOINT = re.compile(r"[:@]|/(?=/)|www(?=\.)", re.IGNORECASE)
"""Where an address is split."""


def text_anywhere(value: str) -> Markdown:
    """Return a sentence as ``text`` does, for any place in a page."""
    words, parts = _visible(value).split(), []
    for is_replaced, group in groupby(words, key=_is_replaced):
        part = " ".join(group)
        found = _AROUND.fullmatch(part)
        before, core, after = found.groups() if found and is_replaced else (part, "", "")
        parts.append(f"{_inert(before)}{code_anywhere(core)}{_inert(after)}")
    if words and _BLOCK.fullmatch(words[0]):
        first, _, rest = parts[0].partition(" ")
        parts[0] = " ".join(filter(None, ["".join(f"&#{ord(character)};" for character in first), rest]))
    # A template may show another value right after the colon. Together, they could be an emoji.
    end = "<wbr>" if parts and parts[-1].endswith(":") else ""
    return Markdown(" ".join(parts) + end)


def _is_replaced(word: str) -> bool:
    return bool(_REPLACED.search(word)) and not _TIME.fullmatch(word)


def code_anywhere(value: str) -> Markdown:
    """Return a value as ``code`` does, for any place in a page."""
    shown = _JOINT.sub(r"\g<0><wbr>", _inert(_visible(value)))
    return Markdown(f"<code>{shown}</code>" if shown else "")


def prose_anywhere(value: str) -> Markdown:
    """Return a sentence as ``prose`` does, for any place in a page."""
    return _prose(value, text_anywhere, code_anywhere)


def _inert(value: str) -> str:
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", value)


def _visible(value: str) -> str:
    """Return ``value`` on one line, shortened, with invisible characters (control, bidirectional, ...) escaped."""
    line = " ".join(value.split())
    shown = "".join(
        character if character.isprintable() or _is_joiner(line, place) else character.encode("unicode_escape").decode()
        for place, character in enumerate(line[: LIMIT + 1])
    )
    return shown if len(shown) <= LIMIT else shown[: LIMIT - 1] + "…"


_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"


def _is_joiner(line: str, place: int) -> bool:
    """Return whether the character is a joiner between two visible characters outside of ASCII.

    There it combines emoji, or separates or joins letters of Persian and Indic scripts.
    """
    around = line[place - 1 : place] + line[place + 1 : place + 2]
    is_between = len(around) == 2 and around.isprintable() and not any(map(str.isascii, around))  # noqa: PLR2004 - both
    return line[place] in _JOINERS and is_between


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
