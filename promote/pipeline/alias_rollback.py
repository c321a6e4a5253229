"""Restore the aliases of a release that is rolled back, and make sure that no late move of it takes effect.

Aliases that moved are restored. Aliases that did not move get a new RevisionId, so a move that arrives late fails its
precondition. The Description that does this is called the fence.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.errors import to_promote_error
from promote.aws.lambda_function import Function
from promote.core.clock import Clock
from promote.core.concurrency import map_concurrently
from promote.core.errors import ConflictError, UnconfirmedError
from promote.core.promotion import served_version
from promote.core.recovery import is_restored, is_unchanged, next_alias
from promote.core.release import Release, ReleasePart
from promote.core.version import same_content

_PAUSES = (0.2, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses in seconds before an alias is read again, if other runs, external changes or Lambda itself move it too."""


@dataclass(frozen=True)
class AliasRollback:
    """Restores aliases. ``function`` returns the function with an ARN."""

    function: Callable[[str], Function]
    clock: Clock

    def roll_back(self, release: Release) -> tuple[str, ...]:
        """Restore all aliases, prevent late moves, and return the names of functions that were changed externally.

        Raises:
            PromoteError: An alias cannot be restored now.

        """

        def restored(part: ReleasePart) -> Exception | bool:
            try:
                return self._restored(release, part)
            except Exception as error:  # noqa: BLE001 - the other aliases are restored nevertheless
                return error

        outcomes = map_concurrently([lambda part=part: restored(part) for part in release.parts], CALLS_AT_ONCE)  # type: ignore[misc]
        for part, outcome in zip(release.parts, outcomes, strict=True):
            if isinstance(outcome, Exception):
                problem, before = to_promote_error(outcome), served_version(part.before)
                raise problem.reworded(
                    f"{release.environment} of {part.name} could not be restored to "
                    f"{f'version {before}' if before else 'nothing'}: {problem}"
                ) from outcome
        return tuple(part.name for part, is_ours in zip(release.parts, outcomes, strict=True) if not is_ours)

    def _restored(self, release: Release, part: ReleasePart) -> bool:
        """Restore one alias, and return True. If it was changed externally, leave it as it is and return False.

        An alias that the release created is not deleted. Lambda has no precondition for a deletion, so a late creation
        could not be prevented. The alias points to the verified version, and no endpoint uses it yet.
        """
        function = self.function(part.arn)
        part = replace(part, before=part.before.own) if part.before else part
        if part.arn in release.denied:
            with suppress(Exception):  # this release did not move the alias
                alias = function.alias(release.environment)
                return is_unchanged(part, alias) or is_restored(release, part, alias)
            return True
        problem: UnconfirmedError | None = None
        for pause in (*_PAUSES, 0.0):
            alias = function.alias(release.environment)
            wanted = next_alias(release, part, alias)
            if wanted is None:
                return is_restored(release, part, alias)
            if alias is None and not is_content(function, part):
                # The function was deleted. A new one may have other code under this number, so it gets no alias here.
                return True
            try:
                is_written, problem = function.restore_alias(alias, wanted), None
            except UnconfirmedError as error:
                is_written, problem = False, error  # the next read shows whether it took effect
            if not is_written:
                if function.find(wanted.version) is None:
                    # The version or the function is gone, so no late creation can take effect. Nothing to restore.
                    return alias is None
                self.clock.sleep(pause)
        raise problem or ConflictError(
            f"the alias {release.environment} of {part.name} is changed externally again and again",
            hint="Find out what else moves this alias (a console, another workflow). Then run the job again.",
        )


def is_content(function: Function, part: ReleasePart) -> bool:
    """Return whether the version is the verified one. It is not if the function was deleted and created again."""
    version = function.find(part.promotion.version)
    return version is not None and same_content(version, part.candidate)
