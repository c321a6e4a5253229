"""``rollback``: return the environment to what it served before, or to a version with a passed verdict."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.commands import messages, part_messages
from promote.commands.part import Part
from promote.core.concurrency import map_and_wait
from promote.core.decision import CommitOrder, PromotionRequest
from promote.core.errors import InputError, RefusedError
from promote.core.promotion import Alias, Kind
from promote.core.report import Report
from promote.core.rolled_back import excuses
from promote.core.run import Result, join_names
from promote.pipeline.announce import announce
from promote.pipeline.deploy import awake
from promote.pipeline.job import Job
from promote.pipeline.order import compare, kept_out
from promote.pipeline.prepare import prepare
from promote.pipeline.promote import Requested, Seen, promote
from promote.pipeline.recover import undo_release
from promote.pipeline.target import Target
from promote.state.promotion_records import content_item, promotion_item
from promote.state.release_history import read_releases, release_keys
from promote.state.releases import Release, Stage, Undo
from promote.state.served_history import (
    Move,
    ServedVersion,
    deletion_note,
    moves,
    served_before,
    served_together_before,
)

_RELEASES = 20
"""The number of newest releases in which the one to return to is searched."""


def rollback(job: Job) -> Report:
    """Roll back at once, without the lock. The preconditions of Lambda and DynamoDB make the move safe."""
    if job.inputs.parts and job.inputs.version:
        raise InputError(
            "version", "it can be used with one function only", hint="Remove the input version, or name one function."
        )
    with job.phase("read"):
        targets, undone = _finished(job, prepare(job))
        found = map_and_wait([partial(_served, target) for target in targets], CALLS_AT_ONCE)
        targets, aliases = [target for target, _ in found], [alias for _, alias in found]
        if undone and all(job.inputs.version in ("", alias.version) for alias in aliases):
            return _undone(job, targets, undone)
        backs = _destinations(targets, aliases) if job.inputs.parts else [_destination(targets[0], aliases[0])]
        requests = map_and_wait(
            [partial(_request, *found) for found in zip(targets, backs, aliases, strict=True)], CALLS_AT_ONCE
        )
    pairs = list(zip(targets, requests, strict=True))
    excused = excuses([(target.served.rolled_back, request.candidate) for target, request in pairs])
    orders = [_order(*pair, excused) for pair in pairs]
    is_refused = any(order.is_refused for order in orders)
    if job.inputs.dry_run:
        steps = _steps(job, targets, backs, aliases)
        return messages.planned(job, targets, steps, orders if is_refused else [])
    parts = [
        Part(target, replace(part_messages.known(target), candidate=request.candidate)) for target, request in pairs
    ]
    if is_refused:
        return messages.refused(job, parts, orders)
    job.keep_certain(messages.so_far(job, parts))
    with job.phase("promote"):
        outcome = promote(
            job,
            [Requested(target, request) for target, request in pairs],
            Seen.NOW,
            moved=lambda outcome: job.keep_certain(messages.promoted(job, parts, outcome)),
        )
    moved = [request for request, alias in zip(requests, aliases, strict=True) if _moves(request, alias)]
    commit = (moved or requests)[0].commit
    return announce(job, targets, messages.decided(job, parts, outcome), commit)


def _finished(job: Job, targets: Sequence[Target]) -> tuple[list[Target], Release | None]:
    """Roll back the unfinished releases of the functions. A release whose aliases have all moved is completed.

    Return the targets as read after that, and the last release that was rolled back.
    """
    undo = Undo(job.clock.now().isoformat(timespec="seconds"), job.inputs.reason, job.context.actor)
    finished, undone = [], None
    for target in targets:
        now, release = target, None
        if target.served.pending and not job.inputs.dry_run:
            now, release = undo_release(target, undo)
        finished.append(now)
        if release and release.stage is Stage.ROLLED_BACK:
            undone = release
    return finished, undone


def _undone(job: Job, targets: Sequence[Target], release: Release) -> Report:
    """Return the report if an unfinished release was rolled back, so that no further rollback is needed."""
    parts = []
    for target in targets:
        alias = target.alias
        version = alias.version if alias else ""
        snapshot = target.function.find(version) if version.isdecimal() else None
        candidate = snapshot.candidate if snapshot else None
        report = replace(part_messages.known(target), result=Result.ROLLED_BACK, candidate=candidate)
        parts.append(Part(target, report))
    serves = f"version {parts[0].report.previous}" if len(parts) == 1 else "what it served before"
    headline = f"{messages.name(job)} serves {serves}: the unfinished release of run {release.run_id} was rolled back."
    return messages.of_all(job, parts, replace(parts[0].report, headline=headline), headline)


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


def _order(target: Target, request: PromotionRequest, excused: Collection[str]) -> CommitOrder:
    """Return the order of the version's commit. If the version was rolled back itself, it needs an override."""
    found = compare(target, request.commit, None)
    return kept_out(target, found, request.candidate, excused=excused, is_back=True)


def _served(target: Target) -> tuple[Target, Alias]:
    """Read the alias. This must happen before the version to return to is read.

    Raises:
        RefusedError: The environment does not exist.

    """
    alias = target.function.alias(target.environment)
    if alias is None:
        raise RefusedError(
            f"the environment {target.environment} of {target.function.name} does not exist",
            hint="Correct the input environment. Run command: status to see the environments.",
        )
    return target.seeing(alias), alias


def _destinations(targets: Sequence[Target], aliases: Sequence[Alias]) -> list[ServedVersion]:
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
        raise RefusedError(
            f"the ledger has no earlier release of {targets[0].job.inputs.names} in {targets[0].environment}",
            hint="Roll back one function at a time. Name its version with the input version.",
        )
    together = _released_then(targets[0].job, made, before)
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


def _destination(target: Target, alias: Alias) -> ServedVersion:
    """Return the version to return to: the one that the inputs name, or what the environment served before.

    Raises:
        RefusedError: The environment served nothing before, as far as the ledger shows.

    """
    made = moves(target.ledger, alias, target.served)
    named = target.job.inputs.version
    if named:
        served_then = [move for move in made if move["version"] == named] or [target.ledger.versions.read(named)]
        return ServedVersion.of(named, served_then[-1])
    served = served_before(made, alias.version)
    if not served:
        raise RefusedError(
            f"according to the ledger, {target.environment} of {target.function.name} served nothing before version "
            f"{alias.version}",
            hint="Name the version to return to with the input version.",
        )
    return served[-1]


def _request(target: Target, back: ServedVersion, alias: Alias) -> PromotionRequest:
    """Return the request to roll back to the version, if it has a passed verdict and is unchanged since then.

    Raises:
        RefusedError: The version does not exist, was replaced, or has no passed verdict and no override.

    """
    name, inputs = target.function.name, target.job.inputs
    snapshot = target.function.find(back.version) if back.version.isdecimal() else None
    if snapshot is None:
        raise RefusedError(
            f"cannot roll back to version {back.version} of {name}: it "
            + (deletion_note(target.ledger, back.version) or "does not exist"),
            hint="Name another version with the input version. Run command: status to see what was served.",
        )
    candidate = snapshot.candidate
    if not back.is_of(candidate):
        if not inputs.version:
            raise RefusedError(
                f"version {back.version} of {name} is not the one that {target.environment} served: the function was "
                "deleted and created again since then",
                hint="Name a version with the input version. Run command: status to see which versions were promoted.",
            )
        back = ServedVersion.of(back.version, target.ledger.versions.read(back.version))
    judged = target.ledger.versions.judged(candidate)
    passed = judged.passed
    if judged.failure:
        # A later failure does not refuse a rollback, which must be quick: the version has passed once.
        target.job.workflow.warn(
            f"Version {back.version} of {name} failed verification after it had passed "
            f"({str(judged.failure.get('at', ''))[:10]}, run {judged.failure.get('run_id')}): "
            f"{judged.failure.get('reason')}.",
            title="Rollback",
        )
    if passed is None and not inputs.override:
        raise RefusedError(
            f"version {back.version} of {name} has no passed verdict",
            hint="Name a version that has one. To roll back anyway, use override: true with a reason, which is "
            "recorded.",
        )
    if not inputs.dry_run:
        awake(target, snapshot)
        if passed is None:
            target.of_commit(back.commit).ledger.versions.record(candidate)
    return PromotionRequest(
        candidate=candidate,
        commit=back.commit,
        run_id=back.run_id,
        plan=str(passed.get("plan", "")) if passed else "",
        kind=Kind.ROLLBACK,
        is_verified=passed is not None,
        instead_of="" if inputs.version else alias.version,
        reason=inputs.reason,
        by=target.job.context.actor,
        seen_under=alias.revision_id,
    )
