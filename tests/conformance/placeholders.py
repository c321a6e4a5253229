"""Values of AWS that differ in each run: `<uuid:1>` is the same value in each of its places."""

import re
from collections.abc import Iterator
from typing import Any

_PLACEHOLDER = re.compile(r"<([a-z][a-z0-9_-]*)(?::(\d+))?>|(\.\.\.)(?: ?\((\d+) characters\))?$")
_NUMBERED_WITHIN = {"function-name": "[^:/]+", "table-name": "[^:/]+"}
_OPEN = {"", "Code", "Configuration", "Error", "Table", "TableDescription", "Versions"}
"""Members whose recorded values leave out what says nothing of behavior."""
_ANY = {"code-sha256", "date", "timestamp"}
"""What stands for any value in recordings without brackets."""
_UNREAD = {"stackTrace"}
"""Members whose values depend on paths, and which nothing reads."""


class Placeholders:
    """The values of one sequence, as far as they are known."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], str] = {}

    def differences(self, expected: Any, actual: Any, where: str = "") -> Iterator[str]:
        """Yield where an answer differs from the recorded one."""
        member = re.sub(r"\[\d+\]", "", where).rpartition(".")[2]
        if member in _UNREAD:
            return
        if isinstance(expected, dict):
            yield from self._of_members(expected, actual, where, is_open=member in _OPEN)
        elif isinstance(expected, list):
            if not isinstance(actual, list) or len(actual) != len(expected):
                yield f"{where}: AWS {expected}, sandbox {actual}"
                return
            for number, (one, other) in enumerate(zip(expected, actual, strict=True)):
                yield from self.differences(one, other, f"{where}[{number}]")
        elif isinstance(expected, str):
            if not self._is_equal(expected, actual if isinstance(actual, str) else repr(actual)):
                yield f"{where}: AWS {expected!r}, sandbox {actual!r}"
        elif expected != actual:
            yield f"{where}: AWS {expected!r}, sandbox {actual!r}"

    def _of_members(self, expected: dict[str, Any], actual: Any, where: str, *, is_open: bool) -> Iterator[str]:
        if not isinstance(actual, dict):
            yield f"{where}: AWS {expected}, sandbox {actual!r}"
            return
        for name, value in expected.items():
            if name in actual:
                yield from self.differences(value, actual[name], f"{where}.{name}")
            else:
                yield f"{where}.{name}: AWS {value!r}, sandbox has none"
        if not is_open and (more := actual.keys() - expected.keys()):
            yield f"{where}: AWS has no {', '.join(sorted(more))}"

    def _is_equal(self, expected: str, actual: str) -> bool:
        """Return whether two texts are equal. A numbered placeholder gets its value where it is met first."""
        if expected in _ANY:
            return True
        pattern, position, length = "", 0, 0
        new: dict[str, tuple[str, str]] = {}
        for found in _PLACEHOLDER.finditer(expected):
            pattern += re.escape(expected[position : found.start()])
            position = found.end()
            kind, number, cut, characters = found.groups()
            if cut:
                pattern, length = pattern.rstrip() + ".*", int(characters or 0)
            elif number is None:
                pattern += ".*?"
            elif (kind, number) in self._values:
                pattern += re.escape(self._values[kind, number])
            elif (group := f"{kind}_{number}".replace("-", "_")) in new:
                pattern += f"(?P={group})"
            else:
                pattern += f"(?P<{group}>{_NUMBERED_WITHIN.get(kind, '.+?')})"
                new[group] = kind, number
        matched = re.fullmatch(pattern + re.escape(expected[position:]), actual, re.DOTALL)
        if matched is None or (length and len(actual) != length):
            return False
        for group, (kind, number) in new.items():
            if matched[group] in {value for (other, _), value in self._values.items() if other == kind}:
                return False
            self._values[kind, number] = matched[group]
        return True
