"""What must not return to an environment: the decision, by commits and by code."""

import pytest

from promote.core.commit_order import Barred, CommitOrder, CommitRelation
from promote.core.promotion import Promotion, RolledBack
from promote.core.rolled_back import MOST, after_promotion, after_rollback, after_unknown, barred, excuses
from promote.core.version import Candidate

BAD, GOOD = Candidate("3", "bad", "f"), Candidate("4", "good", "f")


class Orders(dict[str, CommitOrder]):
    """The order of a commit relative to any other, by letters. A capital letter has diverged, and ``?`` is unknown."""

    def __init__(self, ours: str, *, refuses: bool = True) -> None:
        super().__init__()
        self._ours, self._refuses = ours, refuses

    def __missing__(self, theirs: str) -> CommitOrder:
        ours, is_unknown = self._ours, "?" in (self._ours, theirs) or not self._ours
        if is_unknown:
            return CommitOrder(ours, theirs, CommitRelation.UNKNOWN, self._refuses)
        if ours == theirs:
            return CommitOrder(ours, theirs, CommitRelation.SAME)
        if ours.isupper() != theirs.isupper():
            return CommitOrder(ours, theirs, CommitRelation.DIVERGED)
        return CommitOrder(ours, theirs, CommitRelation.NEWER if ours > theirs else CommitRelation.OLDER)


def entry(commit: str, content: Candidate = BAD, promotion: str = "1-a") -> RolledBack:
    return RolledBack(content.version, content.code_sha256, content.fingerprint, commit, "t", "", "", promotion)


@pytest.mark.parametrize(
    ("commit", "content", "expected"),
    [
        ("c", BAD, CommitRelation.SAME),
        ("c", GOOD, CommitRelation.SAME),
        ("c", None, CommitRelation.SAME),
        ("b", GOOD, CommitRelation.OLDER),
        ("b", None, CommitRelation.OLDER),
        ("?", GOOD, CommitRelation.UNKNOWN),
        ("", GOOD, CommitRelation.UNKNOWN),
        ("d", BAD, None),
        ("D", BAD, None),
    ],
)
def test_what_was_rolled_back_and_what_is_not_newer_is_barred(
    commit: str, content: Candidate | None, expected: CommitRelation | None
) -> None:
    found = barred([entry("c")], commit, content, Orders(commit), served="a")
    assert found == Barred(entry("c"), expected)


@pytest.mark.parametrize(
    ("commit", "content", "refuses"),
    [
        ("d", GOOD, True),
        ("d", None, True),
        ("D", GOOD, True),  # its history was replaced
        ("?", GOOD, False),  # the user promotes with an unknown order
        ("a", GOOD, True),  # it is served
    ],
)
def test_a_newer_commit_with_other_code_is_not_barred(commit: str, content: Candidate | None, refuses: bool) -> None:  # noqa: FBT001 - a parameter
    assert barred([entry("c")], commit, content, Orders(commit, refuses=refuses), served="a") is None


def test_code_whose_commit_was_never_known_is_barred_by_itself_alone() -> None:
    assert barred([entry("")], "a", BAD, Orders("a"), served="x") == Barred(entry(""), None)
    assert barred([entry("")], "a", GOOD, Orders("a"), served="x") is None
    unknown = RolledBack("3", "", "", "", "t", "", "", "1-a")
    assert barred([unknown], "a", Candidate("3", "", ""), Orders("a"), served="x") is None


def test_the_same_code_in_a_release_with_other_code_is_excused_and_the_same_commit_is_not() -> None:
    excused = excuses([([entry("c")], BAD), ([entry("c", GOOD)], Candidate("5", "other", "f"))])
    assert excused == {"1-a"}
    assert barred([entry("c")], "d", BAD, Orders("d"), served="a", excused=excused) is None
    assert barred([entry("c")], "c", BAD, Orders("c"), served="a", excused=excused) is not None
    assert excuses([([entry("c")], BAD), ([], GOOD)]) == frozenset()
    assert excuses([([entry("c")], None)]) == {"1-a"}


def test_a_promotion_ends_what_its_commit_contains_and_what_it_brings_back() -> None:
    entries = [entry("a"), entry("c", GOOD), entry("C"), entry("?", Candidate("9", "x", "f")), entry("")]
    other = Candidate("7", "new", "f")
    assert after_promotion(entries, "d", other, Orders("d")) == (entries[2], entries[3])
    assert after_promotion(entries, "b", other, Orders("b")) == (entries[1], entries[2], entries[3])
    assert after_promotion(entries, "", other, Orders("")) == tuple(entries)
    assert after_promotion(entries, "", BAD, Orders("")) == (entries[1], entries[3])


def test_a_rollback_adds_what_it_leaves_and_drops_where_it_goes() -> None:
    left = entry("d", Candidate("5", "left", "f"), "2-b")
    assert after_rollback([entry("c")], GOOD, left) == (entry("c"), left)
    assert after_rollback([entry("c")], BAD, left) == (left,)
    assert after_rollback([entry("c")], GOOD, None) == (entry("c"),)
    # It does not move. Only the weights are removed.
    assert after_rollback([], GOOD, entry("c", GOOD)) == ()
    many = [entry("c", Candidate(str(number), str(number), "f")) for number in range(20, 40)]
    found = after_rollback(many, GOOD, left)
    assert (len(found), found[-1]) == (MOST, left)
    assert after_rollback([left], GOOD, entry("e", Candidate("5", "left", "f"), "3-c")) == (
        entry("e", Candidate("5", "left", "f"), "3-c"),
    )


def test_a_move_of_which_only_the_alias_tells_ends_nothing_that_may_return() -> None:
    move = Promotion("prod", "4", "3", "c", 1, 1, 2, "ab")
    entries = [entry("c"), entry("b", Candidate("6", "x", "f")), entry("", GOOD)]
    assert after_unknown(entries, move, GOOD, None) == (entries[1],)
    assert after_unknown(entries, move, GOOD, entry("d")) == (entry("b", Candidate("6", "x", "f")), entry("d"))
