"""The value of an input, and where it is written: in the step, or in ``promote.yml``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from promote.core.errors import InputError


@dataclass(frozen=True)
class Place:
    """Where something is written."""

    file: str = ""
    """The path of the file; empty for an input of the step."""
    line: int = 0
    """The number of the line, from 1; 0 for the input as a whole."""
    key: str = field(default="", compare=False)
    """The key in the file, such as ``functions.api.handler``."""

    def __str__(self) -> str:
        """Return the place as text, in the form that editors and compilers use."""
        return f"{self.file}:{self.line}" if self.file else f"line {self.line}"

    def error(self, name: str, problem: str, *, hint: str) -> InputError:
        """Return the error of the input ``name`` that is written here.

        The error of a key in a file belongs to the input ``application``, which names the file.
        """
        if self.file:
            return InputError("application", f"{self}: {self.key or name}: {problem}", hint=hint)
        return InputError(name, f"{self}: {problem}" if self.line else problem, hint=hint)


STEP = Place()
"""An input of the step, as a whole."""


@dataclass(frozen=True)
class Line:
    """One line of a value."""

    text: str
    place: Place


Content: TypeAlias = str | float | tuple[Line, ...] | Mapping[str, str]
"""The step gives text. ``promote.yml`` also gives numbers, lists of lines, and environment variables."""


@dataclass(frozen=True)
class Value:
    """The value of an input."""

    content: Content = field(repr=False)
    """It may be a secret."""
    place: Place = STEP
    first_line: int = 1
    """The line on which the first line of the text is written; 0 if the whole text is at ``place``."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of a text or a list, each with its place."""
        if isinstance(self.content, tuple):
            return self.content
        texts = enumerate(self.text.split("\n"), self.first_line)
        return tuple(
            Line(text, replace(self.place, line=number) if self.first_line else self.place) for number, text in texts
        )

    @property
    def text(self) -> str:
        """The content of a value that is a text in the step and in ``promote.yml``."""
        assert isinstance(self.content, str)  # noqa: S101 - manifest_schema checks it
        return self.content


def step_values(environ: Mapping[str, str]) -> dict[str, Value]:
    """Return the step's inputs by their names, from the variables ``INPUT_*`` that the runner sets."""
    return {
        name.removeprefix("INPUT_").lower(): Value(text)
        for name, text in environ.items()
        if name.startswith("INPUT_") and name == name.upper() and text
    }
