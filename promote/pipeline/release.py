"""The protocol of a release: all of its aliases move, or none, although Lambda has no transaction over aliases.

1. One transaction writes the record of the release and marks each function as part of it. Until the release ends,
   nothing else is promoted on these functions.
2. The aliases move side by side, each under the RevisionId that was read before.
3. One transaction changes the stage from ``moving`` to ``done``.

If an alias cannot be moved, the stage changes from ``moving`` to ``rolling_back``, which excludes ``done``. Aliases
that moved are restored. Aliases that did not move get a new RevisionId, so a move that arrives late fails. Then one
transaction changes the stage to ``rolled_back``.

Each step is a conditional write. If it fails, the process reads the current stage and continues from there. So any
run can finish the release of a dead run, several runs can do so at once, and none of them needs the lock.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.dynamodb import Table
from promote.aws.errors import to_promote_error
from promote.aws.lambda_aliases import MoveResult
from promote.aws.lambda_function import Function, not_as_it_was
from promote.core.clock import Clock
from promote.core.concurrency import map_and_wait
from promote.core.errors import AccessError, ConflictError, PromoteError, RefusedError, ServiceError, UnconfirmedError
from promote.core.promotion import Alias, Kind, ReleaseKey
from promote.core.release import Release, ReleasePart, Stage, Undo
from promote.core.run import join_names
from promote.core.version import Candidate
from promote.pipeline.alias_rollback import AliasRollback, is_content
from promote.state.release_records import ReleaseRecords
from promote.state.version_records import Judged

_STOPPED = ConflictError("it was stopped before all aliases had moved", hint="Run the job again.")

_ROUNDS = 10
"""The most steps, because other runs may change the stage first. A release takes two or three."""


@dataclass(frozen=True)
class Ended:
    """How a release ended."""

    release: Release
    problem: PromoteError | None = None
    """Why it was rolled back, if this process found that; or why it is not recorded as done though all has moved."""
    seconds: float | None = None
    """Seconds from the first request to move an alias to the last response; None if this process moved none.

    The aliases disagreed for this long at most."""
    changed_externally: tuple[str, ...] = ()
    """The names of functions whose aliases were changed externally. They are left as they are."""
    is_by_us: bool = False
    """Whether this process recorded it as done and released the locks."""
    aliases: Mapping[str, Alias | None] = field(default_factory=dict)
    """The aliases after their moves, as this process read them, by ARN."""

    @property
    def exceptions(self) -> str:
        """The functions that were changed externally, as the end of a sentence; empty if there are none."""
        names = self.changed_externally
        verb = "was" if len(names) == 1 else "were"
        return f", except for {join_names(names)}, which {verb} changed externally" if names else ""

    @property
    def text(self) -> str:
        """The end of the release, for the log."""
        if self.changed_externally and not self.release.has_several:
            return f"{self.release.environment} was changed externally, and stays as it is"
        return f"{self.release.meaning}{self.exceptions}"


class ReleaseProtocol:
    """Carries out releases.

    ``function`` returns the function with an ARN. ``judged`` returns the verdicts of a candidate of the function with
    an ARN.
    """

    def __init__(
        self,
        table: Table,
        function: Callable[[str], Function],
        judged: Callable[[str, Candidate], Judged],
        clock: Clock,
        say: Callable[[str, str], None],
    ) -> None:
        self.records = ReleaseRecords(table, clock)
        self._function = function
        self._judged = judged
        self._clock = clock
        self._say = say
        self._begun: set[ReleaseKey] = set()
        """The releases that this process began."""

    def begin(self, release: Release, further: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> None:
        """Begin the release in one transaction with ``further``. Raise the errors of ``ReleaseRecords.begin``."""
        self._begun.add(release.key)
        self.records.begin(release, further)

    def resume(
        self,
        release: Release,
        locks: Sequence[tuple[str, Mapping[str, Any]]] = (),
        *,
        is_ours: bool = False,
        is_cancelled: bool = False,
        undo: Undo | None = None,
    ) -> Ended:
        """Complete a release or roll it back, and release ``locks`` with it if they are still held.

        - ``is_ours``: this job began the release. If the permission to move an alias is missing, the release is rolled
          back. A release of another job is left to a job with that permission.
        - ``is_cancelled``: the release is rolled back unless all its aliases have moved.
        - ``undo``: as ``is_cancelled``, for ``command: rollback``. The record names the user who rolled it back. A
          release that is a rollback itself is completed, because the user wants its result. So is one that moves no
          alias, because it does not change what is served.

        Raises:
            PromoteError: The release cannot be finished now. The next run of any of its functions finishes it.

        """
        undo = None if release.kind is Kind.ROLLBACK or not release.moves else undo
        try:
            return self._resume(release, locks, is_ours=is_ours, is_cancelled=is_cancelled, undo=undo)
        except Exception as error:
            problem = to_promote_error(error)
            whose = "The release" if is_ours else f"The release {release.key.identity} of run {release.run_id}"
            problem = problem.reworded(
                f"{problem.sentence} {whose} is not finished",
                hint="Its aliases may have moved. Run command: status to see what they serve. The next run of any of "
                f"its functions finishes the release or rolls it back. {problem.hint}",
            )
            problem.may_have_moved = True
            raise problem from error

    def _resume(
        self,
        release: Release,
        locks: Sequence[tuple[str, Mapping[str, Any]]],
        *,
        is_ours: bool,
        is_cancelled: bool,
        undo: Undo | None,
    ) -> Ended:
        problem: PromoteError | None = None
        seconds: float | None = None
        changed_externally: tuple[str, ...] = ()
        is_by_us = False
        seen: dict[str, Alias | None] = {}
        stops = is_cancelled or undo is not None
        if release.key not in self._begun:
            release = self.records.join(release)
        for _ in range(_ROUNDS):
            if release.stage is Stage.MOVING:
                stopped = _STOPPED if stops else self._unverified(release)
                started = self._clock.monotonic()
                problem, denied = self._stopped(release, seen, stopped) if stopped else self._move(release, seen)
                seconds = None if stopped else self._clock.monotonic() - started
                if isinstance(problem, AccessError) and not is_ours:
                    raise problem.reworded(
                        str(problem), hint=f"Run a job that may move the aliases of all its functions. {problem.hint}"
                    )
                if problem is None:
                    try:
                        release, is_by_us = self.records.complete(release, locks)
                    except Exception as error:  # noqa: BLE001 - all aliases have moved, with or without the record
                        return Ended(release, to_promote_error(error), seconds, aliases=seen)
                else:
                    release = self.records.start_rollback(release, problem, denied, undo)
                    if release.stage is Stage.ROLLING_BACK:
                        self._say("promote", f"rolling back the aliases that moved: {problem}")
            elif release.stage is Stage.ROLLING_BACK:
                try:
                    release, changed_externally = self._roll_back(release, undo)
                except PromoteError as error:
                    raise (error.reworded(f"{problem.sentence} {error}") if problem else error) from error
            else:
                return Ended(release, problem, seconds, changed_externally, is_by_us, seen)
        raise ServiceError(
            f"the record of release {release.key.identity} was changed by other processes {_ROUNDS} times in a row",
            hint="Find out what else writes to the table. Then run the job again.",
        )

    def _roll_back(self, release: Release, undo: Undo | None) -> tuple[Release, tuple[str, ...]]:
        """Restore the aliases and record it. Return the release, and the functions that were changed externally."""
        if undo and not release.undone:
            # Another process has started the rollback. The user's reason keeps the code out.
            return self.records.record_undo(release, undo), ()
        changed_externally = AliasRollback(self._function, self._clock).roll_back(release)
        return self.records.end(release), changed_externally

    def finish(self, key: ReleaseKey) -> Ended | None:
        """Finish a release that this job began, and return how it ended; None if it had ended before.

        Raises:
            PromoteError: The release cannot be finished now. The next run of any of its functions finishes it.

        """
        found = self.records.find(key)
        if found is None or found.stage.is_final:
            return None
        ended = self.resume(found, is_ours=True, is_cancelled=True)
        if ended.problem and not ended.release.stage.is_final:
            raise ended.problem
        return ended

    def _unverified(self, release: Release) -> PromoteError | None:
        """Return why a release of another process must not go on; None if its versions are still verified.

        Another run may have verified a version again since that process began the release.
        """
        if release.key in self._begun:
            return None
        try:
            for part in release.moves:
                if part.promotion.is_verified and part.promotion.kind is Kind.PROMOTION:
                    judged = self._judged(part.arn, part.candidate)
                    judged.require_passed(part.name, part.candidate.version)
        except RefusedError as refused:
            return refused
        return None

    def _stopped(
        self, release: Release, seen: dict[str, Alias | None], problem: PromoteError
    ) -> tuple[PromoteError | None, tuple[str, ...]]:
        """Return ``problem`` if a stopped release must be rolled back; None if all its aliases have moved.

        The other arguments and the result are as for ``_move``.
        """
        calls = [partial(self._function(part.arn).alias, release.environment) for part in release.parts]
        for part, alias in zip(release.parts, map_and_wait(calls, CALLS_AT_ONCE), strict=True):
            if alias is None or alias.promotion != part.promotion:
                return problem, ()
            seen[part.arn] = alias
        return None, ()

    def _move(self, release: Release, seen: dict[str, Alias | None]) -> tuple[PromoteError | None, tuple[str, ...]]:
        """Move the aliases that have not moved yet.

        Return why one cannot be moved (None if all have moved) and the ARNs of functions whose moves were refused.
        The aliases after their moves are added to ``seen``, by ARN.

        Raises:
            PromoteError: An alias may have moved, and it cannot be read.

        """

        def move(part: ReleasePart) -> PromoteError | None:
            function = self._function(part.arn)
            try:
                if part.before is None and not is_content(function, part):
                    version = part.promotion.version
                    return not_as_it_was(part.name, version, is_gone=function.find(version) is None)
                pointed = function.move_alias(part.before, part.promotion)
                if pointed.moved is MoveResult.YES:
                    seen[part.arn] = pointed.alias
                    return None
            except Exception as error:  # noqa: BLE001 - any error rolls the other aliases back
                problem = to_promote_error(error)
                try:
                    alias = function.alias(release.environment)
                except Exception:  # noqa: BLE001 - the first error is the cause
                    if isinstance(problem, UnconfirmedError) or release.key not in self._begun:
                        raise problem from error  # it may have moved; the next run finishes the release
                    alias = None
                if alias is not None and alias.promotion == part.promotion:
                    seen[part.arn] = alias
                    return None
                if not release.has_several:
                    return problem
                was = "is not known to have moved" if isinstance(problem, UnconfirmedError) else "was not moved"
                return problem.reworded(f"the alias of {part.name} {was}: {problem}")
            return ConflictError(
                f"the alias {release.environment} of {part.name} was changed externally since this run read it",
                hint="Find out what else moves this alias (a console, another workflow). Then run the job again.",
            )

        # An alias that stays gets a new RevisionId too, so a late move of an earlier release of it alone fails.
        problems = map_and_wait([lambda part=part: move(part) for part in release.parts], CALLS_AT_ONCE)  # type: ignore[misc]
        found = list(zip(release.parts, problems, strict=True))
        refused = [part.arn for part, problem in found if problem and not isinstance(problem, UnconfirmedError)]
        return next(filter(None, problems), None), tuple(refused)
