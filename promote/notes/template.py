"""What a template of release notes can say, and the environment in which it is rendered.

Nothing that a template inserts is markup unless our own filters have made it: ``Markdown`` is what they give, what a
macro gives, and what stands in the template itself. Whatever a template computes from any of these is text again.
"""

import difflib
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import lru_cache
from types import CodeType, MappingProxyType
from typing import Any, NoReturn

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2 import Template as Compiled
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.meta import TrackingCodeGenerator
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from promote.github.actions import markdown
from promote.github.actions.markdown import Markdown
from promote.github.model import Person, PullRequest
from promote.notes.model import Notes

VARIABLES = frozenset({field.name for field in fields(Notes)} | {"compare_url", "left_out"})
"""What a template knows: the parts of ``Notes``, the page that compares, and the count of changes that did not fit."""
FUNCTIONS = frozenset({"namespace", "range", "row"})
BUILTIN_FILTERS = frozenset(
    {
        "abs",
        "batch",
        "capitalize",
        "count",
        "default",
        "dictsort",
        "first",
        "float",
        "format",
        "groupby",
        "int",
        "items",
        "last",
        "length",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "select",
        "selectattr",
        "slice",
        "sort",
        "string",
        "sum",
        "title",
        "trim",
        "truncate",
        "unique",
        "upper",
        "wordcount",
    }
)
"""Those of Jinja's own that have to do with text, numbers and lists. Those for HTML and for chance are left out."""

_STATEMENTS = {
    "Block": "block",
    "Break": "break",
    "CallBlock": "call",
    "Continue": "continue",
    "ExprStmt": "do",
    "Extends": "extends",
    "FilterBlock": "filter",
    "FromImport": "from",
    "Import": "import",
    "Include": "include",
    "ScopedEvalContextModifier": "autoescape",
}
"""What is refused: it needs other files, or writes what was not escaped."""
_FILE = "<template>"
"""What Jinja calls a template without a file, by which its lines are found in tracebacks."""
_LOGIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]{0,38})(?P<bot>\[bot\])?", re.ASCII)
_SHORT = 10
"""Characters of a commit's digest that are shown."""
_TIME = "%Y-%m-%d %H:%M UTC"


class Refused(Exception):  # noqa: N818 - it becomes an InputError, which is one
    """A template is wrong in ``line`` (0: not known)."""

    def __init__(self, problem: str, hint: str, line: int = 0) -> None:
        super().__init__(problem)
        self.problem, self.hint, self.line = problem, hint, line


@dataclass(frozen=True)
class Style:
    """How text is shown: ``text`` a sentence, ``code`` a value, ``prose`` a sentence with words marked as code."""

    text: Callable[[str], Markdown]
    code: Callable[[str], Markdown]
    prose: Callable[[str], Markdown]


OURS = Style(markdown.text, markdown.code, markdown.prose)
"""For our own template, which inserts text where Markdown is read as such."""
ANYWHERE = Style(markdown.text_anywhere, markdown.code_anywhere, markdown.prose_anywhere)
"""For templates whose authors may have put it anywhere."""


class Environment(ImmutableSandboxedEnvironment):
    """Where templates are compiled and rendered."""

    concat = staticmethod(lambda parts: Markdown("".join(parts)))
    """What has been written piece by piece, of which each was escaped: a macro's result, or a block that is set."""

    def __init__(self, style: Style, notes: Notes | None = None) -> None:
        super().__init__(
            autoescape=False,  # it knows HTML alone; finalize escapes all that is inserted
            # What takes the context is not called while a template is compiled, where nothing limits it.
            finalize=pass_context(lambda _, value: shown(value, style)),
            optimized=False,
            undefined=_Unknown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.filters = {name: self.filters[name] for name in BUILTIN_FILTERS} | Filters(
            style, notes or Notes("")
        ).by_name()
        self.globals = {
            "range": self.globals["range"],
            "namespace": self.globals["namespace"],
            "row": lambda *cells: markdown.row(*(shown(cell, style) for cell in cells)),
        }

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Give what is safe to call in the place of ``str.format``; its result is text, also that of Markdown."""
        wrapped = super().wrap_str_format(value)
        return wrapped and (lambda *arguments, **named: str.__str__(wrapped(*arguments, **named)))

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Give what fails with our words."""
        return self.undefined(f"{attribute!r} is out of a template's reach", obj, attribute, SecurityError)


def shown(value: object, style: Style) -> Markdown:
    """Give anything that a template inserts as Markdown.

    Raises:
        Refused: it is no text, number or time.

    """
    if isinstance(value, Markdown):
        return value
    if isinstance(value, datetime):
        return Markdown(time(value))
    if value is None:
        return Markdown("")
    if isinstance(value, Undefined):
        value = str(value)  # which fails, and says why, unless it is what an if without else gives
    if not isinstance(value, str | int | float):
        raise Refused(f"{_what(value)} cannot be inserted as it is", _parts(value))
    words = str(value)
    around = [" " if words[end : end + 1].isspace() else "" for end in (0, len(words) - 1)]
    body = style.text(words)
    return Markdown(f"{around[0]}{body}{around[1]}" if body else around[0])


class Filters:
    """Our own filters, by their names in templates."""

    NAMES = frozenset(
        {"code", "commit", "date", "duration", "join", "link", "mention", "person", "prose", "pull_request"}
    )

    def __init__(self, style: Style, notes: Notes) -> None:
        self._style = style
        self._site = notes.repository_url.rstrip("/")
        self._server = self._site.removesuffix(f"/{notes.repository}") if notes.repository else ""

    def by_name(self) -> dict[str, Callable[..., Markdown]]:
        """Give them as Jinja wants them."""
        return {name: getattr(self, name) for name in self.NAMES}

    def code(self, value: object) -> Markdown:
        """Show a text as code."""
        return self._style.code(_text(value, "code"))

    def prose(self, value: object) -> Markdown:
        """Show a text with its own code as code."""
        return self._style.prose(_text(value, "prose"))

    def link(self, label: object, address: object) -> Markdown:
        """Lead to an address."""
        return markdown.link(shown(label, self._style), _text(address, "link"))

    def commit(self, sha: object) -> Markdown:
        """Lead to a commit."""
        digest = _text(sha, "commit")
        is_digest = re.fullmatch(r"[0-9a-f]{7,64}", digest)
        label = self._style.code(digest[:_SHORT] if is_digest else digest)
        return markdown.link(label, f"{self._site}/commit/{digest}" if self._site and is_digest else "")

    def pull_request(self, request: object) -> Markdown:
        """Lead to a pull request."""
        if not isinstance(request, PullRequest):
            _misused("pull_request", "a pull request", request)
        # Without a page of its own it is text, of which GitHub makes no link.
        number = f"#{request.number}"
        return markdown.link(Markdown(number) if request.url else self._style.text(number), request.url)

    def person(self, who: object) -> Markdown:
        """Lead to a profile. In a link, GitHub tells nobody that they were spoken of."""
        if not isinstance(who, Person):
            _misused("person", "a person", who)
        account = _LOGIN.fullmatch(who.login)
        if not (self._server and account):
            return self._style.text(who.name or who.login)
        if account["bot"]:
            return markdown.link(self._style.text(who.login), f"{self._server}/apps/{account['name']}")
        return markdown.link(Markdown(f"@{who.login}"), f"{self._server}/{who.login}")

    def mention(self, who: object) -> Markdown:
        """Speak of somebody so that GitHub tells them."""
        if not isinstance(who, Person):
            _misused("mention", "a person", who)
        account = _LOGIN.fullmatch(who.login)
        return Markdown(f"@{who.login}") if account and not account["bot"] else self.person(who)

    def join(self, values: Iterable[object], separator: object = "") -> Markdown:
        """Put things side by side."""
        return Markdown(shown(separator, self._style).join(shown(value, self._style) for value in values))

    def date(self, moment: object) -> Markdown:
        """Show the day of a time."""
        if not isinstance(moment, datetime):
            _misused("date", "a time", moment)
        return Markdown(moment.astimezone(UTC).strftime("%Y-%m-%d"))

    def duration(self, seconds: object) -> Markdown:
        """Show a number of seconds."""
        from promote.github.actions.summary import duration  # noqa: PLC0415 - which loads much more than this needs

        if not isinstance(seconds, int | float):
            _misused("duration", "a number of seconds", seconds)
        return Markdown(duration(seconds))


def time(moment: datetime) -> str:
    """Give a time as notes show it."""
    return moment.astimezone(UTC).strftime(_TIME)


def variables(notes: Notes, left_out: int = 0) -> Mapping[str, object]:
    """Give the values of ``VARIABLES``."""
    known = {field.name: getattr(notes, field.name) for field in fields(Notes)}
    return MappingProxyType(known | {"compare_url": compare_url(notes), "left_out": left_out})


def compare_url(notes: Notes) -> str:
    """Give the page that compares the two commits, or empty."""
    if not (notes.repository_url and notes.since and notes.commit) or notes.since == notes.commit:
        return ""
    ends = (notes.commit, notes.since) if notes.is_rollback else (notes.since, notes.commit)
    return f"{notes.repository_url}/compare/{'...'.join(ends)}"


def compiled(source: str, environment: Environment) -> Compiled:
    """Compile a template after all that can be checked without notes.

    Raises:
        Refused: it is wrong.

    """
    return Compiled.from_code(environment, _code(source), environment.make_globals(None))


@lru_cache(maxsize=2)
def _code(source: str) -> CodeType:
    """Compile it once, however often it is rendered: nothing that is folded into it is of the notes."""
    environment = Environment(ANYWHERE)
    try:
        tree = environment.parse(source)
        _require_known_parts(tree)
        _require_known_names(tree, environment)
        return environment.compile(source)
    except TemplateSyntaxError as error:
        raise Refused(
            _sentence(error.message or "it is no Jinja template"), _syntax_hint(error), error.lineno
        ) from None
    except (RecursionError, SyntaxError, MemoryError, ValueError):
        raise Refused("it is nested too deeply", "Write parts of it as macros, side by side.") from None


def rendered(template: Compiled, notes: Notes, left_out: int = 0) -> Markdown:
    """Render a template.

    Raises:
        Refused: it cannot be, and where.

    """
    try:
        text = template.render(variables(notes, left_out))
    except Refused as error:
        error.line = error.line or _line(error)
        raise
    except MemoryError as error:
        raise Refused("it needs too much memory", _LOOP_HINT, _line(error)) from None
    except (RecursionError, OverflowError) as error:
        raise Refused("it calls itself without an end, or counts too far", _LOOP_HINT, _line(error)) from None
    except (UndefinedError, SecurityError) as error:
        problem, _, hint = str(error).partition("\n")
        raise Refused(problem, hint or _DOCUMENTED, _line(error)) from None
    except TemplateError as error:
        raise Refused(_sentence(str(error)), _DOCUMENTED, _line(error)) from None
    except Exception as error:  # noqa: BLE001 - a template can do wrong in any way that Python knows
        raise Refused(f"{type(error).__name__}: {_sentence(str(error))}", _DOCUMENTED, _line(error)) from None
    return Markdown(re.sub(r"\n{3,}", "\n\n", text).strip())


_DOCUMENTED = "docs/release-notes.md lists what templates can use."
_LOOP_HINT = "Let it go over what the notes have, and nothing else."


class _Unknown(StrictUndefined):
    """What is not there, and says so as soon as it is used."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        name, known = str(self._undefined_name), _names(self._undefined_obj)
        if not isinstance(self._undefined_name, str):
            return f"{_what(self._undefined_obj)} has no item {name}\nIt may be shorter than the template expects."
        where = "" if self._undefined_obj is missing else f" in {_what(self._undefined_obj)}"
        return f"there is no {name!r}{where}\n{_did_you_mean(name, known)}"


def _require_known_parts(tree: nodes.Template) -> None:
    """Refuse what needs other files, writes without escaping, or reaches for the inside of things."""
    for node in _walk(tree):
        kind = type(node).__name__
        if kind in _STATEMENTS:
            raise Refused(
                f"{{% {_STATEMENTS[kind]} %}} cannot be used",
                "A template is one file; write what it repeats as a {% macro %}, and filters as {{ value | filter }}.",
                node.lineno,
            )
        name = node.attr if isinstance(node, nodes.Getattr) else _constant(node)
        if isinstance(name, str) and name.startswith("_"):
            raise Refused(f"{name!r} is out of a template's reach", _DOCUMENTED, node.lineno)


def _constant(node: nodes.Node) -> object:
    return node.arg.value if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) else None


def _require_known_names(tree: nodes.Template, environment: Environment) -> None:
    """Refuse variables that there are none of, so that a slip of the pen is found before anything is deployed."""
    known = VARIABLES | FUNCTIONS
    for node in _walk(tree):
        if isinstance(node, nodes.Name) and node.ctx == "load" and node.name == "self":
            raise Refused("'self' cannot be used", _DOCUMENTED, node.lineno)
    tracker = TrackingCodeGenerator(environment)
    tracker.optimizer = None  # nothing is computed here, where nothing limits it
    tracker.visit(tree)
    unknown = tracker.undeclared_identifiers - known
    for node in _walk(tree):
        if isinstance(node, nodes.Name) and node.ctx == "load" and node.name in unknown:
            raise Refused(f"there is no {node.name!r}", _did_you_mean(node.name, known), node.lineno)


def _walk(tree: nodes.Template) -> Iterable[nodes.Node]:
    return tree.find_all(nodes.Node)


def _syntax_hint(error: TemplateSyntaxError) -> str:
    """Say what to do about an error of Jinja's."""
    found = re.search(r"No (filter|test) named '(\w+)'", error.message or "")
    if not found:
        return "See https://jinja.palletsprojects.com/templates, and docs/release-notes.md for what is known here."
    if found[2] in ("safe", "escape", "e", "forceescape"):
        return "Take it away: all that is inserted is escaped for Markdown, and nothing else is."
    return _did_you_mean(found[2], BUILTIN_FILTERS | Filters.NAMES) if found[1] == "filter" else _DOCUMENTED


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listed = f" Known are: {', '.join(sorted(known))}." if known else ""
    return (f"Did you mean {near[0]}?" if near else "") + listed if near or listed else _DOCUMENTED


def _line(error: BaseException) -> int:
    """Give the line of the template in which ``error`` came up."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == _FILE), 0)


def _sentence(message: str) -> str:
    line = " ".join(message.split()).rstrip(".")
    return line[:1].lower() + line[1:] if line[1:2].islower() else line


def _names(value: object) -> frozenset[str]:
    return frozenset(field.name for field in fields(value)) if is_dataclass(value) else frozenset()


def _what(value: object) -> str:
    """Name the kind of ``value`` in words: ``PullRequest`` is a pull request."""
    if is_dataclass(value):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(value).__name__).lower()
        return words if words.endswith("s") else f"a {words}"
    kinds = {str: "text", tuple: "a list", list: "a list", dict: "a mapping", datetime: "a time", type(None): "nothing"}
    return next((words for kind, words in kinds.items() if isinstance(value, kind)), f"a {type(value).__name__}")


def _parts(value: object) -> str:
    names = _names(value)
    if names:
        return f"Insert one of its parts: {', '.join(sorted(names))}."
    return "Go over it with {% for %}, or join it: {{ list | join(', ') }}."


def _text(value: object, name: str) -> str:
    if not isinstance(value, str | int):
        _misused(name, "text", value)
    return str(value)


def _misused(name: str, wanted: str, value: object) -> NoReturn:
    if isinstance(value, Undefined):
        str(value)  # which fails, and says why
    raise Refused(f"the filter {name} takes {wanted}, and this is {_what(value)}", _DOCUMENTED)
