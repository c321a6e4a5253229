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
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from promote.aws.clients import CALLS_AT_ONCE, Clients
from promote.aws.dynamodb import ConditionFailed, Table, TransactionCancelled
from promote.aws.errors import to_promote_error
from promote.aws.lambda_aliases import Moved
from promote.aws.lambda_function import Function, not_as_it_was
from promote.core.clock import Clock
from promote.core.concurrency import map_and_wait
from promote.core.errors import AccessError, ConflictError, PromoteError, ServiceError, UnconfirmedError
from promote.core.promotion import Alias, ReleaseKey, RolledBack
from promote.core.rolledback import after_rollback
from promote.pipeline.alias_rollback import AliasRollback, is_content
from promote.state.environment_records import environment_key, served_item, served_of, together_item
from promote.state.promotion_records import entry_item, rolled_back_items
from promote.state.releases import Part, Release, Stage, Undo, release_item, release_of

_ROUNDS = 10
"""Transitions that are tried because others have made one first; it takes two, or three, to the end."""


_LARGEST = 100
"""Parts that a transaction may have:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html"""

_OURS = "attribute_not_exists(#pending) OR #pending.#sk = :sk"
"""The condition that a function is not part of another release: it cannot be, unless somebody has deleted a record."""


class Conflict(Exception):  # noqa: N818 - an answer to a question, not a failure
    """A function is part of another release, or has been promoted, since it was read: nothing was begun."""


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
        self._table = table
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

    def find(self, key: ReleaseKey) -> Release | None:
        """Read the record of a release; None: there is none."""
        item = next(iter(self._table.query(key.pk, key.sk, key.sk)), None)
        return release_of(item) if item else None

    def read(self, key: ReleaseKey) -> Release:
        """Read the record of a release that a function is marked with.

        Raises:
            ConflictError: somebody has deleted it.

        """
        found = self.find(key)
        if found is None:
            raise ConflictError(
                f"the record of release {key.identity} is gone from the table",
                hint=f"Restore the item {key.sk} of {key.pk}; or, when all aliases are as they should be, remove the "
                "attribute pending from the items of the environment.",
            )
        return found

    def begin(self, release: Release, further: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> None:
        """Write the record and mark the functions, along with ``further`` parts of the transaction.

        Raises:
            Conflict: a function is no longer as it was read.
            TransactionCancelled: only ``further`` stood in the way; its ``refused`` are theirs.

        """
        parts: list[tuple[str, Mapping[str, Any]]] = []
        for part in release.parts:
            known = "#sequence = :sequence" if part.sequence else "attribute_not_exists(#sequence)"
            change = self._table.change(
                part.arn,
                environment_key(release.environment),
                assign={"pending": {"pk": release.key.pk, "sk": release.key.sk}},
                condition=f"attribute_not_exists(#pending) AND {known}",
                values={"sequence": part.sequence} if part.sequence else {},
            )
            parts.append(("Update", change))
        record = {**release_item(release), "begun": self._now()}
        self._begun.add(release.key)
        what = f"the release of {release.names} may have begun; the next run of any of them brings it to its end"
        try:
            self._table.transact([("Put", self._table.insertion(record)), *parts, *further], shown=bool, what=what)
        except TransactionCancelled as cancelled:
            refused, *ours = cancelled.refused[: len(parts) + 1]
            if refused:
                return  # Our own call has taken effect before: its answer was lost.
            if any(ours):
                raise Conflict from cancelled
            raise TransactionCancelled(cancelled.refused[len(parts) + 1 :]) from cancelled
        except UnconfirmedError as error:
            error.may_have_moved = True  # by whoever brings it to its end
            raise

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
            release = self._join(release)
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
                        release, is_by_us = self._complete(release, locks)
                    except Exception as error:  # noqa: BLE001 - all has moved, whatever the table says
                        return Ended(release, to_promote_error(error), seconds, aliases=seen)
                else:
                    release = self._start_rollback(release, problem, denied, undo)
            elif release.stage is Stage.ROLLING_BACK:
                try:
                    changed_externally = AliasRollback(self._function, self._clock).roll_back(release)
                except PromoteError as error:
                    raise (problem.reworded(f"{problem}. {error}", error.hint) if problem else error) from error
                release = self._end(release)
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
        found = self.find(key)
        if found is None or found.stage.is_final:
            return None
        ended = self.resume(found, is_ours=True, is_cancelled=True)
        if ended.problem and not ended.release.stage.is_final:
            raise ended.problem
        return ended.release

    def _join(self, release: Release) -> Release:
        """Note that a process which has not begun the release moves its aliases, too; give it as it then is."""
        if release.stage is Stage.MOVING:
            change = self._table.change(
                *(release.key.pk, release.key.sk),
                assign={"joined": self._now()},
                condition="#stage = :moving",
                values={"moving": Stage.MOVING.value},
            )
            try:
                self._table.update(change)
            except ConditionFailed:
                return self.read(release.key)
        return release

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

    def _complete(self, release: Release, locks: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[Release, bool]:
        """Record that all has moved; give the release as it then is, and whether this call has done it.

        A lock that another run holds by now, and a candidate's record that is gone, are left out.
        """
        now = self._now()
        parts = [self._transition(release, Stage.DONE, now)]
        for part in release.parts:
            promotion = part.promotion
            if part.moves:
                entry = entry_item(part.arn, promotion, part.candidate, part.plan, now)
                whole = {**entry, "url": release.url, "release": {**vars(release.key), "functions": len(release.parts)}}
                parts.append(("Put", {"Item": self._table.encode(whole)}))
            served = served_item(promotion, part.candidate, part.plan, now, release.url)
            if release.moves:
                served["promoted"] = promotion.commit  # one that stays is part of the promotion all the same
            parts.append(self._unmarking(release, part, served))
        used = [self._using(part) for part in release.parts if part.token]
        locks = [*used, *locks][: _LARGEST - len(parts)]
        while True:
            try:
                self._table.transact([*parts, *locks])
            except TransactionCancelled as cancelled:
                if not locks or any(cancelled.refused[: len(parts)]):
                    return self.read(release.key), False
                theirs = zip(locks, cancelled.refused[len(parts) :], strict=True)
                locks = [lock for lock, is_refused in theirs if not is_refused]
            else:
                return replace(release, stage=Stage.DONE), True

    def _using(self, part: Part) -> tuple[str, Mapping[str, Any]]:
        """Give the part of a transaction that uses up the candidate's record."""
        return "Update", self._table.change(
            part.arn,
            part.token,
            assign={"used": part.promotion.identity},
            condition="attribute_exists(pk) AND attribute_not_exists(#used)",
        )

    def _start_rollback(
        self, release: Release, problem: PromoteError, denied: Sequence[str], undo: Undo | None
    ) -> Release:
        """Decide that the release goes back; give it as it then is, which may be done.

        Of a function whose move was refused (``denied``) no move is on its way, unless others have joined. So it needs
        no other RevisionId, which a run without the permission could not give it.
        """
        turned = replace(release, stage=Stage.ROLLING_BACK, reason=str(problem)[:500], undone=undo)
        undone = {"undone": vars(undo)} if undo else {}
        alone = self._table.change(
            *(release.key.pk, release.key.sk),
            assign={"stage": turned.stage.value, "reason": turned.reason, "denied": list(denied), **undone},
            condition="#stage = :before AND attribute_not_exists(#joined)",
            values={"before": release.stage.value},
        )
        with suppress(ConditionFailed):
            self._table.update(alone)
            self._say("promote", f"rolling back what has moved: {problem}")
            return replace(turned, denied=tuple(denied))
        try:
            _, change = self._transition(release, Stage.ROLLING_BACK, self._now(), turned.reason, undone)
            self._table.update(change)
        except ConditionFailed:
            return self.read(release.key)
        self._say("promote", f"rolling back what has moved: {problem}")
        return turned

    def _end(self, release: Release) -> Release:
        """Record that all is back; give the release as it then is."""
        parts = [self._transition(release, Stage.ROLLED_BACK, self._now(), release.reason)]
        kept_out = self._kept_out(release, release.undone) if release.undone else {}
        parts += [self._unmarking(release, part, {}, kept_out.get(part.arn)) for part in release.parts]
        with suppress(TransactionCancelled):
            self._table.transact(parts)
            return replace(release, stage=Stage.ROLLED_BACK)
        return self.read(release.key)

    def _kept_out(self, release: Release, undo: Undo) -> dict[str, list[dict[str, Any]]]:
        """Return, by ARN, what must not return to the environments from which a person has rolled the release back.

        Nothing else changes these records while they are marked as part of the release.
        """
        found = {}
        for part in release.parts:
            key = environment_key(release.environment)
            item = next(iter(self._table.query(part.arn, key, key)), None)
            if item is None or not part.moves:
                continue
            candidate, served = part.candidate, served_of(item)
            left = RolledBack(
                version=candidate.version,
                code_sha256=candidate.code_sha256,
                fingerprint=candidate.fingerprint,
                commit=part.promotion.commit,
                at=undo.at,
                reason=undo.reason,
                by=undo.by,
                promotion=release.key.identity,
            )
            found[part.arn] = rolled_back_items(after_rollback(served.rolled_back, served, left))
        return found

    def _transition(
        self, release: Release, stage: Stage, now: str, reason: str = "", further: Mapping[str, Any] | None = None
    ) -> tuple[str, Mapping[str, Any]]:
        """Return the part of a transaction that takes the record from the release's stage to ``stage``."""
        return "Update", self._table.change(
            release.key.pk,
            release.key.sk,
            assign={
                "stage": stage.value,
                "reason": reason,
                **({"ended": now} if stage.is_final else {}),
                **(further or {}),
            },
            condition="#stage = :before",
            values={"before": release.stage.value},
        )

    def _unmarking(
        self,
        release: Release,
        part: Part,
        served: Mapping[str, Any],
        kept_out: Sequence[Mapping[str, Any]] | None = None,
    ) -> tuple[str, Mapping[str, Any]]:
        """Return the part of a transaction that releases a function, with what its environment serves by then."""
        together = {"released": vars(release.key), "together": together_item(release.together)}
        undone = {"undone_release": release.key.identity, **({} if kept_out is None else {"rolled_back": kept_out})}
        return "Update", self._table.change(
            part.arn,
            environment_key(release.environment),
            # By the latter, whoever has read the alias before knows that it may be another by now.
            assign={**served, **together} if served else undone,
            remove=("pending",),
            condition=_OURS,
            values={"sk": release.key.sk},
        )

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds")
