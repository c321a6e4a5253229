"""The environment variables for AWS, proxies and certificates: tidied, and checked before anything is called.

boto3 and requests read them too, and their errors do not name them.
"""

import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from urllib.parse import urlsplit

from promote.core.errors import AccessError, InputError, ServiceError
from promote.core.redaction import without_secrets

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
CERTIFICATES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Files with the certificates of authorities, in the order in which they count for AWS."""

_TOKEN_FILE, _ROLE = "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_TIDIED = re.compile(r"AWS_\w+|(HTTPS?|ALL|NO)_PROXY|(REQUESTS|CURL)_CA_BUNDLE", re.IGNORECASE)

_IN_CONTAINER = (
    "The action runs in a container. It sees the workspace, RUNNER_TEMP and the home folder of the job, and no other "
    "folder of the runner. Write the file to one of them in a step before this one."
)
_STORE_AGAIN = "Store the secret again, on one line and without anything before or after it."
_CONFIGURE = "use aws-actions/configure-aws-credentials before this step, with permissions: id-token: write"


def tidy(environ: MutableMapping[str, str]) -> None:
    """Remove white space around the values of such variables, as around inputs. Remove variables that are then empty.

    An empty variable is a missing secret or an unset variable of the repository, and not a setting.
    """
    for name in [name for name in environ if _TIDIED.fullmatch(name)]:
        value = environ[name].strip()
        if value:
            environ[name] = value
        else:
            del environ[name]


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """Return the secrets in such variables, for the log."""
    secrets = [environ.get(name, "") for name in (*CREDENTIALS[1:], "AWS_CONTAINER_AUTHORIZATION_TOKEN")]
    for name in _proxies(environ):
        login = environ[name].rpartition("@")[0].rpartition("//")[2]  # user:password
        secrets += [login, login.partition(":")[2]]
    return secrets


def require_usable(environ: Mapping[str, str]) -> None:
    """Check the variables.

    Raises:
        InputError: github-token cannot be used.
        AccessError: Credentials, a token file or the ARN of a role cannot be used.
        ServiceError: A file of certificates, a proxy or the URL of an emulator cannot be used.

    """
    for name in CREDENTIALS:
        if problem := _not_one_line(environ.get(name, "")):
            raise AccessError(f"{name} contains {problem}", hint=f"{_STORE_AGAIN} Or {_CONFIGURE}.")
    if problem := _not_one_line(environ.get("INPUT_GITHUB-TOKEN", "").strip()):
        raise InputError("github-token", f"it contains {problem}", hint=_STORE_AGAIN)
    if not all(environ.get(name) for name in CREDENTIALS[:2]):
        _require_token_file(environ)
    for name in CERTIFICATES:
        if path := environ.get(name):
            _require_certificates(name, Path(path))
    for name in sorted(environ):
        if name.startswith("AWS_ENDPOINT_URL"):
            require_url(name, environ[name])
    for name in _proxies(environ):
        _require_proxy(name, environ[name])


def missing_credentials(environ: Mapping[str, str]) -> AccessError:
    """Return the error if boto3 finds no credentials."""
    id_, secret = (bool(environ.get(name)) for name in CREDENTIALS[:2])
    if id_ != secret:
        missing, other = CREDENTIALS[:2] if secret else CREDENTIALS[1::-1]
        return AccessError(
            f"there are no valid AWS credentials: {missing} is empty, and {other} is set",
            hint=f"Set both. A secret that does not exist, or that the job may not read, is empty. Or {_CONFIGURE}.",
        )
    return AccessError("there are no AWS credentials", hint=f"{_CONFIGURE[0].upper()}{_CONFIGURE[1:]}.")


def _not_one_line(secret: str) -> str:
    """Return why a secret cannot be a header of a request, or sign one; empty if it can. The text does not show it."""
    if "\n" in secret or "\r" in secret:
        return "a line break"
    if not secret.isascii():
        return "a character that is not ASCII, such as a typographic quote or an invisible space"
    return "" if secret.isprintable() else "a control character"


def _require_token_file(environ: Mapping[str, str]) -> None:
    """Check the file and the role of a web identity, if boto3 uses them: without a profile and without keys."""
    file, role = environ.get(_TOKEN_FILE), environ.get(_ROLE)
    if not file or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE"):
        return
    problem = _unreadable(Path(file))
    if not problem and not Path(file).read_bytes().strip():
        problem = "is empty"
    if problem:
        raise AccessError(
            f"{_TOKEN_FILE}: the file {file} {problem}",
            hint=f"{_CONFIGURE[0].upper()}{_CONFIGURE[1:]}, and unset {_TOKEN_FILE}. {_IN_CONTAINER}",
        )
    if not role:
        raise AccessError(
            f"{_ROLE} is empty, and {_TOKEN_FILE} is set",
            hint=f"Set {_ROLE} to the ARN of the role that the token is for, or unset {_TOKEN_FILE}.",
        )
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}", role):
        raise AccessError(
            f"{_ROLE}: {role!r} is not the ARN of a role", hint="Write it as arn:aws:iam::123456789012:role/release."
        )
    name = environ.get("AWS_ROLE_SESSION_NAME")
    if name and not re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII):
        raise AccessError(
            f"AWS_ROLE_SESSION_NAME: {name!r} is not a valid name",
            hint="Use 2 to 64 letters, digits and characters of _+=,.@-, or unset it.",
        )


def _require_certificates(name: str, path: Path) -> None:
    """Check that the file has certificates. A folder of certificates is only for requests, not for boto3."""
    problem = "" if path.is_dir() and not name.startswith("AWS_") else _unreadable(path)
    if not problem and path.is_file():
        import ssl  # noqa: PLC0415 - takes a while, and most runs have no bundle

        try:
            ssl.create_default_context(cafile=str(path))
        except (ssl.SSLError, ValueError):
            problem = "has no certificate in PEM format"
    if problem:
        raise ServiceError(
            f"{name}: the file {path} {problem}",
            hint=f"Set it to a file with the certificates of your proxy, or unset it. {_IN_CONTAINER}",
        )


def _unreadable(path: Path) -> str:
    """Return why the file cannot be read; empty if it can."""
    try:
        with path.open("rb"):
            return ""
    except FileNotFoundError:
        return "does not exist"
    except IsADirectoryError:
        return "is a folder"
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"


def require_url(name: str, value: str) -> None:
    """Check that a variable has an http(s) URL.

    Raises:
        ServiceError: It has not.

    """
    if not _is_url(value):
        raise ServiceError(
            f"{name}: {without_secrets(value)!r} is not a valid http(s) URL",
            hint="Set it to a URL such as http://localhost:4566, or unset it to use AWS.",
        )


def _proxies(environ: Mapping[str, str]) -> list[str]:
    return [name for name in sorted(environ) if name.upper() in _PROXIES and environ[name]]


def _require_proxy(name: str, value: str) -> None:
    """Check the URL of a proxy. The error does not show it, because it may contain a password."""
    scheme, separator, _ = value.partition("://")
    if separator and scheme.lower().startswith("socks"):
        problem = "it is a SOCKS proxy"
    elif not _is_url(value if separator else f"http://{value}"):
        problem = "it is not a valid URL"
    else:
        return
    raise ServiceError(
        f"the proxy in {name} cannot be used: {problem}",
        hint="Write it as http://host:3128, or as http://user:password@host:3128. Encode special characters of the "
        "password, such as %40 for @.",
    )


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and value.isprintable()
    except ValueError:
        return False
