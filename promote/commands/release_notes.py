"""``release-notes``: the changes of an environment's last promotion or, for a tag, of the tag."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.dynamodb import Item
from promote.aws.lambda_function import Function
from promote.core.arn import Arn
from promote.core.concurrency import map_and_wait, map_concurrently, run_both
from promote.core.errors import GitHubError, InputError
from promote.core.promotion import Promotion
from promote.core.release import ReleasePart
from promote.core.report import Link, Report
from promote.core.run import Result
from promote.github import git
from promote.github.api import release_page
from promote.github.api.release_page import Section
from promote.github.api.repository import GitHub
from promote.github.tags import Version, before
from promote.notes.application import Piece, of_release
from promote.notes.compose import earlier_recorded, moment, of_promotion, recorded_verdict, sources, write
from promote.notes.model import Carried, Changes, Notes
from promote.notes.render import Template, render
from promote.notes.tag_rollout import Asked, carried
from promote.pipeline.endpoints import locate
from promote.pipeline.job import Job
from promote.pipeline.prepare import read_template
from promote.state.ledger import HISTORY, Ledger
from promote.state.promotion_records import promotion_of
from promote.state.release_history import Histories, last_release, read_releases, release_keys, with_unmoved
from promote.state.strict import Record

_PATIENCE = 60
"""Seconds for all calls of GitHub. They are many because this command only writes notes."""
_TAGS = 5
"""The most earlier tags for which GitHub is asked whether the commit's history has them."""
_NO_HISTORY = "the checkout does not have the history (fetch-depth: 0 fetches it)"
_NO_TOKEN = "there is no github-token to ask GitHub with"  # noqa: S105 - it is not a token


@dataclass(frozen=True)
class _Member:
    """One of the functions that the notes are about."""

    function: Function
    ledger: Ledger
    url: str = ""
    """The input ``environment-url``, if the user owns the gateway."""


@dataclass(frozen=True)
class _Scope:
    """The job, the functions and the GitHub client that the notes are read from."""

    job: Job
    members: tuple[_Member, ...]
    github: GitHub

    @property
    def is_whole(self) -> bool:
        """Whether there are several functions, which are released together."""
        return len(self.members) > 1


def release_notes(job: Job) -> Report:
    """Write the notes, and publish them as the tag's release if the inputs ask for it. AWS is only read."""
    inputs = job.inputs
    tag = inputs.tag or job.context.tag
    _require_subject(job, tag)
    template = read_template(job)
    _ = job.clients.resolve_region(), job.clients.function, job.clients.table
    scope = _Scope(job, _members(job), GitHub(job.context, job.session, job.clock, _PATIENCE))
    later: Sequence[str] = ()
    with job.phase("read"):
        if tag:
            notes = _of_tag(scope, tag)
        elif scope.is_whole:
            notes, later = _of_release(scope)
        else:
            notes = _of_environment(scope)
    report = Report(Result.REPORTED, headline=_headline(scope, notes), warnings=notes.changes.gaps, notes=tuple(later))
    with job.phase("write"):
        report = _written(scope, report, notes, template)
    if not inputs.publish_release or inputs.dry_run:
        return report
    # The report keeps the notes if they cannot be published.
    job.keep_certain(replace(report, result=Result.FAILED))
    with job.phase("publish"):
        return _published(scope, report, notes, template)


def _members(job: Job) -> tuple[_Member, ...]:
    jobs = job.of_parts()
    return tuple(map_and_wait([partial(_member, part) for part in jobs], CALLS_AT_ONCE))


def _member(job: Job) -> _Member:
    inputs = job.inputs
    return _Member(job.function, job.resources.ledger(job.arn, job.run), inputs.environment_url)


def _headline(scope: _Scope, notes: Notes) -> str:
    if notes.tag:
        return f"The release notes of {notes.tag} list {_count(notes)}."
    if scope.is_whole:
        return f"The last release of {notes.function} to {notes.environment} brought {_count(notes)}."
    return (
        f"{notes.environment} of {notes.function} has version {notes.version} since its last promotion, "
        f"which brought {_count(notes)}."
    )


def _require_subject(job: Job, tag: str) -> None:
    """Refuse a run that names neither a tag nor an environment.

    Raises:
        InputError: The tag or the environment is missing.

    """
    if job.inputs.publish_release and not tag:
        raise InputError(
            "publish-release",
            "there is no tag to publish a release of: the workflow does not run for one",
            hint="Run the workflow on tags (on: push: tags), or set the input tag.",
        )
    if not (tag or job.inputs.environment):
        raise InputError(
            "environment",
            "it is missing, and the workflow does not run for a tag",
            hint="Name the environment whose last promotion the notes describe, such as prod, or set tag.",
        )


def _count(notes: Notes) -> str:
    count = sum(len(section.changes) for section in notes.changes.sections)
    if not count and notes.changes.gaps:
        return "changes that are not known"
    return f"{count or 'no'} {'change' if count == 1 else 'changes'}"


def _of_environment(scope: _Scope) -> Notes:
    """Return the notes of the environment's last promotion.

    Raises:
        InputError: Nothing was promoted yet.

    """
    job, environment = scope.job, scope.job.inputs.environment
    [member] = scope.members
    entries = member.ledger.promotions(environment, 2)
    if not entries:
        raise InputError(
            "environment",
            f"nothing has been promoted to {environment} of {member.function.name} yet, so there are no notes",
            hint="Correct environment, function-name or table. Use command: status to see what was promoted.",
        )
    move, before = promotion_of(Record.of(entries[0])), entries[1] if len(entries) > 1 else {}
    url, version = run_both(lambda: _url(job, member), lambda: member.ledger.versions.read(move.version))
    return of_promotion(
        job.context,
        sources(job.context, scope.github),
        member.function,
        move,
        str(before.get("commit", "")),
        verdict=recorded_verdict(job.context, version.get("passed")) if move.is_verified else None,
        at=moment(entries[0].get("at")),
        actor=move.by,
        run_url=job.context.own_page(str(entries[0].get("url") or "")),
        environment_url=url,
        earlier=earlier_recorded(job.context, before, move),
    )


def _url(job: Job, member: _Member) -> str:
    """Return the URL of the environment's endpoint, or empty."""
    environment = job.inputs.environment
    gateway = member.ledger.read().served(environment).gateway
    if gateway and not member.url:
        return locate(environment, gateway, job.clients.endpoint_url).url
    return member.url


def _of_release(scope: _Scope) -> tuple[Notes, Sequence[str]]:
    """Return the notes of the application's last release to the environment, and which functions have moved since.

    Raises:
        InputError: There is no such release.

    """
    job, environment = scope.job, scope.job.inputs.environment
    histories = _histories(scope, environment)
    keys = release_keys(histories)
    release = last_release(read_releases(job.table, keys), histories.keys(), job.inputs.retired)
    if release is None:
        others = ", except with other functions" if keys else ""
        raise InputError(
            "environment",
            f"{job.inputs.names} have not been released together to {environment} yet{others}, so there are no notes",
            hint="Name exactly the functions that are released together. Use command: status to see them.",
        )
    known = {member.ledger.arn: member for member in scope.members}
    pieces = map_and_wait(
        [partial(_piece, scope, part, known.get(part.arn), histories.get(part.arn, ())) for part in release.parts],
        CALLS_AT_ONCE,
    )
    notes = of_release(
        job.context,
        scope.github,
        release.names,
        pieces,
        at=moment(release.ended),
        actor=next((part.promotion.by for part in release.moves), ""),
        run_url=job.context.own_page(release.url),
    )
    newest = {part.name: next(iter(histories.get(part.arn, ())), {}) for part in release.parts}
    return notes, [
        f"{name} has been moved since then, to version {move['version']}."
        for name, move in newest.items()
        if move and int(move["sequence"]) > release.sequence
    ]


def _histories(scope: _Scope, environment: str) -> Histories:
    read = [partial(member.ledger.promotions, environment, HISTORY) for member in scope.members]
    return {
        member.ledger.arn: items
        for member, items in zip(scope.members, map_concurrently(read, CALLS_AT_ONCE), strict=True)
    }


def _piece(scope: _Scope, part: ReleasePart, member: _Member | None, moves: Sequence[Item]) -> Piece:
    """Return what the notes say about one function of a release. ``member`` is None if the inputs do not name it.

    ``moves`` are those of the function, newest first.
    """
    job = scope.job
    if member is None:
        member = _Member(job.resources.function(part.arn), job.resources.ledger(part.arn, job.run))
    url, passed = run_both(lambda: _url(job, member), lambda: member.ledger.versions.passed_verdict(part.candidate))
    return Piece(
        member.function,
        part.candidate.version,
        part.promotion if part.moves else None,
        part.since,
        verdict=recorded_verdict(job.context, passed) if part.promotion.is_verified else None,
        url=url,
        earlier=earlier_recorded(job.context, _before(moves, part.promotion), part.promotion),
    )


def _before(moves: Sequence[Item], promotion: Promotion) -> Item:
    """Return the move before ``promotion`` in ``moves``, which are newest first; empty if it is not known."""
    older = iter(moves)
    return next(older, {}) if any(promotion_of(Record.of(move)) == promotion for move in older) else {}


def _of_tag(scope: _Scope, tag: str) -> Notes:
    """Return the notes of the changes between the previous tag and ``tag``, and which environments have them.

    Raises:
        InputError: The tag does not exist.

    """
    job, context = scope.job, scope.job.context
    found = sources(job.context, scope.github)
    commit, states = run_both(
        lambda: _commit_of(scope, tag),
        lambda: map_concurrently([member.ledger.read for member in scope.members], CALLS_AT_ONCE),
    )
    earlier = _tag_before(scope, tag, commit)
    known = sorted({name for state in states for name in state.environments})
    names = [job.inputs.environment] if job.inputs.environment else known
    related = cache(lambda sha: git.related(sha, commit, context.clone, scope.github))
    asked = Asked(tag, related, _unknown(scope), context.own_page)
    changes, rows = run_both(
        # Without the previous tag, the whole history would be listed as new.
        lambda: Changes(gaps=(earlier.gap,)) if earlier.gap else found.between(earlier.commit, commit),
        lambda: map_concurrently([partial(_carried, scope, asked, name) for name in names], CALLS_AT_ONCE),
    )
    return Notes(
        function=job.inputs.names,
        tag=tag,
        commit=commit,
        since=earlier.commit,
        since_tag=earlier.name,
        changes=replace(changes, gaps=(*changes.gaps, *(gap for _, gap in rows if gap))),
        carried=tuple(row for row, _ in rows if row),
        at=job.clock.now(),
        actor=context.actor,
        run_url=job.run.url,
        repository=context.repository,
        repository_url=context.repository_url,
    )


def _commit_of(scope: _Scope, tag: str) -> str:
    context = scope.job.context
    found = git.tag_commit(context.clone, tag)
    if not found and scope.github.is_known:
        with suppress(GitHubError):
            found = scope.github.tag_commit(tag)
    if not found and tag == context.tag:
        found = context.commit
    if not found:
        raise InputError(
            "tag",
            f"there is no tag {tag!r} in the checkout, and none that GitHub shows",
            hint="Push the tag. Check out with fetch-depth: 0, or set github-token with contents: read.",
        )
    return found


@dataclass(frozen=True)
class _Earlier:
    """The previous tag; empty if the tag is the first, or if it is not known."""

    name: str = ""
    commit: str = ""
    gap: str = ""
    """Why it is not known; empty if it is known."""


def _tag_before(scope: _Scope, tag: str, commit: str) -> _Earlier:
    clone = scope.job.context.clone
    name = git.tag_before(clone, tag)
    if name is not None:
        return _Earlier(name, git.tag_commit(clone, name)) if name else _Earlier()
    unknown = f"The changes of {tag} are not known, because the previous tag is not known: {_NO_HISTORY}"
    version = Version.of(tag)
    if not scope.github.is_known or version is None:
        return _Earlier(gap=f"{unknown}, and {_NO_TOKEN if version else 'the tag is not a version'}.")
    try:
        names = before(tag, scope.github.tags(version.prefix))
        for earlier in names[:_TAGS]:
            found = scope.github.tag_commit(earlier)
            if found and scope.github.relation(found, commit) in ("ahead", "identical"):
                return _Earlier(earlier, found)
    except GitHubError as error:
        return _Earlier(gap=f"{unknown}, and GitHub could not be asked: {error.full_text}")
    if len(names) > _TAGS:
        return _Earlier(gap=f"{unknown}, and the {_TAGS} versions before it are of other branches.")
    return _Earlier()


def _carried(scope: _Scope, asked: Asked, environment: str) -> tuple[Carried | None, str]:
    histories = _histories(scope, environment)
    if scope.is_whole:
        # A function that did not move in a release has the release's content too.
        histories = with_unmoved(histories, read_releases(scope.job.table, release_keys(histories)))
    by_name = {member.function.name: histories[member.ledger.arn] for member in scope.members}
    return carried(asked, environment, by_name)


def _unknown(scope: _Scope) -> str:
    return f"{_NO_HISTORY}, and {'GitHub does not know it' if scope.github.is_known else _NO_TOKEN}"


def _written(scope: _Scope, report: Report, notes: Notes, template: Template | None) -> Report:
    text = render(notes, template, redact=scope.job.workflow.redact)
    path = scope.job.inputs.release_notes_path
    if path and not scope.job.inputs.dry_run:
        write(scope.job.context.workspace, scope.job.inputs.release_notes_path, text)
    return replace(report, release_notes=text, release_notes_path=path)


def _published(scope: _Scope, report: Report, notes: Notes, template: Template | None) -> Report:
    """Publish the notes as the tag's release.

    Raises:
        GitHubError: GitHub refuses it.

    """
    if not scope.github.is_known:
        raise GitHubError(
            "the release cannot be published without a github-token",
            hint="Remove the input github-token, so that its default applies. Give the job contents: write.",
        )
    section = Section(
        [member.function.name for member in scope.members],
        lambda limit: render(notes, template, limit=limit, redact=scope.job.workflow.redact),
        Arn.of(scope.members[0].ledger.arn),
        scope.job.inputs.retired,
    )
    made = release_page.publish(scope.github, notes.tag, section)
    done = "was published" if made.is_changed else "is up to date"
    draft = " It is a draft. Publish it on GitHub." if made.is_draft else ""
    return replace(
        report,
        headline=f"The release {notes.tag} {done}. It lists {_count(notes)}.{draft}",
        links=(("Release", Link(notes.tag, made.url)),),
    )
