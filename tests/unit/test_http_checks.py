"""HTTP checks: what passes, what is repeated, and for how long. The test controls time."""

import io
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest
import requests

from promote.core.endpoint import Endpoint, Gateway
from promote.core.http_session import new_session
from promote.core.verdict import CheckResult, Outcome
from promote.inputs.checks import first_path, parse_checks
from promote.inputs.value import Value
from promote.verification.http_checks import Reach, run_check
from promote.verification.http_client import ask
from tests.clock import Time

OURS = Endpoint("latest", "http://a", "http://a", gateway=Gateway("1", "http://a"))
NEW = Endpoint("latest", "http://a", "http://a", gateway=Gateway("1", "http://a"), is_new=True)


class Server:
    """A session that returns the responses in turn, and the last one forever."""

    trust_env = False

    def __init__(
        self,
        time: Time,
        responses: Iterable[tuple[int, bytes] | Exception],
        seconds: float = 0.1,
        headers: Mapping[str, str] | None = None,
        paths: Mapping[str, tuple[int, bytes]] | None = None,
    ) -> None:
        """``paths`` have the responses to requests that end with them, in any turn."""
        self._headers, self._paths = headers or {}, paths or {}
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self._time = time
        self._seconds = seconds
        known = list(responses)
        self._responses = itertools.chain(known, itertools.repeat(known[-1]))

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        self.requests.append((method, url, options))
        known = next((self._paths[path] for path in self._paths if url.endswith(path)), None)
        answer = known or next(self._responses)
        if isinstance(answer, requests.ReadTimeout):
            self._time.seconds += options["timeout"][1]
        else:
            self._time.seconds += self._seconds
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, body = answer
        response.raw = io.BytesIO(body)
        response.headers.update(self._headers)
        return response


def check(line: str, endpoint: Endpoint, server: Server, time: Time, deadline: float = 600) -> CheckResult:
    return run_check(parse_checks(Value(line))[0], cast("requests.Session", server), endpoint, time, deadline)


@pytest.mark.parametrize(
    ("line", "answer", "outcome"),
    [
        ("GET /", (200, b""), Outcome.PASSED),
        ("GET /", (204, b""), Outcome.PASSED),
        ("GET /", (302, b""), Outcome.FAILED),
        ("GET / 302", (302, b""), Outcome.PASSED),
        ("GET / 200", (201, b""), Outcome.FAILED),
        ("GET / 200 a == `1`", (200, b'{"a": 1}'), Outcome.PASSED),
        ("GET / 200 a == `1`", (200, b'{"a": 2}'), Outcome.FAILED),
        ("GET / 200 a", (200, b"<html>"), Outcome.FAILED),
        ("GET / 200 a", (200, b""), Outcome.FAILED),
        ("GET / 404", (404, b'{"error": "none"}'), Outcome.PASSED),
    ],
)
def test_a_response_is_judged_once(line: str, answer: tuple[int, bytes], outcome: Outcome) -> None:
    time = Time()
    server = Server(time, [answer])
    assert check(line, OURS, server, time).outcome is outcome
    assert len(server.requests) == 1
    assert server.requests[0][2]["allow_redirects"] is False


def test_a_failure_of_the_function_is_not_asked_again() -> None:
    time = Time()
    server = Server(time, [(500, b"oops"), (200, b"")])
    result = check("GET /", NEW, server, time)
    assert (result.outcome, len(server.requests)) == (Outcome.FAILED, 1)
    assert "oops" in result.detail


def test_an_endpoint_that_is_not_reachable_yet_is_waited_for() -> None:
    time = Time()
    server = Server(time, [requests.ConnectionError("refused"), requests.ConnectionError("refused"), (200, b"")])
    assert check("GET /", OURS, server, time).outcome is Outcome.PASSED
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("address", "reason"),
    [("http://a..b", "label"), ("http://" + "a" * 64 + ".example.com", "label"), ("http://a:99999", "99999")],
)
def test_an_address_that_cannot_be_one_is_an_answer_too(address: str, reason: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        answer = ask(session, Endpoint("latest", address, address), "GET", "/", 1)
    assert (answer.status, answer.is_unreachable) == (0, True)
    assert answer.trouble.startswith("not reachable: ")
    assert reason in answer.trouble


@pytest.mark.parametrize(
    ("environ", "end"),
    [
        ({"HTTP_PROXY": "http://me:hunter22@127.0.0.1:9"}, "refused, through the proxy of HTTP_PROXY"),
        ({"http_proxy": "127.0.0.1:9", "HTTP_PROXY": "http://a"}, "refused, through the proxy of http_proxy"),
        ({"ALL_PROXY": "http://me:hunter22@127.0.0.1:9"}, "refused, through the proxy of ALL_PROXY"),
        ({"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.0/8"}, "refused"),
        ({"HTTPS_PROXY": "http://127.0.0.1:9"}, "refused"),
    ],
)
def test_the_proxy_of_a_connection_that_failed_is_named(
    monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str], end: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    address = "http://127.0.0.1:9"
    with new_session() as session:
        answer = ask(session, Endpoint("latest", address, address), "GET", "/", 5)
    assert answer.trouble.startswith("not reachable: ")
    assert answer.trouble.endswith(end)
    assert "hunter22" not in answer.trouble


@pytest.mark.parametrize(("endpoint", "patience"), [(OURS, 5), (NEW, 30)])
def test_an_endpoint_that_is_never_reached_is_inconclusive(endpoint: Endpoint, patience: float) -> None:
    time = Time()
    server = Server(time, [requests.ConnectionError("refused")])
    result = check("GET /", endpoint, server, time)
    assert (result.outcome, result.gateway_symptom) == (Outcome.INCONCLUSIVE, True)
    assert "refused" in result.detail
    assert patience * 0.5 < time.seconds <= patience


@pytest.mark.parametrize(
    ("status", "message", "patience"),
    [(404, b"Not Found", 30), (403, b"Forbidden", 30), (500, b"Internal Server Error", 5)],
)
def test_gateways_own_responses_are_waited_out_only_of_a_new_endpoint(
    status: int, message: bytes, patience: float
) -> None:
    body = b'{"message": "' + message + b'"}'
    for endpoint, longest, outcome in ((OURS, 0.2, Outcome.FAILED), (NEW, patience, Outcome.INCONCLUSIVE)):
        time = Time()
        result = check("GET /", endpoint, Server(time, [(status, body)]), time)
        assert (result.outcome, result.gateway_symptom) == (outcome, True)
        assert longest * 0.4 < time.seconds <= longest


NOT_FOUND, FAILS = (404, b'{"message": "Not Found"}'), (500, b'{"message":"Internal Server Error"}')


@pytest.mark.parametrize(
    ("line", "answer", "outcome"),
    [
        ("GET /missing 404", NOT_FOUND, Outcome.PASSED),
        ("HEAD /missing 404", (404, b""), Outcome.PASSED),
        ("POST /missing 403", (403, b'{"message":"Forbidden"}'), Outcome.PASSED),
        ("GET /missing 500", FAILS, Outcome.FAILED),  # a function does not report an error by crashing
        ("HEAD /missing 500", (500, b""), Outcome.FAILED),
        ("GET /missing 500", (500, b'{"error": "told"}'), Outcome.PASSED),
        ("GET /missing 200", NOT_FOUND, Outcome.FAILED),
        ("GET /missing 200", FAILS, Outcome.FAILED),
        ("GET /missing 404", (404, b"none"), Outcome.PASSED),
    ],
)
def test_one_answer_of_the_functions_own_shows_that_a_new_endpoint_reaches_it(
    line: str, answer: tuple[int, bytes], outcome: Outcome
) -> None:
    """A response at another path is enough. Without one, it is unknown where the response came from."""
    time = Time()
    result = check(line, NEW, Server(time, [answer], paths={"a/": (404, b'{"error": "nothing is here"}')}), time)
    assert result.outcome is outcome
    assert time.seconds <= 6
    time = Time()
    silent = check(line, NEW, Server(time, [answer], paths={"a/": NOT_FOUND}), time)
    is_certain = answer[1] in (b"none", b'{"error": "told"}')
    assert silent.outcome is (Outcome.PASSED if is_certain else Outcome.INCONCLUSIVE)


def test_what_one_check_has_seen_of_a_new_endpoint_counts_for_all() -> None:
    time = Time()
    server = Server(time, [NOT_FOUND])
    reach = Reach(cast("requests.Session", server), NEW, is_seen=True)
    found = run_check(parse_checks(Value("GET /x 404"))[0], cast("requests.Session", server), NEW, time, 600, reach)
    assert (found.outcome, len(server.requests)) == (Outcome.PASSED, 1)


@pytest.mark.parametrize(
    ("name", "value", "is_cached"),
    [
        ("Age", "0", True),
        ("age", "31", True),
        ("X-Cache", "Hit from cloudfront", True),
        ("X-Cache", "RefreshHit from cloudfront", True),
        ("X-Cache", "TCP_HIT from a23-1-2-3.deploy.akamaitechnologies.com", True),
        ("CF-Cache-Status", "STALE", True),
        ("Cache-Status", "ExampleCache; hit; ttl=376", True),
        ("X-Vercel-Cache", "HIT", True),
        ("X-Cache", "Miss from cloudfront", False),
        ("CF-Cache-Status", "DYNAMIC", False),
        ("Cache-Status", "ExampleCache; fwd=miss; stored", False),
        ("Cache-Control", "max-age=60, stale-while-revalidate=30", False),
        ("X-Language", "hit", False),
    ],
)
@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_of_a_cache_says_nothing_of_the_candidate(
    name: str, value: str, status: int, *, is_cached: bool
) -> None:
    own = Endpoint("latest", "https://a", "https://a")
    for endpoint in (own, OURS, NEW):
        time = Time()
        server = Server(time, [(status, b'{"a": 1}')], headers={name: value})
        result = check("GET / 200 a", endpoint, server, time)
        expected = Outcome.PASSED if status == 200 else Outcome.FAILED
        assert result.outcome is (Outcome.INCONCLUSIVE if is_cached else expected)
        assert (
            f"the response came from a cache, not from the function ({name}: {value})" in result.detail
        ) is is_cached


def test_an_answer_of_a_cache_does_not_show_that_an_endpoint_reaches_the_function() -> None:
    time = Time()
    session = cast("requests.Session", Server(time, [(200, b"")], headers={"Age": "1"}))
    reach = Reach(session, NEW)
    reach.look(parse_checks(Value("GET /x"))[0], time, 1)
    assert not reach.is_seen


@pytest.mark.parametrize(
    ("checks", "path"),
    [
        ("", "/"),
        ("POST /x 201", "/"),
        ("GET /missing 404\nGET /a", "/a"),
        ("GET /missing 404", "/missing"),
        ("POST /b\nGET /c 401", "/c"),
    ],
)
def test_a_path_is_asked_for_whose_answer_tells(checks: str, path: str) -> None:
    assert first_path(parse_checks(Value(checks))) == path


def test_a_gateways_own_404_of_a_new_endpoint_never_passes() -> None:
    time = Time()
    result = check("GET / 404", NEW, Server(time, [(404, b'{"message": "Not Found"}')]), time)
    assert result.outcome is Outcome.INCONCLUSIVE


def test_a_function_that_does_not_answer_fails_and_our_own_time_out_is_inconclusive() -> None:
    time = Time()
    slow = check("GET /", OURS, Server(time, [requests.ReadTimeout()]), time)
    assert (slow.outcome, slow.seconds) == (Outcome.FAILED, 35)
    time = Time()
    cut = check("GET /", OURS, Server(time, [requests.ReadTimeout()]), time, deadline=3)
    assert (cut.outcome, cut.seconds) == (Outcome.INCONCLUSIVE, 3)
    late = check("GET /", OURS, Server(time, [(200, b"")]), time, deadline=3)
    assert late.outcome is Outcome.INCONCLUSIVE


def test_a_custom_domain_on_an_emulator_is_named_by_its_host_header() -> None:
    time = Time()
    server = Server(time, [(200, b"")])
    endpoint = Endpoint("latest", "https://api.example.com/x/latest", "http://127.0.0.1:1/x/latest", "api.example.com")
    check("GET /health", endpoint, server, time)
    method, url, options = server.requests[0]
    assert (method, url) == ("GET", "http://127.0.0.1:1/x/latest/health")
    assert options["headers"]["Host"] == "api.example.com"


THROTTLED = (429, b'{"message":"Too Many Requests"}')


@pytest.mark.parametrize("endpoint", [OURS, NEW])
def test_requests_that_api_gateway_throttles_are_repeated(endpoint: Endpoint) -> None:
    time = Time()
    server = Server(time, [THROTTLED] * 20 + [(200, b"{}")])
    assert check("POST /orders 200", endpoint, server, time).outcome is Outcome.PASSED
    assert len(server.requests) >= 21


def test_requests_that_are_throttled_until_the_end_say_nothing_about_the_function() -> None:
    time = Time()
    result = check("GET /health 200", OURS, Server(time, [THROTTLED]), time, 60)
    assert (result.outcome, result.detail) == (
        Outcome.INCONCLUSIVE,
        "API Gateway throttled the requests until verify-timeout (status 429)",
    )
    assert 55 < time.seconds <= 60


@pytest.mark.parametrize(
    ("line", "response", "outcome"),
    [
        ("GET /health 200", (429, b'{"message":"slow down"}'), Outcome.FAILED),
        ("GET /health 429", THROTTLED, Outcome.PASSED),
    ],
)
def test_the_functions_own_limit_is_its_response(line: str, response: tuple[int, bytes], outcome: Outcome) -> None:
    time = Time()
    server = Server(time, [response])
    assert check(line, OURS, server, time).outcome is outcome
    assert len(server.requests) == 1
