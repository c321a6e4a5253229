"""``rollback``: point the environment back at what it served before, or at a proven version."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promote import pipeline
from promote.commands import outcomes
from promote.errors import RefusedError
from promote.job import Job
from promote.model import LATEST_ENDPOINT, Alias, Kind, Result
from promote.pipeline import Proposal
from promote.records import promotion_item
from promote.report import Report
from promote.target import Target, prepare

_HISTORY = 200
"""Moves of the alias that are looked back upon."""


@dataclass(frozen=True)
class _Release:
    """What an environment served."""

    version: str
    commit: str
    run_id: int = 0
    """The run that has built it; 0: not known."""


def rollback(job: Job) -> Report:
    """Go back, at once: no lock is waited for, since Lambda's preconditions and the ledger's carry the move."""
    with job.phase("read"):
        target = prepare(job)
        alias = target.function.alias(target.environment)
        if alias is None:
            raise RefusedError(
                f"the environment {target.environment} of {target.function.name} does not exist",
                hint="Correct the input environment; command: status shows those that there are.",
            )
        back = _destination(target, alias)
        proposal = _proposal(target, back, alias)
    if job.inputs.dry_run:
        return outcomes.planned(target, f"go back to version {back.version}", None)
    report = Report(
        Result.FAILED,
        candidate=proposal.candidate,
        previous=alias.version,
        latest=target.endpoints.known(LATEST_ENDPOINT, target.state.latest),
        environment=target.endpoints.known(target.environment, target.served.gateway),
    )
    job.reports.append(report)
    with job.phase("promote"):
        decision = pipeline.promote(
            target,
            None,
            proposal,
            alias,
            moved=lambda decision: job.reports.append(outcomes.promoted(target, report, decision)),
        )
    return outcomes.announced(target, outcomes.decided(target, report, decision), proposal.commit)


def _destination(target: Target, alias: Alias) -> _Release:
    """Find what to go back to: the version that the inputs name, or what the environment served before.

    Raises:
        RefusedError: there is nothing before.

    """
    moves = [*reversed(target.ledger.history(target.environment, _HISTORY)), *_unrecorded(target, alias)]
    named = target.job.inputs.version
    if named:
        served_then = [move for move in moves if move["version"] == named] or [target.ledger.version(named)]
        return _release(named, served_then[-1])
    served = served_before(moves, alias.version)
    if not served:
        raise RefusedError(
            f"as far as the ledger says, {target.environment} of {target.function.name} served nothing before version "
            f"{alias.version}",
            hint="Name the version to go back to with the input version.",
        )
    return served[-1]


def _release(version: str, record: Mapping[str, Any]) -> _Release:
    return _Release(version, str(record.get("commit", "")), int(record.get("run_id", 0)))


def _unrecorded(target: Target, alias: Alias) -> Iterator[Mapping[str, Any]]:
    """Yield the move that the alias tells of and the ledger does not: its run has died, or is about to record it."""
    moved = alias.promotion
    if moved and moved.previous is not None and moved.sequence > target.served.sequence:
        yield promotion_item(moved)


def served_before(moves: Sequence[Mapping[str, Any]], version: str) -> list[_Release]:
    """Give what an environment that now has ``version`` served before, oldest first; ``moves`` are oldest first.

    What was rolled back is not counted: a second rollback goes further back, and does not return.
    """
    served: list[_Release] = []
    for move in moves:
        release = _release(str(move["version"]), move)
        if not served and move.get("previous"):
            served.append(_Release(str(move["previous"]), ""))
        if move.get("kind") == Kind.ROLLBACK:
            at = [place for place, earlier in enumerate(served) if earlier.version == release.version]
            if at:
                served = served[: at[-1]]
            elif served and served[-1].version == move.get("previous"):
                served.pop()
        served.append(release)
    while served and served[-1].version == version:
        served.pop()
    return served


def _proposal(target: Target, back: _Release, alias: Alias) -> Proposal:
    """Propose the version, if it was proven and still is what was proven then.

    Raises:
        RefusedError: it was not, or is not.

    """
    name, inputs = target.function.name, target.job.inputs
    snapshot = target.function.find(back.version) if back.version.isdecimal() else None
    if snapshot is None:
        raise RefusedError(
            f"version {back.version} of {name}, to go back to, does not exist (any more)",
            hint="Name another version with the input version; command: status shows what was served.",
        )
    candidate = snapshot.candidate
    proof = target.ledger.proof(candidate)
    if proof is None and not inputs.override:
        raise RefusedError(
            f"version {back.version} of {name} has no passed verdict",
            hint="Name a proven version; or add override: true and a reason, which is recorded.",
        )
    if proof is None and not inputs.dry_run:
        target.ledger.record_candidate(candidate)
    return Proposal(
        candidate=candidate,
        commit=back.commit,
        run_id=back.run_id,
        plan=str(proof.get("plan", "")) if proof else "",
        kind=Kind.ROLLBACK,
        is_proven=proof is not None,
        instead_of="" if inputs.version else alias.version,
        reason=inputs.reason,
        by=target.job.context.actor,
    )
