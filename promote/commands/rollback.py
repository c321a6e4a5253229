"""``rollback``: point the environment back at what it served before, or at a proven version."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.commands import messages
from promote.commands.part import Part
from promote.core.concurrency import map_and_wait
from promote.core.decision import CommitOrder, PromotionRequest
from promote.core.endpoint import LATEST_ENDPOINT
from promote.core.errors import InputError, RefusedError
from promote.core.promotion import Alias, Kind
from promote.core.report import Report
from promote.core.rolled_back import excuses
from promote.core.run import Result, join_names
from promote.pipeline.announce import announce
from promote.pipeline.deploy import awake
from promote.pipeline.job import Job
from promote.pipeline.order import kept_out, standing
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
"""Releases, from the newest on, among which the one that is gone back to is looked for."""


def rollback(job: Job) -> Report:
    """Roll back at once: no lock is waited for, since the preconditions of Lambda and the ledger carry the move."""
    if job.inputs.parts and job.inputs.version:
        raise InputError(
            "version", "it is of one function, and there are several", hint="Take it away, or name one function."
        )
    with job.phase("read"):
        targets, undone = _settled(job, prepare(job))
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
        steps = f"go back {_steps(job, targets, backs, aliases)}"
        return messages.planned(job, targets, steps, orders if is_refused else [])
    parts = [_part(*one) for one in zip(targets, requests, aliases, strict=True)]
    if is_refused:
        return messages.refused(job, parts, orders)
    job.reports.append(messages.so_far(job, parts))
    with job.phase("promote"):
        outcome = promote(
            job,
            [Requested(target, request) for target, request in pairs],
            Seen.NOW,
            moved=lambda outcome: job.reports.append(messages.promoted(job, parts, outcome)),
        )
    moved = [request for request, alias in zip(requests, aliases, strict=True) if _moves(request, alias)]
    commit = (moved or requests)[0].commit
    return announce(job, targets, messages.decided(job, parts, outcome), commit)


def _settled(job: Job, targets: Sequence[Target]) -> tuple[list[Target], Release | None]:
    """Roll back the unfinished releases of the functions, and return the last one. If all moved, it is completed."""
    undo = Undo(job.clock.now().isoformat(timespec="seconds"), job.inputs.reason, job.context.actor)
    settled, undone = [], None
    for target in targets:
        now, release = target, None
        if target.served.pending and not job.inputs.dry_run:
            now, release = undo_release(target, undo)
        settled.append(now)
        if release and release.stage is Stage.ROLLED_BACK:
            undone = release
    return settled, undone


def _undone(job: Job, targets: Sequence[Target], release: Release) -> Report:
    """Return the report if an unfinished release was rolled back: the environment serves what it did before it."""
    parts = []
    for target in targets:
        alias = target.alias
        version = alias.version if alias else ""
        snapshot = target.function.find(version) if version.isdecimal() else None
        report = Report(
            Result.ROLLED_BACK,
            candidate=snapshot.candidate if snapshot else None,
            previous=version,
            latest=target.endpoints.known(LATEST_ENDPOINT, target.state.latest),
            environment=target.endpoints.known(target.environment, target.served.gateway),
        )
        parts.append(Part(target, report))
    serves = f"version {parts[0].report.previous}" if len(parts) == 1 else "what it served before"
    headline = f"{messages.name(job)} serves {serves}: the unfinished release of run {release.run_id} was rolled back."
    return messages.of_all(job, parts, replace(parts[0].report, headline=headline), headline)


def _moves(request: PromotionRequest, alias: Alias) -> bool:
    return request.candidate.version != alias.version


def _steps(job: Job, targets: Sequence[Target], backs: Sequence[ServedVersion], aliases: Sequence[Alias]) -> str:
    """Say what would be gone back to, for a plan."""
    if not job.inputs.parts:
        return f"to version {backs[0].version}"
    changed = [
        f"{target.function.name} to version {back.version}"
        for target, back, alias in zip(targets, backs, aliases, strict=True)
        if back.version != alias.version
    ]
    return f"with {join_names(changed)}"


def _order(target: Target, request: PromotionRequest, excused: Collection[str]) -> CommitOrder:
    """Say whether the version was rolled back itself: then it takes an override to return to it."""
    found = standing(target, request.commit, None)
    return kept_out(target, found, request.candidate, excused=excused, is_back=True)


def _part(target: Target, request: PromotionRequest, alias: Alias) -> Part:
    report = Report(
        Result.FAILED,
        candidate=request.candidate,
        previous=alias.version,
        latest=target.endpoints.known(LATEST_ENDPOINT, target.state.latest),
        environment=target.endpoints.known(target.environment, target.served.gateway),
    )
    return Part(target, report)


def _served(target: Target) -> tuple[Target, Alias]:
    """Read the alias, before the version to go back to is read."""
    alias = target.function.alias(target.environment)
    if alias is None:
        raise RefusedError(
            f"the environment {target.environment} of {target.function.name} does not exist",
            hint="Correct the input environment; command: status shows those that there are.",
        )
    return target.seeing(alias), alias


def _destinations(targets: Sequence[Target], aliases: Sequence[Alias]) -> list[ServedVersion]:
    """Find what each function served before the last release; one that was new in it stays.

    Raises:
        RefusedError: there is nothing before.

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
            f"as far as the ledger says, {targets[0].environment} of {targets[0].job.inputs.names} served nothing "
            "as one before",
            hint="Go back with one function at a time, to a version that the input version names.",
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
    """Give what a release has recorded of each function that brought all to the versions ``before``.

    A function that had not changed then was promoted to the commit of the others all the same, of which the history of
    its own moves does not know. Empty: there was no such release, or it is long ago.
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
    """Find what to go back to: the version that the inputs name, or what the environment served before.

    Raises:
        RefusedError: there is nothing before.

    """
    made = moves(target.ledger, alias, target.served)
    named = target.job.inputs.version
    if named:
        served_then = [move for move in made if move["version"] == named] or [target.ledger.versions.read(named)]
        return ServedVersion.of(named, served_then[-1])
    served = served_before(made, alias.version)
    if not served:
        raise RefusedError(
            f"as far as the ledger says, {target.environment} of {target.function.name} served nothing before version "
            f"{alias.version}",
            hint="Name the version to go back to with the input version.",
        )
    return served[-1]


def _request(target: Target, back: ServedVersion, alias: Alias) -> PromotionRequest:
    """Propose the version, if it was proven and still is what was proven then.

    Raises:
        RefusedError: it was not, or is not.

    """
    name, inputs = target.function.name, target.job.inputs
    snapshot = target.function.find(back.version) if back.version.isdecimal() else None
    if snapshot is None:
        raise RefusedError(
            f"version {back.version} of {name}, to go back to, "
            + (deletion_note(target.ledger, back.version) or "does not exist (any more)"),
            hint="Name another version with the input version; command: status shows what was served.",
        )
    candidate = snapshot.candidate
    if not back.is_of(candidate):
        if not inputs.version:
            raise RefusedError(
                f"version {back.version} of {name} is not the one that {target.environment} served: the function was "
                "deleted and created again since then",
                hint="Name a version with the input version; command: status shows which versions were promoted.",
            )
        back = ServedVersion.of(back.version, target.ledger.versions.read(back.version))
    judged = target.ledger.versions.judged(candidate)
    proof = judged.proof
    if judged.failure:
        # It has passed, and going back must be quick: this is no reason to refuse.
        target.job.workflow.warn(
            f"Version {back.version} of {name} failed verification after it had passed "
            f"({str(judged.failure.get('at', ''))[:10]}, run {judged.failure.get('run_id')}): "
            f"{judged.failure.get('reason')}.",
            title="Rollback",
        )
    if proof is None and not inputs.override:
        raise RefusedError(
            f"version {back.version} of {name} has no passed verdict",
            hint="Name a proven version; or add override: true and a reason, which is recorded.",
        )
    if not inputs.dry_run:
        awake(target, snapshot)
        if proof is None:
            target.of_commit(back.commit).ledger.versions.record(candidate)
    return PromotionRequest(
        candidate=candidate,
        commit=back.commit,
        run_id=back.run_id,
        plan=str(proof.get("plan", "")) if proof else "",
        kind=Kind.ROLLBACK,
        is_proven=proof is not None,
        instead_of="" if inputs.version else alias.version,
        reason=inputs.reason,
        by=target.job.context.actor,
        seen_under=alias.revision_id,
    )
