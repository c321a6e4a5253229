"""URLs that show $LATEST or follow an alias."""

from dataclasses import dataclass

LATEST_ENDPOINT = "latest"
"""Our name of the endpoint that shows $LATEST."""


@dataclass(frozen=True)
class Gateway:
    """An HTTP API that the action has made, as the ledger remembers it."""

    api_id: str
    api_url: str
    """What API Gateway says its address is."""
    mapping: str = ""
    """``domain/key`` of its custom domain, or empty."""


@dataclass(frozen=True)
class Endpoint:
    """A URL that shows $LATEST or follows an alias."""

    qualifier: str
    """``latest`` or the environment's name."""
    url: str
    """For people and outputs; no slash at its end."""
    address: str
    """Where requests are sent: ``url``, except on an emulator that serves a custom domain by Host header."""
    host: str = ""
    """The Host header to send, when it is not that of ``address``."""
    gateway: Gateway | None = None
    """None when the gateway is the user's own."""
    is_new: bool = False
    """Made or mended by this run, so that it may need a moment to answer."""
