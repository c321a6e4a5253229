"""The results of checks, and the verdict."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Outcome(StrEnum):
    """The result of a check, or of the verification."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"
    """The check is marked to be skipped. A verification never has this outcome."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. ``detail`` is untrusted text, except for ``own``."""

    name: str
    kind: str
    outcome: Outcome
    seconds: float
    detail: str = ""
    file: str = ""
    """The file that defines the check, relative to the repository; empty if there is none."""
    line: int = 0
    gateway_symptom: bool = False
    """Whether API Gateway itself seems to have sent the response, so that the endpoint may be the cause."""
    crash_symptom: bool = False
    """Whether it is the response of API Gateway to a crash of the function."""
    own: str = ""
    """How ``detail`` begins, if these are the words of the action or of the inputs."""


@dataclass(frozen=True)
class Verdict:
    """The result of the verification of one candidate. Only ``passed`` is promoted."""

    outcome: Outcome
    checks: tuple[CheckResult, ...] = ()
    reason: str = ""
    """Why the outcome is not ``passed``; empty if it is."""

    @classmethod
    def of(cls, checks: tuple[CheckResult, ...]) -> Self:
        """Return the verdict: ``failed`` if a check failed, ``inconclusive`` if one is or if no check ran."""
        outcomes = [check.outcome for check in checks]
        total = f"{len(checks)} {'check' if len(checks) == 1 else 'checks'}"
        if Outcome.FAILED in outcomes:
            return cls(Outcome.FAILED, checks, f"{outcomes.count(Outcome.FAILED)} of {total} failed")
        if Outcome.INCONCLUSIVE in outcomes:
            return cls(Outcome.INCONCLUSIVE, checks, f"{outcomes.count(Outcome.INCONCLUSIVE)} of {total} had no result")
        if Outcome.PASSED not in outcomes:
            return cls(Outcome.INCONCLUSIVE, checks, "no check ran")
        return cls(Outcome.PASSED, checks)

    @property
    def passed(self) -> bool:
        """Whether the candidate may be promoted."""
        return self.outcome is Outcome.PASSED
