"""The kit: what its observations mean, its options, its cost, and its report."""

import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from secrets import token_hex
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from conformance import cost
from conformance.assumptions import ASSUMPTIONS, NOT_ASKED, Assumption, Kind, measured, table
from conformance.finding import Finding, Result
from conformance.kit import main
from conformance.options import Options, parse
from conformance.questions import capacity, gateways, new_code, reads, revisions, transactions, versions
from conformance.questions.new_code import Change
from conformance.questions.registry import QUESTIONS
from conformance.report import Cleaner, Row, document
from conformance.report import table as terminal
from conformance.resources import Resources, new_run
from conformance.stage import Answer, archive
from promote.core.clock import SystemClock
from promote.core.errors import InputError
from tests.runner import REPOSITORY
from tools.document import assumptions
from tools.document import document as page

HOLDS, FAILS = Result.HOLDS, Result.FAILS
OLD, NEW = "update-1", "update-2"


def change(*answers: tuple[float, int, str]) -> Change:
    return Change(NEW, tuple(Answer(*answer) for answer in answers))


class TestNewCode:
    @pytest.mark.parametrize(
        ("answers", "result", "seen"),
        [
            ([(0.1, 200, NEW), (2.5, 200, NEW)], HOLDS, "none from old code after Successful, watched for 2.5 s each"),
            ([(0.1, 200, OLD), (2.5, 200, NEW)], HOLDS, "1 with old code, at most 0.1 s after Successful"),
            ([(0.1, 200, OLD), (2.5, 200, OLD)], FAILS, "1 with old code, at most 2.5 s"),
            ([(0.1, 200, NEW), (0.2, 500, "")], FAILS, "1 without an answer of the function"),
            ([(0.1, 0, "")], FAILS, "1 without an answer"),
        ],
    )
    def test_old_code_must_have_gone_when_the_action_begins(
        self, answers: Sequence[tuple[float, int, str]], result: Result, seen: str
    ) -> None:
        finding = new_code.judge_updates([change(*answers)])
        assert finding.result is result
        assert seen in finding.seen

    def test_the_finding_says_how_long_it_has_watched(self) -> None:
        finding = new_code.judge_updates([change((3.0, 200, NEW)), change((30.1, 200, NEW)), change((3.1, 200, NEW))])
        assert finding.seen.endswith("none from old code after Successful, watched for 3.0 to 30.1 s")

    @pytest.mark.parametrize(
        ("answers", "result"),
        [
            ([(-0.1, 200, OLD), (0.1, 200, NEW)], HOLDS),
            ([(-0.1, 200, OLD), (0.1, 200, OLD), (0.5, 200, NEW)], HOLDS),
            ([(-0.1, 200, OLD), (0.1, 503, ""), (0.5, 200, NEW)], FAILS),
            ([(-0.1, 200, OLD), (0.1, 200, NEW), (0.5, 200, OLD)], FAILS),
        ],
    )
    def test_an_alias_moves_without_failures(self, answers: Sequence[tuple[float, int, str]], result: Result) -> None:
        assert new_code.judge_moves([change(*answers)]).result is result


class TestCapacity:
    IN_PROGRESS = capacity.Sample(1, "IN_PROGRESS", {"3": 1.0}, "old")
    READY = capacity.Sample(400, "READY", {}, "new")

    @pytest.mark.parametrize(
        ("samples", "result"),
        [
            ([IN_PROGRESS, READY], HOLDS),
            ([READY], HOLDS),
            ([capacity.Sample(1, "IN_PROGRESS", {}, "old"), READY], FAILS),
            ([capacity.Sample(1, "IN_PROGRESS", {"3": 1.0}, "new"), READY], FAILS),
            ([IN_PROGRESS, capacity.Sample(400, "READY", {"3": 1.0}, "old")], FAILS),
            ([IN_PROGRESS, capacity.Sample(950, "IN_PROGRESS", {"3": 1.0}, "old"), READY], FAILS),
        ],
    )
    def test_the_old_version_keeps_the_traffic_until_the_capacity_has_moved(
        self, samples: Sequence[capacity.Sample], result: Result
    ) -> None:
        move = capacity.Move("3", "old", "new", {"3": 1.0}, "r1", "r2", tuple(samples))
        assert capacity.judge(move).result is result

    def test_the_response_to_the_move_has_the_weight_while_the_capacity_moves(self) -> None:
        finding = capacity.judge(capacity.Move("3", "old", "new", {}, "r1", "r2", (self.IN_PROGRESS, self.READY)))
        assert finding.result is FAILS
        assert "the response has weights {}" in finding.seen
        assert capacity.judge(capacity.Move("3", "old", "new", {}, "r1", "r2", (self.READY,))).result is HOLDS


class TestRevisions:
    def test_tags_and_perhaps_a_permission_of_latest_change_its_revision_and_nothing_else_does(self) -> None:
        names = ("a permission of $LATEST", "a permission of an alias", "tags", "a function URL")
        nothing = dict.fromkeys(names, False)
        tags = {**nothing, "tags": True}
        tagged = revisions.judge_revisions(revisions.Revisions(tags, nothing))
        assert (tagged.result, tagged.seen) == (HOLDS, "$LATEST: changed by tags; alias: by nothing")
        permitted = {**tags, "a permission of $LATEST": True}
        assert revisions.judge_revisions(revisions.Revisions(permitted, nothing)).result is HOLDS
        assert revisions.judge_revisions(revisions.Revisions(nothing, nothing)).result is FAILS
        assert revisions.judge_revisions(revisions.Revisions(tags, tags)).result is FAILS
        assert revisions.judge_revisions(revisions.Revisions({**tags, "a function URL": True}, nothing)).result is FAILS

    @pytest.mark.parametrize(
        ("codes", "published", "result"),
        [
            (("ResourceConflictException", "PreconditionFailedException"), 1, HOLDS),
            (("", "PreconditionFailedException"), 1, FAILS),
            (("ResourceConflictException", ""), 2, FAILS),
            (("ResourceConflictException", "ServiceException"), 1, FAILS),
        ],
    )
    def test_an_update_takes_effect_once(self, codes: tuple[str, ...], published: int, result: Result) -> None:
        assert revisions.judge_repeated(revisions.Repeated(codes, published)).result is result

    def test_a_new_version_of_the_same_code_is_as_good_as_the_old_one(self) -> None:
        assert revisions.judge_published(revisions.Published("1", "1", has_same_code=True)).result is HOLDS
        assert revisions.judge_published(revisions.Published("1", "2", has_same_code=True)).result is HOLDS
        assert revisions.judge_published(revisions.Published("1", "1", has_same_code=False)).result is FAILS


class TestReads:
    @pytest.mark.parametrize(
        ("look", "result"),
        [
            (reads.Look("alias", 0, 0, 0.0), HOLDS),
            (reads.Look("alias", 3, 0, 1.5), HOLDS),
            (reads.Look("alias", 99, 0, 15.5), FAILS),
            (reads.Look("alias", 0, 1, 0.1), FAILS),
        ],
    )
    def test_what_is_missing_is_found_in_time_and_nothing_is_stale(self, look: reads.Look, result: Result) -> None:
        assert reads.judge([look]).result is result

    def test_a_read_is_repeated_until_it_has_found_the_state_five_times_in_turn(self) -> None:
        found = iter([False, True, True, False, True, True, True, True, True])
        seen = reads.look("alias", Quick(), lambda: next(found))
        assert (seen.missing, seen.stale, list(found)) == (0, 2, [])


class Quick:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class TestGateways:
    def test_a_new_api_answers_in_time_and_its_own_responses_are_recognized(self) -> None:
        early = gateways.Early(404, '{"message":"Not Found"}', is_recognized=True)
        opening = gateways.Opening(1.2, is_open=True, early=(early, early), relapses=1)
        finding = gateways.judge_openings([opening])
        assert finding.result is HOLDS
        assert '2 times 404 {"message":"Not Found"}' in finding.seen
        assert "1 later requests did not reach it" in finding.seen
        late = gateways.Opening(31, is_open=True, early=(), relapses=0)
        never = gateways.Opening(60, is_open=False, early=(early,), relapses=0)
        other = gateways.Early(502, "?", is_recognized=False)
        strange = gateways.Opening(1, is_open=True, early=(other,), relapses=0)
        assert {gateways.judge_openings([opening, one]).result for one in (late, never, strange)} == {FAILS}

    @pytest.mark.parametrize(
        ("errors", "made", "result"),
        [
            ({}, 40, HOLDS),
            ({"ConflictException: Unable to complete operation": 3, "TooManyRequestsException: ": 1}, 40, HOLDS),
            ({"ConflictException: Unable to complete operation": 9}, 39, FAILS),
            ({"BadRequestException: no": 1}, 40, FAILS),
        ],
    )
    def test_two_writers_get_errors_that_a_repetition_ends(
        self, errors: dict[str, int], made: int, result: Result
    ) -> None:
        assert gateways.judge_writers(gateways.Writers(errors, 40, made)).result is result


@pytest.mark.parametrize(
    ("results", "value", "result"),
    [
        (("", "ConditionalCheckFailed"), 1, HOLDS),
        (("TransactionConflict", ""), 1, HOLDS),
        (("TransactionConflict", "TransactionConflict"), 0, HOLDS),
        (("", ""), 2, FAILS),
        (("", "ConditionalCheckFailed"), 0, FAILS),
        (("", "InternalServerError"), 1, FAILS),
    ],
)
def test_one_of_two_transactions_succeeds_at_most(results: tuple[str, str], value: int, result: Result) -> None:
    assert transactions.judge([transactions.Round(results, value)]).result is result


@pytest.mark.parametrize(
    ("first", "early", "last", "seconds", "executed", "result"),
    [
        ("Pending", "ResourceConflictException", "Active", 90, "1", HOLDS),
        ("Active", "", "Active", 0, "1", HOLDS),
        ("Active", "ResourceConflictException", "Active", 1, "1", FAILS),
        ("Pending", "ResourceConflictException", "Active", 700, "1", FAILS),
        ("Pending", "ResourceConflictException", "Active", 90, "$LATEST", FAILS),
    ],
)
def test_a_version_says_when_it_is_ready(  # noqa: PLR0917 - the parameters of the test
    first: str, early: str, last: str, seconds: float, executed: str, result: Result
) -> None:
    assert versions.judge(versions.Readiness(first, early, last, seconds, executed, "1")).result is result


class TestOptions:
    RIGHT = ("--region", "eu-west-1", "--prefix", "try-1")

    def test_of_a_run(self) -> None:
        assert parse(self.RIGHT, ()) == Options("eu-west-1", "try-1")
        network = ("--subnets", "subnet-1, subnet-2", "--security-groups", "sg-1")
        found = parse((*self.RIGHT, *network, "--only", "new-api", "--repeat", "7", "--clean"), tuple(QUESTIONS))
        assert (found.subnets, found.groups, found.only) == (("subnet-1", "subnet-2"), ("sg-1",), ("new-api",))
        assert (found.repeat, found.fewer(5), found.fewer(9), found.is_clean) == (7, 5, 7, True)

    def test_one_update_in_ten_is_watched_longer(self) -> None:
        options = parse(self.RIGHT, ())
        assert [options.watch_of(number) for number in (0, 1, 9, 10, 20)] == [30, 3, 3, 30, 30]
        assert [Options("r", "p", watch=watch).watch_of(0) for watch in (0.2, 10, 60)] == [2, 60, 60]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("region", ""),
            ("prefix", ""),
            ("prefix", "1-try"),
            ("prefix", "Try"),
            ("prefix", "ab"),
            ("prefix", "try-"),
            ("prefix", "a" * 31),
            ("prefix", "a;b c"),
            ("repeat", "0"),
            ("repeat", "1.5"),
            ("repeat", "201"),
            ("watch", "soon"),
            ("only", "everything"),
            ("only", ","),
            ("subnets", "subnet-1"),
            ("subnets", ", ,"),
            ("security-groups", ","),
            ("role", "my-role"),
        ],
    )
    def test_that_are_wrong_are_named(self, name: str, value: str) -> None:
        with pytest.raises(InputError) as caught:
            parse((*self.RIGHT, f"--{name}", value), tuple(QUESTIONS))
        assert caught.value.name == name
        assert caught.value.hint

    def test_that_cost_too_much_are_refused_before_anything_is_called(self) -> None:
        said: list[str] = []
        arguments = (*self.RIGHT, "--repeat", "200", "--watch", "60")
        assert main(arguments, {}, SystemClock(), token_hex, said.append) == 2
        [line] = said
        assert "USD, and the limit is 0.10 USD" in line


def test_two_runs_in_one_second_are_not_the_same() -> None:
    tokens = iter(["0a1b2c3d", "4e5f6071"])
    runs = [new_run(Quick(), lambda _: next(tokens)) for _ in range(2)]
    assert runs == ["19700101T000000-0a1b2c3d", "19700101T000000-4e5f6071"]


def refused(operation: str, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class MissingError(Exception):
    """A resource that does not exist."""


class Tables:
    """DynamoDB with one table, which is never deleted."""

    exceptions = SimpleNamespace(ResourceNotFoundException=MissingError, ClientError=ClientError)

    def describe_table(self, **_: Any) -> Any:
        return {"Table": {"TableStatus": "DELETING", "TableArn": "arn"}}

    def list_tables(self) -> Any:
        return {"TableNames": ["try-1-kit"]}

    def list_tags_of_resource(self, **_: Any) -> Any:
        return {"Tags": [{"Key": "promote-on-success-kit", "Value": "try-1"}]}

    def delete_table(self, **_: Any) -> None:
        pass


class Roles:
    """IAM with a role that may be made and removed, but not be read."""

    exceptions = SimpleNamespace(NoSuchEntityException=MissingError, ClientError=ClientError)

    def create_role(self, **_: Any) -> Any:
        return {"Role": {"Arn": "arn"}}

    def list_role_policies(self, **_: Any) -> Any:
        return {"PolicyNames": []}

    def put_role_policy(self, **_: Any) -> None:
        pass

    delete_role = put_role_policy

    def list_role_tags(self, **_: Any) -> Any:
        raise refused("ListRoleTags", "AccessDenied")


class Late:
    """Lambda, API Gateway and DynamoDB with one resource each, which they list and do not find before a time."""

    exceptions = SimpleNamespace(
        ClientError=ClientError,
        NotFoundException=MissingError,
        ProvisionedConcurrencyConfigNotFoundException=MissingError,
        ResourceNotFoundException=MissingError,
    )

    def __init__(self, clock: Quick, seconds: float, run: str = "run") -> None:
        self._clock = clock
        self._seconds = seconds
        self._listed = ["try-1-kit"]
        self._tags = {"promote-on-success-kit": "try-1", "promote-on-success-kit-run": run}

    def _require_found(self) -> None:
        if self._clock.time < self._seconds:
            raise MissingError

    def list_functions(self) -> Any:
        return {"Functions": [{"FunctionName": name, "FunctionArn": "arn"} for name in self._listed]}

    def list_tags(self, **_: Any) -> Any:
        self._require_found()
        return {"Tags": self._tags}

    def get_apis(self) -> Any:
        return {"Items": [{"ApiId": name, "Tags": self._tags} for name in self._listed]}

    def list_tables(self) -> Any:
        return {"TableNames": self._listed}

    def describe_table(self, **_: Any) -> Any:
        return {"Table": {"TableArn": "arn"}}

    def list_tags_of_resource(self, **_: Any) -> Any:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tags.items()]}

    def list_provisioned_concurrency_configs(self, **_: Any) -> Any:
        return {}

    def delete(self, **_: Any) -> None:
        self._require_found()
        self._listed.clear()

    delete_function = delete_api = delete_table = delete


class Renewed(Late):
    """The same, but another run makes the resource again after its deletion."""

    deletions = 0

    def delete(self, **_: Any) -> None:
        self.deletions += 1
        self._tags = {**self._tags, "promote-on-success-kit-run": "other"}

    delete_function = delete_api = delete_table = delete


class Busy(Late):
    """The same, but the resource is busy before the time."""

    def delete(self, **_: Any) -> None:
        if self._clock.time < self._seconds:
            raise refused("DeleteTable", "ResourceInUseException")
        self._listed.clear()

    delete_function = delete_api = delete_table = delete


class TestRemoval:
    NOTHING: ClassVar = {
        "gateway": SimpleNamespace(get_apis=lambda: {"Items": []}),
        "function": SimpleNamespace(list_functions=lambda: {"Functions": []}),
        "table": SimpleNamespace(list_tables=lambda: {"TableNames": []}),
    }

    LOGS = SimpleNamespace(exceptions=SimpleNamespace(ClientError=ClientError), delete_log_group=lambda **_: None)

    def resources(self, *, makes_role: bool, clock: Quick | None = None, **clients: Any) -> Resources:
        account: Any = SimpleNamespace(**{**self.NOTHING, "roles": Roles(), "logs": self.LOGS, **clients})
        return Resources(account, "try-1", "run", clock or Quick(), makes_role=makes_role)

    @pytest.mark.parametrize("service", ["gateway", "function", "table"])
    @pytest.mark.parametrize("kind", [Late, Busy])
    @pytest.mark.parametrize("any_run", [True, False])
    def test_what_aws_lists_is_removed_as_soon_as_aws_finds_it(
        self, service: str, kind: type[Late], *, any_run: bool
    ) -> None:
        clock = Quick()
        late = kind(clock, 15)
        removed, left = self.resources(makes_role=False, clock=clock, **{service: late}).remove(any_run=any_run)
        assert ([name.rpartition(" ")[2] for name in removed], left) == (["try-1-kit"], [])
        assert 15 <= clock.time < 16
        assert not late.list_tables()["TableNames"]

    def test_what_aws_never_finds_is_left(self) -> None:
        clock = Quick()
        never: dict[str, Any] = {"function": Late(clock, 999), "gateway": Late(clock, 999)}
        removed, left = self.resources(makes_role=False, clock=clock, **never).remove()
        assert removed == []
        assert left == [
            "HTTP API try-1-kit: AWS lists it two minutes later",
            "function try-1-kit: AWS lists it, but did not find its tags for two minutes",
        ]

    def test_what_another_run_makes_again_is_not_removed(self) -> None:
        clock = Quick()
        renewed = Renewed(clock, 0)
        removed, left = self.resources(makes_role=False, clock=clock, function=renewed).remove()
        assert (removed, left, renewed.deletions) == (["function try-1-kit"], [], 1)

    def test_a_role_that_may_not_be_read_is_removed_and_the_denial_is_shown(self) -> None:
        resources = self.resources(makes_role=True)
        resources.make_role()
        removed, [left] = resources.remove()
        assert removed == ["role try-1-kit"]
        assert left.startswith("other roles, if there are any, because they could not be listed: ")
        assert self.resources(makes_role=True).remove(any_run=True)[1]
        assert self.resources(makes_role=False).remove(any_run=True) == ([], [])

    def test_a_table_that_is_still_there_is_left(self) -> None:
        resources = self.resources(makes_role=False, table=Tables())
        assert resources.remove(any_run=True) == ([], ["table try-1-kit: AWS lists it two minutes later"])


def test_a_run_with_all_options_costs_less_than_the_limit() -> None:
    everything = Options("eu-west-1", "try-1", image="image", subnets=("a",), groups=("b",))
    assert 0 < cost.total(question.usage(everything) for question in QUESTIONS.values()).dollars < cost.LIMIT


class TestReport:
    ENVIRON: ClassVar = {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        "AWS_SESSION_TOKEN": "",
    }
    DIRTY = (
        "User: arn:aws:sts::123456789012:assumed-role/dev/ann@example.com is denied on arn:aws:iam::123456789012:role/x"
        " \x1b[31mAKIAEXAMPLE wJalrXUtnFEMI | <b>\n# title"
    )

    def test_has_no_account_no_person_no_secret_and_no_markup(self) -> None:
        observed = {"text": self.DIRTY, "many": list(range(99))}
        rows = [Row("new-api", "It works.", Finding(FAILS, self.DIRTY), observed, 3)]
        clean = Cleaner(self.ENVIRON)
        for text in (document(rows, {"region": self.DIRTY}, clean), terminal(rows, clean)):
            assert not any(part in text for part in ("123456789012", "ann@", "AKIA", "wJalr", "\x1b"))
        found = document(rows, {}, clean)
        assert len([line for line in found.splitlines() if line.startswith("| ")]) == 3
        assert "\n# title" not in found
        [block] = [line for line in found.splitlines() if line.startswith("{")]
        assert json.loads(block)["many"][9:12] == [9, "79 more", 89]


class TestAssumptions:
    def test_those_that_the_kit_asks_are_its_questions_in_its_order(self) -> None:
        assert set(QUESTIONS) <= set(ASSUMPTIONS)
        assert [name for name in ASSUMPTIONS if name in QUESTIONS] == list(QUESTIONS)
        unproven = [name for name, known in ASSUMPTIONS.items() if known.is_unproven]
        assert [name for name in unproven if name not in QUESTIONS] == list(NOT_ASKED)

    def test_each_has_evidence_with_a_source(self) -> None:
        for assumption in ASSUMPTIONS.values():
            assert assumption.evidence
            for found in assumption.evidence:
                assert found.url.startswith("https://") is (found.kind is not Kind.UNPROVEN)

    def test_a_report_of_a_user_has_its_place(self) -> None:
        found = measured("eu-west-1", "2026-12-01", "https://github.com/someone/project/issues/1")
        known = {"new-api": Assumption("It works.", "All.", (found,))}
        cell = "measured: [the kit in eu-west-1 on 2026-12-01](https://github.com/someone/project/issues/1)"
        assert cell in table((), known)
        assert not known["new-api"].is_unproven

    def test_the_page_has_them(self) -> None:
        text = (REPOSITORY / "docs" / "assumptions.md").read_text(encoding="utf-8")
        assert page(text, assumptions()) == text, "run: make docs"
        assert table(QUESTIONS).count("the kit asks it") == len(QUESTIONS)


def test_the_function_of_an_archive_is_that_of_the_image_with_a_stamp() -> None:
    image = (REPOSITORY / "conformance" / "image" / "app.py").read_text(encoding="utf-8")
    with zipfile.ZipFile(BytesIO(archive("a stamp"))) as packed:
        assert packed.getinfo("app.py").external_attr >> 16 == 0o644
        assert packed.read("app.py").decode() == image.replace('STAMP = ""', "STAMP = 'a stamp'")
    assert archive("a stamp") == archive("a stamp")
