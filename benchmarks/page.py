"""The page of the benchmarks. Each part has a section and writes between its own marks."""

import re
from collections.abc import Sequence

from benchmarks.findings import Figure, Findings

_SUMMARY = "summary"
_HEAD = ["| figure | found | goal | met |", "| --- | --- | --- | --- |"]


def written(page: str, part: str, findings: Findings) -> str:
    """Return ``page`` with the results of the part in its section and in the summary.

    Raises:
        ValueError: The page has no such section.

    """
    return _summed_up(_filled(page, part, findings.text), part, findings.figures)


def _filled(page: str, mark: str, text: str) -> str:
    """Return ``page`` with ``text`` between ``<!-- mark -->`` and ``<!-- /mark -->``."""
    before, _, after = _cut(page, mark)
    return f"{before}{text}\n{after}"


def _cut(page: str, mark: str) -> tuple[str, str, str]:
    """Return the text before the inside of a mark, the inside, and the text after it."""
    opening, closing = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, opened, rest = page.partition(opening)
    inside, closed, after = rest.partition(closing)
    if not (opened and closed):
        raise ValueError(f"the page has no place between {opening.strip()} and {closing}")
    return before + opened, inside, closed + after


def _summed_up(page: str, part: str, figures: Sequence[Figure]) -> str:
    """Return ``page`` with new rows for the part in its summary, in the order of the sections."""
    _, summary, _ = _cut(page, _SUMMARY)
    ours = _anchor(page, part)
    rows = [row for row in summary.splitlines()[len(_HEAD) :] if f"](#{ours})" not in row]
    rows += [_row(figure, ours) for figure in figures]
    order = [_slug(title) for title in re.findall(r"^## (.+)$", page, re.MULTILINE)]
    rows.sort(key=lambda row: order.index(row.partition("](#")[2].partition(")")[0]))
    return _filled(page, _SUMMARY, "\n".join([*_HEAD, *rows]))


def _row(figure: Figure, anchor: str) -> str:
    met = {True: "yes", False: "**no**", None: ""}[figure.is_met]
    return f"| [{figure.name}](#{anchor}) | {figure.found} | {figure.goal} | {met} |"


def _anchor(page: str, part: str) -> str:
    """Return the anchor of the section that contains the part's mark."""
    before, _, _ = _cut(page, part)
    return _slug(re.findall(r"^## (.+)$", before, re.MULTILINE)[-1])


def _slug(title: str) -> str:
    """Return GitHub's anchor of a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
