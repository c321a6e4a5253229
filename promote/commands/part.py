"""One function of a run: its target, and its report so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from promote.aws.clients import CALLS_AT_ONCE
from promote.core.concurrency import map_and_wait
from promote.core.report import Report
from promote.core.version import Candidate, Snapshot
from promote.pipeline.deploy import Deployed
from promote.pipeline.locks import HeldLock
from promote.pipeline.target import Target


@dataclass(frozen=True)
class Part:
    """One function of a run."""

    target: Target
    report: Report
    held_lock: HeldLock | None = None
    """None if the run does not hold the lock."""
    built: Deployed | None = None
    """What this run has deployed; None if it has not deployed."""
    is_recorded: bool = False
    """Whether the ledger has the verdict already."""
    endpoint_ok: bool = False
    """Whether the environment's endpoint was seen to reach the function during the verification."""
    revision_id: str = ""
    """The RevisionId of $LATEST after it was verified there."""

    @property
    def deployed(self) -> Deployed:
        """What this run has deployed, after the deployment."""
        assert self.built is not None  # noqa: S101 - it is used only after the deployment
        return self.built

    @property
    def candidate(self) -> Candidate:
        """The version that this run has deployed."""
        return self.deployed.candidate

    @property
    def latest(self) -> Snapshot:
        """$LATEST after the candidate had settled."""
        return self.deployed.latest

    def reported(self, **changes: Any) -> "Part":
        """Return the part with other fields of its report."""
        return replace(self, report=replace(self.report, **changes))


def each(step: Callable[[Part], Part], parts: Sequence[Part]) -> list[Part]:
    """Apply ``step`` to all functions in parallel."""
    return map_and_wait([partial(step, part) for part in parts], CALLS_AT_ONCE)
