"""What the error of a run says about the checks that did not pass."""

from promote.core.report import Report
from promote.core.run import Result
from promote.core.verdict import CheckResult, Outcome, Verdict


def report(*checks: CheckResult) -> Report:
    return Report(Result.BLOCKED, verdict=Verdict.of(checks))


def check(number: int, outcome: Outcome = Outcome.FAILED) -> CheckResult:
    return CheckResult(f"check {number}", "http", outcome, 0, f"detail {number}")


def test_checks_that_did_not_pass_are_listed_with_their_details() -> None:
    found = report(check(1, Outcome.PASSED), check(2), check(3, Outcome.SKIPPED), check(4, Outcome.INCONCLUSIVE))
    assert found.failures == ["check 2: detail 2", "check 4: detail 4"]
    assert report(check(1, Outcome.PASSED)).failures == []
    assert Report(Result.FAILED).failures == []


def test_of_many_the_first_are_listed_and_the_others_counted() -> None:
    whole = report(*map(check, range(5))).failures
    assert whole == [f"check {number}: detail {number}" for number in range(5)]
    assert report(*map(check, range(8))).failures == [*whole, "... and 3 more"]
