"""Why a function is not promoted, and what else a run finds."""

from collections.abc import Iterator
from dataclasses import dataclass

from promote.core.commit_order import Barred, CommitOrder, CommitRelation
from promote.core.run import short_commit
from promote.inputs.usage import Command
from promote.pipeline.capacity import describe_split
from promote.pipeline.target import Target


@dataclass(frozen=True)
class Reason:
    """Why a promotion is refused, in one sentence, and what to do."""

    headline: str
    hint: str


def circumstances(target: Target) -> Iterator[str]:
    """Yield what else a run would find."""
    if target.state.lock.holder:
        yield f"The lock is held by {target.state.lock.holder.describe()}; a run would wait for it."
    if target.served.pending:
        is_back = target.job.inputs.command is Command.ROLLBACK
        first = "roll it back, or complete it if it is a rollback" if is_back else "finish it first"
        yield f"Release {target.served.pending.identity} is unfinished; a run would {first}."
    if what := describe_split(target.alias):
        yield f"Traffic of {target.job.place}: {what}."


def newer_commit(target: Target, served: str, newer: CommitOrder) -> str:
    """Return that the environment, which serves version ``served``, has a newer commit."""
    newest = short_commit(newer.commit)
    return f"{target.job.place} has the newer commit {newest} already (version {served}), so it stays there."


def refusal(target: Target, found: CommitOrder) -> Reason:
    """Return why a promotion is refused: rolled back, unknown order of commits, or diverged histories."""
    if found.barred and found.is_kept_out:
        return _kept_out(target, found, found.barred)
    if found.relation is CommitRelation.UNKNOWN:
        hint = f"{found.hint} To promote without knowing the order, set `diverged: promote`."
        return Reason(found.undecided(target.job.place), hint)
    ours = short_commit(found.ours)
    return Reason(
        f"{target.job.place} has commit {short_commit(found.commit)}, which is not an ancestor of {ours}, and the "
        "input diverged refuses that.",
        "Merge or rebase, so that one commit contains the other. To let this commit replace the other, set "
        "diverged: promote.",
    )


def _kept_out(target: Target, found: CommitOrder, bar: Barred) -> Reason:
    """Return that the promotion would restore what was rolled back, and how to go forward."""
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
    headline = f"{target.job.place} stays as it is: {what} was rolled back{by} on {at}{why}."
    if inputs.override:
        anyway = "run the job again: its override is not about a rollback that came after the run had begun"
    elif inputs.command is Command.DEPLOY:
        anyway = f"use `command: promote` with `version: {entry.version}`, `override: true` and a `reason`"
    else:
        anyway = "set `override: true` with a `reason`, which is recorded"
    known = (
        " Check out with `fetch-depth: 0` to make the order known." if bar.relation is CommitRelation.UNKNOWN else ""
    )
    newer = f"a commit that is newer than {theirs} and changes" if theirs else "a newer commit that changes"
    hint = f"Promote {newer} the code or the configuration.{known} To serve it anyway, {anyway}."
    return Reason(headline, hint)
