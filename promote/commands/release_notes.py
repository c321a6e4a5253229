"""``release-notes``: what an environment's last promotion has brought or, on a tag, what the tag contains."""

from contextlib import suppress
from dataclasses import dataclass, replace

from promote import history, releases
from promote.endpoint import locate
from promote.errors import GitHubError, InputError
from promote.function import Function
from promote.github import GitHub
from promote.history import Relation
from promote.job import Job
from promote.ledger import Ledger
from promote.model import Kind, Result
from promote.notes.compose import moment, of_promotion, recorded_proof, sources, write
from promote.notes.model import Carried, Changes, Notes
from promote.notes.render import Template, render
from promote.parallel import gather, side_by_side
from promote.records import promotion_of
from promote.report import Link, Report
from promote.table import Item
from promote.tags import Version, before
from promote.target import read_template

_PATIENCE = 60
"""Seconds for all that GitHub is asked: the notes are what this run is for."""
_HISTORY = 200
"""Promotions of each environment that are looked through."""
_TAGS = 5
"""Earlier tags that are tried, where GitHub is asked which of them the history has."""
_WIDTH = 8
"""Environments that are read at the same time."""
_CONTAINING = (Relation.SAME, Relation.NEWER)
_NO_HISTORY = "the checkout does not tell (fetch-depth: 0 gives it the history)"
_NO_TOKEN = "there is no github-token to ask GitHub with"  # noqa: S105 - says so


@dataclass(frozen=True)
class _Desk:
    """What the notes are written with."""

    job: Job
    function: Function
    ledger: Ledger
    github: GitHub


def release_notes(job: Job) -> Report:
    """Write the notes, and publish them as the tag's release where that is wanted. It changes nothing of AWS's."""
    inputs = job.inputs
    tag = inputs.tag or job.context.tag
    _require_subject(job, tag)
    template = read_template(job)
    desk = _Desk(
        job,
        Function(lambda: job.clients.function, inputs.function_name, inputs.function_arn, job.clock),
        Ledger(job.table, job.arn, job.run, job.clock),
        GitHub(job.context, job.session, job.clock, _PATIENCE),
    )
    with job.phase("read"):
        notes = _of_tag(desk, tag) if tag else _of_environment(desk)
    report = Report(
        Result.REPORTED,
        headline=f"The release notes of {tag} tell {_count(notes)}."
        if tag
        else f"{inputs.environment} of {inputs.function_name} has version {notes.version} "
        f"since its last promotion, which brought {_count(notes)}.",
        warnings=notes.changes.gaps,
    )
    with job.phase("write"):
        report = _written(desk, report, notes, template)
    if not inputs.publish_release or inputs.dry_run:
        return report
    # What is written stays told, also where it cannot be published.
    job.reports.append(replace(report, result=Result.FAILED))
    with job.phase("publish"):
        return _published(desk, report, notes, template)


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
    entries = desk.ledger.history(environment, 2)
    if not entries:
        raise InputError(
            "environment",
            f"nothing has been promoted to {environment} of {desk.function.name} yet, so there is nothing to tell",
            hint="Correct environment, function-name or table; command: status shows what there is.",
        )
    move, before = promotion_of(entries[0]), entries[1] if len(entries) > 1 else {}
    state, version = side_by_side(desk.ledger.read, lambda: desk.ledger.version(move.version))
    gateway = state.served(environment).gateway
    url = job.inputs.environment_url
    if gateway and not url:
        url = locate(environment, gateway, job.clients.endpoint_url).url
    return of_promotion(
        job,
        sources(job, desk.github),
        desk.function,
        move,
        str(before.get("commit", "")),
        proof=recorded_proof(job, version.get("proof")) if move.is_proven else None,
        at=moment(entries[0].get("at")),
        actor=move.by,
        run_url=job.context.own_page(str(entries[0].get("url") or "")),
        environment_url=url,
    )


def _of_tag(desk: _Desk, tag: str) -> Notes:
    """Give the notes of what ``tag`` has and the tag before it has not, and say which environments have it.

    Raises:
        InputError: there is no such tag.

    """
    job, context = desk.job, desk.job.context
    found = sources(job, desk.github)
    commit, state = side_by_side(lambda: _commit_of(desk, tag), desk.ledger.read)
    earlier = _tag_before(desk, tag, commit)
    names = [job.inputs.environment] if job.inputs.environment else sorted(state.environments)
    changes, carried = side_by_side(
        # Without the tag before, all of the history would be told as new.
        lambda: Changes(gaps=(earlier.gap,)) if earlier.gap else found.between(earlier.commit, commit),
        lambda: gather([lambda name=name: _carried(desk, name, tag, commit) for name in names], _WIDTH),  # type: ignore[misc]
    )
    return Notes(
        function=desk.function.name,
        tag=tag,
        commit=commit,
        since=earlier.commit,
        since_tag=earlier.name,
        changes=replace(changes, gaps=(*changes.gaps, *(gap for _, gap in carried if gap))),
        carried=tuple(row for row, _ in carried if row),
        at=job.clock.now(),
        actor=context.actor,
        run_url=job.run.url,
        repository=context.repository,
        repository_url=context.repository_url,
    )


def _commit_of(desk: _Desk, tag: str) -> str:
    context = desk.job.context
    found = history.tag_commit(context.workspace, tag)
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
    workspace = desk.job.context.workspace
    name = history.tag_before(workspace, tag)
    if name is not None:
        return _Earlier(name, history.tag_commit(workspace, name)) if name else _Earlier()
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


def _carried(desk: _Desk, environment: str, tag: str, commit: str) -> tuple[Carried | None, str]:
    """Find the promotion that brought ``commit`` to ``environment`` first.

    Give also what is not known of that; with None, it is whether the environment has it at all.
    """
    job, first = desk.job, None
    items = desk.ledger.history(environment, _HISTORY)
    # From the newest on, since an environment goes forwards: what came before one that lacks it lacks it too.
    for item in (item for item in items if item.get("kind") != Kind.ROLLBACK):
        found = _related(desk, item, commit)
        if found is Relation.UNKNOWN and first is None:
            return None, f"Whether {environment} has had {tag} is not known: {_why_unknown(desk, item)}."
        if found not in _CONTAINING:
            break
        first = item
    if first is None:
        return Carried(environment, ""), ""
    row = Carried(
        environment,
        str(first["version"]),
        moment(first.get("at")),
        job.context.own_page(str(first.get("url") or "")),
    )
    if items[0].get("kind") != Kind.ROLLBACK:
        return row, ""
    found = _related(desk, items[0], commit)
    if found is Relation.UNKNOWN:
        return row, f"Whether {environment} still has {tag} is not known: {_why_unknown(desk, items[0])}."
    return replace(row, is_taken_back=found not in _CONTAINING), ""


def _related(desk: _Desk, item: Item, commit: str) -> Relation:
    return history.related(str(item.get("commit") or ""), commit, desk.job.context.workspace, desk.github)


def _why_unknown(desk: _Desk, item: Item) -> str:
    if not item.get("commit"):
        return f"the record of version {item['version']} there names no commit"
    return f"{_NO_HISTORY}, and {'GitHub does not tell' if desk.github.is_known else _NO_TOKEN}"


def _written(desk: _Desk, report: Report, notes: Notes, template: Template | None) -> Report:
    text = render(notes, template, redact=desk.job.workflow.redact)
    path = desk.job.inputs.release_notes_path
    if path and not desk.job.inputs.dry_run:
        write(desk.job, text)
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
    made = releases.publish(
        desk.github,
        notes.tag,
        notes.function,
        lambda limit: render(notes, template, limit=limit, redact=desk.job.workflow.redact),
    )
    done = "was published" if made.is_changed else "says so already"
    draft = " It is a draft, which its author publishes." if made.is_draft else ""
    return replace(
        report,
        headline=f"The release {notes.tag} {done}; it tells {_count(notes)}.{draft}",
        links=(("Release", Link(notes.tag, made.url)),),
    )
