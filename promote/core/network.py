"""Connections: how they stay alive, which proxy they use, and the cause of a network error."""

import socket
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

KEEP_ALIVE: Sequence[tuple[int, int, int]] = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4))
        if hasattr(socket, name)
    ),
)
"""Options of a socket. The system sends a packet after 60 seconds without one, such as during a long invocation.

The NAT of a runner drops connections that are idle for four minutes. Linux would send the first packet after two hours.
"""


def is_direct(url: str, environ: Mapping[str, str]) -> bool:
    """Return whether ``NO_PROXY`` names the host of ``url``, as boto3 reads it. requests reads it differently."""
    from urllib.request import (  # type: ignore[attr-defined] # noqa: PLC0415 - loads ssl
        proxy_bypass_environment,
    )

    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY", "")
    return bool(proxy_bypass_environment(urlsplit(url).netloc, {"no": no_proxy}))


def proxy_variable(url: str, environ: Mapping[str, str], others: Sequence[str] = ()) -> str:
    """Return the variable with the proxy for the scheme of ``url``; empty if there is none.

    Neither boto3 nor requests names it. ``others`` are schemes that count after that of the URL: requests also reads
    the proxy of ``all``.
    """
    schemes = (urlsplit(url).scheme, *others)
    names = [name for scheme in schemes for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper())]
    return next((name for name in names if environ.get(name)), "")


def cause(error: BaseException) -> BaseException:
    """Return the innermost error. The outer ones repeat the URL and contain the addresses of objects."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error
