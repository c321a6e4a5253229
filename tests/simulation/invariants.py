"""What must be true after every step: the guarantees of the design, judged by what the world itself shows.

What a version is, who has proven it, who moved an alias and who took a lock is known from the effects of the calls,
whatever their callers have made of the answers.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from promote.errors import PromoteError
from promote.model import Result
from promote.records import TRIAL
from promote.report import Report
from promote.snapshot import fingerprint
from promote.waiting import Superseded
from tests.simulation.functions import ARN, Alias
from tests.simulation.network import Call
from tests.simulation.plan import ANNOUNCING, Hit, Kind
from tests.simulation.world import TABLE

if TYPE_CHECKING:
    from tests.simulation.schedule import Actor, Schedule

ENVIRONMENT = "preprod"

PROVEN = "1 proven code only"
ORDER = "2 never backwards"
UP = "3 the environment stays up"
LOCK = "5 the lock is live and honest"
LOST = "6 a lost answer is not a lost fact"
RECORD = "7 everything leaves a record"
ENDS = "every run ends, and the newest good commit is served"
"""Guarantee 4 is 1 to 3 in schedules in which the lock does not work."""

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
    Hit.UNSENT,
    Hit.LOST,
    Hit.THROTTLED,
    Hit.FAILED_BEFORE,
    Hit.FAILED_AFTER,
    Hit.WALL_CLOCK,
}
"""What the client's own repetitions, or not looking at the wall clock, make good."""
_LASTING = {
    Hit.UNSENT_FOR_GOOD,
    Hit.LOST_FOR_GOOD,
    Hit.THROTTLED_FOR_GOOD,
    Hit.FAILED_FOR_GOOD,
    Hit.LATE_EFFECT,
    Hit.LATE_ANSWER,
    Hit.DUPLICATED,
}
"""What makes a call fail in spite of repetitions, or has an effect at another time; it touches nothing else."""
_NOT_REPEATED = ("lambda.Invoke", "execute-api.Invoke", "github.Compare")

UNKNOWN = -1
"""The commit of a version that somebody else has put into an environment, and a run has then verified itself."""

_FASTEST, _SLOWEST = 1.05, 0.95
_MOMENT = 0.001
_LOOKS = 2.0
"""Seconds until a waiter has looked, and seen that the lock is free."""


class Broken(AssertionError):  # noqa: N818 - what is broken is a guarantee
    """A guarantee does not hold."""

    def __init__(self, guarantee: str, what: str) -> None:
        super().__init__(f"{guarantee}: {what}")
        self.guarantee = guarantee


@dataclass(frozen=True)
class Move:
    """A move of an alias that took effect, by one of ours."""

    environment: str
    version: str
    previous: str | None
    """None: it was kept, for a later commit."""
    commit: int
    operation: str
    identity: str
    at: float


class Watch:
    """Sees each effect, and says when one breaks a guarantee."""

    def __init__(self, schedule: "Schedule") -> None:
        self._schedule = schedule
        self._world = schedule.world
        self.moves: list[Move] = []
        self.commits: dict[str, int] = {}
        """What each environment serves, by our own moves."""
        self._aliases: dict[str, Alias] = dict(self._world.functions.aliases)
        self._is_ours = dict.fromkeys(self._aliases, True)
        """Whether the alias is where one of ours has put it."""
        if self._aliases:
            self.commits[ENVIRONMENT] = 0
        self._up: set[str] = set()
        self._lock = self._lock_item()
        self._beaten_at = 0.0
        self._lost: dict[str, tuple[float, float, bool]] = {}
        """When an operation lost the lock to others, its lease, and whether by force."""
        self._announced: dict[str, Result] = {}
        """How an operation had ended when it began to announce that."""
        self._begun_at: dict[str, str] = {}
        """The version that was served when an operation first read the alias."""
        self._unheard: set[str] = set()
        """Operations that will not hear what the alias was."""
        self._entries = {key: item for key, item in self._items.items() if key[1].startswith("promotion#")}
        """The history, each entry as it was when it was written."""
        self._notes = {key for key in self._items if key[1].startswith("notes#")}
        self._count = len(self._items)
        self._environments: dict[str, Any] = {}
        self._issued_at: dict[str, float] = {}
        self._excuses = not schedule.plan.has_lock or any(
            job.kind in (Kind.ADOPT, Kind.UNLOCK) for job in schedule.plan.jobs
        )
        """Whether something has happened that may make a run fail."""

    # What the world tells

    def issued(self, actor: "Actor", call: Call) -> None:
        """See what is about to be sent."""
        if actor.is_announcing:
            self._see_announcement(actor, call)
        if call.operation in ("UpdateAlias", "CreateAlias"):
            self._issued_at.setdefault(actor.operation, self._now)
        if call.operation in _GUARDED and actor.planned.kind is not Kind.ROLLBACK and self._schedule.plan.has_lock:
            self._require_lock(actor, call)

    def hit(self, actor: "Actor", name: str, hit: Hit) -> None:
        """Hear of a fault."""
        if name == "lambda.GetAlias" and hit in (Hit.LOST, Hit.FAILED_AFTER):
            self._unheard.add(actor.operation)
        if name in ANNOUNCING and hit in _HARMLESS | _LASTING:
            return
        if hit not in _HARMLESS or name in _NOT_REPEATED or name.endswith("beat"):
            self._excuses = True

    def took_effect(self, actor: "Actor", call: Call) -> None:
        """See what has come of a call."""
        if call.operation == "GetAlias" and actor.operation in self._unheard:
            self._unheard.discard(actor.operation)
        elif call.operation == "GetAlias":
            alias = self._world.functions.aliases[call.arguments["Name"]]
            self._begun_at.setdefault(actor.operation, alias.version)
        if call.is_read:
            return
        if call.service == "lambda":
            self._see_aliases(actor)
        elif call.service == "dynamodb":
            self._see_lock(actor)
            self._see_records()
        elif call.operation == "CreateDeployment":
            self._see_deployment(actor, call.arguments["body"])
        if call.service != "github" and call.subject not in ("lock", "lock beat", "version", "notes"):
            self._require_up()

    def stranger_acted(self) -> None:
        """See what a stranger has done, for which nobody here is to blame."""
        for name, alias in self._world.functions.aliases.items():
            if self._aliases.get(name) is not alias:
                self._is_ours[name] = False
                self._up.discard(name)
                self._aliases[name] = alias

    # 1 and 2: the moves

    def _see_aliases(self, actor: "Actor") -> None:
        for name, alias in self._world.functions.aliases.items():
            before = self._aliases.get(name)
            if before is alias:
                continue
            self._aliases[name] = alias
            self._is_ours[name] = True
            move = self._move(name, alias)
            self._require_proven(actor, alias)
            self._require_order(actor, move, before)
            self.commits[name] = move.commit
            self.moves.append(move)

    def _move(self, name: str, alias: Alias) -> Move:
        found = _DESCRIPTION.fullmatch(alias.description)
        if found is None or found["version"] != alias.version:
            raise Broken(RECORD, f"the alias {name} does not say what it is: {alias}")
        previous = None if found["how"] == "kept" else found["previous"].replace("none", "")
        identity = f"{found['sequence']}-{found['operation']}"
        commit = UNKNOWN if found["commit"] == "unknown" else int(found["commit"], 16)
        return Move(name, alias.version, previous, commit, found["operation"], identity, self._now)

    def _require_proven(self, actor: "Actor", alias: Alias) -> None:
        """1. An alias moves only to a version with a passed verdict recorded before, bound to code and configuration.

        And that verdict is true: exactly this content has answered a check as it should.
        """
        version = self._world.functions.versions[alias.version]
        record = self._items.get((ARN, f"version#{int(alias.version):010d}"), {})
        proof = record.get("proof", {"M": {}})["M"]
        if proof.get("outcome") != {"S": "passed"}:
            raise Broken(PROVEN, f"version {alias.version} has no passed verdict")
        bound = record["code_sha256"]["S"], record["fingerprint"]["S"]
        if bound != (version.content.code_sha256, fingerprint(version.configuration)):
            raise Broken(PROVEN, f"the verdict of version {alias.version} is of other code or configuration")
        if version.content not in self._world.proven:
            raise Broken(PROVEN, f"no check was ever answered well by what version {alias.version} holds")
        if alias.weights:
            raise Broken(PROVEN, f"some of the traffic goes to {dict(alias.weights)}")
        if actor.builds and version.content.code_sha256 != actor.digest:
            raise Broken(PROVEN, f"version {alias.version} is not the code of commit {actor.planned.commit}")

    def _require_order(self, actor: "Actor", move: Move, before: Alias | None) -> None:
        """2. An older commit never replaces a newer one, save by a rollback; each move has a sequence of its own.

        And a rollback goes back from what it has found, not from what has come since then.
        """
        if actor.builds and move.commit != actor.planned.commit:
            raise Broken(ORDER, f"{actor.name} promotes commit {actor.planned.commit} as {move.commit}")
        served = self.commits.get(move.environment, UNKNOWN)
        if actor.planned.kind is not Kind.ROLLBACK and UNKNOWN != move.commit < served:
            raise Broken(ORDER, f"commit {move.commit} takes the place of the newer {served} in {move.environment}")
        if actor.planned.kind is Kind.ROLLBACK and before and before.version != self._begun_at[actor.operation]:
            raise Broken(
                ORDER, f"{actor.name} was to go back from {self._begun_at[actor.operation]}, and not from {move}"
            )
        last = _DESCRIPTION.fullmatch(before.description) if before else None
        if last and int(last["sequence"]) >= int(move.identity.partition("-")[0]):
            raise Broken(ORDER, f"the sequence of {move.environment} does not grow: {last['sequence']} before")

    # 3: the endpoints

    def _require_up(self) -> None:
        """3. Once an environment can be reached, it answers from proven code, whatever else happens."""
        for name, is_ours in self._is_ours.items():
            if not is_ours:
                continue
            trouble = self._trouble(name)
            if not trouble:
                self._up.add(name)
            elif name in self._up:
                raise Broken(UP, f"{name} {trouble}")

    def _trouble(self, name: str) -> str:
        item = self._items.get((ARN, f"environment#{name}"), {})
        if "endpoint" not in item:
            return "has no endpoint"
        api, gateways = item["endpoint"]["M"]["api_id"]["S"], self._world.gateways
        if api not in gateways.apis:
            return "has lost its API"
        for pick in (0.0, 0.999):
            answer = gateways.request(api, pick)
            if answer.content is None:
                return f"answers {answer.status}, by API Gateway itself"
            if not self._world.codes[answer.content.code_sha256] or answer.content not in self._world.proven:
                return "serves what was never proven"
        return ""

    # 5: the lock

    def _see_lock(self, actor: "Actor") -> None:
        """5. Tokens strictly increase; nobody but the owner changes the ownership, save by expiry or recorded force."""
        before, after = self._lock, self._lock_item()
        if before is after:
            return
        self._lock = after
        owner, next_owner = _text(before, "owner"), _text(after, "owner")
        token, next_token = _number(before, "token"), _number(after, "token")
        if next_token < token:
            raise Broken(LOCK, f"the token falls from {token} to {next_token}")
        if next_owner and next_owner != owner:
            self._require_acquisition(actor, before, after)
        if owner and not next_owner:
            self._require_release(actor, before, after)
        if owner and owner != next_owner and not actor.owns(owner):
            self._lost[owner.rpartition("/")[2]] = self._now, _number(before, "lease"), next_token > token
        if next_owner and (_number(before, "beat"), token, owner) != (_number(after, "beat"), next_token, next_owner):
            if not actor.owns(next_owner):
                raise Broken(LOCK, f"{actor.name} beats for {next_owner}")
            self._beaten_at = self._now

    def _require_acquisition(self, actor: "Actor", before: Any, after: Any) -> None:
        owner, next_owner = _text(before, "owner"), _text(after, "owner")
        if not actor.owns(next_owner):
            raise Broken(LOCK, f"{actor.name} takes the lock for {next_owner}")
        if _number(before, "token") == _number(after, "token"):
            if not (_text(before, "kept") and _text(before, "job") == _text(after, "job")):
                raise Broken(LOCK, f"{next_owner} has the lock under the token of {owner or 'the one before'}")
        elif owner:
            raise Broken(LOCK, f"{next_owner} takes the lock that {owner} holds")

    def _require_release(self, actor: "Actor", before: Any, after: Any) -> None:
        owner = _text(before, "owner")
        if actor.owns(owner):
            return
        if _number(after, "token") > _number(before, "token"):
            if not any(sk.startswith(f"unlock#{_number(after, 'token'):010d}") for pk, sk in self._items if pk == ARN):
                raise Broken(LOCK, f"{actor.name} opens the lock of {owner} by force, without a record")
            return
        silence, lease = self._now - self._beaten_at, _number(before, "lease")
        if silence < lease / _FASTEST - _MOMENT:
            raise Broken(
                LOCK, f"{actor.name} ends the lock of {owner}, which was silent for {silence:.1f} of {lease} s"
            )

    def _require_lock(self, actor: "Actor", call: Call) -> None:
        """5. Who believes that it holds the lock, holds it: until it can know of force, or as far as clocks agree."""
        owner = _text(self._lock, "owner")
        if owner and actor.owns(owner):
            return
        lost, lease, by_force = self._lost.get(actor.operation, (None, 0.0, False))
        if lost is None:
            raise Broken(LOCK, f"{actor.name} sends {call.operation} without ever having had the lock")
        grace = lease / _SLOWEST if by_force else 0.0
        if self._schedule.plan.rates_differ:
            grace = max(grace, lease * (1 / _SLOWEST - 1 / _FASTEST))
        if self._now > lost + grace + _MOMENT:
            raise Broken(
                LOCK, f"{actor.name} sends {call.operation} {self._now - lost:.1f} s after it lost the lock to {owner}"
            )

    # 6: what runs say of themselves

    def failed(self, actor: "Actor", error: Exception) -> None:
        """See the error that has ended a command: one that nobody has foreseen is a mistake."""
        if actor.operation in self._announced:
            raise Broken(LOST, f"{actor.name} had ended, and fails by announcing it: {error}") from error
        if not isinstance(error, PromoteError | BotoCoreError | ClientError | Superseded):
            raise Broken(LOST, f"{actor.name} ended with an unexpected {type(error).__name__}: {error}") from error

    def ended(self, actor: "Actor", command: str, report: Report) -> None:
        """6. What took effect is reported as done, and nothing else is; what the client repeats makes nobody fail."""
        moves = [move for move in self.moves if move.operation == actor.operation]
        is_told = report.result in (Result.PROMOTED, Result.ROLLED_BACK)
        if all(move.previous is None for move in moves):
            is_told = is_told or report.result is Result.UNCHANGED
        since = self._issued_at.get(actor.operation, float("inf"))
        if moves and not is_told and not actor.was_interrupted and actor.hits_since(since) < 2:
            raise Broken(LOST, f"{actor.name} has moved {moves[-1].environment}, and says: {report.headline}")
        if report.result in (Result.PROMOTED, Result.ROLLED_BACK) and not moves:
            raise Broken(LOST, f"{actor.name} says {report.result}, and has moved nothing")
        if report.result is Result.FAILED and actor.builds and not self._excuses:
            raise Broken(LOST, f"nothing has happened that would make {command} fail, yet: {report.headline}")
        before = self._announced.get(actor.operation, report.result)
        if report.result is not before and (before.is_success or not actor.was_interrupted):
            raise Broken(LOST, f"{actor.name} was {before}, has announced that, and says {report.result}")
        for warning in report.warnings:
            if "an unexpected" in warning:
                raise Broken(LOST, f"{actor.name} warns of what nobody has foreseen: {warning}")

    # What follows a promotion

    def _see_announcement(self, actor: "Actor", call: Call) -> None:
        """5. Nobody waits meanwhile: the lock is given back, unless it is kept for the job, or that went wrong."""
        assert actor.job is not None
        self._announced.setdefault(actor.operation, actor.job.reports[-1].result)
        is_kept = actor.planned.kind is Kind.ADOPT or actor.hits or actor.is_excused or actor.was_interrupted
        if actor.owns(_text(self._lock, "owner")) and not is_kept:
            raise Broken(LOCK, f"{actor.name} sends {call.name} while others wait for its lock")

    def _see_deployment(self, actor: "Actor", body: Any) -> None:
        """6. GitHub is told of what took effect alone, and of that as it was."""
        told = body["payload"]["promote-on-success"]
        place = body["environment"], told.get("promotion", ""), int(body["ref"], 16), told["version"]
        moves = [(move.environment, move.identity, move.commit, move.version) for move in self.moves]
        if told["success"] and place not in moves:
            raise Broken(LOST, f"GitHub hears of {place}, which has never taken effect")
        if not told["success"] and any(move.operation == actor.operation for move in self.moves):
            raise Broken(LOST, f"{actor.name} has moved {body['environment']}, and GitHub hears that it was blocked")

    # 7: the records

    def _see_records(self) -> None:
        """7. Each entry is of a move that took effect, and says the same; what is recorded last stays the last."""
        for name in self.commits:
            before, after = self._environments.get(name, {}), self._items.get((ARN, f"environment#{name}"), {})
            self._environments[name] = after
            if _number(after, "sequence") < _number(before, "sequence"):
                raise Broken(RECORD, f"the record of {name} falls back to {_number(after, 'sequence')}")
        if len(self._items) == self._count:
            return
        self._count = len(self._items)
        for key in self._items.keys() - self._entries.keys() - self._notes:
            if not key[1].startswith(("promotion#", "notes#")):
                continue
            item, (kind, environment, identity) = self._items[key], key[1].split("#")
            found = [move for move in self.moves if (move.environment, move.identity) == (environment, identity)]
            if kind == "notes":
                self._notes.add(key)
                if not (found and f"version {found[0].version}" in item["text"]["S"]):
                    raise Broken(RECORD, f"{key[1]} is of another move, or of none")
                continue
            self._entries[key] = item
            if not found:
                raise Broken(RECORD, f"{key[1]} is of a move that never took effect")
            commit = int(item["commit"]["S"] or "-1", 16)
            said = item["version"].get("S"), item["previous"].get("S"), commit
            if said != (found[0].version, found[0].previous, found[0].commit):
                raise Broken(RECORD, f"{key[1]} says {said}, and the move was {found[0]}")

    # The end

    def over(self, actor: "Actor", *, in_order: bool) -> None:
        """5. After any end of a job that has its post step, the lock is not the job's."""
        owner = _text(self._lock, "owner")
        if in_order and owner and actor.owns(owner) and not actor.is_excused:
            raise Broken(LOCK, f"{actor.name} is over, and its lock is not given back")

    def all_over(self) -> None:
        """See that every run ends; and if nothing has gone wrong, that what is newest and good is served."""
        for actor in self._schedule.actors:
            if not actor.is_over:
                raise Broken(ENDS, f"{actor.name} hangs")
        jobs = self._schedule.plan.jobs
        plain = all(job.kind in (Kind.RUN, Kind.ALONE, Kind.STEPS, Kind.STEPS_ALONE) for job in jobs)
        newest = max(job.commit for job in jobs)
        if plain and not self._excuses and self._schedule.is_good(newest) and self.commits.get(ENVIRONMENT) != newest:
            raise Broken(ENDS, f"commit {newest} is not served, but {self.commits.get(ENVIRONMENT)}")

    def closed(self, actor: "Actor", lease: int) -> None:
        """See what one more run has made of it, without any fault; ``lease`` is the longest that anybody had."""
        report = actor.reports[-1] if actor.reports else None
        if report is None or report.result not in (Result.PROMOTED, Result.UNCHANGED):
            said = f"{report.result}: {report.headline} {report.failures}" if report else "nothing"
            raise Broken(ENDS, f"after all that, a run without any fault says {said}")
        alias = self._world.functions.aliases[ENVIRONMENT]
        served = self._world.functions.versions[alias.version].content.code_sha256
        if served != actor.digest or self.commits[ENVIRONMENT] != actor.planned.commit or alias.weights:
            raise Broken(ENDS, f"commit {actor.planned.commit} is not served, but {alias}")
        if report.lock_wait is not None and report.lock_wait > lease / _SLOWEST + _LOOKS:
            raise Broken(LOCK, f"the lock was free only after {report.lock_wait:.0f} s")
        if "owner" in self._lock:
            raise Broken(LOCK, f"it is still held by {_text(self._lock, 'owner')}")
        if trouble := self._trouble(ENVIRONMENT):
            raise Broken(UP, f"{ENVIRONMENT} {trouble}")
        self._require_records()
        if not self._excuses:
            self._require_tidiness()

    def _require_tidiness(self) -> None:
        """See that nothing was left behind: no endpoint of a candidate, and none that nobody knows."""
        known = {item["endpoint"]["M"]["api_id"]["S"] for item in self._items.values() if "endpoint" in item}
        trials = [sk for _, sk in self._items if sk.startswith(TRIAL)]
        if trials or known != set(self._world.gateways.apis):
            raise Broken(ENDS, f"left behind: {trials or set(self._world.gateways.apis) - known}")

    def _require_records(self) -> None:
        """7. Each move has its entry, which nobody has touched since; a run that died left an intent for the next."""
        if "intent" in self._items[ARN, f"environment#{ENVIRONMENT}"]:
            raise Broken(RECORD, "an intent is left without an outcome")
        for move in self.moves:
            record = self._items[ARN, f"environment#{move.environment}"]
            key = ARN, f"promotion#{move.environment}#{move.identity}"
            if move.previous is not None and "intent" not in record and key not in self._entries:
                raise Broken(RECORD, f"nothing was recorded of {move}")
        for key, item in self._entries.items():
            if self._items.get(key) != item:
                raise Broken(RECORD, f"{key[1]} is no longer what it was")

    # Where to look

    @property
    def _now(self) -> float:
        return self._schedule.scheduler.now

    @property
    def _items(self) -> Any:
        return self._world.tables.tables.get(TABLE, {})

    def _lock_item(self) -> Any:
        return self._items.get((ARN, "lock"), {})


def _text(item: Any, name: str) -> str:
    return item[name]["S"] if name in item else ""


def _number(item: Any, name: str) -> int:
    return int(item[name]["N"]) if name in item else 0
