"""An application: several functions that are promoted to one environment as one."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from promote.aws.dynamodb import TransactionCancelled
from promote.core.concurrency import map_and_wait, with_timeout
from promote.core.decision import CommitOrder, Decision, PromotionRequest
from promote.core.errors import ConflictError, PromoteError
from promote.core.promotion import Alias, Kind, Promotion
from promote.core.rolledback import excuses
from promote.core.run import Result, join_names
from promote.github.actions.job_state import LedgerLocation
from promote.pipeline.capacity import require_free
from promote.pipeline.decision import decide, next_sequence
from promote.pipeline.job import Job
from promote.pipeline.locks import HeldLock
from promote.pipeline.promote import looked_at, report_cut_off, require_proof
from promote.pipeline.promote import rested as wait_until_rested
from promote.pipeline.recover import finish_release, make_saga
from promote.pipeline.saga import WIDTH, Conflict, Ended, Saga
from promote.pipeline.target import Target
from promote.state.ledger import Pending, replaced
from promote.state.releases import Part, Release, Stage, release_key

_ATTEMPTS = 5
"""Decisions that are made again when somebody else was first."""

_HURRY = 3.0
"""Seconds for what is left to do of a release whose run was interrupted; the post step does the rest."""


@dataclass(frozen=True)
class Outcome:
    """How the promotion of an application ended."""

    result: Result
    decisions: tuple[Decision, ...]
    """Of each function."""
    seconds: float | None = None
    """For which their aliases may have disagreed; None: none was moved."""
    warnings: tuple[str, ...] = ()
    """Of the whole; each decision has its own."""

    @property
    def standing(self) -> CommitOrder:
        """How the order of commits was decided: by the function that decided it."""
        return next((found for found in self.decisions if found.result is self.result), self.decisions[0]).standing


def promote_all(
    job: Job,
    targets: Sequence[Target],
    held_locks: Sequence[HeldLock],
    requests: Sequence[PromotionRequest],
    *,
    moved: Callable[[Outcome], None],
) -> Outcome:
    """Move the environment's aliases of all functions as ``requests`` say, or none; ``holdings`` end with it.

    The aliases are read first, and a version that these do not prove is looked at again. ``moved`` hears of it at once.

    Raises:
        PromoteError: an alias cannot be moved; all are back, or the error says that they will be.

    """
    for attempt in range(_ATTEMPTS):
        try:
            targets, aliases = _read(targets)
        except Pending:
            targets = [finish_release(target) for target in targets]
            continue
        looks = [partial(looked_at, *found) for found in zip(targets, requests, aliases, strict=True)]
        requests = map_and_wait(looks, WIDTH)
        decisions = _decide(targets, requests, aliases, attempt)
        result = _result(decisions)
        if result in (Result.SUPERSEDED, Result.REFUSED) or not any(found.promotion for found in decisions):
            _record_verdicts(targets, requests)
            return Outcome(result, decisions)
        map_and_wait(
            [partial(require_proof, *found) for found in zip(targets, requests, decisions, strict=True)], WIDTH
        )
        if _have_waited(targets, requests, aliases):
            continue  # the aliases have changed since they were read
        release = _release(targets, requests, aliases, decisions)
        try:
            ended = _carry_out(job, targets, held_locks, requests, release, partial(_tell, moved, decisions))
        except Conflict:
            job.say("promote", "a function was promoted by somebody else meanwhile: deciding again")
            targets = [finish_release(target) for target in targets]
            continue
        if ended.release.stage is not Stage.ROLLED_BACK:
            return _outcome(_with_aliases(decisions, ended), ended)
        requests = [replace(request, verdict=None) for request in requests]  # recorded when it was begun
        if ended.problem and not isinstance(ended.problem, ConflictError):
            raise _turned_back(ended, ended.problem)
        job.say("promote", "all functions are back at what they served: deciding again")
        targets = [finish_release(target) for target in targets]
    raise ConflictError(
        f"the aliases {targets[0].environment} were moved by somebody else each of the {_ATTEMPTS} times that this run "
        "tried",
        hint="See who else moves these aliases (a console, another workflow); then run the job again.",
    )


def _have_waited(
    targets: Sequence[Target], requests: Sequence[PromotionRequest], aliases: Sequence[Alias | None]
) -> bool:
    """Wait where Lambda moves provisioned concurrency, also of functions that stay; return whether that was needed.

    Raises:
        PromoteError: that takes too long, or has failed; nothing was changed.

    """
    found = list(zip(targets, requests, aliases, strict=True))
    for target, request, alias in found:
        is_back = request.kind is Kind.ROLLBACK
        require_free(target.function.name, alias, target.job.inputs, is_back=is_back)
    rested = map_and_wait([partial(wait_until_rested, *one, stays=True) for one in found], WIDTH)
    return any(now is not alias for now, alias in zip(rested, aliases, strict=True))


def _with_aliases(decisions: Sequence[Decision], ended: Ended) -> list[Decision]:
    """Add how the aliases were seen after their moves."""
    return [
        replace(decision, alias=ended.aliases.get(part.arn, decision.alias))
        for decision, part in zip(decisions, ended.release.parts, strict=True)
    ]


def _turned_back(ended: Ended, problem: PromoteError) -> PromoteError:
    """Say why nothing was promoted, and what the functions serve."""
    text = f"{problem}{'' if str(problem).endswith('.') else '.'} All functions are back at what they served"
    text += (
        f", save for {join_names(ended.changed_externally)}, moved by somebody else meanwhile"
        if ended.changed_externally
        else ""
    )
    return problem.reworded(f"{text}.", "Nothing was promoted. See what the text says, and run the job again.")


def _read(targets: Sequence[Target]) -> tuple[list[Target], Sequence[Alias | None]]:
    """Read the aliases, and finish the record of what was moved without being recorded.

    Raises:
        Pending: a function is part of a release that is to be finished first.

    """
    known = map_and_wait([partial(_seen, target) for target in targets], WIDTH)
    return known, [target.alias for target in known]


def _seen(target: Target) -> Target:
    target = target.seeing(target.function.alias(target.environment))
    moved = target.alias.promotion if target.alias else None
    if moved and moved.sequence > target.served.sequence:
        return target.with_served(target.ledger.finish(target.environment, moved, target.served))
    return target


def _decide(
    targets: Sequence[Target], requests: Sequence[PromotionRequest], aliases: Sequence[Alias | None], attempt: int
) -> tuple[Decision, ...]:
    sequence = attempt + max(map(next_sequence, targets, aliases))
    found = zip(targets, requests, strict=True)
    excused = excuses([(target.served.rolled_back, request.candidate) for target, request in found])
    return tuple(
        decide(target, request, alias, sequence, excused)
        for target, request, alias in zip(targets, requests, aliases, strict=True)
    )


def _result(decisions: Sequence[Decision]) -> Result:
    """Give that of the whole: one function that has something newer, or other, holds all back."""
    results = [decision.result for decision in decisions]
    order = (Result.SUPERSEDED, Result.REFUSED, Result.PROMOTED, Result.ROLLED_BACK)
    return next((result for result in order if result in results), Result.UNCHANGED)


def _release(
    targets: Sequence[Target],
    requests: Sequence[PromotionRequest],
    aliases: Sequence[Alias | None],
    decisions: Sequence[Decision],
) -> Release:
    sequence = next(found.promotion.sequence for found in decisions if found.promotion)
    parts = []
    for target, request, alias, decision in zip(targets, requests, aliases, decisions, strict=True):
        promotion = decision.promotion or _staying(target, request, sequence)
        parts.append(
            Part(
                arn=target.ledger.arn,
                promotion=promotion,
                candidate=request.candidate,
                plan=request.plan,
                sequence=target.served.sequence,
                before=alias,
                since=target.served.promoted,
            )
        )
    key = release_key([part.arn for part in parts], targets[0].environment, parts[0].promotion.identity)
    run = targets[0].job.run
    origin = targets[0].job.origin
    return Release(key, targets[0].environment, tuple(parts), run.run_id, run.url, origin)


def _staying(target: Target, request: PromotionRequest, sequence: int) -> Promotion:
    """Give what is recorded of a function that is not moved, and keeps the commit that it has or goes back to."""
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
        operation=run.operation,  # and of no other kind: a Description that says kept tells of none
    )


def _carry_out(  # noqa: PLR0913, PLR0917 - all that takes part
    job: Job,
    targets: Sequence[Target],
    held_locks: Sequence[HeldLock],
    requests: Sequence[PromotionRequest],
    release: Release,
    moved: Callable[[Ended], None],
) -> Ended:
    """Begin the release along with the verdicts, and bring it to its end; ``moved`` hears of it when all has moved.

    Raises:
        Conflict: a function is no longer as it was read, and nothing was begun.

    """
    saga = make_saga(job)
    place = LedgerLocation(release.key.pk, job.clients.resolve_region(), job.inputs.table)
    locks = [held.lock.release_update(held.lease) for held in held_locks if not held.kept_for_job]
    for held in held_locks:
        held.heartbeat.require()
    _begin(job, saga, place, list(zip(targets, requests, strict=True)), release)
    try:
        ended = saga.resume(release, locks, is_ours=True)
    except KeyboardInterrupt:
        # What is not done within these seconds is done by the post step, or by the next run.
        with suppress(Exception):
            ended = with_timeout(_HURRY, partial(saga.resume, release, locks, is_ours=True))
            if ended.release.stage is Stage.DONE:
                moved(ended)
            if ended.release.stage.is_final:
                raise
        report_cut_off(job, f"moved {release.environment} of {release.names}")
        raise
    if ended.release.stage is not Stage.ROLLED_BACK:
        moved(ended)
    if ended.release.stage.is_final:
        job.state.end(place, release.key.sk)
    if ended.is_by_us:
        for held in held_locks:
            held.is_given_back = not held.kept_for_job
    return ended


def _begin(
    job: Job, saga: Saga, place: LedgerLocation, found: Sequence[tuple[Target, PromotionRequest]], release: Release
) -> None:
    """Begin the release along with the verdicts of ``found``; the post step finishes it if this run does not.

    Raises:
        Conflict: a function is no longer as it was read, and nothing was begun.

    """
    judged = [(target, request) for target, request in found if request.verdict]
    job.state.begin(place, release.key.sk)
    try:
        saga.begin(
            release, [target.ledger.verdict_update(p.candidate, p.plan, p.verdict) for target, p in judged if p.verdict]
        )
    except Conflict:
        job.state.end(place, release.key.sk)
        raise
    except TransactionCancelled as cancelled:
        job.state.end(place, release.key.sk)
        refused = (one for one, is_refused in zip(judged, cancelled.refused, strict=True) if is_refused)
        raise replaced(next(refused)[1].candidate) from cancelled
    except KeyboardInterrupt:
        report_cut_off(job, f"began to move {release.environment} of {release.names}")
        raise


def _tell(moved: Callable[[Outcome], None], decisions: Sequence[Decision], ended: Ended) -> None:
    moved(_outcome(decisions, ended))


def _outcome(decisions: Sequence[Decision], ended: Ended) -> Outcome:
    warnings = []
    if ended.problem and not ended.release.stage.is_final:
        warnings.append(
            f"All aliases have moved, but the record of it failed: {ended.problem} The next run of any of these "
            "functions writes it."
        )
    return Outcome(_result(decisions), tuple(decisions), ended.seconds, tuple(warnings))


def _record_verdicts(targets: Sequence[Target], requests: Sequence[PromotionRequest]) -> None:
    map_and_wait(
        [
            partial(target.ledger.record_verdict, request.candidate, request.plan, request.verdict, None)
            for target, request in zip(targets, requests, strict=True)
            if request.verdict
        ],
        WIDTH,
    )
