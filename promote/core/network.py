"""Connections: how they stay alive, and the cause of a network error."""

import socket
from collections.abc import Sequence

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


def cause(error: BaseException) -> BaseException:
    """Return the innermost error. The outer ones repeat the URL and contain the addresses of objects."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error
