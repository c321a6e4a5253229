"""The decision about one function, and about a release, from values alone."""

from dataclasses import replace

import pytest

from promote.core.decision import CommitOrder, CommitRelation, Decision, PromotionRequest, Situation, decide, result_of
from promote.core.errors import ConflictError
from promote.core.promotion import Alias, EnvironmentRecord, Kind, Promotion, placeholder
from promote.core.run import Result, Run
from promote.core.version import Candidate

OLD, NEW = Candidate("1", "b2xk", "o" * 64), Candidate("2", "bmV3", "n" * 64)
COMMIT, RUN = "c" * 40, Run("c" * 40, 7, 2, "", "ab12")
SERVED = EnvironmentRecord(
    "1", OLD.code_sha256, OLD.fingerprint, "plan", commit="a" * 40, promoted="b" * 40, run_id=3, sequence=4
)


def alias(version: str = "1", description: str = "") -> Alias:
    moved = Promotion("prod", version, "0", "a" * 40, 3, 1, 4, "cd34")
    return Alias("prod", version, "revision", description or moved.description, {})


def situation(relation: CommitRelation = CommitRelation.NEWER, *, is_refused: bool = False) -> Situation:
    order = CommitOrder(COMMIT, "a" * 40, relation, is_refused)
    return Situation("prod", order, alias(), SERVED, 5, RUN)


def request(candidate: Candidate = NEW, kind: Kind = Kind.PROMOTION) -> PromotionRequest:
    return PromotionRequest(candidate, COMMIT, 7, "plan", kind=kind)


@pytest.mark.parametrize(
    ("relation", "is_refused", "result"),
    [
        (CommitRelation.NEWER, False, Result.PROMOTED),
        (CommitRelation.SAME, False, Result.PROMOTED),
        (CommitRelation.OLDER, False, Result.SUPERSEDED),
        (CommitRelation.DIVERGED, False, Result.PROMOTED),
        (CommitRelation.DIVERGED, True, Result.REFUSED),
        (CommitRelation.UNKNOWN, True, Result.REFUSED),
    ],
)
def test_the_order_of_commits_decides(relation: CommitRelation, result: Result, *, is_refused: bool) -> None:
    decision = decide(request(), situation(relation, is_refused=is_refused))
    assert (decision.result, decision.previous) == (result, "1")
    assert (decision.promotion is not None) is (result is Result.PROMOTED)


def test_a_promotion_says_from_where_to_where_by_whom_and_in_which_release() -> None:
    promotion = decide(replace(request(), reason="why", by="octocat"), situation()).promotion
    assert promotion == Promotion("prod", "2", "1", COMMIT, 7, 2, 5, "ab12", reason="why", by="octocat")


def test_what_another_run_has_built_keeps_its_run() -> None:
    promotion = decide(replace(request(), run_id=6), situation()).promotion
    assert promotion is not None
    assert (promotion.run_id, promotion.attempt) == (6, 1)


@pytest.mark.parametrize(
    ("relation", "plan", "moves"),
    [
        (CommitRelation.SAME, "plan", False),
        (CommitRelation.OLDER, "plan", False),
        (CommitRelation.NEWER, "plan", True),
        (CommitRelation.SAME, "another", True),
    ],
)
def test_a_served_version_stays_and_its_record_gets_the_newer_commit(
    relation: CommitRelation, plan: str, *, moves: bool
) -> None:
    decision = decide(replace(request(OLD), plan=plan), situation(relation))
    assert (decision.result, decision.promotion is not None) == (Result.UNCHANGED, moves)
    assert decision.promotion is None or decision.promotion.previous is None


def test_a_version_that_was_put_there_externally_is_promoted() -> None:
    external = replace(situation(), alias=alias(description="by hand"))
    decision = decide(request(OLD), external)
    assert decision.promotion is not None
    assert (decision.result, decision.promotion.previous) == (Result.PROMOTED, "1")


@pytest.mark.parametrize("relation", list(CommitRelation))
def test_a_rollback_goes_to_any_commit(relation: CommitRelation) -> None:
    now = replace(situation(relation), alias=alias("2"))
    decision = decide(request(OLD, Kind.ROLLBACK), now)
    assert decision.promotion is not None
    assert (decision.result, decision.promotion.kind) == (Result.ROLLED_BACK, Kind.ROLLBACK)


def test_a_rollback_from_another_version_than_was_read_is_refused() -> None:
    with pytest.raises(ConflictError, match="was moved from version 3 to 1"):
        decide(replace(request(), instead_of="3"), situation())


@pytest.mark.parametrize("found", [None, alias("2", placeholder("2", "0000000001-ab12"))])
def test_the_first_promotion_replaces_nothing(found: Alias | None) -> None:
    first = replace(situation(), alias=found, served=EnvironmentRecord())
    decision = decide(request(), first)
    assert decision.promotion is not None
    assert (decision.result, decision.previous, decision.promotion.previous) == (Result.PROMOTED, "", "")


@pytest.mark.parametrize(
    ("results", "whole"),
    [
        ((Result.PROMOTED, Result.SUPERSEDED, Result.REFUSED), Result.SUPERSEDED),
        ((Result.PROMOTED, Result.REFUSED), Result.REFUSED),
        ((Result.UNCHANGED, Result.PROMOTED), Result.PROMOTED),
        ((Result.UNCHANGED, Result.ROLLED_BACK), Result.ROLLED_BACK),
        ((Result.UNCHANGED,), Result.UNCHANGED),
    ],
)
def test_one_function_decides_for_all(results: tuple[Result, ...], whole: Result) -> None:
    order = CommitOrder(COMMIT, "", CommitRelation.NEWER)
    assert result_of([Decision(result, "1", order) for result in results]) is whole
