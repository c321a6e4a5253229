"""Requests and answers as values, between ASGI and the rest of the sandbox."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

connection: ContextVar[asyncio.Transport] = ContextVar("connection")
"""The transport of the connection that the current request came in by."""


_EXECUTION_ENVIRONMENT = re.compile(r"(?:^| )exec-env/(\S+)")
"""What an AWS SDK adds to its User-Agent where the variable AWS_EXECUTION_ENV is set."""


class ConnectionCutError(Exception):
    """The request is to end without an answer, or the client has gone away while it was held."""


@dataclass(frozen=True)
class Request:
    """A request that has arrived completely."""

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
        """The AWS_EXECUTION_ENV of the process that made it; empty when it does not say."""
        found = _EXECUTION_ENVIRONMENT.search(self.headers.get("user-agent", ""))
        return found[1] if found else ""


@dataclass(frozen=True)
class Answer:
    """A complete answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def read(scope: Scope, receive: Receive) -> Request:
    """Read a request to its end; raise ConnectionCutError when the client goes away before that."""
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
    """Let an application answer a request that has been read, and collect its answer."""
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
    """Send a complete answer."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def cut_connection() -> None:
    """Close the current request's connection at once, without a byte of an answer."""
    connection.get().abort()


async def gone(receive: Receive) -> None:
    """Return when the client has closed its connection; the request must have been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass
