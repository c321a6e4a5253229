"""``release-notes``: what an environment's last promotion has brought or, on a tag, what the tag contains."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial

from promote.aws.dynamodb import Item
from promote.aws.lambda_function import Function
from promote.core.concurrency import map_and_wait, map_concurrently, run_both
from promote.core.errors import GitHubError, InputError
from promote.core.promotion import Promotion
from promote.core.report import Link, Report
from promote.core.run import Result
from promote.github import git
from promote.github.api import release_page
from promote.github.api.repository import GitHub
from promote.github.tags import Version, before
from promote.notes.application import Piece, of_release
from promote.notes.compose import earlier_recorded, moment, of_promotion, recorded_proof, sources, write
from promote.notes.model import Carried, Changes, Notes
from promote.notes.render import Template, render
from promote.notes.tag_rollout import Asked, carried
from promote.pipeline.endpoints import locate
from promote.pipeline.job import Job
from promote.pipeline.prepare import read_template
from promote.state.ledger import Ledger
from promote.state.promotion_records import promotion_of
from promote.state.release_history import Histories, last_release, read_releases, release_keys, with_unmoved
from promote.state.releases import Part
from promote.state.strict import Record

_PATIENCE = 60
"""Seconds for all that GitHub is asked: the notes are what this run is for."""
_HISTORY = 200
"""Promotions of each environment that are looked through."""
_TAGS = 5
"""Earlier tags that are tried, where GitHub is asked which of them the history has."""
_WIDTH = 8
"""Environments, or functions, that are read at the same time."""
_NO_HISTORY = "the checkout does not tell (fetch-depth: 0 gives it the history)"
_NO_TOKEN = "there is no github-token to ask GitHub with"  # noqa: S105 - says so


@dataclass(frozen=True)
class _Member:
    """A function: the one, or one of several that are released as one."""

    function: Function
    ledger: Ledger
    url: str = ""
    """Of its environment, where its gateway is the user's own."""


@dataclass(frozen=True)
class _Desk:
    """What the notes are written with."""

    job: Job
    members: tuple[_Member, ...]
    github: GitHub

    @property
    def is_whole(self) -> bool:
        """Whether there are several functions, which are released as one."""
        return len(self.members) > 1


def release_notes(job: Job) -> Report:
    """Write the notes, and publish them as the tag's release where that is wanted. It changes nothing of AWS's."""
    inputs = job.inputs
    tag = inputs.tag or job.context.tag
    _require_subject(job, tag)
    template = read_template(job)
    _ = job.clients.resolve_region(), job.clients.function, job.clients.table
    desk = _Desk(job, _members(job), GitHub(job.context, job.session, job.clock, _PATIENCE))
    later: Sequence[str] = ()
    with job.phase("read"):
        if tag:
            notes = _of_tag(desk, tag)
        elif desk.is_whole:
            notes, later = _of_release(desk)
        else:
            notes = _of_environment(desk)
    report = Report(Result.REPORTED, headline=_headline(desk, notes), warnings=notes.changes.gaps, notes=tuple(later))
    with job.phase("write"):
        report = _written(desk, report, notes, template)
    if not inputs.publish_release or inputs.dry_run:
        return report
    # What is written stays told, also where it cannot be published.
    job.reports.append(replace(report, result=Result.FAILED))
    with job.phase("publish"):
        return _published(desk, report, notes, template)


def _members(job: Job) -> tuple[_Member, ...]:
    jobs = [job.of_part(inputs, "") for inputs in job.inputs.parts] or [job]
    return tuple(map_and_wait([partial(_member, part) for part in jobs], _WIDTH))


def _member(job: Job) -> _Member:
    inputs = job.inputs
    return _Member(job.function, job.resources.ledger(job.arn, job.run), inputs.environment_url)


def _headline(desk: _Desk, notes: Notes) -> str:
    if notes.tag:
        return f"The release notes of {notes.tag} tell {_count(notes)}."
    if desk.is_whole:
        return f"The last release of {notes.function} to {notes.environment} brought {_count(notes)}."
    return (
        f"{notes.environment} of {notes.function} has version {notes.version} since its last promotion, "
        f"which brought {_count(notes)}."
    )


def _require_subject(job: Job, tag: str) -> None:
    """Refuse a run that does not say whose notes it wants.

    Raises:
        InputError: it does not.

    """
    if job.inputs.publish_release and not tag:
        raise InputError(
            "publish-release",
            "there is no tag to publish a release of: the workflow does not run for one",
            hint="Run it on tags (on: push: tags), or name one with the input tag.",
        )
    if not (tag or job.inputs.environment):
        raise InputError(
            "environment",
            "it is missing, and the workflow does not run for a tag",
            hint="Name the environment whose last promotion is to be told, such as preprod or prod; or a tag.",
        )


def _count(notes: Notes) -> str:
    count = sum(len(section.changes) for section in notes.changes.sections)
    if not count and notes.changes.gaps:
        return "changes that are not known"
    return f"{count or 'no'} {'change' if count == 1 else 'changes'}"


def _of_environment(desk: _Desk) -> Notes:
    """Give the notes of the environment's last promotion.

    Raises:
        InputError: nothing was promoted yet.

    """
    job, environment = desk.job, desk.job.inputs.environment
    [member] = desk.members
    entries = member.ledger.promotions(environment, 2)
    if not entries:
        raise InputError(
            "environment",
            f"nothing has been promoted to {environment} of {member.function.name} yet, so there is nothing to tell",
            hint="Correct environment, function-name or table; command: status shows what there is.",
        )
    move, before = promotion_of(Record.of(entries[0])), entries[1] if len(entries) > 1 else {}
    url, version = run_both(lambda: _url(job, member), lambda: member.ledger.versions.read(move.version))
    return of_promotion(
        job.context,
        sources(job.context, desk.github),
        member.function,
        move,
        str(before.get("commit", "")),
        proof=recorded_proof(job.context, version.get("proof")) if move.is_proven else None,
        at=moment(entries[0].get("at")),
        actor=move.by,
        run_url=job.context.own_page(str(entries[0].get("url") or "")),
        environment_url=url,
        earlier=earlier_recorded(job.context, before, move),
    )


def _url(job: Job, member: _Member) -> str:
    """Give the URL of the environment's endpoint, or empty."""
    environment = job.inputs.environment
    gateway = member.ledger.read().served(environment).gateway
    if gateway and not member.url:
        return locate(environment, gateway, job.clients.endpoint_url).url
    return member.url


def _of_release(desk: _Desk) -> tuple[Notes, Sequence[str]]:
    """Give the notes of the application's last release to the environment, and what has become of it since.

    Raises:
        InputError: there is none.

    """
    job, environment = desk.job, desk.job.inputs.environment
    histories = _histories(desk, environment)
    keys = release_keys(histories)
    release = last_release(read_releases(job.table, keys), histories.keys(), job.inputs.retired)
    if release is None:
        others = " but together with others" if keys else ""
        raise InputError(
            "environment",
            f"{job.inputs.names} have not been released to {environment} as one yet{others}, so there is nothing to "
            "tell",
            hint="Name exactly the functions that are released together; command: status shows what there is.",
        )
    known = {member.ledger.arn: member for member in desk.members}
    pieces = map_and_wait(
        [partial(_piece, desk, part, known.get(part.arn), histories.get(part.arn, ())) for part in release.parts],
        _WIDTH,
    )
    notes = of_release(
        job.context,
        desk.github,
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


def _histories(desk: _Desk, environment: str) -> Histories:
    read = [partial(member.ledger.promotions, environment, _HISTORY) for member in desk.members]
    return {
        member.ledger.arn: items for member, items in zip(desk.members, map_concurrently(read, _WIDTH), strict=True)
    }


def _piece(desk: _Desk, part: Part, member: _Member | None, moves: Sequence[Item]) -> Piece:
    """Give what is known of a function of a release; ``member`` is None where it is named no more.

    ``moves`` are those of the function, newest first.
    """
    job = desk.job
    if member is None:
        member = _Member(job.resources.function(part.arn), job.resources.ledger(part.arn, job.run))
    url, proof = run_both(lambda: _url(job, member), lambda: member.ledger.versions.proof(part.candidate))
    return Piece(
        member.function,
        part.candidate.version,
        part.promotion if part.moves else None,
        part.since,
        proof=recorded_proof(job.context, proof) if part.promotion.is_proven else None,
        url=url,
        earlier=earlier_recorded(job.context, _before(moves, part.promotion), part.promotion),
    )


def _before(moves: Sequence[Item], promotion: Promotion) -> Item:
    """Return the move before ``promotion`` in ``moves``, which are newest first; empty: it is not known."""
    older = iter(moves)
    return next(older, {}) if any(promotion_of(Record.of(move)) == promotion for move in older) else {}


def _of_tag(desk: _Desk, tag: str) -> Notes:
    """Give the notes of what ``tag`` has and the tag before it has not, and say which environments have it.

    Raises:
        InputError: there is no such tag.

    """
    job, context = desk.job, desk.job.context
    found = sources(job.context, desk.github)
    commit, states = run_both(
        lambda: _commit_of(desk, tag), lambda: map_concurrently([member.ledger.read for member in desk.members], _WIDTH)
    )
    earlier = _tag_before(desk, tag, commit)
    known = sorted({name for state in states for name in state.environments})
    names = [job.inputs.environment] if job.inputs.environment else known
    related = cache(lambda sha: git.related(sha, commit, context.clone, desk.github))
    asked = Asked(tag, related, _unknown(desk), context.own_page)
    changes, rows = run_both(
        # Without the tag before, all of the history would be told as new.
        lambda: Changes(gaps=(earlier.gap,)) if earlier.gap else found.between(earlier.commit, commit),
        lambda: map_concurrently([partial(_carried, desk, asked, name) for name in names], _WIDTH),
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


def _commit_of(desk: _Desk, tag: str) -> str:
    context = desk.job.context
    found = git.tag_commit(context.clone, tag)
    if not found and desk.github.is_known:
        with suppress(GitHubError):
            found = desk.github.tag_commit(tag)
    if not found and tag == context.tag:
        found = context.commit
    if not found:
        raise InputError(
            "tag",
            f"there is no tag {tag!r} in the checkout, and none that GitHub shows",
            hint="Push the tag; check out with fetch-depth: 0, or give github-token with contents: read.",
        )
    return found


@dataclass(frozen=True)
class _Earlier:
    """The tag before; empty: the tag is the first, or nobody knows."""

    name: str = ""
    commit: str = ""
    gap: str = ""
    """Why nobody knows."""


def _tag_before(desk: _Desk, tag: str, commit: str) -> _Earlier:
    clone = desk.job.context.clone
    name = git.tag_before(clone, tag)
    if name is not None:
        return _Earlier(name, git.tag_commit(clone, name)) if name else _Earlier()
    unknown = f"What is new in {tag} is not known, for the tag before it is not: {_NO_HISTORY}"
    version = Version.of(tag)
    if not desk.github.is_known or version is None:
        return _Earlier(gap=f"{unknown}, and {_NO_TOKEN if version else 'its name does not tell'}.")
    try:
        names = before(tag, desk.github.tags(version.prefix))
        for earlier in names[:_TAGS]:
            found = desk.github.tag_commit(earlier)
            if found and desk.github.relation(found, commit) in ("ahead", "identical"):
                return _Earlier(earlier, found)
    except GitHubError as error:
        return _Earlier(gap=f"{unknown}, and GitHub does not tell: {error}. {error.hint}")
    if len(names) > _TAGS:
        return _Earlier(gap=f"{unknown}, and the {_TAGS} versions before it are of other branches.")
    return _Earlier()


def _carried(desk: _Desk, asked: Asked, environment: str) -> tuple[Carried | None, str]:
    histories = _histories(desk, environment)
    if desk.is_whole:
        # A function that stays in a release has all the same what the release has.
        histories = with_unmoved(histories, read_releases(desk.job.table, release_keys(histories)))
    by_name = {member.function.name: histories[member.ledger.arn] for member in desk.members}
    return carried(asked, environment, by_name)


def _unknown(desk: _Desk) -> str:
    return f"{_NO_HISTORY}, and {'GitHub does not tell' if desk.github.is_known else _NO_TOKEN}"


def _written(desk: _Desk, report: Report, notes: Notes, template: Template | None) -> Report:
    text = render(notes, template, redact=desk.job.workflow.redact)
    path = desk.job.inputs.release_notes_path
    if path and not desk.job.inputs.dry_run:
        write(desk.job.context.workspace, desk.job.inputs.release_notes_path, text)
    return replace(report, release_notes=text, release_notes_path=path)


def _published(desk: _Desk, report: Report, notes: Notes, template: Template | None) -> Report:
    """Put the notes into the tag's release.

    Raises:
        GitHubError: GitHub does not let us, which is what the run was for.

    """
    if not desk.github.is_known:
        raise GitHubError(
            "the release cannot be published without a github-token",
            hint="Leave github-token as it is by default, and give the job contents: write.",
        )
    made = release_page.publish(
        desk.github,
        notes.tag,
        [member.function.name for member in desk.members],
        lambda limit: render(notes, template, limit=limit, redact=desk.job.workflow.redact),
        retired=desk.job.inputs.retired,
    )
    done = "was published" if made.is_changed else "says so already"
    draft = " It is a draft, which its author publishes." if made.is_draft else ""
    return replace(
        report,
        headline=f"The release {notes.tag} {done}; it tells {_count(notes)}.{draft}",
        links=(("Release", Link(notes.tag, made.url)),),
    )
