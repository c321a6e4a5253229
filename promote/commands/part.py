"""One function on its way through a command: what it works on, and what is certain of it so far."""

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
    """None: the run does not hold the lock."""
    built: Deployed | None = None
    """What this run has deployed; None: it deploys nothing, or has not yet."""
    is_recorded: bool = False
    """Whether the ledger has the verdict already."""
    endpoint_ok: bool = False
    """Whether the environment's endpoint was seen to reach the function during the verification."""
    revision_id: str = ""
    """The RevisionId of $LATEST after it was verified there."""

    @property
    def deployed(self) -> Deployed:
        """What this run has deployed, once it has."""
        assert self.built is not None  # noqa: S101 - asked for after the deployment alone
        return self.built

    @property
    def candidate(self) -> Candidate:
        """The version that this run has deployed."""
        return self.deployed.candidate

    @property
    def latest(self) -> Snapshot:
        """$LATEST as it was when the candidate had settled."""
        return self.deployed.latest

    def reported(self, **changes: Any) -> "Part":
        """Return the part with other fields of its report."""
        return replace(self, report=replace(self.report, **changes))


def each(step: Callable[[Part], Part], parts: Sequence[Part]) -> list[Part]:
    """Apply ``step`` to all functions side by side."""
    return map_and_wait([partial(step, part) for part in parts], CALLS_AT_ONCE)
