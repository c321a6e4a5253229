"""Secrets are found in every form."""

import json
from dataclasses import fields
from typing import Any

import pytest

from promote.core.redaction import Redactor
from promote.pipeline.job import Job
from promote.verification.process import CommandContext


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


SECRET = 'pa"ss\\wörd-123456'


@pytest.mark.parametrize("is_ascii", [True, False])
@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("secret", [SECRET, f"first {SECRET}\nsecond {SECRET}"])
def test_a_secret_is_found_in_json_and_in_json_within_json(secret: str, depth: int, is_ascii: bool) -> None:  # noqa: FBT001 - a table's column
    text = secret
    for _ in range(depth):
        text = json.dumps({"body": text}, ensure_ascii=is_ascii)
    redacted = Redactor([secret])(text)
    assert "***" in redacted
    assert not any(part in redacted for part in ("pa", "ss", "123456"))


def test_what_is_short_stays_short_in_json() -> None:
    assert Redactor(['"""'])(r"\"\"\"") == r"\"\"\""


def test_the_longest_is_found_first_and_short_ones_are_left() -> None:
    assert Redactor(["secret", "secret-and-more", "abc", ""])("secret-and-more secret abc") == "*** *** abc"


@pytest.mark.parametrize("kind", [Job, CommandContext])
def test_no_text_of_an_object_has_the_variables_of_the_step(kind: type[Any]) -> None:
    """Secrets are among them."""
    [environ] = [field for field in fields(kind) if field.name == "environ"]
    assert not environ.repr
