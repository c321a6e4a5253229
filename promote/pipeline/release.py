"""The protocol of a release: all of its aliases move, or none, although Lambda has no transaction over aliases.

1. One transaction writes the record of the release and marks each function as part of it. Until the release ends,
   nothing else is promoted on these functions.
2. The aliases move side by side, each under the RevisionId that was read before.
3. One transaction changes the stage from ``moving`` to ``done``.

If an alias cannot be moved, a version has failed since, or the release is cancelled, the stage changes from ``moving``
to ``rolling_back``, which excludes ``done``. Aliases that moved are restored. Aliases that did not move get a new
RevisionId, so a move that arrives late fails. Then one transaction changes the stage to ``rolled_back``.

Each step is a conditional write. If it fails, the process reads the current stage and continues from there. So any
run can finish the release of a dead run, several runs can do so at once, and none of them needs the lock.

``promote.core.recovery`` decides which step is next. This module carries it out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.dynamodb import Table
from promote.aws.errors import to_promote_error
from promote.aws.lambda_function import Function, not_as_it_was
from promote.core.admission import Verdicts
from promote.core.clock import Clock
from promote.core.concurrency import map_and_wait
from promote.core.errors import ConflictError, PromoteError, RefusedError, ServiceError
from promote.core.promotion import Alias, ReleaseKey
from promote.core.recovery import (
    AliasMove,
    Failure,
    Intent,
    Movement,
    Step,
    after_error,
    after_unread,
    failure_of,
    next_step,
    stop_reason,
)
from promote.core.release import Release, ReleasePart, Stage
from promote.core.run import join_names
from promote.core.version import Candidate
from promote.pipeline.alias_rollback import AliasRollback, is_content
from promote.state.release_records import ReleaseRecords

_AS_FOUND = Intent()
"""The intent of a run that only finds the release."""

_ROUNDS = 10
"""The most steps, because other runs may change the stage first. A release takes two or three."""


@dataclass(frozen=True)
class Ended:
    """How a release ended."""

    release: Release
    problem: PromoteError | None = None
    """Why it was rolled back, if this process found that; or why it is not recorded as done."""
    seconds: float | None = None
    """Seconds from the first request to move an alias to the last response; None if this process moved none.

    The aliases disagreed for this long at most."""
    changed_externally: tuple[str, ...] = ()
    """The names of functions whose aliases were changed externally. They are left as they are."""
    is_by_us: bool = False
    """Whether this process recorded it as done and released the locks."""
    is_unrecorded: bool = False
    """Whether all aliases have moved, but that could not be recorded. The next run records it."""
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

    ``function`` returns the function with an ARN. ``verdicts`` returns the verdicts of a candidate of the function with
    an ARN.
    """

    def __init__(
        self,
        table: Table,
        function: Callable[[str], Function],
        verdicts: Callable[[str, Candidate], Verdicts],
        clock: Clock,
        say: Callable[[str, str], None],
    ) -> None:
        self.records = ReleaseRecords(table, clock)
        self._function = function
        self._verdicts = verdicts
        self._clock = clock
        self._say = say
        self._begun: set[ReleaseKey] = set()
        """The releases that this process began."""

    def begin(self, release: Release, further: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> None:
        """Begin the release in one transaction with ``further``. Raise the errors of ``ReleaseRecords.begin``."""
        self._begun.add(release.key)
        self.records.begin(release, further)

    def resume(
        self, release: Release, intent: Intent = _AS_FOUND, locks: Sequence[tuple[str, Mapping[str, Any]]] = ()
    ) -> Ended:
        """Complete a release or roll it back, and release ``locks`` with it if they are still held.

        Raises:
            PromoteError: The release cannot be finished now. The next run of any of its functions finishes it.

        """
        try:
            return self._resume(release, intent, locks)
        except Exception as error:
            problem = to_promote_error(error)
            whose = "The release" if intent.is_ours else f"The release {release.key.identity} of run {release.run_id}"
            problem = problem.reworded(
                f"{problem.sentence} {whose} is not finished",
                hint="Its aliases may have moved. Run command: status to see what they serve. The next run of any of "
                f"its functions finishes the release or rolls it back. {problem.hint}",
            )
            problem.may_have_moved = True
            raise problem from error

    def cancel(self, key: ReleaseKey) -> Ended | None:
        """Roll back a release that this job began, or complete it if all its aliases have moved.

        Return how it ended; None if it had ended before.

        Raises:
            PromoteError: The release cannot be finished now. The next run of any of its functions finishes it.

        """
        found = self.records.find(key)
        if found is None or found.stage.is_final:
            return None
        ended = self.resume(found, Intent(is_ours=True, is_cancelled=True))
        if ended.problem and ended.is_unrecorded:
            raise ended.problem
        return ended

    def _resume(self, release: Release, intent: Intent, locks: Sequence[tuple[str, Mapping[str, Any]]]) -> Ended:
        if release.key not in self._begun:
            release = self.records.join(release)
        ended = Ended(release)
        for _ in range(_ROUNDS):
            refusal = None if intent.stops(ended.release) else self._refusal(ended.release)
            stopped = stop_reason(ended.release, intent, refusal)
            step = next_step(ended.release, intent, stopped)
            if step is Step.END:
                return ended
            if step is Step.RECORD_UNDO:
                ended = self._record_undo(ended, intent)
            elif step is Step.RESTORE_ALIASES:
                ended = self._restore(ended)
            else:
                moves, ended = self._take(step, ended)
                failure = failure_of(moves, intent, stopped)
                if failure is None:
                    ended = self._complete(ended, locks)
                else:
                    ended = self._start_rollback(ended, intent, failure)
            if ended.is_unrecorded:
                return ended
        raise ServiceError(
            f"the record of release {release.key.identity} was changed by other processes {_ROUNDS} times in a row",
            hint="Find out what else writes to the table. Then run the job again.",
        )

    def _refusal(self, release: Release) -> RefusedError | None:
        """Return why a version of a release of another process must not be served any more; None if all may be.

        Another run may have verified a version again since that process began the release.
        """
        if release.key in self._begun or release.stage is not Stage.MOVING:
            return None
        for part in release.parts:
            if part.promotion.needs_verdict:
                verdicts = self._verdicts(part.arn, part.candidate)
                if refusal := verdicts.refusal(part.name, part.candidate.version):
                    return refusal
        return None

    def _take(self, step: Step, ended: Ended) -> tuple[list[AliasMove], Ended]:
        """Move or read the aliases. Return them, and how far the release is with that."""
        release, started = ended.release, self._clock.monotonic()
        act = self._moved if step is Step.MOVE_ALIASES else self._read
        # An alias that stays gets a new RevisionId too, so a late move of an earlier release of it alone fails.
        moves = map_and_wait([partial(act, release, part) for part in release.parts], CALLS_AT_ONCE)
        seconds = self._clock.monotonic() - started if step is Step.MOVE_ALIASES else None
        seen = {move.part.arn: move.alias for move in moves if move.moved is Movement.YES}
        return moves, replace(ended, problem=None, seconds=seconds, aliases={**ended.aliases, **seen})

    def _read(self, release: Release, part: ReleasePart) -> AliasMove:
        return AliasMove.seen(part, self._function(part.arn).alias(release.environment))

    def _moved(self, release: Release, part: ReleasePart) -> AliasMove:
        """Move an alias if it has not moved yet."""
        function = self._function(part.arn)
        try:
            if part.before is None and not is_content(function, part):
                version = part.promotion.version
                gone = not_as_it_was(part.name, version, is_gone=function.find(version) is None)
                return AliasMove(part, Movement.NO, problem=gone)
            moved = function.move_alias(part.before, part.promotion)
        except Exception as error:  # noqa: BLE001 - any error rolls the other aliases back
            problem = to_promote_error(error)
            try:
                alias = function.alias(release.environment)
            except Exception:  # noqa: BLE001 - the first error is the cause
                return after_unread(release, part, problem, is_begun_here=release.key in self._begun)
            return after_error(release, part, problem, alias)
        if moved is not None:
            return AliasMove(part, Movement.YES, moved)
        return AliasMove(
            part,
            Movement.NO,
            problem=ConflictError(
                f"the alias {release.environment} of {part.name} was changed externally since this run read it",
                hint="Find out what else moves this alias (a console, another workflow). Then run the job again.",
            ),
        )

    def _complete(self, ended: Ended, locks: Sequence[tuple[str, Mapping[str, Any]]]) -> Ended:
        """Record that all aliases have moved, and release ``locks``."""
        try:
            release, is_by_us = self.records.complete(ended.release, locks)
        except Exception as error:  # noqa: BLE001 - all aliases have moved, with or without the record
            return replace(ended, problem=to_promote_error(error), is_unrecorded=True)
        return replace(ended, release=release, is_by_us=is_by_us)

    def _start_rollback(self, ended: Ended, intent: Intent, failure: Failure) -> Ended:
        undo = intent.undo_of(ended.release)
        release = self.records.start_rollback(ended.release, failure.problem, failure.denied, undo)
        if release.stage is Stage.ROLLING_BACK:
            self._say("promote", f"rolling back the aliases that moved: {failure.problem}")
        return replace(ended, release=release, problem=failure.problem)

    def _record_undo(self, ended: Ended, intent: Intent) -> Ended:
        undo = intent.undo_of(ended.release)
        assert undo is not None  # noqa: S101 - the step is only taken by a run that undoes the release
        return replace(ended, release=self.records.record_undo(ended.release, undo))

    def _restore(self, ended: Ended) -> Ended:
        """Restore the aliases, and record that the release has ended."""
        try:
            changed = AliasRollback(self._function, self._clock).roll_back(ended.release)
            return replace(ended, release=self.records.end(ended.release), changed_externally=changed)
        except PromoteError as error:
            problem = ended.problem
            raise (error.reworded(f"{problem.sentence} {error}") if problem else error) from error
