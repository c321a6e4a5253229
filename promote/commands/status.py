"""``status``: environments, versions, lock, line and history; it changes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from promote.commands.status_all import headline, hint, standings, tables, written
from promote.core.concurrency import map_and_wait
from promote.core.lock_state import Claim, LockState
from promote.core.promotion import Kind
from promote.core.report import Link, Report, Table
from promote.core.run import Result
from promote.core.version import same_content
from promote.github import git
from promote.notes.compose import moment
from promote.pipeline.capacity import meanwhile
from promote.pipeline.endpoints import locate
from promote.pipeline.job import Job
from promote.pipeline.status import Environment, Reading, read

_WIDTH = 8
"""Functions that are read at the same time."""

_Row = tuple[str | Link, ...]


def status(job: Job) -> Report:
    """Read the ledger and, beside it, what Lambda itself says; show both."""
    if job.inputs.parts:
        return _status_all(job)
    with job.phase("read"):
        reading = read(job)
    report = _told(reading)
    return replace(report, notes=(*_unfinished(reading), *report.notes))


def _status_all(job: Job) -> Report:
    """Show what several functions serve as one; then each of them, one after the other."""
    _ = job.clients.resolve_region(), job.clients.function, job.clients.table
    with job.phase("read"):
        readings = map_and_wait([partial(read, job.of_part(inputs, "")) for inputs in job.inputs.parts], _WIDTH)
        found = standings(job, readings)
    whole = tuple(tables(job, found))
    _say(job, whole)
    advice = hint(found)
    if advice:
        job.say("release", advice)
    reports = [(reading.name, _told(reading)) for reading in readings]
    for reading, (_, report) in zip(readings, reports, strict=True):
        reading.job.workflow.info(f"{'reported':<9} {report.headline}")
    return Report(
        Result.REPORTED,
        headline=headline(job, readings, found),
        hint=advice,
        tables=(
            *whole,
            *(
                replace(listing, title=f"{name}: {listing.title.lower()}")
                for name, report in reports
                for listing in report.tables
            ),
        ),
        notes=tuple(f"{name}: {note}" for name, report in reports for note in report.notes),
    )


def _told(reading: Reading) -> Report:
    """Tell what was read of one function."""
    job = reading.job
    shown = (
        Table(
            "Environments",
            ("Environment", "Version", "Commit", "Since", "Age", "Verdict", "Behind $LATEST"),
            tuple(_served(reading, environment) for environment in reading.environments),
            otherwise="Nothing has been promoted yet.",
        ),
        *_kept_out(reading),
        Table(
            "Lock", ("", "Run", "Since", "At"), tuple(_lock(job, reading.state.lock)), "It is free, and nobody waits."
        ),
        Table(
            "Promotions",
            ("When", "Environment", "Version", "Commit", "Run", "Why"),
            tuple(_moves(reading)),
            otherwise="There are none.",
        ),
    )
    _say(job, shown)
    return Report(Result.REPORTED, headline=_headline(reading), tables=shown, notes=tuple(_notes(reading)))


def _kept_out(reading: Reading) -> Iterator[Table]:
    """Yield what was rolled back and must not return, if there is anything."""
    job = reading.job
    rows = [
        (
            found.name,
            entry.version,
            Link(entry.commit[:10], job.context.commit_url(entry.commit)),
            written(entry.at),
            entry.by,
            entry.reason,
        )
        for found in reading.environments
        for entry in reversed(reading.state.served(found.name).rolled_back)
    ]
    if rows:
        yield Table("Rolled back", ("Environment", "Version", "Commit", "When", "By", "Why"), tuple(rows), "Nothing.")


def _say(job: Job, shown: tuple[Table, ...]) -> None:
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


def _served(reading: Reading, found: Environment) -> _Row:
    job, latest = reading.job, reading.latest
    served = reading.state.served(found.name)
    url = locate(found.name, served.gateway, job.clients.endpoint_url).url if served.gateway else ""
    if found.alias is None:
        return (Link(found.name, url), "none", "", "", "", "", "")
    commit = found.commit
    proof = found.version.get("proof") or found.version.get("verdict") or {}
    since = str(found.history[0].get("at", "")) if found.history else ""
    is_latest = latest is not None and same_content(latest, served) and served.version == found.alias.version
    return (
        Link(found.name, url),
        found.alias.version + (f" ({what})" if (what := meanwhile(found.alias)) else ""),
        Link(commit[:10], job.context.commit_url(commit)),
        written(since),
        _age(job, since),
        str(proof.get("outcome", "none recorded")),
        "no, the same" if is_latest else _distance(job, commit, reading.recorded),
    )


def _distance(job: Job, commit: str, newest: Mapping[str, Any]) -> str:
    """Say how many commits what $LATEST holds is ahead of ``commit``, as far as that is known."""
    theirs = str(newest.get("commit", ""))
    if not newest:
        return "$LATEST was not published"
    version = f"version {newest.get('version', '')}".strip()
    between = git.commits(job.context.clone, commit, theirs) if commit and theirs else None
    if between is None:
        return f"differs ({version})"
    count = len(between.items)
    return f"{count}{'' if between.is_whole else ' or more'} {'commit' if count == 1 else 'commits'} ({version})"


def _age(job: Job, since: str) -> str:
    """Say how long ago that was, in the largest unit that fits."""
    at = moment(since)
    if at is None:
        return ""
    seconds = max(0, (job.clock.now() - at).total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "moments"


def _lock(job: Job, lock: LockState) -> Iterator[_Row]:
    if lock.holder:
        yield _claim(job, "held by", lock.holder, "between its steps" if lock.kept_by else lock.phase)
    for number, ticket in enumerate(lock.queue, 1):
        yield _claim(job, f"number {number} in line", ticket, "waiting")


def _claim(job: Job, place: str, claim: Claim, phase: str) -> _Row:
    return (place, Link(claim.name, job.context.own_page(claim.url)), written(claim.since), phase)


def _moves(reading: Reading) -> Iterator[_Row]:
    job = reading.job
    items = [(found.name, item) for found in reading.environments for item in found.history]
    for name, item in sorted(items, key=lambda pair: str(pair[1].get("at", "")), reverse=True):
        commit, run_id = str(item.get("commit", "")), int(item.get("run_id", 0))
        before = str(item.get("previous") or "")
        yield (
            written(str(item.get("at", ""))),
            name,
            (f"{before} → {item.get('version')}" if before else f"{item.get('version')}, the first")
            + (", deleted since" if str(item.get("version")) in reading.deleted else ""),
            Link(commit[:10], job.context.commit_url(commit)),
            Link(str(run_id or ""), job.context.page_of(run_id, int(item.get("attempt", 1)))),
            _why(item),
        )


def _why(item: Mapping[str, Any]) -> str:
    kind = str(item.get("kind", ""))
    said = [str(item.get("reason") or ""), f"by {item['by']}" if item.get("by") else ""]
    return "" if kind in ("", Kind.PROMOTION) else ", ".join(filter(None, [kind, *said]))


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
