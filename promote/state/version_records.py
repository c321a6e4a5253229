"""The records of versions, with their verdicts and deletions: their keys, values, reads and writes."""

from contextlib import suppress
from typing import Any

from promote.aws.dynamodb import ConditionFailed, Item, TableNotFound
from promote.core.admission import Verdicts
from promote.core.errors import ConflictError
from promote.core.verdict import Outcome, Verdict
from promote.core.version import Candidate
from promote.state.partition import Partition
from promote.state.sizes import clipped
from promote.state.strict import Record

_RECORDED, _LONGEST_NAME, _LONGEST_REASON = 200, 500, 2000
"""The most checks of a verdict, and the most bytes of a check's name and of a reason.

Checks that have not passed are kept first. A version's record has two full verdicts, which must fit into one item.
"""

_ATTEMPTS = 5
"""Attempts to record a version while other runs record it too."""


def version_key(version: str) -> str:
    """Return the sort key of a version. Versions are sorted by number."""
    return f"version#{int(version):010d}"


def require_version(item: Item) -> Item:
    """Return the record of a version if it is valid.

    A version that only its deletion has recorded has no other attributes.

    Raises:
        RecordError: The record is not valid.

    """
    record = Record.of(item)
    record.require("sk", version_key(record.version("version")))
    deleted = record.part("deleted")
    if deleted:
        deleted.whole("keep")
        deleted.whole("run_id")
        deleted.text("at")
    if deleted and "code_sha256" not in item:
        return item
    for name in ("code_sha256", "fingerprint", "built", "commit", "operation", "url"):
        record.text(name)
    record.whole("run_id")
    for name in ("verdict", "passed", "failure"):
        if verdict := record.part(name):
            _require_verdict(verdict, is_passed=name == "passed")
    return item


def _require_verdict(record: Record, *, is_passed: bool) -> None:
    outcome = record.choice("outcome", Outcome)
    if is_passed and outcome is not Outcome.PASSED:
        raise record.unreadable("outcome", outcome.value)
    for name in ("reason", "plan", "at", "commit", "url"):
        record.text(name)
    record.whole("run_id")
    record.whole("count", 0)
    for check in record.parts("checks"):
        check.text("name")
        check.text("kind")
        check.choice("outcome", Outcome)
        check.whole("milliseconds")


class VersionRecords:
    """Reads and writes the records of a function's versions."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition

    def record(self, candidate: Candidate) -> None:
        """Record a version, unless it is recorded already. The record keeps the commit that first built the version.

        - A record of other content is from a deleted function of the same name, because Lambda never reuses a number.
          It is replaced, together with its verdicts.
        - If the record says that the version was deleted, the run that wanted to delete it has died before. That
          attribute is removed, and the verdicts stay.

        Raises:
            ConflictError: The record changes at each attempt.

        """
        item = {
            "pk": self._partition.arn,
            "sk": version_key(candidate.version),
            "version": candidate.version,
            "code_sha256": candidate.code_sha256,
            "fingerprint": candidate.fingerprint,
            "built": self._partition.now(),
            **self._partition.who(),
        }
        for _ in range(_ATTEMPTS):
            try:
                self._partition.table.put(item, "attribute_not_exists(pk)")
            except ConditionFailed as refused:
                if candidate.is_in(refused.item):
                    if deleted := Record.of(refused.item).part("deleted"):
                        self._retract_deletion(candidate.version, deleted.text("operation", ""))
                    return
                with suppress(ConditionFailed):  # another run has replaced it since: look again
                    self._replace(item, refused.item)
                    return
            else:
                return
        raise ConflictError(
            f"the record of version {candidate.version} is replaced by other runs again and again",
            hint="Find out what else writes to the table. Then run the job again.",
        )

    def _replace(self, item: Item, known: Item) -> None:
        """Replace the record ``known`` of a deleted function, unless its content has changed since it was read."""
        content = {name: known[name] for name in ("code_sha256", "fingerprint") if name in known}
        terms = [
            f"{name} = :{name}" if name in content else f"attribute_not_exists({name})"
            for name in ("code_sha256", "fingerprint")
        ]
        self._partition.table.put(item, " AND ".join(terms), **content)

    def record_verdict(self, candidate: Candidate, plan: str, verdict: Verdict) -> None:
        """Record the verdict of a verification.

        Raises:
            ConflictError: The candidate's record is not of this code and configuration.

        """
        _, change = self.verdict_update(candidate, plan, verdict)
        try:
            self._partition.table.update(change)
        except ConditionFailed as error:
            raise replaced(candidate) from error

    def verdict_update(self, candidate: Candidate, plan: str, verdict: Verdict) -> tuple[str, dict[str, Any]]:
        """Return the part of a transaction that records a verdict.

        Its condition fails if the candidate's record is not of this code and configuration.
        """
        record = {
            "outcome": verdict.outcome.value,
            "reason": clipped(verdict.reason, _LONGEST_REASON),
            "plan": plan,
            "at": self._partition.now(),
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
            **self._partition.who(),
        }
        # A later verdict never removes a passed verdict. A failed verdict stays until the version passes again,
        # regardless of inconclusive verdicts in between.
        further: dict[str, Any] = {"passed": record} if verdict.passed else {}
        if verdict.outcome is Outcome.FAILED:
            further = {"failure": {name: value for name, value in record.items() if name != "checks"}}
        return "Update", self._partition.table.change(
            self._partition.arn,
            version_key(candidate.version),
            assign={"verdict": record, **further},
            remove=("failure",) if verdict.passed else (),
            condition="#code_sha256 = :code_sha256 AND #fingerprint = :fingerprint",
            values={"code_sha256": candidate.code_sha256, "fingerprint": candidate.fingerprint},
        )

    def read(self, version: str) -> Item:
        """Return the record of a version; empty if there is none, as for $LATEST, to which an alias may point."""
        if not version.isdecimal():
            return {}
        sk = version_key(version)
        with suppress(TableNotFound):
            return next(map(require_version, self._partition.table.query(self._partition.arn, sk, sk)), {})
        return {}

    def between(self, first: int, last: int) -> dict[int, Item]:
        """Return the records of the versions from ``first`` to ``last``, by number."""
        with suppress(TableNotFound):
            items = self._partition.table.query(self._partition.arn, version_key(str(first)), version_key(str(last)))
            return {int(item["version"]): item for item in map(require_version, items)}
        return {}

    def newest(self, count: int) -> list[Item]:
        """Return the records of the last ``count`` versions, newest first."""
        with suppress(TableNotFound):
            return list(
                map(require_version, self._partition.table.newest(self._partition.arn, "version#", "version#~", count))
            )
        return []

    def passed_verdict(self, candidate: Candidate) -> Item | None:
        """Return the last passed verdict of exactly this code and configuration; None if there is none."""
        return self.verdicts(candidate).passed

    def verdicts(self, candidate: Candidate) -> Verdicts:
        """Return the verdicts of exactly this code and configuration."""
        record = self.read(candidate.version)
        if not candidate.is_in(record):
            return Verdicts()
        return Verdicts(record.get("passed"), record.get("failure"))

    def verified(self, version: str) -> tuple[Candidate, str]:
        """Return the candidate in a version's record, and the digest of the verification that it passed (or empty)."""
        item = self.read(version)
        candidate = Candidate(version, str(item.get("code_sha256", "")), str(item.get("fingerprint", "")))
        return candidate, str(item.get("passed", {}).get("plan", ""))

    def deleted(self, first: str, last: str) -> set[str]:
        """Return those of the versions from ``first`` to ``last`` that ``keep-versions`` has deleted."""
        with suppress(TableNotFound):
            items = self._partition.table.query(
                self._partition.arn, version_key(first), version_key(last), having="deleted"
            )
            return {str(int(item["sk"].partition("#")[2])) for item in items}
        return set()

    def record_deletion(self, number: int, keep: int) -> None:
        """Record that a version is deleted, because it is not among the ``keep`` newest ones.

        This is written before the deletion, so that each deletion has a record. ``retract_deletion`` removes it.
        """
        deleted = {"keep": keep, "at": self._partition.now(), **self._partition.who()}
        sk = version_key(str(number))
        self._partition.table.update(
            self._partition.table.change(self._partition.arn, sk, assign={"version": str(number), "deleted": deleted})
        )

    def retract_deletion(self, number: int) -> None:
        """Remove the deletion that this run has recorded, because the version still exists."""
        self._retract_deletion(str(number), self._partition.run.operation)

    def _retract_deletion(self, version: str, operation: str) -> None:
        with suppress(ConditionFailed):
            self._partition.table.update(
                self._partition.table.change(
                    self._partition.arn,
                    version_key(version),
                    remove=("deleted",),
                    condition="#deleted.#operation = :operation",
                    values={"operation": operation},
                )
            )


def replaced(candidate: Candidate) -> ConflictError:
    """Return the error for a version whose record is of other code or configuration."""
    return ConflictError(
        f"the record of version {candidate.version} is no longer of the code that was verified",
        hint="Was the function deleted and created again? Find out who deploys to it, then run the job again.",
    )
