"""Call GitHub's REST API, with timeouts, retries, pagination and errors that name cause and fix.

It uses requests and urllib3's retries. PyGithub and githubkit would add cryptography or pydantic to the image.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from promote import __version__
from promote.core.clock import Clock
from promote.core.concurrency import with_timeout
from promote.core.errors import GitHubError
from promote.core.network import cause
from promote.github.actions.context import Context
from promote.github.commits import legible

if TYPE_CHECKING:
    import requests
    from requests.adapters import HTTPAdapter

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Call:
    """A call, with its purpose for error messages."""

    purpose: str
    permission: str
    """The permission that the job needs, such as ``contents: read``."""
    path: str
    """The path below that of the repository."""
    query: Mapping[str, str | int] = field(default_factory=dict)
    method: str = "GET"
    body: Mapping[str, Any] | None = None


class Client:
    """Makes the calls of one run, for one repository. Thread-safe.

    Each call has a timeout, and all calls together end within ``seconds``, because nothing from GitHub is worth a
    longer wait. After GitHub was not reachable, no more calls are made. Every method raises GitHubError.
    """

    def __init__(
        self, context: Context, session: "Callable[[], requests.Session]", clock: Clock, seconds: float
    ) -> None:
        self._context = context
        self._make_session = session
        self._budget = _Budget(clock, seconds)
        self._lock = Lock()
        self._unreachable: GitHubError | None = None

    @property
    def is_known(self) -> bool:
        """Whether there are a repository and a token."""
        return bool(self._context.token and self._context.repository)

    def get(self, call: Call, read: Callable[[Any], _Value]) -> _Value:
        """Make a call, and return what ``read`` returns for the body of the response."""
        return self._ask(call, read)[0]

    def seek(self, call: Call, read: Callable[[Any], _Value]) -> _Value | None:
        """Do the same as ``get``, but return None if the resource does not exist or the token has no access to it."""
        try:
            return self.get(call, read)
        except GitHubError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def listed(
        self,
        call: Call,
        read: Callable[[Any], _Value],
        most: int,
        is_last: Callable[[_Value], bool] = lambda _: False,
    ) -> list[_Value]:
        """Return the items of all pages, up to the page with an item that ``is_last`` or with item ``most`` + 1."""
        found: list[_Value] = []
        following: Mapping[str, str | int] | None = call.query
        while following is not None and len(found) <= most:
            page, following = self._ask(replace(call, query=following), lambda body: [read(one) for one in array(body)])
            found += page
            if any(map(is_last, page)):
                break
        return found

    def _ask(self, call: Call, read: Callable[[Any], _Value]) -> tuple[_Value, Mapping[str, str | int] | None]:
        """Make a call, and return its value and the query of the next page, None if there is none."""
        response = self._response(call)
        if not response.ok:
            raise _refusal(call, response, self._context.repository)
        try:
            value = read(response.json())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise GitHubError(
                f"{call.purpose} failed: the response is not one of GitHub's API",
                hint=f"Check that {self._context.api_url} is GitHub's API, and not a proxy.",
            ) from error
        # Only the query of the link is used, so that the token is not sent to another host.
        link = response.links.get("next", {}).get("url")
        return value, dict(parse_qsl(urlsplit(link).query)) if link else None

    def _response(self, call: Call) -> "requests.Response":
        if not self.is_known:
            raise GitHubError(f"{call.purpose} was skipped: there is no github-token", hint=_ACCESS_HINT)
        if self._unreachable:
            raise GitHubError(f"{call.purpose} was skipped: {self._unreachable}", hint=self._unreachable.hint)
        with self._lock:  # one thread creates it
            session = self._session
        import requests  # noqa: PLC0415 - loaded with the session
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - the same

        try:
            with self._budget.used() as left:
                response = with_timeout(left, lambda: self._sent(session, call, left))
        except (requests.RequestException, HTTPError, TimeoutError) as error:
            why = _cause(error, self._budget.seconds)
            self._unreachable = GitHubError(why, hint=_UNREACHABLE_HINT)
            raise GitHubError(f"{call.purpose} failed: {why}", hint=_UNREACHABLE_HINT) from error
        if response.request.method != call.method:
            raise GitHubError(
                f"{call.purpose} failed: the repository {self._context.repository} was renamed",
                hint="Run the workflow under the new name of the repository.",
            )
        return response

    def _sent(self, session: "requests.Session", call: Call, left: float) -> "requests.Response":
        return session.request(
            call.method,
            f"{self._context.api_url}/repos/{self._context.repository}/{call.path}",
            params=call.query,
            json=call.body,
            headers=_HEADERS,
            auth=self._authorized,
            timeout=(min(_CONNECT, left), min(_READ, left)),
        )

    @cached_property
    def _session(self) -> "requests.Session":
        session = copy(self._make_session())  # a copy, because other code may use the session
        session.adapters = dict(session.adapters)
        session.mount(f"{self._context.api_url}/", _retrying_adapter(self._budget))
        return session

    def _authorized(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        """Add the token. It is set as ``auth``, because otherwise requests prefers a .netrc file."""
        request.headers["Authorization"] = f"Bearer {self._context.token}"
        return request


class _Budget:
    """The seconds that all calls may take together. Time without a call does not count."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self._lock = Lock()
        self._spent = self._since = 0.0
        self._calls = 0

    @property
    def left(self) -> float:
        running = self.clock.monotonic() - self._since if self._calls else 0.0
        return max(0.0, self.seconds - self._spent - running)

    @contextmanager
    def used(self) -> Iterator[float]:
        """Count the time of one call, and yield the seconds that it may take.

        Raises:
            TimeoutError: No time is left.

        """
        if not self.left:
            raise TimeoutError
        with self._lock:
            self._since = self._since if self._calls else self.clock.monotonic()
            self._calls += 1
        try:
            yield self.left
        finally:
            with self._lock:
                self._calls -= 1
                if not self._calls:
                    self._spent += self.clock.monotonic() - self._since


def _retrying_adapter(budget: _Budget) -> "HTTPAdapter":
    """Return an adapter that retries calls after temporary errors, as long as there is time.

    If GitHub limits the rate, the retry is at the time that GitHub gives:
    https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit.
    """
    from urllib3.exceptions import MaxRetryError, ResponseError  # noqa: PLC0415 - loaded with the session
    from urllib3.util import Retry  # noqa: PLC0415 - the same

    from promote.core.http_session import KeepingAdapter  # noqa: PLC0415 - the same

    class Retries(Retry):
        def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: FBT001, FBT002 - its signature
            # A call that was refused because of the rate limit had no effect, so even a POST may be repeated.
            is_limited = status_code in _RATE_LIMITED and has_retry_after
            return is_limited or super().is_retry(method, status_code, has_retry_after)

        def increment(self, *arguments: Any, **options: Any) -> "Retries":
            grown = super().increment(*arguments, **options)
            response = options.get("response")
            if grown._pause(response) >= budget.left:  # noqa: SLF001 - of the same class
                reason = options.get("error") or ResponseError("there is no time for another attempt")
                raise MaxRetryError(options["_pool"], None, reason)
            return grown

        def sleep(self, response: Any = None) -> None:
            budget.clock.sleep(self._pause(response))

        def _pause(self, response: Any) -> float:
            return (response and self.get_retry_after(response)) or self.get_backoff_time()

    return KeepingAdapter(
        max_retries=Retries(
            total=_RETRIES,
            backoff_factor=0.5,
            status_forcelist=_TEMPORARY,
            allowed_methods={"GET", "PATCH"},  # each PATCH here is idempotent
            raise_on_status=False,
        )
    )


def _refusal(call: Call, response: "requests.Response", repository: str) -> GitHubError:
    """Return the error for an unsuccessful response, with the fix."""
    status, headers = response.status_code, response.headers
    message, codes = _reason(response)
    failed = f"{call.purpose} failed: GitHub returned {status}: {message}"
    if status in _RATE_LIMITED and (
        status == HTTPStatus.TOO_MANY_REQUESTS
        or "Retry-After" in headers
        or headers.get("X-RateLimit-Remaining") == "0"
        or "rate limit" in message.lower()
    ):
        until = _moment(headers.get("X-RateLimit-Reset", "")) if headers.get("X-RateLimit-Remaining") == "0" else ""
        hint = f"The token has made too many calls. Run the job again {until or 'later'}."
    elif status == HTTPStatus.UNAUTHORIZED:
        hint = "The github-token is not valid or has expired. " + _ACCESS_HINT
    elif status == HTTPStatus.FORBIDDEN:
        hint = _permission_hint(headers.get("X-Accepted-GitHub-Permissions", ""), call.permission)
    elif status == HTTPStatus.NOT_FOUND:
        hint = f"It does not exist, or the token has no access to it. Needed for {repository}: `{call.permission}`."
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        hint = "This is an outage of GitHub, see https://www.githubstatus.com. Run the job again later."
    else:
        hint = "Fix the cause that GitHub names, and run the job again."
    return GitHubError(failed, hint=hint, status=status, codes=codes)


def _reason(response: "requests.Response") -> tuple[str, frozenset[str]]:
    """Return GitHub's message, and the codes of its validation errors."""
    try:
        body = response.json()
        errors = [one if isinstance(one, dict) else {"message": str(one)} for one in body.get("errors") or ()]
        details = [str(one.get("message") or " ".join(map(str, one.values()))) for one in errors]
        text = ": ".join(filter(None, [str(body.get("message", "")), "; ".join(details)]))
        codes = frozenset(str(one["code"]) for one in errors if "code" in one)
    except (ValueError, TypeError, AttributeError, RecursionError):
        text, codes = "", frozenset()
    text = " ".join(legible(text or response.reason or "no reason given").split())
    return text[:_REASON], codes


def _permission_hint(accepted: str, fallback: str) -> str:
    """Return a hint with the first set of permissions in ``accepted``, such as ``contents=read, issues=write``."""
    pairs = [pair.strip().partition("=") for pair in accepted.partition(";")[0].split(",") if "=" in pair]
    needed = [f"{name.replace('_', '-')}: {level}" for name, _, level in pairs if name in _GRANTABLE] or [fallback]
    names = " and ".join(f"`{one}`" for one in needed)
    return f"Add {names} to the job's permissions, or set a github-token that has them."


def _moment(text: str) -> str:
    with suppress(ValueError, OverflowError, OSError):  # also if the number is not a valid time
        return f"after {datetime.fromtimestamp(int(text), UTC):%H:%M} UTC"
    return ""


def _cause(error: BaseException, seconds: float) -> str:
    """Return why there was no response."""
    reason = cause(error)
    if error is reason and isinstance(error, TimeoutError):
        return f"the calls to GitHub did not end within {seconds:g} seconds"
    if isinstance(reason, TimeoutError):
        return "GitHub did not respond in time"
    return f"GitHub is not reachable: {' '.join(str(reason).split())[:_REASON] or type(reason).__name__}"


def array(body: Any) -> list[Any]:
    """Return ``body``, after a check that it is a list.

    Raises:
        TypeError: It is not a list.

    """
    if not isinstance(body, list):
        raise TypeError(body)
    return body


_CONNECT, _READ = 3.0, 10.0
"""Timeouts in seconds."""

_HEADERS = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    "User-Agent": f"promote-on-success/{__version__}",
}

_RATE_LIMITED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
_TEMPORARY = frozenset(
    {
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_RETRIES = 3
_REASON = 300
"""The most characters of GitHub's message that are shown."""


_GRANTABLE = frozenset(
    {"actions", "checks", "contents", "deployments", "issues", "packages", "pages", "pull_requests", "statuses"}
)
"""The permissions of a job's token, by their names in GitHub's header: https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#permissions."""

_ACCESS_HINT = "Leave the input github-token at its default, the token of the job."
_UNREACHABLE_HINT = (
    "Check that the runner can reach GitHub's API, and see https://www.githubstatus.com. Run the job again later."
)
