"""What the ledger's items hold: values, their keys and their attributes. No effects."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promote.aws.dynamodb import Item
from promote.core.endpoint import LATEST_ENDPOINT, Gateway
from promote.core.lock_state import LockState
from promote.core.promotion import Alias, EnvironmentRecord, Kind, Moved, Promotion, ReleaseKey, RolledBack, Together
from promote.core.verdict import Outcome
from promote.core.version import LATEST, Candidate
from promote.state.sizes import clipped
from promote.state.strict import Record

_LONGEST = 200
"""Bytes of a reason and of a name that an environment's record keeps of a rollback."""

_SLACK = 5
"""Seconds that a sign of life may be late, besides."""


@dataclass(frozen=True)
class Preview:
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
        return f"{PREVIEW}{int(self.version):010d}#{self.operation}"


PREVIEW = "endpoint#preview#"
ENVIRONMENT = "environment#"
RELEASE = "release#"
"""How sort keys begin."""


@dataclass(frozen=True)
class Claim:
    """What a promotion writes into the record of a candidate before it moves the alias."""

    environment: str
    run_id: int
    attempt: int
    promotion: str
    """Its identity."""


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
    at: str = ""
    """When it was recorded."""
    attempt: int = 1
    job: str = ""
    """The name of the job whose steps test it; empty outside GitHub. Jobs of a matrix share it."""
    job_number: str = ""
    """The number of that job, which no other has."""
    used: str = ""
    """The promotion that has used it up; empty: none."""
    claim: Claim | None = None
    """The promotion that is about to use it, or was when it died; None: none."""

    @property
    def token(self) -> str:
        """The output ``candidate``. It holds no ARN, which a runner that masks the account id would drop."""
        return f"{self.candidate.identity}@{self.operation}"

    @property
    def key(self) -> str:
        """The sort key of its record."""
        return deployment_key(self.candidate.version, self.operation)


@dataclass(frozen=True)
class Judged:
    """How a version was judged."""

    proof: Item | None = None
    """The verdict by which it has passed; None: it has not."""
    failure: Item | None = None
    """The verdict by which it has failed since then; None: it has not."""


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


def deployment_key(version: str, operation: str) -> str:
    """Give the sort key of a candidate's token."""
    return f"candidate#{int(version):010d}#{operation}"


def environment_key(name: str) -> str:
    """Give the sort key of an environment."""
    return f"{ENVIRONMENT}{name}"


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


def intent_item(promotion: Promotion) -> dict[str, Any]:
    """Write a promotion that is still to be made, with all that whoever finds it needs to record it."""
    item = promotion_item(promotion)
    if promotion.rolled_back is not None:
        item["rolled_back"] = rolled_back_items(promotion.rolled_back)
    return item


def rolled_back_items(entries: Sequence[RolledBack]) -> list[dict[str, Any]]:
    """Write what an environment has gone back from; the record of each rollback has reason and name in full."""
    return [
        {**vars(entry), "reason": clipped(entry.reason, _LONGEST), "by": clipped(entry.by, _LONGEST)}
        for entry in entries
    ]


def _rolled_back_of(record: Record) -> tuple[RolledBack, ...]:
    return tuple(
        RolledBack(
            version=entry.version("version", others=(LATEST,)),
            **{name: entry.text(name) for name in _ROLLED_BACK},
        )
        for entry in record.parts("rolled_back")
    )


_ROLLED_BACK = ("code_sha256", "fingerprint", "commit", "at", "reason", "by", "promotion")


def promotion_of(record: Record) -> Promotion:
    """Read a promotion.

    Raises:
        RecordError: it is not what this action writes.

    """
    previous = record.values.get("previous", "")
    return Promotion(
        environment=record.text("environment"),
        version=record.version("version"),
        previous=None if previous is None else record.version("previous", others=("", LATEST)),
        commit=record.text("commit"),
        run_id=record.whole("run_id"),
        attempt=record.whole("attempt"),
        sequence=record.whole("sequence"),
        operation=record.text("operation"),
        kind=record.choice("kind", Kind, Kind.PROMOTION),
        is_proven=record.boolean("proven", default=True),
        reason=record.text("reason", ""),
        by=record.text("by", ""),
        rolled_back=_rolled_back_of(record) if "rolled_back" in record.values else None,
    )


def gateway_of(record: Record) -> Gateway | None:
    """Read where an endpoint is; None: it is not there.

    Raises:
        RecordError: it is not what this action writes.

    """
    value = record.part("endpoint")
    if value is None:
        return None
    api_id, url, mapping = value.text("api_id"), value.text("api_url"), value.text("mapping")
    if not re.fullmatch(r"[a-zA-Z0-9]{1,64}", api_id):
        raise value.unreadable("api_id", api_id)
    if not re.fullmatch(r"https?://[^\s@?#]+", url):
        raise value.unreadable("api_url", url)
    return Gateway(api_id, url, mapping)


def served_of(item: Item) -> EnvironmentRecord:
    """Read what an environment serves.

    Raises:
        RecordError: it is not what this action writes.

    """
    record = Record.of(item)
    if "version" not in item and "sequence" not in item:
        # Its endpoint was made, or a first promotion has begun.
        return replace(_unserved(record), gateway=gateway_of(record))
    commit = record.text("commit")
    return replace(
        _unserved(record),
        version=record.version("version"),
        code_sha256=record.text("code_sha256"),
        fingerprint=record.text("fingerprint"),
        plan=record.text("plan"),
        commit=commit,
        promoted=record.text("promoted", "") or commit,
        run_id=record.whole("run_id"),
        sequence=record.whole("sequence"),
        gateway=gateway_of(record),
    )


def _unserved(record: Record) -> EnvironmentRecord:
    """Read what an environment has also before its first promotion."""
    return EnvironmentRecord(
        pending=_release_key(record.part("pending")),
        released=_release_key(record.part("released")),
        together=_together_of(record.part("together")),
        reverted=record.text("reverted", ""),
        moved=_moved_of(record.part("moved")),
        rolled_back=_rolled_back_of(record),
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


def served_item(promotion: Promotion, candidate: Candidate, plan: str, at: str, url: str) -> dict[str, Any]:
    """Write what an environment serves after ``promotion``; ``url`` is the page of its run, or empty."""
    moved = {
        "previous": promotion.previous,
        "since": at,
        "promoted": promotion.commit,
        "moved": {"commit": promotion.commit, "at": at, "url": url},
    }
    rolled_back = promotion.rolled_back
    return {
        **content_item(candidate, plan),
        "version": promotion.version,
        "commit": promotion.commit,
        "run_id": promotion.run_id,
        "attempt": promotion.attempt,
        "sequence": promotion.sequence,
        **(moved if promotion.previous is not None else {}),
        **({} if rolled_back is None else {"rolled_back": rolled_back_items(rolled_back)}),
    }


def _moved_of(record: Record | None) -> Moved:
    return Moved(record.text("commit"), record.text("at"), record.text("url")) if record else Moved()


def together_item(together: Together) -> dict[str, Any]:
    """Write which functions were released as one."""
    return {"origin": together.origin, "functions": list(together.functions)}


def _together_of(record: Record | None) -> Together:
    return Together(record.text("origin"), record.texts("functions")) if record else Together()


def _release_key(record: Record | None) -> ReleaseKey | None:
    if record is None:
        return None
    key = ReleaseKey(record.text("pk"), record.text("sk"))
    if not key.sk.startswith(RELEASE):
        raise record.unreadable("sk", key.sk)
    return key


def preview_of(item: Item, now: int) -> Preview:
    """Read a preview; ``now`` is DynamoDB's own time in seconds.

    Raises:
        RecordError: it is not what this action writes.

    """
    record = Record.of(item)
    lease = record.whole("lease")
    preview = Preview(
        version=record.version("version"),
        operation=record.text("operation"),
        job=record.text("job"),
        run_id=record.whole("run_id"),
        lease=lease,
        is_dead=now - record.whole("alive") > 2 * lease + _SLACK,
        gateway=gateway_of(record),
    )
    record.require("sk", preview.key)
    return preview


def deployment_of(item: Item) -> Deployment:
    """Read a deployment.

    Raises:
        RecordError: it is not what this action writes.

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


def _claim_of(record: Record | None) -> Claim | None:
    if record is None:
        return None
    environment, promotion = record.text("environment"), record.text("promotion")
    return Claim(environment, record.whole("run_id"), record.whole("attempt"), promotion)


def require_move(item: Item) -> Item:
    """Return an entry of the history, if it is what this action writes.

    Raises:
        RecordError: it is not.

    """
    record = Record.of(item)
    promotion = promotion_of(record)
    for name in ("at", "code_sha256", "fingerprint", "plan", "url"):
        record.text(name)
    _release_key(record.part("release"))
    record.require("sk", promotion_key(promotion))
    return item


def has_happened(entry: Item, alias: Alias | None) -> bool:
    """Whether an entry of the history is of a move that took effect: a pin is recorded before it is made."""
    return entry.get("kind") != Kind.PIN or alias is None or alias.revision_id != entry.get("revision_id")


def is_pinned(alias: Alias, history: Sequence[Item]) -> bool:
    """Whether the last entry of the history, which is newest first, is of a pin that ``alias`` shows."""
    return bool(history) and history[0].get("kind") == Kind.PIN and history[0].get("version") == alias.version


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
