"""The record of a release in the table, and its transitions.

``moving`` becomes ``done``; or it becomes ``rolling_back``, and that ``rolled_back``.

Each transition is a conditional write. Whoever loses it reads what the release has become.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from promote.aws.dynamodb import ConditionFailed, Table, TransactionCancelled
from promote.core.clock import Clock
from promote.core.errors import ConflictError, PromoteError, UnconfirmedError
from promote.core.promotion import ReleaseKey, RolledBack
from promote.core.rolled_back import after_rollback
from promote.state.environment_records import environment_key, served_item, served_of, together_item
from promote.state.promotion_records import entry_item, rolled_back_items
from promote.state.releases import Part, Release, Stage, Undo, release_item, release_of

_LARGEST = 100
"""Parts that a transaction may have:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html"""

_OURS = "attribute_not_exists(#pending) OR #pending.#sk = :sk"
"""The condition that a function is not part of another release: it cannot be, unless somebody has deleted a record."""


class Conflict(Exception):  # noqa: N818 - an answer to a question, not a failure
    """A function is part of another release, or has been promoted, since it was read: nothing was begun."""


class ReleaseRecords:
    """The records of releases."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def find(self, key: ReleaseKey) -> Release | None:
        """Read the record of a release; None: there is none."""
        item = next(iter(self._table.query(key.pk, key.sk, key.sk)), None)
        return release_of(item) if item else None

    def read(self, key: ReleaseKey) -> Release:
        """Read the record of a release that a function is marked with.

        Raises:
            ConflictError: somebody has deleted it.

        """
        found = self.find(key)
        if found is None:
            raise ConflictError(
                f"the record of release {key.identity} is gone from the table",
                hint=f"Restore the item {key.sk} of {key.pk}; or, when all aliases are as they should be, remove the "
                "attribute pending from the items of the environment.",
            )
        return found

    def begin(self, release: Release, further: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> None:
        """Write the record and mark the functions, along with ``further`` parts of the transaction.

        Raises:
            Conflict: a function is no longer as it was read.
            TransactionCancelled: only ``further`` stood in the way; its ``refused`` are theirs.

        """
        parts: list[tuple[str, Mapping[str, Any]]] = []
        for part in release.parts:
            known = "#sequence = :sequence" if part.sequence else "attribute_not_exists(#sequence)"
            change = self._table.change(
                part.arn,
                environment_key(release.environment),
                assign={"pending": {"pk": release.key.pk, "sk": release.key.sk}},
                condition=f"attribute_not_exists(#pending) AND {known}",
                values={"sequence": part.sequence} if part.sequence else {},
            )
            parts.append(("Update", change))
        record = {**release_item(release), "begun": self._now()}
        what = f"the release of {release.names} may have begun; the next run of any of them brings it to its end"
        try:
            self._table.transact([("Put", self._table.insertion(record)), *parts, *further], shown=bool, what=what)
        except TransactionCancelled as cancelled:
            refused, *ours = cancelled.refused[: len(parts) + 1]
            if refused:
                return  # Our own call has taken effect before: its answer was lost.
            if any(ours):
                raise Conflict from cancelled
            raise TransactionCancelled(cancelled.refused[len(parts) + 1 :]) from cancelled
        except UnconfirmedError as error:
            error.may_have_moved = True  # by whoever brings it to its end
            raise

    def join(self, release: Release) -> Release:
        """Note that a process which has not begun the release moves its aliases, too; give it as it then is."""
        if release.stage is Stage.MOVING:
            change = self._table.change(
                *(release.key.pk, release.key.sk),
                assign={"joined": self._now()},
                condition="#stage = :moving",
                values={"moving": Stage.MOVING.value},
            )
            try:
                self._table.update(change)
            except ConditionFailed:
                return self.read(release.key)
        return release

    def complete(self, release: Release, locks: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[Release, bool]:
        """Record that all has moved; give the release as it then is, and whether this call has done it.

        A lock that another run holds by now, and a candidate's record that is gone, are left out.
        """
        now = self._now()
        parts = [self._transition(release, Stage.DONE, now)]
        for part in release.parts:
            promotion = part.promotion
            if part.moves:
                entry = entry_item(part.arn, promotion, part.candidate, part.plan, now)
                whole = {**entry, "url": release.url, "release": {**vars(release.key), "functions": len(release.parts)}}
                parts.append(("Put", {"Item": self._table.encode(whole)}))
            served = served_item(promotion, part.candidate, part.plan, now, release.url)
            if release.moves:
                served["promoted"] = promotion.commit  # one that stays is part of the promotion all the same
            parts.append(self._unmarking(release, part, served))
        used = [self._using(part) for part in release.parts if part.token]
        locks = [*used, *locks][: _LARGEST - len(parts)]
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

    def _using(self, part: Part) -> tuple[str, Mapping[str, Any]]:
        """Give the part of a transaction that uses up the candidate's record."""
        return "Update", self._table.change(
            part.arn,
            part.token,
            assign={"used": part.promotion.identity},
            condition="attribute_exists(pk) AND attribute_not_exists(#used)",
        )

    def start_rollback(
        self, release: Release, problem: PromoteError, denied: Sequence[str], undo: Undo | None
    ) -> Release:
        """Decide that the release goes back; give it as it then is, which may be done.

        Of a function whose move was refused (``denied``) no move is on its way, unless others have joined. So it needs
        no other RevisionId, which a run without the permission could not give it.
        """
        turned = replace(release, stage=Stage.ROLLING_BACK, reason=str(problem)[:500], undone=undo)
        undone = {"undone": vars(undo)} if undo else {}
        alone = self._table.change(
            *(release.key.pk, release.key.sk),
            assign={"stage": turned.stage.value, "reason": turned.reason, "denied": list(denied), **undone},
            condition="#stage = :before AND attribute_not_exists(#joined)",
            values={"before": release.stage.value},
        )
        with suppress(ConditionFailed):
            self._table.update(alone)
            return replace(turned, denied=tuple(denied))
        try:
            _, change = self._transition(release, Stage.ROLLING_BACK, self._now(), turned.reason, undone)
            self._table.update(change)
        except ConditionFailed:
            return self.read(release.key)
        return turned

    def end(self, release: Release) -> Release:
        """Record that all is back; give the release as it then is."""
        parts = [self._transition(release, Stage.ROLLED_BACK, self._now(), release.reason)]
        kept_out = self._kept_out(release, release.undone) if release.undone else {}
        parts += [self._unmarking(release, part, {}, kept_out.get(part.arn)) for part in release.parts]
        with suppress(TransactionCancelled):
            self._table.transact(parts)
            return replace(release, stage=Stage.ROLLED_BACK)
        return self.read(release.key)

    def _kept_out(self, release: Release, undo: Undo) -> dict[str, list[dict[str, Any]]]:
        """Return, by ARN, what must not return to the environments from which a person has rolled the release back.

        Nothing else changes these records while they are marked as part of the release.
        """
        found = {}
        for part in release.parts:
            key = environment_key(release.environment)
            item = next(iter(self._table.query(part.arn, key, key)), None)
            if item is None or not part.moves:
                continue
            candidate, served = part.candidate, served_of(item)
            left = RolledBack(
                version=candidate.version,
                code_sha256=candidate.code_sha256,
                fingerprint=candidate.fingerprint,
                commit=part.promotion.commit,
                at=undo.at,
                reason=undo.reason,
                by=undo.by,
                promotion=release.key.identity,
            )
            found[part.arn] = rolled_back_items(after_rollback(served.rolled_back, served, left))
        return found

    def _transition(
        self, release: Release, stage: Stage, now: str, reason: str = "", further: Mapping[str, Any] | None = None
    ) -> tuple[str, Mapping[str, Any]]:
        """Return the part of a transaction that takes the record from the release's stage to ``stage``."""
        return "Update", self._table.change(
            release.key.pk,
            release.key.sk,
            assign={
                "stage": stage.value,
                "reason": reason,
                **({"ended": now} if stage.is_final else {}),
                **(further or {}),
            },
            condition="#stage = :before",
            values={"before": release.stage.value},
        )

    def _unmarking(
        self,
        release: Release,
        part: Part,
        served: Mapping[str, Any],
        kept_out: Sequence[Mapping[str, Any]] | None = None,
    ) -> tuple[str, Mapping[str, Any]]:
        """Return the part of a transaction that releases a function, with what its environment serves by then."""
        together = {"released": vars(release.key), "together": together_item(release.together)}
        undone = {"undone_release": release.key.identity, **({} if kept_out is None else {"rolled_back": kept_out})}
        return "Update", self._table.change(
            part.arn,
            environment_key(release.environment),
            # By the latter, whoever has read the alias before knows that it may be another by now.
            assign={**served, **together} if served else undone,
            remove=("pending",),
            condition=_OURS,
            values={"sk": release.key.sk},
        )

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds")
