"""Which functions of an application do not serve the version of its release, and why."""

from dataclasses import replace

import pytest

from promote.core.promotion import Alias, Kind, Promotion, ReleaseKey
from promote.core.release import Release, ReleasePart, Stage
from promote.core.version import Candidate
from promote.state.drift import Drift, Member, find_drifts

KEY = ReleaseKey("arn:api", "release#prod#0000000005-000000000000")


def promotion(version: str, previous: str | None, sequence: int = 5, kind: Kind = Kind.PROMOTION) -> Promotion:
    return Promotion("prod", version, previous, "c" * 40, sequence, 1, sequence, "0" * 12, kind)


def alias(moved: Promotion, version: str = "", weights: dict[str, float] | None = None) -> Alias:
    return Alias("prod", version or moved.version, "revision", moved.description, weights or {})


def part(name: str, previous: str | None, version: str, before: Alias | None = None) -> ReleasePart:
    return ReleasePart(f"arn:{name}", promotion(version, previous), Candidate(version, "s", "f"), "plan", 1, before)


BEFORE = alias(promotion("1", "", 4))
RELEASE = Release(KEY, "prod", (part("api", "1", "2", BEFORE), part("mail", None, "7")), 5, stage=Stage.DONE)
MOVED, STAYED = alias(promotion("2", "1")), alias(promotion("7", "6", 3))
ENTRY = {"sequence": 6, "at": "2026-01-02"}


def found(
    api: Alias | None, mail: Alias | None = STAYED, *, entry: dict[str, object] = ENTRY, stage: Stage = Stage.DONE
) -> list[Drift]:
    members = [Member("api", "arn:api", api, [entry]), Member("mail", "arn:mail", mail, [])]
    return list(find_drifts(replace(RELEASE, stage=stage), members))


def test_functions_that_serve_the_release_do_not_deviate() -> None:
    assert found(MOVED) == []
    # The same version, recorded again for a later commit, does not differ.
    assert found(alias(promotion("2", "1", 8))) == []


@pytest.mark.parametrize(
    ("api", "expected"),
    [
        (alias(promotion("3", "2", 6)), Drift("api", "3", "2", "promoted alone", 6, 1, "2026-01-02")),
        (
            alias(promotion("1", "2", 6, Kind.ROLLBACK)),
            Drift("api", "1", "2", "rolled back alone", 6, 1, "2026-01-02"),
        ),
        (alias(promotion("3", "2", 7)), Drift("api", "3", "2", "promoted alone", 7)),
        (alias(promotion("1", "", 4)), Drift("api", "1", "2", "still as it was promoted", 4)),
        (alias(promotion("2", "1"), "9"), Drift("api", "9", "2", "was moved externally")),
        (
            alias(promotion("2", "1"), weights={"9": 0.1}),
            Drift("api", "2", "2", "its traffic was split externally"),
        ),
        (replace(MOVED, version="9", description=""), Drift("api", "9", "2", "was moved externally")),
        (None, Drift("api", "", "2", "its alias was deleted")),
    ],
)
def test_what_has_become_of_one_since_its_release(api: Alias | None, expected: Drift) -> None:
    assert found(api) == [expected]


@pytest.mark.parametrize(
    ("version", "kind", "why"),
    [
        ("9", Kind.PIN, "pinned, because its alias followed $LATEST"),
        ("8", Kind.PIN, "was moved externally"),
        ("9", Kind.PROMOTION, "was moved externally"),
    ],
)
def test_only_the_pin_that_moved_the_alias_explains_its_version(version: str, kind: Kind, why: str) -> None:
    external = replace(MOVED, version="9", description="")
    assert found(external, entry={**ENTRY, "kind": kind, "version": version}) == [Drift("api", "9", "2", why)]


def test_one_that_was_released_with_others_was_not_moved_alone() -> None:
    [deviation] = found(
        alias(promotion("3", "2", 6)), entry={**ENTRY, "release": {"pk": "arn:api", "sk": "other", "functions": 2}}
    )
    assert deviation.why == "promoted with others"


def test_of_an_unfinished_release_those_deviate_that_are_not_where_it_brings_them() -> None:
    assert found(MOVED, stage=Stage.MOVING) == []
    assert found(BEFORE, stage=Stage.MOVING) == [Drift("api", "1", "2", "is not moved yet")]
    assert found(MOVED, stage=Stage.ROLLING_BACK) == [Drift("api", "2", "1", "is not rolled back yet")]
    assert found(BEFORE, stage=Stage.ROLLING_BACK) == []


def test_a_function_that_the_release_does_not_have_is_not_part_of_it() -> None:
    new = Member("new", "arn:new", None, [])
    assert find_drifts(RELEASE, [new]) == (Drift("new", "", "", "is not part of it yet"),)
