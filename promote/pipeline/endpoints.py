"""The endpoints: where $LATEST and the environment are reached, made when missing and mended when damaged.

Those that the user owns are taken as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from promote.aws.api_gateway import STAGE, Gateways
from promote.core.clock import Clock
from promote.core.endpoint import Endpoint, Gateway
from promote.core.errors import EndpointError
from promote.state.ledger import Ledger
from promote.verification.http_client import Response, ask

if TYPE_CHECKING:
    import requests

_PATIENCE, _PATIENCE_WITH_ERRORS = 30.0, 5.0
"""Seconds that a new endpoint has to become reachable, and to stop answering for a function it cannot reach."""

_GLANCE = 1.0
"""Seconds for a request that others wait for."""


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
        """Bring together what endpoints depend on.

        ``is_kept`` False: the action makes none. ``owned`` has the URLs of gateways of the user's own. ``emulator`` is
        the URL of an AWS that is none, or empty.
        """
        self._gateways = gateways
        self._ledger = ledger
        self._is_kept = is_kept
        self._owned = owned
        self._emulator = emulator
        self._session = session
        self._clock = clock
        self._say = say

    def is_missing(self, qualifier: str, remembered: Gateway | None) -> bool:
        """Whether the endpoint is to be made, or to be mapped differently."""
        if not self._is_kept or self._owned.get(qualifier):
            return False
        return remembered is None or remembered.mapping != self._gateways.mapping(qualifier)

    def known(self, qualifier: str, remembered: Gateway | None) -> Endpoint | None:
        """Give the endpoint as it is remembered or owned, without a call; None: there is none."""
        owned = self._owned.get(qualifier)
        if owned:
            return Endpoint(qualifier, url=owned, address=owned)
        if remembered is None or not self._is_kept:
            return None
        return locate(qualifier, remembered, self._emulator)

    def ensure(self, qualifier: str, remembered: Gateway | None) -> Endpoint | None:
        """Give the endpoint; make it where it is missing. None: there is to be none.

        Raises:
            EndpointError: its path on the custom domain belongs to another API.

        """
        if not self.is_missing(qualifier, remembered):
            return self.known(qualifier, remembered)
        self._say("endpoint", f"making the endpoint of {qualifier}")
        return self._make(qualifier, remembered)

    def repair(self, endpoint: Endpoint) -> Endpoint | None:
        """Make anew what is missing of an endpoint of ours; None: it is the user's, just made, or whole."""
        if endpoint.gateway is None or endpoint.is_new or self._gateways.is_whole(endpoint.qualifier, endpoint.gateway):
            return None
        self._say("endpoint", f"that of {endpoint.qualifier} is gone or incomplete: making it anew")
        return self._make(endpoint.qualifier, endpoint.gateway)

    def answers(self, endpoint: Endpoint | None, path: str) -> bool:
        """Whether ours reaches the function, by one request that is given a second; False: that is still to be seen."""
        if endpoint is None or endpoint.gateway is None:
            return False
        answer = ask(self._session(), endpoint, "GET", path, _GLANCE)
        return not (answer.trouble or answer.is_gateways_own)

    def fails(self, endpoint: Endpoint | None, path: str) -> bool:
        """Whether API Gateway says that invoking the function fails: it crashed, or the permission is missing."""
        if endpoint is None or endpoint.gateway is None:
            return False
        return ask(self._session(), endpoint, "GET", path, 10).is_failure

    def probe(self, endpoint: Endpoint | None, path: str) -> tuple[Endpoint | None, tuple[str, ...]]:
        """Ask ours for ``path``, and mend it where API Gateway itself answers; give it, and what is wrong with it.

        Any answer of the function's own is a good one.
        """
        if endpoint is None or endpoint.gateway is None:
            return endpoint, ()
        started = self._clock.monotonic()
        while (answer := self._answer(endpoint, path)).is_gateways_own:
            repaired = self.repair(endpoint)
            # A function that crashes shows as 500 too, so that one is not given long.
            patience = _PATIENCE_WITH_ERRORS if answer.status >= 500 else _PATIENCE  # noqa: PLR2004
            is_in_vain = self._clock.monotonic() - started > patience
            if repaired is None and (not endpoint.is_new or is_in_vain):
                what = answer.trouble or f"status {answer.status}"
                return endpoint, (f"The endpoint {endpoint.url}{path} does not reach the function: {what}.",)
            endpoint = repaired or endpoint
            self._clock.sleep(0.5)
        return endpoint, ()

    def _answer(self, endpoint: Endpoint, path: str) -> Response:
        """Ask for ``path``; where a 404 is expected there, the root may tell whose answer it is."""
        answer = ask(self._session(), endpoint, "GET", path, 10)
        if path == "/" or answer.is_unreachable or not answer.is_gateways_own:
            return answer
        root = ask(self._session(), endpoint, "GET", "/", 10)
        return root if root.is_functions_own else answer

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
                raise EndpointError(
                    f"another run changes the endpoint of {qualifier} at this moment", hint="Run the job again."
                )
            if found is None and winner.api_id != gateway.api_id:
                self._gateways.complete(qualifier, winner)  # its path on the domain may be ours, which keeps ours
                self._gateways.delete(gateway)
                self._gateways.forget(qualifier, gateway)
            gateway = winner
        return locate(qualifier, gateway, self._emulator, is_new=True)


def locate(qualifier: str, gateway: Gateway, emulator: str, *, is_new: bool = False) -> Endpoint:
    """Say where a gateway of ours is reached; ``emulator`` is the URL of an AWS that is none, or empty."""
    url = address = f"https://{gateway.mapping}" if gateway.mapping else gateway.api_url
    host = ""
    if emulator and gateway.mapping:
        # The custom domain does not resolve; an emulator knows it by its Host header.
        host, _, key = gateway.mapping.partition("/")
        address = f"{emulator}/{key}"
    elif emulator:
        # An emulator's *.execute-api.localhost does not resolve everywhere; its path form does.
        url = address = f"{emulator}/_aws/execute-api/{gateway.api_id}/{STAGE}"
    return Endpoint(qualifier, url=url, address=address, host=host, gateway=gateway, is_new=is_new)
