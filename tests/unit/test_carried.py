"""Since when an environment has a tag, from the histories of the functions and the records of releases."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from promote.core.commit_order import CommitRelation
from promote.core.promotion import Kind, Promotion, ReleaseKey
from promote.core.release import Release, ReleasePart, Stage
from promote.core.version import Candidate
from promote.notes.tag_rollout import Asked, carried
from promote.state.release_history import release_keys, with_unmoved

Move = tuple[int, str, int]
"""Sequence, version and commit. Commits are numbers, of which a later one contains the earlier ones."""


def related(commit: str) -> CommitRelation:
    """Return how a commit is related to the tag's, which is 5."""
    if not commit or int(commit) > 90:
        return CommitRelation.UNKNOWN
    return CommitRelation.NEWER if int(commit) >= 5 else CommitRelation.OLDER


ASKED = Asked("v5", related, "nobody tells", lambda url: url)


def item(move: Move, kind: str = "promotion", release: str = "") -> Mapping[str, Any]:
    sequence, version, commit = move
    said = {"release": {"pk": "api", "sk": release, "functions": 2}} if release else {}
    at, url = f"2026-01-{sequence:02d}T00:00:00+00:00", f"run {sequence}"
    return {
        "sequence": sequence,
        "version": version,
        "commit": str(commit or ""),
        "kind": kind,
        "at": at,
        "url": url,
    } | said


def moves(*found: Move) -> Sequence[Mapping[str, Any]]:
    return [item(move) for move in sorted(found, reverse=True)]


BACK = item((9, "1", 4), "rollback")


@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        ({"api": moves((1, "1", 4))}, ("", "", False)),
        ({"api": moves((1, "1", 4), (2, "2", 5), (3, "3", 6))}, ("2", "run 2", False)),
        ({"api": [BACK, *moves((1, "1", 4), (2, "2", 5))]}, ("2", "run 2", True)),
        # Of several functions, each must have it.
        ({"api": moves((1, "1", 5)), "mail": moves((1, "7", 5))}, ("api 1 and mail 7", "run 1", False)),
        ({"api": moves((2, "2", 5)), "mail": moves((1, "7", 4))}, ("", "", False)),
        ({"api": moves((2, "2", 5)), "mail": []}, ("", "", False)),
        # One was promoted alone first. The whole has it when the others have it too, with what it served then.
        (
            {"api": moves((1, "1", 4), (2, "2", 5), (4, "3", 6)), "mail": moves((1, "7", 4), (3, "8", 5))},
            ("api 2 and mail 8", "run 3", False),
        ),
        (
            {"api": moves((2, "2", 5), (3, "3", 6)), "mail": [BACK, *moves((1, "1", 4), (2, "7", 5))]},
            ("api 2 and mail 7", "run 2", True),
        ),
        # If one does not have it, the others do not matter.
        ({"api": moves((2, "2", 99)), "mail": moves((1, "7", 4))}, ("", "", False)),
    ],
)
def test_an_environment_has_a_tag_since_all_functions_have_it(
    histories: Mapping[str, Sequence[Mapping[str, Any]]], expected: tuple[str, str, bool]
) -> None:
    row, gap = carried(ASKED, "prod", histories)
    assert row
    assert (row.version, row.url, row.is_taken_back) == expected
    assert (bool(row.at), gap) == (bool(row.version), "")


def test_what_nobody_knows_is_said_once() -> None:
    unknown = "Whether prod has had v5 is not known: "
    both = {"api": moves((1, "1", 99)), "mail": moves((1, "7", 99))}
    assert carried(ASKED, "prod", both) == (None, f"{unknown}nobody tells.")
    nameless = {"api": moves((1, "1", 5)), "mail": moves((1, "7", 0))}
    assert carried(ASKED, "prod", nameless) == (
        None,
        f"{unknown}the record of version 7 of mail there contains no commit.",
    )
    back = [item((9, "1", 99), "rollback"), *moves((2, "2", 5))]
    row, gap = carried(ASKED, "prod", {"api": back, "mail": moves((2, "7", 5))})
    assert row
    assert gap == "Whether prod still has v5 is not known: nobody tells."
    row, gap = carried(ASKED, "prod", {"api": back, "mail": [BACK, *moves((2, "7", 5))]})
    assert row
    assert (row.is_taken_back, gap) == (True, "")


def test_a_function_that_stays_has_what_its_release_has() -> None:
    def part(arn: str, previous: str | None, version: str) -> ReleasePart:
        promotion = Promotion("prod", version, previous, "5", 2, 1, 2, "0" * 12, Kind.PROMOTION)
        return ReleasePart(arn, promotion, Candidate(version, "sha", "fingerprint"), "plan", 1, None)

    key = ReleaseKey("api", "release#prod#0000000002-000000000000")
    parts = (part("api", "1", "2"), part("mail", None, "7"), part("gone", None, "1"))
    release = Release(key, "prod", parts, 2, "run 2", stage=Stage.DONE, ended="2026-01-02T00:00:00+00:00")
    histories = {
        "api": [item((2, "2", 5), release=key.sk), item((1, "1", 4), release="release#prod#0000000001-0")],
        "mail": [item((3, "8", 6)), item((1, "7", 4), release="release#prod#0000000001-0")],
    }
    assert [found.identity for found in release_keys(histories)] == [key.identity, "0000000001-0"]
    whole = with_unmoved(histories, [release])
    assert whole["api"] == histories["api"]
    assert [(found["sequence"], found["version"], found["commit"]) for found in whole["mail"]] == [
        (3, "8", "6"),
        (2, "7", "5"),
        (1, "7", "4"),
    ]
    row, _ = carried(ASKED, "prod", whole)
    assert row
    assert (row.version, row.url, row.at is not None) == ("api 2 and mail 7", "run 2", True)
    assert release.is_of(["api", "mail", "more"], ["gone"])
    assert not release.is_of(["api", "mail"], [])
    assert not release.is_of(["other"], ["api", "mail", "gone"])
