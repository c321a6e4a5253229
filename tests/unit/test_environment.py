"""Variables of the environment: tidied, and checked."""

from pathlib import Path

import pytest

from promote.aws.clients import Clients
from promote.aws.errors import to_promote_error
from promote.core.environment import require_usable, secrets_in, tidy
from promote.core.errors import AccessError, PromoteError, ServiceError

KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}
ROLE = "arn:aws:iam::123456789012:role/release"


def test_values_are_stripped_like_inputs_and_empty_ones_are_no_settings() -> None:
    environ = {
        "AWS_SECRET_ACCESS_KEY": "secret\n",
        "AWS_REGION": " eu-west-1\t",
        "AWS_PROFILE": "",
        "AWS_CA_BUNDLE": " \n",
        "https_proxy": "http://proxy:3128\r\n",
        "NO_PROXY": "localhost ",
        "REQUESTS_CA_BUNDLE": "",
        "OTHER": " as it is\n",
        "MY_AWS_KEY": " as it is\n",
    }
    tidy(environ)
    assert environ == {
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
        "https_proxy": "http://proxy:3128",
        "NO_PROXY": "localhost",
        "OTHER": " as it is\n",
        "MY_AWS_KEY": " as it is\n",
    }


@pytest.mark.parametrize(
    "environ",
    [
        {},
        KEYS,
        {**KEYS, "AWS_SESSION_TOKEN": "a+b/c=="},
        {**KEYS, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"},
        {"AWS_PROFILE": "ci", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": __file__, "AWS_ROLE_ARN": ROLE},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": __file__, "AWS_ROLE_ARN": "arn:aws-us-gov:iam::123456789012:role/a/b+c"},
        {"REQUESTS_CA_BUNDLE": "/etc"},
        {"HTTPS_PROXY": "proxy:3128", "http_proxy": "http://me:a%40b@proxy", "NO_PROXY": "*"},
        {"AWS_ENDPOINT_URL": "http://[::1]:4566/"},
    ],
    ids=str,
)
def test_what_boto3_and_requests_can_use_is_accepted(environ: dict[str, str]) -> None:
    require_usable(environ)


@pytest.mark.parametrize(
    ("environ", "kind", "text"),
    [
        ({"AWS_ACCESS_KEY_ID": "AK\nIA"}, AccessError, "AWS_ACCESS_KEY_ID contains a line break"),
        ({"AWS_SECRET_ACCESS_KEY": "a\u200bb"}, AccessError, "AWS_SECRET_ACCESS_KEY contains a character"),
        ({"AWS_SESSION_TOKEN": "a\x07b"}, AccessError, "AWS_SESSION_TOKEN contains a control character"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/etc"}, AccessError, "the file /etc is a folder"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/a\0b"}, AccessError, "cannot be read"),
        (
            {"HTTPS_PROXY": "http://proxy:99999"},
            ServiceError,
            "the proxy in HTTPS_PROXY cannot be used: it is not a valid URL",
        ),
        ({"ALL_PROXY": "socks5h://proxy"}, ServiceError, "the proxy in ALL_PROXY cannot be used: it is a SOCKS proxy"),
        ({"AWS_ENDPOINT_URL_S3": "ftp://a"}, ServiceError, "AWS_ENDPOINT_URL_S3: 'ftp://a' is not a valid"),
        ({"AWS_ENDPOINT_URL": "//me:password@host"}, ServiceError, "AWS_ENDPOINT_URL: '…' is not a valid"),
    ],
    ids=str,
)
def test_anything_else_is_named(environ: dict[str, str], kind: type[PromoteError], text: str) -> None:
    with pytest.raises(kind, match=text):
        require_usable(environ)


def test_a_bundle_with_a_certificate_is_accepted() -> None:
    import certifi  # noqa: PLC0415 - requests has it

    require_usable({"AWS_CA_BUNDLE": certifi.where()})


def test_the_passwords_of_proxies_are_secrets() -> None:
    found = secrets_in(
        {"HTTPS_PROXY": "http://me:hunter22@proxy:1", "http_proxy": "you:other-one@proxy", "NO_PROXY": "a@b"}
    )
    assert {"me:hunter22", "hunter22", "you:other-one", "other-one"} <= set(found)
    assert "a" not in found


def test_the_variable_of_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEYS, "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere/token",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AccessError) as caught:
        Clients("eu-west-1", environ).resolve_region()
    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: " in str(caught.value)
    assert "/nowhere/token" in str(caught.value)
    assert caught.value.hint.startswith("Correct AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, or use")


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        ("credential_process = /nowhere/program", "the AWS credentials cannot be read: "),
        ("credential_process = /bin/false", "custom-process"),
        (f"role_arn = {ROLE}\nsource_profile = other", "source_profile"),
        ("aws_access_key_id = AKIA", "aws_secret_access_key"),
        (f"role_arn = {ROLE}\nweb_identity_token_file = /nowhere/token", "/nowhere/token"),
    ],
)
def test_a_profile_that_cannot_be_used_is_not_a_bug_of_the_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, text: str
) -> None:
    file = tmp_path / "config"
    file.write_text(f"[profile ci]\n{profile}\n")
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    environ = {"AWS_CONFIG_FILE": str(file), "AWS_PROFILE": "ci", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Exception, match=r"\w") as caught:
        Clients("eu-west-1", environ).resolve_region()
    explained = to_promote_error(caught.value)
    assert isinstance(explained, AccessError | ServiceError)
    assert text in str(explained)
    assert "bug" not in explained.hint
