"""Decide from its verdicts whether an environment may serve a version. Values only, no calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promote.core.errors import RefusedError
from promote.core.promotion import Kind


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a version that decide whether it can be promoted, as the ledger has them."""

    passed: Mapping[str, Any] | None = None
    """The last passed verdict; None if there is none."""
    failure: Mapping[str, Any] | None = None
    """The last failed verdict since then; None if there is none."""

    @property
    def plan(self) -> str:
        """The digest of the verification that the version passed; empty if it has no passed verdict."""
        return str(self.passed.get("plan", "")) if self.passed is not None else ""

    def refusal(self, function: str, version: str) -> RefusedError | None:
        """Return why the version is not promoted: it has not passed, or has failed since then. None if it may be."""
        if self.passed is None:
            return RefusedError(
                f"version {version} of {function} has no passed verdict",
                hint="Verify it here (checks, tests, test-command or invoke). To promote it without a verdict, use "
                "override: true with a reason, which is recorded.",
            )
        if self.failure is not None:
            return RefusedError(
                f"version {version} of {function} has passed, but failed verification since then "
                f"({_when(self.failure)}): {self.failure.get('reason')}",
                hint="Verify it again here (checks, tests, test-command or invoke). To promote it anyway, use "
                "override: true with a reason, which is recorded.",
            )
        return None

    def require_passed(self, function: str, version: str) -> None:
        """Check that the version has passed, and has not failed since then.

        Raises:
            RefusedError: The version has no passed verdict, or has failed since it passed.

        """
        if refusal := self.refusal(function, version):
            raise refusal


@dataclass(frozen=True)
class Admission:
    """Why an environment may serve a version."""

    kind: Kind
    is_verified: bool
    """Whether it has a passed verdict. If not, a user has overridden that."""
    warning: str = ""
    """What to look into although the version is admitted; empty if there is nothing."""


def admit_promotion(
    verdicts: Verdicts, function: str, version: str, *, override: bool, has_passed_now: bool
) -> Admission:
    """Admit a version to be promoted.

    ``has_passed_now`` means that it has passed in this run, which the ledger may not show yet. ``override`` is the
    input.

    Raises:
        RefusedError: The version has no passed verdict or has failed since it passed, and there is no override.

    """
    refusal = None if has_passed_now else verdicts.refusal(function, version)
    if refusal is None:
        return Admission(Kind.PROMOTION, is_verified=True)
    if not override:
        raise refusal
    return Admission(Kind.OVERRIDE, is_verified=False)


def admit_rollback(verdicts: Verdicts, function: str, version: str, *, override: bool) -> Admission:
    """Admit a version to be returned to. ``override`` is the input.

    A later failure does not refuse a rollback, which must be quick: the version has passed once.

    Raises:
        RefusedError: The version has no passed verdict, and there is no override.

    """
    if verdicts.passed is None and not override:
        raise RefusedError(
            f"version {version} of {function} has no passed verdict",
            hint="Name a version that has one. To roll back anyway, use override: true with a reason, which is "
            "recorded.",
        )
    warning = ""
    if (failure := verdicts.failure) and verdicts.passed is not None:
        warning = (
            f"Version {version} of {function} failed verification after it had passed ({_when(failure)}): "
            f"{failure.get('reason')}."
        )
    return Admission(Kind.ROLLBACK, verdicts.passed is not None, warning)


def _when(failure: Mapping[str, Any]) -> str:
    return f"{str(failure.get('at', ''))[:10]}, run {failure.get('run_id')}"
