"""``deploy``: bring a candidate up and stop; the job's own steps test it, and ``promote`` promotes it."""

from dataclasses import replace

from promote.commands import messages
from promote.core.endpoint import Endpoint
from promote.core.report import Report
from promote.core.run import Result
from promote.inputs.model import Isolation
from promote.pipeline.deploy import Deployed, foreseen
from promote.pipeline.job import Job
from promote.pipeline.locks import keep
from promote.pipeline.order import ordered
from promote.pipeline.prepare import hold_lock, prepare
from promote.pipeline.target import Target
from promote.state.lock_queue import Superseded
from promote.state.records import Deployment

_STAY = 3600
"""Seconds for which an endpoint that was lent to the job's further steps is taken to be in use, at the least."""


def deploy(job: Job) -> Report:
    """Deploy, and record the candidate that the output of that name stands for.

    With ``isolation: latest`` the job keeps the lock, so that the endpoint of $LATEST shows the candidate and nothing
    else until it is promoted, or the job ends. With ``version`` the candidate gets an endpoint of its own.
    """
    with job.phase("read"):
        target = prepare(job)
        order = ordered(target, job.run.commit, foreseen(target))
    if job.inputs.dry_run:
        return messages.planned(target, "deploy a candidate for the job's own steps to test", order)
    if early := messages.refused_early(target, order):
        return early
    is_alone = job.inputs.isolation is Isolation.VERSION
    try:
        with hold_lock(target) as (now, held):
            report, built = messages.deployed(now, messages.begun(now, held))
            if built is None:
                return report
            if not is_alone:
                report, built = _reachable(now, report, built)
            deployment = _record(now, built)
            if not is_alone and not held.kept_for_job:
                keep(job, held.lock, held.lease)
                held.kept_for_job = True
        endpoint = _add_preview(target, built) if is_alone else report.latest
    except Superseded as superseded:
        return messages.gave_way(target, superseded.by)
    return replace(
        report,
        result=Result.DEPLOYED,
        headline=f"Version {built.candidate.version} of {target.function.name} is deployed; {target.environment} stays "
        "as it is until the candidate is promoted.",
        token=deployment.token,
        preview=endpoint,
    )


def _reachable(target: Target, report: Report, built: Deployed) -> tuple[Report, Deployed]:
    """See that the endpoint of $LATEST reaches the function; mending it changes the RevisionId."""
    latest, warnings = target.endpoints.probe(report.latest, target.job.inputs.first_path)
    if latest != report.latest:
        built = replace(built, latest=target.function.wait_until_active())
    return replace(report, latest=latest, warnings=(*report.warnings, *warnings)), built


def _record(target: Target, built: Deployed) -> Deployment:
    job = target.job
    deployment = Deployment(
        candidate=built.candidate,
        operation=job.run.operation,
        commit=job.run.commit,
        run_id=job.run.run_id,
        attempt=job.run.attempt,
        job=job.name,
        job_number=job.state.job,
        revision_id=built.latest.revision_id,
        isolation=job.inputs.isolation.value,
    )
    target.ledger.record_candidate(built.candidate)
    target.ledger.record_deployment(deployment)
    return deployment


def _add_preview(target: Target, built: Deployed) -> Endpoint:
    """Make an endpoint that stays until the candidate is promoted or the job ends."""
    job, version = target.job, built.candidate.version
    job.say("endpoint", f"making one for version {version} alone")
    job.state.add_preview(job.location(target.ledger.arn))
    _, endpoint = target.previews.make(version, job.state.job, max(job.inputs.lease, _STAY))
    _, problems = target.endpoints.probe(endpoint, job.inputs.first_path)
    for problem in problems:
        job.workflow.warn(problem, title="Endpoint")
    return endpoint
