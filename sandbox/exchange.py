"""Requests and responses as values, between ASGI and the rest of the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    import asyncio

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

connection: ContextVar[asyncio.Transport] = ContextVar("connection")
"""The transport of the current request's connection."""


_EXECUTION_ENVIRONMENT = re.compile(r"(?:^| )exec-env/(\S+)")
"""What an AWS SDK adds to its User-Agent if AWS_EXECUTION_ENV is set."""


class ConnectionCutError(Exception):
    """The request must end without a response, or the client disconnected while it was held."""


@dataclass(frozen=True)
class Request:
    """A complete request."""

    method: str
    path: str
    raw_path: str
    """The path as it was sent, with its escapes and without the query."""
    query: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def origin(self) -> str:
        """The AWS_EXECUTION_ENV of the process that made it, or empty."""
        found = _EXECUTION_ENVIRONMENT.search(self.headers.get("user-agent", ""))
        return found[1] if found else ""

    def with_body(self, body: bytes) -> Request:
        """Return the request with another body."""
        return replace(self, body=body, headers={**self.headers, "content-length": str(len(body))})

    def with_path(self, raw_path: str) -> Request:
        """Return the request with another path, which has its escapes."""
        return replace(self, raw_path=raw_path, path=unquote(raw_path))

    def scope(self, scope: Scope) -> Scope:
        """Return the scope of the request, as it is now."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        return {
            **scope,
            "path": self.path,
            "raw_path": self.raw_path.encode("latin-1"),
            "query_string": self.query.encode("latin-1"),
            "headers": headers,
        }


@dataclass(frozen=True)
class Answer:
    """A complete response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def with_json(self, data: Mapping[str, Any]) -> Answer:
        """Return the response with another JSON object, without the checksum of the one before."""
        body = json.dumps(data).encode()
        stale = (b"content-length", b"x-amz-crc32")
        others = [(name, value) for name, value in self.headers if name.lower() not in stale]
        return replace(self, headers=[*others, (b"content-length", str(len(body)).encode())], body=body)


async def read(scope: Scope, receive: Receive) -> Request:
    """Read a whole request. Raise ConnectionCutError if the client disconnects before its end."""
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionCutError
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return Request(
        method=scope["method"],
        path=scope["path"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=b"".join(chunks),
    )


async def answer_of(application: Application, scope: Scope, request: Request, receive: Receive) -> Answer:
    """Return an application's response to a request that has been read."""
    unread = [{"type": "http.request", "body": request.body, "more_body": False}]
    status = 500
    headers: list[tuple[bytes, bytes]] = []
    chunks: list[bytes] = []

    async def replay() -> Message:
        return unread.pop() if unread else await receive()

    async def collect(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", []))
        else:
            chunks.append(message.get("body", b""))

    await application(scope, replay, collect)
    return Answer(status, headers, b"".join(chunks))


async def send_answer(answer: Answer, send: Send) -> None:
    """Send a complete response."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def cut_connection() -> None:
    """Close the current request's connection at once, without any byte of a response."""
    connection.get().abort()


async def gone(receive: Receive) -> None:
    """Wait until the client closes its connection. The request must have been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass
