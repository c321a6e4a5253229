"""One function of a run, and what is known of it so far. ``report`` makes the report from it at the end."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from promote.aws.clients import CALLS_AT_ONCE
from promote.core.concurrency import map_and_wait
from promote.core.decision import Decision
from promote.core.endpoint import LATEST_ENDPOINT, Endpoint
from promote.core.promotion import served_version
from promote.core.verdict import Verdict
from promote.core.version import Candidate, Snapshot
from promote.pipeline.deploy import Deployed
from promote.pipeline.locks import HeldLock
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
    def has_moved(self) -> bool:
        """Whether this run has moved the alias."""
        return self.decision is not None and self.decision.move is not None

    def warned(self, warnings: Iterable[str]) -> Self:
        """Return the part with more warnings."""
        return replace(self, warnings=(*self.warnings, *warnings))

    def decided(self, decision: Decision) -> Self:
        """Return the part with the result of the promotion."""
        return replace(self, decision=decision, previous=decision.previous).warned(decision.warnings)


def each(step: Callable[[Part], Part], parts: Sequence[Part]) -> list[Part]:
    """Apply ``step`` to all functions in parallel."""
    return map_and_wait([partial(step, part) for part in parts], CALLS_AT_ONCE)
