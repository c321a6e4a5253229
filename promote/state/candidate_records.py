"""The records of candidates that the job's own steps test: their keys, values, reads and writes."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from promote.aws.dynamodb import Item, TableNotFound
from promote.core.errors import RefusedError
from promote.core.promotion import Promotion
from promote.core.version import Candidate
from promote.state.partition import Partition
from promote.state.strict import Record


@dataclass(frozen=True)
class PromoteStep:
    """The step that promotes a candidate."""

    environment: str
    run_id: int
    attempt: int
    job: str
    """The name of its job; empty outside of GitHub."""
    job_number: str
    """The unique number of its job."""


@dataclass(frozen=True)
class CandidateClaim:
    """The promotion that uses a candidate, as recorded before the alias moves."""

    environment: str
    run_id: int
    attempt: int
    promotion: str
    """The identity of the promotion."""

    def is_of(self, step: PromoteStep) -> bool:
        """Return whether a step of the same attempt made it, for the same environment."""
        return (self.environment, self.run_id, self.attempt) == (step.environment, step.run_id, step.attempt)


@dataclass(frozen=True)
class Deployment:
    """A candidate that was deployed for the job's own steps to test."""

    candidate: Candidate
    operation: str
    """The ``Run.operation`` of the step that deployed it."""
    commit: str
    run_id: int
    revision_id: str
    """The RevisionId of $LATEST, read when $LATEST held exactly the candidate."""
    isolation: str
    at: str = ""
    """The time of the record."""
    attempt: int = 1
    job: str = ""
    """The name of the job whose steps test it; empty outside of GitHub. The jobs of a matrix share it."""
    job_number: str = ""
    """The unique number of that job."""
    used: str = ""
    """The identity of the promotion that used the candidate; empty if none did."""
    claim: CandidateClaim | None = None
    """The promotion that was about to use the candidate; None if none was."""

    @property
    def token(self) -> str:
        """The output ``candidate``. It contains no ARN, because a runner drops outputs with a masked account id."""
        return f"{self.candidate.identity}@{self.operation}"

    @property
    def key(self) -> str:
        """The sort key of the record."""
        return deployment_key(self.candidate.version, self.operation)

    def refusal(self, step: PromoteStep) -> RefusedError | None:
        """Return why ``step`` must not promote the candidate; None if it may.

        Only the steps of the job that deployed it have tested it, and it can be promoted only once.
        """
        if self.run_id != step.run_id:
            return RefusedError(
                f"run {self.run_id} deployed the candidate, and only the steps of that run tested it",
                hint="Deploy again in this run. To promote a version that has a passed verdict, use from or version.",
            )
        if (self.job, self.attempt) != (step.job, step.attempt):
            return RefusedError(
                f"the candidate is of job {self.job or 'unknown'}, attempt {self.attempt}, and only the steps of that "
                "job tested it",
                hint="Deploy, test and promote in one job, or re-run that whole job. To promote a version that has a "
                "passed verdict, use from or version.",
            )
        if self.job_number != step.job_number:
            return RefusedError(
                f"the candidate is of another job with the name {self.job or 'unknown'}, and only the steps of that "
                "job tested it",
                hint="Jobs of a matrix and calls of one reusable workflow share a name. Deploy, test and promote in "
                "one job, or use from or version. If it is one job, do not change RUNNER_TEMP between the steps, "
                "because the action recognizes its job by a file there.",
            )
        if self.claim and self.claim.is_of(step):
            return None
        if self.used:
            return already_promoted()
        return claimed(self.claim) if self.claim else None


def deployment_key(version: str, operation: str) -> str:
    """Return the sort key of a candidate's record."""
    return f"candidate#{int(version):010d}#{operation}"


def deployment_of(item: Item) -> Deployment:
    """Return the deployment in an item.

    Raises:
        RecordError: The item is not valid.

    """
    record = Record.of(item)
    deployment = Deployment(
        candidate=Candidate(record.version("version"), record.text("code_sha256"), record.text("fingerprint")),
        operation=record.text("operation"),
        commit=record.text("commit"),
        run_id=record.whole("run_id"),
        attempt=record.whole("attempt"),
        job=record.text("job"),
        job_number=record.text("job_number"),
        revision_id=record.text("revision_id"),
        isolation=record.text("isolation"),
        at=record.text("at"),
        used=record.text("used", ""),
        claim=_claim_of(record.part("claim")),
    )
    record.require("sk", deployment.key)
    return deployment


def _claim_of(record: Record | None) -> CandidateClaim | None:
    if record is None:
        return None
    environment, promotion = record.text("environment"), record.text("promotion")
    return CandidateClaim(environment, record.whole("run_id"), record.whole("attempt"), promotion)


class CandidateRecords:
    """Reads and writes the records of a function's candidates."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition

    def record(self, deployment: Deployment) -> None:
        """Record a candidate that the job's own steps test. Its token refers to this record."""
        item = {
            "pk": self._partition.arn,
            "sk": deployment.key,
            "version": deployment.candidate.version,
            "code_sha256": deployment.candidate.code_sha256,
            "fingerprint": deployment.candidate.fingerprint,
            "revision_id": deployment.revision_id,
            "isolation": deployment.isolation,
            "job": deployment.job,
            "job_number": deployment.job_number,
            "at": self._partition.now(),
            **self._partition.who(),
        }
        self._partition.table.put(item)

    def read(self, version: str, operation: str) -> Deployment | None:
        """Return the record of a candidate's token; None if there is none."""
        key = deployment_key(version, operation)
        with suppress(TableNotFound):
            item = next(iter(self._partition.table.query(self._partition.arn, key, key)), None)
            return deployment_of(item) if item else None
        return None

    def listed(self) -> list[Deployment]:
        """Return the records of all candidates that a job's own steps test or have tested."""
        with suppress(TableNotFound):
            return list(
                map(deployment_of, self._partition.table.query(self._partition.arn, "candidate#", "candidate#~"))
            )
        return []

    def claim_update(self, token: str, promotion: Promotion) -> tuple[str, dict[str, Any]]:
        """Return the part of a transaction that claims the candidate's record ``token`` for ``promotion``.

        Therefore, two promotions at the same time cannot both use it. If a step dies after the claim, another step of
        the same attempt can claim it again for the same environment.
        """
        run, name = self._partition.run, promotion.environment
        claim = {"environment": name, "promotion": promotion.identity, "run_id": run.run_id, "attempt": run.attempt}
        return "Update", self._partition.table.change(
            self._partition.arn,
            token,
            assign={"claim": claim},
            condition="attribute_exists(pk) AND attribute_not_exists(#used) AND (attribute_not_exists(#claim) OR "
            "(#claim.#environment = :name AND #claim.#run_id = :run_id AND #claim.#attempt = :attempt))",
            values={"name": name, "run_id": run.run_id, "attempt": run.attempt},
        )

    def claimed(self, token: str) -> RefusedError:
        """Return the error that names the promotion that has claimed the candidate's record ``token``."""
        item = next(iter(self._partition.table.query(self._partition.arn, token, token)), None)
        return claimed(deployment_of(item).claim if item else None)


def already_promoted() -> RefusedError:
    """Return the error for a candidate that was promoted."""
    return RefusedError(
        "the candidate was promoted already, and a candidate can be promoted only once",
        hint="To promote it to another environment, use the input from.",
    )


def claimed(claim: CandidateClaim | None) -> RefusedError:
    """Return the error for a candidate that another promotion has claimed."""
    if claim is None:
        return RefusedError("the record of the candidate is gone", hint="Deploy again and promote the new candidate.")
    return RefusedError(
        f"the candidate is not promoted: run {claim.run_id} has claimed it for {claim.environment}, and a candidate "
        "can be promoted only once",
        hint="Deploy again and promote the new candidate, or use the input from to promote what an environment serves.",
    )
