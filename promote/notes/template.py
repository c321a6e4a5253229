"""Compile and render templates of release notes.

Values that a template inserts are escaped. Only the text of the template, the results of macros and the results of the
action's filters are ``Markdown``. If a template computes a value from them, the result is text again.
"""

import difflib
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import lru_cache
from types import CodeType, MappingProxyType
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2 import Template as Compiled
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.meta import TrackingCodeGenerator
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from promote.github.actions import markdown
from promote.github.actions.markdown import Markdown
from promote.notes.model import Notes
from promote.notes.template_values import (
    ANYWHERE,
    DOCUMENTED,
    Filters,
    Refused,
    Style,
    field_names,
    kind_of,
    shown,
)

VARIABLES = frozenset({field.name for field in fields(Notes)} | {"compare_url", "left_out"})
"""The variables of a template: the fields of ``Notes``, the compare page, and the number of changes left out."""
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
"""Jinja's filters for text, numbers and lists. Its filters for HTML and random values are not supported."""

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
"""Statements that are refused, because they need other files or write unescaped text."""
_FILE = "<template>"
"""Jinja's name of a template without a file, by which its lines are found in tracebacks."""


class Environment(ImmutableSandboxedEnvironment):
    """The environment in which templates are compiled and rendered."""

    concat = staticmethod(lambda parts: Markdown("".join(parts)))
    """Joins parts that are escaped already: the result of a macro, or a ``set`` block."""

    def __init__(self, style: Style, notes: Notes | None = None) -> None:
        super().__init__(
            autoescape=False,  # it only supports HTML; finalize escapes all inserted values
            # A function with the context is not called during compilation, where no limits apply.
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
        """Return a safe replacement of ``str.format``. Its result is text, even for Markdown."""
        wrapped = super().wrap_str_format(value)
        return wrapped and (lambda *arguments, **named: str.__str__(wrapped(*arguments, **named)))

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Return an undefined value that fails with the action's message."""
        return self.undefined(f"{attribute!r} is not available in templates", obj, attribute, SecurityError)


def variables(notes: Notes, left_out: int = 0) -> Mapping[str, object]:
    """Return the values of ``VARIABLES``."""
    known = {field.name: getattr(notes, field.name) for field in fields(Notes)}
    return MappingProxyType(known | {"compare_url": compare_url(notes), "left_out": left_out})


def compare_url(notes: Notes) -> str:
    """Return the page that compares the two commits; or empty."""
    if not (notes.repository_url and notes.since and notes.commit) or notes.since == notes.commit:
        return ""
    ends = (notes.commit, notes.since) if notes.is_rollback else (notes.since, notes.commit)
    return f"{notes.repository_url}/compare/{'...'.join(ends)}"


def compiled(source: str, environment: Environment) -> Compiled:
    """Return the compiled template, after the checks that need no notes.

    Raises:
        Refused: The template is not valid.

    """
    return Compiled.from_code(environment, _code(source), environment.make_globals(None))


@lru_cache(maxsize=2)
def _code(source: str) -> CodeType:
    """Return the code of a template. It contains nothing of the notes, so it is cached."""
    environment = Environment(ANYWHERE)
    try:
        tree = environment.parse(source)
        _require_known_parts(tree)
        _require_known_names(tree, environment)
        return environment.compile(source)
    except TemplateSyntaxError as error:
        raise Refused(
            _sentence(error.message or "it is not a valid Jinja template"), _syntax_hint(error), error.lineno
        ) from None
    except (RecursionError, SyntaxError, MemoryError, ValueError):
        raise Refused("it is nested too deeply", "Split it into macros.") from None


def rendered(template: Compiled, notes: Notes, left_out: int = 0) -> Markdown:
    """Return a rendered template.

    Raises:
        Refused: The template failed, with the line.

    """
    try:
        text = template.render(variables(notes, left_out))
    except Refused as error:
        error.line = error.line or _line(error)
        raise
    except MemoryError as error:
        raise Refused("it needs too much memory", _LOOP_HINT, _line(error)) from None
    except (RecursionError, OverflowError) as error:
        raise Refused("it has an endless recursion or a number that is too large", _LOOP_HINT, _line(error)) from None
    except (UndefinedError, SecurityError) as error:
        problem, _, hint = str(error).partition("\n")
        raise Refused(problem, hint or DOCUMENTED, _line(error)) from None
    except TemplateError as error:
        raise Refused(_sentence(str(error)), DOCUMENTED, _line(error)) from None
    except Exception as error:  # noqa: BLE001 - a template can raise any error
        raise Refused(f"{type(error).__name__}: {_sentence(str(error))}", DOCUMENTED, _line(error)) from None
    return Markdown(re.sub(r"\n{3,}", "\n\n", text).strip())


_LOOP_HINT = "Use loops only over the values of the notes."


class _Unknown(StrictUndefined):
    """An undefined value. It fails at its first use, with a message and a hint."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        name, known = str(self._undefined_name), field_names(self._undefined_obj)
        if not isinstance(self._undefined_name, str):
            return f"{kind_of(self._undefined_obj)} has no item {name}\nIt may be shorter than the template expects."
        where = "" if self._undefined_obj is missing else f" in {kind_of(self._undefined_obj)}"
        return f"there is no {name!r}{where}\n{_did_you_mean(name, known)}"


def _require_known_parts(tree: nodes.Template) -> None:
    """Refuse statements that need other files or write unescaped text, and private attributes."""
    for node in _walk(tree):
        kind = type(node).__name__
        if kind in _STATEMENTS:
            raise Refused(
                f"{{% {_STATEMENTS[kind]} %}} cannot be used",
                "A template is one file. Use a {% macro %} for repeated parts, and {{ value | filter }} for filters.",
                node.lineno,
            )
        name = node.attr if isinstance(node, nodes.Getattr) else _constant(node)
        if isinstance(name, str) and name.startswith("_"):
            raise Refused(f"{name!r} is not available in templates", DOCUMENTED, node.lineno)


def _constant(node: nodes.Node) -> object:
    return node.arg.value if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) else None


def _require_known_names(tree: nodes.Template, environment: Environment) -> None:
    """Refuse unknown variables, so that a typo is found before anything is deployed."""
    known = VARIABLES | FUNCTIONS
    for node in _walk(tree):
        if isinstance(node, nodes.Name) and node.ctx == "load" and node.name == "self":
            raise Refused("'self' cannot be used", DOCUMENTED, node.lineno)
    tracker = TrackingCodeGenerator(environment)
    tracker.optimizer = None  # no constants are computed here, where no limits apply
    tracker.visit(tree)
    unknown = tracker.undeclared_identifiers - known
    for node in _walk(tree):
        if isinstance(node, nodes.Name) and node.ctx == "load" and node.name in unknown:
            raise Refused(f"there is no {node.name!r}", _did_you_mean(node.name, known), node.lineno)


def _walk(tree: nodes.Template) -> Iterable[nodes.Node]:
    return tree.find_all(nodes.Node)


def _syntax_hint(error: TemplateSyntaxError) -> str:
    """Return what to do about a syntax error from Jinja."""
    found = re.search(r"No (filter|test) named '(\w+)'", error.message or "")
    if not found:
        return "See https://jinja.palletsprojects.com/templates, and docs/release-notes.md for what is supported."
    if found[2] in ("safe", "escape", "e", "forceescape"):
        return "Remove it: all inserted values are escaped for Markdown."
    return _did_you_mean(found[2], BUILTIN_FILTERS | Filters.NAMES) if found[1] == "filter" else DOCUMENTED


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listed = f" Available: {', '.join(sorted(known))}." if known else ""
    return (f"Did you mean {near[0]}?" if near else "") + listed if near or listed else DOCUMENTED


def _line(error: BaseException) -> int:
    """Return the line of the template that raised ``error``."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == _FILE), 0)


def _sentence(message: str) -> str:
    line = " ".join(message.split()).rstrip(".")
    return line[:1].lower() + line[1:] if line[1:2].islower() else line
