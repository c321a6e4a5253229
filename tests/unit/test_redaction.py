"""Secrets are found in every form."""

import base64
import html
import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from markupsafe import escape

from promote.core.redaction import Redactor, without_secrets
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


ODD = "k3y+s/é <'\"\\&val>! =="


@pytest.mark.parametrize(
    "encode",
    [
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        lambda text: quote(text, safe="!'()*"),  # encodeURIComponent of JavaScript
        html.escape,
        lambda text: html.escape(text, quote=False),
        lambda text: str(escape(text)),
        repr,
        lambda text: json.dumps({"body": html.escape(text)}),
    ],
)
def test_a_secret_is_found_in_urls_html_and_python(encode: Callable[[str], str]) -> None:
    shown = Redactor([ODD])(f"a {encode(ODD)} z")
    assert "***" in shown
    assert not any(part in shown for part in ("k3y", "val"))


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("secret", ["secret", "secret?", "secret>>", ODD, "two lines\nof a key"])
def test_a_secret_is_found_in_base64_also_after_a_name(encode: Callable[[bytes], bytes], secret: str) -> None:
    redact = Redactor([secret])
    for name in ("", "a", "ab", "abc"):
        for after in ("", ":", "::", ":::"):
            whole = encode(f"{name}{secret}{after}".encode()).decode()
            shown = redact(whole)
            assert "***" in shown
            # Up to two characters before it, and the padding and what follows after it.
            assert len(shown) - 3 <= len(encode(f"{name}{after}".encode())) + 4
            assert redact.longest >= len(whole) - len(shown) + 3


@pytest.mark.parametrize("password", ["dbPassw0rd", "db%2FPassw0rd", "s3cret:two"])
def test_the_password_of_a_url_is_a_secret_too(password: str) -> None:
    redact = Redactor([f"postgres://app:{password}@db.example.com/app"])
    assert redact(f"no {password} for app at db.example.com") == "no *** for app at db.example.com"
    assert redact("db/Passw0rd") == ("***" if "%" in password else "db/Passw0rd")


@pytest.mark.parametrize("text", ["app", "a@b", "http://[", "postgres://app:@db", "postgres://app@db.example.com"])
def test_what_has_no_password_is_redacted_as_a_whole_alone(text: str) -> None:
    assert Redactor([text])("app db.example.com") == "app db.example.com"


def test_a_secret_that_is_not_valid_unicode_is_found() -> None:
    assert Redactor(["secret\udcff\ud800"])("a secret\udcff\ud800") == "a ***"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/a.zip", "https://host/a.zip"),
        ("https://host/a.zip?X-Amz-Signature=secret#secret", "https://host/a.zip?…"),
        ("https://user:secret@host/a.zip", "https://…"),
        ("https://user:sec?ret@host/a.zip?a=secret@secret", "https://…"),
        ("git+https://secret@host/a.git", "git+https://…"),
        ("user:secret@host", "…"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@pytest.mark.parametrize("kind", [Job, CommandContext])
def test_no_text_of_an_object_has_the_variables_of_the_step(kind: type[Any]) -> None:
    """Secrets are among them."""
    [environ] = [field for field in fields(kind) if field.name == "environ"]
    assert not environ.repr
