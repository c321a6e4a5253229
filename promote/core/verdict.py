"""What checks and verification found."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Outcome(StrEnum):
    """What a check, or verification as a whole, found."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"
    """Of a check alone: its author did not want it to run."""


@dataclass(frozen=True)
class CheckResult:
    """One check's result. ``detail`` comes from outside and is untrusted."""

    name: str
    kind: str
    outcome: Outcome
    seconds: float
    detail: str = ""
    file: str = ""
    """Where it is written, relative to the repository; empty: nowhere that a reader could look."""
    line: int = 0
    gateway_symptom: bool = False
    """Whether the answer looks like API Gateway's own, so that the endpoint itself may be at fault."""
    crash_symptom: bool = False
    """Whether it is what API Gateway answers when the function has crashed."""


@dataclass(frozen=True)
class Verdict:
    """What verification found of one candidate; only ``passed`` promotes."""

    outcome: Outcome
    checks: tuple[CheckResult, ...] = ()
    reason: str = ""
    """Why the outcome is not ``passed``, in a sentence; empty when it is."""

    @classmethod
    def of(cls, checks: tuple[CheckResult, ...]) -> Self:
        """Sum up ``checks``: one failure fails; no check, or one without an answer, is not ``passed``."""
        outcomes = [check.outcome for check in checks]
        total = f"{len(checks)} {'check' if len(checks) == 1 else 'checks'}"
        if Outcome.FAILED in outcomes:
            return cls(Outcome.FAILED, checks, f"{outcomes.count(Outcome.FAILED)} of {total} failed")
        if Outcome.INCONCLUSIVE in outcomes:
            return cls(Outcome.INCONCLUSIVE, checks, f"{outcomes.count(Outcome.INCONCLUSIVE)} of {total} had no answer")
        if Outcome.PASSED not in outcomes:
            return cls(Outcome.INCONCLUSIVE, checks, "there was no check to run")
        return cls(Outcome.PASSED, checks)

    @property
    def passed(self) -> bool:
        """Whether the candidate may be promoted."""
        return self.outcome is Outcome.PASSED
