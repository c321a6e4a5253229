"""The headlines and hints of the release of one function."""

from dataclasses import replace

from promote.core.decision import Barred, CommitOrder, CommitRelation, Decision
from promote.core.endpoint import LATEST_ENDPOINT
from promote.core.lock_state import Claim
from promote.core.promotion import Alias, served_version
from promote.core.report import Link, Report
from promote.core.run import Result, short_commit
from promote.core.verdict import Outcome
from promote.core.version import same_content
from promote.inputs.model import Isolation
from promote.inputs.usage import Command
from promote.pipeline.capacity import describe_split
from promote.pipeline.decision import undecided
from promote.pipeline.locks import HeldLock
from promote.pipeline.target import Target


def known(target: Target) -> Report:
    """Return the report of what is known of the function before this run changes anything."""
    return Report(
        Result.FAILED,
        previous=served_version(target.alias),
        latest=target.endpoints.known(LATEST_ENDPOINT, target.state.latest),
        environment=target.endpoints.known(target.environment, target.served.gateway),
    )


def begun(target: Target, held: HeldLock) -> Report:
    """Return the report after the lock was acquired."""
    return replace(known(target), lock_wait=held.lease.waited)


def refused_early(target: Target, found: CommitOrder) -> Report | None:
    """Return the refusal before the lock is acquired; None if there is no reason yet.

    If a release is unfinished, what the environment serves is known only after the lock was acquired.
    """
    if not found.is_refused or target.served.pending:
        return None
    return refused(target, replace(known(target), previous=target.served.version), found)


def planned(target: Target, steps: str, order: CommitOrder | None) -> Report:
    """Return the report of a dry run that would do ``steps``. ``order`` would decide, unless it is None."""
    job, served, alias = target.job, target.served, target.alias
    changes = (*target.changes, *(f"make the endpoint of {name}" for name in target.missing_endpoints))
    if alias and alias.follows_latest and job.inputs.command in (Command.RUN, Command.DEPLOY):
        changes = (f"publish $LATEST and point {target.environment}, which follows it, at that version", *changes)
    for change in changes:
        job.say("plan", change)
    notes = tuple(_circumstances(target, alias))
    report = replace(known(target), result=Result.PLANNED, changes=changes, notes=notes)
    now = f"version {report.previous}" if report.previous else "nothing yet"
    if order and order.is_older:
        return replace(
            report, headline=f"Dry run: a run would be superseded. {superseded(target, report, order).headline}"
        )
    if order and order.is_refused:
        return replace(report, headline=f"Dry run: a run would be refused. {refused(target, report, order).headline}")
    is_same = target.latest is not None and same_content(target.latest, served) and served.plan == target.plan
    is_deploying = job.inputs.command in (Command.RUN, Command.DEPLOY)
    if is_deploying and not changes and is_same and alias and alias.version == served.version:
        return replace(report, headline=f"Dry run: nothing would change; {name(target)} serves {now} already.")
    return replace(report, headline=f"Dry run: {name(target)} serves {now}; a run would {steps}.")


def _circumstances(target: Target, alias: Alias | None) -> list[str]:
    """Return what else a run would find."""
    met = []
    if target.state.lock.holder:
        met.append(f"The lock is held by {target.state.lock.holder.describe()}; a run would wait for it.")
    if target.served.pending:
        is_back = target.job.inputs.command is Command.ROLLBACK
        first = "roll it back, or complete it if it is a rollback" if is_back else "finish it first"
        met.append(f"Release {target.served.pending.identity} is unfinished; a run would {first}.")
    if what := describe_split(alias):
        met.append(f"Traffic of {name(target)}: {what}.")
    return met


def blocked(target: Target, report: Report) -> Report:
    """Return the report if the candidate has not passed."""
    verdict = report.verdict
    assert verdict is not None  # noqa: S101 - the caller has checked it
    serves = f"keeps serving version {report.previous}" if report.previous else "still serves nothing"
    version = report.candidate.version if report.candidate else "unknown"
    if verdict.outcome is Outcome.INCONCLUSIVE:
        headline = f"Version {version} could not be verified, so {name(target)} {serves}: {verdict.reason}."
        hint = "An inconclusive verdict does not mean that the code is wrong. Remove the cause, and run the job again."
    else:
        headline = f"Version {version} failed verification, so {name(target)} {serves}: {verdict.reason}."
        # With another isolation, the build of another run may be there by now.
        shown = report.latest if target.job.inputs.isolation is Isolation.LATEST else None
        look = f"The broken build is still at {shown.url}. " if shown else ""
        hint = f"{look}Push a fix. A rollback is not needed."
    return replace(report, result=Result.BLOCKED, headline=headline, hint=hint)


def superseded(target: Target, report: Report, newer: CommitOrder) -> Report:
    """Return the report if the environment has a newer commit."""
    headline = (
        f"{name(target)} has the newer commit {short_commit(newer.commit)} already (version {report.previous}), "
        "so it stays there."
    )
    return replace(report, result=Result.SUPERSEDED, headline=headline)


def left_to(target: Target, newer: Claim) -> Report:
    """Return the report if a newer run has taken this one's place in the queue."""
    return replace(
        known(target),
        result=Result.SUPERSEDED,
        headline=f"{name(target)} was left as it is: {newer.name}, which is newer on this branch, supersedes this run.",
        links=(("Superseded by", Link(newer.name, target.job.context.own_page(newer.url))),),
        previous=target.served.version,
        lock_wait=target.job.progress.phases[-1].seconds,
    )


def kept_out(target: Target, report: Report, found: CommitOrder, bar: Barred) -> Report:
    """Return the report if the promotion would restore what was rolled back, and say how to go forward."""
    entry, inputs = bar.entry, target.job.inputs
    ours, theirs = short_commit(found.ours) or "what is to be promoted", short_commit(entry.commit)
    version = f"version {entry.version}"
    what = {
        None: f"{'commit ' if found.ours else ''}{ours} has the code and configuration of {version}, which",
        CommitRelation.SAME: f"{version} of commit {ours}",
        CommitRelation.OLDER: f"commit {ours} is older than {theirs}, of which {version}",
    }.get(bar.relation, f"cannot tell whether {ours} is newer than {theirs}, of which {version}")
    by = f" by {entry.by}" if entry.by else ""
    why = f", because: {entry.reason}" if entry.reason else ""
    at = f"{entry.at[:16].replace('T', ' ')} UTC"
    headline = f"{name(target)} stays as it is: {what} was rolled back{by} on {at}{why}."
    if inputs.command is Command.DEPLOY:
        anyway = f"use `command: promote` with `version: {entry.version}`, `override: true` and a `reason`"
    else:
        anyway = "set `override: true` with a `reason`, which is recorded"
    known = (
        " Check out with `fetch-depth: 0` to make the order known." if bar.relation is CommitRelation.UNKNOWN else ""
    )
    newer = f"a commit that is newer than {theirs} and changes" if theirs else "a newer commit that changes"
    hint = f"Promote {newer} the code or the configuration.{known} To serve it anyway, {anyway}."
    return replace(report, result=Result.REFUSED, headline=headline, hint=hint)


def refused(target: Target, report: Report, found: CommitOrder) -> Report:
    """Return the report of a refusal: rolled back, unknown order of commits, or diverged histories."""
    if found.barred and not target.job.inputs.override:
        return kept_out(target, report, found, found.barred)
    if found.relation is CommitRelation.UNKNOWN:
        hint = f"{found.hint} To promote without knowing the order, set `diverged: promote`."
        return replace(report, result=Result.REFUSED, headline=undecided(target, found), hint=hint)
    ours = short_commit(found.ours)
    return replace(
        report,
        result=Result.REFUSED,
        headline=f"{name(target)} has commit {short_commit(found.commit)}, which is not an ancestor of {ours}, and the "
        "input diverged refuses that.",
        hint="Merge or rebase, so that one commit contains the other. To let this commit replace the other, set "
        "diverged: promote.",
    )


def promoted(target: Target, report: Report, decision: Decision) -> Report:
    """Return the report of what the environment serves now."""
    version = report.candidate.version if report.candidate else "unknown"
    before = f" (before: version {decision.previous})" if decision.previous else " (its first)"
    headline = f"{name(target)} now serves version {version}{before}."
    if decision.result is Result.ROLLED_BACK:
        headline = f"{name(target)} was rolled back to version {version}{before}."
    if decision.result is Result.UNCHANGED:
        headline = f"{name(target)} serves version {version} already; nothing was changed."
    return replace(
        report,
        result=decision.result,
        headline=headline,
        previous=decision.previous,
        warnings=(*report.warnings, *decision.warnings),
        move=decision.promotion if decision.result is not Result.UNCHANGED else None,
        since=decision.since,
    )


def name(target: Target) -> str:
    """Return the name of the environment with its function, as messages show it."""
    return f"{target.environment} of {target.function.name}"
