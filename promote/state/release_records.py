"""The record of a release in the table, and the transitions of its stage.

The stage changes from ``moving`` to ``done``, or from ``moving`` to ``rolling_back`` and then to ``rolled_back``.

Each transition is a conditional write. If another process was first, the release is read again.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from promote.aws.dynamodb import ConditionFailed, Table, TransactionCancelled
from promote.core.clock import Clock
from promote.core.errors import ConflictError, PromoteError, UnconfirmedError
from promote.core.promotion import ReleaseKey, RolledBack
from promote.core.release import Release, ReleasePart, Stage, Undo
from promote.core.rolled_back import after_rollback
from promote.state.environment_records import environment_key, served_item, served_of, together_item
from promote.state.promotion_records import entry_item, rolled_back_items
from promote.state.releases import release_item, release_of

_OURS = "attribute_not_exists(#pending) OR #pending.#sk = :sk"
"""The condition that a function is not part of another release. It fails only if a record was changed externally."""


class Conflict(Exception):  # noqa: N818 - the caller decides again, so it is not an error
    """A function was promoted, or became part of another release, after it was read. The release was not begun."""


class ReleaseRecords:
    """The records of releases."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def find(self, key: ReleaseKey) -> Release | None:
        """Return a release; None if it has no record."""
        item = next(iter(self._table.query(key.pk, key.sk, key.sk)), None)
        return release_of(item) if item else None

    def read(self, key: ReleaseKey) -> Release:
        """Return a release that a function is marked as part of.

        Raises:
            ConflictError: Its record was deleted externally.

        """
        found = self.find(key)
        if found is None:
            raise ConflictError(
                f"the record of release {key.identity} was deleted from the table",
                hint=f"Restore the item {key.sk} of {key.pk}. If all aliases are as they should be, you can remove the "
                "attribute pending from the items of the environment instead.",
            )
        return found

    def begin(self, release: Release, further: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> None:
        """Write the record and mark the functions as part of the release, in one transaction with ``further``.

        Raises:
            Conflict: A function has changed since it was read.
            TransactionCancelled: Only conditions of ``further`` failed. ``refused`` covers only these parts.

        """
        parts: list[tuple[str, Mapping[str, Any]]] = []
        for part in release.parts:
            known = "#sequence = :sequence" if part.sequence else "attribute_not_exists(#sequence)"
            change = self._table.change(
                part.arn,
                environment_key(release.environment),
                assign={"pending": vars(release.key)},
                condition=f"attribute_not_exists(#pending) AND {known}",
                values={"sequence": part.sequence} if part.sequence else {},
            )
            parts.append(("Update", change))
        record = {**release_item(release), "begun": self._now()}
        what = f"the release of {release.names} may have begun, and the next run of any of them finishes it"
        try:
            self._table.transact([("Put", self._table.insertion(record)), *parts, *further], shown=bool, what=what)
        except TransactionCancelled as cancelled:
            refused, *ours = cancelled.refused[: len(parts) + 1]
            if refused:
                return  # An earlier attempt of this call took effect, and its response was lost.
            if any(ours):
                raise Conflict from cancelled
            raise TransactionCancelled(cancelled.refused[len(parts) + 1 :]) from cancelled
        except UnconfirmedError as error:
            error.may_have_moved = True  # another run may finish the release
            raise

    def join(self, release: Release) -> Release:
        """Record that another process than the one that began the release moves its aliases. Return the release."""
        if release.stage is Stage.MOVING:
            try:
                self._table.update(self._change(release, {"joined": self._now()}))
            except ConditionFailed:
                return self.read(release.key)
        return release

    def complete(self, release: Release, locks: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[Release, bool]:
        """Record that all aliases have moved. Return the release, and whether this call recorded it.

        The locks are released in the same transaction, except for those that another run holds now. The records of
        candidates are marked as used, except for deleted ones.
        """
        now, together = self._now(), {"released": vars(release.key), "together": together_item(release.together)}
        parts = [self._transition(release, Stage.DONE, {"ended": now})]
        for part in release.parts:
            promotion = part.promotion
            if part.moves:
                entry = entry_item(part.arn, promotion, part.candidate, part.plan, now)
                whole = {**entry, "url": release.url, "release": {**vars(release.key), "functions": len(release.parts)}}
                parts.append(("Put", {"Item": self._table.encode(whole)}))
            served = served_item(promotion, part.candidate, part.plan, now, release.url)
            if release.moves:
                served["promoted"] = promotion.commit  # a function whose alias stays is part of the release too
            parts.append(self._unmarking(release, part, {**served, **together}))
        used = [self._use_update(part) for part in release.parts if part.token]
        locks = [*used, *locks]
        while True:
            try:
                self._table.transact([*parts, *locks])
            except TransactionCancelled as cancelled:
                if not locks or any(cancelled.refused[: len(parts)]):
                    return self.read(release.key), False
                theirs = zip(locks, cancelled.refused[len(parts) :], strict=True)
                locks = [lock for lock, is_refused in theirs if not is_refused]
            else:
                return replace(release, stage=Stage.DONE), True

    def _use_update(self, part: ReleasePart) -> tuple[str, Mapping[str, Any]]:
        """Return the part of a transaction that marks the candidate as used."""
        return "Update", self._table.change(
            part.arn,
            part.token,
            assign={"used": part.promotion.identity},
            condition="attribute_exists(pk) AND attribute_not_exists(#used)",
        )

    def start_rollback(
        self, release: Release, problem: PromoteError, denied: Sequence[str], undo: Undo | None
    ) -> Release:
        """Record that the release is rolled back. Return the release, which may be done already.

        If the move of a function was refused (``denied``), no late move of it is possible unless other processes have
        joined. So its alias needs no new RevisionId, which a run without the permission could not write.
        """
        rolling = replace(release, stage=Stage.ROLLING_BACK, reason=str(problem)[:500], undone=undo)
        undone = {"undone": vars(undo)} if undo else {}
        assign = {"stage": rolling.stage.value, "reason": rolling.reason, "denied": list(denied), **undone}
        alone = self._change(release, assign, " AND attribute_not_exists(#joined)")
        with suppress(ConditionFailed):
            self._table.update(alone)
            return replace(rolling, denied=tuple(denied))
        try:
            _, change = self._transition(release, Stage.ROLLING_BACK, {"reason": rolling.reason, **undone})
            self._table.update(change)
        except ConditionFailed:
            return self.read(release.key)
        return rolling

    def record_undo(self, release: Release, undo: Undo) -> Release:
        """Record that a user rolls back a release that is being rolled back already. Return the release."""
        change = self._change(release, {"undone": vars(undo)}, " AND attribute_not_exists(#undone)")
        with suppress(ConditionFailed):
            self._table.update(change)
            return replace(release, undone=undo)
        return self.read(release.key)

    def end(self, release: Release) -> Release:
        """Record that all aliases were restored. Return the release, which a user may just have rolled back too."""
        known = "" if release.undone else " AND attribute_not_exists(#undone)"
        parts = [self._transition(release, Stage.ROLLED_BACK, {"ended": self._now()}, known)]
        kept_out = self._kept_out(release, release.undone) if release.undone else {}
        # undone_release shows runs that read the alias before that it may have changed since then.
        undone = {"undone_release": release.key.identity}
        parts += [self._unmarking(release, part, {**undone, **kept_out.get(part.arn, {})}) for part in release.parts]
        with suppress(TransactionCancelled):
            self._table.transact(parts)
            return replace(release, stage=Stage.ROLLED_BACK)
        return self.read(release.key)

    def _kept_out(self, release: Release, undo: Undo) -> dict[str, dict[str, Any]]:
        """Return, by ARN, the attribute with the versions that must not return after a user rolled back the release.

        While the environments' records are marked as part of the release, no other write changes them.
        """
        found = {}
        for part in release.moves:
            key = environment_key(release.environment)
            item = next(iter(self._table.query(part.arn, key, key)), None)
            if item is None:
                continue
            served = served_of(item)
            left = RolledBack(
                **vars(part.candidate), **vars(undo), commit=part.promotion.commit, promotion=release.key.identity
            )
            found[part.arn] = {"rolled_back": rolled_back_items(after_rollback(served.rolled_back, served, left))}
        return found

    def _transition(
        self, release: Release, stage: Stage, assign: Mapping[str, Any], further: str = ""
    ) -> tuple[str, Mapping[str, Any]]:
        """Return the part of a transaction that changes the stage of the record to ``stage``, with its reason."""
        return "Update", self._change(release, {"stage": stage.value, "reason": release.reason, **assign}, further)

    def _change(self, release: Release, assign: Mapping[str, Any], further: str = "") -> dict[str, Any]:
        """Return a change of the record. Its condition is that the stage is the one that was read, and ``further``."""
        return self._table.change(
            release.key.pk,
            release.key.sk,
            assign=assign,
            condition=f"#stage = :before{further}",
            values={"before": release.stage.value},
        )

    def _unmarking(
        self, release: Release, part: ReleasePart, assign: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, Any]]:
        """Return the part of a transaction that removes the mark of a function and assigns what changes with that."""
        return "Update", self._table.change(
            part.arn,
            environment_key(release.environment),
            assign=assign,
            remove=("pending",),
            condition=_OURS,
            values={"sk": release.key.sk},
        )

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds")
