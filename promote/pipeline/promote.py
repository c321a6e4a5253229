"""Promote one or more functions in a release: move the environment's alias of each, or of none, and record it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.dynamodb import TransactionCancelled
from promote.core.concurrency import AFTER_INTERRUPT, map_and_wait, with_timeout
from promote.core.decision import Decision, PromotionRequest, result_of
from promote.core.errors import ConflictError, PromoteError, UnconfirmedError
from promote.core.promotion import Kind, Promotion, served_version
from promote.core.recovery import Intent
from promote.core.release import Release, ReleasePart, Stage
from promote.core.rolled_back import excuses
from promote.core.run import Result
from promote.github.actions.job_state import LedgerLocation
from promote.pipeline.decision import ATTEMPTS, decide, next_sequence
from promote.pipeline.job import Job
from promote.pipeline.locks import HeldLock
from promote.pipeline.preconditions import require_same_version, require_verdict, wait_for_capacity
from promote.pipeline.recover import finish_release, undo_release
from promote.pipeline.release import Ended, ReleaseProtocol
from promote.pipeline.target import Target
from promote.state.ledger import Pending
from promote.state.release_records import Conflict
from promote.state.releases import release_key
from promote.state.version_records import replaced


class Seen(Enum):
    """When the aliases of the targets were read."""

    NOW = "now"
    BEFORE = "before the verification"
    """If an alias has changed since then, its move fails. Aliases that are not moved are read again."""
    LONG_AGO = "long ago"
    """The aliases are read again before the decision."""


@dataclass(frozen=True)
class Requested:
    """One function to promote."""

    target: Target
    request: PromotionRequest
    held_lock: HeldLock | None = None
    """None if it is promoted without the lock, as a rollback does."""


@dataclass(frozen=True)
class PromotionOutcome:
    """How a promotion ended."""

    result: Result
    decisions: tuple[Decision, ...]
    """The decision for each function."""
    seconds: float | None = None
    """How long the aliases may have disagreed, in seconds; None if none was moved."""
    warnings: tuple[str, ...] = ()
    """Warnings about the release as a whole. Each decision has further ones."""


def promote(
    job: Job, parts: Sequence[Requested], seen: Seen, *, moved: Callable[[PromotionOutcome], None]
) -> PromotionOutcome:
    """Move the environment's aliases of all functions as requested, or none, and release their locks.

    ``moved`` is called as soon as all aliases have moved. If the record cannot be written after that, the next run
    writes it.

    Raises:
        PromoteError: An alias cannot be moved. All aliases serve what they served before, unless the error says
            otherwise.

    """
    is_known = seen is not Seen.LONG_AGO
    for attempt in range(ATTEMPTS):
        try:
            parts = _each(_recorded if is_known else _read, parts)
        except Pending:
            parts, is_known = _each(_finished, parts), False
            continue
        parts = _each(_checked, parts)
        decisions = _decide(parts, attempt)
        result = result_of(decisions)
        if result in (Result.SUPERSEDED, Result.REFUSED) or not any(found.promotion for found in decisions):
            if is_known and seen is Seen.BEFORE:
                is_known = False
                continue
            _each(_record_verdict, parts)
            return PromotionOutcome(result, decisions)
        is_known = False
        checks = [
            partial(require_verdict, part.target, part.request, decision)
            for part, decision in zip(parts, decisions, strict=True)
        ]
        map_and_wait(checks, CALLS_AT_ONCE)
        if any(map_and_wait([partial(wait_for_capacity, part.target, part.request) for part in parts], CALLS_AT_ONCE)):
            continue  # while Lambda moved provisioned concurrency, the aliases have changed
        release = _release(job, parts, decisions)
        try:
            ended = _carry_out(job, parts, release, lambda ended, found=decisions: moved(_outcome(found, ended)))  # type: ignore[misc]
        except Conflict:
            job.say("promote", f"another run has promoted {job.inputs.names} since this run read it: deciding again")
            parts = _each(_finished, parts)
            continue
        if ended.release.stage is not Stage.ROLLED_BACK:
            return _outcome(decisions, ended)
        # The verdicts were recorded when the release began.
        parts = [replace(part, request=replace(part.request, verdict=None)) for part in parts]
        if ended.problem and not isinstance(ended.problem, ConflictError):
            raise _rolled_back(ended, ended.problem)
        job.say("promote", f"{job.inputs.environment} serves what it served before: deciding again")
        parts = _each(_finished, parts)
    raise ConflictError(
        f"{job.place} changed each of the {ATTEMPTS} times that this run tried to move its alias: another run released "
        "to it, or the alias was changed externally",
        hint="Run command: status to see what moved it. Then run the job again.",
    )


def _each(step: Callable[[Requested], Requested], parts: Sequence[Requested]) -> list[Requested]:
    """Apply ``step`` to all functions side by side."""
    return map_and_wait([partial(step, part) for part in parts], CALLS_AT_ONCE)


def _read(part: Requested) -> Requested:
    """Read the alias. If its last move is missing in the ledger, record it first.

    Raises:
        Pending: The function is part of an unfinished release.

    """
    target = part.target.seeing_now()
    moved = _unrecorded(target)
    if moved:
        target = target.with_served(target.ledger.record_move(target.environment, moved, target.served))
    return replace(part, target=target)


def _recorded(part: Requested) -> Requested:
    """Return the part. If the alias's last move is missing in the ledger, read the alias again first.

    The ledger may have been read after the alias, and a release that had moved the alias rolled back in between. The
    errors are those of ``_read``.
    """
    return _read(part) if _unrecorded(part.target) else part


def _unrecorded(target: Target) -> Promotion | None:
    """Return the last move of the alias if the ledger does not have it."""
    moved = target.alias.promotion if target.alias else None
    return moved if moved and moved.sequence > target.served.sequence else None


def _finished(part: Requested) -> Requested:
    """Finish the unfinished release of the function. A rollback rolls it back."""
    if part.request.kind is Kind.ROLLBACK:
        return replace(part, target=undo_release(part.target)[0])
    return replace(part, target=finish_release(part.target))


def _checked(part: Requested) -> Requested:
    require_same_version(part.target, part.request)
    alias = part.target.alias
    return replace(part, request=replace(part.request, seen_under=alias.revision_id if alias else ""))


def _record_verdict(part: Requested) -> Requested:
    if part.request.verdict:
        part.target.ledger.versions.record_verdict(part.request.candidate, part.request.plan, part.request.verdict)
    return part


def _decide(parts: Sequence[Requested], attempt: int) -> tuple[Decision, ...]:
    sequence = attempt + max(next_sequence(part.target, part.target.alias) for part in parts)
    excused = excuses([(part.target.served.rolled_back, part.request.candidate) for part in parts])
    return tuple(decide(part.target, part.request, sequence, excused) for part in parts)


def _release(job: Job, parts: Sequence[Requested], decisions: Sequence[Decision]) -> Release:
    sequence = next(found.promotion.sequence for found in decisions if found.promotion)
    recorded = tuple(
        _part(part.target, part.request, decision, sequence) for part, decision in zip(parts, decisions, strict=True)
    )
    environment = job.inputs.environment
    key = release_key([part.arn for part in recorded], environment, recorded[0].promotion.identity)
    return Release(key, environment, recorded, job.run.run_id, job.run.url, job.origin)


def _part(target: Target, request: PromotionRequest, decision: Decision, sequence: int) -> ReleasePart:
    return ReleasePart(
        arn=target.ledger.arn,
        promotion=decision.promotion or _staying(target, request, sequence),
        candidate=request.candidate,
        plan=request.plan,
        sequence=target.served.sequence,
        before=target.alias,
        since=target.served.promoted,
        token=request.token,
    )


def _staying(target: Target, request: PromotionRequest, sequence: int) -> Promotion:
    """Return the promotion to record for a function whose alias stays.

    It has the commit that the environment serves. For a rollback, it has the commit of the rollback.
    """
    run, served = target.job.run, target.served
    is_back = request.kind is Kind.ROLLBACK
    return Promotion(
        environment=target.environment,
        version=request.candidate.version,
        previous=None,
        commit=request.commit if is_back else served.commit,
        run_id=request.run_id if is_back else served.run_id,
        attempt=1,
        sequence=sequence,
        operation=run.operation,  # the kind is the default, because the Description of a kept alias has none
    )


def _carry_out(job: Job, parts: Sequence[Requested], release: Release, moved: Callable[[Ended], None]) -> Ended:
    """Begin the release, record the verdicts, and finish it. ``moved`` is called when all aliases have moved.

    Raises:
        Conflict: A function has changed since it was read. The release was not begun.

    """
    protocol = job.resources.releases(job.say)
    place = LedgerLocation(release.key.pk, job.clients.resolve_region(), job.inputs.table)
    held_locks = [part.held_lock for part in parts if part.held_lock]
    locks = [held.lock.release_update(held.lease) for held in held_locks if not held.kept_for_job]
    for held in held_locks:
        held.heartbeat.require()
    try:
        _begin(job, protocol, place, parts, release)
        ended = protocol.resume(release, Intent(is_ours=True), locks)
        if ended.release.stage is not Stage.ROLLED_BACK:
            moved(ended)
    except KeyboardInterrupt:
        cancelled = Intent(is_ours=True, is_cancelled=True)
        _end_cancelled(job, release, partial(protocol.resume, release, cancelled, locks), moved)
        raise
    if ended.release.stage.is_final:
        job.state.end(place, release.key.sk)
    if ended.is_by_us:
        for held in held_locks:
            held.is_released = not held.kept_for_job
    return ended


def _begin(
    job: Job, protocol: ReleaseProtocol, place: LedgerLocation, parts: Sequence[Requested], release: Release
) -> None:
    """Begin the release and record the verdicts. If this run does not finish it, the post step does.

    Raises:
        Conflict: A function has changed since it was read. The release was not begun.
        PromoteError: The record of a version was replaced, or another promotion has claimed the candidate.

    """
    further = []
    refusals: list[Callable[[], PromoteError]] = []
    for part, recorded in zip(parts, release.parts, strict=True):
        ledger, request = part.target.ledger, part.request
        if request.verdict:
            further.append(ledger.versions.verdict_update(request.candidate, request.plan, request.verdict))
            refusals.append(partial(replaced, request.candidate))
        if request.token:
            further.append(ledger.candidates.claim_update(request.token, recorded.promotion))
            refusals.append(partial(ledger.candidates.claimed, request.token))
    job.state.begin(place, release.key.sk)
    try:
        protocol.begin(release, further)
    except Conflict:
        job.state.end(place, release.key.sk)
        raise
    except TransactionCancelled as cancelled:
        job.state.end(place, release.key.sk)
        refused = (refusal for refusal, is_refused in zip(refusals, cancelled.refused, strict=True) if is_refused)
        error = next(refused)()
        raise error from cancelled


def _end_cancelled(job: Job, release: Release, finish: Callable[[], Ended], moved: Callable[[Ended], None]) -> None:
    """Finish the release of a cancelled run as far as possible. The post step or the next run does the rest."""
    with suppress(Exception):
        ended = with_timeout(AFTER_INTERRUPT, finish)
        if ended.release.stage is Stage.DONE:
            moved(ended)
        if ended.release.stage.is_final:
            return
    certain = job.progress.certain
    if not certain.result.is_success:
        text = (
            f"The run was cancelled while it moved {release.environment} of {release.names}. The alias may have moved, "
            "or may still move. Run command: status to see what it serves. The next run finishes the release."
        )
        job.keep_certain(replace(certain, may_have_moved=True, warnings=(*certain.warnings, text)))


def _outcome(decisions: Sequence[Decision], ended: Ended) -> PromotionOutcome:
    """Return the outcome of a release whose aliases have moved, with the aliases after their moves."""
    warnings = []
    if ended.problem and ended.is_unrecorded:
        what = "All aliases have moved" if ended.release.has_several else "The alias has moved"
        warnings.append(f"{what}, but the record of it failed: {ended.problem.sentence} The next run writes it.")
    if any(part.moves and part.arn not in ended.aliases for part in ended.release.parts):
        warnings.append("Another run finished this release. Run command: status to see what is served now.")
    seen = [
        replace(decision, alias=ended.aliases.get(part.arn, decision.alias))
        for decision, part in zip(decisions, ended.release.parts, strict=True)
    ]
    return PromotionOutcome(result_of(decisions), tuple(seen), ended.seconds, tuple(warnings))


def _rolled_back(ended: Ended, problem: PromoteError) -> PromoteError:
    """Return ``problem`` with what the functions serve after the rollback, which no late move can change."""
    release, text = ended.release, problem.sentence
    hint = "Nothing was promoted. Correct the cause, and run the job again."
    if release.has_several or ended.changed_externally:
        text += f" All functions serve what they served before{ended.exceptions}."
    else:
        before = served_version(release.parts[0].before)
        text += f" {release.environment} serves {f'version {before}' if before else 'nothing'}, as before."
        hint = hint if isinstance(problem, UnconfirmedError) else problem.hint
    reworded = problem.reworded(text, hint)
    reworded.may_have_moved = False
    return reworded
