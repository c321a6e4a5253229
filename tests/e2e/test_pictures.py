"""Pictures: each golden summary and the golden notes as GitHub shows them, drawn by a browser.

The pictures are in ``.e2e/pictures``, for people to look at. The tests only check that nothing is broken.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.pictures.browser import HERE, Browser, build
from tests.e2e.pictures.github import rendered
from tests.runner import REPOSITORY, docker

pytestmark = pytest.mark.timeout(600)  # the first time, the browser is downloaded

GOLDEN = REPOSITORY / "tests" / "unit" / "golden"
PICTURES = REPOSITORY / ".e2e" / "pictures"
LIBRARIES = Path(sys.prefix) / "node_modules"
"""The folder with the packages of pictures/package-lock.json."""
WIDTH = 1012
"""The width of GitHub's column."""
MARKUP = re.compile(
    r"\*\*|__|```|~~~|\|\s*:?-+:?\s*\||\]\(|</?\w+|&\w+;|\{\{|\{%|%%\{|^#+ |^[-+*] |^\[!\w+\]", re.MULTILINE
)
"""Text that is visible if Markdown, HTML or a template was not understood."""
SMALLEST = 10
"""The height of letters in a chart, in pixels: that of an axis in Mermaid's own charts."""
WIDER = {"summary-reported-hostile"}
"""Where tables may be wider than the column and scroll, because of external text."""


Seen = dict[str, Any]
"""The facts of page.js about a page."""


@dataclass(frozen=True)
class Page:
    """One picture."""

    file: Path
    is_dark: bool = False
    is_open: bool = True

    @property
    def name(self) -> str:
        kind = "notes" if self.file.parent.name == "notes" else "summary"
        looks = ("-dark" if self.is_dark else "") + ("" if self.is_open else "-folded")
        return f"{kind}-{self.file.stem}{looks}"


FILES = [*sorted(GOLDEN.glob("*.md")), *sorted(GOLDEN.glob("notes/*.md"))]
PAGES = [
    *(Page(file) for file in FILES),
    *(Page(GOLDEN / f"{name}.md", is_dark=True) for name in ("promoted", "blocked")),
    *(Page(GOLDEN / f"{name}.md", is_open=False) for name in ("promoted", "blocked")),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    build(docker())
    style = (LIBRARIES / "github-markdown-css" / "github-markdown.css").read_text(encoding="utf-8")
    mermaid = (LIBRARIES / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js").read_text(encoding="utf-8")
    with Browser(docker()) as browser:
        browser.open((HERE / "page.html").read_text(encoding="utf-8").replace("/* style */", style))
        browser.evaluate((HERE / "page.js").read_text(encoding="utf-8"))
        browser.evaluate(f"var mermaidSource = {json.dumps(mermaid)}")
        yield browser


def see(browser: Browser, markdown: str, *, is_dark: bool = False, is_open: bool = True) -> Seen:
    """Show ``markdown`` as GitHub does, and return the page's facts."""
    browser.look(WIDTH, 1000, is_dark=is_dark)
    arguments = ", ".join(map(json.dumps, (rendered(markdown), is_dark, is_open)))
    seen: Seen = browser.evaluate(f"show({arguments})")
    return seen


def faults(seen: Seen, charts: int) -> Iterator[str]:
    """Yield what must not be visible."""
    if not 100 <= seen["height"] <= 3000:
        yield f"it is {seen['height']} pixels high"
    yield from (f"a chart is not drawn: {error}" for error in seen["errors"])
    yield from (f"markup is shown as text: {found[0]!r}" for found in MARKUP.finditer(seen["words"]))
    yield from (f"markup is shown as code: {code!r}" for code in seen["code"] if "```" in code or "| :--" in code)
    yield from (f"a link leads to {link!r}" for link in seen["links"] if not re.match(r"https?://\w", link))
    yield from (f"without a name: {tag}" for tag in seen["unnamed"])
    yield from (f"an image that needs the network: {source}" for source in seen["images"])
    yield from (f"folded in is nothing: {fold}" for fold in seen["folds"] if fold["isEmpty"] or not fold["title"])
    yield from (f"beyond the column: {element}" for element in seen["beyond"])
    yield from (f"a table is wider than the column: {head}" for head in seen["scrolled"])
    if len(seen["charts"]) != charts:
        yield f"there are {len(seen['charts'])} charts of {charts}"
    for chart in seen["charts"]:
        name = f"the {chart['kind'] or 'missing'} chart"
        if chart["kind"] not in ("gantt", "flowchart-v2") or not (
            chart["width"] >= 300 and 40 <= chart["height"] <= 600
        ):
            yield f"{name} has {chart['width']} x {chart['height']} pixels"
        if chart["letters"] < SMALLEST:
            yield f"{name} has letters of {chart['letters']:.1f} pixels"
        yield from (f"{name} cuts off {words!r}" for words in chart["cut"])
        yield from (f"{name} has text that its bar has no room for: {words!r}" for words in chart["squeezed"])
        yield from (f"{name} has text over text: {words!r}" for words in chart["over"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_picture(page: Page, browser: Browser) -> None:
    markdown = page.file.read_text(encoding="utf-8")
    seen = see(browser, markdown, is_dark=page.is_dark, is_open=page.is_open)
    browser.look(WIDTH, seen["height"], is_dark=page.is_dark)
    PICTURES.mkdir(parents=True, exist_ok=True)
    picture = PICTURES / f"{page.name}.png"
    picture.write_bytes(browser.picture())

    if page.name in WIDER:
        seen["scrolled"] = []
    shown = markdown if page.is_open else re.sub(r"<details>.*?</details>", "", markdown, flags=re.DOTALL)
    assert not list(faults(seen, charts=shown.count("```mermaid"))), f"see {picture}"


GOOD = "### It went well\n\n[A link](https://example.com/)\n\n" + "words\n\n" * 3
GANTT = "```mermaid\ngantt\n dateFormat x\n section A\n {label} :0, {end}\n section B\n b :0, 10000\n```"
FOLDED = "<details>\n<summary>More</summary>\n\n{}\n\n</details>"
FLOW = "```mermaid\nflowchart LR\n a[one] --> b[two]\n```"


@pytest.mark.parametrize(
    ("markdown", "fault"),
    [
        ("", ""),
        (GANTT.format(label="long", end=9000), ""),
        ("| a | b |\n| - | - |\n| **c** | `|---|` |\n\n<kbd>d</kbd>", ""),
        ("| a | b |\n|---|", "markup is shown as text: '|---|'"),
        ("<details>\n<summary>a</summary>\n**b**\n</details>", "markup is shown as text: '**'"),
        ("\\<b>", "markup is shown as text: '<b'"),
        ("```\n```mermaid\n```", "markup is shown as code"),
        ("[a](pulls/7)", "a link leads to 'pulls/7'"),
        ("<a href='javascript:alert(1)'>a</a>", "a link leads to ''"),
        ("[](https://example.com/)", "without a name: A"),
        ("![a](https://example.com/a.png)", "an image"),
        ("<details>\n<summary>a</summary>\n</details>", "folded in is nothing"),
        ("`" + "a" * 300 + "`", ""),
        ("| a |\n| - |\n| " + "a" * 300 + " |", "a table is wider than the column: a"),
        ("<ul>" * 60 + "a", "beyond the column"),
        ("a\n\n" * 200, "pixels high"),
        ("```mermaid\ngantt\n section a\n b : c, d\n```", "a chart is not drawn"),
        ('```mermaid\npie\n "a" : 1\n```', "the pie chart"),
        (FOLDED.format(FLOW), "the flowchart-v2 chart has 16 x"),
        (FOLDED.format(GANTT.format(label="no room", end=10)), "no room for: 'no room'"),
        (GANTT.format(label="a", end=9000).replace("section A", "section " + "A " * 60), "text over text"),
        (FLOW.replace("a[one]", " --> ".join("cdefghijklmnopqrstuvwxyz")), "letters of"),
    ],
)
def test_what_is_broken_is_seen(markdown: str, fault: str, browser: Browser) -> None:
    found = list(faults(see(browser, f"{GOOD}\n{markdown}"), markdown.count("```mermaid")))
    assert any(fault in what for what in found) if fault else not found, found
