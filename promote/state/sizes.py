"""Limits of the size of records. DynamoDB counts bytes of UTF-8, not characters. No calls.

No record is measured before it is written. Each text has a limit, so that the largest record of each kind fits.
"""

ITEM_LIMIT = 400 * 1024
"""The most bytes of an item, including the names of its attributes. Source:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

_ELLIPSIS = "…"


def clipped(text: str, most: int) -> str:
    """Return ``text``, shortened to ``most`` bytes in UTF-8. If it was longer, it ends with an ellipsis."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return text
    return data[: most - len(_ELLIPSIS.encode())].decode("utf-8", "ignore") + _ELLIPSIS
