"""Restore the aliases of a release that is rolled back, and make sure that no move of it arrives later.

Aliases that moved go back to what they served. Those that did not move get another RevisionId, so that a move that is
still on its way fails its precondition.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.errors import to_promote_error
from promote.aws.lambda_function import Function
from promote.core.clock import Clock
from promote.core.concurrency import map_concurrently
from promote.core.errors import ConflictError, ServiceError, UnconfirmedError
from promote.core.promotion import Alias
from promote.core.version import same_content
from promote.state.releases import Part, Release

_PAUSES = (0.2, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between two looks at an alias that is to go back, where others, or Lambda itself, are at it as well."""


@dataclass(frozen=True)
class AliasRollback:
    """Restores aliases; ``function`` returns the function of an ARN."""

    function: Callable[[str], Function]
    clock: Clock

    def roll_back(self, release: Release) -> tuple[str, ...]:
        """Bring all aliases to what they served, and make sure that none moves any more; name those of strangers.

        Raises:
            PromoteError: one cannot be brought back now.

        """

        def restored(part: Part) -> Exception | bool:
            try:
                return self._restored(release, part)
            except Exception as error:  # noqa: BLE001 - the others go back all the same
                return error

        outcomes = map_concurrently([lambda part=part: restored(part) for part in release.parts], CALLS_AT_ONCE)  # type: ignore[misc]
        for part, outcome in zip(release.parts, outcomes, strict=True):
            if isinstance(outcome, Exception):
                problem = to_promote_error(outcome)
                raise ServiceError(
                    f"{release.environment} of {part.name} could not be restored to version "
                    f"{part.before.version if part.before else 'none'}: {problem}",
                    hint=problem.hint,
                ) from outcome
        return tuple(part.name for part, is_back in zip(release.parts, outcomes, strict=True) if not is_back)

    def _restored(self, release: Release, part: Part) -> bool:
        """Bring one alias back; False: it is a stranger's by now, and stays as it is.

        An alias that was not there before stays: Lambda deletes one without any precondition, and could not tell a
        late creation from the first. It points at the version that was proven, and nothing leads to it yet.
        """
        function = self.function(part.arn)
        part = replace(part, before=part.before.own) if part.before else part
        if part.arn in release.denied:
            with suppress(Exception):  # whatever it is, the alias was not moved by this release
                alias = function.alias(release.environment)
                return _is_as_before(part, alias) or _is_back(release, part, alias)
            return True
        problem: UnconfirmedError | None = None
        for pause in (*_PAUSES, 0.0):
            alias = function.alias(release.environment)
            wanted = _next(release, part, alias)
            if wanted is None:
                return _is_back(release, part, alias)
            if alias is None and not is_content(function, part):
                return True  # the function was deleted, and its version with it: there is nothing to fence
            try:
                is_restored, problem = function.restore_alias(alias, wanted), None
            except UnconfirmedError as error:
                is_restored, problem = False, error  # the next look shows whether it took effect
            if not is_restored:
                if function.find(wanted.version) is None:
                    # The version is gone, or the function: no late creation can come, and there is no way back.
                    return alias is None
                self.clock.sleep(pause)
        raise problem or ConflictError(
            f"somebody else keeps moving the alias {release.environment} of {part.name}",
            hint="See who does (a console, another workflow); then run the job again.",
        )


def _next(release: Release, part: Part, alias: Alias | None) -> Alias | None:
    """Give what ``alias`` is to be next on its way back; None: it stays as it is."""
    before = part.before
    is_fence = alias is not None and alias.description == release.fence
    if alias is not None and alias.promotion == part.promotion:
        # What it has left may have all of the traffic, until provisioned concurrency has moved.
        is_whole = not alias.own.weights or (before is not None and alias.weights == {before.version: 1.0})
        if alias.version == part.promotion.version and is_whole:
            return before or _fence(release, part)
        # A stranger has pointed it elsewhere, or split it, and left our words, which are not true any more.
        return replace(alias, description=before.description if before else release.fence)
    if before is None:
        return _fence(release, part) if alias is None else None
    if alias is not None and _is_as_before(part, alias):
        return replace(before, description=release.fence)
    if alias is None or not is_fence:
        return None
    # What a stranger has made of it since then stays, under the words that it had.
    is_untouched = (alias.version, alias.own.weights) == (before.version, before.weights)
    return before if is_untouched else replace(alias, description=before.description)


def _fence(release: Release, part: Part) -> Alias:
    """Give what stays of an alias that was not there before."""
    return Alias(release.environment, part.promotion.version, "", release.fence, {})


def is_content(function: Function, part: Part) -> bool:
    """Whether the version is the one that was verified, and not one of a function that was created again."""
    version = function.find(part.promotion.version)
    return version is not None and same_content(version, part.candidate)


def _is_as_before(part: Part, alias: Alias | None) -> bool:
    """Whether nobody has touched the alias since the release was decided upon."""
    if alias is None or part.before is None:
        return alias is part.before
    return alias.revision_id == part.before.revision_id


def _is_back(release: Release, part: Part, alias: Alias | None) -> bool:
    """Whether an alias that stays as it is is what the release has left; else it is a stranger's."""
    before = part.before
    if alias is None or before is None:
        return alias is not None and alias.description == release.fence
    # Lambda itself keeps the traffic with a version that is left, until provisioned concurrency has moved.
    is_whole = alias.weights in (before.weights, {part.promotion.version: 1.0}) or alias.split.is_lambdas
    return is_whole and (alias.version, alias.description) == (before.version, before.description)
