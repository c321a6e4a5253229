"""What a template of release notes can say, and the environment in which it is rendered.

Nothing that a template inserts is markup unless our own filters have made it: ``Markdown`` is what they give, what a
macro gives, and what stands in the template itself. Whatever a template computes from any of these is text again.
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
        _require_knownfield_names(tree, environment)
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
        raise Refused(problem, hint or DOCUMENTED, _line(error)) from None
    except TemplateError as error:
        raise Refused(_sentence(str(error)), DOCUMENTED, _line(error)) from None
    except Exception as error:  # noqa: BLE001 - a template can do wrong in any way that Python knows
        raise Refused(f"{type(error).__name__}: {_sentence(str(error))}", DOCUMENTED, _line(error)) from None
    return Markdown(re.sub(r"\n{3,}", "\n\n", text).strip())


_LOOP_HINT = "Let it go over what the notes have, and nothing else."


class _Unknown(StrictUndefined):
    """What is not there, and says so as soon as it is used."""

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
            raise Refused(f"{name!r} is out of a template's reach", DOCUMENTED, node.lineno)


def _constant(node: nodes.Node) -> object:
    return node.arg.value if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) else None


def _require_knownfield_names(tree: nodes.Template, environment: Environment) -> None:
    """Refuse variables that there are none of, so that a slip of the pen is found before anything is deployed."""
    known = VARIABLES | FUNCTIONS
    for node in _walk(tree):
        if isinstance(node, nodes.Name) and node.ctx == "load" and node.name == "self":
            raise Refused("'self' cannot be used", DOCUMENTED, node.lineno)
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
    return _did_you_mean(found[2], BUILTIN_FILTERS | Filters.NAMES) if found[1] == "filter" else DOCUMENTED


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listed = f" Known are: {', '.join(sorted(known))}." if known else ""
    return (f"Did you mean {near[0]}?" if near else "") + listed if near or listed else DOCUMENTED


def _line(error: BaseException) -> int:
    """Give the line of the template in which ``error`` came up."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == _FILE), 0)


def _sentence(message: str) -> str:
    line = " ".join(message.split()).rstrip(".")
    return line[:1].lower() + line[1:] if line[1:2].islower() else line
