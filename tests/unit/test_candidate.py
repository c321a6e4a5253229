"""Which step may promote a candidate that the job's own steps test."""

from dataclasses import replace

import pytest

from promote.core.version import Candidate
from promote.state.candidate_records import CandidateClaim, Deployment, PromoteStep, claimed

STEP = PromoteStep("prod", 7, 2, "release", "number")
CLAIM = CandidateClaim("prod", 7, 2, "promotion")
DEPLOYMENT = Deployment(
    Candidate("3", "code", "fingerprint"),
    "op",
    "c" * 40,
    7,
    "r",
    "latest",
    attempt=2,
    job="release",
    job_number="number",
)


@pytest.mark.parametrize(
    ("deployment", "why"),
    [
        (replace(DEPLOYMENT, run_id=6), "run 6 deployed the candidate"),
        (replace(DEPLOYMENT, attempt=1), "of job release, attempt 1"),
        (replace(DEPLOYMENT, job=""), "of job unknown, attempt 2"),
        (replace(DEPLOYMENT, job_number="other"), "of another job with the name release"),
        (replace(DEPLOYMENT, job_number="other", claim=CLAIM, used="promotion"), "of another job"),
        (replace(DEPLOYMENT, used="promotion"), "was promoted already"),
        (replace(DEPLOYMENT, claim=replace(CLAIM, environment="preprod"), used="promotion"), "was promoted already"),
        (replace(DEPLOYMENT, claim=replace(CLAIM, environment="preprod")), "run 7 has claimed it for preprod"),
        (replace(DEPLOYMENT, claim=replace(CLAIM, attempt=1)), "run 7 has claimed it for prod"),
    ],
)
def test_only_the_job_that_tested_a_candidate_promotes_it_and_once(deployment: Deployment, why: str) -> None:
    assert why in str(deployment.refusal(STEP))


def test_who_has_claimed_a_candidate_is_said_if_it_is_known() -> None:
    assert "run 7 has claimed it for prod" in str(claimed(CLAIM))
    gone = claimed(None)
    assert (str(gone), gone.hint) == (
        "the record of the candidate is gone",
        "Deploy again and promote the new candidate.",
    )


@pytest.mark.parametrize("deployment", [DEPLOYMENT, replace(DEPLOYMENT, claim=CLAIM, used="promotion")])
def test_a_step_may_go_on_with_what_its_own_attempt_has_claimed(deployment: Deployment) -> None:
    assert deployment.refusal(STEP) is None
