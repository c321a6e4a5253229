"""Every input, wrong in every way that a user could get it wrong: one error that explains what to do, and no change."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from sandbox.client import Account, Sandbox
from tests.conftest import counting, make_inputs, make_runner
from tests.repository import commit, git
from tests.runner import INPUTS, REPOSITORY, Ended, Runner
from tests.world import FUNCTION, World
from tests.world import TABLE as LEDGER

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VARIABLE, TOKEN, KEY = "correct-horse-battery-staple", "ghs_0123456789abcdefghij", "the/secret/access/key+of+a+user"
"""Secrets of all cases, which no message may repeat."""
LOGIN = f"https://me:{VARIABLE}@example.com/a"

READS = re.compile(r"\w+\.(Get|List|Describe|Head|Query|Scan|BatchGet)")
LOCKED = ("dynamodb.UpdateItem",)
"""The writes of a run that ends while it holds the lock: it is acquired and released."""
ROLE = "arn:aws:sts::123456789012:assumed-role/deploy/GitHubActions"
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:hello"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/promote-on-success"
BUCKET, IMAGE = "builds", "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1"

Setup = Callable[[Path], object]
"""Creates what a case needs in the workspace."""


@dataclass(frozen=True)
class Fault:
    """AWS's response to each request of one operation."""

    operation: str
    code: str
    message: str
    status: int = 400


@dataclass(frozen=True)
class Case:
    """One mistake. ``inputs`` are the differences from valid inputs."""

    name: str
    inputs: Mapping[str, str]
    says: Sequence[str]
    """Words of the error's first line: what failed, and why."""
    do: Sequence[str]
    """Words of the other lines: what to do."""
    setup: Setup | None = None
    environ: Mapping[str, str | None] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    writes: Sequence[str] = ()
    """Calls that may have changed something."""


def one(
    name: str,
    value: str,
    *,
    says: str | Sequence[str],
    do: str | Sequence[str],
    why: str = "",
    setup: Setup | None = None,
    **others: str,
) -> Case:
    """Return a case of one wrong input, which the error names. ``others`` are inputs that it needs."""
    texts = [says] if isinstance(says, str) else list(says)
    inputs = {name: value, **{other.replace("_", "-"): text for other, text in others.items()}}
    title = f"{name}: {why or value[:30] or 'empty'}"
    return Case(title, inputs, (f"{name}: ", *texts), [do] if isinstance(do, str) else do, setup)


def denied(
    operation: str,
    action: str,
    resource: str,
    *,
    why: str = "",
    writes: Sequence[str] = (),
    setup: Setup | None = None,
    **inputs: str,
) -> Case:
    """Return a case of an action that AWS denies, with AWS's message."""
    message = (
        f"User: {ROLE} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    return Case(
        f"denied: {action}{why and ', '}{why}",
        {name.replace("_", "-"): text for name, text in inputs.items()},
        [f"AWS denies {action} on {resource}: "],
        [f"Allow {action} on {resource} in the policy of the role", "docs/iam-policy.json"],
        setup,
        faults=[Fault(operation, "AccessDeniedException", message, 400 if operation.startswith("dynamodb") else 403)],
        writes=writes,
    )


def answered(name: str, operation: str, code: str, message: str, *, says: str, do: str, **inputs: str) -> Case:
    """Return a case of an error that AWS responds with."""
    given = {other.replace("_", "-"): text for other, text in inputs.items()}
    return Case(name, given, [says], [do], faults=[Fault(operation, code, message, 403)])


def write(name: str, content: str | bytes = "") -> Setup:
    def make(workspace: Path) -> None:
        file = workspace / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


def link(name: str, target: str) -> Setup:
    def make(workspace: Path) -> None:
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).symlink_to(target)

    return make


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method, compresslevel=1) as sink:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            sink.writestr(entry, content, method)
    return target.getvalue()


def encrypted(workspace: Path) -> None:
    """Set the flag of encryption in both headers of the only entry (APPNOTE.TXT, 4.3.7 and 4.3.12)."""
    content = bytearray(zipped({"app.py": b"x"}))
    content[content.index(b"PK\x03\x04") + 6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (workspace / "code.zip").write_bytes(content)


def too_large(workspace: Path) -> None:
    (workspace / "code.zip").write_bytes(zipped({"app.py": bytes(51 << 20)}))


def too_large_unpacked(workspace: Path) -> None:
    (workspace / "code.zip").write_bytes(
        zipped({f"{part}.bin": bytes(63 << 20) for part in range(4)}, zipfile.ZIP_DEFLATED)
    )


def too_large_directory(workspace: Path) -> None:
    (workspace / "large").mkdir()
    with (workspace / "large" / "model.bin").open("wb") as sparse:
        sparse.truncate(251 << 20)


def changed(workspace: Path) -> None:
    """Write code that is not deployed yet."""
    file = workspace / "function" / "app.py"
    file.write_text(file.read_text() + "\n# changed\n")


NEW = {"function-name": "nobody"}
ADOPT = {"artifact": "", "runtime": "", "handler": "", "role": ""}


def cloned(workspace: Path) -> None:
    """Commit the workspace."""
    git(workspace, "init", "--quiet", "--initial-branch=main")
    commit(workspace, "first")


IDENTITY: Mapping[str, str | None] = {
    "AWS_ACCESS_KEY_ID": None,
    "AWS_SECRET_ACCESS_KEY": None,
    "AWS_WEB_IDENTITY_TOKEN_FILE": __file__,
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/release",
}
"""The variables of a web identity, whose token is checked before it is sent."""


def environment(name: str, variables: Mapping[str, str | None], *, says: str, do: str) -> Case:
    """Return a case of environment variables."""
    return Case(f"environment: {name}", {}, [says], [do], environ=variables)


CASES = [
    # --- what, where ---
    one("command", "deplyo", says="'deplyo' is not known", do=["Known are:", "run"]),
    one("command", "rnu", says="'rnu' is not known", do="Did you mean run?"),
    one("command", "unlcok", says="'unlcok' is not known", do="Did you mean unlock?"),
    one("command", "Lock", says="'Lock' is not known", do="Did you mean lock?"),
    one("command", "run\nrun", says="a line break", do="one line", why="two lines"),
    one("function-name", "", says="it is missing", do="name or ARN"),
    one("function-name", "my function", says="'my function' is neither", do="letters, digits, - and _"),
    one("function-name", "f" * 65, says="is neither a function's name nor its ARN", do="up to 64", why="too long"),
    one("function-name", "arn:aws:lambda:us-east-1:12:function:hello", says="is neither", do="arn:aws:lambda:"),
    one("function-name", "arn:aws:s3:::builds", says="is neither", do="arn:aws:lambda:", why="the ARN of a bucket"),
    one(
        "function-name",
        f"{LAMBDA}:7",
        says="':7', a version or an alias",
        do=f"Write {LAMBDA}: ",
        why="ARN of a version",
    ),
    one(
        "function-name",
        f"{LAMBDA}:prod",
        says="':prod', a version or an alias",
        do=f"Write {LAMBDA}: ",
        why="of an alias",
    ),
    one("function-name", "hello:prod", says="':prod', a version or an alias", do="Write hello: "),
    one("environment", "", says="it is missing", do="preprod or prod"),
    one("environment", "7", says="'7' is a number", do="such as preprod or prod"),
    one("environment", "pre prod", says="'pre prod' is not a valid alias name", do="letters, digits, - and _"),
    one("environment", "prod/eu", says="'prod/eu' is not a valid alias name", do="letters, digits, - and _"),
    one("environment", "$LATEST", says="'$LATEST' is not a valid alias name", do="letters, digits, - and _"),
    one("environment", "e" * 129, says="is not a valid alias name", do="up to 128", why="too long"),
    one("environment", "latest", says="the endpoint of $LATEST", do="such as preprod or prod"),
    one("environment", "Latest", says="the endpoint of $LATEST", do="such as preprod or prod"),
    *(
        Case(
            f"environment: of {command}",
            {"environment": "7", "command": command},
            ["environment: '7' is a number"],
            ["such as preprod or prod"],
        )
        for command in ("release-notes", "status")
    ),
    one("aws-region", "Frankfurt", says="'Frankfurt' is not a valid region", do="like eu-west-1"),
    one("aws-region", "eu_west_1", says="'eu_west_1' is not a valid region", do="like eu-west-1"),
    one("aws-region", "eu-wset-1", says="'eu-wset-1' is not a valid region of Lambda", do="Did you mean eu-west-1?"),
    one("latest-aliases", "nightly\na/b", says="'a/b' is not a valid alias name", do="one alias name per line"),
    one("latest-aliases", "preprod", says="it names preprod, the environment that", do="Remove the name", why="own"),
    one("aws-region", "mars-north-1", says="'mars-north-1' is not a valid region of Lambda", do="eu-west-1"),
    Case(
        "aws-region: contradicts the ARN",
        {"function-name": LAMBDA, "aws-region": "eu-west-1"},
        ["aws-region: it is eu-west-1", "the region of the function's ARN is us-east-1"],
        ["Leave aws-region empty"],
    ),
    Case(
        "aws-region: none anywhere",
        {"aws-region": ""},
        ["aws-region: it is empty, and no region is set in the environment"],
        ["Set aws-region", "configure-aws-credentials"],
        environ={"AWS_REGION": None, "AWS_DEFAULT_REGION": None},
    ),
    Case(
        "aws-region: the environment's is unknown",
        {"aws-region": ""},
        ["aws-region: 'us-esat-1' is not a valid region of Lambda, set by AWS_REGION"],
        ["Did you mean us-west-1?"],
        environ={"AWS_REGION": "us-esat-1"},
    ),
    # --- artifact ---
    one("artifact", "build/code.zip", says="'build/code.zip' does not exist", do="in a step before this one"),
    one("artifact", "a" * 300, says="aaa'", do="repository's root", why="too long a name"),
    one(
        "artifact",
        "code.zip",
        says="'code.zip' is not a valid .zip archive",
        do="zip -r",
        setup=write("code.zip", "text"),
        why="text",
    ),
    one(
        "artifact", "code.zip", says="is not a valid .zip archive", do="zip -r", setup=write("code.zip"), why="0 bytes"
    ),
    one(
        "artifact",
        "code.zip",
        why="truncated",
        says="'code.zip' is not a valid .zip archive",
        do="zip -r",
        setup=write("code.zip", zipped({"app.py": bytes(4096)})[:2048]),
    ),
    one(
        "artifact",
        "code.zip",
        why="damaged",
        says="'code.zip' is not a valid .zip archive",
        do="zip -r",
        setup=write("code.zip", zipped({"grüße.py": b""}).replace("ü".encode(), b"\xff\xff")),
    ),
    one("artifact", "code.zip", says="'code.zip' is encrypted", do="without a password", setup=encrypted, why="secret"),
    one(
        "artifact",
        "code.zip",
        says="contains no files",
        do="the build",
        setup=write("code.zip", zipped({})),
        why="no entry",
    ),
    one(
        "artifact",
        "code.zip",
        why="folders only",
        says="'code.zip' contains no files",
        do="the build",
        setup=write("code.zip", zipped({"a/": b"", "a/b/": b""})),
    ),
    one(
        "artifact",
        "code.zip",
        says=["51.0 MB", "50.0 MB directly"],
        do="artifact-bucket",
        setup=too_large,
        why="over 50 MB",
    ),
    one(
        "artifact",
        "code.zip",
        why="over 250 MB unpacked",
        says=["252.0 MB when unpacked", "250.0 MB"],
        do="container image",
        setup=too_large_unpacked,
    ),
    one("artifact", "large", says="250.0 MB", do="container image", setup=too_large_directory, why="a large directory"),
    one(
        "artifact",
        "dist",
        says="contains no files",
        do="before this one",
        setup=lambda at: (at / "dist").mkdir(),
        why="empty",
    ),
    one(
        "artifact",
        "dist",
        why="nothing but what is left out",
        says="contains no files",
        do="before this one",
        setup=write("dist/__pycache__/app.pyc"),
    ),
    one(
        "artifact",
        "dist",
        says="'app.py' is a broken link",
        do="Remove it",
        setup=link("dist/app.py", "x"),
        why="link",
    ),
    one(
        "artifact",
        "dist",
        why="a link to itself",
        says="'app.py' is a broken link",
        do="Remove it",
        setup=link("dist/app.py", "app.py"),
    ),
    one(
        "artifact",
        "dist",
        why="a link out of the workspace",
        says="the link 'hosts' leads out of the workspace",
        do="a copy of its target",
        setup=link("dist/hosts", "/etc/hosts"),
    ),
    one(
        "artifact",
        "dist",
        why="itself a link out of the workspace",
        says="'dist' lies outside the workspace",
        do="relative to its root",
        setup=link("dist", "/etc"),
    ),
    one(
        "artifact",
        "dist",
        why="only an archive",
        says="'dist' has only the archive 'code.zip'",
        do="Set artifact to dist/code.zip",
        setup=write("dist/code.zip", zipped({"app.py": b""})),
    ),
    one(
        "artifact",
        "dist",
        why="a pointer of Git LFS",
        says="'model.bin' in 'dist' is a pointer of Git LFS",
        do="lfs: true",
        setup=write(
            "dist/model.bin", f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1234\n"
        ),
    ),
    Case(
        "artifact: a bootstrap that is not executable",
        {"artifact": "code.zip", "runtime": "provided.al2023"},
        ["artifact: bootstrap is not executable, so Lambda cannot start it"],
        ["Set artifact to the directory", "chmod 755"],
        setup=write("code.zip", zipped({"bootstrap": b"#!/bin/sh\n"})),
    ),
    one("artifact", "*.zip", says="'*.zip' matches nothing", do="in a step before this one", why="a pattern"),
    one("artifact", "funktion", says="'funktion' does not exist", do="Did you mean function?", why="a similar path"),
    one("artifact", "public.ecr.aws/team/app:1", says="is not in a private registry of ECR", do="Push the image"),
    one("artifact", "itself", says="'itself' does not exist", do="repository's root", setup=link("itself", "itself")),
    one("artifact", "../other", says="'../other' lies outside the workspace", do="relative to its root"),
    one("artifact", "/etc/hosts", says="'/etc/hosts' lies outside the workspace", do="relative to its root"),
    one("artifact", "function\tdist", says="a control character", do="one line", why="a tab"),
    one("artifact", "s3://builds", says="'s3://builds' is not a valid S3 URI", do="s3://bucket/key"),
    one("artifact", "s3://builds/", says="'s3://builds/' is not a valid S3 URI", do="s3://bucket/key"),
    one("artifact", "s3://My Builds/a.zip", says="is not a valid S3 URI", do="s3://bucket/key"),
    one("artifact", f"s3://{BUCKET}/none.zip", says="s3://builds/none.zip does not exist", do="before this one"),
    one("artifact", "s3://no-such-bucket/a.zip", says="s3://no-such-bucket/a.zip does not exist", do="before this one"),
    one("artifact", f"s3://{BUCKET}/text", says="is not a valid .zip archive", do="zip -r"),
    one("artifact", "https://example.com/a.zip", says="an unknown scheme", do="s3://bucket/key"),
    one(
        "artifact",
        LOGIN,
        says="'https://…' has an unknown scheme",
        do="s3://bucket/key",
        why="a URL with a password",
    ),
    one(
        "artifact",
        f"https://example.com/a.zip?X-Amz-Signature={VARIABLE}",
        says="'https://example.com/a.zip?…' has an unknown scheme",
        do="s3://bucket/key",
        why="a presigned URL",
    ),
    one("artifact", "arn:aws:s3:::bucket/key.zip", says="an unknown scheme", do="s3://bucket/key"),
    one("artifact", "docker://app:1", says="an unknown scheme", do="an image in ECR"),
    one(
        "artifact", IMAGE.rpartition(":")[0], says="is not a valid image URI with a tag or", do="@sha256:", why="no tag"
    ),
    one("artifact", f"{IMAGE}@sha256:12", says="is not a valid image URI", do="@sha256:", why="half a digest"),
    one("artifact", IMAGE[3:], says="is not a valid image URI", do="123456789012.dkr.ecr", why="half an account"),
    Case(
        "artifact: an image for a function of .zip",
        {"artifact": IMAGE, "runtime": "", "handler": ""},
        ["artifact: it is a container image, but the function uses a .zip"],
        ["another function-name"],
    ),
    Case(
        "artifact: a directory for a function of an image",
        {"function-name": "pictures", "runtime": "", "handler": ""},
        ["artifact: it is a .zip, but the function uses a container image"],
        ["another function-name"],
    ),
    # --- configuration ---
    one("handler", "app handler", says="'app handler' is not a valid handler", do="like app.handler"),
    one("handler", "h" * 129, says="is not a valid handler", do="like app.handler", why="too long"),
    one("handler", "app", says="'app' is not a valid handler", do="app.handler"),
    Case(
        "handler: not in the archive",
        {"handler": "main.handler"},
        ["artifact: the handler main.handler needs main.py"],
        ["correct the input handler"],
    ),
    Case(
        "handler: the function's own is not in the archive",
        {"artifact": "code.zip", "handler": "", "runtime": ""},
        ["artifact: the handler app.handler needs app.py"],
        ["the directory that contains that file"],
        setup=write("code.zip", zipped({"function/app.py": b""})),
    ),
    Case(
        "handler: of an image",
        {"artifact": IMAGE, "function-name": "pictures", "runtime": ""},
        ["handler: the function is a container image"],
        ["Leave handler and runtime empty"],
    ),
    one("runtime", "Python 3.13", says="'Python 3.13' is not a valid Lambda runtime", do="like python3.13"),
    one(
        "runtime",
        "python9.9",
        says="'python9.9' is not a Lambda runtime",
        do=["Did you mean python3.9?", "update the action"],
    ),
    Case(
        "runtime: of a new function",
        {**NEW, "runtime": "nodejs99.x"},
        ["runtime: 'nodejs99.x' is not a Lambda runtime"],
        ["Did you mean nodejs"],
    ),
    one("runtime", "3.13", says="'3.13' is not a valid Lambda runtime", do="like python3.13"),
    Case(
        "runtime: of an image",
        {"artifact": IMAGE, "function-name": "pictures", "handler": ""},
        ["runtime: the function is a container image"],
        ["Leave handler and runtime empty"],
    ),
    one("role", "deploy", says="'deploy' is not the ARN of a role", do="arn:aws:iam::123456789012:role/"),
    one("role", "arn:aws:iam::123456789012:user/me", says="is not the ARN of a role", do=":role/", why="a user's ARN"),
    one("role", "arn:aws:iam::1234:role/me", says="is not the ARN of a role", do=":role/", why="half an account"),
    one("memory-size", "lots", says="'lots' is not a whole number of MB from 128 to 10240", do="leave it empty"),
    one("memory-size", "64", says="'64' is not a whole number of MB from 128", do="leave it empty"),
    one("memory-size", "20480", says="'20480' is not a whole number of MB", do="leave it empty"),
    one("memory-size", "512.5", says="'512.5' is not a whole number", do="leave it empty"),
    one("memory-size", "9" * 5000, says="is not a whole number of MB", do="leave it empty", why="5000 digits"),
    one("timeout", "0", says="'0' is not a whole number of seconds from 1 to 900", do="leave it empty"),
    one("timeout", "901", says="'901' is not a whole number of seconds", do="leave it empty"),
    one("timeout", "1m", says="'1m' is not a whole number of seconds", do="leave it empty"),
    one("environment-variables", "A=b", says="it is not JSON", do="a JSON object of strings"),
    one(
        "environment-variables", '{"API_KEY": "' + VARIABLE, says="it is not JSON", do="a JSON object", why="half of it"
    ),
    one("environment-variables", f'["{VARIABLE}"]', says="it is a JSON array", do="a JSON object", why="an array"),
    one("environment-variables", f'"{VARIABLE}"', says="it is a JSON string", do="a JSON object", why="a string"),
    one("environment-variables", '{"A_": "1", "A_": "2"}', says="the key 'A_' is repeated", do="a JSON object"),
    one("environment-variables", "null", says="it is JSON null", do="a JSON object of strings"),
    one("environment-variables", "[" * 90000, says="nested too deeply", do="a JSON object of strings", why="deep"),
    one("environment-variables", '{"DEBUG": true}', says="the value of DEBUG is a JSON boolean", do='in "quotes"'),
    one("environment-variables", '{"PORT": 80}', says="the value of PORT is a JSON number", do='in "quotes"'),
    one("environment-variables", '{"PORT": null}', says="the value of PORT is JSON null", do='in "quotes"'),
    one("environment-variables", '{"A_": {"B": "c"}}', says="the value of A_ is a JSON object", do='in "quotes"'),
    one("environment-variables", '{"AWS_REGION": "x"}', says="AWS_REGION is set by Lambda", do="another name"),
    one("environment-variables", '{"MY-KEY": "x"}', says="'MY-KEY' is not a valid name", do="begin with a letter"),
    one("environment-variables", '{"_KEY": "x"}', says="'_KEY' is not a valid name", do="begin with a letter"),
    one("environment-variables", '{"KEY": "\\ud800"}', says="the value of KEY", do="Unicode", why="half a character"),
    one(
        "environment-variables",
        json.dumps({"KEY": VARIABLE + "x" * 4096}),
        why="over 4 KB",
        says="bytes as JSON, and Lambda accepts 4096",
        do="Secrets Manager",
    ),
    one(
        "environment-variables",
        json.dumps({"KEY": "x" * 4070}),
        why="over 4 KB with what the function has",
        says=["bytes as JSON, and Lambda accepts 4096", "the function's existing variables"],
        do="Secrets Manager",
    ),
    # --- endpoints ---
    one("endpoints", "https", says="'https' is not known", do="Did you mean http?"),
    one("endpoints", "true", says="'true' is not known", do="http, none"),
    one("latest-url", "api.example.com", says="is not an http(s) URL", do="https://host/path"),
    one("latest-url", "ftp://api.example.com", says="is not an http(s) URL", do="https://host/path"),
    one("latest-url", "https://api.example.com?stage=a", says="is not an http(s) URL", do="https://host/path"),
    one("latest-url", "https://api.example.com:port", says="is not an http(s) URL", do="https://host/path"),
    one("latest-url", "https://api.example.com:99999", says="is not an http(s) URL", do="https://host/path"),
    one("latest-url", "http://a..b", says="is not an http(s) URL", do="https://host/path"),
    one(
        "latest-url",
        f"https://me:{VARIABLE}@example.com",
        says="is not an http(s) URL",
        do="https://host/path",
        why="user",
    ),
    one("environment-url", "api.example.com", says="is not an http(s) URL", do="https://host/path"),
    one("environment-url", "https://api example.com", says="is not an http(s) URL", do="https://host/path"),
    one(
        "environment-url", "https://a.example.com", says="combined with domain-name", do="Use", domain_name="b.example"
    ),
    one("domain-name", "https://api.example.com", says="is not a valid domain name", do="without https://"),
    one("domain-name", "localhost", says="'localhost' is not a valid domain name", do="like api.example.com"),
    one("domain-name", "api_1.example.com", says="is not a valid domain name", do="like api.example.com"),
    one("domain-name", "api.example.com", says="no custom domain api.example.com", do="create-domain-name"),
    one(
        "domain-name",
        "api.example.com",
        says="endpoints: none",
        do="Remove endpoints: none",
        endpoints="none",
        checks="",
        invoke="event.json",
        setup=write("event.json", "{}"),
        why="with endpoints: none",
    ),
    one("base-path", "hello", says="without domain-name", do="Add domain-name"),
    one(
        "base-path",
        "he llo",
        says="'he llo' is not a valid base path",
        do="between slashes",
        domain_name="api.example.com",
    ),
    one(
        "base-path", "a//b", says="'a//b' is not a valid base path", do="between slashes", domain_name="api.example.com"
    ),
    # --- verification ---
    one("checks", "", says="there is nothing to verify", do="GET /health 200"),
    one("checks", "# GET /health", says="there is nothing to verify", do="GET /health 200"),
    one(
        "checks", "GET /health", says="endpoints is none", do="verify with invoke", endpoints="none", why="no endpoint"
    ),
    one("checks", "GET /\n\nFETCH /", says="line 3: 'FETCH' is not an HTTP method", do="METHOD PATH"),
    one("checks", "# one\nget /", says=["line 2: 'get' is not an HTTP method", "did you mean GET?"], do="METHOD PATH"),
    one("checks", "/health", says="line 1: '/health' is not an HTTP method", do="METHOD PATH"),
    one("checks", "GET", says="line 1: the path is missing", do="METHOD PATH"),
    one("checks", "GET health", says="line 1: the path 'health' must begin with /", do="METHOD PATH"),
    one("checks", "GET https://example.com/", says="line 1: the path", do="METHOD PATH"),
    one("checks", "GET /grüße", says=["line 1: the path '/grüße'", "ASCII"], do="percent-encode"),
    one("checks", "GET /docs#top", says=["line 1: the path '/docs#top'", "#"], do="METHOD PATH"),
    one("checks", "GET / 200\nGET / 99", says="line 2: 99 is not a valid HTTP status", do="from 100 to 599"),
    one("checks", "GET / 600", says="line 1: 600 is not a valid HTTP status", do="from 100 to 599"),
    one("checks", "GET / " + "9" * 5000, says="line 1: ", do="from 100 to 599", why="a status of 5000 digits"),
    one("checks", "GET / 200 status = 'ok'", says=["line 1:", "does not compile: ", "'='"], do="single quotes"),
    one("checks", "GET / 200\nGET / items[", says=["line 2:", "does not compile"], do="jmespath.org"),
    one("checks", "GET / 2xx", says=["line 1:", "'2xx' does not compile"], do="jmespath.org"),
    one("checks", "GET / " + "(" * 5000, says="line 1: ", do="jmespath.org", why="deep"),
    one("checks", "GET / lenght(@) > `0`", says=["line 1:", "lenght()", "length()?"], do="jmespath.org"),
    one("checks", "GET / &status", says="line 1: ", do="jmespath.org"),
    one("checks", "GET / not_null(&status)", says=["line 1: ", "a reference"], do="jmespath.org"),
    one("checks", "GET / keys(@)[::0]", says=["line 1: ", "step of a slice cannot be 0"], do="jmespath.org"),
    one("checks", "HEAD / status == 'ok'", says=["line 1:", "HEAD", "no body"], do="GET"),
    one("checks", 'GET /health 200 status != "error"', says="compares with a field", do="single quotes: 'error'"),
    one("checks", "GET /health 200 ok == true", says="compares with a field", do="backticks: `true`"),
    one("invoke", 'event.json status != "error"', says="compares with a field", do="single quotes: 'error'"),
    one("invoke", "event.json status ==", says=["line 1:", "does not compile"], do="jmespath.org"),
    one("invoke", "\nevent.json", says="'event.json' does not exist", do="repository's root"),
    one("invoke", "../event.json", says="'../event.json' lies outside the workspace", do="relative to its root"),
    one("invoke", "event.json", says="is not JSON", do="Correct the file", setup=write("event.json", "{"), why="half"),
    one("invoke", "event.json", says="is not JSON", do="Correct", setup=write("event.json", b"\xff\xff"), why="bytes"),
    one("invoke", "event.json", says="is not JSON", do="Correct", setup=write("event.json", "[" * 99999), why="deep"),
    one("invoke", "function", says="'function' does not exist", do="repository's root", why="a directory"),
    one("verify-timeout", "soon", says="'soon' is not a number of minutes", do="like 10, which is the default"),
    one(
        "verify-timeout",
        "0",
        says="'0' is not a number of minutes from 0.01 to 360",
        do="like 10, which is the default",
    ),
    one("verify-timeout", "361", says="'361' is not a number of minutes", do="like 10, which is the default"),
    one("settle-time", "2s", says="'2s' is not a number of seconds from 0 to 60", do="like 2, which is the default"),
    one("settle-time", "61", says="'61' is not a number of seconds", do="like 2, which is the default"),
    Case(
        "settle-time: without an endpoint",
        {"settle-time": "5", "checks": "", "invoke": "event.json statusCode == `200`"},
        ["settle-time: it has no effect, because nothing is verified at the endpoint of $LATEST"],
        ["Remove settle-time"],
        write("event.json", "{}"),
    ),
    Case(
        "settle-time: a version",
        {"settle-time": "5", "isolation": "version"},
        ["it has no effect with isolation: version"],
        ["Remove settle-time"],
    ),
    # --- lock, table, others ---
    one("table", "my table", says="'my table' is not a valid DynamoDB table name", do="3 to 255"),
    one("table", "ab", says="'ab' is not a valid DynamoDB table name", do="3 to 255"),
    one("table", "t" * 256, says="is not a valid DynamoDB table name", do="3 to 255", why="too long"),
    *(
        Case(f"table: {name}", {"table": name}, [f"The keys of the table {name} are not pk and sk"], ["input table"])
        for name in ("no-sort-key", "other-names", "number-keys")
    ),
    one("lock-timeout", "-1", says="'-1' is not a number of minutes from 0 to 360", do="like 30, which is the default"),
    one("lock-timeout", "1h", says="'1h' is not a number of minutes", do="like 30, which is the default"),
    one("lease", "0", says="'0' is not a number of seconds from 1 to 21600", do="like 30, which is the default"),
    one("lease", "0.5", says="'0.5' is not a number of seconds from 1", do="like 30, which is the default"),
    one("lease", "21601", says="'21601' is not a number of seconds", do="like 30, which is the default"),
    one("lease", "-30", says="'-30' is not a number of seconds", do="like 30, which is the default"),
    one(
        "lease", "6h", says="'6h' is not a number", do="like 3600, which is the default", why="of lock", command="lock"
    ),
    one("lease", "ten", says="'ten' is not a number of seconds", do="like 30, which is the default"),
    one("lease", "1e3", says="'1e3' is not a number of seconds", do="like 30, which is the default"),
    one(
        "tests", "tests/nowhere", says="does not exist in the workspace", do="start at the repository's root", checks=""
    ),
    one("test-command", "# ./smoke.sh", says="it has no command", do="python3 smoke.py", why="a comment"),
    one("test-command", "set -e\n\n# later\n:", says="it has no command", do="python3 smoke.py", why="no command"),
    one("tests", "function -k 'half", says="it cannot be split into arguments", do="Close the quotes", checks=""),
    one("tests-requirements", "r.txt", says="it has no effect without tests", do="Add tests"),
    one("tests", LOGIN, says=["'https:/", "…'"], do="repository", why="a URL with a password"),
    one("tests-requirements", LOGIN, says=["'https:/", "…'"], do="repository", why="a password", tests="function"),
    one("release-notes-template", LOGIN, says=["'https:/", "…'"], do="repository", why="a URL with a password"),
    one("invoke", LOGIN, says=["'https:/", "…'"], do="repository", why="a URL with a password", checks=""),
    one("application", LOGIN, says=["'https:/", "…'"], do="repository", why="a password", function_name=""),
    one("function-name", f"hello {LOGIN}", says="'…' is neither", do="A name has"),
    one(
        "tests-requirements",
        "nowhere.txt",
        says="the file 'nowhere.txt' does not exist in the workspace",
        do="start at the repository's root",
        tests="function",
    ),
    one(
        "test-environment",
        "API_KEY=s3cr3t-value",
        says="'API_KEY' has a value",
        do="Write only names",
        test_command="true",
    ),
    one("isolation", "versions", says="'versions' is not known", do=["Did you mean version?", "latest, version"]),
    one(
        "candidate",
        "7",
        says="'7' is not a candidate",
        do="Pass the output unchanged",
        command="promote",
        checks="",
        artifact="",
    ),
    one(
        "job-status",
        "success\nfailure",
        says="a line break",
        do="one line",
        why="two lines",
        command="promote",
        candidate=f"7@{'a' * 64}@{'0' * 12}",
    ),
    one("from", "7", says="'7' is a number", do="Use a name such as preprod", command="promote"),
    one("version", "$LATEST", says="'$LATEST' is not a version number", do="such as 7", command="promote"),
    one("override", "yes", says="'yes' is neither true nor false", do="Write true or false", command="promote"),
    one("queue", "newset", says="'newset' is not known", do=["Did you mean newest?", "newest, fifo"]),
    one("queue", "fifo", says="no effect with command: promote", do="order of arrival", command="promote"),
    one("queue", "max", says="'max' is not known", do="Known are: newest, fifo"),
    one("diverged", "refused", says="'refused' is not known", do=["Did you mean refuse?", "promote, refuse"]),
    one("diverged", "true", says="'true' is not known", do="Known are: promote, refuse"),
    one("commit", "abc1234", says="'abc1234' is not a full commit SHA", do="40 or 64 hexadecimal digits"),
    one("commit", "0" * 40, says="is not a commit: git uses it for a missing commit", do="git rev-parse HEAD"),
    one("commit", "main", says="'main' is not a full commit SHA", do="git rev-parse HEAD"),
    one(
        "commit", "a" * 40, says="the clone that holds the artifact is at", do="ref: at actions/checkout", setup=cloned
    ),
    one("reason", "", says="it is missing", do="Write the reason", command="unlock"),
    one("reason", " \t ", says="it is missing", do="Write the reason", why="blank", command="unlock"),
    one("reason", "it is\nstuck", says="a line break", do="one line", why="two lines", command="unlock"),
    one("github-token", f"{TOKEN}\n{TOKEN}", says="a line break", do="one line", why="two lines"),
    # --- release notes
    one(
        "release-notes-path",
        "/etc/passwd",
        says="not the path of a file in the repository",
        do="from the repository's root",
    ),
    one(
        "release-notes-path",
        "../notes.md",
        says="not the path of a file in the repository",
        do="from the repository's root",
    ),
    one(
        "release-notes-path",
        ".git/config",
        says="not the path of a file in the repository",
        do="from the repository's root",
    ),
    one(
        "release-notes-template",
        "/n.jinja",
        says="not the path of a file in the repository",
        do="from the repository's root",
    ),
    one("release-notes-template", "notes.jinja", says="is not there", do="check the repository out"),
    one(
        "release-notes-template",
        "notes.jinja",
        why="a folder",
        says="notes.jinja",
        do="",
        setup=write("notes.jinja/inner", ""),
    ),
    one(
        "release-notes-template",
        "notes.jinja",
        why="syntax error",
        says=("line 2", "endfor"),
        do="docs/release-notes.md",
        setup=write("notes.jinja", "# {{ version }}\n{% for section in sections %}\n"),
    ),
    one(
        "release-notes-template",
        "notes.jinja",
        why="leads out of the repository",
        says="notes.jinja",
        do="",
        setup=link("notes.jinja", "/etc/hostname"),
    ),
    one("publish-release", "yes", says="'yes' is neither", do="true or false", command="release-notes"),
    one(
        "publish-release",
        "true",
        why="without a tag",
        says="there is no tag to publish a release of",
        do=["on: push: tags", "input tag"],
        command="release-notes",
    ),
    one("tag", "a..b", says="not a valid name of a git tag", do="v1.2.0", command="release-notes"),
    one("tag", "v1 .0", says="not a valid name of a git tag", do="v1.2.0", command="release-notes"),
    one("tag", "v9.9.9", says="there is no tag 'v9.9.9'", do="fetch-depth: 0", command="release-notes"),
    one("github-deployments", "no", says="'no' is neither true nor false", do="true or false"),
    Case(
        "release-notes: of what",
        {"command": "release-notes", "environment": ""},
        ["environment: it is missing, and the workflow does not run for a tag"],
        ["Name the environment"],
    ),
    Case(
        "release-notes: nothing was promoted",
        {"command": "release-notes", "environment": "prod"},
        ["environment: nothing has been promoted to prod of hello yet"],
        ["command: status"],
    ),
    one("keep-versions", "0", says="'0' is not a whole number of versions from 1 to 10000", do="empty to delete none"),
    one("keep-versions", "all", says="'all' is not a whole number of versions", do="empty to delete none"),
    one("keep-versions", "2.5", says="'2.5' is not a whole number of versions", do="empty to delete none"),
    one("keep-versions", "-1", says="'-1' is not a whole number of versions", do="empty to delete none"),
    # --- several functions; more of them in test_manifest.py ---
    one("application", "other.yml", says="cannot be combined with function-name", do="in only one of them"),
    one("application", "gone.yml", says="'gone.yml' does not exist", do="the repository's root", function_name=""),
    one(
        "application",
        "p.yml",
        why="unknown key",
        says="p.yml:2: functions.hello.memory is not known",
        do="Did you mean memory-size?",
        setup=write("p.yml", "functions:\n  hello: {memory: 512}\n"),
        function_name="",
    ),
    one(
        "application",
        "p.yml",
        why="wrong type",
        says="p.yml:2: functions.hello.timeout: it must be a whole number from 1 to 900, and it is a list",
        do="",
        setup=write("p.yml", "functions:\n  hello: {timeout: [3]}\n"),
        function_name="",
    ),
    one(
        "function-name",
        "hello = function\nhello = function",
        why="twice",
        says="line 2: the function hello is listed twice, first in line 1",
        do="Remove one of them",
        artifact="",
    ),
    one(
        "function-name",
        "hello\n= function",
        why="no name",
        says="line 2: the artifact 'function' has no function",
        do="name",
    ),
    one("allow-pull-requests", "yes", says="'yes' is neither true nor false", do="true or false"),
    one("dry-run", "yes", says="'yes' is neither true nor false", do="true or false"),
    one("dry-run", "1", says="'1' is neither true nor false", do="true or false"),
    one("apply", "yes", says="'yes' is neither true nor false", do="true or false", command="adopt"),
    one("undo", "yes", says="'yes' is neither true nor false", do="true or false", command="adopt"),
    # --- the function ---
    Case(
        "function missing",
        {**NEW, "role": "", "runtime": "", "handler": ""},
        ["The function nobody does not exist", "role, runtime and handler would be needed"],
        ["Correct function-name or aws-region", "add role, runtime and handler"],
    ),
    Case(
        "function missing, no handler",
        {**NEW, "handler": ""},
        ["The function nobody does not exist", "handler would be needed"],
        ["add handler."],
    ),
    Case(
        "function missing, from an image",
        {**NEW, "artifact": IMAGE, "role": "", "runtime": "", "handler": ""},
        ["The function nobody does not exist", "role would be needed"],
        ["add role."],
    ),
    Case(
        "function missing, and nothing to adopt",
        {**NEW, **ADOPT},
        ["The function nobody does not exist in us-east-1", "nothing to adopt"],
        ["set artifact, role, runtime and handler"],
    ),
    # --- credentials ---
    Case(
        "credentials missing",
        {},
        ["There are no AWS credentials"],
        ["configure-aws-credentials", "id-token: write"],
        environ={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
    ),
    Case(
        "credentials in part",
        {},
        ["There are no valid AWS credentials", "AWS_SECRET_ACCESS_KEY is empty, and AWS_ACCESS_KEY_ID is set"],
        ["configure-aws-credentials", "A secret that does not exist"],
        environ={"AWS_SECRET_ACCESS_KEY": " \n"},
    ),
    Case(
        "credentials of a profile that is not there",
        {},
        ["There are no valid AWS credentials", "AWS_PROFILE names 'no-such-profile'"],
        ["configure-aws-credentials", "~/.aws/config"],
        environ={"AWS_PROFILE": "no-such-profile"},
    ),
    environment(
        "a line break in the key",
        {"AWS_SECRET_ACCESS_KEY": KEY[:20] + "\n" + KEY[20:]},
        says="AWS_SECRET_ACCESS_KEY contains a line break",
        do="Store the secret again",
    ),
    environment(
        "a line break in the token",
        {"AWS_SESSION_TOKEN": f"{KEY}\r\n{KEY}"},
        says="AWS_SESSION_TOKEN contains a line break",
        do="Store the secret again",
    ),
    environment(
        "a quote in the key",
        {"AWS_ACCESS_KEY_ID": "\N{LEFT DOUBLE QUOTATION MARK}AKIA"},
        says="AWS_ACCESS_KEY_ID contains a character that is not ASCII",
        do="Store the secret again",
    ),
    environment(
        "a tab in the key",
        {"AWS_SECRET_ACCESS_KEY": f"{KEY}\t{KEY}"},
        says="AWS_SECRET_ACCESS_KEY contains a control character",
        do="Store the secret again",
    ),
    Case(
        "a line break in the token of GitHub",
        {"github-token": f"{TOKEN}\n{TOKEN}"},
        ["github-token: it contains a line break"],
        ["Write it on one line"],
    ),
    environment(
        "no token file",
        {**IDENTITY, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token"},
        says="AWS_WEB_IDENTITY_TOKEN_FILE: the file /nowhere/token does not exist",
        do="configure-aws-credentials",
    ),
    environment(
        "an empty token file",
        {**IDENTITY, "AWS_WEB_IDENTITY_TOKEN_FILE": os.devnull},
        says="AWS_WEB_IDENTITY_TOKEN_FILE: the file /dev/null is empty",
        do="configure-aws-credentials",
    ),
    environment(
        "no role for the token",
        {**IDENTITY, "AWS_ROLE_ARN": ""},
        says="AWS_ROLE_ARN is empty, and AWS_WEB_IDENTITY_TOKEN_FILE is set",
        do="the ARN of the role",
    ),
    environment(
        "no ARN of a role",
        {**IDENTITY, "AWS_ROLE_ARN": "release"},
        says="AWS_ROLE_ARN: 'release' is not the ARN of a role",
        do="arn:aws:iam::123456789012:role/release",
    ),
    environment(
        "no session name",
        {**IDENTITY, "AWS_ROLE_SESSION_NAME": "x"},
        says="AWS_ROLE_SESSION_NAME: 'x' is not a valid name",
        do="2 to 64 letters",
    ),
    *(
        environment(f"{name}: {why}", {name: value}, says=f"{name}: the file {value} {why}", do="runs in a container")
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        for value, why in (("/nowhere/ca.pem", "does not exist"), (__file__, "has no certificate in PEM format"))
    ),
    environment(
        "a folder of certificates",
        {"AWS_CA_BUNDLE": "/etc"},
        says="AWS_CA_BUNDLE: the file /etc is a folder",
        do="runs in a container",
    ),
    environment(
        "a proxy without a host",
        {"HTTPS_PROXY": f"http://me:{KEY}@"},
        says="The proxy in HTTPS_PROXY cannot be used: it is not a valid URL",
        do="http://host:3128",
    ),
    environment(
        "a SOCKS proxy",
        {"http_proxy": "socks5://127.0.0.1:1080"},
        says="The proxy in http_proxy cannot be used: it is a SOCKS proxy",
        do="http://host:3128",
    ),
    environment(
        "an emulator's port that is not one",
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:x"},
        says="AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:x' is not a valid http(s) URL",
        do="http://",
    ),
    environment(
        "an AWS configuration that cannot be read",
        {"AWS_CONFIG_FILE": __file__},
        says=f"AWS_CONFIG_FILE: the AWS configuration file {__file__} cannot be read",
        do="[section]",
    ),
    answered(
        "a clock that is wrong",
        "lambda.*",
        "InvalidSignatureException",
        "Signature expired: 20261201T000000Z is now earlier than 20261201T001500Z (20261201T002000Z - 5 min.)",
        says="The clock of the runner is wrong",
        do="NTP",
    ),
    answered(
        "a clock that is wrong, at S3",
        "s3.*",
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        says="The clock of the runner is wrong",
        do="NTP",
        artifact="s3://builds/text",
    ),
    Case(
        "code without a signature",
        {},
        ["the code has no valid signature, and the function requires one"],
        ["AWS Signer"],
        changed,
        faults=[
            Fault(
                "lambda.UpdateFunctionCode",
                "CodeVerificationFailedException",
                "The code signature failed one or more of the validation checks",
            )
        ],
        writes=LOCKED,
    ),
    answered(
        "credentials expired",
        "lambda.*",
        "ExpiredTokenException",
        "The security token included in the request is expired",
        says="The AWS credentials have expired (GetFunctionConfiguration: ",
        do="role-duration-seconds",
    ),
    answered(
        "credentials expired, at S3",
        "s3.*",
        "ExpiredToken",
        "The provided token has expired.",
        says="The AWS credentials have expired (GetObject: ",
        do="role-duration-seconds",
        artifact="s3://builds/text",
    ),
    answered(
        "credentials unknown",
        "lambda.*",
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        says="The AWS credentials are not valid (GetFunctionConfiguration: ",
        do="OIDC",
    ),
    answered(
        "credentials unknown, at S3",
        "s3.*",
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
        says="The AWS credentials are not valid (GetObject: ",
        do="OIDC",
        artifact="s3://builds/text",
    ),
    Case(
        "no emulator's URL",
        {},
        ["AWS_ENDPOINT_URL", "'localhost:4566' is not a valid http(s) URL"],
        ["http://"],
        environ={"AWS_ENDPOINT_URL": "localhost:4566"},
    ),
    # --- a bucket for large archives ---
    one("artifact-bucket", "My Builds", says="'My Builds' is not a valid S3 bucket", do="such as my-builds"),
    one("artifact-bucket", "arn:aws:s3:::builds", says="'arn:aws:s3:::builds' is not a valid S3 bucket", do="its name"),
    one("artifact-bucket", "builds//a", says="'builds//a' is not a valid S3 bucket", do="my-builds/some/folder"),
    one("artifact-bucket", "b" * 64, says="is not a valid S3 bucket", do="its name", why="64 characters"),
    one(
        "artifact-bucket",
        "no-such-bucket",
        says="the bucket no-such-bucket does not exist",
        do="in the function's region",
        setup=too_large,
        artifact="code.zip",
    ),
    Case(
        "denied: s3:PutObject, not named",
        {"artifact": "code.zip", "artifact-bucket": BUCKET},
        ["AWS denies s3:PutObject on arn:aws:s3:::builds/", ".zip: Access Denied"],
        ["Allow it in the policy of the role", "docs/iam-policy.json"],
        too_large,
        faults=[Fault("s3.PutObject", "AccessDenied", "Access Denied", 403)],
    ),
    # --- errors that repeat what was sent ---
    *(
        Case(
            f"{operation} repeats a variable: {code}",
            {"environment-variables": json.dumps({"API_KEY": VARIABLE, "OTHER": f"{VARIABLE}-2"}), **where},
            ["Value '{API_KEY=***, OTHER=***}' at 'environment.variables'"],
            [do],
            faults=[
                Fault(
                    operation,
                    code,
                    f"Value '{{API_KEY={VARIABLE}, OTHER={VARIABLE}-2}}' at 'environment.variables' failed",
                )
            ],
            writes=LOCKED,
        )
        for operation, code, where, do in (
            (
                "lambda.UpdateFunctionConfiguration",
                "InvalidParameterValueException",
                {},
                "Fix the cause that Lambda names",
            ),
            (
                "lambda.UpdateFunctionConfiguration",
                "ValidationException",
                {"timeout": "9"},
                "fix the cause in the message from AWS",
            ),
            ("lambda.CreateFunction", "InvalidParameterValueException", NEW, "Fix the cause that Lambda names"),
            ("lambda.CreateFunction", "AccessDeniedException", NEW, "docs/iam-policy.json"),
        )
    ),
    # --- access ---
    denied("lambda.GetFunctionConfiguration", "lambda:GetFunctionConfiguration", LAMBDA),
    denied("dynamodb.Query", "dynamodb:Query", TABLE),
    denied("dynamodb.UpdateItem", "dynamodb:UpdateItem", TABLE),
    denied("dynamodb.UpdateItem", "dynamodb:UpdateItem", TABLE, why="of lock", command="lock"),
    denied("dynamodb.Query", "dynamodb:Query", TABLE, why="of status", command="status"),
    denied("dynamodb.CreateTable", "dynamodb:CreateTable", TABLE, table="another-table"),
    denied(
        "apigateway*.GetDomainName",
        "apigateway:GET",
        "arn:aws:apigateway:us-east-1::/domainnames/api.example.com",
        domain_name="api.example.com",
    ),
    denied("lambda.UpdateFunctionCode", "lambda:UpdateFunctionCode", LAMBDA, writes=LOCKED, setup=changed),
    denied(
        "lambda.UpdateFunctionConfiguration",
        "lambda:UpdateFunctionConfiguration",
        LAMBDA,
        writes=LOCKED,
        memory_size="512",
    ),
    denied("lambda.CreateFunction", "lambda:CreateFunction", LAMBDA, writes=LOCKED, function_name="nobody"),
    denied("lambda.GetAlias", "lambda:GetAlias", f"{LAMBDA}:preprod", writes=LOCKED),
    denied("lambda.ListAliases", "lambda:ListAliases", LAMBDA),
    denied("lambda.ListAliases", "lambda:ListAliases", LAMBDA, why="of lock", command="lock"),
    denied(
        "lambda.UpdateAlias",
        "lambda:UpdateAlias",
        f"{LAMBDA}:preprod",
        # Verified but not moved: the candidate and its verdict are recorded.
        writes=(*LOCKED, "dynamodb.PutItem", "dynamodb.TransactWriteItems", "lambda.UpdateFunctionCode"),
        setup=changed,
    ),
    Case(
        "denied: iam:PassRole",
        {**NEW},
        ["AWS denies iam:PassRole on arn:aws:iam::123456789012:role/hello: "],
        ["Allow iam:PassRole on arn:aws:iam::123456789012:role/hello in the policy"],
        faults=[
            Fault(
                "lambda.CreateFunction",
                "AccessDeniedException",
                f"User: {ROLE} is not authorized to perform: iam:PassRole on resource: "
                "arn:aws:iam::123456789012:role/hello because no identity-based policy allows the iam:PassRole action",
                403,
            )
        ],
        writes=LOCKED,
    ),
    Case(
        "denied: s3:GetObject, named",
        {"artifact": f"s3://{BUCKET}/text"},
        ["AWS denies s3:GetObject on arn:aws:s3:::builds/text: "],
        ["Allow s3:GetObject on arn:aws:s3:::builds/text in the policy"],
        faults=[
            Fault(
                "s3.GetObject",
                "AccessDenied",
                f'User: {ROLE} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::builds/text" '
                "because no identity-based policy allows the s3:GetObject action",
                403,
            )
        ],
    ),
    answered(
        "denied: s3:GetObject, not named",
        "s3.GetObject",
        "AccessDenied",
        "Access Denied",
        says="AWS denies s3:GetObject on arn:aws:s3:::builds/text: Access Denied",
        do="s3:ListBucket",
        artifact=f"s3://{BUCKET}/text",
    ),
    answered(
        "denied: by an organization",
        "lambda.GetFunctionConfiguration",
        "AccessDeniedException",
        f"User: {ROLE} is not authorized to perform: lambda:GetFunctionConfiguration on resource: {LAMBDA} "
        "with an explicit deny in a service control policy",
        says=f"AWS denies lambda:GetFunctionConfiguration on {LAMBDA}: ",
        do="explicit deny",
    ),
]


@dataclass
class Served:
    """An account in which an environment is served."""

    account: Account
    world: World
    known: Mapping[str, Any] = field(default_factory=dict)
    """The state after the previous case."""

    def state(self) -> dict[str, Any]:
        """Return everything that a run could change, except the lock's token."""
        function = self.world.function
        alias = function.get_alias(FunctionName=FUNCTION, Name="preprod")
        return {
            "alias": (alias["FunctionVersion"], alias["RevisionId"]),
            "latest": function.get_function_configuration(FunctionName=FUNCTION)["RevisionId"],
            "versions": self.world.versions(),
            "functions": sorted(found["FunctionName"] for found in function.list_functions()["Functions"]),
            "apis": sorted(self.world.apis()),
            "tables": sorted(self.world.table.list_tables()["TableNames"]),
            "records": [item for item in self.world.items() if item["sk"] != "lock"],
        }


@pytest.fixture(scope="module")
def served(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Served:
    account = sandbox.account()
    world = World(account)
    for name, keys in {
        "no-sort-key": [("pk", "S", "HASH")],
        "other-names": [("id", "S", "HASH"), ("range", "S", "RANGE")],
        "number-keys": [("pk", "N", "HASH"), ("sk", "N", "RANGE")],
    }.items():
        made: Any = {
            "KeySchema": [{"AttributeName": key, "KeyType": role} for key, _, role in keys],
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind} for key, kind, _ in keys],
        }
        world.table.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **made)
    storage: S3Client = world.session.client("s3", endpoint_url=world.url)
    storage.create_bucket(Bucket=BUCKET)
    storage.put_object(Bucket=BUCKET, Key="text", Body=b"no archive")
    world.function.create_function(
        FunctionName="pictures",
        PackageType="Image",
        Code={"ImageUri": IMAGE},
        Role=f"arn:aws:iam::{account.id}:role/hello",
    )
    runner = make_runner(tmp_path_factory.mktemp("served"), account)
    ended = runner.run({**make_inputs(account), "environment-variables": json.dumps({"API_KEY": VARIABLE})})
    assert ended.result == "promoted", ended.log
    start = Served(account, world)
    start.known = start.state()
    return start


IGNORED: Mapping[str, tuple[Mapping[str, str], Sequence[str], Sequence[str]]] = {
    "checks at deploy": (
        {"command": "deploy", "checks": "GET /health 200"},
        ["checks: it has no effect with command: deploy"],
        ["own steps", "command: promote"],
    ),
    "from without promote": (
        {"from": "test"},
        ["from: it has no effect with command: run, the default"],
        ["command: promote"],
    ),
    "artefact": ({"artefact": "build"}, ["artefact: it is not an input"], ["Did you mean artifact?"]),
    "dry_run": ({"dry_run": "true"}, ["dry_run: it is not an input"], ["Did you mean dry-run?"]),
    "code-artifacts-dir": (
        {"code-artifacts-dir": "build"},
        ["code-artifacts-dir: it is not an input"],
        ["Did you mean artifact?"],
    ),
    "base-path alone": ({"base-path": "a"}, ["base-path: it has no effect without domain-name"], ["Add domain-name"]),
}
"""Inputs that the action would not use, with the error and its hint."""


@pytest.mark.parametrize("name", IGNORED)
def test_an_input_that_would_be_ignored_is_one_error_before_any_call(name: str, served: Served, tmp_path: Path) -> None:
    runner = make_runner(tmp_path, served.account)
    changed(runner.workspace)
    inputs, says, do = IGNORED[name]
    served.account.forget()
    ended = runner.run({**counting({**make_inputs(served.account), "command": inputs.get("command", "run")}), **inputs})
    assert_one_error(ended, says, do)
    assert served.account.calls() == []
    assert served.state() == served.known


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_it_is_one_error_that_says_what_to_do_and_nothing_is_changed(
    case: Case, served: Served, tmp_path: Path
) -> None:
    runner = make_runner(tmp_path, served.account)
    if case.setup:
        case.setup(runner.workspace)
    for fault in case.faults:
        served.account.inject(
            "error-before", fault.operation, times=0, status=fault.status, code=fault.code, message=fault.message
        )
    before = served.known
    served.account.forget()
    usual = {
        **make_inputs(served.account),
        "environment-variables": json.dumps({"API_KEY": VARIABLE}),
        "github-token": TOKEN,
        "lock-timeout": "0",
    }

    ended = runner.run(
        {**counting({**usual, "command": case.inputs.get("command", "run")}), **case.inputs},
        environ={"AWS_SECRET_ACCESS_KEY": KEY, **case.environ},
    )

    calls = served.account.calls()
    served.account.clear_faults()
    if [call for call in calls if not READS.match(call.name)]:
        served.known = served.state()

    assert ended.code == 1, ended.log
    assert ended.result == "failed"
    assert ended.outputs["promoted"] == "false"
    assert len(ended.errors) == 1, ended.log
    what, _, hint = ended.errors[0].message.partition("\n")
    for words in case.says:
        assert words in what
    for words in case.do:
        assert words in hint
    assert "Traceback" not in ended.log
    assert "an unexpected " not in what
    for secret in (VARIABLE, TOKEN, KEY):
        assert secret not in ended.log
        assert secret not in ended.summary
        assert not [name for name, value in ended.outputs.items() if secret in value]

    written = {call.name for call in calls if not READS.match(call.name) and (call.status or 0) < 400}
    assert written <= set(case.writes) | {"execute-api.Invoke"} if case.writes else not written
    may_differ = ("latest", "versions", "records") if "lambda.UpdateFunctionCode" in case.writes else ()
    assert [name for name in before if before[name] != served.known[name] and name not in may_differ] == []
    assert not calls or served.world.lock_owner() == ""


def test_every_input_has_a_case() -> None:
    assert {name for case in CASES for name in case.inputs} == set(INPUTS)


def test_there_are_many_cases_and_each_has_a_name() -> None:
    names = [case.name for case in CASES]
    assert len(names) >= 60
    assert sorted(set(names)) == sorted(names)


# --- a lock that another program has written -------------------------------------------------------------------------

HOLDER_URL = "https://github.com/octo/hello/actions/runs/900/attempts/1"
CLAIM: Mapping[str, Any] = {
    "owner": "900/1/0123456789ab",
    "lease": 30,
    "beat": 3,
    "run_id": 900,
    "attempt": 1,
    "group": "",
    "queue": "fifo",
    "since": "2026-01-02T03:04:05+00:00",
    "url": HOLDER_URL,
    "job": "0123456789abcdef",
}
FREE: Mapping[str, Any] = {"token": 7, "format": 1}
HELD: Mapping[str, Any] = {**FREE, **CLAIM, "phase": "verify", "kept_by": False}
GONE: Any = object()
"""The value of a removed field."""
FOREIGN: Mapping[str, Any] = {"name": "release 7", "locked": True, "expires": 1767323045}
"""Possible locks of another program."""
STRANGE, OTHER_VERSION = "The item of the lock is not valid: its ", "The lock was written by another version"
WRITTEN_BY_OTHERS = ("another program writes to this table", "input table", "never with a lower token")
COMMANDS: Mapping[str, Mapping[str, str]] = {
    "run": {"command": "run"},
    "lock": {"command": "lock"},
    "status": {"command": "status"},
    "dry run": {"command": "run", "dry-run": "true"},
}


@dataclass(frozen=True)
class Planted:
    """An item that no version of this action has written."""

    name: str
    item: Mapping[str, Any]
    says: str
    do: Sequence[str] = WRITTEN_BY_OTHERS


def spoilt(sound: Mapping[str, Any], field: str, value: Any, says: str) -> Planted:
    """Return an item with one invalid field."""
    item = {name: known for name, known in {**sound, field: value}.items() if known is not GONE}
    return Planted(f"{'held' if 'owner' in sound else 'free'}, {field} {says}", item, f"{STRANGE}{field} {says}")


def in_line(field: str, value: Any, says: str) -> Planted:
    """Return a lock that is held, and has a ticket with one invalid field."""
    ticket = {name: known for name, known in {**CLAIM, "owner": "901", field: value}.items() if known is not GONE}
    return Planted(f"a ticket's {field} {says}", {**HELD, "tickets": [ticket]}, f"{STRANGE}{field} {says}")


def of_format(value: Any, says: str) -> list[Planted]:
    do = ("same major version",) if says == OTHER_VERSION else WRITTEN_BY_OTHERS
    return [
        Planted(f"{name}, format {value!r}", {**sound, "format": value}, says, do)
        for name, sound in (("held", HELD), ("free", FREE))
    ]


PLANTED = [
    *(
        spoilt(sound, "token", value, says)
        for sound in (HELD, FREE)
        for value, says in (
            (GONE, "is missing"),
            ("7", "is '7'"),
            (-1, "is '-1'"),
            (Decimal("7.5"), "is '7.5'"),
            (True, "is 'True'"),
            ([7], "is a list"),
        )
    ),
    spoilt(HELD, "owner", 7, "is '7'"),
    spoilt(HELD, "owner", "", "is ''"),
    spoilt(HELD, "owner", {"id": "a"}, "is a dict"),
    spoilt(HELD, "owner", None, "is missing"),
    spoilt(HELD, "lease", GONE, "is missing"),
    spoilt(HELD, "lease", 0, "is '0'"),
    spoilt(HELD, "lease", -1, "is '-1'"),
    spoilt(HELD, "lease", 10**9, "is '1000000000'"),
    spoilt(HELD, "lease", "ten", "is 'ten'"),
    spoilt(HELD, "lease", Decimal("2.5"), "is '2.5'"),
    spoilt(HELD, "beat", GONE, "is missing"),
    spoilt(HELD, "beat", -1, "is '-1'"),
    spoilt(HELD, "beat", "often", "is 'often'"),
    spoilt(HELD, "run_id", "latest", "is 'latest'"),
    spoilt(HELD, "queue", "newset", "is 'newset'"),
    spoilt(HELD, "tickets", "nobody", "is 'nobody'"),
    spoilt(FREE, "tickets", "nobody", "is 'nobody'"),
    spoilt(FREE, "tickets", "", "is ''"),
    spoilt(FREE, "tickets", {}, "is a dict"),
    spoilt(FREE, "tickets", ["901"], "is a list"),
    spoilt(FREE, "tickets", 0, "is '0'"),
    in_line("owner", GONE, "is missing"),
    in_line("owner", 901, "is '901'"),
    in_line("lease", 0, "is '0'"),
    in_line("beat", "often", "is 'often'"),
    *of_format(2, OTHER_VERSION),
    *of_format("x", f"{STRANGE}format is 'x'"),
    *of_format(Decimal("1.5"), f"{STRANGE}format is '1.5'"),
    Planted("another program's lock", FOREIGN, f"{STRANGE}token is missing"),
    Planted("an item without a field", {}, f"{STRANGE}token is missing"),
]


def plant(world: World, item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put ``item`` in the place of the function's lock, and return it as DynamoDB stores it."""
    write = TypeSerializer().serialize
    arn = world.function.get_function_configuration(FunctionName=FUNCTION)["FunctionArn"]
    planted = {name: write(value) for name, value in {"pk": arn, "sk": "lock", **item}.items()}
    world.table.put_item(TableName=LEDGER, Item=planted)
    return planted


def locked(world: World) -> Mapping[str, Any]:
    """Return the lock's item as DynamoDB stores it."""
    arn = world.function.get_function_configuration(FunctionName=FUNCTION)["FunctionArn"]
    key = {"pk": {"S": arn}, "sk": {"S": "lock"}}
    return world.table.get_item(TableName=LEDGER, Key=key, ConsistentRead=True)["Item"]


@pytest.fixture
def lockable(served: Served) -> Iterator[Served]:
    """The account in which an environment is served. Its lock is free again afterwards, with a higher token."""
    yield served
    served.account.clear_faults()
    plant(served.world, {**FREE, "token": 1000})
    for record in served.world.records("unlock"):
        key = {"pk": {"S": record["pk"]}, "sk": {"S": record["sk"]}}
        served.world.table.delete_item(TableName=LEDGER, Key=key)


def assert_one_error(ended: Ended, says: Sequence[str], do: Sequence[str]) -> None:
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (1, "failed", "false"), ended.log
    assert len(ended.annotations) == len(ended.errors) == 1, ended.log
    what, _, hint = ended.errors[0].message.partition("\n")
    assert [words for words in says if words not in what] == [], what
    assert [words for words in do if words not in hint] == [], hint
    assert "Traceback" not in ended.log
    assert "an unexpected " not in what


@pytest.mark.parametrize("planted", [pytest.param(planted, id=planted.name) for planted in PLANTED])
def test_a_lock_that_makes_no_sense_is_held_and_left_as_it_is(
    planted: Planted, lockable: Served, tmp_path: Path
) -> None:
    """Each command names the same field, and changes nothing."""
    runner = make_runner(tmp_path, lockable.account)
    item = plant(lockable.world, planted.item)
    for inputs in COMMANDS.values():
        ended = runner.run(counting({**make_inputs(lockable.account), "lock-timeout": "0", **inputs}))
        assert_one_error(ended, [planted.says], planted.do)

    assert locked(lockable.world) == item
    assert lockable.state() == lockable.known


@pytest.mark.parametrize(
    "opened",
    [
        pytest.param(planted, id=planted.name)
        for planted in PLANTED
        if planted.says.startswith(STRANGE)
        and isinstance(planted.item.get("token"), int)
        and planted.item["token"] > 1
        and planted.item.get("format") == 1
    ],
)
def test_what_makes_no_sense_is_opened_by_force_with_a_higher_token(
    opened: Planted, lockable: Served, tmp_path: Path
) -> None:
    """As the error says. The token is valid, so it can grow."""
    runner = make_runner(tmp_path, lockable.account)
    plant(lockable.world, opened.item)
    ended = runner.run({"function-name": FUNCTION, "command": "unlock", "reason": "the item is broken"})
    assert (ended.code, ended.result) == (0, "unlocked"), ended.log
    assert "Decimal" not in ended.log + ended.summary
    assert lockable.world.lock_owner() == ""
    assert lockable.world.records("lock")[0]["token"] == 8
    assert [item["reason"] for item in lockable.world.records("unlock")][-1:] == ["the item is broken"]
    after = runner.run({"function-name": FUNCTION, "command": "lock", "lock-timeout": "0"})
    assert (after.code, after.result) == (0, "locked"), after.log


@pytest.mark.parametrize("planted", [pytest.param(item, id=item.name) for item in (*of_format(2, OTHER_VERSION),)])
def test_not_even_force_opens_the_lock_of_another_version(planted: Planted, lockable: Served, tmp_path: Path) -> None:
    runner = make_runner(tmp_path, lockable.account)
    item = plant(lockable.world, planted.item)
    ended = runner.run({"function-name": FUNCTION, "command": "unlock", "reason": "it is stuck"})
    assert_one_error(ended, [OTHER_VERSION], ["same major version"])
    assert locked(lockable.world) == item


# --- a table that cannot be written, while another run holds the lock ------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "nth", "inputs"),
    [
        ("dynamodb.UpdateItem", 1, {}),
        ("dynamodb.UpdateItem", 2, {}),  # the ticket
        ("dynamodb.UpdateItem", 1, {"command": "lock"}),
        ("dynamodb.UpdateItem", 2, {"command": "lock"}),
        ("dynamodb.TransactWriteItems", 1, {"command": "unlock", "reason": "it is stuck"}),
    ],
)
def test_without_permission_to_write_the_lock_of_another_stays_shut(
    lockable: Served, tmp_path: Path, operation: str, nth: int, inputs: Mapping[str, str]
) -> None:
    runner = make_runner(tmp_path, lockable.account)
    item = plant(lockable.world, HELD)
    message = f"User: {ROLE} is not authorized to perform: dynamodb:UpdateItem on resource: {TABLE} because no policy"
    fault = lockable.account.inject(
        "error-before", operation, nth=nth, times=0, status=400, code="AccessDeniedException", message=message
    )
    ended = runner.run(counting({**make_inputs(lockable.account), "lock-timeout": "1", **inputs}))
    assert fault.hit
    assert_one_error(
        ended, [f"AWS denies dynamodb:UpdateItem on {TABLE}"], ["Allow dynamodb:UpdateItem", "docs/iam-policy.json"]
    )
    assert locked(lockable.world) == item
    assert lockable.state() == lockable.known


# --- clocks that are apart -------------------------------------------------------------------------------------------

ELSEWHEN = """
import os
import sys
from datetime import timedelta

from promote.action import main
from promote.core.clock import SystemClock


class Clock(SystemClock):
    def now(self):
        return super().now() + timedelta(minutes=float(os.environ["MINUTES_OFF"]))


sys.exit(main(os.environ, sys.stdout, Clock()))
"""


class RunnerElsewhen(Runner):
    """A runner whose wall clock is off by so many minutes."""

    minutes = 0

    def _launch(self, variables: Mapping[str, str], *, is_post: bool) -> subprocess.Popen[str]:
        assert not is_post
        environ = {"PATH": os.environ["PATH"], "MINUTES_OFF": str(self.minutes), **variables}
        return self._spawn([sys.executable, "-I", "-u", "-W", "error", "-c", ELSEWHEN], environ)


def runner_elsewhen(folder: Path, account: Account, minutes: int) -> RunnerElsewhen:
    folder.mkdir()
    made = RunnerElsewhen(folder, account.environ)
    made.minutes = minutes
    shutil.copytree(REPOSITORY / "tests" / "function", made.workspace / "function")
    return made


@pytest.mark.parametrize("minutes", [-10, 10])
@pytest.mark.parametrize("command", ["run", "lock"])
def test_a_holder_of_another_time_keeps_its_lock(lockable: Served, tmp_path: Path, minutes: int, command: str) -> None:
    runner = make_runner(tmp_path, lockable.account)
    since = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(timespec="seconds")
    item = plant(lockable.world, {**HELD, "since": since})
    # Two seconds are long enough to have read it, and to have joined the queue.
    for timeout in ("0", "0.03"):
        ended = runner.run(counting({**make_inputs(lockable.account), "command": command, "lock-timeout": timeout}))
        says = [f"The lock was not free within {timeout} minutes: it is held by run 900 since {since[11:19]} UTC"]
        assert_one_error(ended, says, [HOLDER_URL, "30 seconds"])
    assert {**locked(lockable.world), "tickets": {"L": []}} == {**item, "tickets": {"L": []}}
    assert lockable.state() == lockable.known


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_dead_holder_of_another_time_is_passed_over_after_its_lease(
    lockable: Served, tmp_path: Path, minutes: int
) -> None:
    runner = make_runner(tmp_path, lockable.account)
    since = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(timespec="seconds")
    plant(lockable.world, {**HELD, "since": since, "lease": 1})
    ended = runner.run(counting({**make_inputs(lockable.account), "command": "lock", "lock-timeout": "1"}))
    assert (ended.code, ended.result) == (0, "locked"), ended.log
    assert "run 900" in ended.log
    assert "has sent no heartbeat" in ended.log
    assert lockable.world.records("lock")[0]["token"] == 8


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_holder_that_beats_is_not_taken_over_though_the_clocks_are_apart(
    account: Account, world: World, tmp_path: Path, minutes: int
) -> None:
    """Twenty minutes, one of them ahead and one behind. The wait ends many leases later, and the lock does not."""
    holder = runner_elsewhen(tmp_path / "holder", account, minutes)
    waiter = runner_elsewhen(tmp_path / "waiter", account, -minutes)
    held = account.inject("hold-before", "execute-api.Invoke")
    inputs = {**make_inputs(account), "lease": "2"}
    started = holder.start(inputs, commit="1" * 40, run_id=1)
    held.wait_until_hit(30)
    before = world.records("lock")[0]
    refused = waiter.run({**inputs, "lock-timeout": "0.1"}, commit="2" * 40, run_id=2)
    after = world.records("lock")[0]
    held.release()
    ended = started.wait()
    assert_one_error(refused, ["The lock was not free within 0.1 minutes", "run 1", "in phase verify"], ["/runs/1/"])
    assert (after["owner"], after["token"]) == (before["owner"], before["token"])
    assert after["beat"] > before["beat"] + 3
    assert abs(datetime.fromisoformat(after["since"]) - datetime.now(UTC)) > timedelta(minutes=9)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "1"), ended.log
    assert world.lock_owner() == ""
