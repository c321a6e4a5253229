"""The sandbox answers as AWS has answered: sequences that were recorded on AWS, played again."""

import json
import re

import pytest

from sandbox.client import Account
from tests.conformance.recording import RECORDED, Recording, load
from tests.conformance.replay import Player
from tests.conformance.unsupported import MOST, UNSUPPORTED, reason_of
from tests.runner import REPOSITORY

RECORDINGS = load()


@pytest.mark.parametrize("recording", RECORDINGS, ids=[recording.id for recording in RECORDINGS])
def test_the_sandbox_answers_as_aws(recording: Recording, account: Account) -> None:
    differences = list(Player(account, recording).play())
    if reason_of(recording):
        assert differences, "the sandbox plays it: remove it from the list"
    else:
        assert differences == []


def test_every_sequence_is_read() -> None:
    assert len(RECORDINGS) == len(json.loads(RECORDED.read_text(encoding="utf-8"))["entries"])


def test_the_list_of_what_is_not_played_is_short_and_says_why() -> None:
    assert len(UNSUPPORTED) <= MOST
    assert all(UNSUPPORTED.values())
    assert [end for end in UNSUPPORTED if not any(one.source.endswith(end) for one in RECORDINGS)] == []


def test_the_page_names_each_source() -> None:
    page = (REPOSITORY / "tests" / "conformance" / "README.md").read_text(encoding="utf-8")
    names = {re.match(r"(?:github\.com/)?([\w.-]+/[\w.-]+)", recording.source)[1] for recording in RECORDINGS}  # type: ignore[index]
    assert [name for name in sorted(names) if name not in page] == []
