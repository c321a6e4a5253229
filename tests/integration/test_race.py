"""Twenty concurrent runs on one function, each a process with its own commit and checks.

They run with the lock, with faults, and without the lock. The sandbox's record of their calls shows what they did.
"""

import json
import re
import shutil
import signal
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from promote.core.lock_state import Claim, LockState
from sandbox.client import Account, Call
from tests.conftest import make_inputs
from tests.repository import commit, git
from tests.runner import REPOSITORY, Ended, InProcessRunner, Runner, Started
from tests.world import FUNCTION, World, get

pytestmark = pytest.mark.timeout(300)

RUNS = 20
NEWEST = RUNS - 1
LEASE = 6
"""Seconds of the lease if runs are killed or stopped. Others wait as long."""

EVENT = json.dumps({"rawPath": "/health"})
CODE = {
    f"lambda.{operation}"
    for operation in ("CreateFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration", "PublishVersion")
}
MOVES = {"lambda.CreateAlias", "lambda.UpdateAlias"}
READS = ("Get", "List", "Describe", "Query")
LOCK = {"dynamodb.UpdateItem", "dynamodb.CreateTable"}
"""The calls that a run makes only for the lock. The first one creates the table."""


@dataclass
class Race:
    """The runs of one history's commits, by number. Their ids are in the order of ``ids``."""

    world: World
    commits: Sequence[str]
    broken: set[int]
    ids: Sequence[int]
    runners: Sequence[Runner]
    started: dict[int, Started] = field(default_factory=dict)
    ended: dict[int, Ended] = field(default_factory=dict)

    @property
    def newest_good(self) -> int:
        return max(set(range(RUNS)) - self.broken)

    def start(self, number: int, **inputs: str) -> Started:
        """Start one. What it verifies is true only for its own commit.

        Half of them request $LATEST, where they would see another run's code. The other half request their own version.
        """
        checks = {"checks": f"GET /health 200 status == 'ok' && commit == `{number}`"}
        if number % 2:
            healthy = json.dumps({"status": "ok", "commit": number})
            checks = {"checks": "", "invoke": f"event.json body == '{healthy}'"}
        self.started[number] = self.runners[number].start(
            {**make_inputs(self.world.account), "endpoints": "http", **checks, **inputs},
            commit=self.commits[number],
            run_id=self.ids[number],
            environ={"AWS_EXECUTION_ENV": f"run-{number}"},
        )
        return self.started[number]

    def start_all(self, chance: Random, pause: float = 0.1, **inputs: str) -> None:
        """Start the remaining runs, roughly in order of age, one about every ``pause`` seconds."""
        numbers = [number for number in range(RUNS) if number not in self.started]
        delays = {number: pause * number + chance.uniform(0, 2) for number in numbers}
        begun = time.monotonic()
        for number, delay in sorted(delays.items(), key=lambda pair: pair[1]):
            time.sleep(max(0.0, begun + delay - time.monotonic()))
            self.start(number, **inputs)

    def wait(self) -> None:
        for number, run in self.started.items():
            if number not in self.ended:
                self.ended[number] = run.wait(200)

    def results(self) -> dict[int, str]:
        return {number: self.ended[number].result for number in sorted(self.ended)}

    def logs(self) -> str:
        return "\n".join(f"--- {number}:\n{run.log}" for number, run in sorted(self.ended.items()))

    def calls(self) -> dict[int, list[Call]]:
        """Return the calls of each run, in order."""
        found: dict[int, list[Call]] = {number: [] for number in range(RUNS)}
        for call in self.world.account.calls():
            if call.origin:
                found[int(call.origin.removeprefix("run-"))].append(call)
        return found


@contextmanager
def race(folder: Path, account: Account, chance: Random, *, broken: set[int], is_in_order: bool) -> Iterator[Race]:
    """Create a history, and for each of its commits a runner that has it checked out.

    As with ``fetch-depth: 0``, each has all commits. If ``is_in_order``, the ids of their runs are in the order of the
    commits. Otherwise only the history shows which is newer, as when older runs are started manually.
    """
    origin = folder / "origin"
    origin.mkdir()
    shutil.copytree(REPOSITORY / "tests" / "function", origin / "function")
    (origin / "event.json").write_text(EVENT)
    git(origin, "init", "--quiet", "--initial-branch=main")
    source = (REPOSITORY / "tests" / "function" / "app.py").read_text()
    commits = []
    for number in range(RUNS):
        status = f'"status": "{"broken" if number in broken else "ok"}", "commit": {number}'
        (origin / "function" / "app.py").write_text(source.replace('"status": "ok"', status))
        commits.append(commit(origin, str(number)))
    runners = []
    for number in range(RUNS):
        place = folder / str(number)
        place.mkdir()
        runners.append(InProcessRunner(place, account.environ))
        git(folder, "clone", "--quiet", "--shared", "--no-checkout", str(origin), str(runners[-1].workspace))
        git(runners[-1].workspace, "checkout", "--quiet", "--detach", commits[number])
    ids = list(range(100, 100 + RUNS))
    if not is_in_order:
        chance.shuffle(ids)
    made = Race(World(account), commits, broken, ids, runners)
    try:
        yield made
    finally:
        for run in made.started.values():
            if run.process.returncode is None:
                run.kill()


def some_broken(chance: Random, *, newest: bool) -> set[int]:
    """Choose which commits are broken. A good one comes early, and the newest is broken or not, as requested."""
    return {*chance.sample(range(2, NEWEST), 5), *([NEWEST] if newest else [])}


class Trouble:
    """Kills runs and suspends them for longer than their lease: some that hold the lock, and some that wait for it.

    ``spared`` is left alone.
    """

    def __init__(self, race: Race, chance: Random, spared: int) -> None:
        self._race = race
        self._chance = chance
        self._spared = spared
        self._over = threading.Event()
        self.killed: dict[int, float] = {}
        """The runs that were killed, with the time of their end, on the clock of the calls."""
        self.stopped: dict[int, float] = {}
        """The runs that were suspended, with the time of its start."""
        self.resumed: dict[int, float] = {}
        self.holders: dict[int, str] = {}
        """The runs that held the lock at that time, and what happened to them."""

    def __repr__(self) -> str:
        return f"killed: {self.killed}, stopped: {self.stopped}, while they held the lock: {self.holders}"

    @property
    def ends(self) -> dict[int, float]:
        """Return from when on the holders could not know whether they still held the lock."""
        return {number: (self.killed | self.stopped)[number] for number in self.holders}

    @contextmanager
    def going_on(self) -> Iterator[None]:
        thread = threading.Thread(target=self._make)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _make(self) -> None:
        first = [("kill", True), ("stop", True)]
        then = [*first, ("kill", False), ("stop", False)]
        self._chance.shuffle(first)
        self._chance.shuffle(then)
        for deed, is_holder in first + then:
            victim = self._catch(is_holder=is_holder)
            if victim is None:
                return
            if is_holder:
                self.holders[victim] = deed
            if deed == "kill":
                self.killed[victim] = time.monotonic()
                self._race.started[victim].process.kill()
            else:
                self.stopped[victim] = time.monotonic()
                self._over.wait(LEASE + 2)
                self.resumed[victim] = time.monotonic()
                self._race.started[victim].process.send_signal(signal.SIGCONT)

    def _catch(self, *, is_holder: bool) -> int | None:
        """Stop a run that holds the lock or waits for it, at any moment; None if the race is over."""
        while not self._over.wait(self._chance.uniform(0, 0.4)):
            entry = self._look()
            if not entry.tickets:
                continue
            found = [entry.holder] if is_holder else list(entry.tickets)
            victim = self._number(self._chance.choice(found))
            if victim is None or victim in (self._spared, *self.killed, *self.stopped):
                continue
            process = self._race.started[victim].process
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.1)  # what it has sent arrives
            entry = self._look()
            if victim in [self._number(claim) for claim in ([entry.holder] if is_holder else entry.tickets)]:
                return victim
            process.send_signal(signal.SIGCONT)
        return None

    def _look(self) -> LockState:
        return LockState.read(next(iter(self._race.world.records("lock")), {}))

    def _number(self, claim: Claim | None) -> int | None:
        return self._race.ids.index(claim.run_id) if claim else None


@contextmanager
def no_lock(world: World) -> Iterator[None]:
    """Take the lock from its holder, again and again."""
    ended = threading.Event()

    def take_away() -> None:
        while not ended.wait(0.05):
            held = [item for item in world.records("lock") if item.get("owner")]
            for item in held:
                world.table.update_item(
                    TableName="promote-on-success",
                    Key={"pk": {"S": item["pk"]}, "sk": {"S": "lock"}},
                    UpdateExpression="REMOVE #owner",
                    ExpressionAttributeNames={"#owner": "owner"},
                )

    thread = threading.Thread(target=take_away)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def took_effect(call: Call) -> bool:
    """Whether it did, or may have: if a response was lost, the record does not contain it."""
    return (call.status is not None and call.status < 300) or any(fault.endswith("-after") for fault in call.faults)


@dataclass(frozen=True)
class Span:
    """The time from a run's first change of code or configuration to its release of the lock."""

    run: int
    first: float
    last: float


def spans(calls: Mapping[int, Sequence[Call]], ends: Mapping[int, float]) -> list[Span]:
    """Return the spans of all runs that have changed something, in order. ``ends`` has those without a release."""
    found = []
    for run, made in calls.items():
        changes = [call for call in made if call.name in CODE and took_effect(call)]
        if changes:
            last = ends[run] if run in ends else released(made)
            found.append(Span(run, changes[0].started, last))
    return sorted(found, key=lambda span: span.first)


def released(calls: Sequence[Call]) -> float:
    """Return when a run released the lock: with the record of its promotion, or at its end."""
    moves = [call for call in calls if call.name in MOVES and took_effect(call)]
    if moves:
        records = [call for call in calls if call.name == "dynamodb.TransactWriteItems" and took_effect(call)]
        # There is none if others have written the record by then, and hold the lock.
        return next((call.started for call in records if call.started > moves[-1].started), calls[-1].started)
    updates = [call for call in calls if call.name == "dynamodb.UpdateItem" and took_effect(call)]
    # After a lost response, the call was retried. The first attempt counts.
    lost = len(updates)
    while lost and updates[lost - 1].faults:
        lost -= 1
    return updates[min(lost, len(updates) - 1)].started


def overlaps(found: Sequence[Span]) -> list[tuple[Span, Span]]:
    return [(one, other) for place, one in enumerate(found) for other in found[place + 1 :] if other.first < one.last]


def tokens(race: Race) -> dict[int, int]:
    """Return the tokens of the runs that held the lock and reported it."""
    found = {number: re.search(r"held, token (\d+)", run.log) for number, run in race.ended.items()}
    return {number: int(match[1]) for number, match in found.items() if match}


def assert_one_at_a_time(race: Race, found: Sequence[Span]) -> None:
    assert overlaps(found) == [], race.logs()
    assert len(found) > 1, "too few to say anything"
    held = tokens(race)
    order = [held[span.run] for span in found if span.run in held]
    assert order == sorted(order)
    assert len(set(held.values())) == len(held), "a token was used twice"


def judged(race: Race) -> set[int]:
    """Return the ids of the runs that have recorded a verdict."""
    return {int(item["verdict"]["run_id"]) for item in race.world.records("version") if "verdict" in item}


def served(race: Race) -> set[int]:
    """Return the ids of the runs that are in the history."""
    return {int(item["run_id"]) for item in race.world.records("promotion")}


def assert_changed_nothing(race: Race, runs: Sequence[int]) -> None:
    """Assert that the runs have left nothing behind except in the lock."""
    calls = race.calls()
    for number in runs:
        changes = {call.name for call in calls[number] if not call.operation.startswith(READS)}
        assert changes <= LOCK, race.ended[number].log
    recorded = {int(item["run_id"]) for item in race.world.items() if item["sk"] != "lock" and "run_id" in item}
    recorded |= judged(race)
    assert not recorded & {race.ids[number] for number in runs}


def assert_only_verified_code_was_served(race: Race) -> None:
    """Guarantees 1, 2 and 7, for every move of the alias that Lambda accepted."""
    world, calls = race.world, race.calls()
    moves = sorted(
        (call.started, run) for run, made in calls.items() for call in made if call.name in MOVES and took_effect(call)
    )
    for moved, run in moves:
        # The ledger shows below that the verdict in it belongs to this version and has passed.
        assert any(
            call.name == "dynamodb.TransactWriteItems" and took_effect(call) and call.started + call.seconds <= moved
            for call in calls[run]
        ), f"run {run} has moved the alias before the verdict was recorded\n{race.logs()}"
    moved_to = [race.commits.index(item["commit"]) for item in world.records("promotion")]
    assert moved_to == [run for _, run in moves], race.logs()
    assert moved_to == sorted(moved_to), f"an older commit has replaced a newer one\n{race.logs()}"
    assert not set(moved_to) & race.broken
    records = {item["version"]: item for item in world.records("version")}
    for item, number in zip(world.records("promotion"), moved_to, strict=True):
        record = records[item["version"]]
        assert (record["passed"]["outcome"], record["passed"]["run_id"]) == ("passed", race.ids[number])
        assert world.code_sha256(item["version"]) == record["code_sha256"] == item["code_sha256"]
        assert health(world, item["version"]) == {"status": "ok", "commit": number}
    assert world.alias_version() == world.history()[-1][1]


def health(world: World, version: str) -> Mapping[str, object]:
    answer = world.function.invoke(FunctionName=FUNCTION, Qualifier=version, Payload=EVENT)
    body: Mapping[str, object] = json.loads(json.loads(answer["Payload"].read())["body"])
    return body


def assert_newest_good_is_served(race: Race) -> None:
    newest = race.ended[race.newest_good]
    assert newest.result == "promoted", race.logs()
    assert newest.outputs["environment-url"], newest.log
    assert get(newest.outputs["environment-url"] + "/health") == (200, {"status": "ok", "commit": race.newest_good})


def assert_each_ended_well(race: Race, besides: Collection[int] = ()) -> None:
    for number, run in race.ended.items():
        if number in besides:
            continue
        is_served = race.ids[number] in served(race)
        is_judged = race.ids[number] in judged(race)
        other = "blocked" if number in race.broken and is_judged else "superseded"
        assert run.result == ("promoted" if is_served else other), race.logs()
        assert run.code == (1 if run.result == "blocked" else 0), run.log


def assert_stopped_before_its_next_change(race: Race, trouble: Trouble, found: Sequence[Span], number: int) -> None:
    """Assert what a run did that was suspended while it held the lock, and after which another run worked.

    No lock can stop the one request that it was about to send. Lambda's preconditions do, once the other run has
    changed something.
    """
    since, until = trouble.ends[number], trouble.resumed.get(number, float("inf"))
    other = min((span.first for span in found if span.first > since and span.run != number), default=until)
    if other >= until:
        return
    late = [call for call in race.calls()[number] if call.started > until and call.name != "dynamodb.UpdateItem"]
    assert not [call for call in late if call.name in CODE and took_effect(call)], race.ended[number].log
    assert not [call for call in late[1:] if call.name in CODE | MOVES], race.ended[number].log


def disturbed(race: Race, number: int) -> bool:
    """Whether it has finished the release of a run that died, or met the late move of a run that was suspended.

    In the second case, it has deployed, and decides again only when its own move is refused.
    """
    log = race.ended[number].log
    return "finished the release of" in log or "deciding again" in log


def of(race: Race, result: str) -> list[int]:
    return [number for number, found in race.results().items() if found == result]


def assert_all_is_well(race: Race) -> None:
    """Everything that is true if every run lives to its end."""
    assert_each_ended_well(race)
    assert_newest_good_is_served(race)
    found = spans(race.calls(), {})
    assert_one_at_a_time(race, found)
    assert sorted(span.run for span in found) == sorted(of(race, "promoted") + of(race, "blocked")), race.logs()
    assert_changed_nothing(race, of(race, "superseded"))
    assert_only_verified_code_was_served(race)
    lock, held = race.world.records("lock")[0], tokens(race)
    assert sorted(held.values()) == list(range(1, len(held) + 1))
    assert (lock["token"], lock.get("tickets", []), lock.get("owner")) == (len(held), [], None)


def test_in_strict_order_each_run_has_its_turn_and_the_newest_good_commit_is_served(
    tmp_path: Path, account: Account, chance: Random
) -> None:
    broken = some_broken(chance, newest=True)
    with race(tmp_path, account, chance, broken=broken, is_in_order=False) as runs:
        runs.start_all(chance, queue="fifo")
        runs.wait()
        assert_all_is_well(runs)
        assert len(tokens(runs)) == RUNS


def test_newer_runs_take_the_place_of_older_ones_and_the_newest_is_served(
    tmp_path: Path, account: Account, chance: Random
) -> None:
    broken = some_broken(chance, newest=False)
    with race(tmp_path, account, chance, broken=broken, is_in_order=True) as runs:
        runs.start_all(chance, pause=0.4)
        runs.wait()
        assert_all_is_well(runs)
        assert len(tokens(runs)) < RUNS


def test_lost_responses_of_the_lock_do_not_change_the_result(tmp_path: Path, account: Account, chance: Random) -> None:
    broken = some_broken(chance, newest=True)
    with race(tmp_path, account, chance, broken=broken, is_in_order=False) as runs:
        locks, records = (
            [
                account.inject(chance.choice(["cut-after", "error-after"]), f"dynamodb.{operation}", nth=nth)
                for nth in (1, *chance.sample(range(2, among), count))
            ]
            for operation, among, count in (("UpdateItem", 2 * RUNS, 12), ("TransactWriteItems", RUNS, 3))
        )
        runs.start_all(chance, queue="fifo", lease="60")
        runs.wait()
        assert_all_is_well(runs)
        assert len(tokens(runs)) == RUNS
        assert all(loss.hit for loss in locks), "each run takes the lock and gives it back"
        assert records[0].hit, "the first run that promotes is recorded"


@pytest.mark.parametrize("queue", ["fifo", "newest"])
def test_runs_that_are_killed_or_stopped_leave_the_newest_good_commit_served(
    tmp_path: Path, account: Account, chance: Random, queue: str
) -> None:
    broken = some_broken(chance, newest=False)
    with race(tmp_path, account, chance, broken=broken, is_in_order=queue == "newest") as runs:
        trouble = Trouble(runs, chance, spared=runs.newest_good)
        with trouble.going_on():
            runs.start_all(chance, pause=0.6, queue=queue, lease=str(LEASE))
            runs.wait()
        print(runs.results(), trouble)  # noqa: T201 - as the seed
        assert_newest_good_is_served(runs)
        assert_only_verified_code_was_served(runs)
        hit = {*trouble.killed, *trouble.stopped}
        assert_each_ended_well(runs, besides=hit)
        assert {runs.ended[number].code for number in trouble.killed} <= {-signal.SIGKILL}
        assert not any("unexpected" in run.log for run in runs.ended.values()), runs.logs()
        assert_changed_nothing(
            runs, [number for number in of(runs, "superseded") if number not in hit and not disturbed(runs, number)]
        )
        found = spans(runs.calls(), trouble.ends)
        assert_one_at_a_time(runs, found)
        for number in trouble.holders:
            assert_stopped_before_its_next_change(runs, trouble, found, number)
        left = LockState.read(runs.world.records("lock")[0]).tickets
        assert {runs.ids.index(ticket.run_id) for ticket in left} <= hit, "a run has left a ticket behind"
        if queue == "fifo":  # otherwise, only the newest is left soon
            assert {"kill", "stop"} <= set(trouble.holders.values())


def test_without_the_lock_runs_may_fail_and_only_verified_code_is_served(
    tmp_path: Path, account: Account, chance: Random
) -> None:
    broken = some_broken(chance, newest=True)
    with race(tmp_path, account, chance, broken=broken, is_in_order=False) as runs:
        runs.start(0).wait_for("now serves version 1")
        # Between the decision and the move there is time for others.
        account.inject("latency", "lambda.UpdateAlias", times=0, seconds=0.5)
        with no_lock(runs.world):
            runs.start_all(chance, pause=0.3, queue="fifo")
            runs.wait()
        print(runs.results())  # noqa: T201 - as the seed
        assert_only_verified_code_was_served(runs)
        for run in runs.ended.values():
            assert "unexpected" not in run.log
        assert {runs.ids[number] for number in of(runs, "promoted")} == served(runs)
        assert set(runs.results().values()) <= {"promoted", "superseded", "blocked", "failed"}, runs.logs()
        found = spans(runs.calls(), {})
        assert overlaps(found), "the lock was there after all"
