"""The results of a benchmark."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the summary."""

    name: str
    found: str
    goal: str = ""
    is_met: bool | None = None
    """None if there is no goal, or if it was not measured."""


@dataclass(frozen=True)
class Findings:
    """The results of one part."""

    figures: tuple[Figure, ...]
    text: str
    """Markdown, for the part's own section."""


def at_most(name: str, found: float, goal: float, form: str = "{:.2f}") -> Figure:
    """Return a figure that must be at most ``goal``."""
    return Figure(name, form.format(found), f"≤ {form.format(goal)}", found <= goal)


def spread(numbers: Sequence[float], form: str = "{:.2f} s") -> str:
    """Return the cells for minimum, median and maximum."""
    return " | ".join(form.format(number) for number in (min(numbers), statistics.median(numbers), max(numbers)))


def machine() -> str:
    """Return a short description of the machine."""
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
