"""What a benchmark has found, as people read it."""

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
    """None: there is no goal, or it was not measured."""


@dataclass(frozen=True)
class Findings:
    """What one part has found."""

    figures: tuple[Figure, ...]
    text: str
    """Markdown, for the part's own section."""


def at_most(name: str, found: float, goal: float, form: str = "{:.2f}") -> Figure:
    """Give the figure of something that is to be ``goal`` at the most."""
    return Figure(name, form.format(found), f"≤ {form.format(goal)}", found <= goal)


def spread(numbers: Sequence[float], form: str = "{:.2f} s") -> str:
    """Give the cells for the least, the median and the most."""
    return " | ".join(form.format(number) for number in (min(numbers), statistics.median(numbers), max(numbers)))


def machine() -> str:
    """Name the machine, as far as it matters."""
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
