"""The ledger: the lasting record of candidates, verdicts and promotions of a function."""

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
from promote.state.adoption_records import AdoptionRecords
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
    promotion_prefix,
    require_move,
)
from promote.state.strict import Record
from promote.state.version_records import VersionRecords

_LATEST = "endpoint#latest"

_RECENT = 10
"""The newest entries of the history, which are searched for pins of dead runs."""

_FREE = "attribute_not_exists(#pending)"
"""The condition that the function is not part of an unfinished release."""


class Pending(Exception):  # noqa: N818 - a result, not a failure
    """The function is part of an unfinished release, which must be finished first."""


HISTORY = 200
"""The most entries of the history of an environment that a run reads."""


@dataclass(frozen=True)
class State:
    """The records of a function that a run needs, as they were read in one query."""

    latest: Gateway | None = None
    environments: Mapping[str, EnvironmentRecord] = field(default_factory=dict)
    lock: LockState = field(default_factory=LockState)
    previews: tuple[Preview, ...] = ()

    @property
    def has_endpoints(self) -> bool:
        """Whether the action has created an endpoint for the function."""
        return self.latest is not None or any(record.gateway for record in self.environments.values())

    def served(self, environment: str) -> EnvironmentRecord:
        """Return the record of ``environment``; an empty one before its first promotion."""
        return self.environments.get(environment, EnvironmentRecord())

    def gateway(self, qualifier: str) -> Gateway | None:
        """Return the recorded API of ``latest`` or of an environment."""
        return self.latest if qualifier == LATEST_ENDPOINT else self.served(qualifier).gateway


class Ledger:
    """The records of the function ``arn``.

    All methods that read raise RecordError if a record is not valid. If ``only`` names an environment, ``read`` returns
    only this environment and the endpoint of $LATEST, because a rollback depends on nothing else.
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
        self.adoptions = AdoptionRecords(self._partition)

    def of_run(self, run: Run) -> "Ledger":
        """Return the ledger of the same function with another run as the writer."""
        return Ledger(self._table, self.arn, run, self._clock, self._only)

    def read(self) -> State:
        """Return endpoints, environments and the lock, read in one strongly consistent query.

        Raises:
            RecordError: A record is not valid.
            LockError: The item of the lock is not valid.

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
        """Record a move that is known only from the alias, and return the record of the environment.

        This happens if the table was lost, for example. ``served`` is the record that was read before the alias. If a
        later promotion is already recorded, nothing is written.

        Raises:
            Pending: The function is part of an unfinished release, or was since ``served`` was read. The move may be
                part of that release.

        """
        candidate, plan = self.versions.verified(moved.version)
        if moved.rolled_back is None and (moved.kind is Kind.ROLLBACK or served.rolled_back):
            left = self._left(served, moved) if moved.kind is Kind.ROLLBACK else None
            moved = replace(moved, rolled_back=after_unknown(served.rolled_back, moved, candidate, left))
        # If another run made the move, the URL of its page is not known.
        now, url = self._partition.now(), self._run.url if moved.operation == self._run.operation else ""
        # A release that was rolled back since then may have undone the move.
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
                parts = parts[:1]  # the history already has the entry
            else:
                return self.read().served(environment)

    def _recorded_since(self, moved: Promotion) -> EnvironmentRecord:
        """Return the record of the environment if it has this promotion or a later one. Otherwise, raise Pending."""
        served = self.read().served(moved.environment)
        if served.pending or served.sequence < moved.sequence:
            raise Pending
        return served

    def _left(self, served: EnvironmentRecord, rollback: Promotion) -> RolledBack | None:
        """Return the version that a rollback has left, if only the alias shows the rollback.

        ``served`` is the record of the environment before it; None if the environment had no version.
        """
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
        """Record that ``alias`` moves from $LATEST to the version that was published from $LATEST.

        This is written before the move, so that each move has an entry. If the move does not take effect,
        ``retract_pin`` or ``retract_other_pins`` removes the entry. ``sequence`` is from the promotion before it.
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
            is_verified=False,
            reason="the alias followed $LATEST",
        )
        entry = entry_item(self.arn, pin, candidate, "", self._partition.now())
        self._table.put({**entry, "url": self._run.url, "revision_id": alias.revision_id})
        return pin

    def retract_pin(self, pin: Promotion) -> None:
        """Remove the entry of a pin that did not take effect."""
        self._table.delete(self.arn, promotion_key(pin))

    def retract_other_pins(self, alias: Alias, made: Promotion) -> None:
        """Remove the entries of other pins that were recorded for ``alias`` as it was before the pin ``made``.

        Their runs have died before the move, or their moves will be refused, because the RevisionId has changed.
        """
        for item in self.history(alias.name, _RECENT):
            pin = promotion_of(Record.of(item))
            if not has_happened(item, alias) and pin.identity != made.identity:
                self.retract_pin(pin)

    def record_notes(self, environment: str, identity: str, text: str) -> None:
        """Record the release notes of a promotion, in place of earlier ones."""
        item = {
            "pk": self.arn,
            "sk": f"notes#{environment}#{identity}",
            "text": text,
            "at": self._partition.now(),
            **self._partition.who(),
        }
        self._table.put(item)

    def history(self, environment: str, count: int) -> list[Item]:
        """Return the last ``count`` entries of the history of ``environment``, newest first."""
        prefix = promotion_prefix(environment)
        with suppress(TableNotFound):
            return list(map(require_move, self._table.newest(self.arn, prefix, prefix + "~", count)))
        return []

    def promotions(self, environment: str, count: int) -> list[Item]:
        """Return the last ``count`` promotions and rollbacks of ``environment``, newest first, without pins."""
        limit = count
        while True:
            items = self.history(environment, limit)
            found = [item for item in items if item["kind"] != Kind.PIN]
            if len(found) >= count or len(items) < limit:
                return found[:count]
            limit *= 2

    def is_pinned(self, alias: Alias) -> bool:
        """Return whether the last recorded move of ``alias`` is a pin."""
        return is_pinned(alias, self.history(alias.name, 1))

    def record_unlock(
        self, token: int, held: str, reason: str, by: str, opening: tuple[str, Mapping[str, Any]]
    ) -> None:
        """Release the lock by force (``opening``) and record who did it, the holder and the reason, in one transaction.

        Raises:
            TransactionCancelled: The lock has changed since it was read.
            UnconfirmedError: The lock may have been opened.

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
        """Return whether this run has opened the lock and raised its token to ``token``."""
        sk = self._unlock_sk(token)
        return bool(self._table.query(self.arn, sk, sk))

    def _unlock_sk(self, token: int) -> str:
        return f"unlock#{token:010d}-{self._run.operation}"

    def remember(self, qualifier: str, gateway: Gateway, replaced: Gateway | None) -> bool:
        """Record the API of ``qualifier`` in place of ``replaced``; False if another run has recorded another one."""
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
