"""What ``promote`` promotes: a candidate of this job, the version that another environment serves, or a version."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.core.concurrency import map_and_wait
from promote.core.errors import ConflictError, InputError, RefusedError
from promote.core.version import Candidate, Snapshot, same_content
from promote.inputs.model import Isolation
from promote.pipeline.recover import finish
from promote.pipeline.target import Target
from promote.state.candidate_records import Deployment, claimed
from promote.state.served_history import deletion_note

_LOOKS = 5
"""Times that the environment to promote from is read until no release is made there meanwhile."""


@dataclass(frozen=True)
class Source:
    """What is to be promoted."""

    snapshot: Snapshot
    """The version as Lambda has it."""
    commit: str
    run_id: int
    """The run that has built it; 0: not known."""
    deployment: Deployment | None = None
    """Where the job's own steps have tested it."""

    @property
    def candidate(self) -> Candidate:
        """The version by its digests."""
        return self.snapshot.candidate

    @property
    def is_in_latest(self) -> bool:
        """Whether it was tested at the endpoint of $LATEST, which must not have changed since."""
        return self.deployment is not None and self.deployment.isolation == Isolation.LATEST


def sources(targets: Sequence[Target]) -> list[Source]:
    """Find what is to be promoted; of an environment, what the functions serve there as one.

    A release that is being made there while they are read would give some functions as they were before it, and others
    as they are after it: the ledger, read afterwards, tells. It may still be rolled back, so it is finished first.

    Raises:
        ConflictError: it does not come to rest.

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
        f"{name} of {targets[0].job.inputs.names} is not what the ledger says: somebody else moves its aliases",
        hint=f"Run a release to {name}, and promote from it then.",
    )


def _source(target: Target) -> Source:
    """Find what the inputs name, and the commit that it was built from: that of its record, else the input ``commit``.

    Raises:
        InputError: the record names another commit than the input does.
        RefusedError: it does not exist, or is not what it says it is.

    """
    source, given = _found(target), target.job.inputs.commit
    if given and source.commit and source.commit != given:
        raise InputError(
            "commit",
            f"it is {given[:10]}, and version {source.candidate.version} was built from {source.commit[:10]}",
            hint="Remove the input commit: the record names the commit.",
        )
    return replace(source, commit=source.commit or given)


def _found(target: Target) -> Source:
    inputs = target.job.inputs
    if inputs.candidate:
        return _deployed(target)
    if inputs.source:
        alias = target.function.alias(inputs.source)
        if alias is None:
            raise RefusedError(
                f"the environment {inputs.source} of {target.function.name} serves nothing that could be promoted",
                hint="Promote to it first, or correct the input from.",
            )
        if alias.follows_latest:
            raise RefusedError(
                f"the environment {inputs.source} of {target.function.name} follows $LATEST, so no version of "
                "it can be promoted",
                hint=f"Promote to {inputs.source} with command: run first, which points the alias at a version.",
            )
        snapshot = _existing(target, alias.version)
        move = None if alias.is_moved_by_others else alias.promotion
        served = target.state.served(inputs.source)
        if move and served.version == alias.version and served.sequence > move.sequence:
            # It has stayed as it was in a later release, of which its alias says nothing.
            return Source(snapshot, served.commit, served.run_id)
        return Source(snapshot, move.commit, move.run_id) if move else _recorded(target, snapshot)
    return _recorded(target, _existing(target, inputs.version))


def _existing(target: Target, version: str) -> Snapshot:
    snapshot = target.function.find(version) if version.isdecimal() else None
    if snapshot is None:
        raise RefusedError(
            f"version {version} of {target.function.name} {deletion_note(target.ledger, version) or 'does not exist'}",
            hint="See with command: status which versions were promoted; deleted ones are gone.",
        )
    return snapshot


def _recorded(target: Target, snapshot: Snapshot) -> Source:
    record = target.ledger.versions.read(snapshot.version)
    return Source(snapshot, str(record.get("commit", "")), int(record.get("run_id", 0)))


def _deployed(target: Target) -> Source:
    """Look the candidate up: its record is what makes it more than a number that anybody could write."""
    version, digest, operation = target.job.inputs.candidate.split("@")
    found = target.ledger.candidates.read(version, operation)
    name, run = target.function.name, target.job.run
    if found is None or found.candidate.code_sha256 != digest:
        raise RefusedError(
            f"the candidate {target.job.inputs.candidate} is none that command: deploy has made for {name}",
            hint="Pass on the output candidate of the deploy step of this run, for the same function and table.",
        )
    if found.run_id != run.run_id:
        raise RefusedError(
            f"the candidate is of run {found.run_id}, and only that run's own steps have tested it",
            hint="Deploy again in this run; or promote with from or version what has a verdict.",
        )
    if (found.job, found.attempt) != (target.job.name, run.attempt):
        raise RefusedError(
            f"the candidate is of job {found.job or 'unknown'}, attempt {found.attempt}, and only that job's own steps "
            "have tested it",
            hint="Deploy, test and promote in one job, or re-run that whole job; or promote with from or version.",
        )
    if found.job_number != target.job.state.job:
        raise RefusedError(
            f"the candidate is of another job with the name {found.job or 'unknown'}, and only that job's own steps "
            "have tested it",
            hint="Jobs of a matrix and calls of one reusable workflow share a name. Deploy, test and promote in one "
            "job; or promote with from or version. If it is one job, leave RUNNER_TEMP as it is between the steps: the "
            "action recognizes its job by a file there.",
        )
    if found.used:
        raise RefusedError(
            "the candidate was promoted already, and counts once",
            hint="Promote it to a further environment with from.",
        )
    ours = (target.environment, run.run_id, run.attempt)
    if found.claim and (found.claim.environment, found.claim.run_id, found.claim.attempt) != ours:
        raise claimed(found.claim)
    snapshot = target.function.find(version)
    if snapshot is None or not same_content(snapshot, found.candidate):
        raise RefusedError(
            f"version {version} of {name} is no longer what was deployed",
            hint="Was the function deleted and made anew? Deploy again.",
        )
    return Source(snapshot, found.commit, found.run_id, found)
