"""The result of one question."""

from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    """Whether an assumption holds."""

    HOLDS = "holds"
    FAILS = "does not hold"
    NOT_ASKED = "could not be asked"


@dataclass(frozen=True)
class Finding:
    """What was seen, in one sentence, and whether the assumption holds."""

    result: Result
    seen: str


class CouldNotAskError(Exception):
    """The question has no answer in this account, for the reason in the message."""


def judged(seen: str, *, holds: bool) -> Finding:
    """Return the finding of a question that was asked."""
    return Finding(Result.HOLDS if holds else Result.FAILS, seen)


def counted(number: int, what: str) -> str:
    """Return the number with its noun, such as `1 update` or `2 updates`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
