"""DynamoDB's expressions, as far as promote writes them. Anything else is an error.

Items are as on the wire: ``{"S": ...}``, ``{"N": ...}``. Source of the rules: the expressions' reference,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeAlias

from tests.simulation.errors import NotModelledError, Refusal

Value: TypeAlias = dict[str, Any]
Item: TypeAlias = Mapping[str, Value]
Path: TypeAlias = tuple[str | int, ...]
"""Names and positions, with names as in the expression: ``#name`` or the name itself."""

_TOKEN = re.compile(r"\s*(?:(?P<word>[#:]?\w+)|(?P<sign><=|>=|<>|[()\[\].,=<>+]))")


@dataclass(frozen=True)
class Scope:
    """The names and values of an expression, and the item that it applies to."""

    item: Item
    names: Mapping[str, str]
    values: Mapping[str, Value]

    def find(self, path: Path) -> Value | None:
        """Return the value at ``path``, or None."""
        found: Any = {"M": self.item}
        for step in path:
            inside = found.get("L") if isinstance(step, int) else found.get("M")
            if inside is None:
                return None
            if isinstance(step, int):
                found = inside[step] if step < len(inside) else None
            else:
                found = inside.get(self.name(step))
            if found is None:
                return None
        return found  # type: ignore[no-any-return]

    def name(self, written: str) -> str:
        """Return the name for ``written``."""
        return self.names[written] if written.startswith("#") else written


Operand: TypeAlias = Callable[[Scope], Value | None]
Condition: TypeAlias = Callable[[Scope], bool]


@dataclass(frozen=True)
class Update:
    """The effect of an update expression."""

    assignments: tuple[tuple[Path, Operand], ...]
    removals: tuple[Path, ...]

    def carry_out(self, scope: Scope) -> dict[str, Value]:
        """Return the updated item. All values are read from the item before the update."""
        found = [(path, operand(scope)) for path, operand in self.assignments]
        item = dict(scope.item)
        for path, value in found:
            if value is None:
                raise Refusal(
                    "ValidationException",
                    "The provided expression refers to an attribute that does not exist in the item",
                )
            _write(item, path, scope, value)
        # By position, the last first, because all positions are those of the item before the update.
        for path in sorted(self.removals, key=lambda path: [step for step in path if isinstance(step, int)])[::-1]:
            _write(item, path, scope, None)
        return item


def _write(item: dict[str, Value], path: Path, scope: Scope, value: Value | None) -> None:
    """Set ``value`` at ``path``, on a copy of each part of the path. None removes it."""
    inside: Any = item
    for step, following in zip(path, (*path[1:], None), strict=True):
        key = step if isinstance(step, int) else scope.name(step)
        if following is None:
            if value is not None:
                inside[key] = value
            elif isinstance(key, str):
                inside.pop(key, None)
            elif key < len(inside):
                del inside[key]
            return
        kind = "L" if isinstance(following, int) else "M"
        part = inside[key] if isinstance(key, str) and key in inside else None
        part = inside[key] if isinstance(key, int) and key < len(inside) else part
        if part is None or kind not in part:
            if value is None:
                return
            raise Refusal(
                "ValidationException", "The document path provided in the update expression is invalid for update"
            )
        inside[key] = {kind: part[kind].copy()}
        inside = inside[key][kind]


@lru_cache(2000)
def mentioned(*texts: str) -> frozenset[str]:
    """Return all placeholders of the expressions. DynamoDB refuses a placeholder that is given but not used."""
    return frozenset(re.findall(r"[#:]\w+", " ".join(texts)))


@lru_cache(2000)
def condition(text: str) -> Condition:
    """Parse a condition."""
    parser = _Parser(text)
    read = parser.alternatives()
    parser.end()
    return read


@lru_cache(2000)
def update(text: str) -> Update:
    """Parse an update."""
    parser = _Parser(text)
    assignments, removals = [], []
    while not parser.is_at_end:
        clause = parser.word()
        if clause == "SET":
            while True:
                path = parser.path(parser.word())
                parser.expect("=")
                assignments.append((path, parser.sum()))
                if not parser.takes(","):
                    break
        elif clause == "REMOVE":
            while True:
                removals.append(parser.path(parser.word()))
                if not parser.takes(","):
                    break
        else:
            raise NotModelledError(text)
    roots = [path[0] for path in (*(path for path, _ in assignments), *removals)]
    if len(set(roots)) != len(roots) and any(len(path) == 1 for path, _ in assignments):
        raise NotModelledError(f"paths that overlap: {text}")
    return Update(tuple(assignments), tuple(removals))


class _Parser:
    """A recursive descent parser of one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise NotModelledError(text)
            self._tokens.append(match["word"] or match["sign"])
            position = match.end()
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._tokens)

    def end(self) -> None:
        if not self.is_at_end:
            raise NotModelledError(self._text)

    def word(self) -> str:
        if self.is_at_end:
            raise NotModelledError(self._text)
        self._at += 1
        return self._tokens[self._at - 1]

    def takes(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.takes(token):
            raise NotModelledError(f"{token} expected: {self._text}")

    def alternatives(self) -> Condition:
        parts = [self._conjunction()]
        while self.takes("OR"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else lambda scope: any(part(scope) for part in parts)

    def _conjunction(self) -> Condition:
        parts = [self._term()]
        while self.takes("AND"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else lambda scope: all(part(scope) for part in parts)

    def _term(self) -> Condition:
        if self.takes("NOT"):
            term = self._term()
            return lambda scope: not term(scope)
        if self.takes("("):
            inner = self.alternatives()
            self.expect(")")
            return inner
        for name, wanted in (("attribute_exists", True), ("attribute_not_exists", False)):
            if self.takes(name):
                path = self._argument()
                return lambda scope: (scope.find(path) is not None) is wanted
        if self.takes("contains"):
            self.expect("(")
            path = self.path(self.word())
            self.expect(",")
            value = self.sum()
            self.expect(")")
            return lambda scope: value(scope) in (scope.find(path) or {"L": []})["L"]
        return self._comparison()

    def _comparison(self) -> Condition:
        left = self.sum()
        sign = self.word()
        right = self.sum()
        if sign == "=":
            return lambda scope: (found := left(scope)) is not None and _same(found, right(scope))
        compare = {"<": Decimal.__lt__, "<=": Decimal.__le__, ">": Decimal.__gt__, ">=": Decimal.__ge__}.get(sign)
        if compare is None:
            raise NotModelledError(self._text)

        def holds(scope: Scope) -> bool:
            one, other = left(scope), right(scope)
            if one is None or other is None or "N" not in one or "N" not in other:
                return False
            return compare(Decimal(one["N"]), Decimal(other["N"]))

        return holds

    def sum(self) -> Operand:
        first = self._operand()
        if not self.takes("+"):
            return first
        second = self._operand()

        def add(scope: Scope) -> Value | None:
            one, other = first(scope), second(scope)
            if one is None or other is None:
                return None
            return {"N": str(Decimal(one["N"]) + Decimal(other["N"]))}

        return add

    def _operand(self) -> Operand:
        word = self.word()
        if word.startswith(":"):
            return lambda scope: scope.values[word]
        if word == "size":
            path = self._argument()
            return lambda scope: None if (found := scope.find(path)) is None else {"N": str(len(found["L"]))}
        if word in ("if_not_exists", "list_append"):
            self.expect("(")
            one = self.sum()
            self.expect(",")
            other = self.sum()
            self.expect(")")
            if word == "if_not_exists":
                return lambda scope: found if (found := one(scope)) is not None else other(scope)

            def append(scope: Scope) -> Value | None:
                before, more = one(scope), other(scope)
                return None if before is None or more is None else {"L": [*before["L"], *more["L"]]}

            return append
        path = self.path(word)
        return lambda scope: scope.find(path)

    def _argument(self) -> Path:
        self.expect("(")
        path = self.path(self.word())
        self.expect(")")
        return path

    def path(self, first: str) -> Path:
        if not re.fullmatch(r"#?[a-zA-Z_]\w*", first):
            raise NotModelledError(self._text)
        steps: list[str | int] = [first]
        while True:
            if self.takes("."):
                steps.append(self.word())
            elif self.takes("["):
                steps.append(int(self.word()))
                self.expect("]")
            else:
                return tuple(steps)


def _same(one: Value, other: Value | None) -> bool:
    if other is not None and "N" in one and "N" in other:
        return Decimal(one["N"]) == Decimal(other["N"])
    return one == other
