"""The tables of ``status``: those of one function, and the releases of an application."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from promote.commands.made_table import made_table
from promote.core.lock_state import Claim, LockState
from promote.core.promotion import Kind
from promote.core.release import Stage
from promote.core.report import Link, Table
from promote.core.run import join_names, short_commit
from promote.core.version import same_content
from promote.github import git
from promote.notes.compose import moment
from promote.pipeline.capacity import describe_split
from promote.pipeline.endpoints import locate
from promote.pipeline.job import Job
from promote.pipeline.status import Environment, Reading, ReleaseStatus
from promote.state.drift import Drift

STAGES = {Stage.MOVING: "is being moved", Stage.ROLLING_BACK: "is being rolled back"}

_Row = tuple[str | Link, ...]


def of_application(job: Job, found: Sequence[ReleaseStatus]) -> Iterator[Table]:
    """Yield the release of each environment, and the functions that do not serve it."""
    yield Table(
        "Application",
        ("Environment", "Serves", "Commit", "Run", "Since", "Versions"),
        tuple(_row(job, status) for status in found),
        otherwise="Nothing has been promoted yet.",
    )
    differing = tuple(_drift(job, status.environment, one) for status in found for one in status.drifts)
    if differing:
        columns = ("Environment", "Function", "Serves", "In the release", "Since", "Why")
        yield Table("Functions that differ from the release", columns, differing, otherwise="None.")


def _row(job: Job, status: ReleaseStatus) -> tuple[str | Link, ...]:
    release = status.release
    versions = join_names([f"{member.name} {member.version or 'none'}" for member in status.members])
    if release is None:
        return (status.environment, "no common release yet", "", "", "", versions)
    serves = "one release" + (f" except for {drifting(status)}" if status.drifts else "")
    if status.is_unfinished:
        others = len(status.members) < len(release.parts)
        serves = f"a release {f'of {release.names} ' if others else ''}that {STAGES[release.stage]}"
    return (
        status.environment,
        serves,
        Link(short_commit(release.commit), job.context.commit_url(release.commit)),
        Link(str(release.run_id or ""), job.context.own_page(release.url)),
        shown_time(release.ended or release.begun),
        versions,
    )


def _drift(job: Job, environment: str, found: Drift) -> tuple[str | Link, ...]:
    why = f"{found.why} by run {found.run_id}" if found.run_id else found.why
    return (
        environment,
        found.function,
        found.version or "none",
        found.wanted or "none",
        shown_time(found.at),
        Link(why, job.context.page_of(found.run_id, found.attempt)),
    )


def drifting(status: ReleaseStatus) -> str:
    """Return the functions that do not serve the release, as an enumeration."""
    return join_names([found.function for found in status.drifts])


def of_function(reading: Reading) -> Iterator[Table]:
    """Yield the tables of one function."""
    yield Table(
        "Environments",
        ("Environment", "Version", "Commit", "Since", "Age", "Verdict", "Behind $LATEST"),
        tuple(_served(reading, environment) for environment in reading.environments),
        otherwise="Nothing has been promoted yet.",
    )
    yield from _rolled_back(reading)
    lock = tuple(_lock(reading.job, reading.state.lock))
    yield Table("Lock", ("", "Run", "Since", "At"), lock, otherwise="The lock is free, and no run waits for it.")
    yield Table(
        "Promotions",
        ("When", "Environment", "Version", "Commit", "Run", "Why"),
        tuple(_moves(reading)),
        otherwise="None.",
    )
    if reading.triggers.names:
        rows = tuple((name, "$LATEST") for name in reading.triggers.names)
        yield Table("Triggers of $LATEST", ("Trigger", "Calls"), rows, "None.")
    yield made_table(reading.made, reading.arn, reading.job.inputs.table)


def _rolled_back(reading: Reading) -> Iterator[Table]:
    """Yield the versions that were rolled back and must not return, if there are any."""
    job = reading.job
    rows = [
        (
            found.name,
            entry.version,
            Link(short_commit(entry.commit), job.context.commit_url(entry.commit)),
            shown_time(entry.at),
            entry.by,
            entry.reason,
        )
        for found in reading.environments
        for entry in reversed(reading.state.served(found.name).rolled_back)
    ]
    if rows:
        yield Table("Rolled back", ("Environment", "Version", "Commit", "When", "By", "Why"), tuple(rows), "None.")


def _served(reading: Reading, found: Environment) -> _Row:
    job, latest = reading.job, reading.latest
    served = reading.state.served(found.name)
    url = locate(found.name, served.gateway, job.clients.endpoint_url).url if served.gateway else ""
    if found.alias is None or not found.serves:
        return (Link(found.name, url), "none", "", "", "", "", "")
    commit = found.commit
    passed = found.version.get("passed") or found.version.get("verdict") or {}
    since = str(found.history[0].get("at", "")) if found.history else ""
    is_latest = latest is not None and same_content(latest, served) and served.version == found.alias.version
    return (
        Link(found.name, url),
        found.alias.version + (f" ({what})" if (what := describe_split(found.alias)) else ""),
        Link(short_commit(commit), job.context.commit_url(commit)),
        shown_time(since),
        _age(job, since),
        str(passed.get("outcome", "none recorded")),
        "no, the same" if is_latest else _distance(job, commit, reading.recorded),
    )


def _distance(job: Job, commit: str, newest: Mapping[str, Any]) -> str:
    """Return by how many commits $LATEST is ahead of ``commit``, if the checkout has them."""
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
    """Return the time since ``since``, in the largest unit that fits."""
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
        yield _claim(job, f"number {number} in the queue", ticket, "waiting")


def _claim(job: Job, place: str, claim: Claim, phase: str) -> _Row:
    return (place, Link(claim.name, job.context.own_page(claim.url)), shown_time(claim.since), phase)


def _moves(reading: Reading) -> Iterator[_Row]:
    job = reading.job
    items = [(found.name, item) for found in reading.environments for item in found.history]
    for name, item in sorted(items, key=lambda pair: str(pair[1].get("at", "")), reverse=True):
        commit, run_id = str(item.get("commit", "")), int(item.get("run_id", 0))
        before = str(item.get("previous") or "")
        yield (
            shown_time(str(item.get("at", ""))),
            name,
            (f"{before} → {item.get('version')}" if before else f"{item.get('version')}, the first")
            + (", deleted since" if str(item.get("version")) in reading.deleted else ""),
            Link(short_commit(commit), job.context.commit_url(commit)),
            Link(str(run_id or ""), job.context.page_of(run_id, int(item.get("attempt", 1)))),
            _why(item),
        )


def _why(item: Mapping[str, Any]) -> str:
    kind = str(item.get("kind", ""))
    details = [str(item.get("reason") or ""), f"by {item['by']}" if item.get("by") else ""]
    return "" if kind in ("", Kind.PROMOTION) else ", ".join(filter(None, [kind, *details]))


def shown_time(text: str) -> str:
    """Return a time of the ledger as the page shows it."""
    with suppress(ValueError):
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S %Z}"
    return text
