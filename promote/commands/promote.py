"""``promote``: promote what was proven elsewhere: by the job's own steps, in another environment, or earlier."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from promote.aws.lambda_function import not_as_it_was
from promote.commands import application_messages, messages
from promote.core.concurrency import map_and_wait
from promote.core.decision import Decision, PromotionRequest
from promote.core.endpoint import LATEST_ENDPOINT
from promote.core.errors import ConflictError, InputError, RefusedError
from promote.core.promotion import Kind
from promote.core.report import Report
from promote.core.run import Result
from promote.core.verdict import CheckResult, Outcome, Verdict
from promote.core.version import Candidate, Snapshot, same_content
from promote.inputs.model import Endpoints, Isolation
from promote.pipeline.application import promote_all
from promote.pipeline.decision import require_not_lower
from promote.pipeline.deploy import Deployed, awake
from promote.pipeline.job import Job
from promote.pipeline.locks import make_lock
from promote.pipeline.order import ordered, orders
from promote.pipeline.prepare import hold_lock, hold_locks, prepare, prepare_all, require_all
from promote.pipeline.previews import discard
from promote.pipeline.promote import promote as promote_one
from promote.pipeline.promote import require_passed
from promote.pipeline.recover import finish
from promote.pipeline.retention import retain, retain_all
from promote.pipeline.saga import WIDTH
from promote.pipeline.target import Target
from promote.pipeline.verify import verdict_alone, verify
from promote.state.ledger import claimed
from promote.state.records import Deployment
from promote.state.served_history import deletion_note

_LOOKS = 5
"""Times that the environment to promote from is read until no release is made there meanwhile."""


@dataclass(frozen=True)
class Source:
    """What is to be promoted."""

    snapshot: Snapshot
    """The version as Lambda has it."""
    commit: str
    run_id: int
    """The run that has built it; 0: not known."""
    deployment: Deployment | None = None
    """Where the job's own steps have tested it."""

    @property
    def candidate(self) -> Candidate:
        """The version by its digests."""
        return self.snapshot.candidate

    @property
    def is_in_latest(self) -> bool:
        """Whether it was tested at the endpoint of $LATEST, which must not have changed since."""
        return self.deployment is not None and self.deployment.isolation == Isolation.LATEST


def promote(job: Job) -> Report:
    """Point the environment at the source's version, with the verdict that it has or gets."""
    if job.inputs.parts:
        return _promote_all(job)
    _require_tested(job)
    with job.phase("read"):
        target = prepare(job)
        require_all(job, (target,))  # it may be what is left of several
        [source] = _sources((target,))
        _require_proof(target, source)
        _require_endpoint(target, source)
        target = target.of_commit(source.commit)
        order = ordered(target, source.commit, source.candidate)
        require_not_lower(target, source.commit, source.candidate, target.served.version)
    if job.inputs.dry_run:
        report = messages.planned(target, f"promote version {source.candidate.version}", order)
        if order.is_older and job.inputs.version:
            return replace(
                report, headline=f"Dry run: a run would be refused: {_older(target, source, target.served.version)}."
            )
        return report
    if early := messages.refused_early(target, order):
        return early
    report, commit = _release(target, source)
    return retain(target, messages.announced(target, report, commit))


def _promote_all(job: Job) -> Report:
    """Promote the release that another environment serves: what all functions serve there, or nothing."""
    if not job.inputs.source:
        raise InputError(
            "from",
            "it is missing, and of several functions only what an environment serves can be promoted",
            hint="Name the environment that comes before this one.",
        )
    with job.phase("read"):
        targets = prepare_all(job)
        sources = _sources(targets)
        map_and_wait([partial(_require_proof, *found) for found in zip(targets, sources, strict=True)], WIDTH)
        targets = tuple(target.of_commit(source.commit) for target, source in zip(targets, sources, strict=True))
        found = orders(targets, [source.candidate for source in sources])
    if job.inputs.dry_run:
        return application_messages.planned(job, targets, f"promote what {job.inputs.source} serves", found)
    if early := application_messages.refused_early(job, targets, found):
        return early
    report, commit = _release_all(job, targets, sources)
    return retain_all(job, targets, application_messages.announced(job, targets, report, commit))


def _sources(targets: Sequence[Target]) -> list[Source]:
    """Find what is to be promoted; of an environment, what the functions serve there as one.

    A release that is being made there while they are read would give some functions as they were before it, and others
    as they are after it: the ledger, read afterwards, tells. It may still be rolled back, so it is finished first.

    Raises:
        ConflictError: it does not come to rest.

    """
    job, name = targets[0].job, targets[0].job.inputs.source
    for _ in range(_LOOKS):
        sources = map_and_wait([partial(_source, target) for target in targets], WIDTH)
        if not name:
            return sources
        states = map_and_wait([target.ledger.read for target in targets], WIDTH)
        if pending := next(filter(None, (state.served(name).pending for state in states)), None):
            if job.inputs.dry_run:
                job.workflow.warn(f"{name} has an unfinished release. A run would finish it first.", title="Dry run")
                return sources
            finish(job, pending)
            continue
        served = [state.served(name).version for state in states]
        found = zip(sources, served, strict=True)
        if len(targets) == 1 or all(source.candidate.version == version for source, version in found):
            return sources
    raise ConflictError(
        f"{name} of {targets[0].job.inputs.names} is not what the ledger says: somebody else moves its aliases",
        hint=f"Run a release to {name}, and promote from it then.",
    )


def _release_all(job: Job, targets: Sequence[Target], sources: Sequence[Source]) -> tuple[Report, str]:
    """Promote the sources; give the report and the commit that was promoted, or was to be."""
    map_and_wait([partial(awake, target, one.snapshot) for target, one in zip(targets, sources, strict=True)], WIDTH)
    with job.phase("verify"):
        verdicts = map_and_wait([partial(_verdict, *found) for found in zip(targets, sources, strict=True)], WIDTH)
    reports = _begun(targets, sources, verdicts)
    # They are true whether or not the locks are had.
    found = zip(targets, sources, verdicts, strict=True)
    map_and_wait([partial(_record, target, source, verdict) for target, source, verdict in found if verdict], WIDTH)
    if any(verdict and not verdict.passed for verdict in verdicts):
        return application_messages.blocked(job, reports), sources[0].commit
    locks = {target.ledger.arn: make_lock(target.job, target.ledger.arn, may_give_way=False) for target in targets}
    with hold_locks(job, targets, lambda target: locks[target.ledger.arn]) as held:
        now = [target for target, _ in held]
        sources = _looked_at_all(now, sources, verdicts)
        now = [target.of_commit(source.commit) for target, source in zip(now, sources, strict=True)]
        begun = zip(_begun(now, sources, verdicts), held, strict=True)
        reports = [replace(report, lock_wait=held_lock.lease.waited) for report, (_, held_lock) in begun]
        requests = map_and_wait([partial(_request, *pair, None) for pair in zip(now, sources, strict=True)], WIDTH)
        with job.phase("promote"):
            outcome = promote_all(
                job,
                now,
                [held_lock for _, held_lock in held],
                requests,
                moved=lambda outcome: job.reports.append(
                    application_messages.promoted(job, application_messages.moved(now, reports, outcome), outcome)
                ),
            )
    return application_messages.decided(job, now, reports, outcome), sources[0].commit


def _begun(targets: Sequence[Target], sources: Sequence[Source], verdicts: Sequence[Verdict | None]) -> list[Report]:
    """Say of each function what is certain before the move."""
    return [
        Report(
            Result.FAILED,
            candidate=source.candidate,
            deployed=source.snapshot,
            previous=target.served.version,
            verdict=verdict,
            latest=target.endpoints.known(LATEST_ENDPOINT, target.state.latest),
            environment=target.endpoints.known(target.environment, target.served.gateway),
        )
        for target, source, verdict in zip(targets, sources, verdicts, strict=True)
    ]


def _release(target: Target, source: Source) -> tuple[Report, str]:
    """Promote the source; give the report and the commit that was promoted, or was to be."""
    lock = make_lock(target.job, target.ledger.arn, may_give_way=False)
    verdict = None
    awake(target, source.snapshot)
    if not source.is_in_latest:
        verdict = _verdict(target, source)
        if verdict and not verdict.passed:
            return _blocked(target, source, verdict), source.commit
        if verdict:
            # Recorded at once: it is true whether or not the lock is had.
            _record(target, source, verdict)
    with hold_lock(target, lock, ends="deploy") as (then, held):
        # The alias is read before the version, so that its RevisionId proves the version until the move.
        now = then.seeing(then.function.alias(then.environment))
        source = _looked_at(now, source, _sources((now,))[0], verdict)
        now = now.of_commit(source.commit)
        report = messages.begun(now, held)
        report = replace(report, candidate=source.candidate, deployed=source.snapshot, verdict=verdict)
        now.job.reports.append(report)
        if source.is_in_latest:
            verdict = _verdict_in_latest(now, source)
            report = replace(report, verdict=verdict)
            if not verdict.passed:
                return _blocked(now, source, verdict), source.commit
        with now.job.phase("promote"):
            decision = promote_one(
                now,
                held,
                _request(now, source, verdict if source.is_in_latest else None),
                now.alias,
                moved=lambda decision: now.job.reports.append(messages.promoted(now, report, decision)),
                is_fresh=False,
            )
    return _ended(now, source, report, decision), source.commit


def _source(target: Target) -> Source:
    """Find what the inputs name, and the commit that it was built from: that of its record, else the input ``commit``.

    Raises:
        InputError: the record names another commit than the input does.
        RefusedError: it does not exist, or is not what it says it is.

    """
    source, given = _found(target), target.job.inputs.commit
    if given and source.commit and source.commit != given:
        raise InputError(
            "commit",
            f"it is {given[:10]}, and version {source.candidate.version} was built from {source.commit[:10]}",
            hint="Remove the input commit: the record names the commit.",
        )
    return replace(source, commit=source.commit or given)


def _found(target: Target) -> Source:
    inputs = target.job.inputs
    if inputs.candidate:
        return _deployed(target)
    if inputs.source:
        alias = target.function.alias(inputs.source)
        if alias is None:
            raise RefusedError(
                f"the environment {inputs.source} of {target.function.name} serves nothing that could be promoted",
                hint="Promote to it first, or correct the input from.",
            )
        if alias.follows_latest:
            raise RefusedError(
                f"the environment {inputs.source} of {target.function.name} follows $LATEST, so no version of "
                "it can be promoted",
                hint=f"Promote to {inputs.source} with command: run first, which points the alias at a version.",
            )
        snapshot = _existing(target, alias.version)
        move = None if alias.is_moved_by_others else alias.promotion
        served = target.state.served(inputs.source)
        if move and served.version == alias.version and served.sequence > move.sequence:
            # It has stayed as it was in a later release, of which its alias says nothing.
            return Source(snapshot, served.commit, served.run_id)
        return Source(snapshot, move.commit, move.run_id) if move else _recorded(target, snapshot)
    return _recorded(target, _existing(target, inputs.version))


def _looked_at(target: Target, source: Source, now: Source, verdict: Verdict | None) -> Source:
    """Give the source as it is ``now``, under the lock; ``verdict`` is what was found of it before.

    If the environment to promote from serves another version by then, that one is promoted, unless the other was
    verified for it.

    Raises:
        ConflictError: what was verified is not what the inputs name any more.

    """
    was, is_ = source.candidate, now.candidate
    if was == is_:
        awake(target, now.snapshot)
        return now
    if was.version == is_.version:
        raise not_as_it_was(target.function.name, was.version, is_gone=False)
    name = target.job.inputs.source
    if verdict is not None:
        raise ConflictError(
            f"{name} of {target.function.name} was moved from version {was.version} to version {is_.version} while "
            f"this run verified version {was.version}",
            hint="Run the job again. It verifies and promotes what the environment serves then.",
        )
    target.job.say("promote", f"{name} serves version {is_.version} by now, and no longer version {was.version}")
    _require_proof(target, now)
    awake(target, now.snapshot)
    return now


def _looked_at_all(
    targets: Sequence[Target], sources: Sequence[Source], verdicts: Sequence[Verdict | None]
) -> list[Source]:
    """Give the sources as they are now, under the locks; errors as of ``_looked_at``."""
    found = list(zip(targets, sources, _sources(targets), verdicts, strict=True))
    return map_and_wait([partial(_looked_at, *one) for one in found], WIDTH)


def _existing(target: Target, version: str) -> Snapshot:
    snapshot = target.function.find(version) if version.isdecimal() else None
    if snapshot is None:
        raise RefusedError(
            f"version {version} of {target.function.name} {deletion_note(target.ledger, version) or 'does not exist'}",
            hint="See with command: status which versions were promoted; deleted ones are gone.",
        )
    return snapshot


def _recorded(target: Target, snapshot: Snapshot) -> Source:
    record = target.ledger.version(snapshot.version)
    return Source(snapshot, str(record.get("commit", "")), int(record.get("run_id", 0)))


def _deployed(target: Target) -> Source:
    """Look the candidate up: its record is what makes it more than a number that anybody could write."""
    version, digest, operation = target.job.inputs.candidate.split("@")
    found = target.ledger.deployment(version, operation)
    name, run = target.function.name, target.job.run
    if found is None or found.candidate.code_sha256 != digest:
        raise RefusedError(
            f"the candidate {target.job.inputs.candidate} is none that command: deploy has made for {name}",
            hint="Pass on the output candidate of the deploy step of this run, for the same function and table.",
        )
    if found.run_id != run.run_id:
        raise RefusedError(
            f"the candidate is of run {found.run_id}, and only that run's own steps have tested it",
            hint="Deploy again in this run; or promote with from or version what has a verdict.",
        )
    if (found.job, found.attempt) != (target.job.name, run.attempt):
        raise RefusedError(
            f"the candidate is of job {found.job or 'unknown'}, attempt {found.attempt}, and only that job's own steps "
            "have tested it",
            hint="Deploy, test and promote in one job, or re-run that whole job; or promote with from or version.",
        )
    if found.job_number != target.job.state.job:
        raise RefusedError(
            f"the candidate is of another job with the name {found.job or 'unknown'}, and only that job's own steps "
            "have tested it",
            hint="Jobs of a matrix and calls of one reusable workflow share a name. Deploy, test and promote in one "
            "job; or promote with from or version. If it is one job, leave RUNNER_TEMP as it is between the steps: the "
            "action recognizes its job by a file there.",
        )
    if found.used:
        raise RefusedError(
            "the candidate was promoted already, and counts once",
            hint="Promote it to a further environment with from.",
        )
    ours = (target.environment, run.run_id, run.attempt)
    if found.claim and (found.claim.environment, found.claim.run_id, found.claim.attempt) != ours:
        raise claimed(found.claim)
    snapshot = target.function.find(version)
    if snapshot is None or not same_content(snapshot, found.candidate):
        raise RefusedError(
            f"version {version} of {name} is no longer what was deployed",
            hint="Was the function deleted and made anew? Deploy again.",
        )
    return Source(snapshot, found.commit, found.run_id, found)


def _require_tested(job: Job) -> None:
    """Refuse a candidate after a step of the job that has not passed.

    Raises:
        RefusedError: a step has failed, the job was cancelled, or it is not known.

    """
    status = job.inputs.job_status
    if not job.inputs.candidate or status == "success":
        return
    if not status:
        raise RefusedError(
            "it is not known whether the job's steps have passed: the input job-status does not say so",
            hint="Remove job-status from the step: its default, ${{ job.status }}, says so.",
        )
    raise RefusedError(
        f"the candidate was not tested: the job's status is {status} (the input job-status)",
        hint="A job promotes only if all of its steps before have passed. Correct what has failed, remove always() "
        "from the if of this step, and run the whole job again.",
    )


def _require_proof(target: Target, source: Source) -> None:
    """Refuse a version that nothing has proven, and nothing is going to.

    Raises:
        RefusedError: it is one.

    """
    inputs = target.job.inputs
    if source.deployment or inputs.has_verification or inputs.override:
        return
    require_passed(target, source.candidate, target.ledger.judged(source.candidate))


def _require_endpoint(target: Target, source: Source) -> None:
    """Refuse to verify a candidate in $LATEST through an endpoint if the step that deployed it has made none.

    Raises:
        InputError: there is no endpoint, and the inputs need one.

    """
    inputs, verification = target.job.inputs, target.verification
    if not source.is_in_latest or target.endpoints.known(LATEST_ENDPOINT, target.state.latest):
        return
    # With endpoints: none, a test-command knows that it gets no URL.
    if verification.needs_url or (verification.needs_endpoint and inputs.endpoints is Endpoints.HTTP):
        name = "checks" if inputs.checks else "tests" if inputs.tests else "test-command"
        raise InputError(
            name,
            f"the candidate {source.candidate.version} has no endpoint: the step with command: deploy made none",
            hint="Remove endpoints: none from that step, give latest-url here, or verify with invoke.",
        )


def _verdict(target: Target, source: Source) -> Verdict | None:
    """Verify at an endpoint of the version's own, where the inputs say how; None: it has its verdict already."""
    found = None
    if target.job.inputs.has_verification:
        with target.job.phase("verify"):
            found = verdict_alone(target, source.candidate)
    return _with_steps(target, found) if source.deployment else found


def _verdict_in_latest(target: Target, source: Source) -> Verdict:
    """See that $LATEST still is what the job's steps have tested, and verify it further where the inputs say how."""
    deployment = source.deployment
    assert deployment is not None  # noqa: S101 - else it would not be in $LATEST
    latest = target.function.read()
    if latest.revision_id != deployment.revision_id or not same_content(latest, source.candidate):
        return Verdict(Outcome.INCONCLUSIVE, (), "somebody else changed $LATEST while the job's own steps tested it")
    if not target.job.inputs.has_verification:
        return _with_steps(target, None)
    endpoint = target.endpoints.known("latest", target.state.latest)
    with target.job.phase("verify"):
        return _with_steps(target, verify(target, Deployed(source.candidate, latest), endpoint).verdict)


def _with_steps(target: Target, further: Verdict | None) -> Verdict:
    """Add what the job's own steps have found: this step is reached only if they passed."""
    name = f"the steps of job {target.job.environ.get('GITHUB_JOB') or 'unknown'}"
    steps = CheckResult(name, "steps", Outcome.PASSED, 0)
    if further is None:
        return Verdict(Outcome.PASSED, (steps,))
    return replace(further, checks=(steps, *further.checks))


def _record(target: Target, source: Source, verdict: Verdict) -> None:
    target.ledger.record_candidate(source.candidate)
    target.ledger.record_verdict(source.candidate, _plan(target, source), verdict, None)


def _plan(target: Target, source: Source) -> str:
    """Digest what the source is verified by: the inputs, or else the job's own steps."""
    if source.deployment and not target.job.inputs.has_verification:
        return hashlib.sha256(f"steps {source.deployment.operation}".encode()).hexdigest()
    return target.plan


def _request(target: Target, source: Source, verdict: Verdict | None) -> PromotionRequest:
    """Propose the version with ``verdict``, or with the proof that the ledger has of it, as both are by now.

    ``target`` has the alias as it was read before the source.

    Raises:
        RefusedError: it has none, and nobody has overridden that.

    """
    inputs, candidate = target.job.inputs, source.candidate
    judged = target.ledger.judged(candidate)
    proof = judged.proof
    is_proven = bool(verdict or (proof and not judged.failure))
    if not is_proven and not inputs.override:
        require_passed(target, candidate, judged)
    if not proof:
        target.ledger.record_candidate(candidate)
    return PromotionRequest(
        candidate=candidate,
        commit=source.commit,
        run_id=source.run_id,
        plan=_plan(target, source) if verdict else str((proof or {}).get("plan", "")),
        verdict=verdict,
        token=source.deployment.key if source.deployment else "",
        kind=Kind.PROMOTION if is_proven else Kind.OVERRIDE,
        is_proven=is_proven,
        reason=inputs.reason,
        by=target.job.context.actor,
        seen_under=target.alias.revision_id if target.alias else "",
    )


def _blocked(target: Target, source: Source, verdict: Verdict) -> Report:
    _record(target, source, verdict)
    alias = target.function.alias(target.environment)
    report = Report(
        Result.BLOCKED,
        candidate=source.candidate,
        previous=alias.version if alias else "",
        verdict=verdict,
        environment=target.endpoints.known(target.environment, target.served.gateway),
    )
    return messages.blocked(target, report, verdict)


def _older(target: Target, source: Source, served: str) -> RefusedError:
    return RefusedError(
        f"version {source.candidate.version} is older than what {target.environment} serves (version {served})",
        hint="Going back is a command of its own: command: rollback with this version.",
    )


def _ended(target: Target, source: Source, report: Report, decision: Decision) -> Report:
    if decision.result is Result.SUPERSEDED and target.job.inputs.version:
        raise _older(target, source, decision.previous)
    if source.deployment and decision.promotion:
        operation = source.deployment.operation
        # What the job has besides is left to the post step.
        discard(
            target.job,
            target.previews,
            [preview for preview in target.state.previews if preview.operation == operation],
        )
    return messages.decided(target, report, decision)
