"""Secrets are found however they show up."""

import pytest

from promote.redaction import Redactor


@pytest.mark.parametrize(
    "text",
    [
        "a first line\nsecond line b",
        "a first line second line b",
        "only the second line",
        "{'key': 'first line\\nsecond line'}",
    ],
)
def test_each_line_is_a_secret_and_all_of_them_on_one(text: str) -> None:
    redacted = Redactor(["first line\nsecond line"])(text)
    assert "***" in redacted
    assert "second line" not in redacted


def test_the_longest_is_found_first_and_short_ones_are_left() -> None:
    assert Redactor(["secret", "secret-and-more", "abc", ""])("secret-and-more secret abc") == "*** *** abc"
