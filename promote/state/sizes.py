"""How large what the ledger holds may be: DynamoDB counts the bytes of UTF-8, and not characters. No effects.

No record is measured before it is written: each text has a limit, so that the largest record of each kind fits.
"""

ITEM_LIMIT = 400 * 1024
"""Bytes of an item, names of attributes included:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

_ELLIPSIS = "…"


def clipped(text: str, most: int) -> str:
    """Return ``text`` with at most ``most`` bytes in UTF-8; an ellipsis at its end says that it was longer."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return text
    return data[: most - len(_ELLIPSIS.encode())].decode("utf-8", "ignore") + _ELLIPSIS
