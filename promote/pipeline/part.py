"""One function of a run, and what is known of it so far. ``report`` makes the report from it at the end."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from promote.aws.clients import CALLS_AT_ONCE
from promote.core.concurrency import map_and_wait
from promote.core.decision import Decision
from promote.core.endpoint import LATEST_ENDPOINT, Endpoint
from promote.core.promotion import Promotion, served_version
from promote.core.verdict import Outcome, Verdict
from promote.core.version import Candidate, Snapshot
from promote.pipeline.deploy import Deployed
from promote.pipeline.locks import HeldLock
from promote.pipeline.source import Source
from promote.pipeline.target import Target


@dataclass(frozen=True)
class Part:
    """One function of a run."""

    target: Target
    previous: str
    """The version that the environment served before; empty if there was none."""
    latest_endpoint: Endpoint | None
    environment_endpoint: Endpoint | None
    held_lock: HeldLock | None = None
    """None if the run does not hold the lock."""
    lock_wait: float | None = None
    """The wait for the lock in seconds; None if the run did not need the lock."""
    candidate: Candidate | None = None
    """The version to promote; None if there is none yet."""
    snapshot: Snapshot | None = None
    """The candidate's code and configuration; None if this run has not read them."""
    source: Source | None = None
    """The version that ``promote`` promotes, and how it was built; None for other commands."""
    built: Deployed | None = None
    """What this run has deployed; None if it has not deployed."""
    changes: tuple[str, ...] = ()
    """What was deployed or, in a dry run, would be deployed."""
    verdict: Verdict | None = None
    """The verdict of this run; None if it has not verified the candidate."""
    is_in_latest: bool = False
    """Whether the endpoint of $LATEST shows the candidate: nothing else is deployed while this run holds the lock."""
    is_recorded: bool = False
    """Whether the ledger has the verdict already."""
    endpoint_ok: bool = False
    """Whether the environment's endpoint was seen to reach the function during the verification."""
    revision_id: str = ""
    """The RevisionId of $LATEST after it was verified there."""
    decision: Decision | None = None
    """The result of the promotion; None before it, and if no function was promoted."""
    traffic: str = ""
    """What gets the traffic after the move, as a sentence; empty if it follows the alias."""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def known(cls, target: Target, held_lock: HeldLock | None = None, candidate: Candidate | None = None) -> Self:
        """Return what is known of the function before this run changes anything."""
        return cls(
            target,
            previous=served_version(target.alias),
            latest_endpoint=target.endpoints.known(LATEST_ENDPOINT, target.state.latest),
            environment_endpoint=target.endpoints.known(target.environment, target.served.gateway),
            held_lock=held_lock,
            lock_wait=held_lock.lease.waited if held_lock else None,
            candidate=candidate,
        )

    def choosing(self, source: Source) -> Self:
        """Return the part with the version that ``promote`` promotes."""
        return replace(
            self,
            source=source,
            candidate=source.candidate,
            snapshot=source.snapshot,
            is_in_latest=source.is_in_latest,
        )

    def holding(self, target: Target, held_lock: HeldLock) -> Self:
        """Return the part with its lock, and with ``target`` as read under the lock."""
        lock_wait = (self.lock_wait or 0) + held_lock.lease.waited
        return replace(self, target=target, held_lock=held_lock, lock_wait=lock_wait)

    def seeing(self, target: Target) -> Self:
        """Return the part with ``target`` as it was just read, and with what that shows of the environment."""
        now = Part.known(target)
        return replace(
            self,
            target=target,
            previous=now.previous,
            latest_endpoint=now.latest_endpoint,
            environment_endpoint=now.environment_endpoint,
        )

    @property
    def chosen(self) -> Source:
        """The version that ``promote`` promotes, after it was chosen."""
        assert self.source is not None  # noqa: S101 - it is used only by that command
        return self.source

    @property
    def plan(self) -> str:
        """The digest of the verification: of the inputs, or of the job's own steps if the inputs have none."""
        deployment = self.source.deployment if self.source else None
        if deployment and not self.target.job.inputs.has_verification:
            return hashlib.sha256(f"steps {deployment.operation}".encode()).hexdigest()
        return self.target.plan

    @property
    def unrecorded_verdict(self) -> Verdict | None:
        """The verdict of this run that the ledger does not have yet; None if there is none."""
        return None if self.is_recorded else self.verdict

    @property
    def deployed(self) -> Deployed:
        """What this run has deployed, after the deployment."""
        assert self.built is not None  # noqa: S101 - it is used only after the deployment
        return self.built

    @property
    def is_blocked(self) -> bool:
        """Whether this run has verified the candidate, and it did not pass."""
        return self.verdict is not None and not self.verdict.passed

    @property
    def move(self) -> Promotion | None:
        """The promotion or rollback by which this run has moved the alias; None if it has not."""
        return self.decision.move if self.decision else None

    @property
    def since(self) -> str:
        """The commit of the environment's previous promotion; empty if there was none or if it is not known."""
        return self.decision.since if self.decision else ""

    @property
    def has_moved(self) -> bool:
        """Whether this run has moved the alias."""
        return self.move is not None

    def warned(self, warnings: Iterable[str]) -> Self:
        """Return the part with more warnings."""
        return replace(self, warnings=(*self.warnings, *warnings))

    def noted(self, note: str) -> Self:
        """Return the part with one more note."""
        return replace(self, notes=(*self.notes, note))

    def decided(self, decision: Decision) -> Self:
        """Return the part with the result of the promotion."""
        return replace(self, decision=decision, previous=decision.previous).warned(decision.warnings)


def each(step: Callable[[Part], Part], parts: Sequence[Part]) -> list[Part]:
    """Apply ``step`` to all functions in parallel."""
    return map_and_wait([partial(step, part) for part in parts], CALLS_AT_ONCE)


def is_blocked(parts: Sequence[Part]) -> bool:
    """Return whether this run has verified a candidate that did not pass, so that no function is promoted."""
    return any(part.is_blocked for part in parts)


def record_verdict(part: Part) -> Part:
    """Record the verdict if there is one. A version that another step or run has built is recorded first."""
    if part.verdict and part.candidate:
        versions = part.target.ledger.versions
        if part.built is None:
            versions.record(part.candidate)
        versions.record_verdict(part.candidate, part.plan, part.verdict)
    return replace(part, is_recorded=True)


def verdict_of(parts: Sequence[Part]) -> Verdict | None:
    """Return the verdict of all functions together; None if no function was verified."""
    if len(parts) == 1:
        return parts[0].verdict
    verdicts = [(part.target.function.name, part.verdict) for part in parts if part.verdict]
    if not verdicts:
        return None
    checks = tuple(replace(check, name=f"{name}: {check.name}") for name, found in verdicts for check in found.checks)
    order = (Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.PASSED)
    outcome = next(found for found in order if found in [verdict.outcome for _, verdict in verdicts])
    reason = "; ".join(f"{name}: {found.reason}" for name, found in verdicts if found.reason)
    return Verdict(outcome, checks, reason)
