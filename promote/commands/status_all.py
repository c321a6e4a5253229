"""``status`` of several functions: which release they serve as one, or which of them do not."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.core.concurrency import map_and_wait
from promote.core.report import Link, Table
from promote.core.run import join_names
from promote.pipeline.job import Job
from promote.pipeline.status import Reading
from promote.state.chronicle import last_release, read_releases, release_keys
from promote.state.drift import Drift, Member, find_drifts
from promote.state.releases import Release, Stage

_STAGES = {Stage.MOVING: "is being moved", Stage.ROLLING_BACK: "is being turned back"}


@dataclass(frozen=True)
class Standing:
    """How the functions stand to a release in an environment; without one, none of theirs is known."""

    environment: str
    members: tuple[Member, ...]
    release: Release | None
    drifts: tuple[Drift, ...] = ()

    @property
    def is_unfinished(self) -> bool:
        """Whether the release has no end yet."""
        return self.release is not None and not self.release.stage.is_final


def standings(job: Job, readings: Sequence[Reading]) -> list[Standing]:
    """Find the release that the functions serve, or are being brought to, in each of their environments."""
    names = sorted({found.name for reading in readings for found in reading.environments})
    return [
        standing
        for found in map_and_wait([partial(_standings, job, readings, name) for name in names], CALLS_AT_ONCE)
        for standing in found
    ]


def _standings(job: Job, readings: Sequence[Reading], environment: str) -> list[Standing]:
    members = tuple(_member(reading, environment) for reading in readings)
    served = [reading.state.served(environment) for reading in readings]
    pending = read_releases(job.table, {found.pending for found in served if found.pending})
    unfinished = [release for release in pending if not release.stage.is_final]
    if unfinished:
        return [_standing(environment, members, release) for release in unfinished]
    keys = {found.released for found in served if found.released}
    keys |= set(release_keys({member.arn: member.moves for member in members}))
    arns = [member.arn for member in members]
    return [_standing(environment, members, last_release(read_releases(job.table, keys), arns, job.inputs.retired))]


def _member(reading: Reading, environment: str) -> Member:
    found = reading.environment(environment)
    return Member(reading.name, reading.arn, found.alias if found else None, found.history if found else ())


def _standing(environment: str, members: tuple[Member, ...], release: Release | None) -> Standing:
    if release and not release.stage.is_final:
        # It may be another application's, which has only some of these functions.
        members = tuple(member for member in members if member.arn in [part.arn for part in release.parts])
    return Standing(environment, members, release, find_drifts(release, members) if release else ())


def headline(job: Job, readings: Sequence[Reading], found: Sequence[Standing]) -> str:
    """Say in a sentence what each environment has."""
    said = [_said(standing) for standing in found] or ["nothing has been promoted yet"]
    missing = [f" The function {reading.name} does not exist." for reading in readings if reading.latest is None]
    return f"{job.inputs.names}: {', '.join(said)}.{''.join(missing)}"


def _said(standing: Standing) -> str:
    name, release = standing.environment, standing.release
    if release is None:
        return f"{name} serves nothing as one yet"
    if standing.is_unfinished:
        return f"{name} has an unfinished release of run {release.run_id}"
    if standing.drifts:
        return f"{name} serves one release but for {_names(standing)}"
    return f"{name} serves one release, commit {release.commit[:10] or 'unknown'}"


def _names(standing: Standing) -> str:
    return join_names([found.function for found in standing.drifts])


def hint(found: Sequence[Standing]) -> str:
    """Say what finishes what is unfinished; empty: nothing is."""
    return " ".join(_advice(standing.release) for standing in found if standing.release and standing.is_unfinished)


def _advice(release: Release) -> str:
    return (
        f"The release of {release.names} to {release.environment} that run {release.run_id} began "
        f"{written(release.begun)} {_STAGES[release.stage]}. If that run is dead, its job's post step, or the next "
        "run, promotion or rollback of any of these functions, brings all of them to one end first."
    )


def tables(job: Job, found: Sequence[Standing]) -> Iterator[Table]:
    """Show the release of each environment, and what is not as it has it."""
    yield Table(
        "Application",
        ("Environment", "Serves", "Commit", "Run", "Since", "Versions"),
        tuple(_row(job, standing) for standing in found),
        otherwise="Nothing has been promoted yet.",
    )
    differing = tuple(_drift(job, standing.environment, one) for standing in found for one in standing.drifts)
    if differing:
        columns = ("Environment", "Function", "Serves", "Release has", "Since", "Why")
        yield Table("Not as the release has it", columns, differing, otherwise="")


def _row(job: Job, standing: Standing) -> tuple[str | Link, ...]:
    release = standing.release
    versions = join_names([f"{member.name} {member.version or 'none'}" for member in standing.members])
    if release is None:
        return (standing.environment, "nothing as one yet", "", "", "", versions)
    serves = "one release" + (f" but for {_names(standing)}" if standing.drifts else "")
    if standing.is_unfinished:
        others = len(standing.members) < len(release.parts)
        serves = f"a release {f'of {release.names} ' if others else ''}that {_STAGES[release.stage]}"
    return (
        standing.environment,
        serves,
        Link(release.commit[:10], job.context.commit_url(release.commit)),
        Link(str(release.run_id or ""), job.context.own_page(release.url)),
        written(release.ended or release.begun),
        versions,
    )


def _drift(job: Job, environment: str, found: Drift) -> tuple[str | Link, ...]:
    why = f"{found.why} by run {found.run_id}" if found.run_id else found.why
    return (
        environment,
        found.function,
        found.version or "none",
        found.wanted or "none",
        written(found.at),
        Link(why, job.context.page_of(found.run_id, found.attempt)),
    )


def written(text: str) -> str:
    """Show a time of the ledger's."""
    with suppress(ValueError):
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S %Z}"
    return text
