"""The decision about one function, and about a release, from values alone."""

from dataclasses import replace

import pytest

from promote.core.commit_order import CommitOrder, CommitRelation, Diverged
from promote.core.decision import Decision, PromotionRequest, Situation, decide, result_of
from promote.core.errors import ConflictError, RefusedError
from promote.core.promotion import Alias, EnvironmentRecord, Kind, Promotion, RolledBack, placeholder
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
    return Situation("hello", "prod of hello", "prod", order, alias(), SERVED, 5, RUN)


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


@pytest.mark.parametrize(
    ("diverged", "refused"),
    [
        (None, {CommitRelation.UNKNOWN}),
        (Diverged.REFUSE, {CommitRelation.UNKNOWN, CommitRelation.DIVERGED}),
        (Diverged.PROMOTE, set()),
    ],
)
def test_the_input_diverged_says_which_orders_are_refused(
    diverged: Diverged | None, refused: set[CommitRelation]
) -> None:
    found = {
        relation: CommitOrder(COMMIT, "a" * 40, relation).under(diverged, "prod").is_refused
        for relation in CommitRelation
    }
    assert {relation for relation, is_refused in found.items() if is_refused} == refused


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [
        ("c" * 40, "a" * 40, "cccccccccc is newer than aaaaaaaaaa, which is in prod: shallow."),
        (
            "c" * 40,
            "",
            "cccccccccc is newer than what is in prod: the commit that prod serves is not known.",
        ),
        (
            "",
            "a" * 40,
            "the version to promote is newer than aaaaaaaaaa, which is in prod: its commit is not known.",
        ),
    ],
)
def test_an_unknown_order_says_which_commit_is_not_known(ours: str, theirs: str, text: str) -> None:
    found = CommitOrder(ours, theirs, CommitRelation.UNKNOWN, cause="shallow").under(None, "prod")
    assert found.undecided("prod") == f"Cannot tell whether {text}"


@pytest.mark.parametrize(
    ("commit", "version", "served", "refused"),
    [
        ("", "2", "3", True),
        ("", "2", "10", True),
        ("", "3", "3", False),
        ("", "10", "9", False),
        ("", "2", "$LATEST", False),
        (COMMIT, "2", "3", False),
    ],
)
def test_a_version_without_a_commit_replaces_no_higher_one(
    commit: str, version: str, served: str, *, refused: bool
) -> None:
    wanted = replace(request(replace(NEW, version=version)), commit=commit)
    order = CommitOrder(commit, "a" * 40, CommitRelation.UNKNOWN)
    given = replace(situation(), order=order, alias=replace(alias(served), description="by hand"))
    if refused:
        with pytest.raises(RefusedError, match=f"version {version} of hello is not promoted: its commit is not known"):
            decide(wanted, given)
    else:
        assert decide(wanted, given).result is Result.PROMOTED


def test_an_alias_on_latest_counts_as_the_version_that_was_promoted_last() -> None:
    wanted, found = replace(request(replace(NEW, version="2")), commit=""), alias("$LATEST", "by hand")
    given = replace(situation(), alias=found, served=replace(SERVED, version="3"))
    with pytest.raises(RefusedError, match="serves version 3, which was published after it"):
        decide(wanted, given)


def test_a_split_that_a_person_has_set_ends_only_with_an_override() -> None:
    given = replace(situation(), alias=replace(alias(), weights={"9": 0.5}))
    with pytest.raises(RefusedError, match=r"prod of hello splits its traffic"):
        decide(request(), given)
    decision = decide(request(), replace(given, override=True))
    assert decision.result is Result.PROMOTED
    assert "ended a traffic split of prod that was set externally" in decision.warnings[0]


def test_an_external_move_warns_unless_it_is_our_own_pin() -> None:
    given = replace(situation(), alias=replace(alias("9"), description="by hand"))
    assert decide(request(replace(NEW, version="10")), given).warnings == (
        "prod was changed externally since its last promotion: it was moved to version 9.",
    )
    assert not decide(request(replace(NEW, version="10")), replace(given, is_pinned=True)).warnings


def test_a_promotion_whose_order_to_rolled_back_code_is_not_known_warns() -> None:
    orders = {"e" * 40: CommitOrder(COMMIT, "e" * 40, CommitRelation.UNKNOWN, cause="the clone is shallow")}
    assert decide(request(), replace(situation(), orders=orders)).warnings == (
        "Cannot tell whether cccccccccc is newer than eeeeeeeeee, which was rolled back: the clone is shallow.",
    )


def test_a_rollback_records_what_it_leaves_and_who_did_it() -> None:
    left = RolledBack("1", "b2xk", "o" * 64, "a" * 40, "2026-01-02T03:04:05", "", "", "")
    wanted = replace(request(kind=Kind.ROLLBACK), reason="slow", by="octocat")
    promotion = decide(wanted, replace(situation(), left=left)).promotion
    assert promotion is not None
    assert promotion.rolled_back == (replace(left, reason="slow", by="octocat", promotion=promotion.identity),)
