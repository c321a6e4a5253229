"""``status``: environments, versions, lock, line and history; it changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from promote.commands import status_tables
from promote.commands.status_tables import STAGES, drifting, written
from promote.core.concurrency import map_and_wait
from promote.core.report import Report, Table
from promote.core.run import Result
from promote.pipeline.capacity import meanwhile
from promote.pipeline.job import Job
from promote.pipeline.status import Reading, ReleaseStatus, read, release_statuses
from promote.state.releases import Release

_WIDTH = 8
"""Functions that are read at the same time."""


def status(job: Job) -> Report:
    """Read the ledger and, beside it, what Lambda itself says; show both.

    Of several functions, the page begins with the release that they serve together.
    """
    is_whole = bool(job.inputs.parts)
    if is_whole:
        # Each is made once, before several ask for it at the same time.
        _ = job.clients.resolve_region(), job.clients.function, job.clients.table
    jobs = [job.of_part(inputs, "") for inputs in job.inputs.parts] or [job]
    with job.phase("read"):
        readings = map_and_wait([partial(read, part) for part in jobs], _WIDTH)
        found = release_statuses(job, readings) if is_whole else []
    whole = tuple(status_tables.of_application(job, found)) if is_whole else ()
    advice = _hint(found)
    _log(job, whole)
    if advice:
        job.say("release", advice)
    tables = [tuple(status_tables.of_function(reading)) for reading in readings]
    for reading, shown in zip(readings, tables, strict=True):
        _log(reading.job, shown)
    if not is_whole:
        [reading], [shown] = readings, tables
        notes = (*_unfinished(reading), *_notes(reading))
        return Report(Result.REPORTED, headline=_headline(reading), tables=shown, notes=notes)
    for reading in readings:
        job.workflow.info(f"{'reported':<9} {_headline(reading)}")
    return Report(
        Result.REPORTED,
        headline=_headline_of_application(job, readings, found),
        hint=advice,
        tables=(
            *whole,
            *(
                replace(table, title=f"{reading.name}: {table.title.lower()}")
                for reading, shown in zip(readings, tables, strict=True)
                for table in shown
            ),
        ),
        notes=tuple(f"{reading.name}: {note}" for reading in readings for note in _notes(reading)),
    )


def _log(job: Job, shown: tuple[Table, ...]) -> None:
    for listing in shown:
        for row in listing.rows or ((listing.otherwise,),):
            job.say(listing.title.lower(), "  ".join(str(cell) for cell in row if str(cell)))


def _headline(reading: Reading) -> str:
    if reading.latest is None:
        return f"The function {reading.name} does not exist."
    lock = reading.state.lock
    serving = [f"{found.name} serves version {found.alias.version}" for found in reading.environments if found.alias]
    held = f"{lock.holder.name} holds the lock" if lock.holder else "the lock is free"
    return f"{reading.name}: {', '.join([*serving, held])}."


def _headline_of_application(job: Job, readings: Sequence[Reading], found: Sequence[ReleaseStatus]) -> str:
    """Say in a sentence what each environment has."""
    said = [_said(status) for status in found] or ["nothing has been promoted yet"]
    missing = [f" The function {reading.name} does not exist." for reading in readings if reading.latest is None]
    return f"{job.inputs.names}: {', '.join(said)}.{''.join(missing)}"


def _said(status: ReleaseStatus) -> str:
    name, release = status.environment, status.release
    if release is None:
        return f"{name} serves nothing as one yet"
    if status.is_unfinished:
        return f"{name} has an unfinished release of run {release.run_id}"
    if status.drifts:
        return f"{name} serves one release but for {drifting(status)}"
    return f"{name} serves one release, commit {release.commit[:10] or 'unknown'}"


def _hint(found: Sequence[ReleaseStatus]) -> str:
    """Say what finishes what is unfinished; empty: nothing is."""
    return " ".join(_advice(status.release) for status in found if status.release and status.is_unfinished)


def _advice(release: Release) -> str:
    return (
        f"The release of {release.names} to {release.environment} that run {release.run_id} began "
        f"{written(release.begun)} {STAGES[release.stage]}. If that run is dead, its job's post step, or the next "
        "run, promotion or rollback of any of these functions, brings all of them to one end first."
    )


def _unfinished(reading: Reading) -> Iterator[str]:
    for found in reading.environments:
        if pending := reading.state.served(found.name).pending:
            yield (
                f"A release of several functions to {found.name} is unfinished ({pending.identity}): the next run of "
                "any of them finishes it, forward or back."
            )


def _notes(reading: Reading) -> Iterator[str]:
    for found in reading.environments:
        if found.alias and (what := meanwhile(found.alias)):
            yield f"{found.name} points at version {found.alias.version}, but its traffic is split: {what}."
        elif found.alias and found.history and found.alias.is_moved_by_others and not found.is_pinned:
            yield f"Somebody else has pointed {found.name} at version {found.alias.version} since its last promotion."
    if opened := reading.state.lock.opened:
        yield f"The lock was last opened by force by {opened.get('by')} ({opened.get('at')}): {opened.get('reason')}"
