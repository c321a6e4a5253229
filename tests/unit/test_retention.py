"""Which versions are deleted: the decision, for any versions, and what protects a version."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from promote.core.promotion import Alias, Kind, Promotion
from promote.core.release import ReleasePart
from promote.core.version import Candidate, Published
from promote.pipeline.retention import at_work, ends, named, unsettled, versions_to_delete
from promote.state.candidate_records import Deployment
from promote.state.endpoint_records import Preview
from promote.state.ledger import State

if TYPE_CHECKING:
    from promote.aws.dynamodb import Item

NOW = datetime(2026, 7, 31, 12, tzinfo=UTC)

numbers = st.integers(1, 40)
sets = st.frozensets(numbers, max_size=20)
versions = st.frozensets(numbers, min_size=1, max_size=40)


def test_those_that_failed_go_first_and_then_the_oldest() -> None:
    def left(keep: int) -> list[int]:
        return versions_to_delete(range(1, 8), 7, keep, verified={1, 2, 4, 7}, protected=set())

    assert left(7) == []
    assert left(6) == [3]
    assert left(4) == [3, 5, 6]
    assert left(3) == [3, 5, 6, 1]
    assert left(1) == [3, 5, 6, 1, 2, 4]


def test_what_is_protected_takes_no_place_of_the_newest() -> None:
    assert versions_to_delete(range(1, 8), 7, 2, verified=set(range(1, 8)), protected={1, 2}) == [3, 4, 5]


def test_what_is_newer_than_the_promoted_version_is_left_alone() -> None:
    assert versions_to_delete([1, 2, 3, 8, 9], 3, 1, verified={3}, protected=set()) == [1, 2]


@given(versions, st.integers(1, 10), sets, sets, st.data())
def test_the_choice(
    there: frozenset[int], keep: int, verified: frozenset[int], kept: frozenset[int], data: st.DataObject
) -> None:
    promoted = data.draw(st.sampled_from(sorted(there)))
    gone = versions_to_delete(there, promoted, keep, verified=verified, protected=kept)
    assert len(set(gone)) == len(gone)
    assert set(gone) <= {number for number in there if number < promoted} - kept
    stays = there - set(gone)
    old = {number for number in there if number <= promoted}
    assert len(stays & old) >= min(keep, len(old))
    # Every deleted version is worse than every version that stays without protection: it has not passed, or is older.
    for number in gone:
        for other in (stays & old) - kept - {promoted}:
            assert (number in verified, number) < (other in verified, other)
    # A second run deletes nothing, and a higher number deletes fewer versions.
    assert versions_to_delete(stays, promoted, keep, verified=verified, protected=kept) == []
    assert set(versions_to_delete(there, promoted, keep + 1, verified=verified, protected=kept)) <= set(gone)


def test_whatever_an_alias_names_stays() -> None:
    aliases = [Alias("prod", "3", "r", "", {"7": 0.1}), Alias("dev", "$LATEST", "r", "", {})]
    assert set(named(aliases)) == {3, 7}


def test_both_ends_of_an_unfinished_release_stay_and_no_version_of_its_other_functions() -> None:
    def part(arn: str, version: str, before: Alias | None) -> ReleasePart:
        promotion = Promotion("prod", version, None, "", 1, 1, 1, "op", Kind.PROMOTION)
        return ReleasePart(arn, promotion, Candidate(version, "", ""), "", 0, before)

    parts = [
        part("hello", "9", Alias("prod", "3", "r", "", {"7": 0.1})),
        part("worker", "5", Alias("prod", "4", "r", "", {"2": 0.1})),
        part("hello", "11", None),
    ]
    assert ends("hello", parts) == {9, 3, 7, 11}
    assert ends("mail", parts) == set()


def test_a_preview_endpoint_in_use_keeps_its_version() -> None:
    previews = (Preview("3", "a", "1", 1, 30), Preview("4", "b", "1", 1, 30, is_dead=True))
    assert set(at_work(State(previews=previews), [], NOW)) == {3}


def test_a_candidate_that_a_workflow_run_may_still_promote_stays() -> None:
    def deployed(version: int, days: float, used: str = "") -> Deployment:
        at = (NOW - timedelta(days=days)).isoformat()
        return Deployment(Candidate(str(version), "", ""), "ab", "", 1, "r", "latest", at=at, used=used)

    known = [deployed(1, 0), deployed(2, 34.9), deployed(3, 35.1), deployed(4, 0, "0000000001-ab")]
    unknown = replace(known[0], candidate=Candidate("5", "", ""), at="no time")
    assert set(at_work(State(), [*known, unknown], NOW)) == {1, 2, 5}


def test_a_version_without_a_verdict_stays_as_long_as_a_job_may_take() -> None:
    def published(number: int, days: float) -> Published:
        return Published(number, "", f"{NOW - timedelta(days=days):%Y-%m-%dT%H:%M:%S.000+0000}")

    versions = [
        published(1, 6),
        published(2, 4),
        published(3, 6),
        published(4, 6),
        published(5, 4),
        Published(6, "", ""),
        published(7, 4),
    ]
    built = {"built": (NOW - timedelta(days=4)).isoformat(), "code_sha256": ""}
    judged = {**built, "verdict": {"outcome": "failed"}}
    of_a_deleted_function = {**judged, "code_sha256": "other"}
    records: dict[int, Item] = {3: built, 4: judged, 5: judged, 7: of_a_deleted_function}
    assert set(unsettled(versions, records, NOW)) == {2, 3, 6, 7}
