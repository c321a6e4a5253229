"""Markdown as GitHub's HTML, as far as a summary or notes need it."""

import html
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_TAGS = frozenset(
    re.findall(
        r"\w+",
        """
        a abbr b bdo blockquote br caption cite code dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6
        hr i img ins kbd li mark ol p picture pre q rp rt ruby s samp small source span strike strong sub summary sup
        table tbody td tfoot th thead time tr tt ul var wbr
        """,
    )
)
"""Tags that GitHub keeps. Of other tags, it keeps the content. Collected from its html-pipeline."""
_HIDDEN = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext"})
"""Tags that are removed with their content."""
_ATTRIBUTES = frozenset({"align", "alt", "height", "href", "open", "src", "start", "title", "width"})
_SCHEMES = frozenset({"", "http", "https", "mailto"})


def rendered(markdown: str) -> str:
    """Return the HTML of GitHub Flavored Markdown, with charts as ``pre.mermaid``, without what GitHub removes.

    Bare addresses, mentions and references are not linked, because our output does not depend on it.
    """
    parser = MarkdownIt("gfm-like", {"linkify": False})
    parser.add_render_rule("fence", _fence)
    cleaner = _Cleaner()
    cleaner.feed(parser.render(markdown))
    cleaner.close()
    return "".join(cleaner.kept)


def _fence(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    if token.info.strip() == "mermaid":
        return f'<pre class="mermaid">{html.escape(token.content)}</pre>'
    return renderer.fence(tokens, index, options, env)


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.kept: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _TAGS and not self._hidden:
            kept = [
                f' {name}="{html.escape(value or "")}"' for name, value in attrs if _is_kept(tag, name, value or "")
            ]
            self.kept.append(f"<{tag}{''.join(kept)}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _TAGS and not self._hidden:
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.kept.append(html.escape(data, quote=False))


def _is_kept(tag: str, name: str, value: str) -> bool:
    if tag == "pre" and name == "class":
        return value == "mermaid"
    if name == "style":  # the alignment of a table's column
        return tag in ("td", "th") and value.startswith("text-align:")
    return name in _ATTRIBUTES and (name not in ("href", "src") or urlsplit(value).scheme in _SCHEMES)
