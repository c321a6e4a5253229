"""A record is never too large: DynamoDB counts bytes."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promote.aws.dynamodb import Table
from promote.core.lock_state import Claim
from promote.core.promotion import Alias, Kind, Promotion, ReleaseKey, RolledBack
from promote.core.release import Release, ReleasePart
from promote.core.rolled_back import MOST as MOST_ROLLED_BACK
from promote.core.run import Run
from promote.core.verdict import CheckResult, Outcome, Verdict
from promote.core.version import Candidate
from promote.github.actions.markdown import LIMIT
from promote.github.api.release_page import BODY_LIMIT
from promote.inputs.manifest_schema import MOST
from promote.notes.model import Change, Changes, Notes, Section
from promote.notes.render import render
from promote.pipeline.announce import STORED, storable
from promote.state.environment_records import served_item
from promote.state.ledger import Ledger
from promote.state.lock import LONGEST_QUEUE
from promote.state.promotion_records import entry_item
from promote.state.releases import release_item
from promote.state.sizes import ITEM_LIMIT, clipped
from tests.clock import Time

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:" + "f" * 64
RUN = Run("c" * 64, 10**11, 99, "https://github.com/" + "u" * 200, "a" * 12)
WIDEST = "\U0001f600"
"""Four bytes in UTF-8."""


_NUMBER = 21
"""Bytes of the longest number."""
_FRAME = 3
"""Bytes of a list or a map besides its values, each of which needs one more."""


def size_of(value: Any) -> int:
    """Return the maximum of bytes that DynamoDB counts for an item or a value.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return _FRAME + sum(len(name.encode()) + size_of(one) + 1 for name, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return _FRAME + sum(size_of(one) + 1 for one in value)
    return 1 if value is None or isinstance(value, bool) else _NUMBER


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
    _, change = ledger.versions.verdict_update(Candidate("1", "d" * 64, "f" * 64), "p" * 64, verdict)
    values = Table(no_client, "table", Time())._decode(change["ExpressionAttributeValues"])  # noqa: SLF001 - to read what is sent
    record = values[":verdict"]
    assert (record["count"], len(record["checks"])) == (5000, 200)
    assert all(check["name"].endswith("…") for check in record["checks"])
    # The verdict, the candidate, and what else a version's record has.
    assert 2 * size_of(record) + size_of(values.get(":failure", "")) < ITEM_LIMIT - 50_000


LONGEST_NAME = "e" * 128
CANDIDATE = Candidate("9" * 10, "d" * 64, "f" * 64)
ROLLED_BACK = RolledBack(
    version="9" * 10,
    code_sha256="d" * 64,
    fingerprint="f" * 64,
    commit="c" * 64,
    at="t" * 30,
    reason=WIDEST * 500,
    by="b" * 39,
    promotion=f"{'9' * 10}-{'a' * 12}",
)
MOVE = Promotion(
    LONGEST_NAME,
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
    rolled_back=(ROLLED_BACK,) * MOST_ROLLED_BACK,
)


def test_a_release_of_as_many_functions_as_there_can_be_fits_into_one_item() -> None:
    before = Alias(LONGEST_NAME, "9" * 10, "r" * 36, WIDEST * 256, {str(number): 0.123456789 for number in range(2)})
    part = ReleasePart(ARN, MOVE, CANDIDATE, "p" * 64, 10**10, before, since="c" * 64, token="t" * 40)
    key = ReleaseKey(ARN, f"release#{LONGEST_NAME}#{MOVE.identity}")
    denied = (ARN,) * MOST
    parts = (part,) * MOST
    whole = Release(key, LONGEST_NAME, parts, 10**11, RUN.url, WIDEST * 500, reason=WIDEST * 500, denied=denied)
    assert size_of(release_item(whole)) < ITEM_LIMIT - 10_000


def test_the_largest_record_of_an_environment_and_of_a_move_fit_into_one_item() -> None:
    served = served_item(MOVE, CANDIDATE, "p" * 64, "t" * 30, RUN.url)
    assert size_of(served) < ITEM_LIMIT / 4
    assert size_of(entry_item(ARN, MOVE, CANDIDATE, "p" * 64, "t" * 30)) < ITEM_LIMIT / 4


def test_a_lock_with_as_many_tickets_as_there_can_be_fits_into_one_item() -> None:
    job = "j" * 32
    claim = Claim(RUN.url, 21600, 10**10, 10**11, 99, WIDEST * 500, since="t" * 30, url=RUN.url, job=job).item()
    opened = {"token": 1, "by": "b" * 300, "reason": WIDEST * 500, "at": "t" * 30}
    assert size_of({**claim, "tickets": [claim] * LONGEST_QUEUE, "opened": opened}) < ITEM_LIMIT - 50_000


def test_notes_are_stored_as_they_are_or_shorter() -> None:
    changes = tuple(Change(WIDEST * (LIMIT - 1), f"{number:040x}", ()) for number in range(300))
    notes = Notes("hello", "preprod", changes=Changes((Section("Features", changes),), (), count=len(changes)))
    text = render(notes, limit=BODY_LIMIT)
    assert len(text.encode()) > STORED
    short = storable(notes, text, str)
    assert 0.8 * STORED < len(short.encode()) <= STORED
    assert storable(notes, short, str) == short
    for size, is_whole in ((STORED, True), (STORED + 1, False)):
        assert (storable(notes, "x" * size, str) == "x" * size) is is_whole
