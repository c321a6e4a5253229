"""Guarantee 9: what was rolled back does not return by a re-run or a late promotion."""

from collections.abc import Mapping

import pytest

from sandbox.client import Account
from tests.past import Pasts
from tests.runner import Ended, Runner
from tests.world import FUNCTION, World

pytestmark = pytest.mark.usefixtures("history")

ROLLBACK = {"command": "rollback", "function-name": FUNCTION, "environment": "preprod", "github-deployments": "false"}
PROMOTE = {"command": "promote", "function-name": FUNCTION, "environment": "preprod", "github-deployments": "false"}
STATUS = {"command": "status", "function-name": FUNCTION}
REASON = "it sends every mail twice"
OVERRIDE = {"override": "true", "reason": "the mail server was at fault"}


def write(runner: Runner, text: str) -> None:
    """Change the function's code."""
    (runner.workspace / "function" / "commit").write_text(text)


def release(runner: Runner, inputs: Mapping[str, str], number: int, **given: str) -> Ended:
    write(runner, str(number))
    return runner.run({**inputs, **given}, commit=f"{number}" * 40, run_id=number)


def back(runner: Runner, run_id: int = 90, **given: str) -> Ended:
    ended = runner.run({**ROLLBACK, "reason": REASON, **given}, commit="f" * 40, run_id=run_id)
    assert (ended.code, ended.result) == (0, "rolled-back"), ended.log
    return ended


def writes(account: Account) -> list[str]:
    reads = ("Get", "List", "Query", "Scan", "Describe", "Invoke")
    return [call.name for call in account.calls() if not call.operation.startswith(reads)]


def kept_out(world: World, name: str = "preprod") -> list[tuple[str, str]]:
    """Return the versions and commits that were rolled back, from the environment's record."""
    (item,) = [item for item in world.records("environment") if item["sk"] == f"environment#{name}"]
    return [(entry["version"], entry["commit"][:1]) for entry in item.get("rolled_back", [])]


def assert_refused(ended: Ended, *texts: str) -> None:
    assert (ended.code, ended.result) == (1, "refused"), ended.log
    assert len(ended.errors) == 1, ended.log
    for text in (*texts, "rolled back", "by octocat", REASON, "override: true"):
        assert text in ended.errors[0].message, ended.log
    assert "Traceback" not in ended.log


@pytest.fixture
def rolled_back(pasts: Pasts, runner: Runner, inputs: dict[str, str], world: World) -> Ended:
    """Commits 1 and 3 were served, as versions 1 and 2; the second was rolled back."""

    def make() -> Ended:
        assert release(runner, inputs, 1).result == "promoted"
        last = release(runner, inputs, 3)
        assert last.result == "promoted", last.log
        assert back(runner).outputs["version"] == "1"
        assert kept_out(world) == [("2", "3")]
        return last

    last = pasts.of("commit 3 was served and rolled back", runner, world.account, inputs, make)
    world.account.forget()
    return last


def test_a_rerun_of_the_commit_is_refused_before_it_changes_anything(
    runner: Runner, inputs: dict[str, str], world: World, rolled_back: Ended
) -> None:
    before = world.items()
    for given in ({}, {"isolation": "version"}, {"command": "deploy", "checks": ""}):
        again = runner.run({**inputs, **given}, commit="3" * 40, run_id=3, attempt=2)
        assert_refused(again, "version 2", "of commit 3333333333")
    # Also if it builds other code than before.
    write(runner, "3, built at another time")
    assert_refused(runner.run(inputs, commit="3" * 40, run_id=3, attempt=2), "version 2 of commit 3333333333")
    planned = runner.run({**inputs, "dry-run": "true"}, commit="3" * 40, run_id=3)
    assert (planned.result, "would be refused" in planned.outputs["summary"]) == ("planned", True), planned.log
    assert (writes(world.account), world.items(), world.alias_version()) == ([], before, "1")
    assert rolled_back.outputs["version"] == "2"


def test_a_late_promotion_is_refused(runner: Runner, world: World, rolled_back: Ended) -> None:
    stage = runner.run({**PROMOTE, "environment": "stage", "version": "2"}, run_id=5)
    assert stage.result == "promoted", stage.log
    world.account.forget()
    before = world.items()
    for given in ({"version": "2"}, {"from": "stage"}, {"from": "stage", "checks": "GET /health 200"}):
        assert_refused(runner.run({**PROMOTE, **given}, run_id=6), "version 2 of commit 3333333333")
    assert (writes(world.account), world.items()) == ([], before)
    # Another environment is not affected.
    assert (world.alias_version("stage"), world.alias_version(), rolled_back.result) == ("2", "1", "promoted")


def test_a_candidate_that_was_deployed_before_the_rollback_is_refused(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    assert release(runner, inputs, 1).result == "promoted"
    write(runner, "3")
    deployed = runner.run(
        {**inputs, "command": "deploy", "checks": "", "isolation": "version"}, commit="3" * 40, run_id=3
    )
    assert deployed.result == "deployed", deployed.log
    assert runner.run(inputs, commit="3" * 40, run_id=4).result == "promoted"
    back(runner)
    late = runner.run({**PROMOTE, "candidate": deployed.outputs["candidate"]}, commit="3" * 40, run_id=3)
    assert_refused(late, "version 2 of commit 3333333333")
    assert world.alias_version() == "1"


def test_a_commit_between_the_two_is_not_newer_than_what_was_rolled_back(
    runner: Runner, inputs: dict[str, str], world: World, rolled_back: Ended
) -> None:
    assert_refused(release(runner, inputs, 2), "commit 2222222222 is older than 3333333333")
    # What is served may be deployed again, and this ends nothing.
    same = release(runner, inputs, 1)
    assert (same.code, same.result, world.code_sha256("3")) == (0, "promoted", world.code_sha256("1")), same.log
    assert (kept_out(world), rolled_back.result) == ([("2", "3")], "promoted")


def test_a_newer_commit_ends_it(runner: Runner, inputs: dict[str, str], world: World, rolled_back: Ended) -> None:
    newer = release(runner, inputs, 4)
    assert (newer.code, newer.result, newer.outputs["version"]) == (0, "promoted", "3"), newer.log
    assert newer.annotations == ()
    assert kept_out(world) == []
    again = release(runner, inputs, 3)
    assert (again.code, again.result, world.alias_version()) == (0, "superseded", "3"), again.log
    assert rolled_back.result == "promoted"


def test_the_same_code_under_a_newer_commit_is_refused_too(
    runner: Runner, inputs: dict[str, str], world: World, rolled_back: Ended
) -> None:
    """A commit that only changes the documentation is not a fix."""
    before = world.items()
    again = runner.run(inputs, commit="4" * 40, run_id=4)
    assert_refused(again, "commit 4444444444 has the code and configuration of version 2")
    assert (writes(world.account), world.items()) == ([], before)
    # Another configuration makes it different.
    other = runner.run({**inputs, "memory-size": "256"}, commit="5" * 40, run_id=5)
    assert (other.result, kept_out(world), rolled_back.result) == ("promoted", [], "promoted"), other.log


def test_the_same_code_is_found_after_another_deployment(
    runner: Runner, inputs: dict[str, str], world: World, rolled_back: Ended
) -> None:
    """What was rolled back is no longer in $LATEST."""
    assert release(runner, inputs, 4, environment="stage").result == "promoted"
    write(runner, "3")
    world.account.forget()
    again = runner.run(inputs, commit="5" * 40, run_id=5)
    assert_refused(again, "commit 5555555555 has the code and configuration of version 2")
    assert (writes(world.account), rolled_back.result) == ([], "promoted")


def test_an_override_brings_it_back(runner: Runner, inputs: dict[str, str], world: World, rolled_back: Ended) -> None:
    without = runner.run({**inputs, "override": "true"}, commit="3" * 40, run_id=3)
    assert (without.code, [error.title for error in without.errors]) == (1, ["Input reason"]), without.log
    # Unverified code is still not promoted.
    failing = runner.run({**inputs, **OVERRIDE, "checks": "GET /nowhere 200"}, commit="3" * 40, run_id=3, attempt=2)
    assert (failing.result, world.alias_version()) == ("blocked", "1"), failing.log
    # Nor is code promoted whose order is not known, and the reason is not the rollback.
    unknown = runner.run({**inputs, **OVERRIDE}, commit="ab" * 20, run_id=4)
    assert (unknown.code, unknown.result, len(unknown.errors)) == (1, "refused", 1), unknown.log
    assert "Cannot tell whether abababab" in unknown.errors[0].message
    assert "set `diverged: promote`" in unknown.errors[0].message
    ended = runner.run({**inputs, **OVERRIDE}, commit="3" * 40, run_id=3, attempt=3)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "2"), ended.log
    move = world.records("promotion")[-1]
    assert (move["kind"], move["reason"], move["by"]) == ("override", OVERRIDE["reason"], "octocat")
    assert (move["verified"], kept_out(world)) == (True, [])
    again = runner.run(inputs, commit="3" * 40, run_id=3, attempt=4)
    assert (again.code, again.result) == (0, "unchanged"), again.log
    assert rolled_back.outputs["version"] == "2"


@pytest.mark.parametrize("given", [{**PROMOTE, "version": "2"}, {**ROLLBACK, "version": "2"}])
def test_a_promotion_and_a_rollback_to_it_take_an_override(
    runner: Runner, world: World, rolled_back: Ended, given: dict[str, str]
) -> None:
    """A person who names the version may not know why it was rolled back."""
    for dry in ({}, {"dry-run": "true"}):
        refused = runner.run({**given, **dry}, run_id=5)
        assert refused.result == ("planned" if dry else "refused"), refused.log
        assert "version 2" in refused.log
        assert REASON in refused.log
    assert (writes(world.account), world.alias_version()) == ([], "1")
    ended = runner.run({**given, **OVERRIDE}, run_id=6)
    assert (ended.code, world.alias_version()) == (0, "2"), ended.log
    # A rollback leaves the other one.
    assert kept_out(world) == ([("1", "1")] if given["command"] == "rollback" else [])
    assert rolled_back.result == "promoted"


def test_each_of_several_rollbacks_counts(
    runner: Runner, inputs: dict[str, str], world: World, rolled_back: Ended
) -> None:
    assert release(runner, inputs, 4).result == "promoted"
    assert release(runner, inputs, 5).result == "promoted"
    back(runner, 91)
    back(runner, 92)
    assert (world.alias_version(), kept_out(world)) == ("1", [("4", "5"), ("3", "4")])
    for number in (4, 5):
        assert_refused(release(runner, inputs, number))
    assert release(runner, inputs, 6).result == "promoted"
    assert (kept_out(world), rolled_back.result) == ([], "promoted")


def test_what_external_changes_have_put_there_is_rolled_back_as_well(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    """Its commit is unknown, so only its code identifies it."""
    assert release(runner, inputs, 1).result == "promoted"
    world.overwrite_latest("def handler(event, context): return {'statusCode': 200, 'body': '{}'}")
    version = world.function.publish_version(FunctionName=FUNCTION)["Version"]
    world.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion=version)
    back(runner, version="1")
    assert kept_out(world) == [(version, "")]
    given = {**PROMOTE, "version": version, "checks": "GET / 200", "diverged": "promote"}
    assert_refused(runner.run(given, run_id=5), f"the code and configuration of version {version}")
    assert world.alias_version() == "1"


@pytest.mark.parametrize("isolation", ["latest", "version"])
def test_a_rollback_while_a_run_verifies_is_seen_by_it(
    runner: Runner, inputs: dict[str, str], world: World, isolation: str
) -> None:
    """The run began when nothing was rolled back."""
    assert release(runner, inputs, 1).result == "promoted"
    assert release(runner, inputs, 3).result == "promoted"
    held = world.hold("hold-before", "execute-api.Invoke")
    given = {**inputs, "isolation": isolation, "checks": "GET /health 200"}
    write(runner, "3, built at another time")
    run = runner.start(given, commit="3" * 40, run_id=3, attempt=2)
    held.wait_until_hit(30)
    back(runner)
    held.release()
    ended = run.wait()
    assert_refused(ended, "version 2 of commit 3333333333")
    assert world.alias_version() == "1"
    # The result of the verification is valid anyway.
    assert world.records("version")[-1]["verdict"]["outcome"] == "passed"


@pytest.mark.parametrize(
    ("kind", "operation", "nth", "serves"),
    [
        ("hold-after", "dynamodb.TransactWriteItems", 1, "2"),  # it has begun the release
        ("hold-after", "lambda.UpdateAlias", 1, "1"),
        ("hold-before", "dynamodb.TransactWriteItems", 2, "1"),  # it records the move
    ],
)
def test_what_a_killed_rollback_has_left_is_finished_by_the_next_run(  # noqa: PLR0917 - fixtures and parameters
    runner: Runner, inputs: dict[str, str], world: World, kind: str, operation: str, nth: int, serves: str
) -> None:
    assert release(runner, inputs, 1).result == "promoted"
    assert release(runner, inputs, 3).result == "promoted"
    held = world.account.inject(kind, operation, nth=nth)
    killed = runner.start({**ROLLBACK, "reason": REASON}, commit="f" * 40, run_id=90)
    held.wait_until_hit(20)
    killed.kill()
    world.account.clear_faults()
    assert (world.alias_version(), kept_out(world)) == (serves, [])
    assert_refused(release(runner, inputs, 3), "version 2 of commit 3333333333")
    assert (world.alias_version(), kept_out(world)) == ("1", [("2", "3")])


def test_a_rollback_of_which_only_the_alias_tells_is_recorded(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    """The mark of the killed run's release was removed from the table."""
    assert release(runner, inputs, 1).result == "promoted"
    assert release(runner, inputs, 3).result == "promoted"
    held = world.account.inject("hold-after", "lambda.UpdateAlias")
    killed = runner.start({**ROLLBACK, "reason": REASON}, commit="f" * 40, run_id=90)
    held.wait_until_hit(20)
    killed.kill()
    world.account.clear_faults()
    (item,) = world.records("environment")
    world.table.update_item(
        TableName="promote-on-success",
        Key={"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}},
        UpdateExpression="REMOVE pending",
    )
    again = release(runner, inputs, 3)
    assert (again.code, again.result, len(again.errors)) == (1, "refused", 1), again.log
    assert "version 2 of commit 3333333333" in again.errors[0].message
    assert (world.alias_version(), kept_out(world)) == ("1", [("2", "3")])


def test_status_shows_it(runner: Runner, world: World, rolled_back: Ended) -> None:
    shown = runner.run(STATUS, run_id=7)
    assert shown.result == "reported", shown.log
    line = next(line for line in shown.log.splitlines() if line.startswith("rolled back"))
    for text in ("preprod", "2", "3333333333", "octocat", REASON):
        assert text in line
        assert text in shown.summary
    assert (world.alias_version(), rolled_back.outputs["version"]) == ("1", "2")


def test_a_record_keeps_the_last_ten(runner: Runner, inputs: dict[str, str], world: World) -> None:
    for number in range(1, 10):
        assert release(runner, inputs, number).result == "promoted"
    (item,) = world.records("environment")
    rest = {key: {"S": "x"} for key in ("code_sha256", "fingerprint", "at", "reason", "by", "promotion", "commit")}
    many = [{"M": {**rest, "version": {"S": str(number)}}} for number in range(20, 32)]
    world.table.update_item(
        TableName="promote-on-success",
        Key={"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}},
        UpdateExpression="SET rolled_back = :many",
        ExpressionAttributeValues={":many": {"L": many}},
    )
    back(runner, reason="ü" * 500)
    (item,) = world.records("environment")
    assert [entry["version"] for entry in item["rolled_back"]] == [*map(str, range(23, 32)), "9"]
    assert len(item["rolled_back"][-1]["reason"].encode()) <= 200
    assert item["rolled_back"][-1]["reason"].endswith("…")


# Several functions


SHOP = ("hello", "worker")


def shop(inputs: Mapping[str, str], runner: Runner, **codes: str) -> dict[str, str]:
    """Return inputs that release both functions, each with its own code."""
    for name in SHOP:
        folder = runner.workspace / name
        folder.mkdir(exist_ok=True)
        (folder / "app.py").write_text((runner.workspace / "function" / "app.py").read_text())
        (folder / "commit").write_text(codes[name])
    kept = {name: value for name, value in inputs.items() if name not in {"artifact", "checks"}}
    checks = "\n".join(f"{name}: GET /health 200" for name in SHOP)
    return {**kept, "function-name": "\n".join(f"{name} = {name}" for name in SHOP), "checks": checks}


def versions(world: World) -> list[str]:
    return [world.function.get_alias(FunctionName=name, Name="preprod")["FunctionVersion"] for name in SHOP]


@pytest.fixture
def application(runner: Runner, inputs: dict[str, str], world: World) -> dict[str, str]:
    """Both functions were released as commit 1 and as commit 3, and rolled back from commit 3."""
    first = runner.run(shop(inputs, runner, hello="1", worker="1"), commit="1" * 40, run_id=1)
    assert first.result == "promoted", first.log
    second = runner.run(shop(inputs, runner, hello="3", worker="3"), commit="3" * 40, run_id=3)
    assert second.result == "promoted", second.log
    ended = runner.run({**ROLLBACK, "function-name": "\n".join(SHOP), "reason": REASON}, run_id=90)
    assert (ended.result, versions(world)) == ("rolled-back", ["1", "1"]), ended.log
    world.account.forget()
    return inputs


def test_a_release_that_was_rolled_back_does_not_return(
    runner: Runner, application: dict[str, str], world: World
) -> None:
    before = world.items()
    again = runner.run(shop(application, runner, hello="3", worker="3"), commit="3" * 40, run_id=3, attempt=2)
    assert_refused(again, "of commit 3333333333")
    same = runner.run(shop(application, runner, hello="3", worker="3"), commit="4" * 40, run_id=4)
    assert_refused(same, "has the code and configuration of version 2")
    late = {**ROLLBACK, "command": "promote", "function-name": "\n".join(SHOP), "from": "stage"}
    assert (writes(world.account), world.items(), versions(world)) == ([], before, ["1", "1"])
    forced = runner.run({**shop(application, runner, hello="3", worker="3"), **OVERRIDE}, commit="3" * 40, run_id=5)
    assert (forced.result, versions(world)) == ("promoted", ["2", "2"]), forced.log
    assert late["from"] == "stage"


def test_a_fix_of_one_function_takes_the_other_with_it(
    runner: Runner, application: dict[str, str], world: World
) -> None:
    """The whole is another release than the one that was rolled back, although one of its functions is the same."""
    fixed = runner.run(shop(application, runner, hello="4", worker="3"), commit="4" * 40, run_id=4)
    assert (fixed.code, fixed.result, versions(world)) == (0, "promoted", ["3", "2"]), fixed.log
    for item in world.records("environment"):
        assert item["rolled_back"] == []


def test_one_function_of_it_alone_does_not_return_either(
    runner: Runner, application: dict[str, str], world: World
) -> None:
    given = {**application, "artifact": "worker", "function-name": "worker", "checks": "GET /health 200"}
    shop(application, runner, hello="3", worker="3")
    assert_refused(runner.run(given, commit="3" * 40, run_id=3, attempt=2), "version 2 of commit 3333333333")
    assert_refused(runner.run(given, commit="4" * 40, run_id=4), "has the code and configuration of version 2")
    assert versions(world) == ["1", "1"]


@pytest.mark.parametrize("nth", [1, 2])
def test_what_a_killed_rollback_of_a_release_has_left_is_recorded_by_the_run_that_finishes_it(
    runner: Runner, inputs: dict[str, str], world: World, nth: int
) -> None:
    first = runner.run(shop(inputs, runner, hello="1", worker="1"), commit="1" * 40, run_id=1)
    assert first.result == "promoted", first.log
    given = shop(inputs, runner, hello="3", worker="3")
    assert runner.run(given, commit="3" * 40, run_id=3).result == "promoted"
    held = world.account.inject("hold-after", "lambda.UpdateAlias", nth=nth)
    killed = runner.start({**ROLLBACK, "function-name": "\n".join(SHOP), "reason": REASON}, run_id=90)
    held.wait_until_hit(20)
    killed.kill()
    world.account.clear_faults()
    again = runner.run(given, commit="3" * 40, run_id=3, attempt=2)
    assert_refused(again, "of commit 3333333333")
    assert versions(world) == ["1", "1"]
    for item in world.records("environment"):
        assert [(entry["version"], entry["reason"]) for entry in item["rolled_back"]] == [("2", REASON)]


def test_an_override_is_not_about_a_rollback_that_comes_after_it(
    runner: Runner, inputs: dict[str, str], world: World, rolled_back: Ended
) -> None:
    """A run with an override moves the alias. A person sees its code and rolls it back while the run hangs."""
    write(runner, "4")
    held = world.account.inject("hold-before", "lambda.UpdateAlias")
    late = runner.start({**inputs, **OVERRIDE}, commit="4" * 40, run_id=4)
    held.wait_until_hit(60)
    assert back(runner, 91).outputs["version"] == "1"
    held.release()
    ended = late.wait()
    assert (ended.code, ended.result, world.alias_version()) == (1, "refused", "1"), ended.log
    assert "its override is not about a rollback that came after the run had begun" in ended.errors[0].message
    assert rolled_back.outputs["version"] == "2"
    # A person who knows of the rollback may override it.
    again = runner.run({**inputs, **OVERRIDE}, commit="4" * 40, run_id=4, attempt=2)
    assert (again.code, again.result, world.alias_version()) == (0, "promoted", "3"), again.log
