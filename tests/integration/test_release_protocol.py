"""The protocol of a release: all of its functions move or none does, wherever it is interrupted."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from promote.aws.confirmation import mark_response_lost
from promote.aws.dynamodb import Table
from promote.aws.lambda_function import Function
from promote.core.clock import SystemClock
from promote.core.errors import AccessError, ServiceError, UnconfirmedError
from promote.core.promotion import Alias, Promotion, ReleaseKey, placeholder
from promote.core.recovery import Intent
from promote.core.release import Release, ReleasePart, Stage
from promote.core.run import Run
from promote.core.verdict import Outcome, Verdict
from promote.pipeline.release import ReleaseProtocol
from promote.state.ledger import Ledger, Pending
from promote.state.release_records import Conflict
from promote.state.releases import release_key
from sandbox.client import Account
from tests.mortal import Killed, Life
from tests.runner import Runner
from tests.world import TABLE, World, archive

NAMES = ("api", "mail", "worker")
STAYS = "api"
"""The function whose code is the same in all releases."""
MOVE = [name for name in NAMES if name != STAYS]


class Application:
    """Functions of two versions each, and their visible state."""

    def __init__(self, account: Account) -> None:
        self.account, self.world = account, World(account)
        self.clock = SystemClock()
        Table(lambda: self.world.table, TABLE, self.clock).ensure()
        self.arns: dict[str, str] = {}
        for name in NAMES:
            self.make(name)
        self.attempts = count(1)

    def make(self, name: str, code: str = "") -> str:
        function = self.world.function
        made = self.world.create(f"{code}1", name=name, role=name, publishes=True)
        if name != STAYS:
            self._settle(name)
            function.update_function_code(FunctionName=name, ZipFile=archive({"app.py": f"{code}2"}), Publish=True)
        self.arns[name] = made["FunctionArn"].removesuffix(":1")
        versions = self.ledger(name).versions
        for version in ("1",) if name == STAYS else ("1", "2"):
            candidate = self.function(self.arns[name]).read(version).candidate
            versions.record(candidate)
            versions.record_verdict(candidate, "plan", Verdict(Outcome.PASSED, ()))
        return self.arns[name]

    def _settle(self, name: str) -> None:
        while self.world.function.get_function_configuration(FunctionName=name)["State"] != "Active":
            time.sleep(0.02)

    def alias(self, name: str) -> Alias | None:
        return self.function(self.arns[name]).alias("preprod")

    def function(self, arn: str, life: Life | None = None) -> Function:
        client = life.client(self.world.function) if life else self.world.function
        return Function(lambda: client, arn.rpartition(":")[2], arn, self.clock)

    def protocol(self, life: Life | None = None) -> ReleaseProtocol:
        client = life.client(self.world.table) if life else self.world.table
        table = Table(lambda: client, TABLE, self.clock)
        return ReleaseProtocol(
            table,
            lambda arn: self.function(arn, life),
            lambda arn, candidate: self.ledger(arn.rpartition(":")[2]).versions.verdicts(candidate),
            self.clock,
            lambda _subject, _text: None,
        )

    def ledger(self, name: str, operation: str = "abc") -> Ledger:
        run = Run("c" * 40, 7, 1, "", operation)
        return Ledger(Table(lambda: self.world.table, TABLE, self.clock), self.arns[name], run, self.clock)

    def release(self, *names: str) -> Release:
        """Decide a release of each function to the version that it does not serve, from what it serves now."""
        names, number = names or NAMES, next(self.attempts)
        aliases = {name: self.alias(name) for name in names}
        served = {name: self.ledger(name).read().served("preprod") for name in names}
        sequence = max(found.sequence for found in served.values()) + 1
        parts = []
        for name in names:
            before = aliases[name]
            version = "1" if name == STAYS or (before and before.version == "2") else "2"
            previous = None if before and before.version == version else before.version if before else ""
            promotion = Promotion("preprod", version, previous, f"{number:040x}", number, 1, sequence, f"{number:012x}")
            candidate = self.function(self.arns[name]).read(version).candidate
            parts.append(ReleasePart(self.arns[name], promotion, candidate, "plan", served[name].sequence, before))
        key = release_key(list(self.arns.values()), "preprod", parts[0].promotion.identity)
        return Release(key, "preprod", tuple(parts), number)

    def pending(self) -> ReleaseKey | None:
        keys = {self.ledger(name).read().served("preprod").pending for name in NAMES}
        assert len(keys) == 1, "all functions are marked, or none is"
        return keys.pop()

    def carry_out(self, release: Release, life: Life | None = None) -> None:
        protocol = self.protocol(life)
        protocol.begin(release)
        protocol.resume(release, Intent(is_ours=True))

    def recover(self, life: Life | None = None) -> None:
        """Act as the next run, which finishes what is unfinished."""
        if pending := self.pending():
            protocol = self.protocol(life)
            protocol.resume(protocol.records.read(pending))

    def stage_after(self, number: int) -> Stage | None:
        """Kill a release after its call ``number``, and let the next run finish it; None if it has fewer calls."""
        release = self.release()
        try:
            self.carry_out(release, Life(number))
        except Killed:
            self.recover()
            return self.assert_whole(release)
        return None

    def assert_whole(self, release: Release, changed_externally: tuple[str, ...] = ()) -> Stage:
        """Assert that all functions serve one release, the new or the previous one, and that the ledger agrees."""
        assert self.pending() is None
        records = self.world.items()
        stage = next((Stage(item["stage"]) for item in records if item["sk"] == release.key.sk), Stage.ROLLED_BACK)
        assert stage.is_final
        for part in release.parts:
            alias, served = self.alias(part.name), self.ledger(part.name).read().served("preprod")
            entries = [item for item in records if (item["pk"], item["sk"]) == (part.arn, self._entry(part))]
            assert len(entries) == (part.moves and stage is Stage.DONE)
            if part.name in changed_externally:
                continue
            if stage is Stage.DONE:
                assert (served.version, served.sequence) == (part.promotion.version, part.promotion.sequence)
                assert served.commit == part.promotion.commit
                assert served.released == release.key
            if stage is Stage.DONE:
                assert alias is not None
                assert alias.promotion == part.promotion
            else:
                assert _content(alias) == _content(part.before)
        return stage

    def _entry(self, part: ReleasePart) -> str:
        return f"promotion#preprod#{part.promotion.identity}"


def _content(alias: Alias | None) -> Any:
    return alias and (alias.version, alias.description, alias.weights)


@pytest.fixture
def application(account: Account) -> Application:
    """The first release is served: version 1 of each function."""
    made = Application(account)
    first = made.release()
    parts = tuple(
        replace(
            part,
            promotion=replace(part.promotion, version="1"),
            candidate=made.function(part.arn).read("1").candidate,
        )
        for part in first.parts
    )
    made.carry_out(replace(first, parts=parts))
    return made


def test_all_functions_move_and_one_that_is_the_same_stays(application: Application) -> None:
    release = application.release()
    life = Life()
    protocol = application.protocol(life)
    protocol.begin(release)
    ended = protocol.resume(release, Intent(is_ours=True))
    assert (ended.release.stage, ended.problem, ended.changed_externally) == (Stage.DONE, None, ())
    assert ended.seconds is not None
    assert 0 < ended.seconds < 10
    assert application.assert_whole(release) is Stage.DONE
    versions = {name: alias.version for name in NAMES if (alias := application.alias(name))}
    assert versions == {STAYS: "1"} | dict.fromkeys(MOVE, "2")
    # Two transactions and one call for each alias. The alias of an unchanged function gets the release's description.
    assert sorted(life.calls) == 2 * ["transact_write_items"] + 3 * ["update_alias"]


def test_killed_after_each_call_the_next_run_brings_all_to_one_release(application: Application) -> None:
    stages = set()
    for number in count(1):
        stage = application.stage_after(number)
        if stage is None:
            break
        stages.add(stage)
    assert number == 6
    # Once it has begun, it is completed, because nothing prevents it.
    assert stages == {Stage.DONE}


def test_killed_after_each_call_of_a_first_release_the_next_run_brings_all_to_it(application: Application) -> None:
    for number in count(1):
        for name in MOVE:
            application.world.function.delete_alias(FunctionName=name, Name="preprod")
        stage = application.stage_after(number)
        if stage is None:
            break
        assert stage is Stage.DONE
    assert number == 8  # for the two that are new, the version is read before the alias is created


def test_killed_while_it_finishes_a_dead_runs_release_the_next_one_finishes(application: Application) -> None:
    for first in (1, 2, 3):
        for second in count(1):
            release = application.release()
            with pytest.raises(Killed):
                application.carry_out(release, Life(first))
            try:
                application.recover(Life(second))
            except Killed:
                application.recover()
            else:
                break
            finally:
                application.assert_whole(release)


@pytest.mark.parametrize("external", MOVE)
def test_killed_after_each_call_of_turning_back_the_next_run_brings_all_back(
    application: Application, external: str
) -> None:
    """One alias was moved externally: the others are rolled back, and the external change stays."""
    for number in count(1):
        release, life = application.release(), Life(number)
        application.world.function.update_alias(FunctionName=external, Name="preprod", Description=f"mine {number}")
        try:
            application.carry_out(release, life)
        except Killed:
            pass
        else:
            assert number > 9
            return
        finally:
            application.recover()
            assert application.assert_whole(release, changed_externally=(external,)) is Stage.ROLLED_BACK
            alias = application.alias(external)
            assert alias is not None
            assert alias.description == f"mine {number}"


def test_several_who_finish_the_same_release_agree(application: Application) -> None:
    for number in range(6):
        release = application.release()
        with pytest.raises(Killed):
            application.carry_out(release, Life(1 + number % 3))
        if number % 2:
            name = MOVE[number // 2 % 2]
            application.world.function.update_alias(FunctionName=name, Name="preprod", Description="mine")
        ends: list[Stage] = []
        errors: list[BaseException] = []

        def finish(release: Release = release, ends: list[Stage] = ends, errors: list[BaseException] = errors) -> None:
            try:
                ends.append(application.protocol().resume(release).release.stage)
            except BaseException as error:  # noqa: BLE001 - for the thread of the test
                errors.append(error)

        threads = [threading.Thread(target=finish) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert len(ends) == 4
        changed_externally = tuple(MOVE) if number % 2 else ()
        assert set(ends) == {application.assert_whole(release, changed_externally)}


def test_a_move_that_arrives_after_all_went_back_fails(application: Application) -> None:
    """It was sent by a run that was suspended. Another run met an error, and rolled the release back by then."""
    release, suspended = application.release(), Life()
    ends = []

    def roll_back() -> None:
        ends.append(
            application.protocol(refused(application, *MOVE)).resume(release, Intent(is_ours=True)).release.stage
        )

    suspended.before("update_alias", application.arns[MOVE[0]], roll_back)
    protocol = application.protocol(suspended)
    protocol.begin(release)
    ended = protocol.resume(release, Intent(is_ours=True))
    assert ends == [Stage.ROLLED_BACK]
    assert ended.release.stage is Stage.ROLLED_BACK
    assert application.assert_whole(release) is Stage.ROLLED_BACK


def test_a_creation_that_arrives_after_all_went_back_fails(application: Application) -> None:
    """A function that is new in the environment: its alias stays as a fence, at the verified version."""
    new = MOVE[0]
    application.world.function.delete_alias(FunctionName=new, Name="preprod")
    release, suspended = application.release(), Life()

    def roll_back() -> None:
        life = refused(application, MOVE[1])
        life.before("create_alias", application.arns[new], refuse("InvalidParameterValueException"))
        application.protocol(life).resume(release, Intent(is_ours=True))

    suspended.before("create_alias", application.arns[new], roll_back)
    protocol = application.protocol(suspended)
    protocol.begin(release)
    assert protocol.resume(release, Intent(is_ours=True)).release.stage is Stage.ROLLED_BACK
    assert application.assert_whole(release, changed_externally=(new,)) is Stage.ROLLED_BACK
    alias = application.alias(new)
    assert alias is not None
    assert (alias.version, alias.description) == ("2", placeholder("2", release.key.identity))
    # The next release moves it like any other.
    again = application.release()
    application.carry_out(again)
    assert application.assert_whole(again) is Stage.DONE


@pytest.mark.parametrize("has_moved", [False, True])
def test_putting_back_that_arrives_late_changes_nothing(application: Application, *, has_moved: bool) -> None:
    """By then, another run has rolled everything back and made the next release."""
    release = application.release()
    name, other = MOVE
    life = refused(application, other)
    later: list[Release] = []

    def go_on() -> None:
        application.recover()
        later.append(application.release())
        application.carry_out(later[0])

    # If the response to the move is lost, the move may still be on its way. So the alias gets another RevisionId.
    life.before("update_alias", application.arns[name], (lambda: None) if has_moved else lose_the_response)
    life.before("update_alias", application.arns[name], go_on)
    protocol = application.protocol(life)
    protocol.begin(release)
    assert protocol.resume(release, Intent(is_ours=True)).release.stage is Stage.ROLLED_BACK
    assert application.assert_whole(later[0]) is Stage.DONE


def test_a_refusal_does_not_settle_a_call_before_it_whose_response_was_lost(application: Application) -> None:
    """Lambda was busy with the alias, so the move was repeated."""
    name, release, life = MOVE[0], application.release(), Life()
    part = next(part for part in release.parts if part.name == name)

    def lose_and_refuse() -> None:
        error = error_of("ResourceConflictException")
        mark_response_lost(error)
        raise error

    life.before("update_alias", part.arn, lose_and_refuse)
    life.before("update_alias", part.arn, refuse("AccessDeniedException"))
    with pytest.raises(UnconfirmedError, match="did not confirm"):
        application.function(part.arn, life).move_alias(part.before, part.promotion)


def test_a_release_that_is_done_by_others_stays_done(application: Application) -> None:
    """A run that could not move an alias finds that another run could."""
    release = application.release()
    life = refused(application, MOVE[1])

    def finish() -> None:
        application.protocol().resume(release)

    life.before("update_alias", application.arns[MOVE[0]], finish)
    protocol = application.protocol(life)
    protocol.begin(release)
    ended = protocol.resume(release, Intent(is_ours=True))
    assert ended.release.stage is Stage.DONE
    assert application.assert_whole(release) is Stage.DONE


def test_a_lost_response_of_any_call_is_not_a_lost_fact(application: Application, account: Account) -> None:
    for kind, times in (("cut-after", 1), ("error-after", 1), ("cut-after", 5)):
        for operation, nth in (
            ("dynamodb.TransactWriteItems", 1),
            ("lambda.UpdateAlias", 1),
            ("lambda.UpdateAlias", 2),
            ("dynamodb.TransactWriteItems", 2),
        ):
            release = application.release()
            # As often as botocore retries, so that the caller gets the error.
            fault = account.inject(kind, operation, nth=nth, times=times)
            application.carry_out(release)
            assert fault.hit
            application.recover()
            assert application.assert_whole(release) is Stage.DONE


def test_nothing_else_is_promoted_while_a_release_is_unfinished(application: Application) -> None:
    release = application.release()
    protocol = application.protocol()
    protocol.begin(release)
    for part in release.parts:
        ledger = application.ledger(part.name)
        other = replace(part.promotion, operation="abcabcabcabc", sequence=part.promotion.sequence + 1)
        with pytest.raises(Pending):
            ledger.record_move("preprod", other, ledger.read().served("preprod"))
    with pytest.raises(Conflict):
        protocol.begin(replace(release, key=ReleaseKey(release.key.pk, release.key.sk + "0")))
    protocol.resume(release, Intent(is_ours=True))
    assert application.assert_whole(release) is Stage.DONE
    # It was decided before that release, so what it has read of the functions is no longer true.
    with pytest.raises(Conflict):
        protocol.begin(replace(release, key=ReleaseKey(release.key.pk, release.key.sk + "0")))
    assert application.pending() is None


def test_who_may_not_move_a_function_leaves_the_release_to_others(application: Application) -> None:
    release = application.release()
    protocol = application.protocol(refused(application, MOVE[1], code="AccessDeniedException"))
    protocol.begin(release)
    with pytest.raises(AccessError, match=r"denies .* The release \S+ of run \d+ is not finished"):
        protocol.resume(release)
    assert protocol.records.read(release.key).stage is Stage.MOVING
    application.recover()
    assert application.assert_whole(release) is Stage.DONE


def test_a_function_that_this_run_may_not_move_does_not_hold_the_others(application: Application) -> None:
    release, life = application.release(), Life()
    for operation in 10 * ["update_alias"]:
        life.before(operation, application.arns[MOVE[1]], refuse("AccessDeniedException"))
    protocol = application.protocol(life)
    protocol.begin(release)
    ended = protocol.resume(release, Intent(is_ours=True))
    assert isinstance(ended.problem, AccessError)
    assert MOVE[1] in str(ended.problem)
    assert application.assert_whole(release) is Stage.ROLLED_BACK
    # Another run's attempt may still be on its way, so it waits for a run with permission.
    release, life = application.release(), Life()
    others = application.protocol(refused(application, MOVE[1], code="AccessDeniedException"))
    life.before("update_alias", application.arns[MOVE[1]], lambda: join(others, release))
    for operation in 10 * ["update_alias"]:
        life.before(operation, application.arns[MOVE[1]], refuse("AccessDeniedException"))
    protocol = application.protocol(life)
    protocol.begin(release)
    with pytest.raises(AccessError, match=f"preprod of {MOVE[1]} could not be restored"):
        protocol.resume(release, Intent(is_ours=True))
    assert protocol.records.read(release.key).stage is Stage.ROLLING_BACK
    application.recover()
    assert application.assert_whole(release) is Stage.ROLLED_BACK


@pytest.mark.parametrize("is_whole", [True, False], ids=["function", "version"])
def test_a_new_function_that_is_gone_does_not_hold_the_others(application: Application, *, is_whole: bool) -> None:
    new = MOVE[0]
    application.world.function.delete_alias(FunctionName=new, Name="preprod")
    release, protocol = application.release(), application.protocol()
    protocol.begin(release)
    version = next(part.promotion.version for part in release.parts if part.name == new)
    qualifier = {} if is_whole else {"Qualifier": version}
    application.world.function.delete_function(FunctionName=new, **qualifier)
    ended = protocol.resume(release, Intent(is_ours=True))
    assert (ended.release.stage, ended.changed_externally) == (Stage.ROLLED_BACK, ())
    assert application.pending() is None
    assert [application.alias(name).version for name in NAMES if name != new] == ["1", "1"]  # type: ignore[union-attr]


def test_a_new_function_that_was_created_again_is_neither_moved_nor_fenced(application: Application) -> None:
    """Its version has the number of the verified one, and other code."""
    new = MOVE[0]
    application.world.function.delete_alias(FunctionName=new, Name="preprod")
    release, protocol = application.release(), application.protocol()
    protocol.begin(release)
    application.world.function.delete_function(FunctionName=new)
    application.make(new, "another ")
    ended = protocol.resume(release, Intent(is_ours=True))
    assert (ended.release.stage, ended.changed_externally) == (Stage.ROLLED_BACK, ())
    assert "was deleted and created again" in str(ended.problem)
    assert application.alias(new) is None
    assert application.pending() is None
    assert [application.alias(name).version for name in NAMES if name != new] == ["1", "1"]  # type: ignore[union-attr]


def test_a_version_to_go_back_to_that_is_gone_does_not_hold_the_others(application: Application) -> None:
    gone, other = MOVE
    release, life = application.release(), Life()
    part = next(part for part in release.parts if part.name == gone)
    assert part.before

    def delete_and_refuse() -> None:
        assert part.before
        wait_until_moved(application, part)
        application.world.function.delete_function(FunctionName=gone, Qualifier=part.before.version)
        raise error_of("InvalidParameterValueException")

    life.before("update_alias", application.arns[other], delete_and_refuse)
    protocol = application.protocol(life)
    protocol.begin(release)
    ended = protocol.resume(release, Intent(is_ours=True))
    assert (ended.release.stage, ended.changed_externally) == (Stage.ROLLED_BACK, (gone,))
    application.assert_whole(release, changed_externally=(gone,))


def test_an_alias_whose_concurrency_is_being_moved_goes_back(application: Application) -> None:
    moved, other = MOVE
    release, life = application.release(), Life()
    part = next(part for part in release.parts if part.name == moved)

    def share(**weights: float) -> None:
        # Lambda does so while it moves provisioned concurrency:
        # https://github.com/hashicorp/terraform-provider-aws/issues/48116
        application.world.function.update_alias(
            FunctionName=moved, Name="preprod", RoutingConfig={"AdditionalVersionWeights": weights}
        )

    def share_and_refuse() -> None:
        wait_until_moved(application, part)
        share(**{"1": 1.0})
        raise error_of("InvalidParameterValueException")

    life.before("update_alias", application.arns[other], share_and_refuse)
    life.before("get_alias", application.arns[moved], lambda: None)
    life.before("get_alias", application.arns[moved], lambda: share(**{part.promotion.version: 1.0}))
    protocol = application.protocol(life)
    protocol.begin(release)
    assert protocol.resume(release, Intent(is_ours=True)).changed_externally == ()
    share()  # when that has moved, too
    assert application.assert_whole(release) is Stage.ROLLED_BACK


def test_what_was_decided_before_of_a_function_that_stays_comes_too_late(application: Application) -> None:
    """A rollback of it alone waits for no lock: it was sent before the release, and arrives after it."""
    before, late = application.alias(STAYS), application.release(STAYS).parts[0]
    assert before
    back = replace(late.promotion, version="1", previous=before.version)
    application.carry_out(application.release())
    assert application.function(application.arns[STAYS]).move_alias(before, back) is None


def test_an_alias_that_cannot_be_rolled_back_is_left_to_the_next_run(application: Application) -> None:
    release, life = application.release(), refused(application, MOVE[1])

    def is_busy() -> None:
        raise error_of("ServiceException")

    life.before("get_alias", application.arns[MOVE[0]], is_busy)
    protocol = application.protocol(life)
    protocol.begin(release)
    with pytest.raises(ServiceError, match=r"could not be restored to version 1: .* The release is not finished"):
        protocol.resume(release, Intent(is_ours=True))
    assert protocol.records.read(release.key).stage is Stage.ROLLING_BACK
    application.recover()
    assert application.assert_whole(release) is Stage.ROLLED_BACK


def test_an_external_weight_is_restored_as_well(application: Application) -> None:
    split = MOVE[0]
    application.world.function.update_alias(
        FunctionName=split, Name="preprod", RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}}
    )
    release = application.release()
    life = refused(application, MOVE[1])
    protocol = application.protocol(life)
    protocol.begin(release)
    ended = protocol.resume(release, Intent(is_ours=True))
    assert (ended.release.stage, ended.changed_externally) == (Stage.ROLLED_BACK, ())
    assert application.assert_whole(release) is Stage.ROLLED_BACK
    alias = application.alias(split)
    assert alias is not None
    assert alias.weights == {"2": 0.25}


def test_an_alias_that_is_moved_externally_after_its_move_keeps_that_without_our_description(
    application: Application,
) -> None:
    release = application.release()
    theirs, ours = MOVE
    world = application.world
    before = application.alias(theirs)
    # Lambda keeps the description of an alias that is updated without one.
    life = Life()

    def interfere() -> None:
        while application.alias(theirs) == before:
            time.sleep(0.01)
        version = world.function.publish_version(FunctionName=theirs)["Version"]
        other = "1" if version == release.parts[0].promotion.version else version
        world.function.update_alias(FunctionName=theirs, Name="preprod", FunctionVersion=other)
        raise error_of("InvalidParameterValueException")

    life.before("update_alias", application.arns[ours], interfere)
    protocol = application.protocol(life)
    protocol.begin(release)
    ended = protocol.resume(release, Intent(is_ours=True))
    assert application.assert_whole(release, changed_externally=(theirs,)) is Stage.ROLLED_BACK
    alias = application.alias(theirs)
    assert before is not None
    assert alias is not None
    assert alias.description == before.description
    assert (ended.changed_externally == (theirs,)) is (alias.version != before.version)


def test_an_alias_that_is_split_externally_after_its_move_keeps_that_without_our_description(
    application: Application,
) -> None:
    release, life = application.release(), Life()
    theirs, ours = MOVE
    part = next(part for part in release.parts if part.name == theirs)
    function = application.world.function

    def interfere() -> None:
        wait_until_moved(application, part)
        made = function.update_function_code(FunctionName=theirs, ZipFile=archive({"app.py": "3"}), Publish=True)
        function.update_alias(
            FunctionName=theirs, Name="preprod", RoutingConfig={"AdditionalVersionWeights": {made["Version"]: 0.5}}
        )
        raise error_of("InvalidParameterValueException")

    life.before("update_alias", application.arns[ours], interfere)
    protocol = application.protocol(life)
    protocol.begin(release)
    assert protocol.resume(release, Intent(is_ours=True)).changed_externally == (theirs,)
    assert application.assert_whole(release, changed_externally=(theirs,)) is Stage.ROLLED_BACK
    alias = application.alias(theirs)
    assert part.before is not None
    assert alias is not None
    assert (alias.version, alias.weights) == (part.promotion.version, {"3": 0.5})
    assert alias.description == part.before.description


def join(protocol: ReleaseProtocol, release: Release) -> None:
    """Act as another run that finds the release and may not finish it either."""
    with suppress(AccessError):
        protocol.resume(release)
    raise error_of("AccessDeniedException")


def wait_until_moved(application: Application, part: ReleasePart) -> None:
    while (alias := application.alias(part.name)) is None or alias.promotion != part.promotion:
        time.sleep(0.01)


def refused(application: Application, *names: str, code: str = "InvalidParameterValueException") -> Life:
    """Return the clients of a process for which Lambda refuses to move the aliases of ``names``, once."""
    life = Life()
    for name in names:
        life.before("update_alias", application.arns[name], refuse(code))
    return life


def refuse(code: str) -> Callable[[], None]:
    def hook() -> None:
        raise error_of(code)

    return hook


def lose_the_response() -> None:
    raise ReadTimeoutError(endpoint_url="https://lambda")


def error_of(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "for the test"}}, "UpdateAlias")


@pytest.mark.parametrize("goes_back", [True, False])
def test_a_weight_that_lambda_has_set_is_neither_cleared_nor_restored_by_the_next_run(
    application: Application, *, goes_back: bool
) -> None:
    """A run that has only the record of the release knows that Lambda has set the weight."""
    moved, other = MOVE
    application.world.function.put_provisioned_concurrency_config(
        FunctionName=moved, Qualifier="preprod", ProvisionedConcurrentExecutions=1
    )
    application.account.inject("update-lasts", "lambda.UpdateAlias", times=0, seconds=60)
    application.carry_out(application.release())
    found = application.alias(moved)
    assert found is not None
    assert (found.version, found.weights, found.split.is_lambdas) == ("2", {"1": 1.0}, True)

    release = application.release(moved, other)
    part = next(part for part in release.parts if part.name == moved)
    if not goes_back:
        candidate = application.function(part.arn).read("2").candidate
        stays = replace(part, promotion=replace(part.promotion, version="2", previous=None), candidate=candidate)
        release = replace(release, parts=tuple(stays if one is part else one for one in release.parts))
    application.protocol().begin(release)
    protocol = application.protocol(refused(application, other) if goes_back else None)
    ended = protocol.resume(protocol.records.read(release.key), Intent(is_ours=True))
    found = application.alias(moved)
    assert found is not None
    assert (ended.release.stage.is_final, ended.changed_externally) == (True, ())
    assert (found.version, found.weights, found.split.is_lambdas) == ("2", {"1": 1.0}, True)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("names", [NAMES, ("worker",)])
def test_a_promotion_onward_finishes_the_release_that_it_finds_and_a_dry_run_does_not(
    application: Application, runner: Runner, names: tuple[str, ...]
) -> None:
    release = application.release()
    application.protocol().begin(release)
    events = "event.json" if len(names) == 1 else "\n".join(f"{name}: event.json" for name in names)
    (runner.workspace / "event.json").write_text("{}")
    onward = {
        "command": "promote",
        "function-name": "\n".join(names),
        "environment": "prod",
        "from": "preprod",
        "invoke": events,
        "endpoints": "none",
        "github-deployments": "false",
    }
    before = application.world.items()
    planned = runner.run({**onward, "dry-run": "true"}, commit=f"{2:040x}")
    assert (planned.code, planned.result) == (0, "planned"), planned.log
    assert "preprod has an unfinished release. A run would finish it first." in planned.log
    assert application.world.items() == before
    assert application.pending() == release.key

    ended = runner.run(onward, commit=f"{2:040x}")
    assert application.assert_whole(release) is Stage.DONE, ended.log
    alias = application.function(application.arns["worker"]).alias("prod")
    # The handlers of these functions are invalid, so that nothing is promoted. Version 2 was verified.
    assert (ended.code, alias) == (1, None), ended.log
    assert "version 2" in ended.log
