"""The ledger: the lasting record of candidates, verdicts and promotions of one function."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from promote.aws.dynamodb import ConditionFailed, Item, Table, TableNotFound, TransactionCancelled
from promote.core.clock import Clock
from promote.core.endpoint import LATEST_ENDPOINT, Gateway
from promote.core.errors import ConflictError, RefusedError
from promote.core.lock_state import LockState
from promote.core.promotion import Alias, EnvironmentRecord, Kind, Promotion, RolledBack
from promote.core.rolledback import after_unknown
from promote.core.run import Run
from promote.core.verdict import Outcome, Verdict
from promote.core.version import Candidate
from promote.state.lock import LOCK
from promote.state.records import (
    ENVIRONMENT,
    PREVIEW,
    Claim,
    Deployment,
    Judged,
    Preview,
    State,
    deployment_key,
    deployment_of,
    entry_item,
    environment_key,
    gateway_of,
    has_happened,
    is_pinned,
    preview_of,
    promotion_key,
    promotion_of,
    require_move,
    require_version,
    served_item,
    served_of,
    version_key,
)
from promote.state.sizes import clipped
from promote.state.strict import Record

_RECORDED, _LONGEST_NAME, _LONGEST_REASON = 200, 500, 2000
"""Checks of a verdict, those that have not passed first, and the bytes of a name and of a reason.

A version's record has two verdicts, so that both together must be smaller than an item may be.
"""


_LATEST = "endpoint#latest"

_RECENT = 10
"""Entries of the history among which a dead run may have left that of a pin."""

_FREE = "attribute_not_exists(#pending)"
"""The condition that the function is not part of an unfinished release."""


class Pending(Exception):  # noqa: N818 - an answer to a question, not a failure
    """The function is part of an unfinished release, which is to be finished first."""


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
                preview_of(item, self._server_time()) for sk, item in found.items() if sk.startswith(PREVIEW)
            ),
        )

    def record_deployment(self, deployment: Deployment) -> None:
        """Record a candidate that the job's own steps are to test: its record is what its token stands for."""
        item = {
            "pk": self.arn,
            "sk": deployment.key,
            "version": deployment.candidate.version,
            "code_sha256": deployment.candidate.code_sha256,
            "fingerprint": deployment.candidate.fingerprint,
            "revision_id": deployment.revision_id,
            "isolation": deployment.isolation,
            "job": deployment.job,
            "job_number": deployment.job_number,
            "at": self._now(),
            **self._who(),
        }
        self._table.put(item)

    def deployment(self, version: str, operation: str) -> Deployment | None:
        """Read the record of a candidate's token; None: there is none."""
        key = deployment_key(version, operation)
        with suppress(TableNotFound):
            item = next(iter(self._table.query(self.arn, key, key)), None)
            return deployment_of(item) if item else None
        return None

    def begin_preview(self, version: str, job: str, lease: int) -> Preview:
        """Record an endpoint that is about to be made for ``version`` alone."""
        preview = Preview(version, self._run.operation, job, self._run.run_id, lease)
        item = {
            "pk": self.arn,
            "sk": preview.key,
            "version": version,
            "job": job,
            "lease": lease,
            "alive": self._server_time(),
            **self._who(),
        }
        self._table.put(item)
        return preview

    def locate_preview(self, preview: Preview, gateway: Gateway) -> bool:
        """Record where it is; False: another run has taken it for one of a run that died, and has struck it out."""
        value = {"api_id": gateway.api_id, "api_url": gateway.api_url, "mapping": ""}
        try:
            self._table.update(
                self._table.change(self.arn, preview.key, assign={"endpoint": value}, condition="attribute_exists(pk)")
            )
        except ConditionFailed:
            return False
        return True

    def renew_preview(self, preview: Preview, table: Table) -> str:
        """Say that it is in use; give who has it by now, if somebody has removed it.

        ``table`` is the same table by a client that gives up soon, and knows the time of its own last answer.
        """
        alive = self._server_time(table)
        try:
            table.update(
                table.change(self.arn, preview.key, assign={"alive": alive}, condition="attribute_exists(#alive)")
            )
        except ConditionFailed:
            return "another run, which has removed it"
        return ""

    def end_preview(self, preview: Preview) -> None:
        """Strike it out: it is gone."""
        self._table.delete(self.arn, preview.key)

    def _server_time(self, table: Table | None = None) -> int:
        """Give DynamoDB's own time in seconds, the same for all runs, as of the last answer to ``table`` or to ours."""
        known = (table and table.server_time) or self._table.server_time
        return round((known or self._clock.now()).timestamp())

    def record_candidate(self, candidate: Candidate) -> None:
        """Record the version; one that is recorded already keeps its record, with the commit that first built it.

        A record of other content is that of a deleted function of the same name: Lambda gives no number twice. It is
        replaced, with its verdict. If a record of this content says that the version was deleted, the run that was to
        delete it has died before: how the version was judged stays known.
        """
        item = {
            "pk": self.arn,
            "sk": version_key(candidate.version),
            "version": candidate.version,
            "code_sha256": candidate.code_sha256,
            "fingerprint": candidate.fingerprint,
            "built": self._now(),
            **self._who(),
        }
        try:
            self._table.put(item, "attribute_not_exists(pk)")
        except ConditionFailed as refused:
            if not candidate.is_in(refused.item):
                self._table.put(item, "attribute_exists(pk)")
            elif deleted := Record.of(refused.item).part("deleted"):
                self._retract_deletion(candidate.version, deleted.text("operation", ""))

    def record_verdict(self, candidate: Candidate, plan: str, verdict: Verdict) -> None:
        """Record what verification found.

        Raises:
            ConflictError: The candidate's record is not of this code and configuration.

        """
        _, change = self.verdict_update(candidate, plan, verdict)
        try:
            self._table.update(change)
        except ConditionFailed as error:
            raise replaced(candidate) from error

    def verdict_update(self, candidate: Candidate, plan: str, verdict: Verdict) -> tuple[str, dict[str, Any]]:
        """Give the part of a transaction that records a verdict.

        Its condition fails when the candidate's record is not of this code and configuration.
        """
        record = {
            "outcome": verdict.outcome.value,
            "reason": clipped(verdict.reason, _LONGEST_REASON),
            "plan": plan,
            "at": self._now(),
            "count": len(verdict.checks),
            "checks": [
                {
                    "name": clipped(check.name, _LONGEST_NAME),
                    "kind": check.kind,
                    "outcome": check.outcome.value,
                    "milliseconds": round(1000 * check.seconds),
                }
                for check in sorted(verdict.checks, key=lambda check: check.outcome is Outcome.PASSED)[:_RECORDED]
            ],
            **self._who(),
        }
        # A later verdict takes nothing away from the fact that this version has passed. One that failed stays known
        # until the version passes again, whatever inconclusive verdicts come after it.
        further: dict[str, Any] = {"proof": record} if verdict.passed else {}
        if verdict.outcome is Outcome.FAILED:
            further = {"failure": {name: value for name, value in record.items() if name != "checks"}}
        return "Update", self._table.change(
            self.arn,
            version_key(candidate.version),
            assign={"verdict": record, **further},
            remove=("failure",) if verdict.passed else (),
            condition="#code_sha256 = :code_sha256 AND #fingerprint = :fingerprint",
            values={"code_sha256": candidate.code_sha256, "fingerprint": candidate.fingerprint},
        )

    def claim_update(self, token: str, promotion: Promotion) -> tuple[str, dict[str, Any]]:
        """Return the part of a transaction that claims the candidate's record ``token`` for ``promotion``.

        So two promotions at the same time cannot both use it. If a step died after it, another step of the same attempt
        may try again, for the same environment.
        """
        run, name = self._run, promotion.environment
        claim = {"environment": name, "promotion": promotion.identity, "run_id": run.run_id, "attempt": run.attempt}
        return "Update", self._table.change(
            self.arn,
            token,
            assign={"claim": claim},
            condition="attribute_exists(pk) AND attribute_not_exists(#used) AND (attribute_not_exists(#claim) OR "
            "(#claim.#environment = :name AND #claim.#run_id = :run_id AND #claim.#attempt = :attempt))",
            values={"name": name, "run_id": run.run_id, "attempt": run.attempt},
        )

    def claimed(self, token: str) -> RefusedError:
        """Return the error that says who has claimed the candidate's record ``token``."""
        item = next(iter(self._table.query(self.arn, token, token)), None)
        return claimed(deployment_of(item).claim if item else None)

    def record_move(self, environment: str, moved: Promotion, served: EnvironmentRecord) -> EnvironmentRecord:
        """Record a move that only the alias tells of, as after the table was lost; return what the ledger says then.

        ``served`` is what the ledger said before the alias was read. If a later promotion is recorded by then, this
        move is recorded, too.

        Raises:
            Pending: The function is part of an unfinished release, or was since it was read. The move may be of that.

        """
        candidate, plan = self._verified(moved.version)
        if moved.rolled_back is None and (moved.kind is Kind.ROLLBACK or served.rolled_back):
            left = self._left(served, moved) if moved.kind is Kind.ROLLBACK else None
            moved = replace(moved, rolled_back=after_unknown(served.rolled_back, moved, candidate, left))
        # The page of another run, whose record this one writes, is not known.
        now, url = self._now(), self._run.url if moved.operation == self._run.operation else ""
        # A release that was rolled back since then may have taken the move with it.
        before = "#reverted = :reverted" if served.reverted else "attribute_not_exists(#reverted)"
        change = self._table.change(
            self.arn,
            environment_key(environment),
            assign=served_item(moved, candidate, plan, now, url),
            condition=f"{_FREE} AND (attribute_not_exists(#sequence) OR #sequence < :sequence) AND {before}",
            values={"reverted": served.reverted} if served.reverted else {},
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
        record = self.version(version)
        code, commit = str(record.get("code_sha256", "")), str(record.get("commit", ""))
        fingerprint = str(record.get("fingerprint", ""))
        if served.version == version:
            code, fingerprint, commit = served.code_sha256, served.fingerprint, served.commit
        reason, by = rollback.reason, rollback.by
        return RolledBack(version, code, fingerprint, commit, self._now(), reason, by, rollback.identity)

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
        entry = entry_item(self.arn, pin, candidate, "", self._now())
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
            "at": self._now(),
            **self._who(),
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

    def version(self, version: str) -> Item:
        """Read the record of a version; empty: there is none, as of $LATEST, which an alias may name."""
        if not version.isdecimal():
            return {}
        sk = version_key(version)
        with suppress(TableNotFound):
            return next(map(require_version, self._table.query(self.arn, sk, sk)), {})
        return {}

    def versions(self, first: int, last: int) -> dict[int, Item]:
        """Read the records of the versions from ``first`` to ``last``, by number."""
        with suppress(TableNotFound):
            items = self._table.query(self.arn, version_key(str(first)), version_key(str(last)))
            return {int(item["version"]): item for item in map(require_version, items)}
        return {}

    def deleted_versions(self, first: str, last: str) -> set[str]:
        """Read which of the versions from ``first`` to ``last`` were deleted, as ``keep-versions`` says."""
        with suppress(TableNotFound):
            items = self._table.query(self.arn, version_key(first), version_key(last), having="deleted")
            return {str(int(item["sk"].partition("#")[2])) for item in items}
        return set()

    def deployments(self) -> list[Deployment]:
        """Read the records of all candidates that were deployed for a job's own steps to test."""
        with suppress(TableNotFound):
            return list(map(deployment_of, self._table.query(self.arn, "candidate#", "candidate#~")))
        return []

    def record_deletion(self, number: int, keep: int) -> None:
        """Record that a version is being deleted, since it is not among the ``keep`` that stay.

        It is written before, so that no version is gone without a record; ``retract_deletion`` takes it back.
        """
        deleted = {"keep": keep, "at": self._now(), **self._who()}
        sk = version_key(str(number))
        self._table.update(self._table.change(self.arn, sk, assign={"version": str(number), "deleted": deleted}))

    def retract_deletion(self, number: int) -> None:
        """Take back what this run has recorded of a version that is still there."""
        self._retract_deletion(str(number), self._run.operation)

    def _retract_deletion(self, version: str, operation: str) -> None:
        with suppress(ConditionFailed):
            self._table.update(
                self._table.change(
                    self.arn,
                    version_key(version),
                    remove=("deleted",),
                    condition="#deleted.#operation = :operation",
                    values={"operation": operation},
                )
            )

    def newest_versions(self, count: int) -> list[Item]:
        """Read the records of the last ``count`` versions, newest first."""
        with suppress(TableNotFound):
            return list(map(require_version, self._table.newest(self.arn, "version#", "version#~", count)))
        return []

    def proof(self, candidate: Candidate) -> Item | None:
        """Read the verdict by which exactly this version has passed; None: it has not."""
        return self.judged(candidate).proof

    def judged(self, candidate: Candidate) -> Judged:
        """Read how exactly this version was judged."""
        record = self.version(candidate.version)
        if not candidate.is_in(record):
            return Judged()
        return Judged(record.get("proof"), record.get("failure"))

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
            "at": self._now(),
            "held": held,
            "reason": reason,
            "by": by,
            **self._who(),
        }
        what = f"the lock of {self.arn.rpartition(':')[2]} may have been opened"
        self._table.transact([("Put", self._table.insertion(entry)), opening], what=what)

    def has_unlocked(self, token: int) -> bool:
        """Whether this run has opened the lock to ``token``."""
        sk = self._unlock_sk(token)
        return bool(self._table.query(self.arn, sk, sk))

    def _unlock_sk(self, token: int) -> str:
        return f"unlock#{token:010d}-{self._run.operation}"

    def _verified(self, version: str) -> tuple[Candidate, str]:
        """Read a version's record: the candidate and the digest of a plan that it has passed."""
        item = self.version(version)
        candidate = Candidate(version, str(item.get("code_sha256", "")), str(item.get("fingerprint", "")))
        return candidate, str(item.get("proof", {}).get("plan", ""))

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

    def _who(self) -> dict[str, Any]:
        return {
            "commit": self._run.commit,
            "run_id": self._run.run_id,
            "attempt": self._run.attempt,
            "url": self._run.url,
            "operation": self._run.operation,
        }

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds")


def replaced(candidate: Candidate) -> ConflictError:
    """Say that the record of a version is that of another by now."""
    return ConflictError(
        f"the record of version {candidate.version} is no longer that of the code that was verified",
        hint="Was the function deleted and made anew? See who deploys to it; then run the job again.",
    )


def claimed(claim: Claim | None) -> RefusedError:
    """Say that another promotion has the candidate, which counts once."""
    if claim is None:
        return RefusedError("the record of the candidate is gone", hint="Deploy again and promote the new candidate.")
    return RefusedError(
        f"the candidate is not promoted: run {claim.run_id} has claimed it for {claim.environment}, and it counts once",
        hint="Deploy again and promote the new candidate; or promote with from what an environment serves.",
    )
