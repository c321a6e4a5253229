"""``deploy``: deploy a candidate and stop. Later steps of the job test it, and ``promote`` promotes it."""

from dataclasses import replace

from promote.commands import messages
from promote.commands.report import report_of
from promote.core.endpoint import Endpoint
from promote.core.report import Report
from promote.core.run import Result
from promote.core.version import Snapshot
from promote.inputs.model import Isolation
from promote.pipeline.deploy import deploy as deploy_function
from promote.pipeline.deploy import ensure_latest_endpoint, expected_content
from promote.pipeline.held_locks import Held, hold_locks
from promote.pipeline.job import Job
from promote.pipeline.latest import pin
from promote.pipeline.locks import keep
from promote.pipeline.order import orders
from promote.pipeline.part import Part, each
from promote.pipeline.prepare import prepare
from promote.pipeline.previews import remove_expired
from promote.pipeline.settling import settle
from promote.pipeline.triggers import with_triggers
from promote.state.candidate_records import Deployment
from promote.state.lock_queue import Superseded

_STAY = 3600
"""The shortest lease in seconds of a preview endpoint for the job's further steps."""


def deploy(job: Job) -> Report:
    """Deploy, and record the candidate of the output ``candidate``.

    With ``isolation: latest``, the job keeps the lock. So the endpoint of $LATEST shows only the candidate until it is
    promoted or the job ends. With ``isolation: version``, the candidate gets a preview endpoint.
    """
    with job.phase("read"):
        targets = prepare(job)
        found = with_triggers(targets, lambda: orders(targets, list(map(expected_content, targets))))
    if job.inputs.dry_run:
        return messages.planned(job, targets, "deploy a candidate for the job's own steps to test", found)
    if early := messages.refused_early(targets, found):
        return early
    is_alone = job.inputs.isolation is Isolation.VERSION
    try:
        with hold_locks(job, targets) as held:
            parts, ended = deployed(job, held)
            if ended:
                return ended
            [part] = parts
            latest = part.deployed.latest
            if not is_alone:
                part, latest = _reachable(part)
                settle(job.clock, job.inputs.settle_time, part.deployed.settled)
            deployment = _record(part, latest)
            if not is_alone:
                _keep(job, part)
        endpoint = _add_preview(part) if is_alone else part.latest_endpoint
    except Superseded as superseded:
        return messages.left_to(job, targets, superseded.by)
    name, environment = part.target.function.name, part.target.environment
    what = f"Version {deployment.candidate.version} of {name} is deployed"
    headline = f"{what}; {environment} stays as it is until the candidate is promoted."
    return replace(report_of([part], Result.DEPLOYED, headline), token=deployment.token, preview=endpoint)


def deployed(job: Job, held: Held) -> tuple[list[Part], Report | None]:
    """Deploy all changed functions in parallel. Deploy none if one is older than what is served, or is refused.

    Return the functions, and the report of the run if it ends here.
    """
    parts = [Part.known(target, held_lock) for target, held_lock in held]
    job.keep_certain(report_of(parts, Result.FAILED))
    targets = [part.target for part in parts]
    for target in targets:
        remove_expired(target.job, target.previews, target.state.previews)
    found = orders(targets, list(map(expected_content, targets)))
    if any(order.is_older for order in found):
        return parts, messages.superseded(job, parts, found)
    if any(order.is_refused for order in found):
        return parts, messages.refused(parts, found)
    with job.phase("deploy"):
        parts = each(_deployed, parts)
    job.keep_certain(report_of(parts, Result.FAILED))
    return parts, None


def _deployed(part: Part) -> Part:
    """Deploy the function, and return it with its candidate."""
    target, warnings = pin(part.target)
    endpoint = ensure_latest_endpoint(target)
    built = deploy_function(target, endpoint)
    return replace(
        part,
        target=target,
        built=built,
        candidate=built.candidate,
        snapshot=built.latest,
        changes=target.changes,
        latest_endpoint=endpoint,
        is_in_latest=target.job.inputs.isolation is Isolation.LATEST,
    ).warned(warnings)


def _reachable(part: Part) -> tuple[Part, Snapshot]:
    """Check that the endpoint of $LATEST reaches the function. Return $LATEST: a repair changes its RevisionId."""
    target, latest = part.target, part.deployed.latest
    endpoint, warnings = target.endpoints.probe(part.latest_endpoint, target.job.inputs.first_path)
    if endpoint != part.latest_endpoint:
        latest = target.function.wait_until_active()
    return replace(part, latest_endpoint=endpoint).warned(warnings), latest


def _record(part: Part, latest: Snapshot) -> Deployment:
    job, ledger = part.target.job, part.target.ledger
    deployment = Deployment(
        candidate=part.deployed.candidate,
        operation=job.run.operation,
        commit=job.run.commit,
        run_id=job.run.run_id,
        attempt=job.run.attempt,
        job=job.name,
        job_number=job.state.job,
        revision_id=latest.revision_id,
        isolation=job.inputs.isolation.value,
    )
    ledger.versions.record(part.deployed.candidate)
    ledger.candidates.record(deployment)
    return deployment


def _keep(job: Job, part: Part) -> None:
    """Keep the lock for the job's further steps."""
    held_lock = part.held_lock
    assert held_lock is not None  # noqa: S101 - the caller holds the lock
    if not held_lock.kept_for_job:
        keep(job, held_lock.lock, held_lock.lease)
        held_lock.kept_for_job = True


def _add_preview(part: Part) -> Endpoint:
    """Make a preview endpoint that exists until the candidate is promoted or the job ends."""
    target, version = part.target, part.deployed.candidate.version
    job = target.job
    job.say("endpoint", f"making a preview endpoint for version {version}")
    job.state.add_preview(job.location(target.ledger.arn))
    _, endpoint = target.previews.make(version, job.state.job, max(job.inputs.lease, _STAY))
    _, problems = target.endpoints.probe(endpoint, job.inputs.first_path)
    for problem in problems:
        job.workflow.warn(problem, title="Endpoint")
    return endpoint
