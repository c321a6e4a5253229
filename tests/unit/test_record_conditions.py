"""Each condition of each write of the ledger and of releases. If it alone does not hold, the write changes nothing."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from promote.aws.dynamodb import TransactionCancelled
from promote.core.endpoint import Gateway
from promote.core.errors import ConflictError, RefusedError, ServiceError
from promote.core.promotion import Alias, EnvironmentRecord, Promotion, ReleaseKey
from promote.core.release import Release, ReleasePart, Stage, Undo
from promote.core.run import Run
from promote.core.verdict import Outcome, Verdict
from promote.core.version import Candidate
from promote.state.candidate_records import deployment_key
from promote.state.endpoint_records import Preview
from promote.state.ledger import Ledger, Pending
from promote.state.release_records import Conflict, ReleaseRecords
from promote.state.releases import release_item, release_key
from promote.state.version_records import version_key
from tests.clock import Time
from tests.memory import Memory

ARN = "arn:aws:lambda:us-east-1:123456789012:function:hello"
OTHER_ARN = "arn:aws:lambda:us-east-1:123456789012:function:other"
COMMIT = "c" * 40
RUN = Run(COMMIT, 7, 1, "", "0000000000aa")
CANDIDATE = Candidate("3", "code", "configuration")
PASSED = Verdict(Outcome.PASSED, ())
PROMOTION = Promotion("preprod", "3", "2", COMMIT, 7, 1, 5, RUN.operation)
TOKEN = deployment_key("3", RUN.operation)
UNDO = Undo("2026-01-01T00:00:00+00:00", "it is slow", "octocat")
GATEWAY = Gateway("ours", "https://ours.example")

Item = Mapping[str, Any]
MISSING = object()


def changed(item: Item, **changes: object) -> Item:
    return {name: value for name, value in {**item, **changes}.items() if value is not MISSING}


KEY: ReleaseKey = release_key([ARN, OTHER_ARN], "preprod", PROMOTION.identity)
ALIAS = Alias("preprod", "2", "revision", "", {})
RELEASE = Release(
    KEY,
    "preprod",
    (
        ReleasePart(ARN, PROMOTION, CANDIDATE, "plan", 4, ALIAS, token=TOKEN),
        ReleasePart(OTHER_ARN, PROMOTION, CANDIDATE, "plan", 0, ALIAS),
    ),
    7,
)
ROLLING_BACK = replace(RELEASE, stage=Stage.ROLLING_BACK)
UNDONE = replace(ROLLING_BACK, undone=UNDO)
ANOTHER = {"pk": ARN, "sk": "release#preprod#another"}

ENVIRONMENT: Item = {
    "pk": ARN,
    "sk": "environment#preprod",
    "version": "2",
    "code_sha256": "code before",
    "fingerprint": "configuration",
    "plan": "",
    "commit": "b" * 40,
    "run_id": 6,
    "sequence": 4,
}
IN_RELEASE = changed(ENVIRONMENT, pending=vars(KEY))
OTHER: Item = {"pk": OTHER_ARN, "sk": "environment#preprod"}
OTHER_IN_RELEASE = changed(OTHER, pending=vars(KEY))
VERSION: Item = {
    "pk": ARN,
    "sk": version_key("3"),
    "version": "3",
    "code_sha256": "code",
    "fingerprint": "configuration",
    "built": "2026-01-01T00:00:00+00:00",
    "commit": COMMIT,
    "run_id": 7,
    "attempt": 1,
    "url": "",
    "operation": "another",
}
DELETED = {"keep": 3, "run_id": 6, "at": "2026-01-01T00:00:00+00:00", "operation": RUN.operation}
CANDIDATE_RECORD: Item = {**VERSION, "sk": TOKEN}
CLAIM = {"environment": "preprod", "promotion": "another", "run_id": 7, "attempt": 1}
PREVIEW = Preview("3", RUN.operation, "job", 7, 30)
PREVIEW_RECORD: Item = {"pk": ARN, "sk": PREVIEW.key, "version": "3", "alive": 100}


def recorded(release: Release, **changes: object) -> Item:
    return changed({**release_item(release), "begun": "2026-01-01T00:00:00+00:00"}, **changes)


BEGUN = recorded(RELEASE)
MOVING = (BEGUN, IN_RELEASE, OTHER_IN_RELEASE, CANDIDATE_RECORD)
ROLLED = recorded(ROLLING_BACK)
GOING_BACK = (ROLLED, IN_RELEASE, OTHER_IN_RELEASE)


class Records:
    """The records of a run, in memory."""

    def __init__(self, memory: Memory) -> None:
        self.memory, self.table = memory, memory.table()
        self.ledger = Ledger(self.table, ARN, RUN, Time())
        self.releases = ReleaseRecords(self.table, Time())

    def transact(self, part: tuple[str, Mapping[str, Any]]) -> None:
        """Write a part of a transaction alone."""
        self.table.transact([part])

    def unlock(self) -> None:
        lock = {"pk": ARN, "sk": "lock"}
        opening = self.table.change(ARN, lock["sk"], assign={"token": 5})
        self.ledger.record_unlock(5, "run 6", "it hangs", "octocat", ("Update", opening))


@dataclass(frozen=True)
class Write:
    """One conditional write."""

    act: Callable[[Records], object]
    accepts: tuple[Iterable[Item], ...]
    """Tables that it changes."""
    refuses: Mapping[str, Iterable[Item]]
    """Tables in which one condition alone does not hold, by that condition."""


def moved(records: Records, undone: str = "") -> EnvironmentRecord:
    return records.ledger.record_move("preprod", PROMOTION, EnvironmentRecord(undone_release=undone))


def remembered(records: Records, replaced: Gateway | None) -> bool:
    return records.ledger.remember("preprod", GATEWAY, replaced)


def having(api: str) -> Item:
    return changed(ENVIRONMENT, endpoint={"api_id": api, "api_url": f"https://{api}.example", "mapping": ""})


WRITES: Mapping[str, Write] = {
    "record a move": Write(
        moved,
        ([], [OTHER], [ENVIRONMENT]),
        {
            "it is part of no release": [IN_RELEASE],
            "no later move is recorded": [changed(ENVIRONMENT, sequence=6)],
            "not even the same one": [changed(ENVIRONMENT, sequence=5)],
            "no release was rolled back since": [changed(ENVIRONMENT, undone_release="another")],
        },
    ),
    "record a move after a rollback": Write(
        lambda records: moved(records, "a release"),
        ([changed(ENVIRONMENT, undone_release="a release")],),
        {
            "no other release was rolled back since": [changed(ENVIRONMENT, undone_release="another")],
            "it was rolled back": [ENVIRONMENT],
        },
    ),
    "remember the first endpoint": Write(
        lambda records: remembered(records, None),
        ([], [ENVIRONMENT]),
        {"there is none": [having("another")]},
    ),
    "remember another endpoint": Write(
        lambda records: remembered(records, Gateway("before", "https://before.example")),
        ([ENVIRONMENT], [having("before")], [changed(having("ours"), endpoint={"api_id": "ours"})]),
        {"it is still the one before": [having("another")]},
    ),
    "record an unlock": Write(
        lambda records: records.unlock(),
        ([],),
        {"it is new": [{"pk": ARN, "sk": f"unlock#{5:010d}-{RUN.operation}"}]},
    ),
    "record a version": Write(
        lambda records: records.ledger.versions.record(CANDIDATE),
        ([], [changed(VERSION, code_sha256="of a deleted function")]),
        {"it is new": [VERSION]},
    ),
    "record a verdict": Write(
        lambda records: records.ledger.versions.record_verdict(CANDIDATE, "plan", PASSED),
        ([VERSION],),
        {
            "the version is recorded": [],
            "it has this code": [changed(VERSION, code_sha256="other code")],
            "it has this configuration": [changed(VERSION, fingerprint="another configuration")],
        },
    ),
    "record a verdict in a transaction": Write(
        lambda records: records.transact(records.ledger.versions.verdict_update(CANDIDATE, "plan", PASSED)),
        ([VERSION],),
        {
            "it has this code": [changed(VERSION, code_sha256="other code")],
            "it has this configuration": [changed(VERSION, fingerprint="another configuration")],
        },
    ),
    "retract a deletion": Write(
        lambda records: records.ledger.versions.retract_deletion(3),
        ([changed(VERSION, deleted=DELETED)],),
        {
            "the version is recorded": [],
            "it is not deleted by another run": [changed(VERSION, deleted={**DELETED, "operation": "another"})],
        },
    ),
    "claim a candidate": Write(
        lambda records: records.transact(records.ledger.candidates.claim_update(TOKEN, PROMOTION)),
        ([CANDIDATE_RECORD], [changed(CANDIDATE_RECORD, claim=CLAIM)]),
        {
            "it is recorded": [],
            "it is not used": [changed(CANDIDATE_RECORD, used="another")],
            "no other environment has claimed it": [changed(CANDIDATE_RECORD, claim={**CLAIM, "environment": "prod"})],
            "no other run has claimed it": [changed(CANDIDATE_RECORD, claim={**CLAIM, "run_id": 6})],
            "no other attempt has claimed it": [changed(CANDIDATE_RECORD, claim={**CLAIM, "attempt": 2})],
        },
    ),
    "locate a preview": Write(
        lambda records: records.ledger.previews.locate(PREVIEW, GATEWAY),
        ([PREVIEW_RECORD],),
        {"no run has removed it": []},
    ),
    "renew a preview": Write(
        lambda records: records.ledger.previews.renew(PREVIEW, records.table),
        ([PREVIEW_RECORD],),
        {"no run has removed it": []},
    ),
    "begin a release": Write(
        lambda records: records.releases.begin(RELEASE),
        ([ENVIRONMENT], [ENVIRONMENT, OTHER]),
        {
            "it has not begun": [recorded(ROLLING_BACK), ENVIRONMENT, OTHER],
            "the first function is part of no release": [changed(ENVIRONMENT, pending=ANOTHER), OTHER],
            "the first function was not promoted since": [changed(ENVIRONMENT, sequence=5), OTHER],
            "the first function was promoted before": [changed(ENVIRONMENT, sequence=MISSING), OTHER],
            "the last function is part of no release": [ENVIRONMENT, changed(OTHER, pending=ANOTHER)],
            "the last function was never promoted": [ENVIRONMENT, changed(OTHER, sequence=1)],
        },
    ),
    "join a release": Write(
        lambda records: records.releases.join(RELEASE),
        ([BEGUN],),
        {"its stage is the one that was read": [recorded(ROLLING_BACK)]},
    ),
    "complete a release": Write(
        lambda records: records.releases.complete(RELEASE, []),
        (MOVING,),
        {
            "its stage is the one that was read": [recorded(ROLLING_BACK), *MOVING[1:]],
            "the first function is part of it": [BEGUN, changed(ENVIRONMENT, pending=ANOTHER), *MOVING[2:]],
            "the last function is part of it": [*MOVING[:2], changed(OTHER, pending=ANOTHER), CANDIDATE_RECORD],
        },
    ),
    "begin to roll a release back": Write(
        lambda records: records.releases.start_rollback(RELEASE, ServiceError("it failed", hint=""), [ARN], None),
        ([BEGUN], [recorded(RELEASE, joined="2026-01-01T00:00:00+00:00")]),
        {
            "its stage is the one that was read": [recorded(replace(RELEASE, stage=Stage.DONE))],
            "its stage is the one that was read, if another process has joined": [
                recorded(replace(RELEASE, stage=Stage.DONE), joined="2026-01-01T00:00:00+00:00")
            ],
        },
    ),
    "record who rolls a release back": Write(
        lambda records: records.releases.record_undo(ROLLING_BACK, UNDO),
        ([ROLLED],),
        {
            "its stage is the one that was read": [recorded(replace(RELEASE, stage=Stage.ROLLED_BACK))],
            "no user rolls it back": [changed(ROLLED, undone={**vars(UNDO), "by": "another"})],
        },
    ),
    "end a rollback": Write(
        lambda records: records.releases.end(ROLLING_BACK),
        (GOING_BACK, [ROLLED, ENVIRONMENT, OTHER]),
        {
            "its stage is the one that was read": [
                recorded(replace(RELEASE, stage=Stage.ROLLED_BACK)),
                *GOING_BACK[1:],
            ],
            "no user has rolled it back since": [changed(ROLLED, undone=vars(UNDO)), *GOING_BACK[1:]],
            "the first function is part of it": [ROLLED, changed(ENVIRONMENT, pending=ANOTHER), OTHER_IN_RELEASE],
            "the last function is part of it": [ROLLED, IN_RELEASE, changed(OTHER, pending=ANOTHER)],
        },
    ),
    "end the rollback of a user": Write(
        lambda records: records.releases.end(UNDONE),
        ([changed(ROLLED, undone=vars(UNDO)), *GOING_BACK[1:]],),
        {"its stage is the one that was read": [recorded(replace(UNDONE, stage=Stage.ROLLED_BACK)), *GOING_BACK[1:]]},
    ),
}

_REFUSALS = (TransactionCancelled, Conflict, ConflictError, RefusedError, Pending)


@pytest.fixture
def records() -> Records:
    return Records(Memory())


def stored(records: Records, items: Iterable[Item]) -> list[Item]:
    """Write the items, and return those of the table."""
    records.memory.clear()
    records.memory.write(*items)
    return records.memory.items()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_meets_all_conditions_is_written(records: Records, write: Write) -> None:
    for items in write.accepts:
        before = stored(records, items)
        write.act(records)
        assert records.memory.items() != before, items


@pytest.mark.parametrize(
    ("write", "items"),
    [
        pytest.param(write, items, id=f"{name}: {condition}")
        for name, write in WRITES.items()
        for condition, items in write.refuses.items()
    ],
)
def test_what_misses_one_condition_is_not_written(records: Records, write: Write, items: Iterable[Item]) -> None:
    before = stored(records, items)
    with suppress(*_REFUSALS):
        write.act(records)
    assert records.memory.items() == before


def item_of(records: Records, sk: str) -> Item:
    return next((item for item in records.table.query(ARN, sk, sk)), {})


def test_a_move_that_is_in_the_history_already_is_recorded_without_a_second_entry(records: Records) -> None:
    entry = {"pk": ARN, "sk": f"promotion#preprod#{PROMOTION.identity}", "at": "before"}
    stored(records, [ENVIRONMENT, entry])
    assert moved(records).sequence == PROMOTION.sequence
    assert item_of(records, entry["sk"]) == entry


@pytest.mark.parametrize("candidate", [[], [changed(CANDIDATE_RECORD, used="another")]], ids=["gone", "used"])
def test_a_release_is_completed_without_the_record_of_its_candidate(records: Records, candidate: list[Item]) -> None:
    """Its aliases have moved. A record that is gone is not created again, and one that is used stays so."""
    stored(records, [BEGUN, IN_RELEASE, OTHER_IN_RELEASE, *candidate])
    assert records.releases.complete(RELEASE, [])[1]
    assert item_of(records, TOKEN) == (candidate[0] if candidate else {})


def test_a_release_that_another_process_has_joined_denies_no_function(records: Records) -> None:
    """A late move of the other process is possible, so each alias needs a fence."""
    stored(records, [recorded(RELEASE, joined="2026-01-01T00:00:00+00:00")])
    rolling = records.releases.start_rollback(RELEASE, ServiceError("it failed", hint=""), [ARN], None)
    assert (rolling.stage, rolling.denied) == (Stage.ROLLING_BACK, ())
    assert item_of(records, KEY.sk)["denied"] == []


def test_a_version_of_other_code_is_replaced_with_its_verdicts(records: Records) -> None:
    stored(records, [changed(VERSION, code_sha256="of a deleted function", passed={"outcome": "passed"})])
    records.ledger.versions.record(CANDIDATE)
    found = item_of(records, version_key("3"))
    assert (found["code_sha256"], "passed" in found) == ("code", False)


# A record of a deleted function


OF_A_DELETED_FUNCTION = replace(CANDIDATE, code_sha256="of a deleted function")


def test_a_record_that_another_run_has_replaced_keeps_its_verdict() -> None:
    memory = Memory()
    ours, theirs = (Ledger(memory.table(), ARN, replace(RUN, operation=f"0{n}"), Time()) for n in (7, 8))
    theirs.versions.record(OF_A_DELETED_FUNCTION)

    def in_between() -> None:
        theirs.versions.record(CANDIDATE)
        theirs.versions.record_verdict(CANDIDATE, "plan", Verdict(Outcome.FAILED, (), "broken"))

    memory.before("put_item", lambda: memory.before("put_item", in_between))  # before our second one
    ours.versions.record(CANDIDATE)
    assert theirs.versions.verdicts(CANDIDATE).failure is not None


def test_a_record_that_was_deleted_before_it_is_replaced_is_written() -> None:
    memory = Memory()
    ledger = Ledger(memory.table(), ARN, RUN, Time())
    ledger.versions.record(OF_A_DELETED_FUNCTION)
    memory.before("put_item", lambda: memory.before("put_item", memory.clear))
    ledger.versions.record(CANDIDATE)
    assert ledger.versions.read("3")["code_sha256"] == CANDIDATE.code_sha256


def test_a_record_of_a_deletion_alone_is_replaced_unless_it_gets_content() -> None:
    memory = Memory()
    ledger = Ledger(memory.table(), ARN, RUN, Time())
    deleted = {"keep": 2, "run_id": 6, "at": "2026-01-01T00:00:00+00:00"}
    memory.write({"pk": ARN, "sk": version_key("3"), "version": "3", "deleted": deleted})
    ledger.versions.record(CANDIDATE)
    assert ledger.versions.read("3")["code_sha256"] == CANDIDATE.code_sha256
    assert ledger.versions.verdicts(CANDIDATE).passed is None


def test_a_record_that_is_replaced_again_and_again_is_an_error() -> None:
    memory = Memory()
    ledger = Ledger(memory.table(), ARN, RUN, Time())
    ledger.versions.record(OF_A_DELETED_FUNCTION)
    other, count = ledger.versions.read("3"), iter(range(1000))

    def in_between() -> None:
        memory.write({**other, "code_sha256": f"of function {next(count)}"})

    def again() -> None:
        memory.before("put_item", in_between)
        memory.before("put_item", again)

    in_between()
    again()
    with pytest.raises(ConflictError, match="is replaced by other runs again and again"):
        ledger.versions.record(CANDIDATE)
