"""What the ledger's items hold: values, their keys and their attributes. No effects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promote.line import Entry
from promote.model import LATEST_ENDPOINT, Candidate, Gateway, Kind, Promotion, ReleaseKey, Served
from promote.table import Item

_SLACK = 5
"""Seconds that a sign of life may be late, besides."""


@dataclass(frozen=True)
class Trial:
    """An endpoint of one candidate alone, as it is recorded while it exists."""

    version: str
    operation: str
    job: str
    """The number of the job that made it."""
    run_id: int
    lease: int
    """Seconds without a sign of life after which nobody uses it any more."""
    is_dead: bool = False
    """Whether that was so when it was read."""
    gateway: Gateway | None = None
    """None: it is not known to have been made."""

    @property
    def qualifier(self) -> str:
        """What its gateway shows, in words that are no other's."""
        return f"{self.version}#{self.operation}"

    @property
    def key(self) -> str:
        """The sort key of its record."""
        return f"{TRIAL}{int(self.version):010d}#{self.operation}"


TRIAL = "endpoint#trial#"


@dataclass(frozen=True)
class Deployment:
    """A candidate that waits for the job's own steps to test it."""

    candidate: Candidate
    operation: str
    """The ``Run.operation`` of the step that deployed it."""
    commit: str
    run_id: int
    revision_id: str
    """Of $LATEST, when the candidate was all that it held."""
    isolation: str
    used: str = ""
    """The promotion that has used it up; empty: none."""

    @property
    def token(self) -> str:
        """The output ``candidate``. It holds no ARN, which a runner that masks the account id would drop."""
        return f"{self.candidate.identity}@{self.operation}"

    @property
    def key(self) -> str:
        """The sort key of its record."""
        return deployment_key(self.candidate.version, self.operation)


@dataclass(frozen=True)
class State:
    """What the ledger knew of the function when it was read."""

    latest: Gateway | None = None
    environments: Mapping[str, Served] = field(default_factory=dict)
    lock: Entry = field(default_factory=Entry)
    trials: tuple[Trial, ...] = ()

    def served(self, environment: str) -> Served:
        """Give what ``environment`` serves; nothing at first."""
        return self.environments.get(environment, Served())

    def gateway(self, qualifier: str) -> Gateway | None:
        """Give the remembered gateway of ``latest`` or of an environment."""
        return self.latest if qualifier == LATEST_ENDPOINT else self.served(qualifier).gateway


def deployment_key(version: str, operation: str) -> str:
    """Give the sort key of a candidate's token."""
    return f"candidate#{int(version):010d}#{operation}"


def environment_key(name: str) -> str:
    """Give the sort key of an environment."""
    return f"environment#{name}"


def version_key(version: str) -> str:
    """Give the sort key of a version; they sort by number."""
    return f"version#{int(version):010d}"


def promotion_key(promotion: Promotion) -> str:
    """Give the sort key of a promotion; those of an environment sort by time."""
    return f"promotion#{promotion.environment}#{promotion.identity}"


def content_item(candidate: Candidate, plan: str) -> dict[str, str]:
    """Write what an environment or a promotion says of the code."""
    return {"code_sha256": candidate.code_sha256, "fingerprint": candidate.fingerprint, "plan": plan}


def promotion_item(promotion: Promotion) -> dict[str, Any]:
    """Write a promotion."""
    return {
        "environment": promotion.environment,
        "version": promotion.version,
        "previous": promotion.previous,
        "commit": promotion.commit,
        "run_id": promotion.run_id,
        "attempt": promotion.attempt,
        "sequence": promotion.sequence,
        "operation": promotion.operation,
        "kind": promotion.kind.value,
        "proven": promotion.is_proven,
        "reason": promotion.reason,
        "by": promotion.by,
    }


def promotion_of(item: Item) -> Promotion:
    """Read a promotion."""
    return Promotion(
        environment=str(item["environment"]),
        version=str(item["version"]),
        previous=item["previous"],
        commit=str(item["commit"]),
        run_id=int(item["run_id"]),
        attempt=int(item["attempt"]),
        sequence=int(item["sequence"]),
        operation=str(item["operation"]),
        kind=Kind(item.get("kind", Kind.PROMOTION.value)),
        is_proven=bool(item.get("proven", True)),
        reason=str(item.get("reason", "")),
        by=str(item.get("by", "")),
    )


def gateway_of(item: Item) -> Gateway | None:
    """Read where an endpoint is; None: it is not there."""
    value = item.get("endpoint")
    return Gateway(value["api_id"], value["api_url"], value["mapping"]) if value else None


def served_of(item: Item) -> Served:
    """Read what an environment serves."""
    intent = item.get("intent")
    return Served(
        version=str(item.get("version", "")),
        code_sha256=str(item.get("code_sha256", "")),
        fingerprint=str(item.get("fingerprint", "")),
        plan=str(item.get("plan", "")),
        commit=str(item.get("commit", "")),
        promoted=str(item.get("promoted") or item.get("commit", "")),
        run_id=int(item.get("run_id", 0)),
        sequence=int(item.get("sequence", 0)),
        gateway=gateway_of(item),
        intent=promotion_of(intent) if intent else None,
        pending=_release_key(item.get("pending")),
        released=_release_key(item.get("released")),
        reverted=str(item.get("reverted", "")),
    )


def entry_item(arn: str, promotion: Promotion, candidate: Candidate, plan: str, at: str) -> dict[str, Any]:
    """Write a promotion's entry in the history of the function ``arn``."""
    return {
        "pk": arn,
        "sk": promotion_key(promotion),
        "at": at,
        **promotion_item(promotion),
        **content_item(candidate, plan),
    }


def served_item(promotion: Promotion, candidate: Candidate, plan: str, at: str) -> dict[str, Any]:
    """Write what an environment serves after ``promotion``."""
    moved = {"previous": promotion.previous, "since": at, "promoted": promotion.commit}
    return {
        **content_item(candidate, plan),
        "version": promotion.version,
        "commit": promotion.commit,
        "run_id": promotion.run_id,
        "attempt": promotion.attempt,
        "sequence": promotion.sequence,
        **(moved if promotion.previous is not None else {}),
    }


def _release_key(value: Mapping[str, Any] | None) -> ReleaseKey | None:
    return ReleaseKey(str(value["pk"]), str(value["sk"])) if value else None


def trial_of(item: Item, now: int) -> Trial:
    """Read a trial; ``now`` is DynamoDB's own time in seconds."""
    lease = int(item["lease"])
    return Trial(
        version=str(item["version"]),
        operation=str(item["operation"]),
        job=str(item["job"]),
        run_id=int(item["run_id"]),
        lease=lease,
        is_dead=now - int(item["alive"]) > 2 * lease + _SLACK,
        gateway=gateway_of(item),
    )


def deployment_of(item: Item) -> Deployment:
    """Read a deployment."""
    return Deployment(
        candidate=Candidate(str(item["version"]), str(item["code_sha256"]), str(item["fingerprint"])),
        operation=str(item["operation"]),
        commit=str(item["commit"]),
        run_id=int(item["run_id"]),
        revision_id=str(item["revision_id"]),
        isolation=str(item["isolation"]),
        used=str(item.get("used", "")),
    )
