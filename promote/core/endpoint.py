"""URLs that show $LATEST or follow an alias."""

from dataclasses import dataclass

LATEST_ENDPOINT = "latest"
"""The qualifier of the endpoint that shows $LATEST."""

NEW_TIMEOUT, ERRORS_TIMEOUT = 30.0, 5.0
"""Seconds to wait for a new endpoint: until it is reachable, and while it responds with a status of 500 or more."""


@dataclass(frozen=True)
class Gateway:
    """An HTTP API that the action has created, as recorded in the ledger."""

    api_id: str
    api_url: str
    """The ``ApiEndpoint`` in API Gateway."""
    mapping: str = ""
    """The ``domain/key`` of its mapping on a custom domain; empty if it has none."""


@dataclass(frozen=True)
class Endpoint:
    """A URL that shows $LATEST or follows an alias."""

    qualifier: str
    """``latest`` or the name of the environment."""
    url: str
    """The URL for people and outputs, without a slash at the end."""
    address: str
    """Where requests are sent: ``url``, except on an emulator that serves custom domains by Host header."""
    host: str = ""
    """The Host header to send, if it is not that of ``address``."""
    gateway: Gateway | None = None
    """None if the user provides the endpoint."""
    is_new: bool = False
    """Whether this run created or repaired it, so that it may not be reachable at once."""
