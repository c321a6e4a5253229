"""Text as GitHub Flavored Markdown that shows it and does nothing else.

What could be taken for markup is shown as a code span, in which neither Markdown nor what GitHub does to the finished
page (mentions, references, emoji, mathematics, links) finds anything. So nothing needs a backslash, and the source
reads like the page.
"""

import re
from collections.abc import Callable
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


_MARKED = re.compile(r"""(?<!\S)([("']*)`([^`]*[^`\s][^`]*)`([.,:;!?)"']*)(?!\S)""")
"""Words that their author has marked as code."""


def prose(value: str) -> Markdown:
    """Show a sentence, such as a title, in which words between backticks are code; else as ``text`` does."""
    return _prose(value, text, code)


def _prose(value: str, show: Callable[[str], Markdown], show_code: Callable[[str], Markdown]) -> Markdown:
    line, parts, end = _visible(value), list[str](), 0
    for found in _MARKED.finditer(line):
        before, marked, after = found.groups()
        parts += [show(line[end : found.start()]), f"{show(before)}{show_code(marked)}{show(after)}"]
        end = found.end()
    return Markdown(" ".join(filter(None, [*parts, show(line[end:])])))


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


# What follows shows text wherever a stranger's template has put it: also in a tag, in an attribute, in a cell, and next
# to a backtick of the template's own. There is no mark of Markdown in it, and what GitHub would replace is cut by
# <wbr>, which shows nothing, within <code>, where GitHub leaves words alone.

_MARKUP = re.compile(r"[&<>\"'`*\[\]~|\\$#]|(?<![^\W_])_|_(?![^\W_])")
_REPLACED = re.compile(r"[@#$]|:(?=[\w/+-])|www\.|gh-\d|\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}\b", re.IGNORECASE)
"""What GitHub would replace; see ``_SPECIAL``."""
_JOINT = re.compile(r"[:@]|/(?=/)|www(?=\.)", re.IGNORECASE)
"""Where an address is cut."""


def text_anywhere(value: str) -> Markdown:
    """Show a sentence as ``text`` does, in any place of a page."""
    words, parts = _visible(value).split(), []
    for is_replaced, group in groupby(words, key=_is_replaced):
        part = " ".join(group)
        found = _AROUND.fullmatch(part)
        before, core, after = found.groups() if found and is_replaced else (part, "", "")
        parts.append(f"{_inert(before)}{code_anywhere(core)}{_inert(after)}")
    if words and _BLOCK.fullmatch(words[0]):
        first, _, rest = parts[0].partition(" ")
        parts[0] = " ".join(filter(None, ["".join(f"&#{ord(character)};" for character in first), rest]))
    return Markdown(" ".join(parts))


def _is_replaced(word: str) -> bool:
    return bool(_REPLACED.search(word)) and not _TIME.fullmatch(word)


def code_anywhere(value: str) -> Markdown:
    """Show a value as ``code`` does, in any place of a page."""
    shown = _JOINT.sub(r"\g<0><wbr>", _inert(_visible(value)))
    return Markdown(f"<code>{shown}</code>" if shown else "")


def prose_anywhere(value: str) -> Markdown:
    """Show a sentence as ``prose`` does, in any place of a page."""
    return _prose(value, text_anywhere, code_anywhere)


def _inert(value: str) -> str:
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", value)


def _visible(value: str) -> str:
    """Give ``value`` on one line, shortened, with invisible characters (control, bidirectional, ...) spelled out."""
    line = " ".join(value.split())
    shown = "".join(
        character if character.isprintable() or _is_joiner(line, place) else character.encode("unicode_escape").decode()
        for place, character in enumerate(line[: LIMIT + 1])
    )
    return shown if len(shown) <= LIMIT else shown[: LIMIT - 1] + "…"


_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"


def _is_joiner(line: str, place: int) -> bool:
    """Say whether one stands between visible characters, none of ASCII's.

    It makes one picture of several emoji there, and parts or joins letters of Persian and Indic scripts.
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
