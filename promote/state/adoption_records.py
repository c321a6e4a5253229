"""The records of event source mappings that ``command: adopt`` has moved: what they called before, for the way back."""

from dataclasses import dataclass

from promote.aws.dynamodb import Item, TableNotFound
from promote.core.trigger import EventSource
from promote.state.partition import Partition
from promote.state.strict import Record

ADOPTED = "adopted#"
"""The prefix of the sort key. It is before those that each run reads."""


@dataclass(frozen=True)
class Adoption:
    """An event source mapping that calls, or is about to call, an environment's alias."""

    uuid: str
    source: str
    """The ARN of the queue or the stream; empty if it has none."""
    environment: str
    before: str
    """The ARN that it called before."""
    after: str
    """The ARN of the alias."""
    at: str = ""
    """The time of the record."""

    @property
    def key(self) -> str:
        """The sort key of the record."""
        return f"{ADOPTED}{self.uuid}"


def adoption_of(item: Item) -> Adoption:
    """Return the record in an item.

    Raises:
        RecordError: The item is not valid.

    """
    record = Record.of(item)
    names = ("uuid", "source", "environment", "before", "after", "at")
    found = Adoption(**{name: record.text(name) for name in names})
    record.require("sk", found.key)
    for name, called in (("before", found.before), ("after", found.after)):
        # A record that others have written must not let a mapping call another function.
        if called != record.pk and not called.startswith(f"{record.pk}:"):
            raise record.unreadable(name, called)
    return found


class AdoptionRecords:
    """Reads and writes the records of a function's moved event source mappings."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition

    def begin(self, source: EventSource, environment: str, after: str) -> Adoption:
        """Record what a mapping calls, before it is moved to the alias with the ARN ``after``. Return the record."""
        at = self._partition.now()
        adoption = Adoption(source.uuid, source.source, environment, source.function, after, at)
        item = {"pk": self._partition.arn, "sk": adoption.key, **vars(adoption), **self._partition.who()}
        self._partition.table.put(item)
        return adoption

    def all(self) -> list[Adoption]:
        """Return the records of all environments.

        Raises:
            RecordError: A record is not valid.

        """
        try:
            items = self._partition.table.query(self._partition.arn, ADOPTED, f"{ADOPTED}~")
        except TableNotFound:
            return []
        return list(map(adoption_of, items))

    def end(self, adoption: Adoption) -> None:
        """Delete the record after the mapping has returned to what it called before."""
        self._partition.table.delete(self._partition.arn, adoption.key)
