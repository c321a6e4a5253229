"""Whether a promotion follows the environment that it promotes from, if that has moved since the run read it."""

from dataclasses import replace

import pytest

from promote.core.errors import ConflictError
from promote.core.version import Candidate
from promote.pipeline.source import is_replaced

WAS, NOW = Candidate("3", "code", "fingerprint"), Candidate("4", "other", "fingerprint")


def test_a_version_that_the_run_has_not_verified_is_replaced_by_what_is_served_now() -> None:
    assert is_replaced("hello", "preprod", WAS, NOW, is_verified=False)
    assert not is_replaced("hello", "preprod", WAS, WAS, is_verified=False)
    assert not is_replaced("hello", "preprod", WAS, WAS, is_verified=True)


def test_a_version_that_the_run_has_verified_is_not_replaced() -> None:
    with pytest.raises(ConflictError, match="preprod of hello was moved from version 3 to version 4 while this run"):
        is_replaced("hello", "preprod", WAS, NOW, is_verified=True)


@pytest.mark.parametrize("is_verified", [False, True])
def test_other_content_under_the_same_number_is_an_error(*, is_verified: bool) -> None:
    with pytest.raises(ConflictError, match="version 3 of hello"):
        is_replaced("hello", "preprod", WAS, replace(WAS, code_sha256="other"), is_verified=is_verified)
