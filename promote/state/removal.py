"""Remove the records of one function, and find what they say about the time before the action."""

from functools import partial

from promote.aws.dynamodb import ConditionFailed, Table, TableNotFound
from promote.core.concurrency import map_and_wait
from promote.core.lock_state import LockState
from promote.core.promotion import ReleaseKey
from promote.state.lock import LOCK, Lease
from promote.state.promotion_records import RELEASE, promotion_prefix
from promote.state.release_history import read_releases

_FIRST, _LAST = " ", "~"
"""Sort keys before and after all others."""
_WIDTH = 8
"""Items that are deleted at the same time."""


class Removal:
    """The records of the function ``arn`` in ``table``, which are to be removed."""

    def __init__(self, table: Table, arn: str) -> None:
        self._table = table
        self._arn = arn

    def has_records(self) -> bool:
        """Return whether the table has a record of the function."""
        try:
            return bool(self._table.newest(self._arn, _FIRST, _LAST, 1))
        except TableNotFound:
            return False

    def earlier_description(self, environment: str) -> str:
        """Return the Description that the alias of ``environment`` had before the action wrote its own.

        It is empty if the alias had none, if the action has created the alias, or if no record shows it.

        Raises:
            RecordError: A record is not valid.

        """
        prefix = promotion_prefix(environment)
        entries = self._table.query(self._arn, prefix, f"{prefix}~", having="release")
        keys = {ReleaseKey(str(item["release"]["pk"]), str(item["release"]["sk"])) for item in entries}
        # The history does not have releases that were rolled back while they were unfinished.
        own = f"{RELEASE}{environment}#"
        keys |= {ReleaseKey(self._arn, str(item["sk"])) for item in self._table.query(self._arn, own, f"{own}~")}
        releases = sorted(read_releases(self._table, keys), key=lambda release: release.key.identity, reverse=True)
        for part in (part for release in releases for part in release.parts if part.arn == self._arn):
            if part.before is None:
                return ""
            if not part.before.has_our_description:
                return part.before.description
        return ""

    def delete_records(self) -> None:
        """Delete all records except the lock."""
        items = self._table.query(self._arn, _FIRST, _LAST)
        keys = [str(item["sk"]) for item in items if item["sk"] != LOCK]
        map_and_wait([partial(self._table.delete, self._arn, key) for key in keys], _WIDTH)

    def delete_lock(self, lease: Lease) -> LockState | None:
        """Delete the lock if it is still ours and no run waits for it. Return None, or else the lock as it is."""
        try:
            self._table.delete(
                self._arn,
                LOCK,
                "#owner = :owner AND #token = :token AND (attribute_not_exists(#tickets) OR #tickets = :none)",
                owner=lease.owner,
                token=lease.token,
                none=[],
            )
        except ConditionFailed as refused:
            return LockState.read(refused.item) if refused.item else None
        return None
