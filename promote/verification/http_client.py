"""HTTP requests to an endpoint, and which responses come from API Gateway itself or from a cache."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any

from promote import __version__
from promote.core.endpoint import Endpoint
from promote.core.network import cause, proxy_variable

if TYPE_CHECKING:
    import requests

_GATEWAY_MESSAGES: Mapping[int, str] = {
    403: "Forbidden",
    404: "Not Found",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""API Gateway's response if the API, its mapping, its route, or the permission to invoke is missing."""


_CACHE = re.compile(r"(?i)(.+-)?cache(-status|-lookup)?")
_FROM_CACHE = re.compile(r"(?i)hit|stale|updating|revalidated")
"""The headers of caches, and their words for a response from the cache.

X-Cache (CloudFront, Fastly, Akamai), CF-Cache-Status (Cloudflare), Cache-Status (RFC 9211) and similar ones.
"""


@dataclass(frozen=True)
class Response:
    """A response, or why there was none."""

    status: int
    start: bytes
    """The beginning of the body."""
    whole: Callable[[], bytes] = bytes
    """Return the whole body."""
    trouble: str = ""
    is_unreachable: bool = False
    is_unknown: bool = False
    """Whether the function responded, but not with a whole body that can be read."""
    coding: str = ""
    """The Content-Encoding that the action cannot decode; empty if there is none."""
    is_bodiless: bool = False
    """Whether the request was a HEAD, whose response never has a body."""
    cached: str = ""
    """The header that shows that the response came from a cache; empty if none does."""

    @property
    def is_functions_own(self) -> bool:
        """Whether only the function can have returned it."""
        return not (self.trouble or self.cached or self.is_gateways_own or self.is_throttled)

    @property
    def is_throttled(self) -> bool:
        """Whether API Gateway has refused the request because there were too many. The function has not seen it."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS and self._has_message("Too Many Requests")

    @property
    def is_failure(self) -> bool:
        """Whether API Gateway could not invoke the function: it crashed, or the permission is missing."""
        return self.status == 500 and self.is_gateways_own  # noqa: PLR2004 - RFC 9110, 15.6.1

    @property
    def is_gateways_own(self) -> bool:
        """Whether it may come from the endpoint itself, and not from the function."""
        if self.is_unreachable:
            return True
        return self.status in _GATEWAY_MESSAGES and self._has_message(_GATEWAY_MESSAGES[self.status])

    def _has_message(self, text: str) -> bool:
        """Return whether the body is that of API Gateway with this message; True if there is never a body."""
        if self.is_bodiless:
            return True
        try:
            return bool(json.loads(self.start) == {"message": text})
        except (ValueError, RecursionError):
            return False


_START = 8192
"""Bytes of the beginning of a body."""


def ask(session: "requests.Session", endpoint: Endpoint, method: str, path: str, limit: float) -> Response:
    """Send one request, and return its response, within ``limit`` seconds. Redirects are not followed."""
    from http.client import HTTPException  # noqa: PLC0415 - loads ssl, which wrong inputs do not need

    import requests  # noqa: PLC0415 - already loaded with the session
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - see above

    from promote.core.http_session import (  # noqa: PLC0415 - see above
        LARGEST,
        BrokenError,
        TooLargeError,
        UnfinishedError,
        unknown_coding,
    )

    headers = {
        "User-Agent": f"promote-on-success/{__version__}",
        "Accept-Encoding": "gzip, deflate",
        "Cache-Control": "no-cache",
    }
    if endpoint.host:
        headers["Host"] = endpoint.host
    try:
        response = session.request(
            method,
            endpoint.address + path,
            headers=headers,
            auth=_anonymous,
            timeout=(min(5, limit), limit),
            allow_redirects=False,
            stream=True,
        )
    except UnfinishedError:
        return Response(0, b"", trouble=f"the response did not end within {limit:.0f} seconds")
    except requests.ReadTimeout:
        return Response(0, b"", trouble=f"no response within {limit:.0f} seconds")
    except TooLargeError:
        size = f"the response is larger than {LARGEST >> 20} MB, so the rest of it was not read"
        return Response(0, b"", trouble=size, is_unknown=True)
    except BrokenError as error:
        return Response(0, b"", trouble=f"the response cannot be read: {_reason(error)}", is_unreachable=True)
    except (OSError, HTTPError) as error:  # requests does not catch all errors of an invalid address
        is_response = isinstance(cause(error), HTTPException) and not isinstance(cause(error), ConnectionError)
        what = "the response cannot be read" if is_response else "not reachable"
        route = "" if is_response else _route(session, endpoint.address)
        return Response(0, b"", trouble=f"{what}: {_reason(error)}{route}", is_unreachable=True)
    body: Any = response.raw  # a file
    start = body.read(_START)
    return Response(
        response.status_code,
        start,
        lambda: _whole(body),
        is_bodiless=method == "HEAD",
        coding=unknown_coding(response.headers),
        cached=_cached(response.headers),
    )


def _anonymous(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
    """Return the request as it is. Without any ``auth``, requests adds the credentials of a .netrc file."""
    return request


def _whole(body: IO[bytes]) -> bytes:
    body.seek(0)
    return body.read()


def _cached(headers: Mapping[str, str]) -> str:
    """Return the header that shows that the response came from a cache; empty if none does.

    Age means that the origin neither created nor validated the response for this request: RFC 9111, 5.1.
    """
    for name, value in headers.items():
        if name.lower() == "age" or (_CACHE.fullmatch(name) and _FROM_CACHE.search(value)):
            return f"{name}: {value}"
    return ""


def _route(session: "requests.Session", url: str) -> str:
    """Return the proxy between here and ``url``, as the end of a sentence; empty if there is none."""
    from requests.utils import should_bypass_proxies  # noqa: PLC0415 - loaded with the session

    if not session.trust_env or should_bypass_proxies(url, no_proxy=None):
        return ""
    # As for requests, the environment is that of the process.
    variable = proxy_variable(url, os.environ, ["all"])
    return f", through the proxy of {variable}" if variable else ""


def _reason(error: Exception) -> str:
    reason = cause(error)
    return " ".join(str(reason).split()) or type(reason).__name__
