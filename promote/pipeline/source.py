"""What ``promote`` promotes: a candidate of this job, the version that another environment serves, or a version."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.lambda_function import not_as_it_was
from promote.core.concurrency import map_and_wait
from promote.core.errors import ConflictError, InputError, RefusedError
from promote.core.run import short_commit
from promote.core.version import Candidate, Snapshot, same_content
from promote.inputs.model import Isolation
from promote.pipeline.recover import finish
from promote.pipeline.target import Target
from promote.state.candidate_records import Deployment, PromoteStep, already_promoted
from promote.state.served_history import deletion_note

_LOOKS = 5
"""The most times that the environment to promote from is read, because a release may change it during the read."""


@dataclass(frozen=True)
class Source:
    """The version to promote."""

    snapshot: Snapshot
    """The version as read from Lambda."""
    commit: str
    run_id: int
    """The run that built it; 0 if it is not known."""
    deployment: Deployment | None = None
    """The record of the deploy step, if the job's own steps tested it; otherwise None."""

    @property
    def candidate(self) -> Candidate:
        """The version with its digests."""
        return self.snapshot.candidate

    @property
    def is_in_latest(self) -> bool:
        """Whether it was tested at the endpoint of $LATEST, which must not have changed since then."""
        return self.deployment is not None and self.deployment.isolation == Isolation.LATEST


def sources(targets: Sequence[Target]) -> list[Source]:
    """Return the version to promote of each function. With ``from``, all are of one state of that environment.

    If a release to that environment is not finished, some functions may be read before its move and others after it,
    and it may still be rolled back. The ledger, read afterwards, shows that. Then the release is finished first.

    Raises:
        ConflictError: The environment to promote from changes again and again, or was changed externally.

    """
    job, name = targets[0].job, targets[0].job.inputs.source
    for _ in range(_LOOKS):
        sources = map_and_wait([partial(_source, target) for target in targets], CALLS_AT_ONCE)
        if not name:
            return sources
        states = map_and_wait([target.ledger.read for target in targets], CALLS_AT_ONCE)
        if pending := next(filter(None, (state.served(name).pending for state in states)), None):
            if job.inputs.dry_run:
                job.workflow.warn(f"{name} has an unfinished release. A run would finish it first.", title="Dry run")
                return sources
            finish(job, pending)
            continue
        served = [state.served(name).version for state in states]
        found = zip(sources, served, strict=True)
        if len(targets) == 1 or all(source.candidate.version == version for source, version in found):
            return sources
    raise ConflictError(
        f"{name} of {targets[0].job.inputs.names} does not match the ledger: its aliases were changed externally",
        hint=f"Run a release to {name} first. Then promote from it.",
    )


def _source(target: Target) -> Source:
    """Return the version that the inputs name, with its commit from the record, or else from the input ``commit``.

    Raises:
        InputError: The commit in the record differs from the input ``commit``.
        RefusedError: The version does not exist, or the candidate cannot be promoted.

    """
    source, given = _found(target), target.job.inputs.commit
    if given and source.commit and source.commit != given:
        raise InputError(
            "commit",
            f"it is {short_commit(given)}, but version {source.candidate.version} was built from "
            f"{short_commit(source.commit)}",
            hint="Remove the input commit. The record has the commit.",
        )
    return replace(source, commit=source.commit or given)


def _found(target: Target) -> Source:
    inputs = target.job.inputs
    if inputs.candidate:
        return _deployed(target)
    if inputs.source:
        alias = target.function.alias(inputs.source)
        if alias is None or alias.is_placeholder:
            raise RefusedError(
                f"the environment {inputs.source} of {target.function.name} serves nothing to promote",
                hint="Promote to it first, or correct the input from.",
            )
        if alias.follows_latest:
            raise RefusedError(
                f"the environment {inputs.source} of {target.function.name} follows $LATEST, so it has no version to "
                "promote",
                hint=f"Promote to {inputs.source} with command: run first, which moves the alias to a version.",
            )
        if alias.split.is_external and not inputs.override:
            raise RefusedError(
                f"the environment {inputs.source} of {target.function.name} splits its traffic, and this action did "
                f"not set that split: {alias.shares}. So it serves no single version to promote",
                hint="End the split, or name the version to promote with the input version. To promote version "
                f"{alias.version} anyway, set override: true and a reason, which is recorded.",
            )
        snapshot = _existing(target, alias.version)
        move = None if alias.is_moved_by_others else alias.promotion
        served = target.state.served(inputs.source)
        if move and served.version == alias.version and served.sequence > move.sequence:
            # The ledger knows a later release. The Description was changed externally.
            return Source(snapshot, served.commit, served.run_id)
        return Source(snapshot, move.commit, move.run_id) if move else _recorded(target, snapshot)
    return _recorded(target, _existing(target, inputs.version))


def _existing(target: Target, version: str) -> Snapshot:
    snapshot = target.function.find(version) if version.isdecimal() else None
    if snapshot is None:
        raise RefusedError(
            f"version {version} of {target.function.name} {deletion_note(target.ledger, version) or 'does not exist'}",
            hint="Run command: status to see which versions were promoted. Name one that was not deleted.",
        )
    return snapshot


def _recorded(target: Target, snapshot: Snapshot) -> Source:
    record = target.ledger.versions.read(snapshot.version)
    return Source(snapshot, str(record.get("commit", "")), int(record.get("run_id", 0)))


def _deployed(target: Target) -> Source:
    """Return the candidate in the input ``candidate``. Its record shows that the action deployed it in this job.

    Raises:
        RefusedError: The candidate was not deployed in this job, was changed since then, or was promoted by another
            job or to another environment.

    """
    version, digest, operation = target.job.inputs.candidate.split("@")
    found = target.ledger.candidates.read(version, operation)
    name, run = target.function.name, target.job.run
    if found is None or found.candidate.code_sha256 != digest:
        raise RefusedError(
            f"the candidate {target.job.inputs.candidate} was not deployed for {name} by command: deploy",
            hint="Pass the output candidate of this run's deploy step. Use the same function and table in both steps.",
        )
    step = PromoteStep(target.environment, run.run_id, run.attempt, target.job.name, target.job.state.job)
    if refusal := found.refusal(step):
        raise refusal
    target.job.clients.expect_version(name, version)
    snapshot = target.function.find(version)
    if snapshot is None or not same_content(snapshot, found.candidate):
        raise RefusedError(
            f"version {version} of {name} is not the one that was deployed",
            hint="The function may have been deleted and created again. Deploy again.",
        )
    return Source(snapshot, found.commit, found.run_id, found)


def is_replaced(function: str, environment: str, was: Candidate, now: Candidate, *, is_verified: bool) -> bool:
    """Return whether the run promotes another version than it chose: ``environment`` serves that one now.

    ``is_verified`` means that this run has verified the version that it chose.

    Raises:
        ConflictError: The version is not the one that was chosen, or this run has verified the earlier version.

    """
    if was == now:
        return False
    if was.version == now.version:
        raise not_as_it_was(function, was.version, is_gone=False)
    if is_verified:
        raise ConflictError(
            f"{environment} of {function} was moved from version {was.version} to version {now.version} while this run "
            f"verified version {was.version}",
            hint=f"Run the job again. It verifies and promotes what {environment} serves then.",
        )
    return True


def require_unused(deployment: Deployment) -> None:
    """Check that the candidate was not promoted. Check it before the lock is acquired.

    Under the lock, a run may finish a release of this candidate that an earlier step of the same attempt began.

    Raises:
        RefusedError: The candidate was promoted already.

    """
    if deployment.used:
        raise already_promoted()
