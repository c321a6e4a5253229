"""Versions, how they were verified, and what became of them."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from promote.aws.dynamodb import ConditionFailed, Item, TableNotFound
from promote.core.errors import ConflictError
from promote.core.verdict import Outcome, Verdict
from promote.core.version import Candidate
from promote.state.partition import Partition
from promote.state.sizes import clipped
from promote.state.strict import Record

_RECORDED, _LONGEST_NAME, _LONGEST_REASON = 200, 500, 2000
"""Checks of a verdict, those that have not passed first, and the bytes of a name and of a reason.

A version's record has two verdicts, so that both together must be smaller than an item may be.
"""


@dataclass(frozen=True)
class Judged:
    """How a version was judged."""

    proof: Item | None = None
    """The verdict by which it has passed; None: it has not."""
    failure: Item | None = None
    """The verdict by which it has failed since then; None: it has not."""


def version_key(version: str) -> str:
    """Give the sort key of a version; they sort by number."""
    return f"version#{int(version):010d}"


def require_version(item: Item) -> Item:
    """Return the record of a version, if it is what this action writes.

    One that was recorded only as deleted holds nothing else.

    Raises:
        RecordError: it is not.

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
    for name in ("verdict", "proof", "failure"):
        if verdict := record.part(name):
            _require_verdict(verdict, is_proof=name == "proof")
    return item


def _require_verdict(record: Record, *, is_proof: bool) -> None:
    outcome = record.choice("outcome", Outcome)
    if is_proof and outcome is not Outcome.PASSED:
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
    """The versions of a function."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition

    def record(self, candidate: Candidate) -> None:
        """Record the version; one that is recorded already keeps its record, with the commit that first built it.

        A record of other content is that of a deleted function of the same name: Lambda gives no number twice. It is
        replaced, with its verdict. If a record of this content says that the version was deleted, the run that was to
        delete it has died before: how the version was judged stays known.
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
        try:
            self._partition.table.put(item, "attribute_not_exists(pk)")
        except ConditionFailed as refused:
            if not candidate.is_in(refused.item):
                self._partition.table.put(item, "attribute_exists(pk)")
            elif deleted := Record.of(refused.item).part("deleted"):
                self._retract_deletion(candidate.version, deleted.text("operation", ""))

    def record_verdict(self, candidate: Candidate, plan: str, verdict: Verdict) -> None:
        """Record what verification found.

        Raises:
            ConflictError: The candidate's record is not of this code and configuration.

        """
        _, change = self.verdict_update(candidate, plan, verdict)
        try:
            self._partition.table.update(change)
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
        # A later verdict takes nothing away from the fact that this version has passed. One that failed stays known
        # until the version passes again, whatever inconclusive verdicts come after it.
        further: dict[str, Any] = {"proof": record} if verdict.passed else {}
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
        """Read the record of a version; empty: there is none, as of $LATEST, which an alias may name."""
        if not version.isdecimal():
            return {}
        sk = version_key(version)
        with suppress(TableNotFound):
            return next(map(require_version, self._partition.table.query(self._partition.arn, sk, sk)), {})
        return {}

    def between(self, first: int, last: int) -> dict[int, Item]:
        """Read the records of the versions from ``first`` to ``last``, by number."""
        with suppress(TableNotFound):
            items = self._partition.table.query(self._partition.arn, version_key(str(first)), version_key(str(last)))
            return {int(item["version"]): item for item in map(require_version, items)}
        return {}

    def newest(self, count: int) -> list[Item]:
        """Read the records of the last ``count`` versions, newest first."""
        with suppress(TableNotFound):
            return list(
                map(require_version, self._partition.table.newest(self._partition.arn, "version#", "version#~", count))
            )
        return []

    def proof(self, candidate: Candidate) -> Item | None:
        """Read the verdict by which exactly this version has passed; None: it has not."""
        return self.judged(candidate).proof

    def judged(self, candidate: Candidate) -> Judged:
        """Read how exactly this version was judged."""
        record = self.read(candidate.version)
        if not candidate.is_in(record):
            return Judged()
        return Judged(record.get("proof"), record.get("failure"))

    def verified(self, version: str) -> tuple[Candidate, str]:
        """Read a version's record: the candidate and the digest of a plan that it has passed."""
        item = self.read(version)
        candidate = Candidate(version, str(item.get("code_sha256", "")), str(item.get("fingerprint", "")))
        return candidate, str(item.get("proof", {}).get("plan", ""))

    def deleted(self, first: str, last: str) -> set[str]:
        """Read which of the versions from ``first`` to ``last`` were deleted, as ``keep-versions`` says."""
        with suppress(TableNotFound):
            items = self._partition.table.query(
                self._partition.arn, version_key(first), version_key(last), having="deleted"
            )
            return {str(int(item["sk"].partition("#")[2])) for item in items}
        return set()

    def record_deletion(self, number: int, keep: int) -> None:
        """Record that a version is being deleted, since it is not among the ``keep`` that stay.

        It is written before, so that no version is gone without a record; ``retract_deletion`` takes it back.
        """
        deleted = {"keep": keep, "at": self._partition.now(), **self._partition.who()}
        sk = version_key(str(number))
        self._partition.table.update(
            self._partition.table.change(self._partition.arn, sk, assign={"version": str(number), "deleted": deleted})
        )

    def retract_deletion(self, number: int) -> None:
        """Take back what this run has recorded of a version that is still there."""
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
    """Say that the record of a version is that of another by now."""
    return ConflictError(
        f"the record of version {candidate.version} is no longer that of the code that was verified",
        hint="Was the function deleted and made anew? See who deploys to it; then run the job again.",
    )
