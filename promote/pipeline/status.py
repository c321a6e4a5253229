"""Read the state of functions for ``status``. Nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.dynamodb import Item
from promote.aws.lambda_function import Function
from promote.core.concurrency import map_and_wait, map_concurrently, run_both
from promote.core.promotion import Alias, served_version
from promote.core.release import Release
from promote.core.trigger import Triggers
from promote.core.version import Snapshot
from promote.pipeline.job import Job
from promote.pipeline.made import Made, read_made
from promote.pipeline.triggers import read_triggers
from promote.state.drift import Drift, Member, find_drifts
from promote.state.ledger import Ledger, State
from promote.state.promotion_records import has_happened, is_pinned
from promote.state.release_history import last_release, read_releases, release_keys

HISTORY = 10
"""Entries of the history of each environment that are read."""


@dataclass(frozen=True)
class Environment:
    """An environment of one function."""

    name: str
    alias: Alias | None
    version: Item
    """The ledger's record of the version that it serves."""
    history: Sequence[Item]
    """The last entries of its history, newest first."""

    @property
    def serves(self) -> str:
        """The version that it serves; empty if it serves nothing."""
        return served_version(self.alias)

    @property
    def commit(self) -> str:
        """The commit that it serves; empty if it is not known."""
        move = self.alias.promotion if self.alias else None
        is_ours = move is not None and self.alias is not None and move.version == self.alias.version
        return move.commit if move and is_ours else str(self.version.get("commit", ""))

    @property
    def is_pinned(self) -> bool:
        """Whether the action itself was the last to move the alias, by a pin."""
        return self.alias is not None and is_pinned(self.alias, self.history)


@dataclass(frozen=True)
class Reading:
    """A function, its ledger and its environments at one time."""

    job: Job
    arn: str
    latest: Snapshot | None
    """None if the function does not exist."""
    state: State
    environments: Sequence[Environment]
    recorded: Item
    """The ledger's record of the version that $LATEST was published as; empty if there is none."""
    deleted: frozenset[str]
    """Versions in the histories that were deleted, so that a rollback cannot return to them."""
    triggers: Triggers
    """What calls $LATEST."""
    made: Made
    """What the action has made."""

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.job.inputs.function_name

    def environment(self, name: str) -> Environment | None:
        """Return one of the environments, or None if it is not known."""
        return next((found for found in self.environments if found.name == name), None)


def read(job: Job) -> Reading:
    """Read the ledger and Lambda in parallel."""
    inputs = job.inputs
    function, ledger = job.function, job.resources.ledger(job.arn, job.run)
    state, latest = run_both(ledger.read, function.find)
    names = [inputs.environment] if inputs.environment else sorted(state.environments)
    (environments, versions), (triggers, made) = run_both(
        lambda: run_both(
            lambda: map_concurrently([partial(_environment, function, ledger, name) for name in names], CALLS_AT_ONCE),
            lambda: ledger.versions.newest(HISTORY),
        ),
        lambda: run_both(
            lambda: read_triggers(function, job.arn) if latest else Triggers(),
            lambda: read_made(job, function, ledger, state),
        ),
    )
    recorded = next((record for record in versions if latest and latest.candidate.is_in(record)), {})
    deleted = _deleted(ledger, environments)
    return Reading(job, job.arn, latest, state, environments, recorded, deleted, triggers, made)


def _environment(function: Function, ledger: Ledger, name: str) -> Environment:
    alias, history = run_both(lambda: function.alias(name), lambda: ledger.history(name, HISTORY))
    version = ledger.versions.read(served_version(alias))
    return Environment(name, alias, version, [entry for entry in history if has_happened(entry, alias)])


def _deleted(ledger: Ledger, environments: Sequence[Environment]) -> frozenset[str]:
    versions = [str(item["version"]) for found in environments for item in found.history]
    # The record is not trusted: anyone who can write the table can change it.
    served = sorted((version for version in versions if version.isdecimal()), key=int)
    return frozenset(ledger.versions.deleted(served[0], served[-1])) if served else frozenset()


@dataclass(frozen=True)
class ReleaseStatus:
    """The release that the functions serve in an environment, or are being brought to."""

    environment: str
    members: tuple[Member, ...]
    release: Release | None
    """None if no common release of the functions is known."""
    drifts: tuple[Drift, ...] = ()

    @property
    def is_unfinished(self) -> bool:
        """Whether the release has not ended yet."""
        return self.release is not None and not self.release.stage.is_final


def release_statuses(job: Job, readings: Sequence[Reading]) -> list[ReleaseStatus]:
    """Return the release that the functions serve, or are being brought to, in each of their environments."""
    names = sorted({found.name for reading in readings for found in reading.environments})
    return [
        status
        for found in map_and_wait([partial(_release_statuses, job, readings, name) for name in names], CALLS_AT_ONCE)
        for status in found
    ]


def _release_statuses(job: Job, readings: Sequence[Reading], environment: str) -> list[ReleaseStatus]:
    members = tuple(_member(reading, environment) for reading in readings)
    served = [reading.state.served(environment) for reading in readings]
    pending = read_releases(job.table, {found.pending for found in served if found.pending})
    unfinished = [release for release in pending if not release.stage.is_final]
    if unfinished:
        return [_release_status(environment, members, release) for release in unfinished]
    keys = {found.released for found in served if found.released}
    keys |= set(release_keys({member.arn: member.moves for member in members}))
    arns = [member.arn for member in members]
    return [
        _release_status(environment, members, last_release(read_releases(job.table, keys), arns, job.inputs.retired))
    ]


def _member(reading: Reading, environment: str) -> Member:
    found = reading.environment(environment)
    return Member(reading.name, reading.arn, found.alias if found else None, found.history if found else ())


def _release_status(environment: str, members: tuple[Member, ...], release: Release | None) -> ReleaseStatus:
    if release and not release.stage.is_final:
        # It may be another application's, which has only some of these functions.
        members = tuple(member for member in members if member.arn in [part.arn for part in release.parts])
    return ReleaseStatus(environment, members, release, find_drifts(release, members) if release else ())
