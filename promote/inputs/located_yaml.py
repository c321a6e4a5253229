"""YAML whose values know the lines that they are written on; untrusted, so that it is limited in every way.

It is YAML 1.1 as PyYAML has it, of its safe tags alone. Anchors, aliases and merge keys (``<<``) work.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, ScalarNode

_MOST, _DEEPEST = 20_000, 20
"""Values, each as often as an alias repeats it, and levels: more are a mistake, or an attack."""

_QUOTED = re.compile(r"""'.{2,}'|".{2,}\"""", re.DOTALL)

_TAG = "tag:yaml.org,2002:"


class LocatedError(Exception):
    """The text is no such YAML."""

    def __init__(self, line: int, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.line = line
        self.hint = hint


@dataclass(frozen=True)
class Located:
    """A value and where it begins."""

    value: "str | int | float | bool | Mapping[str, Located] | tuple[Located, ...] | None"
    """None also for what is neither of these, a date for example; ``kind`` says what it is."""
    kind: str
    """What it is, for people, such as ``a number``."""
    line: int
    """Of the value; the first is 1."""
    key_line: int = 0
    """Of its key, in a mapping."""
    first_line: int = 0
    """Of the first line of its text: a block scalar's begins below its ``|``."""


def read(text: str) -> Located:
    """Read one document; an empty one is null.

    Raises:
        MarkedError: it is not well-formed, has a key twice or one that is no text, or is too large or too deep.

    """
    import yaml  # noqa: PLC0415 - few runs have a file to read

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # It may quote a value, or a part of one that begins like an alias or a tag; and a value may be a secret.
        problem = _QUOTED.sub("…", ": ".join(filter(None, [error.context, error.problem])))
        raise LocatedError(mark.line + 1 if mark else 1, f"it is no YAML: {problem}", _SYNTAX) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise LocatedError(line, f"it holds a character that YAML does not take: {error.reason}", _SYNTAX) from None
    except RecursionError:
        raise LocatedError(1, "it is nested too deeply", _SYNTAX) from None
    if node is None:
        return Located(None, "empty", 1)
    return _Conversion(text.splitlines()).value(node)


_SYNTAX = "Correct it there; an editor that knows YAML shows the place. Indent with spaces, and write key: value."


class _Conversion:
    """The conversion of one document, which counts."""

    def __init__(self, lines: list[str]) -> None:
        from yaml.constructor import SafeConstructor  # noqa: PLC0415 - as above

        self._constructor = SafeConstructor()
        self._lines = lines
        self._count = 0
        self._depth = 0

    def value(self, node: "Node", key_line: int = 0) -> Located:
        from yaml.nodes import MappingNode, ScalarNode  # noqa: PLC0415 - as above

        line = _line(node)
        self._count += 1
        if self._count > _MOST:
            raise LocatedError(line, "it is too large, with everything that its aliases repeat", "Make it smaller.")
        with self._deeper(line):
            if isinstance(node, ScalarNode):
                return self._scalar(node, line, key_line)
            if isinstance(node, MappingNode):
                return Located(self._mapping(node), "a mapping", line, key_line)
            items = tuple(self.value(item) for item in node.value)
            return Located(items, "a list", line, key_line)

    @contextmanager
    def _deeper(self, line: int) -> Iterator[None]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise LocatedError(line, "it is nested too deeply", "Does an alias lead back to where it stands?")
        yield
        self._depth -= 1

    def _scalar(self, node: "ScalarNode", line: int, key_line: int) -> Located:
        kind, first = _KINDS.get(node.tag, "something else"), line + (node.style in ("|", ">"))
        if node.tag == f"{_TAG}str":
            return Located(str(node.value), kind, line, key_line, first)
        if kind == "something else":
            return Located(None, kind, line, key_line, first)
        try:
            value: Any = self._constructor.construct_object(node)
        except Exception:  # noqa: BLE001 - whatever a tag makes of a text that does not fit it
            raise LocatedError(line, f"this is not {kind}", "Correct it, or put it in quotes.") from None
        return Located(value, kind, line, key_line, first)

    def _mapping(self, node: "MappingNode") -> dict[str, Located]:
        found: dict[str, Located] = {}
        merged: dict[str, Located] = {}
        for key, value in node.value:
            line = _line(key)
            if key.tag == f"{_TAG}merge":
                # What is written here wins over what is merged in, and of that, what comes first.
                merged = {**self._merged(value), **merged}
                continue
            if key.tag != f"{_TAG}str":
                kind = _KINDS.get(key.tag, "no text")
                shown = getattr(key, "value", "")
                text = f"{shown!r} is {kind}" if isinstance(shown, str) else "this is no text"
                raise LocatedError(line, f"a key is to be text, and {text}", "Put it in quotes.")
            if key.value in found:
                raise LocatedError(
                    line, f"{key.value!r} is there twice, first in line {found[key.value].key_line}", "Take one away."
                )
            found[key.value] = self.value(value, line)
        return {**merged, **found}

    def _merged(self, node: "Node") -> dict[str, Located]:
        merged = self.value(node).value
        if isinstance(merged, Mapping):
            return dict(merged)
        result: dict[str, Located] = {}
        for item in merged if isinstance(merged, tuple) else ():
            if isinstance(item.value, Mapping):
                result = {**item.value, **result}
                continue
            break
        else:
            if isinstance(merged, tuple):
                return result
        raise LocatedError(_line(node), "<< takes mappings", "Give it an alias of one, such as << : *defaults.")


def _line(node: "Node") -> int:
    return int(node.start_mark.line) + 1


_KINDS = {
    f"{_TAG}str": "text",
    f"{_TAG}int": "a number",
    f"{_TAG}float": "a number",
    f"{_TAG}bool": "true or false",
    f"{_TAG}null": "empty",
    f"{_TAG}timestamp": "a date",
}
