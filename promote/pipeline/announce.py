"""Write the release notes after a release, and create its deployment on GitHub. A failure does not undo the release."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.errors import to_promote_error
from promote.core.arn import Arn
from promote.core.concurrency import map_and_wait, run_both
from promote.core.promotion import Kind, Promotion
from promote.core.version import Snapshot, same_content
from promote.github.api import deployments
from promote.github.api.deployments import Attempt
from promote.github.api.repository import GitHub
from promote.notes.application import Piece, of_release
from promote.notes.compose import earlier_served, of_promotion, recorded_verdict, rendered, sources, summarized, write
from promote.notes.model import Notes, VerdictSummary
from promote.notes.render import render
from promote.pipeline.job import Job
from promote.pipeline.part import Part, verdict_of
from promote.pipeline.target import Target
from promote.state.sizes import ITEM_LIMIT

_PATIENCE = 20
"""Seconds for all calls of GitHub. They are short because the release is complete, and the job waits for them."""

STORED = ITEM_LIMIT - 10_000
"""The most bytes of the notes in the ledger. The rest of the item is small."""


@dataclass(frozen=True)
class Announcement:
    """What was written about a release for people to read, and what of it failed."""

    notes: str = ""
    """The release notes, as Markdown."""
    path: str = ""
    """The file with the notes; empty if there is none."""
    warnings: tuple[str, ...] = ()


NOTHING = Announcement()


def announce(job: Job, parts: Sequence[Part], commit: str) -> Announcement:
    """Write the notes of a promotion or a rollback, and create a deployment on GitHub. Do the latter if blocked, too.

    All functions share one text and one deployment. ``commit`` is the candidate's. A failure is a warning.
    """
    has_moved = any(part.has_moved for part in parts)
    if not (has_moved or any(part.is_blocked for part in parts)):
        return NOTHING
    github = GitHub(job.context, job.session, job.clock, _PATIENCE)
    with job.phase("announce"):
        written, warnings = run_both(
            lambda: _write_notes(job, parts, github) if has_moved else NOTHING,
            lambda: tuple(_show_on_github(job, _attempt(job, parts, commit), github)),
        )
    return replace(written, warnings=(*written.warnings, *warnings))


def _write_notes(job: Job, parts: Sequence[Part], github: GitHub) -> Announcement:
    """Write one text for all functions to the file, and to the ledger with each function that has moved."""
    try:
        notes = _notes_of_several(job, parts, github) if len(parts) > 1 else _notes(parts[0], github)
        text, warnings = rendered(job.workflow.redact, notes, parts[0].target.template)
    except Exception as error:  # noqa: BLE001 - the release is complete
        return Announcement(warnings=(_warning(error),))
    path, problems = _store(job, notes, text, parts)
    return Announcement(text, path, (*_gaps(job, notes, github), *warnings, *problems))


def _notes(part: Part, github: GitHub) -> Notes:
    target, move, verdict = part.target, part.move, part.verdict
    assert move is not None  # noqa: S101 - the caller has checked it
    job = target.job
    at = job.clock.now()
    return of_promotion(
        job.context,
        sources(job.context, github),
        target.function,
        move,
        part.since,
        replaced=_replaced(target, move),
        deployed=part.snapshot,
        verdict=summarized(verdict, at, job.run.url) if verdict else _recorded(part),
        at=at,
        actor=move.by or job.context.actor,
        run_url=job.run.url,
        environment_url=_url(part),
        earlier=earlier_served(job.context, target.served, move),
    )


def _notes_of_several(job: Job, parts: Sequence[Part], github: GitHub) -> Notes:
    at, verdict = job.clock.now(), verdict_of(parts)
    pieces = map_and_wait([partial(_piece, part, is_judged=verdict is not None) for part in parts], CALLS_AT_ONCE)
    return of_release(
        job.context,
        github,
        job.inputs.names,
        pieces,
        verdict=summarized(verdict, at, job.run.url) if verdict else None,
        at=at,
        actor=next((part.move.by for part in parts if part.move and part.move.by), job.context.actor),
        run_url=job.run.url,
    )


def _piece(part: Part, *, is_judged: bool) -> Piece:
    """Return what the notes say about one function; ``is_judged``: the run has a verdict for the whole release."""
    target = part.target
    return Piece(
        target.function,
        _version(part),
        part.move,
        part.since,
        replaced=_replaced(target, part.move) if part.move else None,
        deployed=part.snapshot,
        verdict=None if is_judged else _recorded(part),
        url=_url(part),
        earlier=earlier_served(target.job.context, target.served, part.move) if part.move else None,
    )


def _gaps(job: Job, notes: Notes, github: GitHub) -> tuple[str, ...]:
    """Return which changes are not known, if GitHub should show them or could be asked."""
    return notes.changes.gaps if job.inputs.github_deployments or github.is_known else ()


def _store(job: Job, notes: Notes, text: str, parts: Sequence[Part]) -> tuple[str, list[str]]:
    """Write the text to the file that the inputs name, and to the ledger with each move.

    Return the path of the file, and warnings.
    """
    path, warnings = "", []
    try:
        if job.inputs.release_notes_path:
            path = write(job.context.workspace, job.inputs.release_notes_path, text)
    except Exception as error:  # noqa: BLE001 - the release is complete
        warnings.append(_warning(error))
    try:
        short = storable(notes, text, job.workflow.redact)
        moves = [(part.target, part.move) for part in parts if part.move]
        map_and_wait(
            [partial(target.ledger.record_notes, target.environment, move.identity, short) for target, move in moves],
            CALLS_AT_ONCE,
        )
    except Exception as error:  # noqa: BLE001 - as above
        warnings.append(_warning(error))
    return path, warnings


def storable(notes: Notes, text: str, redact: Callable[[str], str]) -> str:
    """Return ``text``, the rendered ``notes``, or a shorter one that an item of the ledger can hold."""
    if len(text.encode("utf-8", "replace")) <= STORED:
        return text
    return render(notes, limit=STORED // 4, redact=redact)  # a character has at most four bytes


def _warning(error: Exception) -> str:
    return f"The release notes: {to_promote_error(error).full_text}"


def _replaced(target: Target, move: Promotion) -> Snapshot | None:
    """Return the replaced version, if it was in $LATEST when the run began. Then it need not be read again."""
    latest, served = target.latest, target.served
    is_it = latest is not None and same_content(latest, served) and served.version == move.previous
    return latest if is_it else None


def _recorded(part: Part) -> VerdictSummary | None:
    if part.candidate is None:
        return None
    target = part.target
    return recorded_verdict(target.job.context, target.ledger.versions.passed_verdict(part.candidate))


def _attempt(job: Job, parts: Sequence[Part], commit: str) -> Attempt:
    move = next((part.move for part in parts if part.move), None)
    version = ""
    if len(parts) > 1:
        texts = _DESCRIPTIONS_OF_SEVERAL
        details: dict[str, Any] = {
            "functions": {part.target.job.inputs.function_name: _version(part) for part in parts}
        }
    else:
        [part] = parts
        texts = _DESCRIPTIONS
        version = part.candidate.version if part.candidate else ""
        details = {"function": job.inputs.names, "version": version, "previous": part.previous}
    arn = Arn.of(parts[0].target.ledger.arn)
    text = texts[move.kind if move else None].format(version=version, names=job.inputs.names)
    return Attempt(
        job.inputs.environment,
        commit,
        is_success=move is not None,
        # Jobs for several regions or accounts make one deployment each, which look the same otherwise.
        description=f"{arn.region}, account {arn.account_end}: {text}",
        details={
            **details,
            "place": arn.place,
            **({"promotion": move.identity} if move else {}),
        },
        environment_url=next(filter(None, map(_url, parts)), ""),
        run_url=job.run.url,
    )


def _version(part: Part) -> str:
    return part.candidate.version if part.candidate else part.previous


def _url(part: Part) -> str:
    return part.environment_endpoint.url if part.environment_endpoint else ""


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
    Kind.PROMOTION: "version {version} of {names} passed verification and was promoted",
    Kind.OVERRIDE: "version {version} of {names} was promoted with override: true",
    Kind.ROLLBACK: "{names} was rolled back to version {version}",
    None: "version {version} of {names} did not pass verification",
}
_DESCRIPTIONS_OF_SEVERAL = {
    Kind.PROMOTION: "{names} passed verification and were promoted together",
    Kind.OVERRIDE: "{names} were promoted together with override: true",
    Kind.ROLLBACK: "{names} were rolled back to one release",
    None: "{names} did not all pass verification",
}
