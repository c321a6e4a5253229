"""Read Conventional Commits: https://www.conventionalcommits.org/en/v1.0.0/."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

ALIASES = {
    "feature": "feat",
    "bugfix": "fix",
    "hotfix": "fix",
    "doc": "docs",
    "tests": "test",
    "dep": "deps",
}
KINDS = ("feat", "fix", "perf", "revert", "docs", "deps", "refactor", "build", "ci", "test", "style", "chore")
"""The types, the most interesting for readers first. Any other word is part of the title."""

_SUBJECT = re.compile(r"(?P<kind>[A-Za-z]+)(?:\((?P<scope>[^()]+)\))?(?P<breaking>!)?:\s+(?P<title>\S.*)", re.DOTALL)
_BREAKING = re.compile(r"^BREAKING[ -]CHANGE: *(?P<note>\S.*(?:\n(?!\s*$|[\w-]+(?:: | \#)|BREAKING).*)*)", re.MULTILINE)
"""The footer and its further lines, up to an empty line or the next footer."""
_QUOTED = re.compile(r"(?P<word>Revert|Reapply) \"(?P<title>.*)\"", re.DOTALL)
"""The subjects of a revert, and of a revert of a revert, by git and GitHub."""
_NUMBER = re.compile(r"(?P<title>.*\S)\s*\(#[1-9]\d*\)", re.DOTALL | re.ASCII)
_DEPTH = 20
"""The most nested reverts that are read."""


@dataclass(frozen=True)
class Subject:
    """The first line of a commit, or the title of a pull request."""

    title: str
    """The title without prefix and number, for people."""
    kind: str = ""
    """One of ``KINDS``; or empty."""
    scope: str = ""
    is_breaking: bool = False


def read_subject(line: str, depth: int = _DEPTH) -> Subject:
    """Read any subject or title."""
    line = " ".join(line.split())
    if match := _NUMBER.fullmatch(line):
        line = match["title"]
    if depth and (match := _QUOTED.fullmatch(line)):
        inner = read_subject(match["title"], depth - 1)
        kind = "revert" if match["word"] == "Revert" else inner.kind
        return Subject(f'{match["word"]} "{inner.title}"', kind, inner.scope)
    match = _SUBJECT.fullmatch(line)
    kind = match["kind"].lower() if match else ""
    kind = ALIASES.get(kind, kind)
    if not match or kind not in KINDS:
        return Subject(line, is_breaking=bool(match and match["breaking"]))
    title = match["title"]
    if kind == "revert" and depth:
        title = f'Revert "{read_subject(title, depth - 1).title}"'
    return Subject(_capital(title), kind, (match["scope"] or "").strip(), bool(match["breaking"]))


def breaking_note(body: str) -> str:
    """Return the text of the footers about breaking changes, on one line; empty if there are none."""
    return "; ".join(" ".join(match["note"].split()) for match in _BREAKING.finditer(body.replace("\r\n", "\n")))


def strongest(kinds: Iterable[str]) -> str:
    """Return the kind that is most interesting for readers; empty if there is none."""
    return min((kind for kind in kinds if kind), key=KINDS.index, default="")


def _capital(title: str) -> str:
    """Return the title with a capital first letter, unless the first word looks like a name in code."""
    first = title.split(maxsplit=1)[0]
    return title[0].upper() + title[1:] if first.rstrip(",:;.").isalpha() and first.islower() else title
