"""What Conventional Commits say in a commit's words: https://www.conventionalcommits.org/en/v1.0.0/."""

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
"""From what readers ask for first to what they do not ask for. A word that is none of these is part of the title."""

_SUBJECT = re.compile(r"(?P<kind>[A-Za-z]+)(?:\((?P<scope>[^()]+)\))?(?P<breaking>!)?:\s+(?P<title>\S.*)", re.DOTALL)
_BREAKING = re.compile(r"^BREAKING[ -]CHANGE: *(?P<note>\S.*(?:\n(?!\s*$|[\w-]+(?:: | \#)|BREAKING).*)*)", re.MULTILINE)
"""The footer and the lines that go on with it: until an empty one, or the next footer."""
_QUOTED = re.compile(r"(?P<word>Revert|Reapply) \"(?P<title>.*)\"", re.DOTALL)
"""As git and GitHub name what takes back, and what takes that back."""
_NUMBER = re.compile(r"(?P<title>.*\S)\s*\(#[1-9]\d*\)", re.DOTALL | re.ASCII)
_DEPTH = 20
"""Reverts of reverts that are read."""


@dataclass(frozen=True)
class Subject:
    """A commit's first line, or a pull request's title."""

    title: str
    """Without prefix and number, for people."""
    kind: str = ""
    """One of ``KINDS``, or empty."""
    scope: str = ""
    is_breaking: bool = False


def read_subject(line: str, depth: int = _DEPTH) -> Subject:
    """Read ``line``, whatever it is."""
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
    """Give what a commit's footers say of what it breaks, on one line; empty: they say nothing."""
    return "; ".join(" ".join(match["note"].split()) for match in _BREAKING.finditer(body.replace("\r\n", "\n")))


def strongest(kinds: Iterable[str]) -> str:
    """Give the kind that readers ask for first, or none."""
    return min((kind for kind in kinds if kind), key=KINDS.index, default="")


def _capital(title: str) -> str:
    """Begin with a capital letter, unless the first word looks like a name in code."""
    first = title.split(maxsplit=1)[0]
    return title[0].upper() + title[1:] if first.rstrip(",:;.").isalpha() and first.islower() else title
