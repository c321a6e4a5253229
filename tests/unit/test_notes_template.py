"""Templates of release notes: inserted values are text everywhere, and errors of a template are reported."""

import os
import re
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from promote.core.errors import InputError
from promote.core.verdict import Outcome
from promote.github.actions.markdown import Markdown, code, prose, prose_anywhere, text, text_anywhere
from promote.github.api.release_page import BODY_LIMIT
from promote.github.model import Person, PullRequest
from promote.notes import model
from promote.notes import render as render_module
from promote.notes.model import Carried, Change, Changes, Difference, Newcomer, Notes, Section, VerdictSummary
from promote.notes.render import Template, load_template, render
from promote.notes.sandbox import SECONDS
from promote.notes.template import BUILTIN_FILTERS, FUNCTIONS, VARIABLES, Environment, compiled, rendered
from promote.notes.template_values import ANYWHERE, OURS, Refused, Style
from promote.notes.template_values import shown as inserted
from promote.notes.truncate import Task

URL = "https://github.com/octo-org/hello"
COMMIT = "3f1c9a2b7d5e4f60718293a4b5c6d7e8f9012345"
MONA = Person("Mona Lisa", "octocat")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "release-notes.md").read_text(encoding="utf-8")

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details></summary><h1>free</h1>",
    "</code></pre></td></tr></table><h1>free</h1>",
    "<!-- a comment that hides the rest",
    "--> <h1>free</h1> <!--",
    "<https://evil.example>",
    '" onmouseover="alert(1)" x=\'',
    "' onmouseover='alert(1)' x=\"",
    "[click](https://evil.example)",
    "![image](https://evil.example/pixel.png)",
    "](https://evil.example) [",
    "https://evil.example and http://evil.example, ftp://evil.example",
    "(www.evil.example)",
    "somebody@evil.example mailto:somebody@evil.example",
    "@octocat and @octo-org/team",
    "#1 GH-1 octo-org/hello#1 octo-org/hello@3f1c9a2b7d",
    ":tada: :+1:",
    "$x^2$ and $$x$$ $`x`$",
    "a | b || c",
    "a \\| b \\\\| c \\",
    "first\n\n# Heading\n\n- item\n\n> quote",
    "first\n===\nsecond\n---",
    "# Heading",
    "- item",
    "+ item",
    "1. item",
    "2) item",
    "> quote",
    "> [!CAUTION]\n> alert",
    "---",
    "- - -",
    "===",
    "\tindented",
    "**bold** __bold__ _italic_ *italic* ~~gone~~",
    "`code` ``code`` ```code",
    "```\n</code>",
    "~~~",
    "`",
    "&lt;b&gt; &#60;b&#62; &copy; &nbsp;",
    "\\<b> \\[a](b) \\`",
    "{{ 7 * 7 }} {% for x in y %} {# comment #}",
    "{0.__class__} %(x)s %s {}",
    "\x1b[31mred\x1b[0m \x00 \u202eevil\u202c \u200b",
    "\ud800 lone surrogate",
]
PLACES = [
    "X",
    "- X",
    "> X",
    "# X",
    "X\n---",
    "before\nX",
    "before X after",
    "aX",
    "XX",
    "| a | b |\n| - | - |\n| X | X |",
    "<details>\n<summary>X</summary>\nX\n</details>",
    "<details>\n\nX\n\n</details>",
    "<div>X</div>",
    "a <b>X</b>",
    "a <a href=\"X\" title='X'>b</a>",
    '<a href="X">\nX\n</a>',
    "a <!-- X --> b",
    "<!-- X -->",
    "`X`",
    "``X`` and `X`",
    "a `X",
    "```\nX\n```",
    "~~~X\nX\n~~~",
    "    X",
    "[X](https://example.com/)",
]
ODD_PLACES = ["[a](<X>)", "[a](X)", "\\X", "*X*", "&X;", "<a href=X>b</a>"]
"""Where the template itself may look different, depending on what it inserts."""
WAYS = [
    "{{ reason }}",
    "{{ reason | string }}",
    "{{ reason | trim }}",
    "{{ reason | replace('e', 'ee') }}",
    "{{ reason ~ '' }}",
    "{{ '' + reason }}",
    "{{ '%s' | format(reason) }}",
    "{{ '%s' % reason }}",
    "{{ '{}'.format(reason) }}",
    "{{ '{x}'.format_map({'x': reason}) }}",
    "{{ [reason] | map('replace', 'e', 'ee') | join }}",
    "{{ [reason] | join(reason) }}",
    "{{ ''.join([reason]) }}",
    "{{ none or reason }}",
    "{{ '' | default(reason, true) }}",
    "{{ '' if false else reason }}",
    "{{ ('' | code).join([reason, '']) }}",
    "{{ (reason | code) ~ '' }}",
    "{{ (reason | code) | replace('<', '<') }}",
    "{{ (reason | code)[:] }}",
    "{{ ('x' | code | replace('x', reason)) }}",
    "{% set m %}{}{% endset %}{{ m.format(reason) }}",
    "{% set m %}{x}{% endset %}{{ m.format_map({'x': reason}) }}",
    "{% set m %}{}{% endset %}{{ m['format'](reason) }}",
    "{% set m %}%s{% endset %}{{ m % reason }}",
    "{% set m %}%s{% endset %}{{ m | format(reason) }}",
    "{% set m %}q{% endset %}{{ m.replace('q', reason) }}",
    "{% set m %}{% endset %}{{ m + reason }}",
    "{% set m %}{{ reason }}{% endset %}{{ m }}",
    "{% set m | replace('zz', '') %}{{ reason }}{% endset %}{{ m }}",
    "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(reason) }}",
    "{% macro f() %}{}{% endmacro %}{{ f().format(reason) }}",
    "{% macro f() %}{% endmacro %}{{ f() ~ reason }}",
    "{% set n = namespace(x=reason) %}{{ n.x }}",
    "{% for a in [reason] recursive %}{{ a if a is string else loop([]) }}{% endfor %}",
    "{{ reason | prose }}",
    "{{ reason | code }}",
    "{{ reason | commit }}",
    "{{ {'name': reason}.name }}",
    "{{ changes.people | map(attribute='name') | join }}",
    "{{ changes.people | map('person') | join }}",
    "{{ changes.people | map('mention') | join }}",
]


def notes(words: str = "words") -> Notes:
    return Notes("hello", "preprod", reason=words, changes=Changes(people=(Person(words, words),)))


class Page(HTMLParser):
    """What a browser finds: tags with the names of their attributes, and the text that GitHub interprets."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[object] = []
        self.texts: list[str] = []
        self._code = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("code", "wbr"):
            self.tags.append((tag, [name for name, _ in attrs]))
        self._code += tag in ("code", "pre", "a")
        self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag != "code":
            self.tags.append(f"/{tag}")
        self._code -= tag in ("code", "pre", "a")
        self.texts.append("")

    def handle_comment(self, data: str) -> None:
        assert data
        self.tags.append("comment")

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.texts[-1:] = ["".join([*self.texts[-1:], data])]


PARSER = MarkdownIt("gfm-like", {"html": True})


def pages(template: str) -> Callable[[str], Page]:
    """Return a function that renders ``template``, in this process, without the limits of a separate one."""
    environment = Environment(ANYWHERE, notes())
    show = compiled(template, environment)
    return lambda words: Page(PARSER.render(rendered(show, notes(words))))


def require_text_alone(make: Callable[[str], Page], words: str) -> None:
    found = make(words)
    assert found.tags == make("harmless").tags, words
    for written in found.texts:
        assert not re.search(r"@\w|#\d|:[\w+-]+:|://|www\.\w|gh-\d", written, re.IGNORECASE), written


@pytest.mark.parametrize("place", PLACES)
def test_what_is_inserted_is_text_wherever_it_lands(place: str) -> None:
    make = pages(place.replace("X", "{{ reason }}"))
    for attack in ATTACKS:
        require_text_alone(make, attack)


@pytest.mark.parametrize("place", ODD_PLACES)
def test_what_is_inserted_in_odd_places_makes_no_tag(place: str) -> None:
    make = pages(place.replace("X", "{{ reason }}"))
    for attack in ATTACKS:
        names = {tag[0] if isinstance(tag, tuple) else tag for tag in make(attack).tags}
        assert names <= {"p", "/p", "a", "/a", "em", "/em", "ul", "/ul", "li", "/li"}, attack


@pytest.mark.parametrize("way", WAYS)
def test_what_is_computed_is_text_as_well(way: str) -> None:
    make = pages(f"before {way} after")
    for attack in ATTACKS:
        require_text_alone(make, attack)


hostile = st.text(st.sampled_from("ab1 \t\n\\`*_[]()<>~|&$@#!:;./-+='\"{}%^\x1b\u202e→é"), max_size=40)


@settings(max_examples=150, deadline=None)
@given(hostile.filter(str.strip), st.sampled_from(PLACES), st.sampled_from(WAYS[:3]))
def test_any_text_in_any_place(words: str, place: str, way: str) -> None:
    require_text_alone(pages(place.replace("X", way)), words)


@settings(max_examples=150, deadline=None)
@given(hostile)
def test_any_text_reads_as_written(words: str) -> None:
    expected = " ".join(words.split()).replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
    for shown in (text_anywhere(words), prose_anywhere(words), prose(words)):
        html = PARSER.render(f"🙂 {shown}")
        seen = "".join(_Text(html).parts)
        # Text between backticks may be shown as code.
        assert seen.replace("`", "").split() == f"🙂 {expected}".replace("`", "").split(), shown


@pytest.mark.parametrize("style", [OURS, ANYWHERE])
@pytest.mark.parametrize("words", ["a b", " a", "a ", "\ta b\n", "", " "])
def test_an_inserted_value_is_separated_as_it_is_written(words: str, style: Style) -> None:
    """A space around it stays, and none is added."""
    around = [" " if words[:1].isspace() else "", " " if words.strip() and words[-1].isspace() else ""]
    assert inserted(words, style) == f"{around[0]}{' '.join(words.split())}{around[1]}"


class _Text(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("plain words", "plain words"),
        ("close `file()` and (`other`), too", "close `file()` and (`other`), too"),
        ("`a` `b`", "`a` `b`"),
        ("take `@octocat` with *stars*", "take `@octocat` with `*stars*`"),
        ("half `open", "half `` `open ``"),
        ("a`b`c", "``a`b`c``"),
        ("``two``", "``` ``two`` ```"),
    ],
)
def test_titles_keep_their_code(title: str, shown: str) -> None:
    assert prose(title) == shown


# --- our own template ------------------------------------------------------------------------------------------------


def everywhere(words: str) -> Notes:
    person = Person(words, words)
    request = PullRequest(7, words, f"https://a/{words}", person, (words,), words)
    changed = Change(words, words, (person, Person(words)), request, words, words, f"{words} breaks")
    alone = replace(changed, pull_request=None, breaking="")
    return Notes(
        words,
        words,
        version=words,
        previous_version=words,
        commit=words,
        since=words,
        changes=Changes(
            (Section(words, (changed, alone)), Section(words, (alone,), is_minor=True)),
            (person, Person(words), MONA),
            (Newcomer(person, changed), Newcomer(MONA, alone)),
            3,
            (words,),
        ),
        differences=(Difference(words, words, words),),
        verdict=VerdictSummary(Outcome.PASSED, 2, (words, words), None, f"https://a/{words}", words),
        carried=(Carried(words, words, None, f"https://a/{words}"),),
        actor=words,
        reason=words,
        run_url=f"https://a/{words}",
        environment_url=f"https://a/{words}",
        repository="octo-org/hello",
        repository_url=URL,
    )


@pytest.mark.parametrize("kind", [{}, {"is_rollback": True}, {"environment": "", "tag": "v1", "since_tag": "v0"}])
def test_our_own_template_shows_text_alone(kind: dict[str, object]) -> None:
    source = Path(render_module.__file__).with_name("default.md.jinja").read_text(encoding="utf-8")

    def shown(words: str) -> Page:
        known = replace(everywhere(words), **kind)  # type: ignore[arg-type]
        return Page(PARSER.render(rendered(compiled(source, Environment(OURS, known)), known)))

    expected = shown("harm less").tags  # an invalid login is not linked to a profile
    for attack in ATTACKS[:: 1 if not kind else 4]:
        found = shown(attack)
        assert found.tags == expected, attack
        for written in found.texts:
            assert not re.search(r"@(?!octocat)\w|#\d|:[\w+-]+:|://|www\.\w", written, re.IGNORECASE), written


def hidden(secret: str, value: str) -> str:
    return value.replace(secret, "***")


@pytest.mark.parametrize("template", [None, Template("t", "{{ reason }} {{ changes.people[0].name }}")])
def test_secrets_are_redacted_before_they_are_marked(template: Template | None) -> None:
    for secret in ("p@ss|word!", "two *words*", "x" * 2000):
        done = render(everywhere(f"it is {secret}"), template, redact=partial(hidden, secret))
        assert secret[:5] not in done
        assert "it is" in done


# --- invalid templates -----------------------------------------------------------------------------------------------

REFUSED = {
    "{{ changes": (1, "unexpected end of template", ""),
    "\n{% for x in changes.people %}": (2, "unexpected end of template", ""),
    "\n\n{% fro x in y %}": (3, "encountered unknown tag 'fro'", ""),
    "{{ chnages.count }}": (1, "there is no 'chnages'", "Did you mean changes?"),
    "a\n{{ reason | saef }}": (2, "no filter named 'saef'", ""),
    "{{ reason | safe }}": (1, "no filter named 'safe'", "Remove it"),
    "{{ reason | comit }}": (1, "no filter named 'comit'", "Did you mean commit?"),
    "{{ reason is nice }}": (1, "no test named 'nice'", ""),
    "\n{{ reason.__class__ }}": (2, "'__class__' is not available in templates", ""),
    "{{ reason['__class__'] }}": (1, "'__class__' is not available in templates", ""),
    "{{ self }}": (1, "'self' cannot be used", ""),
    "\n{% include 'other' %}": (2, "{% include %} cannot be used", "one file"),
    "{% import 'other' as o %}": (1, "{% import %} cannot be used", ""),
    "{% from 'other' import o %}": (1, "{% from %} cannot be used", ""),
    "{% extends 'other' %}": (1, "{% extends %} cannot be used", ""),
    "{% block a %}{% endblock %}": (1, "{% block %} cannot be used", ""),
    "{% filter upper %}{{ reason }}{% endfilter %}": (1, "{% filter %} cannot be used", "macro"),
    "{% call '{}'.format(reason) %}{% endcall %}": (1, "{% call %} cannot be used", ""),
    "{% autoescape true %}{% endautoescape %}": (1, "{% autoescape %} cannot be used", ""),
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}": (0, "it is nested too deeply", ""),
    "{% for x in [] %}" * 60 + "{% endfor %}" * 60: (0, "it is nested too deeply", ""),
}


@pytest.mark.parametrize("source", REFUSED, ids=lambda source: source[:40])
def test_a_template_that_cannot_be_one_is_refused_before_anything_else(source: str, tmp_path: Path) -> None:
    line, problem, hint = REFUSED[source]
    (tmp_path / "notes.md").write_text(source, encoding="utf-8")

    with pytest.raises(InputError) as caught:
        load_template("notes.md", tmp_path)

    where = f"line {line} of notes.md" if line else "notes.md"
    assert str(caught.value).startswith(f"release-notes-template: {where}: {problem}")
    assert hint in caught.value.hint
    assert caught.value.hint


def files(folder: Path) -> dict[str, str]:
    """Create what replaces the template, and return the expected errors."""
    (folder / "repository" / "directory").mkdir(parents=True)
    (folder / "outside.md").write_text("secret", encoding="utf-8")
    root = folder / "repository"
    (root / "link").symlink_to("../outside.md")
    (root / "ring").symlink_to("ring")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("secret", encoding="utf-8")
    (root / "token").symlink_to(".git/config")
    (root / "binary").write_bytes(b"\xff\xfe\x00")
    (root / "huge").write_bytes(b"x" * (64 * 1024 + 1))
    os.mkfifo(root / "pipe")
    return {
        "missing.md": "is not there",
        "directory": "is a directory",
        "link": "is not in the repository",
        "../outside.md": "is not in the repository",
        "/etc/passwd": "is not in the repository",
        "token": "is not in the repository",
        "ring": "",
        "binary": "is not valid UTF-8 (byte 0)",
        "huge": "is larger than 64 KB",
        "pipe": "is not there",
        "a\x00b": "cannot be read",
        "x" * 5000: "",
    }


def test_only_a_file_of_the_repository_is_a_template(tmp_path: Path) -> None:
    for path, said in files(tmp_path).items():
        with pytest.raises(InputError) as caught:
            load_template(path, tmp_path / "repository")
        assert said in str(caught.value), path
        assert caught.value.hint
        assert "secret" not in str(caught.value)


def test_a_template_of_the_repository_is_read(tmp_path: Path) -> None:
    (tmp_path / "here.md").write_bytes("\ufeff{{ reason }}, naïve 世界\n".encode())
    (tmp_path / "there").symlink_to("here.md")

    for path in ("here.md", "there", str(tmp_path / "here.md")):
        assert render(notes(), load_template(path, tmp_path)) == "words, naïve 世界"


FAILING = {
    "\n{{ changes.cuont }}": (2, "there is no 'cuont' in changes", "Did you mean count?"),
    "{% if verdict.outcome %}{% endif %}": (1, "there is no 'outcome' in nothing", ""),
    "{{ changes.sections[3].title }}": (1, "a list has no item 3", ""),
    "{{ changes }}": (1, "changes cannot be inserted as it is", "Insert one of its parts: count"),
    "\n\n{{ changes.people }}": (3, "a list cannot be inserted as it is", "{% for %}"),
    "{{ changes | commit }}": (1, "the filter commit takes text, and this is changes", ""),
    "{{ reason | person }}": (1, "the filter person takes a person, and this is text", ""),
    "{{ reason | date }}": (1, "the filter date takes a time, and this is text", ""),
    "{{ 1 // 0 }}": (1, "ZeroDivisionError", ""),
    "\n{{ reason + 1 }}": (2, "TypeError", ""),
    "{{ reason['__cla' ~ 'ss__'] }}": (1, "'__class__' is not available in templates", ""),
    "{{ [reason] | map(attribute='__class__') | join }}": (1, "'__class__' is not available", ""),
    "{{ '{0.__class__}'.format(reason) }}": (1, "'__class__' is not available in templates", ""),
    "{{ 'a' * 10 ** 10 }}": (1, "it needs too much memory", ""),
    "{{ '%10000000000d' % 1 }}": (1, "", ""),
    "{{ range(1000000) | list | length }}": (1, "it has an endless recursion or a number that is too large", ""),
    "{% macro f() %}{{ f() }}{% endmacro %}\n{{ f() }}": (1, "it has an endless recursion", ""),
}


@pytest.mark.parametrize("source", FAILING)
def test_a_template_that_fails_says_where(source: str, tmp_path: Path) -> None:
    line, problem, hint = FAILING[source]
    (tmp_path / "notes.md").write_text(source, encoding="utf-8")
    template = load_template("notes.md", tmp_path)

    with pytest.raises(InputError) as caught:
        render(notes(), template)

    assert str(caught.value).startswith(f"release-notes-template: line {line} of notes.md: {problem}")
    assert hint in caught.value.hint
    assert caught.value.hint


def test_a_template_without_an_end_is_ended() -> None:
    source = "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}"
    started = time.monotonic()

    with pytest.raises(InputError, match="it did not end within 3 seconds of CPU time"):
        render(notes(), Template("notes.md", source))

    assert time.monotonic() - started < 60


def test_nothing_is_computed_before_the_limits_are_set(tmp_path: Path) -> None:
    """Jinja computes constants when it compiles, which happens in our own process."""
    large = "10 ** 8"
    (tmp_path / "notes.md").write_text(
        f"{{{{ 'a' * {large} }}}}{{{{ '%100000000d' % 1 }}}}{{{{ 'x' | replace('', 'y' * {large}) }}}}"
        f"{{% if 'b' * {large} %}}{{% endif %}}{{% set c = 'c' * {large} %}}",
        encoding="utf-8",
    )
    tracemalloc.start()
    try:
        load_template("notes.md", tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


def test_a_template_gets_nothing_of_our_environment() -> None:
    known = {*Environment(ANYWHERE).globals, *VARIABLES}

    assert known == {*FUNCTIONS, *VARIABLES}


# --- too long --------------------------------------------------------------------------------------------------------


def long(count: int, **values: object) -> Notes:
    changes = tuple(Change(f"change number {number} <b>{' of words' * 9}", COMMIT, (MONA,)) for number in range(count))
    half = count // 2
    sections = (Section("Features", changes[:half]), Section("Maintenance", changes[half:], is_minor=True))
    made = Notes(
        "hello",
        "preprod",
        commit=COMMIT,
        since=COMMIT[::-1],
        changes=Changes(sections, (MONA,), count=count),
        repository="octo-org/hello",
        repository_url=URL,
    )
    return replace(made, **values)  # type: ignore[arg-type]


OWN = "{% for s in changes.sections %}## Part\n{% for c in s.changes %}\n- {{ c.title }}{% endfor %}\n{% endfor %}"


@pytest.mark.parametrize("limit", [1_000, 5_000, 40_000, BODY_LIMIT])
@pytest.mark.parametrize("template", [None, Template("t", OWN)])
def test_notes_are_cut_between_changes(limit: int, template: Template | None) -> None:
    done = render(long(2000), template, limit=limit)

    assert 0.8 * limit < len(done) <= limit
    *_, said = done.splitlines()
    left_out = re.fullmatch(r"(\d+) more changes are not shown here; see \[the whole]\(<\S+/compare/\S+>\)\.", said)
    assert left_out
    assert done.count("- change number") + int(left_out[1]) == 2000
    assert done.count("<details>") == done.count("</details>")
    assert done.count("`") % 2 == 0


def test_what_just_fits_is_whole() -> None:
    done = render(long(50))

    assert render(long(50), limit=len(done)) == done
    cut = render(long(50), limit=len(done) - 1)
    left_out = re.search(r"^(\d+) more changes? (is|are) not shown here", cut, re.MULTILINE)
    assert left_out, cut
    assert cut.count("- change number") + int(left_out[1]) == 50
    assert len(cut) < len(done)


def test_other_lists_are_cut_as_well() -> None:
    many = tuple(Person(f"person {number}") for number in range(20_000))
    found = long(10)
    done = render(replace(found, changes=replace(found.changes, people=many)))

    assert len(many) > done.count("person") > 1000
    assert 0.8 * BODY_LIMIT < len(done) <= BODY_LIMIT
    assert done.count("- change number") == 10
    assert done.endswith(f"Not everything is shown here; see [the whole](<{URL}/compare/{COMMIT[::-1]}...{COMMIT}>).")


def test_the_whole_is_the_run_where_nothing_compares() -> None:
    done = render(long(2000, since="", run_url=f"{URL}/actions/runs/1"))

    assert done.endswith(f"see [the whole](<{URL}/actions/runs/1>).")
    assert render(long(2000, repository_url="")).endswith("more changes are not shown here.")


def test_a_template_that_is_too_long_by_itself_is_refused() -> None:
    with pytest.raises(InputError, match="longer than 500 characters"):
        render(long(5), Template("t", "x" * 501), limit=500)


def test_our_own_template_always_gives_something() -> None:
    assert render(long(5), limit=100).startswith("Not everything is shown here; see [the whole]")


def test_templates_know_what_is_left_out() -> None:
    source = "{{ changes.sections | map(attribute='changes') | map('length') | sum }} + {{ left_out }}"

    assert render(long(40), Template("t", source)) == "40 + 0"


# --- documentation ---------------------------------------------------------------------------------------------------


def table(heading: str) -> list[list[str]]:
    """Return the cells of all tables in the part of the documentation below ``heading``."""
    part = DOCUMENT.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in rows]


def names(heading: str) -> set[str]:
    """Return the subjects of the rows with two cells."""
    found = (re.match(r"`(\w+)", row[0]) for row in table(heading) if len(row) == 2)
    return {match[1] for match in found if match}


def test_variables_are_those_of_the_documentation() -> None:
    assert names("Variables") == VARIABLES


def test_parts_are_those_of_the_documentation() -> None:
    parts: dict[str, list[str]] = {}
    name = ""
    for row in (row for row in table("Variables") if len(row) == 3 and row[0] != "value"):
        name = row[0].strip("`") or name
        parts.setdefault(name, []).append(row[1].strip("`"))

    assert parts == {name: [field.name for field in fields(getattr(model, name))] for name in parts}
    values = {
        name
        for name, kind in vars(model).items()
        if isinstance(kind, type) and kind.__module__ in (model.__name__, Person.__module__)
    }
    assert parts.keys() == values - {"Notes", "Commit"}


def test_filters_and_functions_are_those_of_the_documentation() -> None:
    own = Environment(ANYWHERE).filters.keys() - BUILTIN_FILTERS
    listed = DOCUMENT.partition("Of Jinja's own filters there are")[2].partition("There is no")[0]

    assert names("Filters") == own
    assert names("Functions") == FUNCTIONS
    assert set(re.findall(r"`(\w+)`", listed)) == BUILTIN_FILTERS


def test_the_documented_limits_are_the_real_ones() -> None:
    assert f"the {BODY_LIMIT:,} characters that GitHub takes" in DOCUMENT
    assert f"ends\nafter {SECONDS} seconds of computing" in DOCUMENT


def test_the_documented_example_works(tmp_path: Path) -> None:
    source = DOCUMENT.partition("<!-- example -->\n```jinja\n")[2].partition("```\n<!-- /example -->")[0]
    (tmp_path / "notes.md").write_text(source, encoding="utf-8")
    request = PullRequest(7, "Greet", f"{URL}/pull/7", MONA)
    sections = (
        Section("Features", (Change("Greet `you`", COMMIT, (MONA,), request), Change("Ask", COMMIT, (MONA,)))),
        Section("Fixes", (Change("Wait", COMMIT),)),
    )
    notes = long(0, version="4", changes=Changes(sections, (MONA, Person("Sara")), count=3))

    assert render(notes, load_template("notes.md", tmp_path)) == (
        "# hello 4\n\n"
        "## Features\n\n"
        f"- Greet <code>you</code>, [#7](<{URL}/pull/7>)\n"
        f"- Ask, [<code>{COMMIT[:10]}</code>](<{URL}/commit/{COMMIT}>)\n\n"
        "## Fixes\n\n"
        f"- Wait, [<code>{COMMIT[:10]}</code>](<{URL}/commit/{COMMIT}>)\n\n"
        "Thanks to @octocat, Sara!\n\n"
        f"[All changes](<{URL}/compare/{COMMIT[::-1]}...{COMMIT}>)"
    )
    assert "Nothing has changed." in render(long(0, changes=Changes()), load_template("notes.md", tmp_path))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ at }} {{ at | date }}", "2026-01-02 03:04 UTC 2026-01-02"),
        ("{{ 125 | duration }}", "2 min 5 s"),
        ("a{{ ', ' }}b", "a, b"),
        ("{% for x in [1, 2] %}{{ x }}{{ ' and ' if not loop.last }}{% endfor %}", "1 and 2"),
        ("{{ ['a', 'b'] | join(' / ') }}", "a / b"),
        ("{{ verdict }}{{ none }}", ""),
        ("{{ 'run' | link('https://a/b c') }} {{ 'x' | link('javascript:alert(1)') }}", "[run](<https://a/b%20c>) x"),
        ("{{ row('a|b', 1) }}", "| a&#124;b | 1 |"),
        ("{{ changes.people[0] | person }}", "[@octocat](<https://github.com/octocat>)"),
        ("{{ changes.people[1] | person }} {{ changes.people[1] | mention }}", "Sara Sara"),
        ("{{ changes.people[2] | mention }}", "[bot&#91;bot&#93;](<https://github.com/apps/bot>)"),
        ("{{ changes.people[3] | mention }}{{ changes.people[3] | person }}", "EveEve"),
        ("{{ commit | commit }}", f"[<code>{COMMIT[:10]}</code>](<{URL}/commit/{COMMIT}>)"),
        ("{{ 'no digest' | commit }}", "<code>no digest</code>"),
        ("{% set n = namespace(x=0) %}{% for i in range(3) %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}", "3"),
    ],
)
def test_filters_do_what_is_documented(source: str, expected: str) -> None:
    people = (MONA, Person("Sara"), Person("bot[bot]", "bot[bot]", is_bot=True), Person("Eve", "e v/e"))
    notes = long(0, at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), changes=Changes(people=people))

    assert Task(source, notes, BODY_LIMIT).done() == expected


def test_pieces_are_markdown_only_where_ours_have_made_them() -> None:
    environment = Environment(ANYWHERE)
    template: Callable[..., str] = environment.from_string("{% macro f() %}*a*{% endmacro %}{{ f() }}{{ x }}").render

    assert template(x=Markdown("*b*")) == "*a**b*"
    assert template(x="*b*") == "*a*&#42;b&#42;"
    with pytest.raises(Refused):
        template(x=object())
    assert text("*b*") == code("*b*")
