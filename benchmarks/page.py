"""The page that tells of the benchmarks: each part has a section, in which it writes between its own marks."""

import re
from collections.abc import Sequence

from benchmarks.findings import Figure, Findings

_SUMMARY = "summary"
_HEAD = ["| figure | found | goal | met |", "| --- | --- | --- | --- |"]


def written(page: str, part: str, findings: Findings) -> str:
    """Give ``page`` with what the part has found, in its section and in the summary of all.

    Raises:
        ValueError: it has no such section.

    """
    return _summed_up(_filled(page, part, findings.text), part, findings.figures)


def _filled(page: str, mark: str, text: str) -> str:
    """Give ``page`` with what is between ``<!-- mark -->`` and ``<!-- /mark -->`` written anew."""
    before, _, after = _cut(page, mark)
    return f"{before}{text}\n{after}"


def _cut(page: str, mark: str) -> tuple[str, str, str]:
    """Give what is before the inside of a mark, the inside, and what is after it."""
    opening, closing = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, opened, rest = page.partition(opening)
    inside, closed, after = rest.partition(closing)
    if not (opened and closed):
        raise ValueError(f"the page has no place between {opening.strip()} and {closing}")
    return before + opened, inside, closed + after


def _summed_up(page: str, part: str, figures: Sequence[Figure]) -> str:
    """Give ``page`` with other lines for the part in its summary, which has the order of the sections."""
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
    """Give the anchor of the section that the part's mark is in."""
    before, _, _ = _cut(page, part)
    return _slug(re.findall(r"^## (.+)$", before, re.MULTILINE)[-1])


def _slug(title: str) -> str:
    """Give the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
