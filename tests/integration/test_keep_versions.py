"""``keep-versions``: what a promotion deletes, what it never deletes, and that no failure of it fails the run."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from promote.aws.dynamodb import Table
from promote.core.clock import SystemClock
from promote.core.run import Run
from promote.core.verdict import Outcome, Verdict
from promote.core.version import Candidate
from promote.state.ledger import Ledger
from sandbox.client import Account
from tests.conftest import make_runner
from tests.repository import line
from tests.runner import Ended, Runner
from tests.world import FUNCTION, TABLE, World

pytestmark = pytest.mark.usefixtures("history")

TARGET = {"function-name": FUNCTION, "environment": "preprod", "github-deployments": "false"}
RETAINING = {"lambda.ListVersionsByFunction", "lambda.ListAliases", "lambda.DeleteFunction"}


class Later(SystemClock):
    """Days ahead. After five, no job of today can still work, and after 35 no workflow run."""

    def __init__(self, days: int) -> None:
        self._ahead = timedelta(days=days)

    def now(self) -> datetime:
        return super().now() + self._ahead


@pytest.fixture
def later(tmp_path: Path, account: Account, world: World) -> Runner:
    """Return a runner at a later time, with four external versions, of which the environment serves the last one."""
    world.create("1", publishes=True)
    world.publish("2", "3", "4")
    world.function.create_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion="4")
    made = make_runner(tmp_path / "later", account, Later(40))
    line(made.workspace)
    return made


def release(runner: Runner, inputs: Mapping[str, str], number: int, **given: str) -> Ended:
    """Run with new code."""
    (runner.workspace / "function" / "commit").write_text(str(number))
    named = {name.replace("_", "-"): value for name, value in given.items()}
    return runner.run({**inputs, **named}, commit=f"{number:x}" * 40, run_id=number)


def command(runner: Runner, name: str, **given: str) -> Ended:
    named = {key.replace("_", "-"): value for key, value in given.items()}
    return runner.run({**TARGET, **named, "command": name}, commit="9" * 40, run_id=99)


def versions(world: World) -> list[int]:
    return [int(version) for version in world.versions()]


def deletions(world: World) -> dict[str, int]:
    """Return the versions that are recorded as deleted, and how many were to be kept."""
    found = [item for item in world.records("version") if "deleted" in item]
    return {item["version"]: int(item["deleted"]["keep"]) for item in found}


def retained(account: Account) -> list[str]:
    """Return the calls that only the deletion of versions makes. Each run reads the aliases at its start as well."""
    names = [call.name for call in account.calls() if call.name in RETAINING]
    return sorted(name for name in names if name != "lambda.ListAliases" or "lambda.ListVersionsByFunction" in names)


def test_what_is_served_or_may_be_gone_back_to_stays_and_the_rest_goes(
    runner: Runner, inputs: dict[str, str], world: World, account: Account
) -> None:
    assert release(runner, inputs, 1).result == "promoted"
    assert command(runner, "promote", **{"from": "preprod"}, environment="prod").result == "promoted"
    assert release(runner, inputs, 2).result == "promoted"
    assert release(runner, inputs, 3, checks="GET /health 500", keep_versions="1").result == "blocked"
    assert release(runner, inputs, 4).result == "promoted"
    world.function.create_alias(
        FunctionName=FUNCTION,
        Name="canary",
        FunctionVersion="4",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}},
    )
    assert release(runner, inputs, 5).result == "promoted"
    (runner.workspace / "function" / "commit").write_text("6")
    assert runner.run({**inputs, "keep-versions": "1", "dry-run": "true"}, run_id=6).result == "planned"
    # Only a promotion deletes. Failed versions are deleted before others, each of which is needed.
    assert (retained(account), versions(world)) == ([], [1, 2, 3, 4, 5])
    ended = release(runner, inputs, 6, keep_versions="2")
    assert (ended.code, ended.result, versions(world)) == (0, "promoted", [1, 2, 4, 5, 6])
    assert deletions(world) == {"3": 2}
    assert "Deleted version 3 (keep-versions: 2)." in ended.log

    world.function.delete_alias(FunctionName=FUNCTION, Name="canary")
    account.forget()
    ended = release(runner, inputs, 7, keep_versions="2")
    assert retained(account) == [
        "lambda.DeleteFunction",
        "lambda.DeleteFunction",
        "lambda.ListAliases",  # at the start of the run
        "lambda.ListAliases",
        "lambda.ListVersionsByFunction",
    ]
    # In addition: state, candidates, and records of the versions; the history of each environment; one record each.
    calls = [call.name for call in account.calls()]
    since = calls[calls.index("lambda.ListVersionsByFunction") :]
    others = sorted(name for name in since if name not in RETAINING)
    assert others == ["dynamodb.Query"] * 5 + ["dynamodb.UpdateItem"] * 2
    assert (ended.result, versions(world)) == ("promoted", [1, 5, 6, 7])
    assert deletions(world) == {"2": 2, "3": 2, "4": 2}
    assert "Deleted versions 2, 4 (keep-versions: 2)." in ended.log

    # A command that names one of them reports its deletion.
    fate = "ersion 4 of hello was deleted by run 7 ("
    assert fate in command(runner, "promote", version="4", environment="prod").errors[0].message
    assert "2 → 4, deleted since" in command(runner, "status").log
    assert "6 → 7\n" in command(runner, "status").log.replace("6 → 7  ", "6 → 7\n")
    assert [command(runner, "rollback").outputs["version"] for _ in range(2)] == ["6", "5"]
    refused = command(runner, "rollback")
    assert refused.result == "refused"
    assert "annot roll back to version 4 of hello: it was deleted by run 7 (" in refused.errors[0].message


def test_where_there_is_nothing_to_delete_it_takes_one_call(
    runner: Runner, inputs: dict[str, str], account: Account
) -> None:
    assert release(runner, inputs, 1).result == "promoted"
    account.forget()
    assert release(runner, inputs, 2).result == "promoted"
    without = sorted(call.name for call in account.calls())
    account.forget()
    assert release(runner, inputs, 3, keep_versions="3").result == "promoted"
    calls = [call.name for call in account.calls()]
    assert sorted(calls) == sorted([*without, "lambda.ListVersionsByFunction"])
    # No run waits for it: alias, record and lock are finished before.
    assert calls[-1] == "lambda.ListVersionsByFunction"


def test_what_another_job_may_still_promote_stays(
    runner: Runner, inputs: dict[str, str], world: World, tmp_path: Path, account: Account
) -> None:
    assert release(runner, inputs, 1, command="deploy", isolation="version", checks="").result == "deployed"
    for number in (2, 3):
        assert release(runner, inputs, number, keep_versions="1").result == "promoted"
    assert release(runner, inputs, 4, keep_versions="1").result == "promoted"
    assert versions(world) == [1, 3, 4]
    assert runner.post({**inputs, "command": "deploy"}, run_id=1).code == 0
    # After ten days, no job can use it, except one that has waited for an approval; after forty days, none.
    waiting = make_runner(tmp_path / "waiting", account, Later(10))
    line(waiting.workspace)
    assert release(waiting, inputs, 5, keep_versions="1").result == "promoted"
    assert versions(world) == [1, 4, 5]
    over = make_runner(tmp_path / "over", account, Later(40))
    line(over.workspace)
    assert release(over, inputs, 6, keep_versions="1").result == "promoted"
    assert versions(world) == [5, 6]


def test_an_alias_that_is_created_during_the_run_keeps_its_version(
    later: Runner, inputs: dict[str, str], world: World, account: Account
) -> None:
    held = account.inject("hold-before", "lambda.DeleteFunction", times=2)

    def interfere() -> None:
        held.wait_until_hit(60)
        world.function.create_alias(FunctionName=FUNCTION, Name="prod", FunctionVersion="1")
        world.function.create_alias(FunctionName=FUNCTION, Name="next", FunctionVersion="2")
        held.release()

    with ThreadPoolExecutor(1) as pool:
        interference = pool.submit(interfere)
        ended = release(later, inputs, 5, keep_versions="1")
        interference.result()
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    adopted = "::warning title=promote-on-success::preprod served version 4, which this action did not promote"
    assert "::warning" not in ended.log.replace(adopted, "")
    assert versions(world) == [1, 2, 4, 5]
    assert deletions(world) == {"3": 1}


@pytest.mark.parametrize(
    ("fault", "gone"),
    [
        (("error-before", "lambda.ListVersionsByFunction"), []),
        (("error-before", "lambda.ListAliases"), []),
        (("error-before", "lambda.DeleteFunction"), []),
        (("cut-after", "lambda.DeleteFunction"), [1, 2, 3]),
    ],
)
def test_whatever_fails_is_a_warning(
    later: Runner, inputs: dict[str, str], world: World, fault: tuple[str, str], gone: list[int]
) -> None:
    # A single lost response is retried.
    world.account.inject(*fault, nth=2 if fault[1] == "lambda.ListAliases" else 1, times=1 if gone else 0)
    ended = release(later, inputs, 5, keep_versions="1")
    world.account.clear_faults()
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "5"), ended.log
    warnings = [annotation.message for annotation in ended.annotations if annotation.kind == "warning"]
    incomplete = [
        text for text in warnings if text.startswith("Not all older versions could be deleted (keep-versions): ")
    ]
    assert len(incomplete) == (0 if gone else 1)
    # No record reports an existing version as deleted, and the other way round.
    assert [number for number in (1, 2, 3) if number not in versions(world)] == gone
    assert sorted(deletions(world)) == [str(number) for number in gone]


def test_the_version_that_the_environment_served_before_stays_also_if_it_was_set_externally(
    later: Runner, inputs: dict[str, str], world: World
) -> None:
    assert release(later, inputs, 5, keep_versions="1").result == "promoted"
    # Version 4 was set externally. The first promotion records it as the previous version.
    assert versions(world) == [4, 5]


def test_a_version_that_a_job_may_still_verify_stays(
    runner: Runner, later: Runner, inputs: dict[str, str], world: World
) -> None:
    """No run has judged versions 1 to 4, and today a job of another tool may still be about to."""
    assert release(runner, inputs, 5, keep_versions="1").result == "promoted"
    assert versions(world) == [1, 2, 3, 4, 5]
    assert release(later, inputs, 6, keep_versions="1").result == "promoted"
    assert versions(world) == [5, 6]


def test_a_promotion_of_a_version_deletes_as_well(later: Runner, world: World) -> None:
    given = {"version": "4", "override": "true", "reason": "it is known to work"}
    ended = command(later, "promote", **given, environment="prod", keep_versions="2")
    assert (ended.code, ended.result, versions(world)) == (0, "promoted", [3, 4]), ended.log
    assert deletions(world) == {"1": 2, "2": 2}


@pytest.mark.parametrize("verdict", ["passed", "failed"])
def test_a_version_whose_deletion_never_began_keeps_how_it_was_judged(
    runner: Runner, inputs: dict[str, str], world: World, verdict: str
) -> None:
    """A run records the deletion, and dies before DeleteFunction."""
    assert release(runner, inputs, 1).result == "promoted"
    clock = SystemClock()
    arn = world.function.get_function_configuration(FunctionName=FUNCTION)["FunctionArn"]
    run = Run("c" * 40, 7, 1, "", "abcdefabcdef")
    ledger = Ledger(Table(lambda: world.table, TABLE, clock), arn, run, clock)
    record = ledger.versions.read("1")
    candidate = Candidate("1", record["code_sha256"], record["fingerprint"])
    ledger.versions.record_verdict(candidate, "plan", Verdict(Outcome(verdict), (), ""))
    verdicts = ledger.versions.verdicts(candidate)
    assert verdicts.passed
    assert bool(verdicts.failure) is (verdict == "failed")
    ledger.versions.record_deletion(1, 1)
    ledger.versions.record(candidate)
    ledger.versions.record_verdict(candidate, "plan", Verdict(Outcome.INCONCLUSIVE, (), ""))
    assert ledger.versions.verdicts(candidate) == verdicts
    assert not ledger.versions.deleted("1", "1")
    assert ledger.versions.read("1")["commit"] == "1" * 40


@pytest.mark.parametrize(
    ("keep", "left"), [("6", range(1, 7)), ("5", [1, 3, 4, 5, 6]), ("4", [1, 3, 5, 6]), ("2", [3, 5, 6])]
)
def test_versions_that_failed_go_before_older_ones_that_passed(
    runner: Runner, inputs: dict[str, str], world: World, keep: str, left: Sequence[int]
) -> None:
    """Versions 1, 3 and 5 were promoted, and 2 and 4 failed. The two before the promoted one may be returned to."""
    for number in range(1, 6):
        has_failed = number in (2, 4)
        wanted = "blocked" if has_failed else "promoted"
        checks = "GET /health 500" if has_failed else inputs["checks"]
        assert release(runner, inputs, number, checks=checks).result == wanted
    ended = release(runner, inputs, 6, keep_versions=keep)
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    assert versions(world) == list(left)
    assert sorted(deletions(world)) == sorted(str(number) for number in {*range(1, 7)} - {*left})


def test_a_verdict_of_a_deleted_function_does_not_count(
    inputs: dict[str, str], world: World, account: Account, tmp_path: Path
) -> None:
    """Version 1 of the function before has passed. Neither version 1 nor 2 of this one has, so the older one goes."""
    later = make_runner(tmp_path / "later", account, Later(40))
    line(later.workspace)
    for number in range(1, 5):
        assert release(later, inputs, number).result == "promoted"
    world.function.delete_function(FunctionName=FUNCTION)
    world.create("1", publishes=True)
    world.settle()
    assert release(later, inputs, 5, checks="GET /health 500").result == "blocked"
    ended = release(later, inputs, 6, keep_versions="2")
    assert (ended.code, ended.result, versions(world)) == (0, "promoted", [2, 3]), ended.log


@pytest.mark.parametrize(
    ("kind", "weights", "left"),
    [
        ("hold-before", {}, [1, 2, 4, 5]),
        ("hold-after", {}, [2, 4, 5]),
        ("hold-after", {"1": 0.1}, [1, 2, 4, 5]),
    ],
)
def test_what_an_unfinished_release_of_another_environment_may_end_at_stays(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner,
    inputs: dict[str, str],
    world: World,
    account: Account,
    kind: str,
    weights: dict[str, float],
    left: list[int],
) -> None:
    """It ends at version 4, or back at version 2 with its weights. Version 3 has failed. preprod served 1 before."""
    for number in (1, 2):
        assert release(runner, inputs, number).result == "promoted"
    assert release(runner, inputs, 3, checks="GET /health 500").result == "blocked"
    given = {**inputs, **({"override": "true", "reason": "the split is over"} if weights else {})}
    world.function.update_alias(
        FunctionName=FUNCTION, Name="preprod", RoutingConfig={"AdditionalVersionWeights": weights}
    )
    held = account.inject(kind, "lambda.UpdateAlias")
    (runner.workspace / "function" / "commit").write_text("4")
    started = runner.start(given, commit="4" * 40, run_id=4)
    held.wait_until_hit(60)
    started.kill()
    account.clear_faults()
    assert world.alias_version() == ("2" if kind == "hold-before" else "4")
    opened = runner.run({"command": "unlock", "function-name": FUNCTION, "reason": "its run was killed"}, run_id=9)
    assert opened.result == "unlocked", opened.log

    ended = release(runner, inputs, 5, environment="prod", keep_versions="1")
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    assert versions(world) == left
    # The next run of preprod completes the release. Then version 4 is what preprod may return to, and 5 is in prod.
    ended = release(runner, inputs, 6, keep_versions="1")
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert (versions(world), world.history()) == ([4, 5, 6], [("", "1"), ("1", "2"), ("2", "4"), ("4", "6"), ("", "5")])


def test_the_version_that_the_alias_has_left_is_kept_because_lambda_may_still_use_it(
    later: Runner, inputs: dict[str, str], world: World
) -> None:
    """After the move, Lambda sends requests to the version before for a while. If it is deleted, they fail."""
    world.account.inject("left-version-serves", "lambda.UpdateAlias", seconds=60)
    ended = release(later, inputs, 5, keep_versions="1")
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert versions(world) == [4, 5]
    assert world.function.invoke(FunctionName=FUNCTION, Qualifier="preprod")["ExecutedVersion"] == "4"
