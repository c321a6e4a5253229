"""The project's own files do not contain words that its style avoids, such as "whoever" or "gives way"."""

import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.runner import REPOSITORY

WORDS = (
    "somebody",
    "whoever",
    "told",
    "(is|are) had",
    "(of|has) (its|their) own(?! [a-z])",
    "meanwhile",
    "anew",
    "turn(ed|s)? back",
    "put(s)? back",
    "stands? to",
    "a line each",
    "trial",
    "strangers?",
    "coherence",
    "sagas?",
    "chronicle",
    "gives? way",
    "lost answer",
    "(?<!there )is no (?!longer|more)[a-z]+",
)
_AVOIDED = re.compile(rf"(?<![a-z])(?:{'|'.join(WORDS)})(?![a-z])", re.IGNORECASE)
_ROOTS = ("conformance", "promote", "sandbox", "benchmarks", "examples", "tools", "tests", "docs", ".github")
_KINDS = {".py", ".md", ".yml", ".yaml", ".sh", ".jinja"}
_QUOTING = ("tests/unit/test_plain_words.py", "tests/unit/golden/")
"""Files that quote the words."""


def files() -> list[str]:
    """Return the paths of the project's own text files."""
    found = [path for path in REPOSITORY.iterdir() if path.suffix in _KINDS or path.name in {"Makefile", "Dockerfile"}]
    for root in _ROOTS:
        found += [path for path in (REPOSITORY / root).rglob("*") if path.suffix in _KINDS]
    names = sorted(path.relative_to(REPOSITORY).as_posix() for path in found)
    return [name for name in names if not name.startswith(_QUOTING) and "node_modules" not in name]


def own_text(name: str) -> str:
    """Return the text of a file that is ours. Of tests, that is everything except strings that are not docstrings."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    if name.startswith("tests/") and name.endswith(".py"):
        text = " | ".join(_without_data(text))
    # A phrase may be on two lines.
    return re.sub(r"[ \t]*\n[ \t]*(?:#[ \t]*)?", " ", text.replace("_", " "))


def _without_data(source: str) -> Iterator[str]:
    """Yield comments, names and docstrings of a Python file."""
    before = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_docstring = token.type == tokenize.STRING and before in {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
        if is_docstring or token.type in {tokenize.COMMENT, tokenize.NAME}:
            yield token.string
        if token.type not in {tokenize.COMMENT, tokenize.NL}:
            before = token.type


@pytest.mark.parametrize("name", files())
def test_a_file_has_plain_words(name: str) -> None:
    text = own_text(name)
    assert [text[max(0, found.start() - 30) : found.end() + 30] for found in _AVOIDED.finditer(text)] == []
