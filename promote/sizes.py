"""How large what the ledger holds may be: DynamoDB counts the bytes of UTF-8, and not characters. No effects."""

from collections.abc import Mapping
from typing import Any

ITEM_LIMIT = 400 * 1024
"""Bytes of an item, names of attributes included:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

_NUMBER = 21
"""Bytes of the longest number."""
_FRAME = 3
"""Bytes of a list or a map besides its values, of which each takes one more."""

_ELLIPSIS = "…"


def clipped(text: str, most: int) -> str:
    """Return ``text`` with at most ``most`` bytes in UTF-8; an ellipsis at its end says that it was longer."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return text
    return data[: most - len(_ELLIPSIS.encode())].decode("utf-8", "ignore") + _ELLIPSIS


def size_of(value: Any) -> int:
    """Return the bytes that DynamoDB counts for an item or for a value in one, at the most.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return _FRAME + sum(len(name.encode()) + size_of(one) + 1 for name, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return _FRAME + sum(size_of(one) + 1 for one in value)
    return 1 if value is None or isinstance(value, bool) else _NUMBER
