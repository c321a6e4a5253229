"""Calls of GitHub's REST API: limits of time, repetition, pages, and what a refusal means.

On requests and urllib3's retries: PyGithub and githubkit would bring cryptography or pydantic into an image that needs
neither.
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
    """A call, and what is said of it where it fails."""

    purpose: str
    permission: str
    """What it needs, as a job's permissions have it."""
    path: str
    """Below the repository's."""
    query: Mapping[str, str | int] = field(default_factory=dict)
    method: str = "GET"
    body: Mapping[str, Any] | None = None


class Client:
    """Makes the calls of one run, for one repository; several threads may share it.

    Each ends within its own limits, and all of them together within ``seconds``: what GitHub is asked for is never
    worth more than that. Once GitHub could not be reached, it is not asked again. Every method raises GitHubError.
    """

    def __init__(
        self, context: Context, session: "Callable[[], requests.Session]", clock: Clock, seconds: float
    ) -> None:
        self._context = context
        self._make_session = session
        self._budget = _Budget(clock, seconds)
        self._lock = Lock()
        self._trouble: GitHubError | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is a repository, and a token to ask for it."""
        return bool(self._context.token and self._context.repository)

    def get(self, call: Call, read: Callable[[Any], _Value]) -> _Value:
        """Make a call; give what ``read`` makes of the answer."""
        return self._ask(call, read)[0]

    def seek(self, call: Call, read: Callable[[Any], _Value]) -> _Value | None:
        """Do the same; None: GitHub has no such thing, or does not show it to us."""
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
        """Read pages up to one with an item that ``is_last``, or until there are more than ``most`` items."""
        found: list[_Value] = []
        following: Mapping[str, str | int] | None = call.query
        while following is not None and len(found) <= most:
            page, following = self._ask(replace(call, query=following), lambda body: [read(one) for one in array(body)])
            found += page
            if any(map(is_last, page)):
                break
        return found

    def _ask(self, call: Call, read: Callable[[Any], _Value]) -> tuple[_Value, Mapping[str, str | int] | None]:
        """Make a call; give its value and the query of the following page, None where there is none."""
        response = self._answer(call)
        if not response.ok:
            raise _refusal(call, response, self._context.repository)
        try:
            value = read(response.json())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise GitHubError(
                f"{call.purpose} failed: the answer is not one of GitHub's API",
                hint=f"See whether something other than GitHub answers at {self._context.api_url}, such as a proxy.",
            ) from error
        # Of the link only the query: the token goes nowhere else.
        link = response.links.get("next", {}).get("url")
        return value, dict(parse_qsl(urlsplit(link).query)) if link else None

    def _answer(self, call: Call) -> "requests.Response":
        if not self.is_known:
            raise GitHubError(f"{call.purpose} was left out: there is no github-token", hint=_ACCESS_HINT)
        if self._trouble:  # it was not there a moment ago
            raise GitHubError(f"{call.purpose} was left out: {self._trouble}", hint=self._trouble.hint)
        with self._lock:  # of several threads, one makes it
            session = self._session
        import requests  # noqa: PLC0415 - the session's maker has loaded it
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - the same

        try:
            with self._budget.used() as left:
                response = with_timeout(left, lambda: self._sent(session, call, left))
        except (requests.RequestException, HTTPError, TimeoutError) as error:
            why = _cause(error, self._budget.seconds)
            self._trouble = GitHubError(why, hint=_UNREACHABLE_HINT)
            raise GitHubError(f"{call.purpose} failed: {why}", hint=_UNREACHABLE_HINT) from error
        if response.request.method != call.method:
            raise GitHubError(
                f"{call.purpose} failed: the repository {self._context.repository} has another name now",
                hint="Run the workflow of the repository as it is named now.",
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
        session = copy(self._make_session())  # one of its own, since others may be using theirs
        session.adapters = dict(session.adapters)
        session.mount(f"{self._context.api_url}/", _patient(self._budget))
        return session

    def _authorized(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        """Add the token: as ``auth``, since requests would prefer a .netrc to a header."""
        request.headers["Authorization"] = f"Bearer {self._context.token}"
        return request


class _Budget:
    """Seconds that all calls have together; the time in which none is under way is not theirs."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self._lock = Lock()
        self._spent = self._since = 0.0
        self._under_way = 0

    @property
    def left(self) -> float:
        running = self.clock.monotonic() - self._since if self._under_way else 0.0
        return max(0.0, self.seconds - self._spent - running)

    @contextmanager
    def used(self) -> Iterator[float]:
        """Take the time of one call; give what it may take.

        Raises:
            TimeoutError: nothing is left.

        """
        if not self.left:
            raise TimeoutError
        with self._lock:
            self._since = self._since if self._under_way else self.clock.monotonic()
            self._under_way += 1
        try:
            yield self.left
        finally:
            with self._lock:
                self._under_way -= 1
                if not self._under_way:
                    self._spent += self.clock.monotonic() - self._since


def _patient(budget: _Budget) -> "HTTPAdapter":
    """Make what repeats calls that failed by chance, as long as there is time for it.

    Refusals for now (too many calls) are repeated as soon as GitHub says:
    https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit.
    """
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - the session's maker has loaded it
    from urllib3.exceptions import MaxRetryError, ResponseError  # noqa: PLC0415 - the same
    from urllib3.util import Retry  # noqa: PLC0415 - the same

    class Retries(Retry):
        def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: FBT001, FBT002 - its signature
            # What was refused for now was not done: also a POST may be repeated.
            is_refused = status_code in _REFUSED_FOR_NOW and has_retry_after
            return is_refused or super().is_retry(method, status_code, has_retry_after)

        def increment(self, *arguments: Any, **options: Any) -> "Retries":
            grown = super().increment(*arguments, **options)
            response = options.get("response")
            if grown._pause(response) >= budget.left:  # noqa: SLF001 - of the same class
                reason = options.get("error") or ResponseError("there is no time to try again")
                raise MaxRetryError(options["_pool"], None, reason)
            return grown

        def sleep(self, response: Any = None) -> None:
            budget.clock.sleep(self._pause(response))

        def _pause(self, response: Any) -> float:
            return (response and self.get_retry_after(response)) or self.get_backoff_time()

    return HTTPAdapter(
        max_retries=Retries(
            total=_RETRIES,
            backoff_factor=0.5,
            status_forcelist=_PASSING,
            allowed_methods={"GET", "PATCH"},  # a PATCH of ours may be repeated: it says what is to be, not what to do
            raise_on_status=False,
        )
    )


def _refusal(call: Call, response: "requests.Response", repository: str) -> GitHubError:
    """Say why GitHub does not do what it was asked for, and what helps."""
    status, headers = response.status_code, response.headers
    message, codes = _reason(response)
    failed = f"{call.purpose} failed: GitHub answered {status}: {message}"
    if status in _REFUSED_FOR_NOW and (
        status == HTTPStatus.TOO_MANY_REQUESTS
        or "Retry-After" in headers
        or headers.get("X-RateLimit-Remaining") == "0"
        or "rate limit" in message.lower()
    ):
        until = _moment(headers.get("X-RateLimit-Reset", "")) if headers.get("X-RateLimit-Remaining") == "0" else ""
        hint = f"The token has made too many calls. Run the job again {until or 'later'}."
    elif status == HTTPStatus.UNAUTHORIZED:
        hint = "The github-token is not valid, or not any more. " + _ACCESS_HINT
    elif status == HTTPStatus.FORBIDDEN:
        hint = _permission_hint(headers.get("X-Accepted-GitHub-Permissions", ""), call.permission)
    elif status == HTTPStatus.NOT_FOUND:
        hint = f"Either it is not there, or the token may not see it: {repository} with `{call.permission}`."
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        hint = "This is GitHub's own trouble, see https://www.githubstatus.com. Run the job again later."
    else:
        hint = "See what GitHub says above; run the job again when that is mended."
    return GitHubError(failed, hint=hint, status=status, codes=codes)


def _reason(response: "requests.Response") -> tuple[str, frozenset[str]]:
    """Give GitHub's own words, and the codes of what it does not like."""
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
    """Name the permissions of the first set that GitHub accepts, such as ``contents=read, pull_requests=write``."""
    pairs = [pair.strip().partition("=") for pair in accepted.partition(";")[0].split(",") if "=" in pair]
    needed = [f"{name.replace('_', '-')}: {level}" for name, _, level in pairs if name in _GRANTABLE] or [fallback]
    names = " and ".join(f"`{one}`" for one in needed)
    return f"Add {names} to the job's permissions, or give a github-token that has them."


def _moment(text: str) -> str:
    with suppress(ValueError, OverflowError, OSError):  # also of a number that is no time
        return f"after {datetime.fromtimestamp(int(text), UTC):%H:%M} UTC"
    return ""


def _cause(error: BaseException, seconds: float) -> str:
    """Say why there was no answer."""
    reason = cause(error)
    if error is reason and isinstance(error, TimeoutError):
        return f"the {seconds:g} seconds for calls to GitHub are over"
    if isinstance(reason, TimeoutError):
        return "GitHub did not answer in time"
    return f"GitHub could not be reached: {' '.join(str(reason).split())[:_REASON] or type(reason).__name__}"


def array(body: Any) -> list[Any]:
    """Give ``body``, which must be a list.

    Raises:
        TypeError: it is something else.

    """
    if not isinstance(body, list):
        raise TypeError(body)
    return body


_CONNECT, _READ = 3.0, 10.0
"""Seconds."""

_HEADERS = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    "User-Agent": f"promote-on-success/{__version__}",
}

_REFUSED_FOR_NOW = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
_PASSING = frozenset(
    {
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_RETRIES = 3
_REASON = 300
"""Characters of GitHub's own words that are told."""


_GRANTABLE = frozenset(
    {"actions", "checks", "contents", "deployments", "issues", "packages", "pages", "pull_requests", "statuses"}
)
"""What a job's token can be given, as GitHub's header calls it: https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#permissions."""

_ACCESS_HINT = "Leave the input github-token as it is by default: the job's own token."
_UNREACHABLE_HINT = (
    "See whether the runner reaches GitHub's API, and https://www.githubstatus.com; run the job again later."
)
