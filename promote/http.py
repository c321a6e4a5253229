"""HTTP requests to an endpoint, and which answers are API Gateway's own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promote import __version__
from promote.model import Endpoint

if TYPE_CHECKING:
    import requests

_GATEWAY_MESSAGES: Mapping[int, str] = {
    403: "Forbidden",
    404: "Not Found",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""What API Gateway itself answers where the API, its mapping, its route, or the permission to invoke is missing."""


@dataclass(frozen=True)
class Answer:
    """What came back: a status, or why there was none."""

    status: int
    body: bytes
    trouble: str = ""
    is_unreachable: bool = False

    @property
    def is_gateways_own(self) -> bool:
        """Whether the endpoint itself may be at fault, and not the function behind it."""
        if self.is_unreachable:
            return True
        if self.status not in _GATEWAY_MESSAGES:
            return False
        try:
            return bool(json.loads(self.body) == {"message": _GATEWAY_MESSAGES[self.status]})
        except (ValueError, RecursionError):
            return False


def ask(session: "requests.Session", endpoint: Endpoint, method: str, path: str, limit: float) -> Answer:
    """Send one request, at most ``limit`` seconds long; redirects are answers, not followed."""
    import requests  # noqa: PLC0415 - the session's maker has loaded it
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - the same

    headers = {"User-Agent": f"promote-on-success/{__version__}", "Cache-Control": "no-cache"}
    if endpoint.host:
        headers["Host"] = endpoint.host
    try:
        response = session.request(
            method, endpoint.address + path, headers=headers, timeout=(min(5, limit), limit), allow_redirects=False
        )
    except requests.ReadTimeout:
        return Answer(0, b"", f"no answer within {limit:.0f} seconds")
    except (requests.RequestException, HTTPError) as error:  # requests lets some of an impossible address through
        return Answer(0, b"", f"not reachable: {_reason(error)}", is_unreachable=True)
    return Answer(response.status_code, response.content)


def cause(error: BaseException) -> BaseException:
    """Give the innermost reason: the outer ones repeat the URL and addresses of objects."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _reason(error: Exception) -> str:
    reason = cause(error)
    return " ".join(str(reason).split()) or type(reason).__name__
