"""What must be true after every step: the guarantees of the design, checked from the state of the world.

Versions, verdicts, moves of aliases and owners of locks are known from the effects of the calls, whatever the callers
conclude from the responses.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from promote.aws.fingerprint import fingerprint
from promote.core.errors import LockError, PromoteError
from promote.core.promotion import Kind as MoveKind
from promote.core.release import Release, Stage
from promote.core.report import Report
from promote.core.run import Result
from promote.core.version import LATEST
from promote.state.endpoint_records import PREVIEW
from promote.state.lock_queue import Superseded
from tests.simulation.functions import Alias, Content, arn_of, content_of, name_of
from tests.simulation.guarantees import ENDS, LOCK, LOST, ORDER, OUT, RECORD, RESPECT, UP, VERIFIED, Broken
from tests.simulation.network import Call
from tests.simulation.plan import ANNOUNCING, BEGINNING, KEEPING, Hit, Kind
from tests.simulation.releases import Place, Releases
from tests.simulation.world import TABLE

if TYPE_CHECKING:
    from tests.simulation.schedule import Actor, Schedule

ENVIRONMENT = "preprod"

_DESCRIPTION = re.compile(
    r".*: version (?P<version>\d+) (?P<how>kept|(?:after|back from|by force after) (?P<previous>\S+)) "
    r"commit (?P<commit>\w+) run \S+ promotion (?P<sequence>\d+)-(?P<operation>\w+)"
)

_GUARDED = {
    "CreateFunction",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
    "PublishVersion",
    "CreateAlias",
    "UpdateAlias",
}
"""Changes that only the holder of the lock makes."""

_HARMLESS = {
    Hit.NOT_YET,
    Hit.CONCURRENT,
    Hit.UNSENT,
    Hit.LOST,
    Hit.THROTTLED,
    Hit.FAILED_BEFORE,
    Hit.FAILED_AFTER,
    Hit.WALL_CLOCK,
}
"""Faults that retries correct, or that only concern the wall clock."""
_LASTING = {
    Hit.UNSENT_FOR_GOOD,
    Hit.LOST_FOR_GOOD,
    Hit.THROTTLED_FOR_GOOD,
    Hit.FAILED_FOR_GOOD,
    Hit.LATE_EFFECT,
    Hit.LATE_ANSWER,
    Hit.DUPLICATED,
    Hit.LOST_THEN_THROTTLED,
    Hit.LOST_THEN_REFUSED,
    Hit.LOST_UNREADABLE,
}
"""Faults that make a call fail in spite of retries, or delay its effect, and change nothing else."""
_NOT_REPEATED = ("lambda.Invoke", "execute-api.Invoke", "github.Compare")


UNKNOWN = -1
"""The commit of a version that was put into an environment externally, and that a run has then verified."""

_FASTEST, _SLOWEST = 1.05, 0.95
_MOMENT = 0.001
_LOOKS = 2.0
"""Seconds until a waiting run has read the lock and found it free."""


@dataclass(frozen=True)
class Move:
    """A move of an alias that took effect, made by a run."""

    place: Place
    version: str
    previous: str | None
    """None if the alias was kept for a later commit."""
    commit: int
    operation: str
    identity: str
    at: float

    @property
    def environment(self) -> str:
        """The function and alias of the move."""
        return self.place[1]


class Watch:
    """Sees each effect, and raises an error if it breaks a guarantee."""

    def __init__(self, schedule: "Schedule") -> None:
        self._schedule = schedule
        self._world = schedule.world
        self.releases = Releases(self._world)
        self.moves: list[Move] = []
        self.commits: dict[Place, int] = {}
        """The version of each environment, by moves of runs."""
        self._aliases = self._world.functions.aliases
        self._is_ours = dict.fromkeys(self._aliases, True)
        """Whether a run has moved the alias to where it is."""
        self.commits |= dict.fromkeys(self._aliases, 0)
        self._before: dict[tuple[Place, str], tuple[int | None, bool]] = {}
        """The commit of an alias before a move, and whether a run had moved it there."""
        self._rolled_back: dict[tuple[Place, str], tuple[int, str, float]] = {}
        """The commit and the version that a rollback has left, by the alias and the identity of that move."""
        self._gone_at: dict[Place, float] = {}
        """When an alias was last deleted, after which nothing is left of earlier moves."""
        self._went_back: set[Place] = set()
        """The environments that were rolled back at least once."""
        self._found: dict[tuple[str, str], Content | None] = {}
        """The last content of $LATEST that each operation has read of a function."""
        self._looked_at: dict[tuple[str, str, str], float] = {}
        """When an operation has last read a version of a function."""
        self._on_latest_since: dict[Place, float] = {}
        """Since when each alias is on $LATEST."""
        self._up: set[Place] = set()
        self._locks = {pk: item for (pk, sk), item in self._items.items() if sk == "lock"}
        """By the functions' ARNs."""
        self._beaten_at: dict[str, float] = {}
        self._lost: dict[tuple[str, str], tuple[float, float, bool]] = {}
        """When an operation lost the lock of a function to another run, its lease, and whether by force."""
        self._counted_out: set[str] = set()
        """Owners that were silent for as long as their lease at one of their locks."""
        self._announced: dict[str, Result] = {}
        """The result of an operation when it began to announce it."""
        self._begun_at: dict[tuple[str, str], set[str]] = {}
        """The versions of an alias that an operation has read until its first move.

        Usually one, and those of an unfinished release that it has finished.
        """
        self._unheard: set[tuple[str, str]] = set()
        """Operations and functions that will not get a response with the alias's previous version."""
        self._entries = {key: item for key, item in self._items.items() if key[1].startswith("promotion#")}
        """The history, with each entry as it was written."""
        self._notes = {key for key in self._items if key[1].startswith("notes#")}
        self._count = len(self._items)
        self._environments: dict[Place, Any] = {}
        self._issued_at: dict[str, float] = {}
        self._uninformed: set[str] = set()
        """The operations that may not have heard from GitHub how commits are related."""
        plan = schedule.plan
        is_known = plan.knows_history and not plan.gone
        self._excuses = not (plan.has_lock and is_known) or any(
            job.kind in (Kind.ADOPT, Kind.UNLOCK, Kind.TWINS) or not job.knows for job in plan.jobs
        )
        """Whether something has happened that may make a run fail."""

    # Called by the world

    def issued(self, actor: "Actor", call: Call) -> None:
        """See a call before it is sent."""
        if actor.is_announcing:
            self._see_announcement(actor, call)
        if call.operation in ("UpdateAlias", "CreateAlias") and actor.operation in call.arguments["Description"]:
            self._issued_at.setdefault(actor.operation, self._now)
        if actor.rolls_back or not self._schedule.plan.has_lock:
            return
        if call.operation in _GUARDED and not self._is_of_a_release(actor, call):
            self._require_lock(actor, call, arn_of(name_of(call.arguments["FunctionName"])))
        if call.name == BEGINNING:
            for arn in {pk for pk, sk in written(call) if sk.startswith("environment#")}:
                self._require_lock(actor, call, arn)

    def _is_of_a_release(self, actor: "Actor", call: Call) -> bool:
        """Whether a call moves an alias for a release that has begun, which needs no lock any more."""
        if call.operation not in ("UpdateAlias", "CreateAlias"):
            return False
        found = _DESCRIPTION.fullmatch(call.arguments["Description"])
        place = name_of(call.arguments["FunctionName"]), call.arguments["Name"]
        is_its_own = found is not None and found["operation"] == actor.operation
        return found is None or not is_its_own or self.releases.has(place, _identity(found))

    def hit(self, actor: "Actor", call: Call, hit: Hit) -> None:
        """Record a fault."""
        if call.name == "github.Compare":
            self._uninformed.add(actor.operation)
        if call.name == "lambda.GetAlias" and hit in (Hit.LOST, Hit.FAILED_AFTER):
            self._unheard.add((actor.operation, name_of(call.arguments["FunctionName"])))
        if call.name in ANNOUNCING and hit in _HARMLESS | _LASTING:
            return
        if hit not in _HARMLESS or call.name in _NOT_REPEATED or call.name.endswith("beat"):
            self._excuses = True

    def took_effect(self, actor: "Actor", call: Call) -> None:
        """See the effect of a call."""
        if call.operation == "GetAlias":
            self._see_reading(actor, call)
        if call.operation == "GetFunctionConfiguration":
            version = call.arguments.get("Qualifier", LATEST)
            name = name_of(call.arguments["FunctionName"])
            self._looked_at[actor.operation, name, version] = self._now
            if version == LATEST:
                latest = self._world.functions[name].latest
                self._found[actor.operation, name] = content_of(latest) if latest else None
        if call.is_read:
            return
        if call.service == "lambda":
            self._see_aliases(actor, name_of(call.arguments["FunctionName"]))
            if call.operation.startswith("UpdateFunction"):
                self._require_not_served(actor, call)
        elif call.service == "dynamodb":
            self._see_writing(actor, call)
        elif call.operation == "CreateDeployment":
            self._see_deployment(actor, call.arguments["body"])
        if call.service != "github" and call.subject not in ("lock", "lock beat", "version", "notes"):
            self._require_up()

    def _see_writing(self, actor: "Actor", call: Call) -> None:
        keys = written(call)
        for pk in (pk for pk, sk in keys if sk == "lock"):
            self._see_lock(actor, pk)
        for release in self.releases.see_records(keys):
            self._see_release(release)
            is_forward = release.kind is not MoveKind.ROLLBACK and release.moves
            if actor.rolls_back and release.stage is Stage.ROLLED_BACK and is_forward and not release.undone:
                raise Broken(OUT, f"{actor.name} rolls back {release.key.sk}, and no record keeps its code out")
        has_source = actor.environment != ENVIRONMENT and actor.planned.kind not in (Kind.TWINS, Kind.TWIN)
        if call.name == BEGINNING and has_source:
            for release in self.releases.by(actor.operation)[-1:]:
                self.releases.require_source(release, ENVIRONMENT)
        self._see_records()

    def _see_reading(self, actor: "Actor", call: Call) -> None:
        function = name_of(call.arguments["FunctionName"])
        place, reader = (function, call.arguments["Name"]), (actor.operation, function)
        if reader in self._unheard:
            self._unheard.discard(reader)
        elif actor.operation not in self._issued_at:
            self._begun_at.setdefault(reader, set()).add(self._aliases[place].version)

    def changed_externally(self) -> None:
        """See what an external change has done to the aliases, which no run has caused."""
        aliases = self._world.functions.aliases
        for place in [place for place, alias in self._aliases.items() if aliases.get(place) is not alias]:
            # A deleted function serves nothing. A function that was created again has no known commit.
            if place not in aliases or not aliases[place].description:
                self.commits[place] = UNKNOWN
                self._gone_at[place] = self._now
            if place not in aliases:
                self._is_ours[place] = False
                self._up.discard(place)
                del self._aliases[place]
                self._on_latest_since.pop(place, None)
                self.releases.changed_externally(place)
        for place, alias in aliases.items():
            if self._aliases.get(place) is not alias:
                self._is_ours[place] = False
                self._up.discard(place)
                self._aliases[place] = alias
                self.commits[place] = self._recorded_commit(place, alias)
                self.releases.changed_externally(place)
        for place, alias in aliases.items():
            if alias.version != LATEST:
                self._on_latest_since.pop(place, None)
            else:
                self._on_latest_since.setdefault(place, self._now)

    def look_again(self) -> None:
        """See what the records now contain about versions that external changes have put into environments."""
        for place, is_ours in self._is_ours.items():
            if not is_ours and place in self._aliases:
                self.commits[place] = self._recorded_commit(place, self._aliases[place])

    def _recorded_commit(self, place: Place, alias: Alias) -> int:
        """Return the commit of an external change in an environment, as far as records show it."""
        arn, described = arn_of(place[0]), _DESCRIPTION.fullmatch(alias.description)
        environment = self._items.get((arn, f"environment#{place[1]}"), {})
        if alias.version == LATEST:
            return _commit(environment)
        code = self._world.functions[place[0]].versions[alias.version].content.code_sha256
        if described and described["version"] == alias.version:
            return _commit({"commit": {"S": described["commit"]}})
        record = self._items.get((arn, f"version#{int(alias.version):010d}"), {})
        # A function that was created again has other versions of the same numbers.
        known = [environment, record] if _text(environment, "version") == alias.version else [record]
        return next((_commit(item) for item in known if _text(item, "code_sha256") == code), UNKNOWN)

    def aws_acted(self) -> None:
        """See weights that AWS has set or removed. They do not change whose alias it is.

        Until the weights are removed, the previous version is served, which may be that of an external change.
        """
        for place, alias in self._world.functions.aliases.items():
            if alias.is_by_aws and self._aliases.get(place) is not alias:
                self._aliases[place] = alias
                self._up.discard(place)

    # 1 and 2: the moves

    def _see_aliases(self, actor: "Actor", function: str) -> None:
        for name, alias in self._world.functions[function].aliases.items():
            place = (function, name)
            before = self._aliases.get(place)
            if before is alias:
                continue
            self._aliases[place] = alias
            if before is not None and before.version == LATEST and alias.description == before.description:
                self._require_same(actor, place, alias)
                continue
            found = _DESCRIPTION.fullmatch(alias.description)
            is_again = found is not None and self.releases.is_repeated(place, before, _identity(found))
            if found is None or not (is_again or self.releases.is_new(place, _identity(found))):
                self._see_putting_back(actor, place, before, alias)
                continue
            move = self._move(place, alias)
            self._before[place, move.identity] = self.commits.get(place), self._is_ours.get(place, True)
            mover = self._mover(actor, move)
            if actor.rolls_back and move.previous is not None and not found["how"].startswith("back"):
                raise Broken(OUT, f"{actor.name} rolls back, and moves {place[0]} forward to version {move.version}")
            self._on_latest_since.pop(place, None)
            self._is_ours[place] = before is not None or not self._is_raced(mover, place, alias)
            if self._is_ours[place]:
                self._require_verified(mover, place, alias)
            self._require_order(mover, move, before)
            self._require_out(mover, move, before)
            self._require_claimed(mover, move)
            self._require_respect(mover, move, before)
            self.commits[place] = move.commit
            self.moves.append(move)
            self.releases.moved(place, before, move.identity)

    def _is_raced(self, actor: "Actor", place: Place, alias: Alias) -> bool:
        """Return whether the function was created again while the alias was created.

        CreateAlias has no precondition, so nothing can check the version at the same moment.
        """
        looked = self._looked_at.get((actor.operation, place[0], alias.version), float("inf"))
        return self._world.functions[place[0]].deleted_at >= looked

    def _require_same(self, actor: "Actor", place: Place, alias: Alias) -> None:
        """1. An alias that follows $LATEST may be pinned to a version with the content that it has served.

        Lambda has no precondition on $LATEST for a move, so the content that the run has read counts. After an update,
        the code before may still answer for a moment.
        """
        function = self._world.functions[place[0]]
        is_split = bool(alias.weights) and not alias.is_by_aws
        served = function.running, self._found.get((actor.operation, place[0]))
        if function.versions[alias.version].content not in served or is_split:
            raise Broken(VERIFIED, f"{place[1]} of {place[0]} followed {LATEST}, and moves to other content: {alias}")
        prefix = f"promotion#{place[1]}#"
        entries = [sk for pk, sk in self._items if pk == arn_of(place[0]) and sk.startswith(prefix)]
        if not any(f"{_PIN}{alias.version}-" in sk for sk in entries):
            raise Broken(RECORD, f"the pin of {place[1]} of {place[0]} at {alias.version} was not recorded")
        self._on_latest_since.pop(place, None)
        self.releases.changed_externally(place)

    def _require_not_served(self, actor: "Actor", call: Call) -> None:
        """1. An alias that followed $LATEST at the start of the command does not serve unverified code."""
        for place, since in self._on_latest_since.items():
            if place[0] == name_of(call.arguments["FunctionName"]) and since < actor.began_at:
                raise Broken(VERIFIED, f"{actor.name} deploys to {place[0]} while {place[1]} serves {LATEST}")

    def _see_putting_back(self, actor: "Actor", place: Place, before: Alias | None, alias: Alias) -> None:
        """See an alias that is restored because its release is rolled back, or a fence for it."""
        undone = self.releases.see_restored(place, before, alias)
        if undone:
            was_ours = self._take_back(place, undone)
            if self._is_ours[place] and not was_ours:
                self._is_ours[place] = False
                self._up.discard(place)
        if before is None:
            self._is_ours[place] = True
            release = self.releases.of(place)
            self._require_verified((release and self._mover_of(release)) or actor, place, alias)

    def _take_back(self, place: Place, identity: str) -> bool:
        """Remember the commit before a move, and return whether a run had moved the alias there."""
        commit, was_ours = self._before[place, identity]
        self._rolled_back.pop((place, identity), None)
        if place not in self._aliases:
            return was_ours  # it was deleted since then, so nothing is served
        if commit is None:
            self.commits.pop(place, None)
        else:
            self.commits[place] = commit
        return was_ours

    def _move(self, place: Place, alias: Alias) -> Move:
        found = _DESCRIPTION.fullmatch(alias.description)
        if found is None or found["version"] != alias.version:
            raise Broken(RECORD, f"the alias {place[1]} of {place[0]} has no description of its move: {alias}")
        previous = None if found["how"] == "kept" else found["previous"].replace("none", "")
        commit = UNKNOWN if found["commit"] == "unknown" else int(found["commit"], 16)
        return Move(place, alias.version, previous, commit, found["operation"], _identity(found), self._now)

    def _mover(self, actor: "Actor", move: Move) -> "Actor":
        """Return the job that made a move. A run that finishes a release makes its moves."""
        actors = self._schedule.actors
        return next((found for found in actors if move.operation in found.operations), actor)

    def _see_release(self, release: Release) -> None:
        """See a release that has ended. For aliases that do not move, only the record names the commit."""
        mover = self._mover_of(release)
        for part in release.parts:
            place, identity = (part.name, release.environment), part.promotion.identity
            if release.stage is Stage.ROLLED_BACK and self.releases.take_back(place, identity):
                self._take_back(place, identity)  # changed externally
            if release.stage is Stage.ROLLED_BACK and release.undone and part.moves:
                left = int(part.promotion.commit or "-1", 16)
                found = self._world.functions[place[0]].versions.get(part.promotion.version)
                # A function that was created again uses its version numbers again.
                is_same = found is not None and found.content.code_sha256 == part.candidate.code_sha256
                self._rolled_back[place, identity] = left, part.promotion.version if is_same else "", self._now
                self._went_back.add(place)
            if release.stage is Stage.ROLLED_BACK or part.moves:
                continue
            commit = int(part.promotion.commit or "-1", 16)
            served = self.commits.get(place, UNKNOWN)
            if mover and not mover.rolls_back and self._is_older(commit, served):
                raise Broken(ORDER, f"commit {commit} replaces the newer {served} of {place[0]}, which does not move")
            self.commits[place] = commit

    def _mover_of(self, release: Release) -> "Actor | None":
        operation = release.key.identity.partition("-")[2]
        return next((found for found in self._schedule.actors if operation in found.operations), None)

    def _require_verified(self, actor: "Actor", place: Place, alias: Alias) -> None:
        """1. An alias moves only to a version with an earlier passed verdict for its code and configuration.

        The verdict must be true: exactly this content has responded to a check as it should.
        """
        version = self._world.functions[place[0]].versions[alias.version]
        record = self._items.get((arn_of(place[0]), f"version#{int(alias.version):010d}"), {})
        passed = record.get("passed", {"M": {}})["M"]
        if passed.get("outcome") != {"S": "passed"}:
            raise Broken(VERIFIED, f"version {alias.version} has no passed verdict")
        bound = record["code_sha256"]["S"], record["fingerprint"]["S"]
        if bound != (version.content.code_sha256, fingerprint(version.configuration)):
            raise Broken(VERIFIED, f"the verdict of version {alias.version} is for other code or configuration")
        if version.content not in self._world.verified:
            raise Broken(VERIFIED, f"the content of version {alias.version} never passed a check")
        if alias.weights and not alias.is_by_aws:
            raise Broken(VERIFIED, f"some of the traffic goes to {dict(alias.weights)}")
        if actor.builds and version.content.code_sha256 != actor.digest(place[0]):
            raise Broken(VERIFIED, f"version {alias.version} is not the code of commit {actor.planned.commit}")

    def _require_order(self, actor: "Actor", move: Move, before: Alias | None) -> None:
        """2. An older commit never replaces a newer one, except by a rollback. The sequence grows with each move.

        A rollback starts from what it has found when it began, not from later changes.
        """
        served = self.commits.get(move.place, UNKNOWN)
        # A function that does not move in a release keeps its newer commit.
        stays = move.previous is None and move.commit == served
        if actor.builds and move.commit != actor.planned.commit and not stays:
            raise Broken(ORDER, f"{actor.name} promotes commit {actor.planned.commit} as {move.commit}")
        if not actor.rolls_back:
            self._require_newer(actor, move, served)
        begun_at = self._begun_at.get((move.operation, move.place[0]), set())
        if actor.rolls_back and before and before.version not in begun_at:
            raise Broken(ORDER, f"{actor.name} began its rollback at {sorted(begun_at)}, not at {move}")
        last = _DESCRIPTION.fullmatch(before.description) if before else None
        if last and int(last["sequence"]) >= int(move.identity.partition("-")[0]):
            raise Broken(ORDER, f"the sequence of {move.environment} does not grow: {last['sequence']} before")

    def _require_newer(self, actor: "Actor", move: Move, served: int) -> None:
        """2. The history shows that the commit is not older. If the run cannot know that, a person has asked for it."""
        if UNKNOWN in (move.commit, served) or self._is_asked_unknown(actor, move.commit, served):
            return
        if self._is_older(move.commit, served):
            raise Broken(ORDER, f"commit {move.commit} replaces the newer {served} in {move.environment}")
        if not actor.knows(move.commit, served):
            raise Broken(ORDER, f"{actor.name} promotes {move.commit} without knowing its order and that of {served}")
        has_parted = self._schedule.commits.status(move.commit, served) == "diverged"
        if has_parted and actor.planned.diverged == "refuse":
            raise Broken(ORDER, f"{actor.name} must refuse {move.commit}, which has diverged from {served}")

    def _is_asked_unknown(self, actor: "Actor", commit: int, other: int) -> bool:
        """Whether a run may promote without knowing how the commits are related, because an input asks for it."""
        is_known = actor.knows(commit, other) and actor.operation not in self._uninformed
        return actor.planned.diverged == "promote" and not is_known

    def _is_older(self, commit: int, served: int) -> bool:
        return UNKNOWN not in (commit, served) and self._schedule.commits.is_older(commit, served)

    def _require_claimed(self, actor: "Actor", move: Move) -> None:
        """1. A candidate that the job's own steps tested for one environment is not promoted to two."""
        if actor.planned.kind not in (Kind.TWINS, Kind.TWIN):
            return
        candidate = actor.outputs.get("candidate")
        twins = [one for one in self._schedule.actors if one.outputs.get("candidate") == candidate]
        moves = [made for one in twins for made in self._moves_of(one.operation)]
        if any(made.place != move.place for made in moves):
            raise Broken(VERIFIED, f"the candidate {candidate} is promoted twice: {moves} and {move}")

    def _require_respect(self, actor: "Actor", move: Move, before: Alias | None) -> None:
        """See that a move ends an external split only if an input asks for it, and never ends a weight of AWS.

        A rollback ends a weight of AWS at once, because that version is usually the one to serve.
        """
        if before is None or not before.weights or actor.planned.override:
            return
        after = self._aliases[move.place]
        if not before.is_by_aws:
            raise Broken(RESPECT, f"{actor.name} ends the external split of {move.place}: {before}")
        if not actor.rolls_back and (after.version, after.weights) != (before.version, before.weights):
            raise Broken(RESPECT, f"{actor.name} clears the weight that AWS has set on {move.place}: {before}")

    # 9: what was rolled back

    def _require_out(self, actor: "Actor", move: Move, before: Alias | None) -> None:
        """9. A commit or version that was rolled back returns only with a newer commit or an override."""
        was_ours = self._before[move.place, move.identity][1]
        if actor.rolls_back:
            if before and was_ours and before.version != move.version:
                commit = self.commits.get(move.place, UNKNOWN)
                self._rolled_back[move.place, move.identity] = commit, before.version, self._now
                self._went_back.add(move.place)
            return
        is_alone = len(actor.planned.functions) == 1
        for key, (commit, left, since) in list(self._rolled_back.items()):
            if key[0] != move.place:
                continue
            # A function that was created again uses its version numbers again.
            version = left if self._world.functions[move.place[0]].deleted_at < since else ""
            # Another function of the same release may have other code, so the release as a whole differs.
            is_newer = self._is_older(commit, move.commit) and not (is_alone and move.version == version)
            # Another version of the commit, which the rollback has restored, stays.
            is_served = move.commit == self.commits.get(move.place)
            is_between = self._is_older(move.commit, commit) and not self._is_asked_unknown(actor, move.commit, commit)
            is_out = move.version == version or (not is_served and (move.commit == commit or is_between))
            # A person who rolls back while the run moves its alias does not know of the run's override.
            has_override = actor.planned.override and since <= self._issued_at.get(actor.operation, since)
            if is_out and not is_newer and not has_override:
                raise Broken(OUT, f"{actor.name} brings back version {version} of commit {commit}: {move}")
            if is_out or is_newer:
                del self._rolled_back[key]

    @property
    def rolled_back_commits(self) -> set[int]:
        """The commits that rollbacks have left."""
        return {commit for commit, _, _ in self._rolled_back.values()}

    @property
    def recorded_commits(self) -> set[int]:
        """The commits of the environments' records, which an external change of the alias does not change."""
        return {
            _commit(item) for (_, sk), item in self._items.items() if sk.startswith("environment#") and "commit" in item
        }

    def is_newer_than_rolled_back(self, commit: int) -> bool:
        """Return whether ``commit`` and its code may follow all that was rolled back."""
        records = (item for (_, sk), item in self._items.items() if sk.startswith("environment#"))
        recorded = sum(len(item["rolled_back"]["L"]) for item in records if "rolled_back" in item)
        if recorded > len(self._rolled_back):
            return False  # also external changes, which the record knows and this watch does not
        for (place, _), (left, version, _) in self._rolled_back.items():
            found = self._world.functions[place[0]].versions.get(version)
            code = self._schedule.digest_of(place[0], commit)
            if left in {commit, UNKNOWN} or not self._is_older(left, commit):
                return False
            if found is not None and found.content.code_sha256 == code:
                return False
        return True

    # 3: the endpoints

    def _require_up(self) -> None:
        """3. Once an environment can be reached, it serves verified code, whatever else happens."""
        for place, is_ours in self._is_ours.items():
            if not is_ours:
                continue
            trouble = self._trouble(place)
            if not trouble:
                self._up.add(place)
            elif place in self._up:
                raise Broken(UP, f"{place[1]} of {place[0]} {trouble}")

    def _trouble(self, place: Place) -> str:
        item = self._items.get((arn_of(place[0]), f"environment#{place[1]}"), {})
        if "endpoint" not in item:
            return "has no endpoint"
        api, gateways = item["endpoint"]["M"]["api_id"]["S"], self._world.gateways
        if api not in gateways.apis:
            return "has lost its API"
        for pick in (0.0, 0.999):
            answer = gateways.request(api, pick, wakes=False)
            if answer.content is None:
                return f"answers {answer.status}, by API Gateway itself"
            if not self._world.codes[answer.content.code_sha256] or answer.content not in self._world.verified:
                return "serves code that was never verified"
        return ""

    # 5: the lock

    def _see_lock(self, actor: "Actor", arn: str) -> None:
        """5. Tokens strictly increase. Only the owner changes the ownership, except after expiry or by force."""
        before, after = self._locks.get(arn, {}), self._items.get((arn, "lock"), {})
        if before is after:
            return
        self._locks[arn] = after
        owner, next_owner = _text(before, "owner"), _text(after, "owner")
        token, next_token = _number(before, "token"), _number(after, "token")
        if next_token < token:
            raise Broken(LOCK, f"the token decreases from {token} to {next_token}")
        if next_owner and next_owner != owner:
            self._require_acquisition(actor, before, after)
        if owner and not next_owner:
            self._require_release(actor, arn, before, after)
        if owner and owner != next_owner and not actor.owns(owner):
            # The post step of a job releases the locks of all its steps, and one of them may still run in the plan.
            is_by_job = any(one.owns(owner) for one in self._schedule.actors if one.place == actor.place)
            is_by_force = next_token > token or is_by_job
            self._lost[arn, owner.rpartition("/")[2]] = self._now, _number(before, "lease"), is_by_force
        if next_owner and (_number(before, "beat"), token, owner) != (_number(after, "beat"), next_token, next_owner):
            if not actor.owns(next_owner):
                raise Broken(LOCK, f"{actor.name} renews the lock of {next_owner}")
            self._beaten_at[arn] = self._now

    def _require_acquisition(self, actor: "Actor", before: Any, after: Any) -> None:
        owner, next_owner = _text(before, "owner"), _text(after, "owner")
        if not actor.owns(next_owner):
            raise Broken(LOCK, f"{actor.name} acquires the lock for {next_owner}")
        if _number(before, "token") == _number(after, "token"):
            if not (_text(before, "kept_by") and _text(before, "job") == _text(after, "job")):
                raise Broken(LOCK, f"{next_owner} holds the lock with the token of {owner or 'the previous owner'}")
        elif owner:
            raise Broken(LOCK, f"{next_owner} acquires the lock that {owner} holds")

    def _require_release(self, actor: "Actor", arn: str, before: Any, after: Any) -> None:
        owner = _text(before, "owner")
        if actor.owns(owner):
            return
        if _number(after, "token") > _number(before, "token"):
            if not any(sk.startswith(f"unlock#{_number(after, 'token'):010d}") for pk, sk in self._items if pk == arn):
                raise Broken(LOCK, f"{actor.name} removes the lock of {owner} by force, without a record")
            return
        if any(one.owns(owner) for one in self._schedule.actors if one.place == actor.place):
            self._counted_out.add(owner)  # the post step of a job releases the locks of all its steps
            return
        silence, lease = self._now - self._beaten_at.get(arn, 0.0), _number(before, "lease")
        if silence >= lease / _FASTEST - _MOMENT:
            self._counted_out.add(owner)
        elif owner not in self._counted_out:
            raise Broken(
                LOCK, f"{actor.name} ends the lock of {owner}, which was silent for {silence:.1f} of {lease} s"
            )

    def _require_lock(self, actor: "Actor", call: Call, arn: str) -> None:
        """5. A run that believes that it holds the lock holds it, as far as clocks and visible force allow."""
        owner = _text(self._locks.get(arn, {}), "owner")
        if owner and actor.owns(owner):
            return
        lost, lease, by_force = self._lost.get((arn, actor.operation), (None, 0.0, False))
        if lost is None:
            raise Broken(LOCK, f"{actor.name} sends {call.operation} without having acquired the lock")
        grace = lease / _SLOWEST if by_force else 0.0
        if self._schedule.plan.rates_differ:
            grace = max(grace, lease * (1 / _SLOWEST - 1 / _FASTEST))
        if self._now > lost + grace + _MOMENT:
            raise Broken(
                LOCK, f"{actor.name} sends {call.operation} {self._now - lost:.1f} s after it lost the lock to {owner}"
            )

    # 6: what runs report

    def failed(self, actor: "Actor", error: Exception) -> None:
        """See the error that ended a command. An unexpected error is a defect."""
        if actor.operation in self._announced:
            raise Broken(LOST, f"{actor.name} had ended, but fails because of its announcement: {error}") from error
        if isinstance(error, LockError) and "was not free within" in str(error):
            raise Broken(ENDS, f"{actor.name} does not get a lock: {error}") from error
        if not isinstance(error, PromoteError | BotoCoreError | ClientError | Superseded):
            raise Broken(LOST, f"{actor.name} ended with an unexpected {type(error).__name__}: {error}") from error

    def ended(self, actor: "Actor", command: str, report: Report) -> None:
        """6. A run reports exactly the moves that took effect. Faults that retries correct make no run fail."""
        moves = self._moves_of(actor.operation)
        is_reported = report.result in (Result.PROMOTED, Result.ROLLED_BACK) or report.may_have_moved
        if all(move.previous is None for move in moves):
            is_reported = is_reported or report.result is Result.UNCHANGED
        if not is_reported and not all(map(self._is_gone, moves)):
            raise Broken(LOST, f"{actor.name} has moved {moves[-1].place}, but reports: {report.headline}")
        if report.result in (Result.PROMOTED, Result.ROLLED_BACK):
            self._require_truth(actor, report, moves)
        self._require_locks_given_back(actor)
        if report.result is Result.FAILED and actor.builds and not self._excuses:
            raise Broken(LOST, f"no fault explains why {command} failed: {report.headline}")
        was_rolled_back = any((name, actor.environment) in self._went_back for name in actor.planned.functions)
        is_stuck = any(self._world.functions[name].is_stuck(actor.environment) for name in actor.planned.functions)
        is_known = not (self._excuses or actor.planned.diverged or was_rolled_back or is_stuck)
        if report.result is Result.REFUSED and actor.builds and is_known:
            raise Broken(ENDS, f"the order of commits is known, but {command} is refused: {report.headline}")
        before = self._announced.get(actor.operation, report.result)
        if report.result is not before and (before.is_success or not actor.was_interrupted):
            raise Broken(LOST, f"{actor.name} announced {before}, but reports {report.result}")
        for function in actor.planned.functions if report.result is Result.SUPERSEDED else ():
            self._require_newer_served(actor, (function, actor.environment), report)
        for warning in report.warnings:
            if "an unexpected" in warning:
                raise Broken(LOST, f"{actor.name} has an unexpected warning: {warning}")

    def _require_newer_served(self, actor: "Actor", place: Place, report: Report) -> None:
        """2. A run is superseded by what is served, not by what an alias served that was deleted before the run."""
        is_gone = place not in self._aliases and self._gone_at.get(place, float("inf")) < actor.began_at
        if is_gone and "has the newer commit" in report.headline and len(actor.planned.functions) == 1:
            raise Broken(ENDS, f"{actor.name} is superseded, but {place[1]} of {place[0]} does not exist")

    def _is_gone(self, move: Move) -> bool:
        """Return whether the alias was deleted since the move, so that nothing shows the move any more."""
        return move.at <= self._gone_at.get(move.place, -1.0)

    def _moves_of(self, operation: str) -> list[Move]:
        """Return the moves of an operation, without those that were rolled back."""
        moves = [move for move in self.moves if move.operation == operation]
        return [move for move in moves if (move.place, move.identity) not in self.releases.undone]

    def _require_truth(self, actor: "Actor", report: Report, moves: list[Move]) -> None:
        """6. A run that reports a move has made it: all functions of a release, and exactly those that it names."""
        begun = self.releases.by(actor.operation)
        if not moves and actor.rolls_back and self.releases.has_returned(actor.planned.functions, actor.environment):
            return  # it has finished what it found unfinished
        if not moves:
            raise Broken(LOST, f"{actor.name} reports {report.result}, but has moved nothing")
        if begun and not (begun[-1].stage is Stage.DONE or self.releases.has_moved(begun[-1])):
            raise Broken(LOST, f"{actor.name} reports {report.result}, but has not moved everything")
        if begun:
            self.releases.reported.add((begun[-1].key.pk, begun[-1].key.sk))
        reported = {(name, part.move.identity) for name, part in report.parts if part.move}
        # The alias of an unchanged function gets the description of the release, and is not reported as a move.
        if report.parts and reported != {(move.place[0], move.identity) for move in moves if move.previous is not None}:
            raise Broken(LOST, f"{actor.name} reports {reported}, but has moved {moves}")

    def _require_locks_given_back(self, actor: "Actor") -> None:
        """5. A step that keeps no lock for the next step ends without a lock, unless a call of the release failed."""
        is_kept = actor.planned.kind in KEEPING or actor.hits or actor.is_excused or actor.was_interrupted
        for arn, lock in self._locks.items():
            if not is_kept and actor.owns(_text(lock, "owner")):
                raise Broken(LOCK, f"{actor.name} has ended, but still holds the lock of {name_of(arn)}")

    # After a promotion

    def _see_announcement(self, actor: "Actor", call: Call) -> None:
        """5. No run waits during notes and deployments: the lock is free, unless the job keeps it."""
        assert actor.job is not None
        self._announced.setdefault(actor.operation, actor.job.progress.certain.result)
        is_kept = actor.planned.kind is Kind.ADOPT or actor.hits or actor.is_excused or actor.was_interrupted
        if any(actor.owns(_text(lock, "owner")) for lock in self._locks.values()) and not is_kept:
            raise Broken(LOCK, f"{actor.name} sends {call.name} while others wait for its lock")

    def _see_deployment(self, actor: "Actor", body: Any) -> None:
        """6. GitHub receives only moves that took effect, with their real values."""
        announced = body["payload"]["promote-on-success"]
        versions = announced.get("functions") or {announced.get("function"): announced.get("version")}
        identity = announced.get("promotion", "")
        moves = [
            move
            for move in self.moves
            if (move.environment, move.identity, move.commit) == (body["environment"], identity, int(body["ref"], 16))
            and versions.get(move.place[0]) == move.version
            and (move.place, move.identity) not in self.releases.undone
        ]
        if announced["success"] and not moves:
            raise Broken(LOST, f"GitHub receives {announced}, which never took effect")
        if not announced["success"] and self._moves_of(actor.operation):
            raise Broken(LOST, f"{actor.name} has moved {body['environment']}, but GitHub receives a failure")

    # 7: the records

    def _see_records(self) -> None:
        """7. Each entry belongs to a move that took effect and agrees with it. The newest record stays the newest."""
        for place in self.commits:
            key = arn_of(place[0]), f"environment#{place[1]}"
            before, after = self._environments.get(place, {}), self._items.get(key, {})
            self._environments[place] = after
            if _number(after, "sequence") < _number(before, "sequence"):
                raise Broken(RECORD, f"the sequence of {place} decreases to {_number(after, 'sequence')}")
        if len(self._items) == self._count:
            return
        self._count = len(self._items)
        for key in self._items.keys() - self._entries.keys() - self._notes:
            if not key[1].startswith(("promotion#", "notes#")) or _PIN in key[1]:
                continue  # a pin is recorded before it is made, and checked then
            item, (kind, environment, identity) = self._items[key], key[1].split("#")
            place = name_of(key[0]), environment
            found = [move for move in self.moves if (move.place, move.identity) == (place, identity)]
            if kind == "notes":
                self._notes.add(key)
                if not (found and self._is_reported(found[0], item["text"]["S"])):
                    raise Broken(
                        RECORD, f"{key[1]} of {place[0]} is of another move, or of none: {found} {item['text']['S']}"
                    )
                continue
            self._entries[key] = item
            if not found:
                raise Broken(RECORD, f"{key[1]} belongs to a move that never took effect")
            commit = int(item["commit"]["S"] or "-1", 16)
            said = item["version"].get("S"), item["previous"].get("S"), commit
            if said != (found[0].version, found[0].previous, found[0].commit):
                raise Broken(RECORD, f"{key[1]} contains {said}, but the move was {found[0]}")

    def _is_reported(self, move: Move, notes: str) -> bool:
        """Whether the notes of a move say what was moved; those of a release say so in a table of its functions."""
        if not self.releases.has_others(move.place, move.identity):
            return f"version {move.version}" in notes
        rows = [line for line in notes.splitlines() if line.startswith(f"| {move.place[0]} |")]
        previous = f"`{LATEST}`" if move.previous == LATEST else move.previous
        now = f"{previous} → {move.version} " if move.previous else f"{move.version}, the first "
        if move.previous == move.version:  # its weights or its description were changed externally
            now = f"{move.version} stays "
        return len(rows) == 1 and f"| {now}" in rows[0]

    # The end

    def over(self, actor: "Actor", *, in_order: bool) -> None:
        """5. After the end of a job with a post step, the job does not hold the lock."""
        if not in_order or actor.is_excused:
            return
        if any(actor.owns(_text(lock, "owner")) for lock in self._locks.values()):
            raise Broken(LOCK, f"{actor.name} is over, but its lock is not released")
        for operation in actor.operations:
            for release in self.releases.by(operation):
                if not release.stage.is_final:
                    raise Broken(ENDS, f"{actor.name} is over, but its release is {release.stage}")

    def all_over(self) -> None:
        """See that every run ends and, if nothing has failed, that the newest good commit is served."""
        for actor in self._schedule.actors:
            if not actor.is_over:
                raise Broken(ENDS, f"{actor.name} hangs")
        jobs, commits = self._schedule.plan.jobs, self._schedule.commits
        newest = max(job.commit for job in jobs)
        plain = all(job.kind in (Kind.RUN, Kind.ALONE, Kind.STEPS, Kind.STEPS_ALONE) for job in jobs)
        plain = plain and all(job.commit in commits.until(newest) for job in jobs)
        for job in jobs:
            if self._excuses or not plain or job.commit != newest or not self._schedule.is_good(newest, job.functions):
                continue
            if job.diverged == "refuse" and self._schedule.plan.history:
                continue  # what was served when it came may have diverged
            if any(self._world.functions[name].is_stuck(ENVIRONMENT) for name in job.functions):
                continue  # a person must decide about the release, because AWS has no capacity
            served = [self.commits.get((function, ENVIRONMENT)) for function in job.functions]
            if set(served) != {newest}:
                raise Broken(ENDS, f"{job.functions} serve {served}, not commit {newest}")

    def closed(self, actor: "Actor", lease: int) -> None:
        """See the result of one more run without any fault. ``lease`` is the longest lease of all runs."""
        report = actor.reports[-1] if actor.reports else None
        if report is None or report.result not in (Result.PROMOTED, Result.UNCHANGED):
            said = f"{report.result}: {report.headline} {report.failures}" if report else "nothing"
            raise Broken(ENDS, f"the last run, without faults, reports {said}")
        environment = actor.environment
        for function in actor.planned.functions:
            place = function, environment
            if environment == ENVIRONMENT:
                self._require_served(actor, place)
            if trouble := self._trouble(place):
                raise Broken(UP, f"{place} {trouble}")
            if owner := _text(self._locks.get(arn_of(function), {}), "owner"):
                raise Broken(LOCK, f"it is still held by {owner}")
        self.releases.require_rest((function, environment) for function in actor.planned.functions)
        waits = len(actor.planned.functions)
        if report.lock_wait is not None and report.lock_wait > waits * (lease / _SLOWEST + _LOOKS):
            raise Broken(LOCK, f"the lock was free only after {report.lock_wait:.0f} s")
        self._require_records()
        if not self._excuses:
            self._require_tidiness()

    def _require_served(self, actor: "Actor", place: Place) -> None:
        alias = self._aliases[place]
        served = self._world.functions[place[0]].versions[alias.version].content.code_sha256
        is_split = bool(alias.weights) and not alias.is_by_aws
        if served != actor.digest(place[0]) or self.commits[place] != actor.planned.commit or is_split:
            raise Broken(ENDS, f"{place[0]} serves {alias}, not commit {actor.planned.commit}")

    def _require_tidiness(self) -> None:
        """See that nothing was left behind: no preview endpoint, and no endpoint without a record."""
        known = {item["endpoint"]["M"]["api_id"]["S"] for item in self._items.values() if "endpoint" in item}
        previews = [sk for _, sk in self._items if sk.startswith(PREVIEW)]
        if previews or known != set(self._world.gateways.apis):
            raise Broken(ENDS, f"left behind: {previews or set(self._world.gateways.apis) - known}")

    def _require_records(self) -> None:
        """7. Each move has its entry, which nobody has touched since; a run that died left a release for the next."""
        for move in self.moves:
            arn = arn_of(move.place[0])
            record = self._items[arn, f"environment#{move.environment}"]
            key = arn, f"promotion#{move.environment}#{move.identity}"
            if move.previous is None or (move.place, move.identity) in self.releases.undone:
                continue
            is_known = "pending" in record or self._is_gone(move)
            if not is_known and key not in self._entries:
                raise Broken(RECORD, f"{move} was not recorded")
        for key, item in self._entries.items():
            if self._items.get(key) != item:
                raise Broken(RECORD, f"{key[1]} has changed")

    # Lookups

    @property
    def _now(self) -> float:
        return self._schedule.scheduler.now

    @property
    def _items(self) -> Any:
        return self._world.tables.tables.get(TABLE, {})


_PIN = "-pin-"
"""The value in the key of a pin's entry."""


def written(call: Call) -> list[tuple[str, str]]:
    """Return the keys of the items that a call to the table writes."""
    parts = [call.arguments]
    if call.operation == "TransactWriteItems":
        parts = [part for item in call.arguments["TransactItems"] for part in item.values()]
    keys = [part["Item"] if "Item" in part else part["Key"] for part in parts if "Item" in part or "Key" in part]
    return [(key["pk"]["S"], key["sk"]["S"]) for key in keys]


def _identity(found: re.Match[str]) -> str:
    """Return the identity of the promotion in a Description."""
    return f"{found['sequence']}-{found['operation']}"


def _text(item: Any, name: str) -> str:
    return item[name]["S"] if name in item else ""


def _commit(item: Any) -> int:
    """Return the commit in a record."""
    text = _text(item, "commit")
    return int(text, 16) if re.fullmatch(r"[0-9a-f]{40}", text) else UNKNOWN


def _number(item: Any, name: str) -> int:
    return int(item[name]["N"]) if name in item else 0
