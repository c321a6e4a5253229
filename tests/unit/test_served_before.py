"""What an environment served before, from the moves of its alias: repeated rollbacks go further back."""

from collections.abc import Mapping
from random import Random

import pytest

from promote.state.served_history import served_before, served_together_before

Move = tuple[str, str, str]
"""The previous version, the next one, and the kind of the move."""


def before(moves: list[Move], version: str = "") -> list[str]:
    """Return the versions served before the one that the last of ``moves``, or an external change, has set."""
    items = [{"previous": old, "version": new, "commit": f"c{new}", "kind": kind} for old, new, kind in moves]
    served = served_before(items, version or moves[-1][1])
    assert all(release.commit in (f"c{release.version}", "") for release in served)
    return [release.version for release in served]


P, R, O = "promotion", "rollback", "override"  # noqa: E741 - the kinds


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([("", "1", P)], []),
        ([("", "1", P), ("1", "2", P), ("2", "3", P)], ["1", "2"]),
        ([("", "1", P), ("1", "2", P), ("2", "3", P), ("3", "2", R)], ["1"]),
        ([("", "1", P), ("1", "2", P), ("2", "3", P), ("3", "2", R), ("2", "1", R)], []),
        # A promotion after a rollback can be rolled back to what the rollback returned to.
        ([("", "1", P), ("1", "2", P), ("2", "1", R), ("1", "3", P)], ["1"]),
        ([("", "1", P), ("1", "2", P), ("2", "1", R), ("1", "3", P), ("3", "1", R)], []),
        # The same version again, with a new verdict.
        ([("", "1", P), ("1", "2", P), ("2", "1", R), ("1", "2", P)], ["1"]),
        ([("", "1", P), ("1", "2", P), ("2", "1", R), ("1", "2", P), ("2", "1", R)], []),
        # Several steps back at once.
        ([("", "1", P), ("1", "2", P), ("2", "3", P), ("3", "1", R)], []),
        # To a version that was never served here: what was left is not returned to.
        ([("", "1", P), ("1", "2", P), ("2", "3", P), ("3", "9", R)], ["1", "2"]),
        ([("", "1", P), ("1", "2", P), ("2", "9", R), ("9", "1", R)], []),
        ([("", "1", P), ("1", "9", R)], []),
        # An override counts, because a person wanted that version.
        ([("", "1", P), ("1", "5", O), ("5", "6", P)], ["1", "5"]),
        # The ledger begins with an alias that existed before, or reads no further back.
        ([("7", "8", P)], ["7"]),
        ([("7", "8", P), ("8", "7", R)], []),
        ([("7", "8", P), ("8", "9", P), ("9", "8", R)], ["7"]),
    ],
)
def test_what_was_rolled_back_is_not_counted(moves: list[Move], expected: list[str]) -> None:
    assert before(moves) == expected


def test_an_external_version_is_rolled_back_to_the_previous_one() -> None:
    assert before([("", "1", P), ("1", "2", P)], "5") == ["1", "2"]


def test_a_ledger_without_moves_knows_of_nothing() -> None:
    assert served_before([], "1") == []


def test_what_several_functions_served_as_one() -> None:
    def moves(*steps: tuple[int, str, str]) -> list[Mapping[str, object]]:
        kinds = {True: "rollback", False: "promotion"}
        return [
            {"sequence": sequence, "version": version, "previous": previous, "kind": kinds[sequence > 10]}
            for sequence, previous, version in steps
        ]

    api, mail = (1, "", "1"), (1, "", "1")
    first = {"api": "1", "mail": "1"}
    made = {"api": moves(api), "mail": moves(mail)}
    assert served_together_before(made, first) is None
    made = {"api": moves(api, (3, "1", "2")), "mail": moves(mail, (2, "1", "2"))}
    assert served_together_before(made, {"api": "2", "mail": "2"}) == {"api": "1", "mail": "2"}
    # It was rolled back once. The next time it goes further back.
    made = {"api": moves(api, (3, "1", "2"), (11, "2", "1")), "mail": moves(mail, (2, "1", "2"))}
    assert served_together_before(made, {"api": "1", "mail": "2"}) == first
    # A function that is new in the last release served nothing before, and one that never moved does not change.
    made = {"api": moves(api, (2, "1", "2")), "mail": moves((2, "", "7")), "log": []}
    assert served_together_before(made, {"api": "2", "mail": "7", "log": "4"}) == {"api": "1", "mail": "", "log": "4"}
    # It stayed when the others were rolled back. The next time they go further back, and it stays again.
    made = {"api": moves(api, (2, "1", "2"), (3, "2", "3"), (11, "3", "2")), "mail": moves((3, "", "7"))}
    assert served_together_before(made, {"api": "2", "mail": "7"}) == {"api": "1", "mail": ""}


def test_moves_of_each_alone_are_not_one_release() -> None:
    def moves(*operations: str) -> list[Mapping[str, object]]:
        return [
            {"sequence": number, "version": str(number), "previous": str(number - 1 or ""), "operation": operation}
            for number, operation in enumerate(operations, 1)
        ]

    made = {"api": moves("a", "b"), "mail": moves("a", "c")}
    assert served_together_before(made, {"api": "2", "mail": "2"}) == {"api": "2", "mail": "1"}


def test_one_function_is_a_release_of_one(chance: Random) -> None:
    """Whatever the moves are, also with external changes between them."""
    for _ in range(2000):
        made: list[dict[str, object]] = []
        version = chance.choice(["", "7"])
        for sequence in range(1, chance.randint(2, 8)):
            previous = chance.choice([version, version, str(chance.randint(1, 5))])
            version = str(chance.randint(1, 5))
            kind = chance.choice([P, P, R]) if previous else P
            made.append({"sequence": sequence, "previous": previous, "version": version, "kind": kind})
        alone = served_before(made, version)
        together = served_together_before({"api": made}, {"api": version})
        assert (together or {}).get("api") == (alone[-1].version if alone else None), made
