"""The owner of the API that a data-plane request reaches, found by its address because it is not signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ministack.app
from ministack.core import responses
from ministack.services import apigateway, apigateway_v1

from sandbox.operations import DATA_PLANE, DEFAULT_ACCOUNT, Operation

if TYPE_CHECKING:
    from sandbox.exchange import Request


def name_deployed(request: Request) -> Operation | None:
    """Return the operation of a request to a deployed API, or None for any other request."""
    host = request.headers.get("host", "")
    address = ministack.app._parse_execute_api_url(host, request.path)  # noqa: SLF001 - its own addressing rules
    if address is not None:
        return Operation(owner_of_api(address[0]), DATA_PLANE, "Invoke", address[0])
    domain = host.partition(":")[0].lower()
    owner = owner_of_domain(domain)
    return Operation(owner, DATA_PLANE, "Invoke", domain) if owner else None


def owner_of_api(api: str) -> str:
    """Return the account of an API, or the default account if the API does not exist."""
    for account, _, identifier in _keys(apigateway._apis) + _keys(apigateway_v1._rest_apis):  # noqa: SLF001 - no other access
        if identifier == api:
            return account
    return DEFAULT_ACCOUNT


def owner_of_domain(domain: str) -> str | None:
    """Return the account that registered a custom domain last. In AWS, only one account can have it."""
    for account, _, name in reversed(_keys(apigateway_v1._domain_names)):  # noqa: SLF001 - no other access
        if name.lower() == domain:
            return account
    return None


def enter(account: str) -> None:
    """Select the account of the current request, as credentials would."""
    responses.set_request_account_id(account)


def _keys(store: responses.AccountRegionScopedDict) -> list[tuple[str, str, str]]:
    """Return (account, region, name) of everything in one of MiniStack's stores."""
    return [key for key, _ in store.all_items()]
