"""``rollback``: point the environment back at what it served before, or at a proven version."""

from promote import pipeline
from promote.announce import announce
from promote.commands import outcomes
from promote.errors import RefusedError
from promote.job import Job
from promote.lookback import Release, fate, moves, served_before
from promote.model import LATEST_ENDPOINT, Alias, Kind, Result
from promote.pipeline import Proposal
from promote.report import Report
from promote.target import Target, finish_release, prepare


def rollback(job: Job) -> Report:
    """Go back, at once: no lock is waited for, since Lambda's preconditions and the ledger's carry the move."""
    with job.phase("read"):
        target = prepare(job)
        if target.served.pending and not job.inputs.dry_run:
            target = finish_release(target)
        alias = target.function.alias(target.environment)
        if alias is None:
            raise RefusedError(
                f"the environment {target.environment} of {target.function.name} does not exist",
                hint="Correct the input environment; command: status shows those that there are.",
            )
        back = _destination(target, alias)
        proposal = _proposal(target, back, alias)
    if job.inputs.dry_run:
        return outcomes.planned(target, f"go back to version {back.version}", None)
    report = Report(
        Result.FAILED,
        candidate=proposal.candidate,
        previous=alias.version,
        latest=target.endpoints.known(LATEST_ENDPOINT, target.state.latest),
        environment=target.endpoints.known(target.environment, target.served.gateway),
    )
    job.reports.append(report)
    with job.phase("promote"):
        decision = pipeline.promote(
            target,
            None,
            proposal,
            alias,
            moved=lambda decision: job.reports.append(outcomes.promoted(target, report, decision)),
        )
    return announce(target, outcomes.decided(target, report, decision), proposal.commit)


def _destination(target: Target, alias: Alias) -> Release:
    """Find what to go back to: the version that the inputs name, or what the environment served before.

    Raises:
        RefusedError: there is nothing before.

    """
    made = moves(target.ledger, alias, target.served)
    named = target.job.inputs.version
    if named:
        served_then = [move for move in made if move["version"] == named] or [target.ledger.version(named)]
        return Release.of(named, served_then[-1])
    served = served_before(made, alias.version)
    if not served:
        raise RefusedError(
            f"as far as the ledger says, {target.environment} of {target.function.name} served nothing before version "
            f"{alias.version}",
            hint="Name the version to go back to with the input version.",
        )
    return served[-1]


def _proposal(target: Target, back: Release, alias: Alias) -> Proposal:
    """Propose the version, if it was proven and still is what was proven then.

    Raises:
        RefusedError: it was not, or is not.

    """
    name, inputs = target.function.name, target.job.inputs
    snapshot = target.function.find(back.version) if back.version.isdecimal() else None
    if snapshot is None:
        raise RefusedError(
            f"version {back.version} of {name}, to go back to, "
            + (fate(target.ledger, back.version) or "does not exist (any more)"),
            hint="Name another version with the input version; command: status shows what was served.",
        )
    candidate = snapshot.candidate
    proof = target.ledger.proof(candidate)
    if proof is None and not inputs.override:
        raise RefusedError(
            f"version {back.version} of {name} has no passed verdict",
            hint="Name a proven version; or add override: true and a reason, which is recorded.",
        )
    if proof is None and not inputs.dry_run:
        target.ledger.record_candidate(candidate)
    return Proposal(
        candidate=candidate,
        commit=back.commit,
        run_id=back.run_id,
        plan=str(proof.get("plan", "")) if proof else "",
        kind=Kind.ROLLBACK,
        is_proven=proof is not None,
        instead_of="" if inputs.version else alias.version,
        reason=inputs.reason,
        by=target.job.context.actor,
    )
