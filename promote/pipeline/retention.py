"""Delete old versions after a promotion, as the input ``keep-versions`` says.

Lambda refuses to delete a version that an alias names. The ledger knows the other versions that must stay. Only
versions older than the promoted one are deleted, so a newer version that another run is about to promote stays.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from promote.aws.dynamodb import Item
from promote.aws.errors import to_promote_error
from promote.core.concurrency import map_and_wait, map_concurrently, run_both
from promote.core.errors import UnconfirmedError
from promote.core.promotion import Alias
from promote.core.release import ReleasePart
from promote.core.version import Published
from promote.pipeline.job import Job
from promote.pipeline.part import Part
from promote.pipeline.target import Target
from promote.state.candidate_records import Deployment
from promote.state.ledger import State
from promote.state.served_history import moves, served_before

_JOB, _RUN = timedelta(days=5), timedelta(days=35)
"""The longest duration of a job on a self-hosted runner, and of a workflow run with its approvals:
https://docs.github.com/actions/reference/limits. During that time, a run may still promote a candidate."""

_AT_ONCE = 100
"""The most versions that one promotion deletes. Lambda accepts 15 such calls per second and account:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, API requests."""

_WIDTH = 2
"""Versions that are deleted in parallel, and environments whose history is read in parallel."""


def retain(job: Job, parts: Sequence[Part]) -> list[Part]:
    """Delete the versions that are no longer needed after a promotion, as ``keep-versions`` says.

    A release that moved one function is a promotion of all. Return the functions with notes about what was deleted. A
    failure is a warning, because the promotion is complete.
    """
    if all(part.target.job.inputs.keep_versions is None for part in parts):
        return list(parts)
    with job.phase("retain"):
        return map_and_wait([partial(_retain_one, part) for part in parts], _WIDTH)


def _retain_one(part: Part) -> Part:
    """Delete versions of one function."""
    target, job = part.target, part.target.job
    keep = job.inputs.keep_versions
    if keep is None or part.candidate is None:
        return part
    deleted: list[int] = []
    left: list[int] = []
    try:
        left = _versions_to_delete(target, int(part.candidate.version), keep)
        _delete(target, left[:_AT_ONCE], keep, deleted)
    except Exception as error:  # noqa: BLE001 - the promotion is complete
        text = to_promote_error(error).full_text
        part, left = part.warned([f"Not all older versions could be deleted (keep-versions): {text}"]), []
    if not deleted:
        return part
    names = f"version{'' if len(deleted) == 1 else 's'} {', '.join(map(str, sorted(deleted)))}"
    job.say("retain", f"deleted {names}")
    more = f" The next promotions delete {len(left) - _AT_ONCE} more." if len(left) > _AT_ONCE else ""
    return part.noted(f"Deleted {names} (keep-versions: {keep}).{more}")


def versions_to_delete(
    versions: Collection[int], promoted: int, keep: int, *, verified: Collection[int], protected: Collection[int]
) -> list[int]:
    """Return which of ``versions`` to delete, in that order, after the promotion of ``promoted``.

    ``keep`` versions stay. Versions without a passed verdict are deleted before those in ``verified``, and older ones
    before newer ones. ``protected`` versions stay too. Versions newer than the promoted one are not counted and stay.
    """
    ranked = sorted((number for number in versions if number <= promoted), key=lambda it: (it in verified, it))
    beyond = ranked[: max(0, len(ranked) - keep)]
    return [number for number in beyond if number not in protected and number != promoted]


def _versions_to_delete(target: Target, promoted: int, keep: int) -> list[int]:
    published = {version.number: version for version in target.function.versions() if version.number <= promoted}
    if len(published) <= keep:
        return []
    aliases, (records, (deployments, state)) = run_both(
        lambda: target.function.aliases() or [],
        lambda: run_both(
            lambda: target.ledger.versions.between(min(published), promoted),
            lambda: run_both(target.ledger.candidates.listed, target.ledger.read),
        ),
    )
    now = target.job.clock.now()
    protected = {
        *named(aliases),
        *_rollback_targets(target, aliases, state, keep),
        *at_work(state, deployments, now),
        *_being_released(target, state),
        *unsettled(published.values(), records, now),
    }
    verified = {number for number, version in published.items() if _is_verified(records.get(number, {}), version)}
    return versions_to_delete(published, promoted, keep, verified=verified, protected=protected)


def _is_verified(record: Item, version: Published) -> bool:
    """Whether the version has a passed verdict. A record of a deleted function of the same name does not count."""
    return "passed" in record and record.get("code_sha256") == version.code_sha256


def named(aliases: Iterable[Alias]) -> Iterator[int]:
    """Yield the versions that aliases name, including those with a weight."""
    for alias in aliases:
        yield from (int(version) for version in (alias.version, *alias.weights) if version.isdecimal())


def _rollback_targets(target: Target, aliases: Iterable[Alias], state: State, keep: int) -> set[int]:
    """Return the versions that up to ``keep`` rollbacks in a row of any environment may return to."""
    environments = [alias for alias in aliases if alias.name in state.environments]
    windows = map_concurrently(
        [lambda alias=alias: _window(target, alias, state, keep) for alias in environments],  # type: ignore[misc]
        _WIDTH,
    )
    return {number for window in windows for number in window}


def _window(target: Target, alias: Alias, state: State, keep: int) -> list[int]:
    served = served_before(moves(target.ledger, alias, state.served(alias.name)), alias.version)
    # The last place of each version, newest first.
    newest = dict.fromkeys(release.version for release in reversed(served))
    return [int(version) for version in list(newest)[:keep] if version.isdecimal()]


def _being_released(target: Target, state: State) -> set[int]:
    """Return the versions of the function that unfinished releases may end at."""
    protocol = target.job.resources.releases(target.job.say)
    releases = [protocol.records.find(served.pending) for served in state.environments.values() if served.pending]
    return ends(target.ledger.arn, (part for found in releases if found for part in found.parts))


def ends(arn: str, parts: Iterable[ReleasePart]) -> set[int]:
    """Return the versions of the function ``arn`` that these parts may end at, completed or rolled back."""
    own = [part for part in parts if part.arn == arn]
    return {*(int(part.promotion.version) for part in own), *named(part.before for part in own if part.before)}


def at_work(state: State, deployments: Iterable[Deployment], now: datetime) -> Iterator[int]:
    """Yield the versions that other runs may still promote, or verify at a preview endpoint."""
    yield from (int(preview.version) for preview in state.previews if not preview.is_dead)
    for deployment in deployments:
        if not deployment.used and _is_within(_RUN, deployment.at, now):
            yield int(deployment.candidate.version)


def unsettled(versions: Iterable[Published], records: Mapping[int, Item], now: datetime) -> Iterator[int]:
    """Yield the versions without a verdict that may still get one, because their job may still run."""
    for version in versions:
        record = records.get(version.number, {})
        if record.get("code_sha256") != version.code_sha256:
            record = {}  # of a deleted function of the same name
        since = str(record.get("built") or version.modified)
        if "verdict" not in record and _is_within(_JOB, since, now):
            yield version.number


def _is_within(limit: timedelta, since: str, now: datetime) -> bool:
    """Whether ``since`` is at most ``limit`` ago. A text that is not a valid time counts as now."""
    with suppress(ValueError):
        at = datetime.fromisoformat(since)
        return now - (at if at.tzinfo else at.replace(tzinfo=UTC)) <= limit
    return True


def _delete(target: Target, numbers: list[int], keep: int, deleted: list[int]) -> None:
    """Delete versions, and add the deleted ones to ``deleted``. After a failure, no further deletion begins."""
    failures: list[Exception] = []

    def delete(number: int) -> None:
        if failures:
            return
        is_gone = False
        try:
            target.ledger.versions.record_deletion(number, keep)
            try:
                is_gone = target.function.delete_version(number)
            except UnconfirmedError as error:
                failures.append(error)
                return  # it may be deleted, so the record stays; if it exists, the next promotion deletes it
        except Exception as error:  # noqa: BLE001 - raised below, after all calls have ended
            failures.append(error)
        if is_gone:
            deleted.append(number)
        else:
            with suppress(Exception):
                target.ledger.versions.retract_deletion(number)

    map_concurrently([lambda number=number: delete(number) for number in numbers], _WIDTH)  # type: ignore[misc]
    if failures:
        raise failures[0]
