"""Where endpoints are, and the previews: endpoints of one candidate alone, recorded while they exist."""

import re
from dataclasses import dataclass

from promote.aws.dynamodb import ConditionFailed, Item, Table
from promote.core.endpoint import Gateway
from promote.state.partition import Partition
from promote.state.strict import Record

PREVIEW = "endpoint#preview#"
"""How the sort key of a preview begins."""

_SLACK = 5
"""Seconds that a sign of life may be late, besides."""


@dataclass(frozen=True)
class Preview:
    """An endpoint of one candidate alone, as it is recorded while it exists."""

    version: str
    operation: str
    job: str
    """The number of the job that made it."""
    run_id: int
    lease: int
    """Seconds without a sign of life after which nobody uses it any more."""
    is_dead: bool = False
    """Whether that was so when it was read."""
    gateway: Gateway | None = None
    """None: it is not known to have been made."""

    @property
    def qualifier(self) -> str:
        """What its gateway shows, in words that are no other's."""
        return f"{self.version}#{self.operation}"

    @property
    def key(self) -> str:
        """The sort key of its record."""
        return f"{PREVIEW}{int(self.version):010d}#{self.operation}"


def gateway_of(record: Record) -> Gateway | None:
    """Read where an endpoint is; None: it is not there.

    Raises:
        RecordError: it is not what this action writes.

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
    """Read a preview; ``now`` is DynamoDB's own time in seconds.

    Raises:
        RecordError: it is not what this action writes.

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
    """The previews of a function."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition

    def begin(self, version: str, job: str, lease: int) -> Preview:
        """Record an endpoint that is about to be made for ``version`` alone."""
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
        """Record where it is; False: another run has taken it for one of a run that died, and has struck it out."""
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
        """Say that it is in use; give who has it by now, if somebody has removed it.

        ``table`` is the same table by a client that gives up soon, and knows the time of its own last answer.
        """
        alive = self.server_time(table)
        try:
            table.update(
                table.change(
                    self._partition.arn, preview.key, assign={"alive": alive}, condition="attribute_exists(#alive)"
                )
            )
        except ConditionFailed:
            return "another run, which has removed it"
        return ""

    def end(self, preview: Preview) -> None:
        """Strike it out: it is gone."""
        self._partition.table.delete(self._partition.arn, preview.key)

    def server_time(self, table: Table | None = None) -> int:
        """Give DynamoDB's own time in seconds, the same for all runs, as of the last answer to ``table`` or to ours."""
        known = (table and table.server_time) or self._partition.table.server_time
        return round((known or self._partition.clock.now()).timestamp())
