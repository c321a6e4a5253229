"""A record is never too large: DynamoDB counts bytes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promote.ledger import Ledger
from promote.model import Alias, Candidate, CheckResult, Kind, Outcome, Promotion, ReleaseKey, Run, Verdict
from promote.release import Part, Release, release_item
from promote.shape import MOST
from promote.sizes import ITEM_LIMIT, clipped, size_of
from promote.table import Table
from tests.clock import Time

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:" + "f" * 64
RUN = Run("c" * 64, 10**11, 99, "https://github.com/" + "u" * 200, "a" * 12)
WIDEST = "\U0001f600"
"""Four bytes in UTF-8."""


def no_client() -> Any:
    raise AssertionError("nothing is sent")


@given(st.text(), st.integers(3, 40))
def test_a_text_is_cut_at_a_whole_character_and_says_so(text: str, most: int) -> None:
    found = clipped(text, most)
    assert len(found.encode("utf-8", "replace")) <= most
    if len(text.encode("utf-8", "replace")) <= most:
        assert found == text
    else:
        assert found.endswith("…")
        assert text.startswith(found[:-1])
    assert clipped(text, most) == found


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.FAILED])
@pytest.mark.parametrize("letter", ["x", "é", "漢", WIDEST])
def test_two_verdicts_of_many_tests_with_long_names_fit_into_one_item(outcome: Outcome, letter: str) -> None:
    ledger = Ledger(Table(no_client, "table", Time()), ARN, RUN, Time())
    checks = tuple(CheckResult(letter * 3000 + str(number), "pytest", outcome, 1.5) for number in range(5000))
    verdict = Verdict(outcome, checks, letter * 5000)
    _, change = ledger.judging(Candidate("1", "d" * 64, "f" * 64), "p" * 64, verdict)
    values = Table(no_client, "table", Time())._decode(change["ExpressionAttributeValues"])  # noqa: SLF001 - to read what is sent
    record = values[":verdict"]
    assert (record["count"], len(record["checks"])) == (5000, 200)
    assert all(check["name"].endswith("…") for check in record["checks"])
    # The verdict, the proof, and what else a version's record holds.
    assert 2 * size_of(record) + size_of(values.get(":failure", "")) < ITEM_LIMIT - 50_000


def test_a_release_of_as_many_functions_as_there_can_be_fits_into_one_item() -> None:
    move = Promotion(
        "e" * 128,
        "9" * 10,
        "9" * 10,
        "c" * 64,
        10**11,
        99,
        10**10,
        "a" * 12,
        Kind.ROLLBACK,
        reason=WIDEST * 500,
        by="b" * 39,
    )
    before = Alias("e" * 128, "9" * 10, "r" * 36, WIDEST * 256, {str(number): 0.123456789 for number in range(2)})
    part = Part(ARN, move, Candidate("9" * 10, "d" * 64, "f" * 64), "p" * 64, 10**10, before, since="c" * 64)
    key = ReleaseKey(ARN, f"release#{'e' * 128}#{move.identity}")
    denied = (ARN,) * MOST
    whole = Release(key, "e" * 128, (part,) * MOST, 10**11, RUN.url, WIDEST * 500, reason=WIDEST * 500, denied=denied)
    assert size_of(release_item(whole)) < ITEM_LIMIT - 50_000
