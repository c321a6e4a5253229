"""Every input, wrong in every way that a user could get it wrong: one error that says what to do, nothing changed."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.client import Account, Sandbox
from tests.conftest import make_inputs, make_runner
from tests.runner import INPUTS
from tests.world import FUNCTION, World

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VARIABLE, TOKEN, KEY = "correct-horse-battery-staple", "ghs_0123456789abcdefghij", "the/secret/access/key+of+a+user"
"""Secrets that each case hands over, and that nothing may repeat."""

READS = re.compile(r"\w+\.(Get|List|Describe|Head|Query|Scan|BatchGet)")
LOCKED = ("dynamodb.UpdateItem",)
"""What a run writes that ends while it holds the lock: the lock comes, and goes."""
ROLE = "arn:aws:sts::123456789012:assumed-role/deploy/GitHubActions"
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:hello"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/promote-on-success"
BUCKET, IMAGE = "builds", "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1"

Setup = Callable[[Path], object]
"""Makes what a case needs in the workspace."""


@dataclass(frozen=True)
class Fault:
    """What AWS answers to each request of one operation."""

    operation: str
    code: str
    message: str
    status: int = 400


@dataclass(frozen=True)
class Case:
    """One mistake. ``inputs`` is what differs from inputs that work."""

    name: str
    inputs: Mapping[str, str]
    says: Sequence[str]
    """Words of the error's first line: what happened, and why."""
    do: Sequence[str]
    """Words of the rest: what to do."""
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
    """Make a case of one wrong input, which the error names; ``others`` are inputs that go with it."""
    texts = [says] if isinstance(says, str) else list(says)
    inputs = {name: value, **{other.replace("_", "-"): text for other, text in others.items()}}
    title = f"{name}: {why or value[:30] or 'empty'}"
    return Case(title, inputs, (f"{name}: ", *texts), [do] if isinstance(do, str) else do, setup)


def denied(
    operation: str, action: str, resource: str, *, writes: Sequence[str] = (), setup: Setup | None = None, **inputs: str
) -> Case:
    """Make a case of an action that AWS denies, in its own words."""
    message = (
        f"User: {ROLE} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    return Case(
        f"denied: {action}",
        {name.replace("_", "-"): text for name, text in inputs.items()},
        [f"AWS denies {action} on {resource}: "],
        [f"Allow {action} on {resource} in the policy of the role", "docs/iam-policy.json"],
        setup,
        faults=[Fault(operation, "AccessDeniedException", message, 400 if operation.startswith("dynamodb") else 403)],
        writes=writes,
    )


def answered(name: str, operation: str, code: str, message: str, *, says: str, do: str, **inputs: str) -> Case:
    """Make a case of an error that AWS answers."""
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
            sink.writestr(name, content)
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
    """Make code that is not deployed yet."""
    file = workspace / "function" / "app.py"
    file.write_text(file.read_text() + "\n# changed\n")


NEW = {"function-name": "nobody"}
ADOPT = {"artifact": "", "runtime": "", "handler": "", "role": ""}

CASES = [
    # --- what, where ---
    one("command", "deplyo", says="'deplyo' is not known", do=["Known are:", "run"]),
    one("command", "rnu", says="'rnu' is not known", do="Did you mean run?"),
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
    one("environment", "pre prod", says="'pre prod' is no alias name", do="letters, digits, - and _"),
    one("environment", "prod/eu", says="'prod/eu' is no alias name", do="letters, digits, - and _"),
    one("environment", "$LATEST", says="'$LATEST' is no alias name", do="letters, digits, - and _"),
    one("environment", "e" * 129, says="is no alias name", do="up to 128", why="too long"),
    one("environment", "latest", says="the endpoint of $LATEST", do="such as preprod or prod"),
    one("environment", "Latest", says="the endpoint of $LATEST", do="such as preprod or prod"),
    one("aws-region", "Frankfurt", says="'Frankfurt' is no region", do="like eu-west-1"),
    one("aws-region", "eu_west_1", says="'eu_west_1' is no region", do="like eu-west-1"),
    one("aws-region", "eu-wset-1", says="'eu-wset-1' is no region that has Lambda", do="Did you mean eu-west-1?"),
    one("aws-region", "mars-north-1", says="'mars-north-1' is no region that has Lambda", do="eu-west-1"),
    Case(
        "aws-region: contradicts the ARN",
        {"function-name": LAMBDA, "aws-region": "eu-west-1"},
        ["aws-region: it says eu-west-1", "the function's ARN says us-east-1"],
        ["Leave aws-region empty"],
    ),
    Case(
        "aws-region: none anywhere",
        {"aws-region": ""},
        ["aws-region: it is empty, and the environment names no region"],
        ["Set aws-region", "configure-aws-credentials"],
        environ={"AWS_REGION": None, "AWS_DEFAULT_REGION": None},
    ),
    Case(
        "aws-region: the environment's is unknown",
        {"aws-region": ""},
        ["aws-region: 'us-esat-1' is no region that has Lambda"],
        ["Did you mean us-west-1?"],
        environ={"AWS_REGION": "us-esat-1"},
    ),
    # --- artifact ---
    one("artifact", "build/code.zip", says="'build/code.zip' does not exist", do="in a step before this one"),
    one("artifact", "a" * 300, says="aaa'", do="repository's root", why="too long a name"),
    one(
        "artifact",
        "code.zip",
        says="'code.zip' is no .zip archive",
        do="zip -r",
        setup=write("code.zip", "text"),
        why="text",
    ),
    one(
        "artifact", "code.zip", says="is no .zip archive", do="zip -r", setup=write("code.zip"), why="a file of 0 bytes"
    ),
    one(
        "artifact",
        "code.zip",
        why="truncated",
        says="'code.zip' is no .zip archive",
        do="zip -r",
        setup=write("code.zip", zipped({"app.py": bytes(4096)})[:2048]),
    ),
    one(
        "artifact",
        "code.zip",
        why="damaged",
        says="'code.zip' is no .zip archive",
        do="zip -r",
        setup=write("code.zip", zipped({"grüße.py": b""}).replace("ü".encode(), b"\xff\xff")),
    ),
    one("artifact", "code.zip", says="'code.zip' is encrypted", do="without a password", setup=encrypted, why="secret"),
    one(
        "artifact",
        "code.zip",
        says="holds no file",
        do="the build",
        setup=write("code.zip", zipped({})),
        why="no entry",
    ),
    one(
        "artifact",
        "code.zip",
        why="folders only",
        says="'code.zip' holds no file",
        do="the build",
        setup=write("code.zip", zipped({"a/": b"", "a/b/": b""})),
    ),
    one("artifact", "code.zip", says=["51.0 MB", "50.0 MB directly"], do="to S3", setup=too_large, why="over 50 MB"),
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
        says="holds no file",
        do="before this one",
        setup=lambda at: (at / "dist").mkdir(),
        why="empty",
    ),
    one(
        "artifact",
        "dist",
        why="nothing but what is left out",
        says="holds no file",
        do="before this one",
        setup=write("dist/__pycache__/app.pyc"),
    ),
    one(
        "artifact",
        "dist",
        says="'app.py' is a broken link",
        do="Take it out",
        setup=link("dist/app.py", "x"),
        why="link",
    ),
    one(
        "artifact",
        "dist",
        why="a link to itself",
        says="'app.py' is a broken link",
        do="Take it out",
        setup=link("dist/app.py", "app.py"),
    ),
    one(
        "artifact",
        "dist",
        why="a link out of the workspace",
        says="the link 'hosts' leads out of the workspace",
        do="Copy what it leads to",
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
    one("artifact", "itself", says="'itself' does not exist", do="repository's root", setup=link("itself", "itself")),
    one("artifact", "../other", says="'../other' lies outside the workspace", do="relative to its root"),
    one("artifact", "/etc/hosts", says="'/etc/hosts' lies outside the workspace", do="relative to its root"),
    one("artifact", "function\tdist", says="a control character", do="one line", why="a tab"),
    one("artifact", "s3://builds", says="'s3://builds' names no S3 object", do="s3://bucket/key"),
    one("artifact", "s3://builds/", says="'s3://builds/' names no S3 object", do="s3://bucket/key"),
    one("artifact", "s3://My Builds/a.zip", says="names no S3 object", do="s3://bucket/key"),
    one("artifact", f"s3://{BUCKET}/none.zip", says="s3://builds/none.zip does not exist", do="before this one"),
    one("artifact", "s3://no-such-bucket/a.zip", says="s3://no-such-bucket/a.zip does not exist", do="before this one"),
    one("artifact", f"s3://{BUCKET}/text", says="is no .zip archive", do="zip -r"),
    one("artifact", "https://example.com/a.zip", says="a scheme that is not known", do="s3://bucket/key"),
    one("artifact", "docker://app:1", says="a scheme that is not known", do="an image in ECR"),
    one(
        "artifact", IMAGE.rpartition(":")[0], says="is no image URI with a tag or a digest", do="@sha256:", why="no tag"
    ),
    one("artifact", f"{IMAGE}@sha256:12", says="is no image URI", do="@sha256:", why="an image with half a digest"),
    one("artifact", IMAGE[3:], says="is no image URI", do="123456789012.dkr.ecr", why="an image of half an account"),
    Case(
        "artifact: an image for a function of .zip",
        {"artifact": IMAGE, "runtime": "", "handler": ""},
        ["artifact: it is a container image, and the function is made for a .zip"],
        ["another function-name"],
    ),
    Case(
        "artifact: a directory for a function of an image",
        {"function-name": "pictures", "runtime": "", "handler": ""},
        ["artifact: it is a .zip, and the function is made for a container image"],
        ["another function-name"],
    ),
    # --- configuration ---
    one("handler", "app handler", says="'app handler' is no handler", do="like app.handler"),
    one("handler", "h" * 129, says="is no handler", do="like app.handler", why="too long"),
    one("handler", "app", says="names no function", do="app.handler"),
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
        ["Give the directory that holds that file"],
        setup=write("code.zip", zipped({"function/app.py": b""})),
    ),
    Case(
        "handler: of an image",
        {"artifact": IMAGE, "function-name": "pictures", "runtime": ""},
        ["handler: the function is a container image"],
        ["Leave handler and runtime empty"],
    ),
    one("runtime", "Python 3.13", says="'Python 3.13' is no Lambda runtime", do="like python3.13"),
    one(
        "runtime",
        "python9.9",
        says="'python9.9' is no Lambda runtime",
        do=["Did you mean python3.9?", "newer version of this action"],
    ),
    Case(
        "runtime: of a new function",
        {**NEW, "runtime": "nodejs99.x"},
        ["runtime: 'nodejs99.x' is no Lambda runtime"],
        ["Did you mean nodejs"],
    ),
    one("runtime", "3.13", says="'3.13' is no Lambda runtime", do="like python3.13"),
    Case(
        "runtime: of an image",
        {"artifact": IMAGE, "function-name": "pictures", "handler": ""},
        ["runtime: the function is a container image"],
        ["Leave handler and runtime empty"],
    ),
    one("role", "deploy", says="'deploy' is no role's ARN", do="arn:aws:iam::123456789012:role/"),
    one("role", "arn:aws:iam::123456789012:user/me", says="is no role's ARN", do=":role/", why="a user's ARN"),
    one("role", "arn:aws:iam::1234:role/me", says="is no role's ARN", do=":role/", why="half an account"),
    one("memory-size", "lots", says="'lots' is no whole number of MB from 128 to 10240", do="leave it empty"),
    one("memory-size", "64", says="'64' is no whole number of MB from 128", do="leave it empty"),
    one("memory-size", "20480", says="'20480' is no whole number of MB", do="leave it empty"),
    one("memory-size", "512.5", says="'512.5' is no whole number", do="leave it empty"),
    one("memory-size", "9" * 5000, says="is no whole number of MB", do="leave it empty", why="5000 digits"),
    one("timeout", "0", says="'0' is no whole number of seconds from 1 to 900", do="leave it empty"),
    one("timeout", "901", says="'901' is no whole number of seconds", do="leave it empty"),
    one("timeout", "1m", says="'1m' is no whole number of seconds", do="leave it empty"),
    one("environment-variables", "A=b", says="it is not JSON", do="a JSON object of strings"),
    one(
        "environment-variables", '{"API_KEY": "' + VARIABLE, says="it is not JSON", do="a JSON object", why="half of it"
    ),
    one("environment-variables", f'["{VARIABLE}"]', says="it is a JSON array", do="a JSON object", why="an array"),
    one("environment-variables", f'"{VARIABLE}"', says="it is a JSON string", do="a JSON object", why="a string"),
    one("environment-variables", "null", says="it is JSON null", do="a JSON object of strings"),
    one("environment-variables", "[" * 90000, says="nested too deeply", do="a JSON object of strings", why="deep"),
    one("environment-variables", '{"DEBUG": true}', says="the value of DEBUG is a JSON boolean", do='in "quotes"'),
    one("environment-variables", '{"PORT": 80}', says="the value of PORT is a JSON number", do='in "quotes"'),
    one("environment-variables", '{"PORT": null}', says="the value of PORT is JSON null", do='in "quotes"'),
    one("environment-variables", '{"A_": {"B": "c"}}', says="the value of A_ is a JSON object", do='in "quotes"'),
    one("environment-variables", '{"AWS_REGION": "x"}', says="AWS_REGION is set by Lambda", do="another name"),
    one("environment-variables", '{"MY-KEY": "x"}', says="'MY-KEY' is no name", do="begin with a letter"),
    one("environment-variables", '{"_KEY": "x"}', says="'_KEY' is no name", do="begin with a letter"),
    one("environment-variables", '{"KEY": "\\ud800"}', says="the value of KEY", do="Unicode", why="half a character"),
    one(
        "environment-variables",
        json.dumps({"KEY": VARIABLE + "x" * 4096}),
        why="over 4 KB",
        says="bytes, and Lambda takes 4096",
        do="Secrets Manager",
    ),
    one(
        "environment-variables",
        json.dumps({"KEY": "x" * 4070}),
        why="over 4 KB with what the function has",
        says=["bytes, and Lambda takes 4096", "the function has"],
        do="Secrets Manager",
    ),
    # --- endpoints ---
    one("endpoints", "https", says="'https' is not known", do="Did you mean http?"),
    one("endpoints", "true", says="'true' is not known", do="http, none"),
    one("latest-url", "api.example.com", says="is no http(s) URL", do="https://host/path"),
    one("latest-url", "ftp://api.example.com", says="is no http(s) URL", do="https://host/path"),
    one("latest-url", "https://api.example.com?stage=a", says="is no http(s) URL", do="https://host/path"),
    one("latest-url", "https://api.example.com:port", says="is no http(s) URL", do="https://host/path"),
    one("latest-url", "https://api.example.com:99999", says="is no http(s) URL", do="https://host/path"),
    one("latest-url", "http://a..b", says="is no http(s) URL", do="https://host/path"),
    one(
        "latest-url", f"https://me:{VARIABLE}@example.com", says="is no http(s) URL", do="https://host/path", why="user"
    ),
    one("environment-url", "api.example.com", says="is no http(s) URL", do="https://host/path"),
    one("environment-url", "https://api example.com", says="is no http(s) URL", do="https://host/path"),
    one(
        "environment-url", "https://a.example.com", says="combined with domain-name", do="Use", domain_name="b.example"
    ),
    one("domain-name", "https://api.example.com", says="is no domain name", do="without https://"),
    one("domain-name", "localhost", says="'localhost' is no domain name", do="like api.example.com"),
    one("domain-name", "api_1.example.com", says="is no domain name", do="like api.example.com"),
    one("domain-name", "api.example.com", says="no custom domain api.example.com", do="create-domain-name"),
    one(
        "domain-name",
        "api.example.com",
        says="endpoints: none",
        do="endpoints: http",
        endpoints="none",
        checks="",
        invoke="event.json",
        setup=write("event.json", "{}"),
        why="with endpoints: none",
    ),
    one("base-path", "hello", says="without domain-name", do="Add domain-name"),
    one("base-path", "he llo", says="'he llo' is no path", do="between slashes", domain_name="api.example.com"),
    one("base-path", "a//b", says="'a//b' is no path", do="between slashes", domain_name="api.example.com"),
    # --- verification ---
    one("checks", "", says="there is nothing to verify", do="GET /health 200"),
    one("checks", "# GET /health", says="there is nothing to verify", do="GET /health 200"),
    one(
        "checks", "GET /health", says="endpoints is none", do="verify with invoke", endpoints="none", why="no endpoint"
    ),
    one("checks", "GET /\n\nFETCH /", says="line 3: 'FETCH' is no HTTP method", do="METHOD PATH"),
    one("checks", "# one\nget /", says=["line 2: 'get' is no HTTP method", "did you mean GET?"], do="METHOD PATH"),
    one("checks", "/health", says="line 1: '/health' is no HTTP method", do="METHOD PATH"),
    one("checks", "GET", says="line 1: the path is missing", do="METHOD PATH"),
    one("checks", "GET health", says="line 1: the path 'health' must begin with /", do="METHOD PATH"),
    one("checks", "GET https://example.com/", says="line 1: the path", do="METHOD PATH"),
    one("checks", "GET /grüße", says=["line 1: the path '/grüße'", "ASCII"], do="percent-encode"),
    one("checks", "GET /docs#top", says=["line 1: the path '/docs#top'", "#"], do="METHOD PATH"),
    one("checks", "GET / 200\nGET / 99", says="line 2: 99 is no HTTP status", do="from 100 to 599"),
    one("checks", "GET / 600", says="line 1: 600 is no HTTP status", do="from 100 to 599"),
    one("checks", "GET / " + "9" * 5000, says="line 1: ", do="from 100 to 599", why="a status of 5000 digits"),
    one("checks", "GET / 200 status = 'ok'", says=["line 1:", "does not compile: ", "'='"], do="single quotes"),
    one("checks", "GET / 200\nGET / items[", says=["line 2:", "does not compile"], do="jmespath.org"),
    one("checks", "GET / 2xx", says=["line 1:", "'2xx' does not compile"], do="jmespath.org"),
    one("checks", "GET / " + "(" * 5000, says="line 1: ", do="jmespath.org", why="deep"),
    one("checks", "GET / lenght(@) > `0`", says=["line 1:", "lenght()", "length()?"], do="jmespath.org"),
    one("checks", "GET / &status", says="line 1: ", do="jmespath.org"),
    one("checks", "GET / not_null(&status)", says=["line 1: ", "a reference"], do="jmespath.org"),
    one("checks", "GET / keys(@)[::0]", says=["line 1: ", "steps of 0"], do="jmespath.org"),
    one("checks", "HEAD / status == 'ok'", says=["line 1:", "HEAD", "no body"], do="GET"),
    one("invoke", "event.json status ==", says=["line 1:", "does not compile"], do="jmespath.org"),
    one("invoke", "\nevent.json", says="'event.json' does not exist", do="repository's root"),
    one("invoke", "../event.json", says="'../event.json' lies outside the workspace", do="relative to its root"),
    one(
        "invoke", "event.json", says="holds no JSON", do="Correct the file", setup=write("event.json", "{"), why="half"
    ),
    one(
        "invoke", "event.json", says="holds no JSON", do="Correct", setup=write("event.json", b"\xff\xff"), why="bytes"
    ),
    one("invoke", "event.json", says="holds no JSON", do="Correct", setup=write("event.json", "[" * 99999), why="deep"),
    one("invoke", "function", says="'function' does not exist", do="repository's root", why="a directory"),
    one("verify-timeout", "soon", says="'soon' is no number of minutes", do="like 10, which is the default"),
    one("verify-timeout", "0", says="'0' is no number of minutes from 0.01 to 360", do="like 10, which is the default"),
    one("verify-timeout", "361", says="'361' is no number of minutes", do="like 10, which is the default"),
    # --- lock, table, others ---
    one("table", "my table", says="'my table' is no DynamoDB table name", do="3 to 255"),
    one("table", "ab", says="'ab' is no DynamoDB table name", do="3 to 255"),
    one("table", "t" * 256, says="is no DynamoDB table name", do="3 to 255", why="too long"),
    *(
        Case(f"table: {name}", {"table": name}, [f"The table {name} has other keys than pk and sk"], ["input table"])
        for name in ("no-sort-key", "other-names", "number-keys")
    ),
    one("lock-timeout", "-1", says="'-1' is no number of minutes from 0 to 360", do="like 30, which is the default"),
    one("lock-timeout", "1h", says="'1h' is no number of minutes", do="like 30, which is the default"),
    one("lease", "0", says="'0' is no number of seconds", do="like 30, which is the default"),
    one("lease", "ten", says="'ten' is no number of seconds", do="like 30, which is the default"),
    one("lease", "1e3", says="'1e3' is no number of seconds", do="like 30, which is the default"),
    one("github-token", f"{TOKEN}\n{TOKEN}", says="a line break", do="one line", why="two lines"),
    one("dry-run", "yes", says="'yes' is neither true nor false", do="true or false"),
    one("dry-run", "1", says="'1' is neither true nor false", do="true or false"),
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
        ["add handler,"],
    ),
    Case(
        "function missing, from an image",
        {**NEW, "artifact": IMAGE, "role": "", "runtime": "", "handler": ""},
        ["The function nobody does not exist", "role would be needed"],
        ["add role,"],
    ),
    Case(
        "function missing, and nothing to adopt",
        {**NEW, **ADOPT},
        ["The function nobody does not exist in us-east-1", "nothing to adopt"],
        ["give artifact, role, runtime and handler"],
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
        ["There are no usable AWS credentials", "AWS_SECRET_ACCESS_KEY"],
        ["configure-aws-credentials"],
        environ={"AWS_SECRET_ACCESS_KEY": None},
    ),
    Case(
        "credentials of a profile that is not there",
        {},
        ["There are no usable AWS credentials", "somebody"],
        ["configure-aws-credentials"],
        environ={"AWS_PROFILE": "somebody"},
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
        says="AWS does not know the credentials (GetFunctionConfiguration: ",
        do="OIDC",
    ),
    answered(
        "credentials unknown, at S3",
        "s3.*",
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
        says="AWS does not know the credentials (GetObject: ",
        do="OIDC",
        artifact="s3://builds/text",
    ),
    Case(
        "no emulator's URL",
        {},
        ["AWS_ENDPOINT_URL", "'localhost:4566' is no http(s) URL"],
        ["http://"],
        environ={"AWS_ENDPOINT_URL": "localhost:4566"},
    ),
    # --- refusals that repeat what was sent ---
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
                "Correct what Lambda's text says",
            ),
            ("lambda.UpdateFunctionConfiguration", "ValidationException", {"timeout": "9"}, "AWS's text above"),
            ("lambda.CreateFunction", "InvalidParameterValueException", NEW, "Correct what Lambda's text says"),
            ("lambda.CreateFunction", "AccessDeniedException", NEW, "docs/iam-policy.json"),
        )
    ),
    # --- access ---
    denied("lambda.GetFunctionConfiguration", "lambda:GetFunctionConfiguration", LAMBDA),
    denied("dynamodb.Query", "dynamodb:Query", TABLE),
    denied("dynamodb.UpdateItem", "dynamodb:UpdateItem", TABLE),
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
    denied(
        "lambda.UpdateAlias",
        "lambda:UpdateAlias",
        f"{LAMBDA}:preprod",
        # Verified, and then not moved: the candidate and its verdict are on record.
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
    """The state after the case before."""

    def state(self) -> dict[str, Any]:
        """Read what a run could change, except the lock's token."""
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

    ended = runner.run(
        {
            **make_inputs(served.account),
            "environment-variables": json.dumps({"API_KEY": VARIABLE}),
            "github-token": TOKEN,
            "lock-timeout": "0",
            **case.inputs,
        },
        environ={"AWS_SECRET_ACCESS_KEY": KEY, **case.environ},
    )

    calls = served.account.calls()
    served.account.clear_faults()
    served.known = after = served.state()

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
    assert "unexpected" not in what
    for secret in (VARIABLE, TOKEN, KEY):
        assert secret not in ended.log
        assert secret not in ended.summary
        assert not [name for name, value in ended.outputs.items() if secret in value]

    written = {call.name for call in calls if not READS.match(call.name) and (call.status or 0) < 400}
    assert written <= set(case.writes) | {"execute-api.Invoke"} if case.writes else not written
    may_differ = ("latest", "versions", "records") if "lambda.UpdateFunctionCode" in case.writes else ()
    assert [name for name in before if before[name] != after[name] and name not in may_differ] == []
    assert served.world.lock_owner() == ""


def test_every_input_has_a_case() -> None:
    assert {name for case in CASES for name in case.inputs} == set(INPUTS)


def test_there_are_many_cases_and_each_has_a_name() -> None:
    names = [case.name for case in CASES]
    assert len(names) >= 60
    assert sorted(set(names)) == sorted(names)
