"""What follows a promotion: its release notes, and GitHub's record of it. It undoes nothing, and holds nobody up."""

from collections.abc import Iterator
from dataclasses import replace

from promote import deployments
from promote.aws import understood
from promote.deployments import Attempt
from promote.errors import PromoteError
from promote.github import GitHub
from promote.model import Kind, Promotion, Result, Snapshot, same_content
from promote.notes.compose import of_promotion, proof_of, recorded_proof, rendered, sources, write
from promote.notes.model import Proof
from promote.notes.render import render
from promote.parallel import side_by_side
from promote.report import Report
from promote.target import Target

_PATIENCE = 20
"""Seconds for all that GitHub is asked: what it shows has taken place, and somebody waits for the job to end."""

_STORED = 100_000
"""Characters of the notes that the ledger takes: an item has 400 KB at most, and one character may be four bytes."""


def announce(target: Target, report: Report, commit: str) -> Report:
    """Write the notes of a promotion or a rollback, and show on GitHub how it ended; show also what was blocked.

    ``commit`` is the candidate's. Whatever goes wrong is a warning of the report.
    """
    if not (report.move or report.result is Result.BLOCKED):
        return report
    job = target.job
    job.reports.append(report)
    github = GitHub(job.context, job.session, job.clock, _PATIENCE)
    with job.phase("announce"):
        report, warnings = side_by_side(
            lambda: _noted(target, report, report.move, github) if report.move else report,
            lambda: tuple(_shown(target, report, commit, github)),
        )
    return replace(report, warnings=(*report.warnings, *warnings))


def _noted(target: Target, report: Report, move: Promotion, github: GitHub) -> Report:
    """Write the notes to where they are wanted."""
    job = target.job
    at = job.clock.now()
    try:
        verdict = report.verdict
        notes = of_promotion(
            job,
            sources(job, github),
            target.function,
            move,
            report.since,
            replaced=_replaced(target, move),
            deployed=report.deployed,
            proof=proof_of(verdict, at, job.run.url) if verdict else _recorded(target, report),
            at=at,
            actor=move.by or job.context.actor,
            run_url=job.run.url,
            environment_url=report.environment.url if report.environment else "",
        )
        is_asked = job.inputs.github_deployments or github.is_known
        report = replace(report, warnings=(*report.warnings, *(notes.changes.gaps if is_asked else ())))
        text, warnings = rendered(job, notes, target.template)
        report = replace(report, release_notes=text, warnings=(*report.warnings, *warnings))
    except Exception as error:  # noqa: BLE001 - whatever it is, the promotion has taken place
        return _warned(report, error)
    try:
        if job.inputs.release_notes_path:
            report = replace(report, release_notes_path=write(job, text))
    except Exception as error:  # noqa: BLE001 - the same
        report = _warned(report, error)
    try:
        short = text if len(text) <= _STORED else render(notes, limit=_STORED, redact=job.workflow.redact)
        target.ledger.record_notes(target.environment, move.identity, short)
    except Exception as error:  # noqa: BLE001 - the same
        report = _warned(report, error)
    return report


def _warned(report: Report, error: Exception) -> Report:
    return replace(report, warnings=(*report.warnings, f"The release notes: {_said(understood(error))}"))


def _replaced(target: Target, move: Promotion) -> Snapshot | None:
    """Give the version before, where $LATEST held it when the run began: then it need not be read once more."""
    latest, served = target.latest, target.served
    is_it = latest is not None and same_content(latest, served) and served.version == move.previous
    return latest if is_it else None


def _recorded(target: Target, report: Report) -> Proof | None:
    return recorded_proof(target.job, target.ledger.proof(report.candidate)) if report.candidate else None


def _shown(target: Target, report: Report, commit: str, github: GitHub) -> Iterator[str]:
    """Show it as a deployment; yield what a reader should know where that is not possible."""
    job, move = target.job, report.move
    if not (job.inputs.github_deployments and commit and job.context.repository):
        return
    name = target.environment
    if not github.is_known:
        yield f"GitHub does not show what {name} has: there is no github-token. github-deployments: false wants none."
        return
    version = report.candidate.version if report.candidate else ""
    details = {"function": target.function.name, "version": version, "previous": report.previous}
    attempt = Attempt(
        name,
        commit,
        is_success=move is not None,
        description=_DESCRIPTIONS[move.kind if move else None].format(version=version),
        details={**details, **({"promotion": move.identity} if move else {})},
        environment_url=report.environment.url if report.environment else "",
        run_url=job.run.url,
    )
    try:
        deployments.announce(github, attempt)
    except Exception as error:  # noqa: BLE001 - whatever it is, it changes nothing of what has happened
        yield f"GitHub does not show what {name} has: {_said(understood(error))}"


_DESCRIPTIONS = {
    Kind.PROMOTION: "version {version} passed verification and was promoted",
    Kind.OVERRIDE: "version {version} was promoted by a person's override",
    Kind.ROLLBACK: "back at version {version}",
    None: "version {version} did not pass verification",
}


def _said(problem: PromoteError) -> str:
    text = str(problem)
    return f"{text}{'' if text.endswith(('.', '!', '?')) else '.'} {problem.hint}"
