"""Texts from outside that try to inject something, and checks of where they are shown."""

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

CORPUS: tuple[tuple[str, str], ...] = (
    # --- the runner's commands
    ("error command", "::error::injected"),
    ("error command with properties", "::error file=app.py,line=1,title=injected::injected"),
    ("indented command", " \t ::warning::injected"),
    ("command after a no-break space", "\u00a0\u3000::error::injected"),
    ("command after what is not seen", "\u200b\ufeff::error::injected"),
    ("command with something unseen in it", ":\u034f:error::injected ::error:\u200b:injected ##\ufe0f[error]injected"),
    ("stop commands", "::stop-commands::injected"),
    ("stop commands without a token", "::stop-commands::"),
    ("mask of a letter", "::add-mask::e"),
    ("group that never ends", "::group::injected"),
    ("end of a group", "::endgroup::"),
    ("output", "::set-output name=promoted::injected"),
    ("environment and path", "::set-env name=PATH::/tmp\n::add-path::/tmp"),
    ("matcher", "::add-matcher::/github/workspace/matcher.json"),
    ("debug and echo", "::debug::injected\n::echo::on"),
    ("legacy command", "##[error]injected"),
    ("legacy command within a line", "harmless ##[group]injected ##[command]injected"),
    ("legacy command of the log's page", "##[section]injected ##[debug]injected [command]injected"),
    ("nested legacy command", "##[##[error]injected"),
    ("command after a line feed", "harmless\n::error::injected"),
    ("command after a carriage return", "harmless\r::error::injected\rharmless"),
    (
        "command after other ends of lines",
        "a\x0b::error::b\x0c::error::c\x85::error::d\u2028::error::e\u2029::error::f",
    ),
    ("command after an escape", "\x1b[0m::error::injected \x1b]0;title\x07::error::injected"),
    ("percent escapes", "harmless%0A::error::injected%0D%0A%25%3A%3A%2C"),
    (
        "delimiters of here-documents",
        "EOF\nghadelimiter_00000000-0000-0000-0000-000000000000\nresult=injected\npromoted<<EOF\ntrue\nEOF",
    ),
    ("outputs", "result=injected\npromoted=injected"),
    # --- terminals
    ("colours", "\x1b[31;1mred\x1b[0m \x1b[8mhidden \x9b31mred"),
    ("cursor", "\x1b[2J\x1b[H\x1b[1A\x1b[2K\x1bM\x1bc rewritten"),
    ("terminal's title and link", "\x1b]0;injected\x07 \x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\"),
    ("terminal's clipboard", "\x1b]52;c;aW5qZWN0ZWQ=\x07 \x1bP+q544e\x1b\\"),
    ("unfinished escape", "\x1b]0;never ended"),
    ("bell, backspace, delete, NUL", "a\x07b\x08\x08c\x7fd\x00e"),
    ("line rewritten", "harmless\rHARMFUL"),
    # --- Unicode
    ("bidirectional controls", "\u202ecod.exe\u202c \u2066isolate\u2069 \u200frtl\u061c"),
    ("zero-width characters", "in\u200bvis\u200cib\u200dle\u2060\ufeff\u00ad"),
    ("tag characters", "tagged\U000e0041\U000e0042\U000e007f"),
    ("ends of lines of Unicode", "a\u2028b\u2029c\x85d"),
    ("half a character", "half \ud800 and \udcff"),
    ("stacked marks", "Z" + "\u0351\u0300\u0489" * 40),
    ("private and unassigned", "\ue000 \U0010ffff \ufffe \u0378"),
    ("right-to-left words", "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627"),
    # --- HTML
    ("script", "<script>alert(1)</script>"),
    ("image with a handler", '<img src=x onerror="alert(1)">'),
    ("closing tags", "</code></td></tr></table></details></summary><h1>injected</h1>"),
    ("unfinished comment", "<!-- injected"),
    ("unfinished tag", "<a href='https://evil.example"),
    ("style and frame", "<style>*{display:none}</style><iframe src=//evil.example></iframe>"),
    ("entities", "&lt;b&gt; &#60;b&#62; &colon;&colon;error&colon;&colon; &nbsp;"),
    # --- Markdown
    ("image", "![injected](https://evil.example/pixel.png)"),
    ("link", "[injected](https://evil.example) [injected](javascript:alert(1))"),
    ("link by reference", "[injected][1]\n\n[1]: https://evil.example"),
    ("links in angle brackets", "<https://evil.example> <evil@evil.example> <javascript:alert(1)>"),
    ("bare links", "https://evil.example http://evil.example www.evil.example ftp://evil.example evil@evil.example"),
    ("scheme", "javascript:alert(1) data:text/html;base64,PHNjcmlwdD4="),
    ("heading", "# injected\n\ninjected\n===\n\ninjected\n---"),
    ("list", "- injected\n- [x] injected\n1. injected\n+ injected"),
    ("quote and alert", "> injected\n\n> [!CAUTION]\n> injected"),
    ("rule", "***\n---\n___"),
    ("emphasis", "**injected** __injected__ *injected* _injected_ ~~injected~~"),
    ("table", "| a | b |\n| --- | --- |\n| c | d |"),
    ("cells", "a | b \\| c \\\\| d ||"),
    ("backticks", "` `` ``` `injected` ``injected``"),
    ("fence", "```\ninjected\n```\n~~~\ninjected\n~~~"),
    ("diagram", '```mermaid\ngraph TD; a-->b; click a "https://evil.example"\n```'),
    ("diagram's own syntax", "%%{init: {'securityLevel': 'loose'}}%%\nsection injected\ninjected :crit, 0, 1000000"),
    ("footnote", "injected[^1]\n\n[^1]: injected"),
    ("mathematics", "$x^2$ $$\\unicode{x2620}$$ $`x`$"),
    ("mention", "@octocat @octo-org/team"),
    ("reference to an issue", "#1 GH-1 octo-org/hello#1 https://github.com/octo-org/hello/issues/1"),
    ("commit", "3f1c9a2b7d5e4f60718293a4b5c6d7e8f9012345 octo-org/hello@3f1c9a2b7d"),
    ("emoji", ":tada: :+1: :100:"),
    ("front matter", "---\nlayout: injected\n---"),
    # --- other languages
    (
        "shell",
        "$(touch injected) `touch injected` ; touch injected # && touch injected | tee ${HOME} 'injected' \"injected\"",
    ),
    (
        "template",
        "{{ 7 * 7 }} {% for x in range(9) %}{{ x }}{% endfor %} {# injected #} ${{ github.token }} {0} %s %(x)s",
    ),
    ("JSON", '{"a": "\\u001b[31m", "__proto__": {}}'),
    ("XML", "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y; ]]>"),
    ("path", "../../../../etc/passwd /dev/stdin file:///etc/passwd"),
    ("white space alone", " \t \u3000 "),
    ("very long word", "x" * 20_000),
    ("very long run of marks", "*[`<" * 5_000),
    ("many lines", "injected\n" * 2_000),
)
TEXTS: tuple[str, ...] = tuple(text for _, text in CORPUS)

PARSER = MarkdownIt("gfm-like")
assert PARSER.linkify
PARSER.linkify.set({"fuzzy_link": False})  # GitHub does not make a link of a bare domain
_DOES = re.compile(r"[@#$<>&\\]|:[\w+-]+:|://|www\.|gh-\d|\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}\b", re.IGNORECASE)
"""What GitHub would interpret in a summary's text outside of code."""
_TIME = re.compile(r"\b\d\d:\d\d(:\d\d)?\b")
_OWN_HTML = re.compile(r"(<details>|</details>|<summary>[\w :.,()]*</summary>|\s)*")
_NODE = r'\w+(\(\["[\w .-]+"\]\)(:::\w+)?)?'
_CHART = re.compile(
    "|".join(
        (
            r'%%\{init: [{}":, \w]*\}%%',
            r"gantt|(dateFormat|axisFormat|section) [\w %.]+|(#8203;|[\w. ]+) :(\w+, )?\d+, \d+",
            rf"flowchart LR|{_NODE}( (-->|-\.-x) {_NODE})*|(classDef|class|style) [\w :#,-]+",
            r"[\w%.,: ]*",
        )
    )
)


def flat(tokens: list[Token]) -> list[Token]:
    return [inner for token in tokens for inner in [token, *flat(token.children or [])]]


def assert_harmless_log(log: str) -> None:
    """Every line is readable: no control characters, and nothing invisible except what separates commands."""
    for line in log.split("\n"):
        odd = {character for character in line if not character.isprintable()} - {"\u200b"}
        assert not odd, f"{odd} in {line[:500]!r}"


def assert_harmless_summary(markdown: str, leads_to: tuple[str, ...]) -> None:
    """A real parser finds only the action's own elements. Links begin with one of ``leads_to``."""
    assert all(character.isprintable() or character in "\n\N{NO-BREAK SPACE}" for character in markdown)
    address, is_link = "", False
    for token in flat(PARSER.parse(markdown)):
        assert token.type not in ("image", "blockquote_open", "s_open", "ordered_list_open", "hr", "html_inline"), token
        if token.type == "html_block":
            assert _OWN_HTML.fullmatch(token.content), token
        elif token.type == "link_open":
            address = str(token.attrs["href"])
            assert address.startswith(leads_to), token
            is_link = True
        elif token.type == "link_close":
            is_link = False
        elif token.type == "fence":
            assert token.info == "mermaid", token
            assert all(_CHART.fullmatch(line.strip()) for line in token.content.splitlines()), token
        elif token.type == "heading_open":
            assert token.tag in ("h2", "h3"), token
        elif token.type == "text" and not is_link:  # GitHub does not change words within a link
            text = _TIME.sub("", token.content) if token.content != address else ""  # a link to itself
            assert not _DOES.search(text), token
