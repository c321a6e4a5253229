"""Pages of lists: how many entries each response has, and whether another page follows."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, TypeVar

from tests.simulation.errors import NotModelledError

Entry = TypeVar("Entry")

_EMPTY, _LAST_IS_EMPTY = 0.3, 0.3
"""The shares of DynamoDB's empty pages: with a further page, and after the last item."""
_FROM = "from "
"""The beginning of a token, so that no code uses it as a name."""


class Pages:
    """The pages of all lists of an account. By default, each list has one page.

    ``size`` is the most entries of a page; 0 means all. ``chance`` decides which pages are empty.
    """

    def __init__(self, size: int = 0, chance: Random | None = None) -> None:
        self.size = size
        self._chance = chance or Random(0)

    def cut(self, entries: Sequence[Entry]) -> tuple[Sequence[Entry], bool]:
        """Return the entries of the first page, and whether other entries follow."""
        return entries[: self.size or None], 0 < self.size < len(entries)

    def page(
        self, names: Iterable[str], token: str | None, order: Callable[[str], Any] = str
    ) -> tuple[Sequence[str], str | None]:
        """Return the names on the page at ``token``, in their ``order``, and the token of the next page or None.

        The next page begins after the last name of this one, even if that is deleted between the two calls.
        """
        ordered = sorted(names, key=order)
        if token is not None:
            if not token.startswith(_FROM):
                raise NotModelledError(token)
            last = order(token.removeprefix(_FROM))
            ordered = [name for name in ordered if order(name) > last]
        shown, is_more = self.cut(ordered)
        return shown, f"{_FROM}{shown[-1]}" if is_more else None

    def is_empty(self) -> bool:
        """Draw whether a page of a query is empty, although another page follows."""
        return self.size > 0 and self._chance.random() < _EMPTY

    def ends_empty(self) -> bool:
        """Draw whether an empty page follows the last item of a query."""
        return self.size > 0 and self._chance.random() < _LAST_IS_EMPTY


def by_number(name: str) -> tuple[int, str]:
    """Return the place of a numbered name, such as ``api12``, in the order of creation."""
    return len(name), name
