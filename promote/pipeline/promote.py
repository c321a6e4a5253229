"""Move the environment's alias to the candidate, and record that."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from promote.aws.confirmation import unconfirmed_move
from promote.aws.errors import to_promote_error
from promote.aws.lambda_aliases import Moved, Pointed
from promote.aws.lambda_function import not_as_it_was
from promote.core.concurrency import with_timeout
from promote.core.decision import Decision, PromotionRequest
from promote.core.errors import ConflictError, RefusedError, UnconfirmedError
from promote.core.promotion import Alias, Kind, Promotion
from promote.core.traffic import Split
from promote.core.verdict import Verdict
from promote.core.version import Candidate, same_content
from promote.pipeline.capacity import settled
from promote.pipeline.decision import ATTEMPTS, decide
from promote.pipeline.deploy import awake
from promote.pipeline.job import Job
from promote.pipeline.locks import HeldLock
from promote.pipeline.recover import finish_release
from promote.pipeline.target import Target
from promote.state.ledger import Pending
from promote.state.records import Judged

_HURRY = 1.5
"""Seconds for each of the last calls of a run that was interrupted."""


def looked_at(target: Target, request: PromotionRequest, alias: Alias | None) -> PromotionRequest:
    """See that the proposed version still is what was verified, and can serve; ``alias`` was just read.

    If a function is deleted and created again, its versions start at 1 again. The alias is deleted with it, so that an
    alias with the RevisionId from before the version was read proves the version. Otherwise the version is read again.

    Raises:
        ConflictError: it is not what was verified.
        FunctionError: it is Inactive and cannot be woken.

    """
    if alias is not None and alias.revision_id == request.seen_under:
        return request
    version = target.function.find(request.candidate.version)
    if version is None or not same_content(version, request.candidate):
        raise not_as_it_was(target.function.name, request.candidate.version, is_gone=version is None)
    awake(target, version)
    return replace(request, seen_under=alias.revision_id if alias else "")


def promote(  # noqa: PLR0913 - what is promoted, and what is known of it
    target: Target,
    held_lock: HeldLock | None,
    request: PromotionRequest,
    alias: Alias | None,
    moved: Callable[[Decision], None],
    *,
    is_fresh: bool = True,
) -> Decision:
    """Move the environment's alias, as it was read, as ``request`` says; ``held_lock`` is released with its record.

    If the alias was not just read (``is_fresh``), it is read again before the decision to leave it as it is.
    ``moved`` hears of it at once. From then on nothing that goes wrong makes this fail: a record that cannot be written
    is left to the next run.

    Raises:
        ConflictError: somebody else keeps moving the alias, or the version is not what was verified.
        FunctionError: Lambda refuses the move.
        UnconfirmedError: the alias may have moved, or may still move.

    """
    verdict = request.verdict
    for _ in range(ATTEMPTS):
        target = target.seeing(alias)
        request = looked_at(target, request, alias)
        if (now := rested(target, request, alias)) is not alias:
            alias, is_fresh = now, True
            continue
        try:
            target, decision = _intended(target, request, alias, verdict)
        except Pending:
            target = finish_release(target)
            alias, is_fresh = target.alias, True
            continue
        verdict = None
        if decision.promotion is None:
            if is_fresh:
                return decision
            alias, is_fresh = target.function.alias(target.environment), True
            continue
        try:
            pointed = _move(target, alias, decision.promotion)
            decision = replace(decision, alias=pointed.alias)
            if pointed.moved is Moved.UNKNOWN:
                text = f"Somebody else has moved {target.environment} on since then: see what it serves now."
                decision = replace(decision, warnings=(*decision.warnings, text))
            if pointed.moved is not Moved.NO:
                moved(decision)
                return _recorded(target, held_lock, request, decision)
        except KeyboardInterrupt:
            _reconcile(target, held_lock, request, decision, moved)
            raise
        target.job.say("promote", f"{target.environment} was moved by somebody else meanwhile: deciding again")
        alias, is_fresh = target.function.alias(target.environment), True
    raise ConflictError(
        f"the alias {target.environment} was moved by somebody else each of the {ATTEMPTS} times that this run tried",
        hint="See who else moves this alias (a console, another workflow); then run the job again.",
    )


def _intended(
    target: Target, request: PromotionRequest, alias: Alias | None, verdict: Verdict | None
) -> tuple[Target, Decision]:
    """Decide, and record the verdict and the intent; a move that nobody has recorded yet is recorded before.

    Raises:
        Pending: the function is part of an unfinished release, or of another promotion since the ledger was read.

    """
    if alias and alias.promotion and alias.promotion.sequence > target.served.sequence:
        target = target.with_served(target.ledger.finish(target.environment, alias.promotion, target.served))
    decision = decide(target, request, alias)
    require_proof(target, request, decision)
    if verdict or decision.promotion:
        target.ledger.record_verdict(
            request.candidate,
            request.plan,
            verdict,
            decision.promotion,
            token=request.token,
            known=target.served.intent,
        )
    return target, decision


def require_proof(target: Target, request: PromotionRequest, decision: Decision) -> None:
    """Read again whether what is moved has passed, if the ledger alone says so.

    Raises:
        RefusedError: it has not, or it has failed since then.

    """
    is_moved = decision.promotion is not None and decision.promotion.previous is not None
    if is_moved and request.verdict is None and request.is_proven and request.kind is Kind.PROMOTION:
        require_passed(target, request.candidate, target.ledger.judged(request.candidate))


def require_passed(target: Target, candidate: Candidate, judged: Judged) -> None:
    """Refuse a version that has not passed, or has failed since it passed.

    Raises:
        RefusedError: it is such a version.

    """
    if judged.proof is None:
        raise RefusedError(
            f"version {candidate.version} of {target.function.name} has no passed verdict",
            hint="Verify it here (checks, tests, test-command or invoke); or promote it unproven with override: true "
            "and a reason, which is recorded.",
        )
    if judged.failure is not None:
        at, run_id = str(judged.failure.get("at", ""))[:10], judged.failure.get("run_id")
        raise RefusedError(
            f"version {candidate.version} of {target.function.name} has passed, but failed verification since then "
            f"({at}, run {run_id}): {judged.failure.get('reason')}",
            hint="Verify it again here (checks, tests, test-command or invoke); or promote it with override: true and "
            "a reason, which is recorded.",
        )


def rested(target: Target, request: PromotionRequest, alias: Alias | None, *, stays: bool = False) -> Alias | None:
    """Return the alias as it is when Lambda does not move provisioned concurrency any more.

    A rollback does not wait, and neither does an override, nor what changes nothing of the alias. With ``stays``, the
    alias is written though it stays where it is.

    Raises:
        FunctionError: that takes too long; nothing was changed.

    """
    is_waited_for = request.kind is not Kind.ROLLBACK and not target.job.inputs.override
    if alias is None or alias.split is not Split.CAPACITY or not is_waited_for:
        return alias
    if not stays and decide(target, request, alias).promotion is None:
        return alias
    return settled(target.job, target.function, alias)


def _move(target: Target, alias: Alias | None, promotion: Promotion) -> Pointed:
    """Move the alias; UNKNOWN: it took effect, and somebody else has moved the alias on since then.

    Whoever does that records our move before, so the ledger tells what the alias does not show any more.

    Raises:
        UnconfirmedError: the alias may have moved, or may still move.

    """
    unseen: UnconfirmedError | None = None
    try:
        pointed = target.function.move_alias(alias, promotion)
    except UnconfirmedError as error:
        pointed, unseen = Pointed(Moved.UNKNOWN), error
    if pointed.moved is not Moved.UNKNOWN:
        return pointed
    try:
        is_recorded = target.ledger.has_recorded(promotion)
    except Exception as error:
        name = f"{target.environment} of {target.function.name}"
        raise unseen or unconfirmed_move(name, promotion.version, error) from error
    if unseen and not is_recorded:
        raise unseen
    return Pointed(Moved.UNKNOWN if is_recorded else Moved.NO)


def _reconcile(
    target: Target,
    held_lock: HeldLock | None,
    request: PromotionRequest,
    decision: Decision,
    moved: Callable[[Decision], None],
) -> None:
    """Find out what became of a move that an interrupt has cut off and, if it took effect, record it.

    What does not get done in the few seconds that are left is done by the next run: the intent is in the ledger.
    """
    with suppress(Exception):
        alias = with_timeout(_HURRY, lambda: target.function.alias(target.environment))
        if alias is not None and alias.promotion == decision.promotion:
            moved(decision)
            with_timeout(_HURRY, lambda: _recorded(target, held_lock, request, decision))
            return
    name = f"{target.environment} of {target.function.name}"
    report_cut_off(target.job, f"moved {name} to version {request.candidate.version}")


def report_cut_off(job: Job, what: str) -> None:
    """Report that the run was cancelled while it did ``what``, which may have taken effect, or may still do so."""
    reports = job.reports
    if reports and not reports[-1].result.is_success:
        text = (
            f"The run was cancelled while it {what}. The alias may have moved, or may still move. See what it serves "
            "with command: status. The next run finds out, and finishes the record."
        )
        reports.append(replace(reports[-1], may_have_moved=True, warnings=(*reports[-1].warnings, text)))


def _recorded(target: Target, held_lock: HeldLock | None, request: PromotionRequest, decision: Decision) -> Decision:
    assert decision.promotion is not None  # noqa: S101 - the caller has just made it
    release = held_lock.lock.release_update(held_lock.lease) if held_lock and not held_lock.kept_for_job else None
    record = partial(
        target.ledger.record_promotion,
        decision.promotion,
        request.candidate,
        request.plan,
        token=request.token,
        release=release,
    )
    try:
        _write(target, record)
    except Exception as error:  # noqa: BLE001 - the alias has moved, whatever the table says
        text = f"The alias has moved, but the record of it failed: {to_promote_error(error)} The next run writes it."
        return replace(decision, warnings=(*decision.warnings, text))
    if held_lock:
        held_lock.is_given_back = True
    return decision


def _write(target: Target, record: Callable[[], None]) -> None:
    """Write the record of a move; a release of several functions that is in its way is brought to its end first.

    Raises:
        ConflictError: other runs have begun a release each time.

    """
    for _ in range(ATTEMPTS):
        try:
            record()
        except Pending:
            finish_release(target)
        else:
            return
    raise ConflictError(
        f"{target.function.name} was part of another release each of the {ATTEMPTS} times that it was written",
        hint="Run the jobs that release this function one after the other.",
    )
