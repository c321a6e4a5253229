"""An application: several functions that are promoted to one environment as one."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from promote.aws.dynamodb import Cancelled
from promote.core.concurrency import each, within
from promote.core.decision import Decision, Proposal, Standing
from promote.core.errors import ConflictError, PromoteError
from promote.core.promotion import Alias, Kind, Promotion
from promote.core.rolledback import excuses
from promote.core.run import Result, listed
from promote.github.actions.job_state import Place
from promote.pipeline.capacity import require_free
from promote.pipeline.decision import decide, next_sequence
from promote.pipeline.job import Job
from promote.pipeline.locks import Holding
from promote.pipeline.promote import looked_at, report_cut_off, require_proof
from promote.pipeline.promote import rested as wait_until_rested
from promote.pipeline.recover import finish_release, make_saga
from promote.pipeline.saga import WIDTH, Ended, Overtaken, Saga
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
    def standing(self) -> Standing:
        """How the order of commits was decided: by the function that decided it."""
        return next((found for found in self.decisions if found.result is self.result), self.decisions[0]).standing


def promote_all(
    job: Job,
    targets: Sequence[Target],
    holdings: Sequence[Holding],
    proposals: Sequence[Proposal],
    *,
    moved: Callable[[Outcome], None],
) -> Outcome:
    """Move the environment's aliases of all functions as ``proposals`` say, or none; ``holdings`` end with it.

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
        looks = [partial(looked_at, *found) for found in zip(targets, proposals, aliases, strict=True)]
        proposals = each(looks, WIDTH)
        decisions = _decide(targets, proposals, aliases, attempt)
        result = _result(decisions)
        if result in (Result.SUPERSEDED, Result.REFUSED) or not any(found.promotion for found in decisions):
            _record_verdicts(targets, proposals)
            return Outcome(result, decisions)
        each([partial(require_proof, *found) for found in zip(targets, proposals, decisions, strict=True)], WIDTH)
        if _have_waited(targets, proposals, aliases):
            continue  # the aliases have changed since they were read
        release = _release(targets, proposals, aliases, decisions)
        try:
            ended = _carry_out(job, targets, holdings, proposals, release, partial(_tell, moved, decisions))
        except Overtaken:
            job.say("promote", "a function was promoted by somebody else meanwhile: deciding again")
            targets = [finish_release(target) for target in targets]
            continue
        if ended.release.stage is not Stage.REVERTED:
            return _outcome(_with_aliases(decisions, ended), ended)
        proposals = [replace(proposal, verdict=None) for proposal in proposals]  # recorded when it was begun
        if ended.problem and not isinstance(ended.problem, ConflictError):
            raise _turned_back(ended, ended.problem)
        job.say("promote", "all functions are back at what they served: deciding again")
        targets = [finish_release(target) for target in targets]
    raise ConflictError(
        f"the aliases {targets[0].environment} were moved by somebody else each of the {_ATTEMPTS} times that this run "
        "tried",
        hint="See who else moves these aliases (a console, another workflow); then run the job again.",
    )


def _have_waited(targets: Sequence[Target], proposals: Sequence[Proposal], aliases: Sequence[Alias | None]) -> bool:
    """Wait where Lambda moves provisioned concurrency, also of functions that stay; return whether that was needed.

    Raises:
        PromoteError: that takes too long, or has failed; nothing was changed.

    """
    found = list(zip(targets, proposals, aliases, strict=True))
    for target, proposal, alias in found:
        is_back = proposal.kind is Kind.ROLLBACK
        require_free(target.function.name, alias, target.job.inputs, is_back=is_back)
    rested = each([partial(wait_until_rested, *one, stays=True) for one in found], WIDTH)
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
    text += f", save for {listed(ended.strangers)}, moved by somebody else meanwhile" if ended.strangers else ""
    return problem.saying(f"{text}.", "Nothing was promoted. See what the text says, and run the job again.")


def _read(targets: Sequence[Target]) -> tuple[list[Target], Sequence[Alias | None]]:
    """Read the aliases, and finish the record of what was moved without being recorded.

    Raises:
        Pending: a function is part of a release that is to be finished first.

    """
    known = each([partial(_seen, target) for target in targets], WIDTH)
    return known, [target.alias for target in known]


def _seen(target: Target) -> Target:
    target = target.seeing(target.function.alias(target.environment))
    moved = target.alias.promotion if target.alias else None
    if moved and moved.sequence > target.served.sequence:
        return target.with_served(target.ledger.finish(target.environment, moved, target.served))
    return target


def _decide(
    targets: Sequence[Target], proposals: Sequence[Proposal], aliases: Sequence[Alias | None], attempt: int
) -> tuple[Decision, ...]:
    sequence = attempt + max(map(next_sequence, targets, aliases))
    found = zip(targets, proposals, strict=True)
    excused = excuses([(target.served.rolled_back, proposal.candidate) for target, proposal in found])
    return tuple(
        decide(target, proposal, alias, sequence, excused)
        for target, proposal, alias in zip(targets, proposals, aliases, strict=True)
    )


def _result(decisions: Sequence[Decision]) -> Result:
    """Give that of the whole: one function that has something newer, or other, holds all back."""
    results = [decision.result for decision in decisions]
    order = (Result.SUPERSEDED, Result.REFUSED, Result.PROMOTED, Result.ROLLED_BACK)
    return next((result for result in order if result in results), Result.UNCHANGED)


def _release(
    targets: Sequence[Target],
    proposals: Sequence[Proposal],
    aliases: Sequence[Alias | None],
    decisions: Sequence[Decision],
) -> Release:
    sequence = next(found.promotion.sequence for found in decisions if found.promotion)
    parts = []
    for target, proposal, alias, decision in zip(targets, proposals, aliases, decisions, strict=True):
        promotion = decision.promotion or _staying(target, proposal, sequence)
        parts.append(
            Part(
                arn=target.ledger.arn,
                promotion=promotion,
                candidate=proposal.candidate,
                plan=proposal.plan,
                sequence=target.served.sequence,
                before=alias,
                since=target.served.promoted,
            )
        )
    key = release_key([part.arn for part in parts], targets[0].environment, parts[0].promotion.identity)
    run = targets[0].job.run
    origin = targets[0].job.origin
    return Release(key, targets[0].environment, tuple(parts), run.run_id, run.url, origin)


def _staying(target: Target, proposal: Proposal, sequence: int) -> Promotion:
    """Give what is recorded of a function that is not moved, and keeps the commit that it has or goes back to."""
    run, served = target.job.run, target.served
    is_back = proposal.kind is Kind.ROLLBACK
    return Promotion(
        environment=target.environment,
        version=proposal.candidate.version,
        previous=None,
        commit=proposal.commit if is_back else served.commit,
        run_id=proposal.run_id if is_back else served.run_id,
        attempt=1,
        sequence=sequence,
        operation=run.operation,  # and of no other kind: a Description that says kept tells of none
    )


def _carry_out(  # noqa: PLR0913, PLR0917 - all that takes part
    job: Job,
    targets: Sequence[Target],
    holdings: Sequence[Holding],
    proposals: Sequence[Proposal],
    release: Release,
    moved: Callable[[Ended], None],
) -> Ended:
    """Begin the release along with the verdicts, and bring it to its end; ``moved`` hears of it when all has moved.

    Raises:
        Overtaken: a function is no longer as it was read, and nothing was begun.

    """
    saga = make_saga(job)
    place = Place(release.key.pk, job.clients.resolve_region(), job.inputs.table)
    locks = [held.lock.giving_back(held.lease) for held in holdings if not held.stays]
    for held in holdings:
        held.heartbeat.require()
    _begin(job, saga, place, list(zip(targets, proposals, strict=True)), release)
    try:
        ended = saga.settle(release, locks, is_ours=True)
    except KeyboardInterrupt:
        # What is not done within these seconds is done by the post step, or by the next run.
        with suppress(Exception):
            ended = within(_HURRY, partial(saga.settle, release, locks, is_ours=True))
            if ended.release.stage is Stage.DONE:
                moved(ended)
            if ended.release.stage.is_final:
                raise
        report_cut_off(job, f"moved {release.environment} of {release.names}")
        raise
    if ended.release.stage is not Stage.REVERTED:
        moved(ended)
    if ended.release.stage.is_final:
        job.steps.end(place, release.key.sk)
    if ended.is_by_us:
        for held in holdings:
            held.is_given_back = not held.stays
    return ended


def _begin(job: Job, saga: Saga, place: Place, found: Sequence[tuple[Target, Proposal]], release: Release) -> None:
    """Begin the release along with the verdicts of ``found``; the post step finishes it if this run does not.

    Raises:
        Overtaken: a function is no longer as it was read, and nothing was begun.

    """
    judged = [(target, proposal) for target, proposal in found if proposal.verdict]
    job.steps.begin(place, release.key.sk)
    try:
        saga.begin(
            release, [target.ledger.judging(p.candidate, p.plan, p.verdict) for target, p in judged if p.verdict]
        )
    except Overtaken:
        job.steps.end(place, release.key.sk)
        raise
    except Cancelled as cancelled:
        job.steps.end(place, release.key.sk)
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


def _record_verdicts(targets: Sequence[Target], proposals: Sequence[Proposal]) -> None:
    each(
        [
            partial(target.ledger.record_verdict, proposal.candidate, proposal.plan, proposal.verdict, None)
            for target, proposal in zip(targets, proposals, strict=True)
            if proposal.verdict
        ],
        WIDTH,
    )
