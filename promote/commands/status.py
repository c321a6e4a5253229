"""``status``: environments, versions, lock, line and history; it changes nothing."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from promote import history
from promote.endpoint import locate
from promote.function import Function
from promote.job import Job
from promote.ledger import Ledger
from promote.line import Claim, Entry
from promote.model import Alias, Kind, Result, Snapshot, same_content
from promote.notes.compose import moment
from promote.parallel import each, gather, side_by_side
from promote.records import State
from promote.report import Link, Listing, Report

_HISTORY = 10
"""Promotions of each environment that are shown."""
_WIDTH = 8
"""Environments that are read at the same time."""

_Row = tuple[str | Link, ...]


@dataclass(frozen=True)
class _Environment:
    name: str
    alias: Alias | None
    version: Mapping[str, Any]
    """The ledger's record of the version that the alias points at."""
    history: list[Mapping[str, Any]]
    """Newest first."""

    @property
    def commit(self) -> str:
        """What it serves; empty: not known."""
        move = self.alias.promotion if self.alias else None
        is_ours = move is not None and self.alias is not None and move.version == self.alias.version
        return move.commit if move and is_ours else str(self.version.get("commit", ""))


def status(job: Job) -> Report:
    """Read the ledger and, beside it, what Lambda itself says; show both."""
    if job.inputs.parts:
        return _status_all(job)
    inputs = job.inputs
    function = Function(lambda: job.clients.function, inputs.function_name, inputs.function_arn, job.clock)
    ledger = Ledger(job.table, job.arn, job.run, job.clock)

    def read(name: str) -> _Environment:
        alias, history = side_by_side(lambda: function.alias(name), lambda: ledger.history(name, _HISTORY))
        version = ledger.version(alias.version) if alias and alias.version.isdecimal() else {}
        return _Environment(name, alias, version, history)

    with job.phase("read"):
        state, latest = side_by_side(ledger.read, function.find)
        names = [inputs.environment] if inputs.environment else sorted(state.environments)
        environments, recorded = side_by_side(
            lambda: gather([lambda name=name: read(name) for name in names], _WIDTH),  # type: ignore[misc]
            lambda: ledger.newest_versions(_HISTORY),
        )
    with job.phase("read"):
        deleted = _deleted(ledger, environments)
    newest = next((record for record in recorded if latest and latest.candidate.is_in(record)), {})
    listings = (
        Listing(
            "Environments",
            ("Environment", "Version", "Commit", "Since", "Age", "Verdict", "Behind $LATEST"),
            tuple(_served(job, environment, state, latest, newest) for environment in environments),
            otherwise="Nothing has been promoted yet.",
        ),
        Listing("Lock", ("", "Run", "Since", "At"), tuple(_lock(job, state.lock)), "It is free, and nobody waits."),
        Listing(
            "Promotions",
            ("When", "Environment", "Version", "Commit", "Run", "Why"),
            tuple(_moves(job, environments, deleted)),
            otherwise="There are none.",
        ),
    )
    for listing in listings:
        for row in listing.rows or ((listing.otherwise,),):
            job.say(listing.title.lower(), "  ".join(str(cell) for cell in row if str(cell)))
    return Report(
        Result.REPORTED,
        headline=_headline(job, environments, state.lock, latest),
        listings=listings,
        notes=tuple(_notes(environments, state)),
    )


def _status_all(job: Job) -> Report:
    """Show several functions, one after the other."""
    _ = job.clients.resolve_region(), job.clients.function, job.clients.table
    with job.phase("read"):
        reports = each([partial(status, job.of_part(inputs, "")) for inputs in job.inputs.parts], _WIDTH)
    named = [(inputs.function_name, report) for inputs, report in zip(job.inputs.parts, reports, strict=True)]
    return Report(
        Result.REPORTED,
        headline=" ".join(report.headline for report in reports),
        listings=tuple(
            replace(listing, title=f"{name}: {listing.title.lower()}")
            for name, report in named
            for listing in report.listings
        ),
        notes=tuple(f"{name}: {note}" for name, report in named for note in report.notes),
    )


def _headline(job: Job, environments: list[_Environment], lock: Entry, latest: Snapshot | None) -> str:
    name = job.inputs.function_name
    if latest is None:
        return f"The function {name} does not exist."
    serving = [f"{found.name} serves version {found.alias.version}" for found in environments if found.alias]
    held = f"{lock.holder.name} holds the lock" if lock.holder else "the lock is free"
    return f"{name}: {', '.join([*serving, held])}."


def _served(job: Job, found: _Environment, state: State, latest: Snapshot | None, newest: Mapping[str, Any]) -> _Row:
    served = state.served(found.name)
    url = locate(found.name, served.gateway, job.clients.endpoint_url).url if served.gateway else ""
    if found.alias is None:
        return (Link(found.name, url), "none", "", "", "", "", "")
    commit = found.commit
    proof = found.version.get("proof") or found.version.get("verdict") or {}
    since = str(found.history[0].get("at", "")) if found.history else ""
    is_latest = latest is not None and same_content(latest, served) and served.version == found.alias.version
    return (
        Link(found.name, url),
        found.alias.version,
        Link(commit[:10], job.context.commit_url(commit)),
        _time(since),
        _age(job, since),
        str(proof.get("outcome", "none recorded")),
        "no, the same" if is_latest else _distance(job, commit, newest),
    )


def _distance(job: Job, commit: str, newest: Mapping[str, Any]) -> str:
    """Say how many commits what $LATEST holds is ahead of ``commit``, as far as that is known."""
    theirs = str(newest.get("commit", ""))
    if not newest:
        return "$LATEST was not published"
    version = f"version {newest.get('version', '')}".strip()
    between = history.commits(job.context.workspace, commit, theirs) if commit and theirs else None
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


def _lock(job: Job, lock: Entry) -> Iterator[_Row]:
    if lock.holder:
        yield _claim(job, "held by", lock.holder, "between its steps" if lock.kept else lock.phase)
    for number, ticket in enumerate(lock.line, 1):
        yield _claim(job, f"number {number} in line", ticket, "waiting")


def _claim(job: Job, place: str, claim: Claim, phase: str) -> _Row:
    return (place, Link(claim.name, job.context.own_page(claim.url)), _time(claim.since), phase)


def _deleted(ledger: Ledger, environments: list[_Environment]) -> set[str]:
    """Say which versions of the history are gone, so that there is no going back to them."""
    served = sorted((str(item["version"]) for found in environments for item in found.history), key=int)
    return ledger.deleted_versions(served[0], served[-1]) if served else set()


def _moves(job: Job, environments: list[_Environment], deleted: set[str]) -> Iterator[_Row]:
    items = [(found.name, item) for found in environments for item in found.history]
    for name, item in sorted(items, key=lambda pair: str(pair[1].get("at", "")), reverse=True):
        commit, run_id = str(item.get("commit", "")), int(item.get("run_id", 0))
        before = str(item.get("previous") or "")
        yield (
            _time(str(item.get("at", ""))),
            name,
            (f"{before} → {item.get('version')}" if before else f"{item.get('version')}, the first")
            + (", deleted since" if str(item.get("version")) in deleted else ""),
            Link(commit[:10], job.context.commit_url(commit)),
            Link(str(run_id or ""), job.context.page_of(run_id, int(item.get("attempt", 1)))),
            _why(item),
        )


def _why(item: Mapping[str, Any]) -> str:
    kind = str(item.get("kind", ""))
    said = [str(item.get("reason") or ""), f"by {item['by']}" if item.get("by") else ""]
    return "" if kind in ("", Kind.PROMOTION) else ", ".join(filter(None, [kind, *said]))


def _notes(environments: list[_Environment], state: State) -> Iterator[str]:
    lock = state.lock
    for found in environments:
        if pending := state.served(found.name).pending:
            yield (
                f"A release of several functions to {found.name} is unfinished ({pending.identity}): the next run of "
                "any of them finishes it, forward or back."
            )
        if found.alias and found.history and found.alias.is_moved_by_others:
            yield f"Somebody else has pointed {found.name} at version {found.alias.version} since its last promotion."
    if lock.opened:
        opened = lock.opened
        yield f"The lock was last opened by force by {opened.get('by')} ({opened.get('at')}): {opened.get('reason')}"


def _time(text: str) -> str:
    with suppress(ValueError):
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S %Z}"
    return text
