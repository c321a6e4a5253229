"""``promote``: promote a version that was tested by the job's own steps, in another environment, or earlier."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.commands import messages
from promote.commands.after_move import after_failure, after_move, keep_moved
from promote.commands.report import report_of
from promote.core.admission import admit_promotion
from promote.core.concurrency import map_and_wait
from promote.core.decision import PromotionRequest, replaced_version, require_not_lower
from promote.core.endpoint import LATEST_ENDPOINT
from promote.core.errors import InputError, RefusedError
from promote.core.promotion import served_version
from promote.core.report import Report
from promote.core.run import Result
from promote.core.verdict import CheckResult, Outcome, Verdict
from promote.core.version import same_content
from promote.inputs.model import Endpoints
from promote.pipeline import promote as pipeline
from promote.pipeline.deploy import Deployed, ensure_active
from promote.pipeline.held_locks import hold_locks, plain_lock
from promote.pipeline.job import Job
from promote.pipeline.order import orders
from promote.pipeline.part import Part, each, is_blocked, record_verdict
from promote.pipeline.prepare import prepare
from promote.pipeline.previews import discard
from promote.pipeline.source import Source, is_replaced, require_unused, sources
from promote.pipeline.target import Target
from promote.pipeline.triggers import with_triggers
from promote.pipeline.verify import verdict_alone, verify


def promote(job: Job) -> Report:
    """Promote the version that the inputs name. It needs a passed verdict, from the ledger or from this run."""
    if job.inputs.parts and not job.inputs.source:
        raise InputError(
            "from",
            "it is missing. Several functions can only be promoted from an environment",
            hint="Set from to the environment that they are promoted from.",
        )
    _require_tested(job)
    with job.phase("read"):
        parts = _parts(prepare(job))
        targets, candidates = [part.target for part in parts], [part.chosen.candidate for part in parts]
        found = with_triggers(targets, lambda: orders(targets, candidates))
        for part in parts:
            target, candidate = part.target, part.chosen.candidate
            if not part.chosen.commit:
                replaced = replaced_version(target.alias, target.served)
                require_not_lower(target.function.name, candidate.version, target.environment, replaced)
    if job.inputs.dry_run:
        report = messages.planned(job, targets, _steps(job, parts), found, candidates)
        if found[0].is_older and job.inputs.version:
            refusal = _older(parts[0], served_version(targets[0].alias))
            return replace(report, headline=f"Dry run: a run would be refused: {refusal}.")
        return report
    if early := messages.refused_early(targets, found):
        return early
    return _release(job, parts)


def _steps(job: Job, parts: Sequence[Part]) -> str:
    """Return what a run would promote, for the report of a dry run."""
    if job.inputs.parts:
        return f"promote what {job.inputs.source} serves"
    return f"promote version {parts[0].chosen.candidate.version}"


def _parts(targets: Sequence[Target]) -> list[Part]:
    """Return each function with the version to promote. Raise an error if one cannot be promoted."""
    parts = [Part.known(target).choosing(source) for target, source in zip(targets, sources(targets), strict=True)]
    map_and_wait([partial(_require_verdict, part.target, part.chosen) for part in parts], CALLS_AT_ONCE)
    for part in parts:
        if part.chosen.deployment:
            require_unused(part.chosen.deployment)
        _require_endpoint(part.target, part.chosen)
    return [replace(part, target=part.target.of_commit(part.chosen.commit)) for part in parts]


def _release(job: Job, parts: Sequence[Part]) -> Report:
    """Verify the versions if the inputs say how, and promote them."""
    map_and_wait([partial(ensure_active, part.target, part.chosen.snapshot) for part in parts], CALLS_AT_ONCE)
    with job.phase("verify") if any(part.target.job.inputs.has_verification for part in parts) else nullcontext():
        parts = each(_verified, parts)
    if is_blocked(parts):
        return _blocked(job, parts)
    with hold_locks(job, [part.target for part in parts], plain_lock, ends="deploy") as held:
        parts = [part.holding(*found) for part, found in zip(parts, held, strict=True)]
        # The alias is read before the version. While it has this RevisionId, the version is unchanged.
        parts = each(_with_alias, parts)
        now = zip(parts, sources([part.target for part in parts]), strict=True)
        parts = map_and_wait([partial(_reread, *found) for found in now], CALLS_AT_ONCE)
        job.keep_certain(report_of(parts, Result.FAILED))
        parts = each(_verified_in_latest, parts)
        outcome = None if is_blocked(parts) else _moved(job, parts)
    if outcome is None:
        return _blocked(job, parts)
    if outcome.result is Result.SUPERSEDED and job.inputs.version:
        raise _older(parts[0], outcome.decisions[0].previous)
    if any(decision.promotion for decision in outcome.decisions):
        _discard_previews(parts)
    return after_move(job, parts, outcome, parts[0].chosen.commit)


def _moved(job: Job, parts: Sequence[Part]) -> pipeline.PromotionOutcome:
    with job.phase("promote"):
        return pipeline.promote(
            job,
            map_and_wait([partial(_requested, part) for part in parts], CALLS_AT_ONCE),
            pipeline.Seen.BEFORE,
            moved=partial(keep_moved, job, parts),
        )


def _with_alias(part: Part) -> Part:
    return part.seeing(part.target.seeing_now())


def _reread(part: Part, now: Source) -> Part:
    """Return what to promote, as read again under the lock (``now``).

    If the environment to promote from serves another version now, that version is promoted, unless this run verified
    the earlier one.

    Raises:
        ConflictError: The inputs no longer name the version that this run verified.

    """
    target, was, is_ = part.target, part.chosen.candidate, now.candidate
    name = target.job.inputs.source
    if is_replaced(target.function.name, name, was, is_, is_verified=part.verdict is not None):
        target.job.say("promote", f"{name} now serves version {is_.version} instead of version {was.version}")
        _require_verdict(target, now)
    ensure_active(target, now.snapshot)
    return replace(part, target=target.of_commit(now.commit)).choosing(now)


def _require_tested(job: Job) -> None:
    """Check that all steps of the job before this one passed, if a candidate of the job is promoted.

    Raises:
        RefusedError: A step failed, the job was cancelled, or the job's status is not known.

    """
    status = job.inputs.job_status
    if not job.inputs.candidate or status == "success":
        return
    if not status:
        raise RefusedError(
            "it is not known whether the job's steps have passed: the input job-status is empty",
            hint="Remove job-status from the step. Its default is ${{ job.status }}.",
        )
    raise RefusedError(
        f"the candidate was not tested: the job's status is {status} (the input job-status)",
        hint="A job promotes only if all steps before this one passed. Correct what failed, remove always() from the "
        "if of this step, and run the whole job again.",
    )


def _require_verdict(target: Target, source: Source) -> None:
    """Check that the version has a passed verdict, unless this job tests it.

    Raises:
        RefusedError: The version has no passed verdict, or has failed since it passed.

    """
    inputs = target.job.inputs
    if source.deployment or inputs.has_verification or inputs.override:
        return
    verdicts = target.ledger.versions.verdicts(source.candidate)
    verdicts.require_passed(target.function.name, source.candidate.version)


def _require_endpoint(target: Target, source: Source) -> None:
    """Check that a candidate in $LATEST has an endpoint, if the inputs need one to verify it.

    Raises:
        InputError: The inputs need an endpoint, and the step that deployed the candidate did not create one.

    """
    inputs, verification = target.job.inputs, target.verification
    if not source.is_in_latest or target.endpoints.known(LATEST_ENDPOINT, target.state.latest):
        return
    # With endpoints: none, a test-command gets no URL, which the user has chosen.
    if verification.needs_url or (verification.needs_endpoint and inputs.endpoints is not Endpoints.NONE):
        raise InputError(
            next(name for name in inputs.verified_by if name in verification.at_endpoint),
            f"the candidate {source.candidate.version} has no endpoint: the step with command: deploy created none",
            hint="Remove endpoints: none from that step, set latest-url here, or verify with invoke.",
        )


def _verified(part: Part) -> Part:
    """Verify the version at a preview endpoint if the inputs say how, and record the verdict at once.

    A candidate in $LATEST is verified later, under the lock.
    """
    target, source, verdict = part.target, part.chosen, None
    if source.is_in_latest:
        return part
    if target.job.inputs.has_verification:
        verdict = verdict_alone(target, source.candidate)
    if source.deployment:
        verdict = _with_steps(target, verdict)
    if verdict is None:
        return part
    # The verdict is valid even if the lock is not acquired.
    return record_verdict(replace(part, verdict=verdict))


def _verified_in_latest(part: Part) -> Part:
    if not part.is_in_latest:
        return part
    part = replace(part, verdict=_verdict_in_latest(part.target, part.chosen))
    return record_verdict(part) if part.is_blocked else part


def _blocked(job: Job, parts: Sequence[Part]) -> Report:
    """Return the report if not all functions passed, with what the environment serves now."""
    return after_failure(job, each(_with_alias, parts), parts[0].chosen.commit)


def _verdict_in_latest(target: Target, source: Source) -> Verdict:
    """Check that $LATEST is still what the job's steps tested, and verify it further if the inputs say how."""
    deployment = source.deployment
    assert deployment is not None  # noqa: S101 - else it would not be in $LATEST
    latest = target.function.read()
    if latest.revision_id != deployment.revision_id or not same_content(latest, source.candidate):
        return Verdict(Outcome.INCONCLUSIVE, (), "$LATEST was changed externally while the job's own steps tested it")
    if not target.job.inputs.has_verification:
        return _with_steps(target, None)
    endpoint = target.endpoints.known(LATEST_ENDPOINT, target.state.latest)
    with target.job.phase("verify"):
        return _with_steps(target, verify(target, Deployed(source.candidate, latest), endpoint).verdict)


def _with_steps(target: Target, further: Verdict | None) -> Verdict:
    """Return the verdict with the job's own steps as a passed check. This step runs only if they passed."""
    name = f"the steps of job {target.job.environ.get('GITHUB_JOB') or 'unknown'}"
    steps = CheckResult(name, "steps", Outcome.PASSED, 0)
    if further is None:
        return Verdict(Outcome.PASSED, (steps,))
    return replace(further, checks=(steps, *further.checks))


def _requested(part: Part) -> pipeline.Requested:
    """Return the request to promote the version, with the verdict of this run or else of the ledger.

    The target has the alias as it was read before the source.

    Raises:
        RefusedError: The version has no passed verdict, and the inputs do not override that.

    """
    target, source, verdict = part.target, part.chosen, part.unrecorded_verdict
    inputs, candidate = target.job.inputs, source.candidate
    verdicts = target.ledger.versions.verdicts(candidate)
    admission = admit_promotion(
        verdicts,
        target.function.name,
        candidate.version,
        override=inputs.override,
        has_passed_now=verdict is not None,
    )
    if verdicts.passed is None:
        target.ledger.versions.record(candidate)
    request = PromotionRequest(
        candidate=candidate,
        commit=source.commit,
        run_id=source.run_id,
        plan=part.plan if verdict else verdicts.plan,
        verdict=verdict,
        token=source.deployment.key if source.deployment else "",
        kind=admission.kind,
        is_verified=admission.is_verified,
        reason=inputs.reason,
        by=target.job.context.actor,
        seen_under=target.alias.revision_id if target.alias else "",
    )
    return pipeline.Requested(target, request, part.held_lock)


def _older(part: Part, served: str) -> RefusedError:
    version, environment = part.chosen.candidate.version, part.target.environment
    return RefusedError(
        f"version {version} is older than what {environment} serves (version {served})",
        hint="To return to an older version, use command: rollback with this version.",
    )


def _discard_previews(parts: Sequence[Part]) -> None:
    """Delete the preview endpoints of the promoted versions. The post step deletes the others of the job."""
    for part in parts:
        if deployment := part.chosen.deployment:
            target = part.target
            made = [found for found in target.state.previews if found.operation == deployment.operation]
            discard(target.job, target.previews, made)
