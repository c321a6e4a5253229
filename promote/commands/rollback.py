"""``rollback``: return the environment to what it served before, or to a version with a passed verdict."""

from collections.abc import Mapping, Sequence
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.commands import messages
from promote.commands.after_move import after_move, keep_moved
from promote.commands.report import report_of
from promote.core.admission import Admission, Verdicts, admit_rollback
from promote.core.concurrency import map_and_wait
from promote.core.decision import PromotionRequest
from promote.core.errors import InputError, RefusedError
from promote.core.promotion import Alias, Kind, served_version
from promote.core.release import Release, Stage
from promote.core.report import Report
from promote.core.rolled_back import excuses
from promote.core.run import Result, join_names
from promote.core.version import Candidate, Snapshot
from promote.pipeline.deploy import ensure_active
from promote.pipeline.job import Job
from promote.pipeline.order import order_back
from promote.pipeline.part import Part
from promote.pipeline.prepare import prepare
from promote.pipeline.promote import Requested, Seen, promote
from promote.pipeline.recover import undo_release
from promote.pipeline.target import Target
from promote.state.promotion_records import content_item, promotion_item
from promote.state.release_history import read_releases, release_keys
from promote.state.served_history import (
    Move,
    ServedVersion,
    deletion_note,
    moves,
    served_together_before,
)

_ENDING = "complete the unfinished release if it is a rollback, or else return to what was served before it"

_RELEASES = 20
"""The number of newest releases in which the one to return to is searched."""


def rollback(job: Job) -> Report:
    """Roll back at once, without the lock. The preconditions of Lambda and DynamoDB make the move safe."""
    if job.inputs.parts and job.inputs.version:
        raise InputError(
            "version", "it can be used with one function only", hint="Remove the input version, or name one function."
        )
    with job.phase("read"):
        prepared = prepare(job)
        if any(target.served.pending for target in prepared):
            if job.inputs.dry_run:
                return messages.planned(job, prepared, _ENDING, [])
            if job.inputs.version and (early := _refused_early(prepared[0])):
                return early
        targets, ended = _finished(prepared)
        # The aliases are read before the versions to return to.
        targets = map_and_wait([target.seeing_now for target in targets], CALLS_AT_ONCE)
        if done := _done(job, targets, ended):
            return done
        targets, aliases, notes = _serving(targets)
        backs = [_named(targets[0], aliases[0])] if job.inputs.version else _served_before(targets, aliases)
        requests = map_and_wait(
            [partial(_request, *found) for found in zip(targets, backs, aliases, strict=True)], CALLS_AT_ONCE
        )
    pairs = list(zip(targets, requests, strict=True))
    excused = excuses([(target.served.rolled_back, request.candidate) for target, request in pairs])
    # If a version was rolled back itself, it needs an override.
    orders = [order_back(target, request.commit, request.candidate, excused) for target, request in pairs]
    is_refused = any(order.is_refused for order in orders)
    if job.inputs.dry_run:
        steps = _steps(job, targets, backs, aliases)
        candidates = [request.candidate for request in requests]
        return messages.planned(job, targets, steps, orders if is_refused else [], candidates)
    parts = [Part.known(target, candidate=request.candidate) for target, request in pairs]
    if is_refused:
        return messages.refused(parts, orders)
    job.keep_certain(report_of(parts, Result.FAILED))
    with job.phase("promote"):
        outcome = promote(
            job,
            [Requested(target, request) for target, request in pairs],
            Seen.NOW,
            moved=partial(keep_moved, job, parts),
        )
    moved = [request for request, alias in zip(requests, aliases, strict=True) if _moves(request, alias)]
    return after_move(job, parts, outcome, (moved or requests)[0].commit, notes)


def _done(job: Job, targets: Sequence[Target], ended: Sequence[Release]) -> Report | None:
    """Return the report if there is nothing left to roll back; else None.

    The end of the unfinished releases (``ended``) may be all that was needed. And a re-run goes no further back.
    """
    if _has_returned(ended, [served_version(target.alias) for target in targets], job.inputs.version):
        return _returned(job, targets, ended)
    if not job.inputs.version and all(map(_is_repeated, targets)):
        return _repeated(job, targets)
    return None


def _is_repeated(target: Target) -> bool:
    """Whether an earlier attempt of this run has made the last move of the environment, and it was a rollback."""
    alias, made = target.alias, target.job.context.attempt_of(target.served.moved.url)
    move = alias.promotion if alias and not alias.is_moved_by_others else None
    return move is not None and move.kind is Kind.ROLLBACK and made is not None and made < target.job.run.attempt


def _repeated(job: Job, targets: Sequence[Target]) -> Report:
    """Return the report of a re-run. It does not roll back further than the attempts before it."""
    parts = list(map(_as_served, targets))
    cause = "an earlier attempt of this run has rolled it back"
    headline = f"{job.place} serves {_serves(parts)}: {cause}. Nothing was changed."
    hint = "To roll back further, start a new run, or name the version with the input version."
    return report_of(parts, Result.UNCHANGED, headline, hint)


def _refused_early(target: Target) -> Report | None:
    """Return the refusal of the version that the inputs name, before anything is changed; None if there is none.

    Raises:
        RefusedError: The version or the environment does not exist, or the version has no passed verdict.

    """
    [target], [alias], _ = _serving([target.seeing_now()])
    back = _named(target, alias)
    snapshot = _snapshot(target, back)
    back = _recorded(target, back, snapshot.candidate)
    _admitted(target, snapshot.candidate)
    found = order_back(target, back.commit, snapshot.candidate)
    return messages.refused([Part.known(target)], [found]) if found.is_refused else None


def _finished(targets: Sequence[Target]) -> tuple[list[Target], list[Release]]:
    """Roll back the unfinished releases of the functions, but complete those that are rollbacks or move no alias.

    A release whose aliases have all moved is completed, and rolled back afterwards like any other. Return the targets
    as read after that, and the releases as they ended.
    """
    found = [undo_release(target) if target.served.pending else (target, None) for target in targets]
    return [target for target, _ in found], [release for _, release in found if release]


def _has_returned(ended: Sequence[Release], served: Sequence[str], version: str) -> bool:
    """Whether the end of the unfinished releases is all that was needed.

    ``served`` are the versions that the functions serve now. ``version`` is the one that the inputs name, or empty.
    """
    is_done = bool(ended) and not any(map(_leaves_more, ended))
    return is_done and (not version or all(found == version for found in served))


def _leaves_more(ended: Release) -> bool:
    """Whether a further rollback is needed to return to what was served before the release that ended."""
    if ended.kind is Kind.ROLLBACK:
        return ended.stage is Stage.ROLLED_BACK
    # A release that moves no alias has not changed what is served, however it ended.
    return ended.stage is Stage.DONE or not ended.moves


def _returned(job: Job, targets: Sequence[Target], ended: Sequence[Release]) -> Report:
    """Return the report if the end of the unfinished releases is all that was needed."""
    # A release that failed at the same time was rolled back by its own run, which does not keep its code out.
    is_failed = not any(release.undone or release.kind is Kind.ROLLBACK for release in ended)
    result = Result.UNCHANGED if is_failed else Result.ROLLED_BACK
    parts = list(map(_as_served, targets))
    how = "; ".join(f"the unfinished {_end(release)}" for release in ended)
    again = " Nothing else was changed. Roll back again to leave what it serves." if is_failed else ""
    headline = f"{job.place} serves {_serves(parts)}: {how}.{again}"
    notes = tuple(
        f"The alias {target.job.place} remains at version {target.alias.version}, because "
        "Lambda cannot delete it safely while a late move may arrive. No endpoint of the action uses it."
        for target in targets
        if target.alias and target.alias.is_placeholder
    )
    notes += ("The release had not ended, so there are no release notes of it, and GitHub shows no deployment.",)
    return report_of(parts, result, headline, notes=notes)


def _serves(parts: Sequence[Part]) -> str:
    """Return what the environment serves after a rollback, as text."""
    if len(parts) > 1:
        return "what it served before"
    return f"version {parts[0].previous}" if parts[0].previous else "nothing"


def _as_served(target: Target) -> Part:
    """Return what is known of the function. Its candidate is the version that the environment serves."""
    version = served_version(target.alias)
    snapshot = target.function.find(version) if version else None
    return Part.known(target, candidate=snapshot.candidate if snapshot else None)


def _end(release: Release) -> str:
    if release.kind is Kind.ROLLBACK:
        return f"rollback of run {release.run_id} was completed"
    by = "" if release.undone else " by its own run, which has failed"
    return f"release of run {release.run_id} was rolled back{by}"


def _moves(request: PromotionRequest, alias: Alias) -> bool:
    return request.candidate.version != alias.version


def _steps(job: Job, targets: Sequence[Target], backs: Sequence[ServedVersion], aliases: Sequence[Alias]) -> str:
    """Return what a run would do, for the report of a dry run."""
    if not job.inputs.parts:
        return f"roll back to version {backs[0].version}"
    changed = [
        f"{target.function.name} to version {back.version}"
        for target, back, alias in zip(targets, backs, aliases, strict=True)
        if back.version != alias.version
    ]
    return f"roll back {join_names(changed)}"


def _serving(targets: Sequence[Target]) -> tuple[list[Target], list[Alias], tuple[str, ...]]:
    """Return the functions that serve something, their aliases, and a note about the others, which stay as they are.

    Raises:
        RefusedError: None of them serves anything.

    """
    serving = [
        (target, target.alias) for target in targets if target.alias is not None and not target.alias.is_placeholder
    ]
    if not serving:
        what = "does not exist" if targets[0].alias is None else "serves nothing yet"
        raise RefusedError(
            f"the environment {targets[0].job.place} {what}",
            hint="Correct the input environment. Run command: status to see the environments.",
        )
    found, aliases = [target for target, _ in serving], [alias for _, alias in serving]
    left = [target.function.name for target in targets if target not in found]
    if not left:
        return found, aliases, ()
    verb, stay = ("serves", "stays as it is") if len(left) == 1 else ("serve", "stay as they are")
    return found, aliases, (f"{join_names(left)} {verb} nothing in {targets[0].environment} yet, and {stay}.",)


def _named(target: Target, alias: Alias) -> ServedVersion:
    """Return the version that the inputs name, as it was served last, or else as it was recorded."""
    version = target.job.inputs.version
    served_then = [move for move in moves(target.ledger, alias, target.served) if move["version"] == version]
    return ServedVersion.of(version, served_then[-1] if served_then else target.ledger.versions.read(version))


def _served_before(targets: Sequence[Target], aliases: Sequence[Alias]) -> list[ServedVersion]:
    """Return what each function served before the last release. A function that was new in that release stays.

    Raises:
        RefusedError: The environment served no earlier release, as far as the ledger shows.

    """
    found = map_and_wait(
        [partial(moves, target.ledger, alias, target.served) for target, alias in zip(targets, aliases, strict=True)],
        CALLS_AT_ONCE,
    )
    made = {target.ledger.arn: known for target, known in zip(targets, found, strict=True)}
    now = {target.ledger.arn: alias.version for target, alias in zip(targets, aliases, strict=True)}
    before = served_together_before(made, now)
    if before is None or not any(before[arn] not in ("", version) for arn, version in now.items()):
        is_one = len(targets) == 1
        raise RefusedError(
            f"according to the ledger, {targets[0].job.place} served nothing before version {aliases[0].version}"
            if is_one
            else f"the ledger has no earlier release of {targets[0].job.inputs.names} in {targets[0].environment}",
            hint="Name the version to return to with the input version."
            if is_one
            else "Roll back one function at a time. Name its version with the input version.",
        )
    together = _released_then(targets[0].job, made, before) if len(targets) > 1 else {}
    backs = []
    for target in targets:
        arn = target.ledger.arn
        version = before[arn] or now[arn]
        then = [move for move in made[arn] if move["version"] == version] or [target.ledger.versions.read(version)]
        backs.append(ServedVersion.of(version, together.get(arn) or then[-1]))
    return backs


def _released_then(job: Job, made: Mapping[str, Sequence[Move]], before: Mapping[str, str]) -> dict[str, Move]:
    """Return, by ARN, what the release recorded that moved all functions to the versions ``before``.

    It also has the commit of functions whose aliases stayed in it, which is missing in their own history. Empty if
    there was no such release, or if it is not among the newest ones.
    """
    keys = release_keys({arn: list(reversed(moves)) for arn, moves in made.items()})[:_RELEASES]
    for release in sorted(read_releases(job.table, keys), key=lambda release: release.sequence, reverse=True):
        found = {
            part.arn: {**promotion_item(part.promotion), **content_item(part.candidate, part.plan)}
            for part in release.parts
        }
        if all(arn in found and found[arn]["version"] == version for arn, version in before.items() if version):
            return {arn: found[arn] for arn in before if before[arn]}
    return {}


def _snapshot(target: Target, back: ServedVersion) -> Snapshot:
    """Return the version to return to.

    Raises:
        RefusedError: The version does not exist.

    """
    snapshot = target.function.find(back.version) if back.version.isdecimal() else None
    if snapshot is None:
        raise RefusedError(
            f"cannot roll back to version {back.version} of {target.function.name}: it "
            + (deletion_note(target.ledger, back.version) or "does not exist"),
            hint="Name another version with the input version. Run command: status to see what was served.",
        )
    return snapshot


def _recorded(target: Target, back: ServedVersion, candidate: Candidate) -> ServedVersion:
    """Return what is recorded of the version to return to, which is ``candidate`` now.

    Raises:
        RefusedError: The version was replaced, and the inputs do not name it.

    """
    if back.is_of(candidate):
        return back
    if not target.job.inputs.version:
        raise RefusedError(
            f"version {back.version} of {target.function.name} is not the one that {target.environment} served: the "
            "function was deleted and created again since then",
            hint="Name a version with the input version. Run command: status to see which versions were promoted.",
        )
    return ServedVersion.of(back.version, target.ledger.versions.read(back.version))


def _admitted(target: Target, candidate: Candidate) -> tuple[Verdicts, Admission]:
    """Read the verdicts of the version to return to, and return them with its admission.

    Raises:
        RefusedError: The version has no passed verdict, and the inputs do not override that.

    """
    verdicts, override = target.ledger.versions.verdicts(candidate), target.job.inputs.override
    return verdicts, admit_rollback(verdicts, target.function.name, candidate.version, override=override)


def _request(target: Target, back: ServedVersion, alias: Alias) -> PromotionRequest:
    """Return the request to roll back to the version, if it has a passed verdict and is unchanged since then.

    Raises:
        RefusedError: The version does not exist, was replaced, or has no passed verdict and no override.

    """
    inputs, snapshot = target.job.inputs, _snapshot(target, back)
    candidate = snapshot.candidate
    back = _recorded(target, back, candidate)
    verdicts, admission = _admitted(target, candidate)
    if admission.warning:
        target.job.workflow.warn(admission.warning, title="Rollback")
    if not inputs.dry_run:
        ensure_active(target, snapshot)
        if not admission.is_verified:
            target.of_commit(back.commit).ledger.versions.record(candidate)
    return PromotionRequest(
        candidate=candidate,
        commit=back.commit,
        run_id=back.run_id,
        plan=verdicts.plan,
        kind=admission.kind,
        is_verified=admission.is_verified,
        instead_of="" if inputs.version else alias.version,
        reason=inputs.reason,
        by=target.job.context.actor,
        seen_under=alias.revision_id,
    )
