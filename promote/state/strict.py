"""Strict reading of the ledger's items: a value that the action does not write is an error, not a default. No calls."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from promote.core.errors import RecordError
from promote.core.lock_state import shown

Choice = TypeVar("Choice", bound=StrEnum)

_LARGEST = 10**18
"""The numbers in the ledger are run ids, sequences and seconds. A larger number is invalid."""

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
"""The number of a version, in the format of Lambda."""


@dataclass(frozen=True)
class Record:
    """An item, or a map in it. Each method returns an attribute, or raises RecordError with the item and attribute.

    A ``default`` is returned if the attribute is missing. An attribute that exists must have the right type.
    """

    values: Mapping[str, Any]
    pk: str
    sk: str
    path: str = ""
    """The path of the map in its item, with a dot at the end; empty for the item itself."""

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Record":
        """Return the record of an item that was read from the table."""
        return cls(item, str(item.get("pk", "")), str(item.get("sk", "")))

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string."""
        value = self._value(name, default)
        if not isinstance(value, str):
            raise self.unreadable(name, value)
        return value

    def version(self, name: str, default: str | None = None, *, others: Sequence[str] = ()) -> str:
        """Return the number of a version as a string, or one of ``others``."""
        value = self.text(name, default)
        is_number = bool(_NUMBER.fullmatch(value))
        if not (is_number or value in others or value == default):
            raise self.unreadable(name, value)
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number that is not negative."""
        value = self._value(name, default)
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            whole = int(value)
            if value == whole and 0 <= whole < _LARGEST:
                return whole
        raise self.unreadable(name, value)

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise self.unreadable(name, value)
        return value

    def choice(self, name: str, kind: type[Choice], default: Choice | None = None) -> Choice:
        """Return one of the known values."""
        value = self._value(name, default)
        if not isinstance(value, str) or value not in list(kind):
            raise self.unreadable(name, value)
        return kind(value)

    def part(self, name: str) -> "Record | None":
        """Return a map; None if it is missing."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.unreadable(name, value)
        return Record(value, self.pk, self.sk, f"{self.path}{name}.")

    def require_part(self, name: str) -> "Record":
        """Return a map that must not be missing."""
        found = self.part(name)
        if found is None:
            raise self.unreadable(name, None)
        return found

    def parts(self, name: str) -> list["Record"]:
        """Return a list of maps; empty if it is missing."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            raise self.unreadable(name, value)
        return [Record(one, self.pk, self.sk, f"{self.path}{name}[{place}].") for place, one in enumerate(value)]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings; empty if it is missing."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.unreadable(name, value)
        return tuple(value)

    def weights(self, name: str) -> Mapping[str, float]:
        """Return the shares of the traffic by version. The item has them as text."""
        value = self.values.get(name, {})
        if not isinstance(value, Mapping) or not all(isinstance(one, str) for one in value.values()):
            raise self.unreadable(name, value)
        try:
            weights = {version: float(weight) for version, weight in value.items()}
        except ValueError:
            raise self.unreadable(name, value) from None
        if not all(0 <= weight <= 1 for weight in weights.values()):
            raise self.unreadable(name, value)
        return weights

    def require(self, name: str, wanted: object) -> None:
        """Raise RecordError if an attribute is not ``wanted``, such as a key that contradicts the item."""
        if self.values.get(name) != wanted:
            raise self.unreadable(name, self.values.get(name))

    def _value(self, name: str, default: object) -> object:
        return self.values.get(name, default)

    def unreadable(self, name: str, value: object) -> RecordError:
        """Return the error that says which attribute of which item is wrong."""
        what = "is missing" if value is None else f"is {shown(value)}"
        return RecordError(
            f"the record {self.sk} of {self.pk} cannot be read: its {self.path}{name} {what}",
            hint="If another program writes to this table, correct the item by hand, or restore it from a backup of "
            "the table. If a newer version of this action has written the item, use the same version everywhere.",
        )
