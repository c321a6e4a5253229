"""The protocol of a release: several aliases moved as one, though Lambda knows no transaction over aliases.

One transaction writes the release's record and marks each of its functions with it; from then on nothing else is
promoted on them. The aliases are moved side by side, each under the RevisionId that was read before. One more
transaction ends it: ``moving`` becomes ``done``. Where an alias cannot be moved, ``moving`` becomes ``rolling_back``
instead, which excludes ``done``; those that moved go back to what they served, those that did not get another
RevisionId, so that a move which is still on its way fails; and a transaction ends it as ``rolled_back``.

Each step is a conditional write of which the loser reads what has become of it. So a release that a dead run has left
is brought to its end by whoever finds it, by several at once, and without the lock.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from promote.aws.clients import CALLS_AT_ONCE, Clients
from promote.aws.dynamodb import Table
from promote.aws.errors import to_promote_error
from promote.aws.lambda_aliases import Moved
from promote.aws.lambda_function import Function, not_as_it_was
from promote.core.clock import Clock
from promote.core.concurrency import map_and_wait
from promote.core.errors import AccessError, ConflictError, PromoteError, ServiceError, UnconfirmedError
from promote.core.promotion import Alias, ReleaseKey
from promote.pipeline.alias_rollback import AliasRollback, is_content
from promote.state.release_records import ReleaseRecords
from promote.state.releases import Part, Release, Stage, Undo

_ROUNDS = 10
"""Transitions that are tried because others have made one first; it takes two, or three, to the end."""


@dataclass(frozen=True)
class Ended:
    """How a release ended."""

    release: Release
    problem: PromoteError | None = None
    """Why it was turned back, where this process has found that; or why it has no end yet though all has moved."""
    seconds: float | None = None
    """Of moving the aliases, from the first that was sent to the last that was answered: as long as this, at the most,
    they have disagreed. None: this process has moved none."""
    changed_externally: tuple[str, ...] = ()
    """The functions whose aliases somebody else has moved meanwhile: they are left as they are."""
    is_by_us: bool = False
    """Whether it was this process that has recorded it as done, and given back the locks."""
    aliases: Mapping[str, Alias | None] = field(default_factory=dict)
    """The aliases by ARN, as this process has seen them after their moves."""


class ReleaseProtocol:
    """What carries releases out; ``function`` gives the function of an ARN."""

    def __init__(
        self, table: Table, function: Callable[[str], Function], clock: Clock, say: Callable[[str, str], None]
    ) -> None:
        self.records = ReleaseRecords(table, clock)
        self._function = function
        self._clock = clock
        self._say = say
        self._begun: set[ReleaseKey] = set()
        """The releases that this process has begun."""

    @classmethod
    def of(cls, clients: Clients, table: Table, clock: Clock, say: Callable[[str, str], None]) -> "ReleaseProtocol":
        """Give that of the functions in the clients' region."""

        def function(arn: str) -> Function:
            return Function(lambda: clients.function, arn.rpartition(":")[2], arn, clock)

        return cls(table, function, clock, say)

    def begin(self, release: Release, further: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> None:
        """Begin the release, along with ``further`` parts of the transaction; errors as of ``ReleaseRecords.begin``."""
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
        """Bring a release to its end, forward or back; ``locks`` are given back with it if they are still held.

        With ``is_ours``, this job has begun it, and rolls it back if it lacks the permission to move an alias. A
        release of another job is left to a job with that permission. With ``is_cancelled``, it is rolled back unless
        all its aliases have moved. ``undo`` is the same for a rollback that meets it: the release is recorded as rolled
        back by that person.

        Raises:
            PromoteError: It could not be brought to its end now. The next run of any of its functions does that.

        """
        try:
            return self._resume(release, locks, is_ours=is_ours, is_cancelled=is_cancelled, undo=undo)
        except Exception as error:
            problem = to_promote_error(error)
            whose = "The release" if is_ours else f"The release {release.key.identity} of run {release.run_id}"
            problem = problem.reworded(
                f"{problem}{'' if str(problem).endswith('.') else '.'} {whose} is not finished",
                hint="Its aliases may have moved: see what they serve with command: status. The post step, or the next "
                f"run of any of its functions, finishes the release or rolls it back. {problem.hint}",
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
        if release.key not in self._begun:
            release = self.records.join(release)
        for _ in range(_ROUNDS):
            if release.stage is Stage.MOVING:
                started = self._clock.monotonic()
                stops = is_cancelled or undo is not None
                problem, denied = self._stopped(release, seen) if stops else self._move(release, seen)
                seconds = self._clock.monotonic() - started
                if isinstance(problem, AccessError) and not is_ours:
                    raise problem.reworded(
                        str(problem), hint=f"Run a job that may move the aliases of all its functions. {problem.hint}"
                    )
                if problem is None:
                    try:
                        release, is_by_us = self.records.complete(release, locks)
                    except Exception as error:  # noqa: BLE001 - all has moved, whatever the table says
                        return Ended(release, to_promote_error(error), seconds, aliases=seen)
                else:
                    release = self.records.start_rollback(release, problem, denied, undo)
                    if release.stage is Stage.ROLLING_BACK:
                        self._say("promote", f"rolling back what has moved: {problem}")
            elif release.stage is Stage.ROLLING_BACK:
                try:
                    changed_externally = AliasRollback(self._function, self._clock).roll_back(release)
                except PromoteError as error:
                    raise (problem.reworded(f"{problem}. {error}", error.hint) if problem else error) from error
                release = self.records.end(release)
            else:
                return Ended(release, problem, seconds, changed_externally, is_by_us, seen)
        raise ServiceError(
            f"the record of release {release.key.identity} cannot be brought to its end",
            hint="Somebody else keeps writing it: see who, and run the job again.",
        )

    def finish(self, key: ReleaseKey) -> Release | None:
        """Bring a release that this job has begun to its end, and give it; None: nothing is left to be done.

        Raises:
            PromoteError: it could not be brought to its end now, which is left to whoever comes next.

        """
        found = self.records.find(key)
        if found is None or found.stage.is_final:
            return None
        ended = self.resume(found, is_ours=True, is_cancelled=True)
        if ended.problem and not ended.release.stage.is_final:
            raise ended.problem
        return ended.release

    def _stopped(self, release: Release, seen: dict[str, Alias | None]) -> tuple[PromoteError | None, tuple[str, ...]]:
        """Look how far a release has come that is not to go on: unless all has moved, it is rolled back.

        Arguments and result are as of ``_move``.
        """
        calls = [partial(self._function(part.arn).alias, release.environment) for part in release.parts]
        for part, alias in zip(release.parts, map_and_wait(calls, CALLS_AT_ONCE), strict=True):
            if alias is None or alias.promotion != part.promotion:
                return ConflictError("it was stopped before all of it had moved", hint="Run the job again."), ()
            seen[part.arn] = alias
        return None, ()

    def _move(self, release: Release, seen: dict[str, Alias | None]) -> tuple[PromoteError | None, tuple[str, ...]]:
        """Move the aliases, those that have not moved; give why one cannot be moved, or None, and who may not be.

        ``seen`` gets the aliases, by ARN, as they were seen after the move.

        Raises:
            PromoteError: nobody answers who could tell whether one has moved that another process may have moved.

        """

        def move(part: Part) -> PromoteError | None:
            function = self._function(part.arn)
            try:
                if part.before is None and not is_content(function, part):
                    version = part.promotion.version
                    return not_as_it_was(part.name, version, is_gone=function.find(version) is None)
                pointed = function.move_alias(part.before, part.promotion)
                if pointed.moved is Moved.YES:
                    seen[part.arn] = pointed.alias
                    return None
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go back for it
                problem = to_promote_error(error)
                try:
                    alias = function.alias(release.environment)
                except Exception:  # noqa: BLE001 - the first error tells more
                    if isinstance(problem, UnconfirmedError) or release.key not in self._begun:
                        raise problem from error  # it may have moved; who finds the release finishes it
                    alias = None
                if alias is not None and alias.promotion == part.promotion:
                    seen[part.arn] = alias
                    return None
                if not release.has_several:
                    return problem
                was = "is not known to have moved" if isinstance(problem, UnconfirmedError) else "was not moved"
                return problem.reworded(f"the alias of {part.name} {was}: {problem}")
            return ConflictError(
                f"the alias {release.environment} of {part.name} was moved by somebody else meanwhile",
                hint="See who else moves this alias (a console, another workflow); then run the job again.",
            )

        # One that stays gets another RevisionId as well: what was decided of it alone before, and arrives late, fails.
        problems = map_and_wait([lambda part=part: move(part) for part in release.parts], CALLS_AT_ONCE)  # type: ignore[misc]
        found = list(zip(release.parts, problems, strict=True))
        refused = [part.arn for part, problem in found if problem and not isinstance(problem, UnconfirmedError)]
        return next(filter(None, problems), None), tuple(refused)
