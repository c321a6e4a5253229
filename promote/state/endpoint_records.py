"""The records of endpoints and previews: their keys, values, reads and writes."""

import re
from dataclasses import dataclass

from promote.aws.dynamodb import ConditionFailed, Item, Table
from promote.core.endpoint import Gateway
from promote.state.partition import Partition
from promote.state.strict import Record

PREVIEW = "endpoint#preview#"
"""The prefix of the sort key of a preview."""

_SLACK = 5
"""Seconds that a heartbeat may be late, in addition to two leases."""


@dataclass(frozen=True)
class Preview:
    """The record of a preview endpoint, which exists as long as the endpoint."""

    version: str
    operation: str
    job: str
    """The number of the job that created it."""
    run_id: int
    lease: int
    """The lease duration in seconds."""
    is_dead: bool = False
    """Whether its run had died when the record was read: no heartbeat for two leases."""
    gateway: Gateway | None = None
    """The API; None if it is not known whether it was created."""

    @property
    def qualifier(self) -> str:
        """The unique qualifier of its API."""
        return f"{self.version}#{self.operation}"

    @property
    def key(self) -> str:
        """The sort key of the record."""
        return f"{PREVIEW}{int(self.version):010d}#{self.operation}"


def gateway_of(record: Record) -> Gateway | None:
    """Return the API of an endpoint; None if the record has none.

    Raises:
        RecordError: The item is not valid.

    """
    value = record.part("endpoint")
    if value is None:
        return None
    api_id, url, mapping = value.text("api_id"), value.text("api_url"), value.text("mapping")
    if not re.fullmatch(r"[a-zA-Z0-9]{1,64}", api_id):
        raise value.unreadable("api_id", api_id)
    if not re.fullmatch(r"https?://[^\s@?#]+", url):
        raise value.unreadable("api_url", url)
    return Gateway(api_id, url, mapping)


def preview_of(item: Item, now: int) -> Preview:
    """Return the preview in an item; ``now`` is the time of DynamoDB in seconds.

    Raises:
        RecordError: The item is not valid.

    """
    record = Record.of(item)
    lease = record.whole("lease")
    preview = Preview(
        version=record.version("version"),
        operation=record.text("operation"),
        job=record.text("job"),
        run_id=record.whole("run_id"),
        lease=lease,
        is_dead=now - record.whole("alive") > 2 * lease + _SLACK,
        gateway=gateway_of(record),
    )
    record.require("sk", preview.key)
    return preview


class PreviewRecords:
    """Reads and writes the records of a function's previews."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition

    def begin(self, version: str, job: str, lease: int) -> Preview:
        """Record a preview endpoint of ``version`` before it is created, and return its record."""
        preview = Preview(version, self._partition.run.operation, job, self._partition.run.run_id, lease)
        item = {
            "pk": self._partition.arn,
            "sk": preview.key,
            "version": version,
            "job": job,
            "lease": lease,
            "alive": self.server_time(),
            **self._partition.who(),
        }
        self._partition.table.put(item)
        return preview

    def locate(self, preview: Preview, gateway: Gateway) -> bool:
        """Record the API of a preview; False if another run assumed that this one died, and removed the record."""
        value = {"api_id": gateway.api_id, "api_url": gateway.api_url, "mapping": ""}
        try:
            self._partition.table.update(
                self._partition.table.change(
                    self._partition.arn, preview.key, assign={"endpoint": value}, condition="attribute_exists(pk)"
                )
            )
        except ConditionFailed:
            return False
        return True

    def renew(self, preview: Preview, table: Table) -> str:
        """Renew the lease; return an empty string, or a description of the run that removed the preview.

        ``table`` is the same table, with a client of short timeouts, and knows the time of its own last response.
        """
        alive = self.server_time(table)
        try:
            table.update(
                table.change(
                    self._partition.arn, preview.key, assign={"alive": alive}, condition="attribute_exists(#alive)"
                )
            )
        except ConditionFailed:
            return "another run, which has removed the preview endpoint"
        return ""

    def end(self, preview: Preview) -> None:
        """Delete the record after the endpoint was removed."""
        self._partition.table.delete(self._partition.arn, preview.key)

    def server_time(self, table: Table | None = None) -> int:
        """Return the time of DynamoDB in seconds, from the last response to ``table``, or to the ledger's own table."""
        known = (table and table.server_time) or self._partition.table.server_time
        return round((known or self._partition.clock.now()).timestamp())
