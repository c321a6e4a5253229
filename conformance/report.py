"""The results: a table for the terminal, and a file that a user can attach to an issue."""

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from conformance.finding import Finding, Result
from promote.core.environment import CREDENTIALS
from promote.core.redaction import Redactor
from promote.github.actions.markdown import code, escape
from promote.github.actions.markdown import row as markdown_row

_LONGEST = 20
"""Items of a list in the file."""
_WIDTHS = (52, 52)
"""Characters of the first two columns in the terminal."""


@dataclass(frozen=True)
class Row:
    """One question with its result."""

    id: str
    assumption: str
    finding: Finding
    observed: Any
    """What the question observed; None if it was not asked."""
    seconds: float


class Cleaner:
    """Removes account numbers, the caller's name and credentials from a text, and what a terminal would obey."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._redact = Redactor(filter(None, (environ.get(name, "") for name in CREDENTIALS)))

    def __call__(self, text: str) -> str:
        """Return ``text`` without them, on one line."""
        text = re.sub(r"(?<!\d)\d{12}(?!\d)", "ACCOUNT", self._redact(text))
        text = re.sub(r"\bUser: \S+", "User: CALLER", text)
        return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def table(rows: Iterable[Row], clean: Cleaner) -> str:
    """Return the table for the terminal."""
    lines = [_line(["assumption", "seen", "result"]), _line(["-" * width for width in (*_WIDTHS, 18)])]
    for row in rows:
        cells = [
            textwrap.wrap(text, width) or [""]
            for text, width in zip((row.assumption, clean(row.finding.seen)), _WIDTHS, strict=True)
        ]
        cells.append([row.finding.result.value])
        height = max(map(len, cells))
        filled = [[*cell, *[""] * (height - len(cell))] for cell in cells]
        lines += [_line([cell[place] for cell in filled]) for place in range(height)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    first, second, last = cells
    return f"{first:<{_WIDTHS[0]}}  {second:<{_WIDTHS[1]}}  {last}".rstrip()


def document(rows: Sequence[Row], facts: Mapping[str, str], clean: Cleaner) -> str:
    """Return the file, in Markdown. ``facts`` describe the run."""
    lines = ["# What was asked of AWS", ""]
    lines += [f"- {name}: {escape(clean(text))}" for name, text in facts.items()]
    lines += ["", str(markdown_row("question", "assumption", "seen", "result")), "| --- | --- | --- | --- |"]
    lines += [
        str(markdown_row(code(row.id), row.assumption, clean(row.finding.seen), row.finding.result.value))
        for row in rows
    ]
    for row in rows:
        if row.finding.result is not Result.NOT_ASKED:
            text = clean(json.dumps(_shortened(row.observed), ensure_ascii=True))
            lines += ["", f"## {row.id} ({row.seconds:.0f} s)", "", "```json", text, "```"]
    return "\n".join(lines) + "\n"


def _shortened(value: Any) -> Any:
    """Return a value as JSON. Long lists lose their middle."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _shortened(item) for name, item in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(name): _shortened(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        items = [_shortened(item) for item in value]
        if len(items) <= _LONGEST:
            return items
        half = _LONGEST // 2
        return [*items[:half], f"{len(items) - _LONGEST} more", *items[-half:]]
    return value
