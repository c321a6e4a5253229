"""Whether the verdicts of a version admit it to an environment."""

import pytest

from promote.core.admission import Admission, Verdicts, admit_promotion, admit_rollback
from promote.core.errors import RefusedError
from promote.core.promotion import Kind

PASSED = {"outcome": "passed", "plan": "digest"}
FAILURE = {"outcome": "failed", "at": "2026-05-04T10:00:00", "run_id": 7, "reason": "1 of 2 checks failed"}
NONE, GOOD, BAD, NEVER = Verdicts(), Verdicts(PASSED), Verdicts(PASSED, FAILURE), Verdicts(None, FAILURE)


@pytest.mark.parametrize(
    ("verdicts", "why"),
    [
        (NONE, "has no passed verdict"),
        (NEVER, "has no passed verdict"),
        (BAD, "has passed, but failed verification since then (2026-05-04, run 7): 1 of 2 checks failed"),
    ],
    ids=["none", "failed only", "failed since it passed"],
)
def test_a_promotion_needs_a_pass_of_this_run_or_of_the_ledger_or_an_override(verdicts: Verdicts, why: str) -> None:
    with pytest.raises(RefusedError) as refused:
        admit_promotion(verdicts, "hello", "3", override=False, has_passed_now=False)
    assert str(refused.value) == f"version 3 of hello {why}"
    overridden = admit_promotion(verdicts, "hello", "3", override=True, has_passed_now=False)
    assert overridden == Admission(Kind.OVERRIDE, is_verified=False)
    now = admit_promotion(verdicts, "hello", "3", override=False, has_passed_now=True)
    assert now == Admission(Kind.PROMOTION, is_verified=True)


@pytest.mark.parametrize("override", [False, True])
def test_an_override_of_a_version_that_has_passed_overrides_nothing(*, override: bool) -> None:
    found = admit_promotion(GOOD, "hello", "3", override=override, has_passed_now=False)
    assert found == Admission(Kind.PROMOTION, is_verified=True)
    assert admit_rollback(GOOD, "hello", "3", override=override) == Admission(Kind.ROLLBACK, is_verified=True)


def test_a_rollback_needs_a_version_that_has_passed_once() -> None:
    text = "Version 3 of hello failed verification after it had passed (2026-05-04, run 7): 1 of 2 checks failed."
    assert admit_rollback(BAD, "hello", "3", override=False) == Admission(Kind.ROLLBACK, is_verified=True, warning=text)
    with pytest.raises(RefusedError, match="version 3 of hello has no passed verdict"):
        admit_rollback(NONE, "hello", "3", override=False)
    assert admit_rollback(NONE, "hello", "3", override=True) == Admission(Kind.ROLLBACK, is_verified=False)


def test_the_plan_is_that_of_the_passed_verdict() -> None:
    assert (GOOD.plan, BAD.plan, NONE.plan) == ("digest", "digest", "")
