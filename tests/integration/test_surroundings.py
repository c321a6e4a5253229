"""A machine that lacks something, played as processes: stripped secrets, proxies, full disks, a closed log."""

import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.client import Account
from tests.conftest import make_inputs, make_runner
from tests.runner import REPOSITORY, Runner
from tests.world import World

pytestmark = pytest.mark.usefixtures("history")

FULL = "/dev/full"
"""A device that is always full."""


def test_white_space_around_values_of_the_environment_does_not_matter(
    runner: Runner, inputs: dict[str, str], account: Account, world: World
) -> None:
    environ = {name: f" {value}\n" for name, value in account.environ.items()}
    empty = {"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "\n", "AWS_CA_BUNDLE": "", "HTTPS_PROXY": " "}
    ended = runner.start(inputs, environ={**environ, **empty}).wait()
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "1"), ended.log


class Proxy(BaseHTTPRequestHandler):
    """A proxy that notes the hosts that it was asked for. Requests to itself go to the host ``behind`` it, if any."""

    protocol_version = "HTTP/1.1"
    asked: list[str]
    behind: str

    def _forward(self) -> None:
        url = urlsplit(self.path)
        host = url.netloc or self.behind
        if not host:
            self.send_error(404)
            return
        self.asked.append(host)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = url._replace(scheme="", netloc="").geturl()
        with closing(HTTPConnection(host, timeout=30)) as connection:
            connection.request(self.command, path, body, dict(self.headers.items()))
            response = connection.getresponse()
            content = response.read()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _forward  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def proxy(behind: str = "", certificate: Path | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield the URL of a proxy, and the hosts that it was asked for. ``certificate`` has a certificate and its key."""
    asked: list[str] = []
    handler = type("Noting", (Proxy,), {"asked": asked, "behind": behind})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_a_proxy_is_for_aws_the_checks_and_github_and_no_proxy_is_not(
    runner: Runner, inputs: dict[str, str], account: Account
) -> None:
    given = {**inputs, "github-deployments": "true", "github-token": "ghs_0123456789abcdefghij"}
    sandbox = urlsplit(account.environ["AWS_ENDPOINT_URL"]).netloc
    with proxy() as (github, _), proxy() as (url, asked):
        environ: Mapping[str, str] = {"HTTP_PROXY": url, "GITHUB_API_URL": github, "NO_PROXY": ""}
        ended = runner.start(given, environ=environ).wait()
        assert ended.result == "promoted", ended.log
        # The sandbox is both AWS and the endpoints.
        checks = [call for call in account.calls() if call.service == "execute-api"]
        assert len(checks) >= 2
        assert asked.count(sandbox) == len(account.calls())
        assert urlsplit(github).netloc in asked
        asked.clear()
        ended = runner.start(given, environ={**environ, "NO_PROXY": "localhost,127.0.0.1"}).wait()
        assert ended.result == "unchanged", ended.log
        assert asked == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_the_certificates_of_aws_are_for_the_checks_and_github_too(
    runner: Runner, inputs: dict[str, str], account: Account, tmp_path: Path
) -> None:
    key, authority, both = tmp_path / "key.pem", tmp_path / "ca.pem", tmp_path / "both.pem"
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=proxy"]
    making += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(authority)]
    subprocess.run(making, check=True, capture_output=True)  # noqa: S603 - our own command
    both.write_bytes(key.read_bytes() + authority.read_bytes())
    given = {**inputs, "github-deployments": "true", "github-token": "ghs_0123456789abcdefghij"}
    sandbox = urlsplit(account.environ["AWS_ENDPOINT_URL"]).netloc
    with proxy(sandbox, both) as (aws, _), proxy(certificate=both) as (github, _):
        environ = {"AWS_ENDPOINT_URL": aws, "GITHUB_API_URL": github}
        refused = runner.start(given, environ=environ).wait()
        assert (refused.code, refused.result) == (1, "failed")
        [error] = refused.errors
        assert "The certificate of AWS, or of a proxy, is not accepted" in error.message
        assert "AWS_CA_BUNDLE" in error.message
        assert account.calls() == []
        ended = runner.start(given, environ={**environ, "AWS_CA_BUNDLE": str(authority)}).wait()
        assert ended.result == "promoted", ended.log
        assert ended.outputs["environment-url"].startswith("https://")
        assert "not reachable" not in ended.log
        assert "GitHub returned 404" in ended.log


def test_something_else_than_aws_is_named(runner: Runner, inputs: dict[str, str], account: Account) -> None:
    with proxy() as (other, _):
        ended = runner.run(inputs, environ={"AWS_ENDPOINT_URL": other})
    assert (ended.code, ended.result, account.calls()) == (1, "failed", [])
    [error] = ended.errors
    assert "something else than AWS at AWS_ENDPOINT_URL responded with status 404: <!DOCTYPE HTML" in error.message
    assert "Correct AWS_ENDPOINT_URL, or unset it to use AWS." in error.message


def test_the_password_of_a_proxy_is_not_shown(runner: Runner, inputs: dict[str, str]) -> None:
    ended = runner.start(inputs, environ={"HTTP_PROXY": "http://me:hunter22@127.0.0.1:9"}).wait()
    assert (ended.code, ended.result) == (1, "failed")
    [error] = ended.errors
    assert "The proxy is not reachable" in error.message
    assert "HTTP_PROXY" in error.message
    assert "hunter22" not in ended.log + ended.summary


@pytest.mark.skipif(not Path(FULL).exists(), reason="only Linux has /dev/full")
class TestAFullDisk:
    def test_outputs_that_cannot_be_written_are_named(
        self, runner: Runner, inputs: dict[str, str], world: World
    ) -> None:
        ended = runner.start(inputs, environ={"GITHUB_OUTPUT": FULL}).wait()
        assert (ended.code, world.alias_version()) == (0, "1"), ended.log
        [warning] = ended.annotations
        assert "the disk of the runner is full, so /dev/full cannot be written" in warning.message

    @pytest.mark.parametrize("command", ["deploy", "lock"])
    def test_outputs_that_later_steps_need_are_not_lost_in_silence(
        self, runner: Runner, inputs: dict[str, str], world: World, command: str
    ) -> None:
        assert runner.run(inputs).code == 0
        given = {name: value for name, value in inputs.items() if name != "checks"}
        given = {"function-name": inputs["function-name"]} if command == "lock" else given
        ended = runner.run({**given, "command": command}, environ={"GITHUB_OUTPUT": FULL})
        assert (ended.code, world.alias_version()) == (1, "1"), ended.log
        [error] = ended.annotations
        assert (error.kind, error.title) == ("error", "Runner")
        assert "later steps need them: the disk of the runner is full, so /dev/full cannot be written" in error.message
        assert "Free space on the runner before this step" in error.message
        assert world.lock_owner()
        assert all(post.code == 0 for post in runner.finish())
        assert not world.lock_owner()

    def test_a_log_that_cannot_be_written_does_not_change_the_result(
        self, tmp_path: Path, account: Account, world: World
    ) -> None:
        ended = played(tmp_path, account, f"exec >{FULL}")
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stderr
        assert world.alias_version() == "1"
        assert "The log is not complete: the disk with the file that stdout goes to is full" in summary_of(tmp_path)


@pytest.mark.parametrize(
    ("closing", "why"),
    [
        ("exec >&-", "stdout is closed"),
        ("exec <&- >&- 2>&-", "stdout is closed"),
        ("exec > >(:); sleep 0.3", "stdout is closed: the process that read it has ended"),
    ],
)
def test_a_closed_log_does_not_change_the_result(
    tmp_path: Path, account: Account, world: World, closing: str, why: str
) -> None:
    ended = played(tmp_path, account, closing)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert world.alias_version() == "1"
    assert f"The log is not complete: {why}" in summary_of(tmp_path)


def played(folder: Path, account: Account, before: str) -> subprocess.CompletedProcess[str]:
    """Run a step in a shell that has run ``before``, and return how it ended. There is no log to read."""
    workspace = make_runner(folder / "runner", account).workspace
    inputs = {f"INPUT_{name.upper()}": value for name, value in make_inputs(account).items()}
    environ = {
        "PATH": os.environ["PATH"],
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "GITHUB_SHA": "c" * 40,
        **account.environ,
        **inputs,
    }
    script = f'{before}\nexec "$0" -I -u "$1"'
    command = ["bash", "-c", script, sys.executable, str(REPOSITORY / "entrypoint.py")]
    return subprocess.run(command, env=environ, cwd=workspace, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - ourselves


def summary_of(folder: Path) -> str:
    return (folder / "summary.md").read_text(encoding="utf-8")
