"""The HTTP session against servers that send too much, too slowly, or nothing. Connections that stay alive."""

import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
import requests

from promote.aws.clients import Clients
from promote.core.endpoint import Endpoint
from promote.core.http_session import LARGEST, KeepingAdapter, UnfinishedError, new_session
from promote.core.verdict import CheckResult, Outcome
from promote.inputs.checks import parse_checks
from promote.inputs.value import Value
from promote.verification.http_checks import run_check
from promote.verification.http_client import Response, ask
from tests.clock import Time

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


_BUSY = 20
"""Seconds for what takes one second if the machine is not busy, and for ever if the limit does not hold."""


@contextmanager
def serving(answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """Serve each connection with ``answer``, which gets the socket and the request. Yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                while request := connection.recv(65536):
                    answer(connection, request)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def test_a_check_sends_no_credentials_of_the_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login user password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[bytes] = []

    def answer(connection: socket.socket, request: bytes) -> None:
        seen.append(request)
        connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")

    with serving(answer) as address, new_session() as session:
        assert session.get(address, timeout=(5, 5)).status_code == 200
        assert ask(session, Endpoint("latest", address, address), "GET", "/", 5).status == 200
    assert [b"Authorization" in request for request in seen] == [True, False]


def forever(*parts: bytes, pause: float = 0) -> Callable[[socket.socket, bytes], None]:
    """Send the parts, and repeat the last one forever."""

    def answer(connection: socket.socket, _request: bytes) -> None:
        for number in count():
            connection.sendall(parts[min(number, len(parts) - 1)])
            time.sleep(pause)

    return answer


def once(response: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _request: connection.sendall(response)


def with_length(body: bytes, headers: bytes = b"") -> bytes:
    return HEAD + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def response_of(address: str, limit: float = 5) -> Response:
    with new_session() as session:
        session.trust_env = False
        return ask(session, Endpoint("latest", address, address), "GET", "/", limit)


def checked(address: str, line: str = "GET / 200 ok") -> CheckResult:
    with new_session() as session:
        session.trust_env = False
        check = parse_checks(Value(line))[0]
        return run_check(check, session, Endpoint("latest", address, address), Time(), 600)


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (forever(HEAD + b"\r\n", b"x", pause=0.1), "the response did not end within 1 seconds"),
        (forever(CHUNKED, b"1\r\nx\r\n", pause=0.1), "the response did not end within 1 seconds"),
        (forever(CHUNKED + b"0\r\n", b"A: b\r\n", pause=0.1), "the response did not end within 1 seconds"),
        # Empty blocks: RFC 1951, 3.2.4.
        (
            forever(HEAD + b"Content-Encoding: deflate\r\n\r\n\x78\x9c", b"\0\0\0\xff\xff" * 100, pause=0.1),
            "the response did not end within 1 seconds",
        ),
        (forever(HEAD, b"A: b\r\n", pause=0.1), "no response within 1 seconds"),
        (forever(b"H", pause=0.1), "no response within 1 seconds"),
        (forever(b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.1), "no response within 1 seconds"),
        (lambda *_: time.sleep(60), "no response within 1 seconds"),
    ],
    ids=["body", "chunks", "trailers", "blocks", "headers", "status", "continue", "silent"],
)
def test_a_response_that_does_not_end_ends_with_the_limit(
    answer: Callable[[socket.socket, bytes], None], trouble: str
) -> None:
    with serving(answer) as address:
        started = time.monotonic()
        found = response_of(address, 1)
        assert time.monotonic() - started < _BUSY
    assert (found.trouble, found.is_unreachable) == (trouble, False)


def test_headers_that_are_cut_off_at_the_limit_are_not_a_response() -> None:
    """http.client takes them for complete ones, in the thread that wakes up when the connection is closed."""

    def trouble(_number: int) -> type[Exception]:
        with new_session() as session:
            session.trust_env = False
            with pytest.raises(requests.Timeout) as raised:
                session.get(address, timeout=(30, 0.05))
        return raised.type

    with serving(forever(HEAD, b"A: b\r\n", pause=0.005)) as address, ThreadPoolExecutor(8) as pool:
        assert UnfinishedError not in set(pool.map(trouble, range(200)))


def test_a_connection_that_is_not_made_in_time_is_not_a_response_of_the_function() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(address)
        started = time.monotonic()
        with new_session() as session:
            session.trust_env = False
            with pytest.raises(requests.ConnectTimeout):
                session.get(f"http://127.0.0.1:{address[1]}/", timeout=(30, 1))
        assert time.monotonic() - started < _BUSY
        assert response_of(f"http://127.0.0.1:{address[1]}", 1).is_unreachable
        for one in waiting:
            one.close()


@pytest.mark.parametrize(
    "response",
    [
        with_length(b"x" * (LARGEST + 1)),
        with_length(gzip.compress(bytes(LARGEST + 1)), b"Content-Encoding: gzip\r\n"),
        with_length(zlib.compress(bytes(LARGEST + 1)), b"Content-Encoding: deflate\r\n"),
    ],
    ids=["plain", "gzip", "deflate"],
)
def test_a_response_that_is_too_large_is_inconclusive(response: bytes) -> None:
    with serving(once(response)) as address:
        for line in ("GET / 200", "GET / 200 ok"):
            found = checked(address, line)
            assert found.outcome is Outcome.INCONCLUSIVE
            assert found.detail == "the response is larger than 6 MB, so the rest of it was not read"


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


BODY = json.dumps({"ok": True, "text": "x" * 300_000}).encode()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"identity", BODY),
        (b"gzip", gzip.compress(BODY)),
        (b"X-GZIP", gzip.compress(BODY)),
        (b"deflate", zlib.compress(BODY)),
        (b"deflate", raw_deflate(BODY)),
    ],
)
def test_a_body_is_decoded(coding: bytes, body: bytes) -> None:
    for response in (
        with_length(body, b"Content-Encoding: " + coding + b"\r\n"),
        CHUNKED[:-2] + b"Content-Encoding: " + coding + b"\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n",
    ):
        with serving(once(response)) as address:
            assert response_of(address).whole() == BODY
            assert checked(address).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (
            with_length(gzip.compress(BODY)[:-9], b"Content-Encoding: gzip\r\n"),
            "the gzip data of the body ends too early",
        ),
        (with_length(BODY, b"Content-Encoding: gzip\r\n"), "the gzip data of the body is not valid: incorrect header"),
        (with_length(gzip.compress(BODY) * 2, b"Content-Encoding: gzip\r\n"), "has something after its end"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nnothing\r\n", "nothing"),
        (HEAD + (b"A: " + b"x" * 60_000 + b"\r\n") * 5, "its headers are larger than 256 KB"),
        (HEAD + b"A: " + b"x" * 70_000, "header line"),
        (b"nothing\r\n\r\n", "nothing"),
    ],
)
def test_a_body_that_is_broken_is_not_judged(response: bytes, reason: str) -> None:
    with serving(once(response)) as address:
        found = response_of(address)
    assert found.is_unreachable
    assert found.trouble.startswith("the response cannot be read: ")
    assert reason in found.trouble


def test_a_coding_that_was_not_accepted_leaves_only_the_status() -> None:
    with serving(once(with_length(b"\x0b\x02\x80{}\x03", b"Content-Encoding: br\r\n"))) as address:
        assert checked(address, "GET / 200").outcome is Outcome.PASSED
        found = checked(address, "GET / 200 ok")
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.detail == "the response has the Content-Encoding br, which the action did not accept and cannot decode"


def test_json_with_too_many_values_is_not_read() -> None:
    for body in (b"[" + b"{}," * 250_000 + b"1]", b'{"a":' * 130_000 + b"1" + b"}" * 130_000):
        with serving(once(with_length(body))) as address:
            found = checked(address)
        assert found.outcome is Outcome.INCONCLUSIVE
        assert found.detail == "the body has more than 250,000 values, so it was not read as JSON"


@pytest.mark.parametrize("location", [b"/other", b"http://[bad", b"/\xff\xfe", b"mailto:a@b"])
def test_a_redirect_is_a_response_wherever_it_leads(location: bytes) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 12\r\n\r\n"
    with serving(once(head + b'{"ok": true}')) as address:
        assert checked(address, "GET / 302 ok").outcome is Outcome.PASSED
        assert checked(address).detail == 'status 302 instead of 200: {"ok": true}'


def test_a_connection_is_used_again_and_cookies_are_not_kept() -> None:
    requested: list[bytes] = []
    ports = set()

    def answer(connection: socket.socket, request: bytes) -> None:
        requested.append(request)
        ports.add(connection.getpeername()[1])
        head = b"HTTP/1.1 302 Found\r\nLocation: /\r\n" if b"/moved" in request else HEAD
        connection.sendall(head + b"Set-Cookie: session=1; Path=/\r\nContent-Length: 2\r\n\r\n{}")

    with serving(answer) as address, new_session() as session:
        session.trust_env = False
        for path, status in (("/", 200), ("/moved", 302), ("/", 200)):
            assert ask(session, Endpoint("latest", address, address), "GET", path, 5).status == status
    assert len(requested) == 3
    assert len(ports) == 1
    assert not [request for request in requested if b"cookie" in request.lower()]


def keep_alive_timers(port: int) -> list[float]:
    """Return the seconds until the next keep-alive packet of each connection to ``port``: proc_pid_net(5).

    If other connections come and go while it is read, the file may have a connection twice.
    """
    lines = [line.split() for line in Path("/proc/self/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    timers = {
        local: timer for _, local, remote, state, _, timer, *_ in lines if (remote[-4:], state) == (f"{port:04X}", "01")
    }
    return [int(when, 16) / 100 for kind, when in (timer.split(":") for timer in timers.values()) if kind == "02"]


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="not Linux")
def test_each_connection_is_kept_alive_before_a_nat_drops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A NAT drops a connection after four minutes. Linux sends the first packet after two hours, unless it is set."""
    with serving(once(b"HTTP/1.1 200 OK\r\nx-amzn-requestid: 1\r\nContent-Length: 0\r\n\r\n")) as address:
        port = int(address.rpartition(":")[2])
        made = 0

        def require_kept(_: object) -> None:
            nonlocal made
            made += 1
            deadline = time.monotonic() + 20
            # While a packet is not acknowledged, the kernel shows another timer of the connection.
            while len(timers := keep_alive_timers(port)) < made and time.monotonic() < deadline:
                time.sleep(0.05)
            assert len(timers) == made
            assert max(timers) <= 60

        environ = {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        clients = Clients("eu-west-1", environ)
        require_kept(clients.function.list_functions())
        require_kept(clients.invoker.list_functions())
        require_kept(clients.table.list_tables())
        require_kept(clients.heartbeat(5).list_tables())
        require_kept(clients.gateway.get_apis())
        require_kept(clients.gateway_without_retries.get_apis())
        require_kept(clients.storage.list_buckets())
        with new_session() as session, requests.Session() as github:
            github.mount("http://", KeepingAdapter())
            for one in (session, github):
                one.trust_env = False
                require_kept(one.get(address, timeout=(5, 5)))
