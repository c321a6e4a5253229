"""The endpoints of $LATEST and of the environment. The action creates and repairs them.

It does not change the endpoints of gateways that the user owns.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from promote.aws.api_gateway import STAGE, Gateways
from promote.core.clock import Clock
from promote.core.endpoint import ERRORS_TIMEOUT, NEW_TIMEOUT, Endpoint, Gateway
from promote.core.errors import EndpointError
from promote.inputs.checks import without_values
from promote.state.ledger import Ledger
from promote.verification.http_client import Response, ask

if TYPE_CHECKING:
    import requests

_GLANCE = 1.0
"""Timeout in seconds of a request that delays the promotion."""


class Endpoints:
    """The endpoints of one function: ``latest`` and its environments."""

    def __init__(  # noqa: PLR0913 - what an endpoint depends on
        self,
        gateways: Gateways,
        ledger: Ledger,
        *,
        is_kept: bool,
        owned: Mapping[str, str],
        emulator: str,
        session: "Callable[[], requests.Session]",
        clock: Clock,
        say: Callable[[str, str], None],
    ) -> None:
        """Initialize the endpoints.

        If ``is_kept`` is False, the action creates and uses no endpoint. ``owned`` has the URLs of the user's
        gateways. ``emulator`` is the URL of an AWS emulator, or empty.
        """
        self._gateways = gateways
        self._ledger = ledger
        self._is_kept = is_kept
        self._owned = owned
        self._emulator = emulator
        self._session = session
        self._clock = clock
        self._say = say

    def kept(self, *, is_kept: bool) -> "Endpoints":
        """Return the endpoints as they are after the ledger was read again."""
        again = copy(self)
        again._is_kept = is_kept  # noqa: SLF001 - its own
        return again

    def is_missing(self, qualifier: str, remembered: Gateway | None) -> bool:
        """Whether the endpoint must be created, or mapped to another path."""
        if not self._is_kept or self._owned.get(qualifier):
            return False
        return remembered is None or remembered.mapping != self._gateways.mapping(qualifier)

    def known(self, qualifier: str, remembered: Gateway | None) -> Endpoint | None:
        """Return the endpoint that is recorded or owned, without a call; None if there is none."""
        owned = self._owned.get(qualifier)
        if owned:
            return Endpoint(qualifier, url=owned, address=owned)
        if remembered is None or not self._is_kept:
            return None
        return locate(qualifier, remembered, self._emulator)

    def ensure(self, qualifier: str, remembered: Gateway | None) -> Endpoint | None:
        """Return the endpoint, and create it if it is missing; None if there should be none.

        Raises:
            EndpointError: Its path on the custom domain belongs to another API.

        """
        if not self.is_missing(qualifier, remembered):
            return self.known(qualifier, remembered)
        self._say(
            "endpoint", f"making the public endpoint of {qualifier}: anybody who knows its URL can call the function"
        )
        return self._make(qualifier, remembered)

    def repair(self, endpoint: Endpoint) -> Endpoint | None:
        """Recreate what is missing of an endpoint; None if it is the user's, new, or complete."""
        if endpoint.gateway is None or endpoint.is_new or self._gateways.is_whole(endpoint.qualifier, endpoint.gateway):
            return None
        self._say("endpoint", f"the endpoint of {endpoint.qualifier} is missing or incomplete: recreating it")
        return self._make(endpoint.qualifier, endpoint.gateway)

    def answers(self, endpoint: Endpoint | None, path: str) -> bool:
        """Whether the endpoint reaches the function, by one request of at most a second. False: it is not known yet."""
        if endpoint is None or endpoint.gateway is None:
            return False
        response = ask(self._session(), endpoint, "GET", path, _GLANCE)
        return not (response.trouble or response.is_gateways_own)

    def fails(self, endpoint: Endpoint | None, path: str) -> bool:
        """Whether API Gateway cannot invoke the function: it crashed, or the permission is missing."""
        if endpoint is None or endpoint.gateway is None:
            return False
        return ask(self._session(), endpoint, "GET", path, 10).is_failure

    def probe(self, endpoint: Endpoint | None, path: str) -> tuple[Endpoint | None, tuple[str, ...]]:
        """Request ``path``, and repair the endpoint if API Gateway itself responds. Return the endpoint and problems.

        Any response of the function counts as success.
        """
        if endpoint is None or endpoint.gateway is None:
            return endpoint, ()
        started = self._clock.monotonic()
        while (response := self._response(endpoint, path)).is_gateways_own:
            repaired = self.repair(endpoint)
            # A crash of the function shows as 500 too, so the run does not wait long.
            patience = ERRORS_TIMEOUT if response.status >= 500 else NEW_TIMEOUT  # noqa: PLR2004
            is_in_vain = self._clock.monotonic() - started > patience
            if repaired is None and (not endpoint.is_new or is_in_vain):
                what = response.trouble or f"status {response.status}"
                return endpoint, (
                    f"The endpoint {endpoint.url}{without_values(path)} does not reach the function: {what}.",
                )
            endpoint = repaired or endpoint
            self._clock.sleep(0.5)
        return endpoint, ()

    def _response(self, endpoint: Endpoint, path: str) -> Response:
        """Request ``path``. If the function may respond with 404 there, the root shows whose response it is."""
        response = ask(self._session(), endpoint, "GET", path, 10)
        if path == "/" or response.is_unreachable or not response.is_gateways_own:
            return response
        root = ask(self._session(), endpoint, "GET", "/", 10)
        return root if root.is_functions_own else response

    def _make(self, qualifier: str, remembered: Gateway | None) -> Endpoint:
        found = self._gateways.find(qualifier, remembered)
        gateway = found or self._gateways.make(qualifier)
        self._gateways.complete(qualifier, gateway)
        gateway = replace(gateway, mapping=self._gateways.mapping(qualifier))
        if remembered and remembered.api_id != gateway.api_id:
            self._gateways.forget(qualifier, remembered)
        if remembered != gateway and not self._ledger.remember(qualifier, gateway, remembered):
            winner = self._ledger.read().gateway(qualifier)
            if winner is None:
                raise EndpointError(f"another run is changing the endpoint of {qualifier}", hint="Run the job again.")
            if found is None and winner.api_id != gateway.api_id:
                self._gateways.complete(qualifier, winner)  # the path on the domain may point at our API
                self._gateways.delete(gateway)
                self._gateways.forget(qualifier, gateway)
            gateway = winner
        return locate(qualifier, gateway, self._emulator, is_new=True)


def locate(qualifier: str, gateway: Gateway, emulator: str, *, is_new: bool = False) -> Endpoint:
    """Return the endpoint of a gateway; ``emulator`` is the URL of an AWS emulator, or empty."""
    url = address = f"https://{gateway.mapping}" if gateway.mapping else gateway.api_url
    host = ""
    if emulator and gateway.mapping:
        # The custom domain does not resolve. An emulator recognizes it by the Host header.
        host, _, key = gateway.mapping.partition("/")
        address = f"{emulator}/{key}"
    elif emulator:
        # An emulator's *.execute-api.localhost does not resolve everywhere. Its path form does.
        url = address = f"{emulator}/_aws/execute-api/{gateway.api_id}/{STAGE}"
    return Endpoint(qualifier, url=url, address=address, host=host, gateway=gateway, is_new=is_new)
