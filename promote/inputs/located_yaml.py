"""YAML values with the lines that they are written on. The text is untrusted, so its size and depth are limited.

It is YAML 1.1 as in PyYAML, with safe tags only. Anchors, aliases and merge keys (``<<``) work.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, ScalarNode

LARGEST = 256 * 1024
"""The most bytes of a file."""

_MOST, _DEEPEST = 20_000, 20
"""The most values, including those that aliases repeat, and the most levels. More are a mistake or an attack."""

_QUOTED = re.compile(r"""'.{2,}'|".{2,}\"""", re.DOTALL)

_TAG = "tag:yaml.org,2002:"


class LocatedError(Exception):
    """The text is not valid YAML, or exceeds a limit."""

    def __init__(self, line: int, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.line = line
        self.hint = hint


@dataclass(frozen=True)
class Located:
    """A value and the line on which it begins."""

    value: "str | int | float | bool | Mapping[str, Located] | tuple[Located, ...] | None"
    """None for null and for other types, such as a date. ``kind`` names the type."""
    kind: str
    """The type for messages, such as ``a number``."""
    line: int
    """The line of the value. The first is 1."""
    key_line: int = 0
    """The line of its key, in a mapping."""
    first_line: int = 0
    """The line of the text. The text of a block scalar begins below its ``|``."""

    @property
    def plain(self) -> Any:
        """The value with the values in it, as dictionaries, lists, texts, numbers, booleans and None."""
        if isinstance(self.value, Mapping):
            return {key: item.plain for key, item in self.value.items()}
        return [item.plain for item in self.value] if isinstance(self.value, tuple) else self.value


def read(text: str) -> Located:
    """Read one document. An empty document is null.

    Raises:
        LocatedError: The text is not well-formed, too large or too deep, or a key is repeated or not text.

    """
    import yaml  # noqa: PLC0415 - few runs have a file to read

    if len(text.encode(errors="replace")) > LARGEST:
        raise LocatedError(1, f"it is larger than {LARGEST >> 10} KB", "Check that it is the right file.")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # PyYAML may quote a value, or the part of one that looks like an alias or a tag. A value may be a secret.
        problem = _QUOTED.sub("…", ": ".join(filter(None, [error.context, error.problem])))
        raise LocatedError(mark.line + 1 if mark else 1, f"it is not valid YAML: {problem}", _SYNTAX) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise LocatedError(
            line, f"it contains a character that YAML does not accept: {error.reason}", _SYNTAX
        ) from None
    except RecursionError:
        raise LocatedError(1, "it is nested too deeply", _SYNTAX) from None
    if node is None:
        return Located(None, "empty", 1)
    return _Conversion(text.splitlines()).value(node)


_COLLECTIONS = (f"{_TAG}map", f"{_TAG}seq")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")

_SYNTAX = "Correct this line. An editor for YAML shows the error. Indent with spaces, and write key: value."


class _Conversion:
    """The conversion of one document, which counts values and levels."""

    def __init__(self, lines: list[str]) -> None:
        from yaml.constructor import SafeConstructor  # noqa: PLC0415 - as above

        self._constructor = SafeConstructor()
        self._lines = lines
        self._count = 0
        self._depth = 0

    def value(self, node: "Node", key_line: int = 0) -> Located:
        from yaml.nodes import MappingNode, ScalarNode  # noqa: PLC0415 - as above

        line = _line(node)
        if node.tag.startswith("!") or (not isinstance(node, ScalarNode) and node.tag not in _COLLECTIONS):
            raise LocatedError(line, "it has a tag, which has no meaning here", "Remove the word that begins with !.")
        self._count += 1
        if self._count > _MOST:
            raise LocatedError(line, "it is too large, including what its aliases repeat", "Make it smaller.")
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
            raise LocatedError(
                line, "it is nested too deeply", "Check that no alias refers to a value that contains it."
            )
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
        except Exception:  # noqa: BLE001 - a tag can raise any error for a text that does not fit
            raise LocatedError(line, f"this is not {kind}", "Correct it, or put it in quotes.") from None
        if node.tag == f"{_TAG}int" and not _DECIMAL.fullmatch(node.value):
            # YAML 1.1 reads 010 as 8, 1:30 as 90 and 1_0 as 10.
            raise LocatedError(line, "this is not a decimal number", "Write its digits alone, or put it in quotes.")
        return Located(value, kind, line, key_line, first)

    def _mapping(self, node: "MappingNode") -> dict[str, Located]:
        found: dict[str, Located] = {}
        merged: dict[str, Located] = {}
        for key, value in node.value:
            line = _line(key)
            if key.tag == f"{_TAG}merge":
                # Keys of the mapping itself win over merged keys. Of these, the first one wins.
                merged = {**self._merged(value), **merged}
                continue
            if key.tag != f"{_TAG}str":
                kind = _KINDS.get(key.tag, "not text")
                shown = getattr(key, "value", "")
                text = f"{shown!r} is {kind}" if isinstance(shown, str) else "this is not text"
                raise LocatedError(line, f"a key must be text, and {text}", "Put it in quotes.")
            if key.value in found:
                raise LocatedError(
                    line,
                    f"{key.value!r} is listed twice, first in line {found[key.value].key_line}",
                    "Remove one of them.",
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
        raise LocatedError(
            _line(node), "<< accepts only mappings", "Write an alias of a mapping, such as << : *defaults."
        )


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
