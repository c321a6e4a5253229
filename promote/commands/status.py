"""``status``: report environments, versions, lock, queue and history. It changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.commands import status_tables
from promote.commands.status_tables import STAGES, drifting, shown_time
from promote.core.concurrency import map_and_wait
from promote.core.release import Release
from promote.core.report import Report, Table
from promote.core.run import Result, short_commit
from promote.pipeline.capacity import describe_split
from promote.pipeline.job import Job
from promote.pipeline.status import Reading, ReleaseStatus, read, release_statuses


def status(job: Job) -> Report:
    """Report the ledger and the state of Lambda.

    For several functions, the report begins with the release that they serve together.
    """
    is_whole = bool(job.inputs.parts)
    if is_whole:
        job.clients.make_shared()
        _ = job.clients.gateway
    jobs = job.of_parts()
    with job.phase("read"):
        readings = map_and_wait([partial(read, part) for part in jobs], CALLS_AT_ONCE)
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
    serving = [f"{found.name} serves version {found.serves}" for found in reading.environments if found.serves]
    held = f"{lock.holder.name} holds the lock" if lock.holder else "the lock is free"
    return f"{reading.name}: {', '.join([*serving, held])}."


def _headline_of_application(job: Job, readings: Sequence[Reading], found: Sequence[ReleaseStatus]) -> str:
    """Return one sentence that says what each environment serves."""
    clauses = [_clause(status) for status in found] or ["nothing has been promoted yet"]
    missing = [f" The function {reading.name} does not exist." for reading in readings if reading.latest is None]
    return f"{job.inputs.names}: {', '.join(clauses)}.{''.join(missing)}"


def _clause(status: ReleaseStatus) -> str:
    name, release = status.environment, status.release
    if release is None:
        return f"{name} serves no common release yet"
    if status.is_unfinished:
        return f"{name} has an unfinished release of run {release.run_id}"
    if status.drifts:
        return f"{name} serves one release except for {drifting(status)}"
    return f"{name} serves one release, commit {short_commit(release.commit) or 'unknown'}"


def _hint(found: Sequence[ReleaseStatus]) -> str:
    """Return how unfinished releases are finished; empty if there are none."""
    return " ".join(_advice(status.release) for status in found if status.release and status.is_unfinished)


def _advice(release: Release) -> str:
    return (
        f"The release of {release.names} to {release.environment} that run {release.run_id} began "
        f"{shown_time(release.begun)} {STAGES[release.stage]}. If that run has died, the release is finished "
        "first by its job's post step, or by the next run, promotion or rollback of any of these functions."
    )


def _unfinished(reading: Reading) -> Iterator[str]:
    for found in reading.environments:
        if pending := reading.state.served(found.name).pending:
            yield (
                f"A release to {found.name} is unfinished ({pending.identity}). The next run of any of its functions "
                "completes it or rolls it back."
            )


def _notes(reading: Reading) -> Iterator[str]:
    for found in reading.environments:
        if found.alias and (what := describe_split(found.alias)):
            yield f"{found.name} points at version {found.alias.version}, but its traffic is split: {what}."
        elif found.alias and found.serves and found.history and found.alias.is_moved_by_others and not found.is_pinned:
            text = f"{found.name} was changed externally since its last promotion"
            yield f"{text}: it points at version {found.alias.version}."
    if reading.triggers.names:
        yield "Some triggers call $LATEST, which is not verified. Command: adopt shows how they call an environment."
    yield from dict.fromkeys(f"{why[0].upper()}{why[1:]}" for why in (*reading.triggers.unread, *reading.made.unread))
    if opened := reading.state.lock.opened:
        yield f"The lock was last released by force by {opened.get('by')} ({opened.get('at')}): {opened.get('reason')}"
