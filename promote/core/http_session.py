"""The HTTP session of a run: its connections stay alive, it keeps no cookies, and its responses have limits.

requests limits neither the time that a response takes as a whole, nor its size. Import this module where a session is
made, because requests takes a tenth of a second to load.
"""

import http.client
import socket
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from contextvars import ContextVar
from functools import partial
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError

from promote.core.concurrency import with_timeout
from promote.core.network import KEEP_ALIVE

if TYPE_CHECKING:
    from io import BufferedReader

LARGEST = 6 * 1024 * 1024
"""The most bytes of a response's body, as it is sent and decoded. Lambda's own limit of a response is 6 MB:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""

_LARGEST_HEAD = 256 * 1024
"""The most bytes of status and headers. API Gateway accepts 10 KB."""

_IN_MEMORY = 256 * 1024
"""Bytes of a body that are kept in memory. The rest is in a temporary file, because many checks run in parallel."""

_CHUNK = 64 * 1024
"""Bytes that are read, and bytes that are decoded, at a time."""


_AT_ONCE = 32
"""The most connections to one host that are kept."""


class TooLargeError(requests.RequestException):
    """The body is larger than ``LARGEST``."""


class UnfinishedError(requests.ReadTimeout):
    """The response has begun, but it did not end in time."""


class BrokenError(requests.RequestException):
    """The response has begun, but the rest of it is missing or invalid."""


def new_session() -> requests.Session:
    """Return a session whose responses have limits. ``raw`` of each response is a file with the decoded body."""
    session = _Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, LimitingAdapter(pool_maxsize=_AT_ONCE))
    # A cookie that the response to one check sets must not change the response to another.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return session


class _Session(requests.Session):
    """A session that does not look where a redirect leads that is not followed.

    requests would read the body for it, keep it in memory, and raise a ValueError if the location is not valid.
    """

    def resolve_redirects(
        self,
        resp: requests.Response,
        req: requests.PreparedRequest,
        *args: Any,
        yield_requests: bool = False,
        **more: Any,
    ) -> Any:
        """Yield the responses after a redirect. With ``yield_requests``, requests only asks for the next request."""
        return iter(()) if yield_requests else super().resolve_redirects(resp, req, *args, **more)


class KeepingAdapter(HTTPAdapter):
    """An adapter whose connections stay alive."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002 - its signature
        """Create the pools of direct connections."""
        super().init_poolmanager(connections, maxsize, block, **options, **_socket_options())
        self._prepare(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Return the pools of the connections to ``proxy``."""
        manager = super().proxy_manager_for(proxy, **options, **_socket_options())
        self._prepare(manager)
        return manager

    def _prepare(self, manager: PoolManager) -> None:
        """Prepare pools that were created."""


def _socket_options() -> dict[str, Any]:
    return {"socket_options": [*HTTPConnection.default_socket_options, *KEEP_ALIVE]}


class LimitingAdapter(KeepingAdapter):
    """An adapter that limits the size of each response, and the time from the first look-up of a name to its end."""

    def _prepare(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def send(  # noqa: PLR0913, PLR0917 - its signature
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002
        timeout: Any = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Return the response with its whole body. The second of the two seconds in ``timeout`` is the limit in total.

        Raises:
            requests.ConnectTimeout: The request was not sent in time.
            requests.ReadTimeout: There was no response in time.
            UnfinishedError: The response did not end in time.
            TooLargeError: The body is too large.
            BrokenError: The response is incomplete, or its body cannot be decoded.
            requests.RequestException: As usual.

        """
        exchange = _Exchange()
        ask = partial(super().send, request, True, timeout, verify, cert, proxies)  # noqa: FBT003 - positional there

        def received() -> requests.Response:
            _current.set(exchange)
            response = ask()
            exchange.has_begun = True
            try:
                response.raw = _body(response)
            except ReadTimeoutError as error:
                raise UnfinishedError(error, request=request) from error
            except HTTPError as error:
                raise BrokenError(error, request=request) from error
            return response

        try:
            return with_timeout(timeout[1], received)
        except TimeoutError:
            raise exchange.end()(request=request) from None


class _Exchange:
    """How far a request has come."""

    def __init__(self) -> None:
        self.connection: HTTPConnection | None = None
        self.is_sent = self.has_begun = False

    def end(self) -> type[requests.Timeout]:
        """Wake up the thread that waits for the connection, and return the error that says how far it has come."""
        # Before the connection is closed, because http.client takes headers that are cut off for complete ones.
        waited_for_response = requests.ReadTimeout if self.is_sent else requests.ConnectTimeout
        error = UnfinishedError if self.has_begun else waited_for_response
        with suppress(OSError, AttributeError):  # it has just ended, or there is no connection yet
            self.connection.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        return error


_current: ContextVar[_Exchange] = ContextVar("exchange")
"""The exchange of the current thread."""


class _LimitedHead:
    """A file that stops after ``_LARGEST_HEAD`` bytes of lines."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _LARGEST_HEAD

    def readline(self, limit: int) -> bytes:
        """Return the next line, of at most ``limit`` bytes."""
        line: bytes = self._file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise HTTPException(f"its headers are larger than {_LARGEST_HEAD >> 10} KB")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Response(http.client.HTTPResponse):
    """A response whose headers are limited. http.client accepts a hundred, of 64 KB each."""

    def begin(self) -> None:
        file, limited = self.fp, cast("BufferedReader", _LimitedHead(self.fp))  # as far as it is used
        self.fp = limited
        try:
            super().begin()
        finally:
            if self.fp is limited:
                self.fp = file


class _Noted(HTTPConnection):
    """A connection that notes how far the exchange of its thread has come."""

    response_class = _Response

    def connect(self) -> None:
        _current.get().connection = self
        super().connect()

    def getresponse(self) -> Any:
        exchange = _current.get()
        exchange.connection, exchange.is_sent = self, True
        return super().getresponse()


class _NotedSecurely(_Noted, HTTPSConnection):
    """The same with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Noted


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _NotedSecurely


class _File(SpooledTemporaryFile[bytes]):
    """A temporary file that is closed with its last reference."""

    def __del__(self) -> None:
        self.close()


def _body(response: requests.Response) -> IO[bytes]:
    """Read the body within its limit, and return it decoded."""
    body = _File(_IN_MEMORY)
    size = 0
    # At its end, the connection goes back to its pool. Before its end, this closes the connection.
    with closing(response.raw):
        for part in _decoded(_sent(response.raw), _coding(response.headers)):
            size += len(part)
            if size > LARGEST:
                raise TooLargeError
            body.write(part)
    body.seek(0)
    return body


def _sent(raw: Any) -> Iterator[bytes]:
    """Yield the body as it was sent."""
    size = 0
    while part := raw.read1(_CHUNK, decode_content=False):
        size += len(part)
        if size > LARGEST:
            raise TooLargeError
        yield part


def unknown_coding(headers: Mapping[str, str]) -> str:
    """Return the Content-Encoding of a body that is not decoded; empty if there is none."""
    coding = _coding(headers)
    return "" if coding in ("", "identity", "deflate", *_GZIP) else coding


def _coding(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Encoding", "").strip().lower()


_GZIP = ("gzip", "x-gzip")


def _decoded(parts: Iterator[bytes], coding: str) -> Iterator[bytes]:
    """Yield the decoded body, in small parts. A body with another coding than gzip and deflate stays as it is.

    urllib3 also decodes in parts, but it keeps what it has read until a part is full.
    """
    first = next(parts, b"")
    if not first or coding not in ("deflate", *_GZIP):
        yield first
        yield from parts
        return
    # deflate means zlib's format. Some servers send the data without its header.
    is_raw = coding == "deflate" and (first[0] & 15 != zlib.DEFLATED or int.from_bytes(first[:2], "big") % 31)
    window = 16 + zlib.MAX_WBITS if coding in _GZIP else -zlib.MAX_WBITS if is_raw else zlib.MAX_WBITS
    decoder, problem = zlib.decompressobj(window), ""
    try:
        for part in chain([first], parts):
            rest = part
            while rest and not decoder.eof:
                yield decoder.decompress(rest, _CHUNK)
                rest = decoder.unconsumed_tail
            if decoder.eof and (rest or decoder.unused_data):
                problem = "has something after its end"
                break
        yield decoder.flush()
    except zlib.error as error:
        problem = f"is not valid: {str(error).rpartition(': ')[2]}"
    if problem or not decoder.eof:
        raise DecodeError(f"the {coding} data of the body {problem or 'ends too early'}")
