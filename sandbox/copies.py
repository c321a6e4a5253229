"""Copies of accounts: what one account has, with other names where AWS has only one of a name."""

from __future__ import annotations

import copy
import re
import secrets
import sys
from typing import TYPE_CHECKING, Any

from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
from ministack.services import apigateway

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STORES = (AccountRegionScopedDict, AccountScopedDict)
"""MiniStack's kinds of stores. Their keys begin with an account."""


class NotEmptyError(Exception):
    """The account to copy to has something already."""


def copy_account(source: str, target: str, given: Mapping[str, str]) -> dict[str, str]:
    """Give an account without resources all that another one has. Return the new names by the old ones.

    The account's number and the ids of its HTTP APIs differ in the copy, wherever they are written, and so does what is
    `given`: what the account's user has derived from them, such as a digest, also with the new one. No update may be in
    progress: the copy of a function that is being updated would stay in this state.
    """
    if any(key[0] == target for store in _stores() for key in store.to_dict()):
        raise NotEmptyError(f"account {target} is not empty")
    apis = [key[-1] for key in apigateway._apis.to_dict() if key[0] == source]  # noqa: SLF001 - no other access
    names = {source: target, **{api: secrets.token_hex(4) for api in apis}, **given}
    for store in list(_stores()):
        for (account, *region, name), value in store.to_dict().items():
            if account == source:
                new_name, new_value = _Renaming(names).of((name, value))
                store.set_scoped(target, "".join(region), new_name, new_value)
    return names


def _stores() -> Iterator[Any]:
    """Return each of MiniStack's stores once. All of its state of an account is in them."""
    seen: set[int] = set()
    for name, module in list(sys.modules.items()):
        if name.startswith("ministack.services."):
            for value in vars(module).values():
                if isinstance(value, STORES) and id(value) not in seen:
                    seen.add(id(value))
                    yield value


class _Renaming:
    """Copies values. What is in a value twice, as one object, is one object in its copy as well."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._old = re.compile("|".join(map(re.escape, names)))
        self._copies: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        """Return the copy of a value."""
        if isinstance(value, str):
            return self._old.sub(lambda found: self._names[found[0]], value)
        if id(value) not in self._copies:
            self._copies[id(value)] = self._of(value)
        return self._copies[id(value)]

    def _of(self, value: Any) -> Any:
        if isinstance(value, dict):
            made = copy.copy(value)  # of the same class, such as one with a default
            made.clear()
            made.update({self.of(key): self.of(item) for key, item in value.items()})
            return made
        if isinstance(value, list | tuple | set):
            return type(value)(self.of(item) for item in value)
        return copy.deepcopy(value)
