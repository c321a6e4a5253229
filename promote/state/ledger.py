"""The ledger: the lasting record of candidates, verdicts and promotions of one function."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from promote.aws.dynamodb import ConditionFailed, Item, Table, TableNotFound, TransactionCancelled
from promote.core.clock import Clock
from promote.core.endpoint import LATEST_ENDPOINT, Gateway
from promote.core.lock_state import LockState
from promote.core.promotion import Alias, EnvironmentRecord, Kind, Promotion, RolledBack
from promote.core.rolled_back import after_unknown
from promote.core.run import Run
from promote.core.version import Candidate
from promote.state.candidate_records import CandidateRecords
from promote.state.endpoint_records import PREVIEW, Preview, PreviewRecords, gateway_of, preview_of
from promote.state.environment_records import ENVIRONMENT, environment_key, served_item, served_of
from promote.state.lock import LOCK
from promote.state.partition import Partition
from promote.state.promotion_records import (
    entry_item,
    has_happened,
    is_pinned,
    promotion_key,
    promotion_of,
    require_move,
)
from promote.state.strict import Record
from promote.state.version_records import VersionRecords

_LATEST = "endpoint#latest"

_RECENT = 10
"""Entries of the history among which a dead run may have left that of a pin."""

_FREE = "attribute_not_exists(#pending)"
"""The condition that the function is not part of an unfinished release."""


class Pending(Exception):  # noqa: N818 - an answer to a question, not a failure
    """The function is part of an unfinished release, which is to be finished first."""


@dataclass(frozen=True)
class State:
    """What the ledger knew of the function when it was read."""

    latest: Gateway | None = None
    environments: Mapping[str, EnvironmentRecord] = field(default_factory=dict)
    lock: LockState = field(default_factory=LockState)
    previews: tuple[Preview, ...] = ()

    def served(self, environment: str) -> EnvironmentRecord:
        """Give what ``environment`` serves; nothing at first."""
        return self.environments.get(environment, EnvironmentRecord())

    def gateway(self, qualifier: str) -> Gateway | None:
        """Give the remembered gateway of ``latest`` or of an environment."""
        return self.latest if qualifier == LATEST_ENDPOINT else self.served(qualifier).gateway


class Ledger:
    """The records of the function ``arn``.

    All methods that read raise RecordError if a record is not what this action writes. With ``only``, the name of an
    environment, it reads nothing but this environment and the endpoint of $LATEST: a rollback depends on nothing else.
    """

    def __init__(self, table: Table, arn: str, run: Run, clock: Clock, only: str = "") -> None:
        self._only = only
        self._table = table
        self.arn = arn
        self._run = run
        self._clock = clock
        self._partition = Partition(table, arn, run, clock)
        self.versions = VersionRecords(self._partition)
        self.candidates = CandidateRecords(self._partition)
        self.previews = PreviewRecords(self._partition)

    def of_run(self, run: Run) -> "Ledger":
        """Give the same records, written in the name of another run."""
        return Ledger(self._table, self.arn, run, self._clock, self._only)

    def read(self) -> State:
        """Read endpoints, environments and the lock: one strongly consistent query.

        Raises:
            RecordError: a record is none that this version can read.
            LockError: the lock's item is none that this version can read.

        """
        try:
            items = self._table.query(self.arn, "endpoint#", LOCK)
        except TableNotFound:
            return State()
        found = {str(item["sk"]): item for item in items}
        if self._only:
            kept = (_LATEST, environment_key(self._only))
            found = {sk: item for sk, item in found.items() if sk in kept}
        return State(
            latest=gateway_of(Record.of(found.get(_LATEST, {}))),
            environments={
                sk.removeprefix(ENVIRONMENT): served_of(item)
                for sk, item in found.items()
                if sk.startswith(ENVIRONMENT)
            },
            lock=LockState.read(found.get(LOCK, {})),
            previews=tuple(
                preview_of(item, self.previews.server_time()) for sk, item in found.items() if sk.startswith(PREVIEW)
            ),
        )

    def record_move(self, environment: str, moved: Promotion, served: EnvironmentRecord) -> EnvironmentRecord:
        """Record a move that only the alias tells of, as after the table was lost; return what the ledger says then.

        ``served`` is what the ledger said before the alias was read. If a later promotion is recorded by then, this
        move is recorded, too.

        Raises:
            Pending: The function is part of an unfinished release, or was since it was read. The move may be of that.

        """
        candidate, plan = self.versions.verified(moved.version)
        if moved.rolled_back is None and (moved.kind is Kind.ROLLBACK or served.rolled_back):
            left = self._left(served, moved) if moved.kind is Kind.ROLLBACK else None
            moved = replace(moved, rolled_back=after_unknown(served.rolled_back, moved, candidate, left))
        # The page of another run, whose record this one writes, is not known.
        now, url = self._partition.now(), self._run.url if moved.operation == self._run.operation else ""
        # A release that was rolled back since then may have taken the move with it.
        undone = served.undone_release
        known = "#undone_release = :undone" if undone else "attribute_not_exists(#undone_release)"
        change = self._table.change(
            self.arn,
            environment_key(environment),
            assign=served_item(moved, candidate, plan, now, url),
            condition=f"{_FREE} AND (attribute_not_exists(#sequence) OR #sequence < :sequence) AND {known}",
            values={"undone": undone} if undone else {},
        )
        parts: list[tuple[str, Mapping[str, Any]]] = [("Update", change)]
        if moved.previous is not None:
            entry = {**entry_item(self.arn, moved, candidate, plan, now), "url": url}
            parts.append(("Put", self._table.insertion(entry)))
        while True:
            try:
                self._table.transact(parts)
            except TransactionCancelled as cancelled:
                if cancelled.refused[0]:
                    return self._recorded_since(moved)
                parts = parts[:1]  # the history has the entry already
            else:
                return self.read().served(environment)

    def _recorded_since(self, moved: Promotion) -> EnvironmentRecord:
        """Return what the ledger says if a later promotion is recorded, and no release was in the way."""
        served = self.read().served(moved.environment)
        if served.pending or served.sequence < moved.sequence:
            raise Pending
        return served

    def _left(self, served: EnvironmentRecord, rollback: Promotion) -> RolledBack | None:
        """Say what a rollback has left, of which only the alias tells; ``served`` is what the ledger knew before."""
        version = rollback.previous or ""
        if not version:
            return None
        record = self.versions.read(version)
        code, commit = str(record.get("code_sha256", "")), str(record.get("commit", ""))
        fingerprint = str(record.get("fingerprint", ""))
        if served.version == version:
            code, fingerprint, commit = served.code_sha256, served.fingerprint, served.commit
        reason, by = rollback.reason, rollback.by
        return RolledBack(version, code, fingerprint, commit, self._partition.now(), reason, by, rollback.identity)

    def record_pin(self, alias: Alias, candidate: Candidate, sequence: int) -> Promotion:
        """Record that ``alias``, which follows $LATEST, is being pointed at the version that $LATEST was published as.

        It is written before the move, so that no move is without an entry. If the move does not take effect,
        ``retract_pin`` or ``retract_other_pins`` takes it back. ``sequence`` is that of the promotion before it.
        """
        pin = Promotion(
            environment=alias.name,
            version=candidate.version,
            previous=alias.version,
            commit="",
            run_id=self._run.run_id,
            attempt=self._run.attempt,
            sequence=sequence,
            operation=self._run.operation,
            kind=Kind.PIN,
            is_proven=False,
            reason="the alias followed $LATEST",
        )
        entry = entry_item(self.arn, pin, candidate, "", self._partition.now())
        self._table.put({**entry, "url": self._run.url, "revision_id": alias.revision_id})
        return pin

    def retract_pin(self, pin: Promotion) -> None:
        """Take back the entry of a pin that did not take effect."""
        self._table.delete(self.arn, promotion_key(pin))

    def retract_other_pins(self, alias: Alias, made: Promotion) -> None:
        """Take back the entries of the pins that would have changed ``alias`` as it was before the pin ``made``.

        Their runs have died before the move, or will find that it is refused: the RevisionId is another one.
        """
        for item in self.history(alias.name, _RECENT):
            pin = promotion_of(Record.of(item))
            if not has_happened(item, alias) and pin.identity != made.identity:
                self.retract_pin(pin)

    def record_notes(self, environment: str, identity: str, text: str) -> None:
        """Record the release notes of a promotion; later ones take the place of earlier ones."""
        item = {
            "pk": self.arn,
            "sk": f"notes#{environment}#{identity}",
            "text": text,
            "at": self._partition.now(),
            **self._partition.who(),
        }
        self._table.put(item)

    def history(self, environment: str, count: int) -> list[Item]:
        """Read the last ``count`` entries of the history of ``environment``, newest first."""
        prefix = f"promotion#{environment}#"
        with suppress(TableNotFound):
            return list(map(require_move, self._table.newest(self.arn, prefix, prefix + "~", count)))
        return []

    def promotions(self, environment: str, count: int) -> list[Item]:
        """Read the last ``count`` promotions and rollbacks of ``environment``, newest first, without pins."""
        limit = count
        while True:
            items = self.history(environment, limit)
            found = [item for item in items if item["kind"] != Kind.PIN]
            if len(found) >= count or len(items) < limit:
                return found[:count]
            limit *= 2

    def is_pinned(self, alias: Alias) -> bool:
        """Whether the action itself was the last to move ``alias``, by a pin."""
        return is_pinned(alias, self.history(alias.name, 1))

    def record_unlock(
        self, token: int, held: str, reason: str, by: str, opening: tuple[str, Mapping[str, Any]]
    ) -> None:
        """Open the lock by force (``opening``), and record by whom, from whom and why: in one transaction.

        Raises:
            TransactionCancelled: the lock is no longer as it was read.
            UnconfirmedError: it may have been opened.

        """
        entry = {
            "pk": self.arn,
            "sk": self._unlock_sk(token),
            "at": self._partition.now(),
            "held": held,
            "reason": reason,
            "by": by,
            **self._partition.who(),
        }
        what = f"the lock of {self.arn.rpartition(':')[2]} may have been opened"
        self._table.transact([("Put", self._table.insertion(entry)), opening], what=what)

    def has_unlocked(self, token: int) -> bool:
        """Whether this run has opened the lock to ``token``."""
        sk = self._unlock_sk(token)
        return bool(self._table.query(self.arn, sk, sk))

    def _unlock_sk(self, token: int) -> str:
        return f"unlock#{token:010d}-{self._run.operation}"

    def remember(self, qualifier: str, gateway: Gateway, replaced: Gateway | None) -> bool:
        """Remember the endpoint of ``qualifier`` in the place of ``replaced``; False: another run was first."""
        value = {"api_id": gateway.api_id, "api_url": gateway.api_url, "mapping": gateway.mapping}
        condition, values = "attribute_not_exists(#endpoint)", {}
        if replaced:
            condition += " OR #endpoint.#api_id = :replaced OR #endpoint.#api_id = :own"
            values = {"replaced": replaced.api_id, "own": gateway.api_id}
        sk = _LATEST if qualifier == LATEST_ENDPOINT else environment_key(qualifier)
        try:
            self._table.update(
                self._table.change(self.arn, sk, assign={"endpoint": value}, condition=condition, values=values)
            )
        except ConditionFailed as refused:
            return bool(refused.item["endpoint"]["api_id"] == gateway.api_id)
        return True
