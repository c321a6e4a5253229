"""Write the release notes after a release, and create its deployment on GitHub. A failure does not undo the release."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.errors import to_promote_error
from promote.core.concurrency import map_and_wait, run_both
from promote.core.promotion import Kind, Promotion
from promote.core.report import Report
from promote.core.run import Result
from promote.core.version import Snapshot, same_content
from promote.github.api import deployments
from promote.github.api.deployments import Attempt
from promote.github.api.repository import GitHub
from promote.notes.application import Piece, of_release
from promote.notes.compose import earlier_served, of_promotion, recorded_verdict, rendered, sources, summarized, write
from promote.notes.model import Notes, VerdictSummary
from promote.notes.render import render
from promote.pipeline.job import Job
from promote.pipeline.target import Target
from promote.state.sizes import ITEM_LIMIT

_PATIENCE = 20
"""Seconds for all calls of GitHub. They are short because the release is complete, and the job waits for them."""

_STORED = ITEM_LIMIT - 10_000
"""The most bytes of the notes in the ledger. The rest of the item is small."""


def announce(job: Job, targets: Sequence[Target], report: Report, commit: str) -> Report:
    """Write the notes of a promotion or a rollback, and create a deployment on GitHub. Do the latter if blocked, too.

    All functions share one text and one deployment. ``commit`` is the candidate's. A failure is a warning of the
    report.
    """
    has_moved = any(part.move for part in report.each)
    if not (has_moved or report.result is Result.BLOCKED):
        return report
    job.keep_certain(report)
    github = GitHub(job.context, job.session, job.clock, _PATIENCE)
    with job.phase("announce"):
        report, warnings = run_both(
            lambda: _write_notes(job, targets, report, github) if has_moved else report,
            lambda: tuple(_show_on_github(job, _attempt(job, report, commit), github)),
        )
    return replace(report, warnings=(*report.warnings, *warnings))


def _write_notes(job: Job, targets: Sequence[Target], report: Report, github: GitHub) -> Report:
    """Write one text for all functions to the file, and to the ledger with each function that has moved."""
    found = list(zip(targets, report.each, strict=True))
    moves = [(target, part.move) for target, part in found if part.move]
    try:
        notes = _notes_of_several(job, found, report, github) if report.parts else _notes(*found[0], github)
        report = replace(report, warnings=(*report.warnings, *_gaps(job, notes, github)))
        text, warnings = rendered(job.workflow.redact, notes, targets[0].template)
        report = replace(report, release_notes=text, warnings=(*report.warnings, *warnings))
    except Exception as error:  # noqa: BLE001 - the release is complete
        return _warned(report, error)
    return _store(job, report, notes, moves)


def _notes(target: Target, report: Report, github: GitHub) -> Notes:
    job, move, verdict = target.job, report.move, report.verdict
    assert move is not None  # noqa: S101 - the caller has checked it
    at = job.clock.now()
    return of_promotion(
        job.context,
        sources(job.context, github),
        target.function,
        move,
        report.since,
        replaced=_replaced(target, move),
        deployed=report.deployed,
        verdict=summarized(verdict, at, job.run.url) if verdict else _recorded(target, report),
        at=at,
        actor=move.by or job.context.actor,
        run_url=job.run.url,
        environment_url=report.environment.url if report.environment else "",
        earlier=earlier_served(job.context, target.served, move),
    )


def _notes_of_several(job: Job, found: Sequence[tuple[Target, Report]], report: Report, github: GitHub) -> Notes:
    at, has_verdict = job.clock.now(), report.verdict is not None
    pieces = map_and_wait(
        [partial(_piece, target, part, is_judged=has_verdict) for target, part in found], CALLS_AT_ONCE
    )
    return of_release(
        job.context,
        github,
        job.inputs.names,
        pieces,
        verdict=summarized(report.verdict, at, job.run.url) if report.verdict else None,
        at=at,
        actor=next((part.move.by for _, part in found if part.move and part.move.by), job.context.actor),
        run_url=job.run.url,
    )


def _piece(target: Target, part: Report, *, is_judged: bool) -> Piece:
    """Return what the notes say about one function; ``is_judged``: the run has a verdict for the whole release."""
    return Piece(
        target.function,
        _version(part),
        part.move,
        part.since,
        replaced=_replaced(target, part.move) if part.move else None,
        deployed=part.deployed,
        verdict=None if is_judged else _recorded(target, part),
        url=part.environment.url if part.environment else "",
        earlier=earlier_served(target.job.context, target.served, part.move) if part.move else None,
    )


def _gaps(job: Job, notes: Notes, github: GitHub) -> tuple[str, ...]:
    """Return which changes are not known, if GitHub should show them or could be asked."""
    return notes.changes.gaps if job.inputs.github_deployments or github.is_known else ()


def _store(job: Job, report: Report, notes: Notes, moves: Sequence[tuple[Target, Promotion]]) -> Report:
    """Write the text to the file that the inputs name, and to the ledger with each move."""
    text = report.release_notes
    try:
        if job.inputs.release_notes_path:
            report = replace(
                report, release_notes_path=write(job.context.workspace, job.inputs.release_notes_path, text)
            )
    except Exception as error:  # noqa: BLE001 - the release is complete
        report = _warned(report, error)
    try:
        is_short = len(text.encode("utf-8", "replace")) <= _STORED
        # A character has at most four bytes.
        short = text if is_short else render(notes, limit=_STORED // 4, redact=job.workflow.redact)
        map_and_wait(
            [partial(target.ledger.record_notes, target.environment, move.identity, short) for target, move in moves],
            CALLS_AT_ONCE,
        )
    except Exception as error:  # noqa: BLE001 - as above
        report = _warned(report, error)
    return report


def _warned(report: Report, error: Exception) -> Report:
    return replace(report, warnings=(*report.warnings, f"The release notes: {to_promote_error(error).full_text}"))


def _replaced(target: Target, move: Promotion) -> Snapshot | None:
    """Return the replaced version, if it was in $LATEST when the run began. Then it need not be read again."""
    latest, served = target.latest, target.served
    is_it = latest is not None and same_content(latest, served) and served.version == move.previous
    return latest if is_it else None


def _recorded(target: Target, report: Report) -> VerdictSummary | None:
    if report.candidate is None:
        return None
    return recorded_verdict(target.job.context, target.ledger.versions.passed_verdict(report.candidate))


def _attempt(job: Job, report: Report, commit: str) -> Attempt:
    move = next((part.move for part in report.each if part.move), None)
    version = report.candidate.version if report.candidate else ""
    details: dict[str, Any] = {"function": job.inputs.names, "version": version, "previous": report.previous}
    if report.parts:
        details = {"functions": {name: _version(part) for name, part in report.parts}}
    texts = _DESCRIPTIONS_OF_SEVERAL if report.parts else _DESCRIPTIONS
    return Attempt(
        job.inputs.environment,
        commit,
        is_success=move is not None,
        description=texts[move.kind if move else None].format(version=version, names=job.inputs.names),
        details={**details, **({"promotion": move.identity} if move else {})},
        environment_url=next((part.environment.url for part in report.each if part.environment), ""),
        run_url=job.run.url,
    )


def _version(report: Report) -> str:
    return report.candidate.version if report.candidate else report.previous


def _show_on_github(job: Job, attempt: Attempt, github: GitHub) -> Iterator[str]:
    """Create the deployment on GitHub. If that is not possible, yield a warning."""
    if not (job.inputs.github_deployments and attempt.commit and job.context.repository):
        return
    name = attempt.environment
    if not github.is_known:
        yield (
            f"GitHub does not show what {name} serves: github-token is missing. Set it, or set "
            "github-deployments: false."
        )
        return
    try:
        deployments.announce(github, attempt)
    except Exception as error:  # noqa: BLE001 - the release is complete
        yield f"GitHub does not show what {name} serves: {to_promote_error(error).full_text}"


_DESCRIPTIONS = {
    Kind.PROMOTION: "version {version} passed verification and was promoted",
    Kind.OVERRIDE: "version {version} was promoted with override: true",
    Kind.ROLLBACK: "rolled back to version {version}",
    None: "version {version} did not pass verification",
}
_DESCRIPTIONS_OF_SEVERAL = {
    Kind.PROMOTION: "{names} passed verification and were promoted together",
    Kind.OVERRIDE: "{names} were promoted together with override: true",
    Kind.ROLLBACK: "{names} were rolled back to one release",
    None: "{names} did not all pass verification",
}
