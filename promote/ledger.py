"""The ledger: the lasting record of candidates, verdicts and promotions of one function."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from promote.clock import Clock
from promote.errors import ConflictError
from promote.line import Entry
from promote.lock import LOCK
from promote.model import LATEST_ENDPOINT, Candidate, Gateway, Promotion, Run, Served, Verdict
from promote.table import Cancelled, Item, Missing, Refused, Table


@dataclass(frozen=True)
class State:
    """What the ledger knew of the function when it was read."""

    latest: Gateway | None = None
    environments: Mapping[str, Served] = field(default_factory=dict)
    lock: Entry = field(default_factory=Entry)

    def served(self, environment: str) -> Served:
        """Give what ``environment`` serves; nothing at first."""
        return self.environments.get(environment, Served())

    def gateway(self, qualifier: str) -> Gateway | None:
        """Give the remembered gateway of ``latest`` or of an environment."""
        return self.latest if qualifier == LATEST_ENDPOINT else self.served(qualifier).gateway


class Ledger:
    """The records of the function ``arn``."""

    def __init__(self, table: Table, arn: str, run: Run, clock: Clock) -> None:
        self._table = table
        self._arn = arn
        self._run = run
        self._clock = clock

    def read(self) -> State:
        """Read endpoints, environments and the lock: one strongly consistent query.

        Raises:
            LockError: the lock's item is none that this version can read.

        """
        try:
            items = self._table.query(self._arn, "endpoint#", LOCK)
        except Missing:
            return State()
        found = {str(item["sk"]): item for item in items}
        return State(
            latest=_gateway(found.get("endpoint#latest", {})),
            environments={
                sk.removeprefix("environment#"): _served(item)
                for sk, item in found.items()
                if sk.startswith("environment#")
            },
            lock=Entry.read(found.get(LOCK, {})),
        )

    def record_candidate(self, candidate: Candidate) -> None:
        """Record the version; one that is recorded already keeps its record, with the commit that first built it.

        A record of other content is that of a deleted function of the same name: it is replaced, with its verdict.
        """
        item = {
            "pk": self._arn,
            "sk": _version_sk(candidate.version),
            "version": candidate.version,
            "code_sha256": candidate.code_sha256,
            "fingerprint": candidate.fingerprint,
            "built": self._now(),
            **self._who(),
        }
        try:
            self._table.put(item, "attribute_not_exists(pk)")
        except Refused as refused:
            if not candidate.is_in(refused.item):
                self._table.put(item, "attribute_exists(pk)")

    def record_verdict(
        self, candidate: Candidate, plan: str, verdict: Verdict | None, intent: Promotion | None
    ) -> None:
        """Record what verification found and the promotion that is to follow: in one transaction, where there are both.

        Raises:
            ConflictError: the candidate's record is not of this code and configuration.

        """
        parts: list[tuple[str, Mapping[str, Any]]] = []
        if verdict:
            parts.append(("Update", self._verdict_part(candidate, plan, verdict)))
        if intent:
            sk = _environment_sk(intent.environment)
            parts.append(("Update", self._table.change(self._arn, sk, assign={"intent": _promotion_item(intent)})))
        try:
            if len(parts) == 1:
                self._table.update(parts[0][1])
            else:
                self._table.transact(parts)
        except (Refused, Cancelled) as error:
            raise ConflictError(
                f"the record of version {candidate.version} is no longer that of the code that was verified",
                hint="Was the function deleted and made anew? See who deploys to it; then run the job again.",
            ) from error

    def _verdict_part(self, candidate: Candidate, plan: str, verdict: Verdict) -> dict[str, Any]:
        record = {
            "outcome": verdict.outcome.value,
            "reason": verdict.reason,
            "plan": plan,
            "at": self._now(),
            "checks": [
                {
                    "name": check.name,
                    "kind": check.kind,
                    "outcome": check.outcome.value,
                    "milliseconds": round(1000 * check.seconds),
                }
                for check in verdict.checks
            ],
            **self._who(),
        }
        # A later verdict takes nothing away from the fact that this version has passed.
        return self._table.change(
            self._arn,
            _version_sk(candidate.version),
            assign={"verdict": record, **({"proof": record} if verdict.passed else {})},
            condition="#code_sha256 = :code_sha256 AND #fingerprint = :fingerprint",
            values={"code_sha256": candidate.code_sha256, "fingerprint": candidate.fingerprint},
        )

    def record_promotion(
        self,
        promotion: Promotion,
        candidate: Candidate,
        plan: str,
        release: tuple[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Record a move of the alias that has taken place: the promotion, what the environment now serves, the release.

        All in one transaction. A part whose condition fails is left out and the others are written all the same: the
        promotion, when somebody recorded it for us; the environment, when a later promotion is recorded; the release,
        when the lock is another's by now. A move that only said for which later commit leaves no entry in the history.
        """
        now = self._now()
        parts: list[tuple[str, Mapping[str, Any]]] = []
        if promotion.previous is not None:
            entry = {
                "pk": self._arn,
                "sk": f"promotion#{promotion.environment}#{promotion.identity}",
                "at": now,
                **_promotion_item(promotion),
                **_content(candidate, plan),
            }
            parts.append(("Put", self._table.insertion(entry)))
        served = {
            **_content(candidate, plan),
            "version": promotion.version,
            "commit": promotion.commit,
            "run_id": promotion.run_id,
            "attempt": promotion.attempt,
            "sequence": promotion.sequence,
            **({"previous": promotion.previous, "since": now} if promotion.previous is not None else {}),
        }
        environment = self._table.change(
            self._arn,
            _environment_sk(promotion.environment),
            assign=served,
            remove=("intent",),
            condition="attribute_not_exists(#sequence) OR #sequence < :sequence",
        )
        parts.append(("Update", environment))
        if release:
            parts.append(release)
        while parts:
            try:
                self._table.transact(parts)
            except Cancelled as cancelled:
                parts = [part for part, refused in zip(parts, cancelled.refused, strict=True) if not refused]
            else:
                return

    def finish(self, environment: str, moved: Promotion | None, served: Served) -> Served:
        """Bring the record up to what the alias says (``moved``), where a run died between the move and its record.

        Gives what the environment serves after that. An intent that came to nothing is struck out.
        """
        if moved is not None and moved.sequence > served.sequence:
            candidate, plan = self._proven(moved.version)
            self.record_promotion(moved, candidate, plan)
            return self.read().served(environment)
        if served.intent is not None:
            with suppress(Refused):
                self._table.update(
                    self._table.change(
                        self._arn,
                        _environment_sk(environment),
                        remove=("intent",),
                        condition="#intent.#operation = :operation",
                        values={"operation": served.intent.operation},
                    )
                )
        return replace(served, intent=None)

    def history(self, environment: str, count: int) -> list[Item]:
        """Read the last ``count`` promotions of ``environment``, newest first."""
        prefix = f"promotion#{environment}#"
        with suppress(Missing):
            return self._table.newest(self._arn, prefix, prefix + "~", count)
        return []

    def version(self, version: str) -> Item:
        """Read the record of a version; empty: there is none."""
        sk = _version_sk(version)
        with suppress(Missing):
            return next(iter(self._table.query(self._arn, sk, sk)), {})
        return {}

    def record_unlock(
        self, token: int, held: str, reason: str, by: str, opening: tuple[str, Mapping[str, Any]]
    ) -> None:
        """Open the lock by force (``opening``), and record by whom, from whom and why: in one transaction.

        Raises:
            Cancelled: the lock is no longer as it was read.

        """
        entry = {
            "pk": self._arn,
            "sk": self._unlock_sk(token),
            "at": self._now(),
            "held": held,
            "reason": reason,
            "by": by,
            **self._who(),
        }
        self._table.transact([opening, ("Put", self._table.insertion(entry))])

    def has_unlocked(self, token: int) -> bool:
        """Whether this run has opened the lock to ``token``."""
        sk = self._unlock_sk(token)
        return bool(self._table.query(self._arn, sk, sk))

    def _unlock_sk(self, token: int) -> str:
        return f"unlock#{token:010d}-{self._run.operation}"

    def _proven(self, version: str) -> tuple[Candidate, str]:
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
        sk = "endpoint#latest" if qualifier == LATEST_ENDPOINT else _environment_sk(qualifier)
        try:
            self._table.update(
                self._table.change(self._arn, sk, assign={"endpoint": value}, condition=condition, values=values)
            )
        except Refused as refused:
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


def _environment_sk(name: str) -> str:
    return f"environment#{name}"


def _version_sk(version: str) -> str:
    return f"version#{int(version):010d}"


def _content(candidate: Candidate, plan: str) -> dict[str, str]:
    return {"code_sha256": candidate.code_sha256, "fingerprint": candidate.fingerprint, "plan": plan}


def _promotion_item(promotion: Promotion) -> dict[str, Any]:
    return {
        "environment": promotion.environment,
        "version": promotion.version,
        "previous": promotion.previous,
        "commit": promotion.commit,
        "run_id": promotion.run_id,
        "attempt": promotion.attempt,
        "sequence": promotion.sequence,
        "operation": promotion.operation,
    }


def _promotion(item: Item) -> Promotion:
    return Promotion(
        environment=str(item["environment"]),
        version=str(item["version"]),
        previous=item["previous"],
        commit=str(item["commit"]),
        run_id=int(item["run_id"]),
        attempt=int(item["attempt"]),
        sequence=int(item["sequence"]),
        operation=str(item["operation"]),
    )


def _gateway(item: Item) -> Gateway | None:
    value = item.get("endpoint")
    return Gateway(value["api_id"], value["api_url"], value["mapping"]) if value else None


def _served(item: Item) -> Served:
    intent = item.get("intent")
    return Served(
        version=str(item.get("version", "")),
        code_sha256=str(item.get("code_sha256", "")),
        fingerprint=str(item.get("fingerprint", "")),
        plan=str(item.get("plan", "")),
        commit=str(item.get("commit", "")),
        run_id=int(item.get("run_id", 0)),
        sequence=int(item.get("sequence", 0)),
        gateway=_gateway(item),
        intent=_promotion(intent) if intent else None,
    )
