"""``deploy`` and ``promote``: a candidate that the job's own steps test, and versions that were verified before."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.client import Account
from tests.conftest import hurried, make_runner
from tests.past import Pasts, first_release
from tests.repository import commit, git
from tests.runner import Ended, Runner, Started, edit
from tests.world import FUNCTION, World, get

pytestmark = pytest.mark.usefixtures("history")

PROMOTE = {
    "command": "promote",
    "function-name": FUNCTION,
    "environment": "preprod",
    "github-deployments": "false",
}
TO_PROD = {**PROMOTE, "environment": "prod"}
FROM_PREPROD = {**TO_PROD, "from": "preprod"}
UNTESTED = "def handler(event, context): return {'statusCode': 200, 'body': 'nobody has tested this'}"

IN_NODE = """
fetch(process.argv[1] + "/greeting").then((answer) => answer.json()).then((body) => {
    if (body.greeting !== process.argv[2]) throw new Error(JSON.stringify(body));
});
"""
IN_PYTHON = """
import json, sys, urllib.request
body = json.load(urllib.request.urlopen(sys.argv[1] + "/greeting"))
assert body["greeting"] == sys.argv[2], body
"""


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], account: Account) -> Ended:
    """Commit 1 is served and returns Hello. Commit 2, which returns Goodbye, is in the workspace."""
    ended = first_release(pasts, runner, account, inputs)
    edit(runner.workspace, "Hello", "Goodbye")
    account.forget()
    return ended


@pytest.fixture
def deploy(inputs: dict[str, str]) -> dict[str, str]:
    return {**inputs, "command": "deploy", "checks": ""}


def deployed(runner: Runner, inputs: Mapping[str, str], **run: Any) -> tuple[Started, Ended]:
    """Deploy a candidate for a job. Return the step, with its saved state, and how it ended."""
    started = runner.start(inputs, **{"commit": "2" * 40, "run_id": 2, **run})
    ended = started.wait()
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (0, "deployed", "false"), ended.log
    return started, ended


def own_step(url: str, greeting: str) -> int:
    """Test the candidate as a job's own step would, in a language that the action does not know."""
    node = shutil.which("node")
    command = [node, "--eval", IN_NODE] if node else [sys.executable, "-c", IN_PYTHON]
    return subprocess.run([*command, url, greeting], check=False, capture_output=True, timeout=60).returncode  # noqa: S603 - our own


def untested_version(world: World) -> str:
    """Publish a version that was not tested."""
    world.overwrite_latest(UNTESTED)
    version = world.function.publish_version(FunctionName=FUNCTION)["Version"]
    world.settle()
    return version


def writes(account: Account) -> list[str]:
    reads = ("Get", "List", "Query", "Scan", "Describe", "Invoke")
    return [call.name for call in account.calls() if not call.operation.startswith(reads)]


def previews(world: World) -> list[str]:
    return [item["sk"] for item in world.records("endpoint") if item["sk"].startswith("endpoint#preview#")]


def token(world: World) -> int:
    return int(world.records("lock")[0]["token"])


def move(world: World, name: str) -> Mapping[str, Any]:
    """Return the last promotion of an environment."""
    return [item for item in world.records("promotion") if item["environment"] == name][-1]


def assert_refused(ended: Ended, reason: str) -> None:
    assert (ended.code, ended.result) == (1, "refused"), ended.log
    assert len(ended.errors) == 1
    assert reason.lower() in ended.errors[0].message.lower()
    assert "Traceback" not in ended.log


# Across steps


def test_a_candidate_is_tested_by_the_jobs_own_steps_while_the_job_holds_the_lock(
    runner: Runner, inputs: dict[str, str], deploy: dict[str, str], world: World, promoted: Ended
) -> None:
    first, ended = deployed(runner, {**deploy, "lease": "1800"})
    held = token(world)
    assert world.records("lock")[0]["lease"] == 1800
    assert ended.outputs["candidate"].startswith(f"2@{ended.outputs['code-sha256']}@")
    assert ended.outputs["candidate-url"] == ended.outputs["latest-url"]
    assert (world.alias_version(), world.lock_owner().partition("/")[0]) == ("1", "2")
    other = runner.start({**inputs, "checks": "GET /health 200"}, commit="3" * 40, run_id=3)
    other.wait_for("held by run 2")

    assert get(ended.outputs["candidate-url"] + "/greeting") == (200, {"greeting": "Goodbye, world!"})
    assert get(promoted.outputs["environment-url"] + "/greeting") == (200, {"greeting": "Hello, world!"})
    assert own_step(ended.outputs["candidate-url"], "Goodbye, world!") == 0
    assert own_step(ended.outputs["candidate-url"], "Hello, world!") != 0
    assert other.process.poll() is None

    second = runner.start({**PROMOTE, "candidate": ended.outputs["candidate"]}, commit="2" * 40, run_id=2)
    done = second.wait()
    assert (done.code, done.result, done.annotations) == (0, "promoted", ()), done.log
    assert (done.outputs["version"], done.outputs["previous-version"]) == ("2", "1")
    assert f"held, token {held}, acquired by an earlier step" in done.log
    # The promotion releases the lock, not the post step, so the other run continues.
    after = other.wait()
    assert (after.code, after.result) == (0, "unchanged"), after.log
    assert f"held, token {held + 1}" in after.log
    assert get(promoted.outputs["environment-url"] + "/greeting") == (200, {"greeting": "Goodbye, world!"})
    assert world.history() == [("", "1"), ("1", "2")]
    assert move(world, "preprod")["kind"] == "promotion"
    for step in (second, first):
        posted = runner.post(deploy, run_id=2, environ=step.saved)
        assert (posted.code, posted.log.strip()) == (0, ""), posted.log


def test_a_candidate_with_a_preview_endpoint_is_tested_while_others_deploy(
    runner: Runner, deploy: dict[str, str], world: World, promoted: Ended
) -> None:
    alone = {**deploy, "isolation": "version"}
    apis = len(world.apis())
    ours, ended = deployed(runner, {**alone, "lease": "7200"})
    assert (world.lock_owner(), len(world.apis())) == ("", apis + 1)
    edit(runner.workspace, "Goodbye", "Good evening")
    theirs, other = deployed(runner, alone, commit="3" * 40, run_id=3)
    assert [item["lease"] for item in world.records("endpoint") if item["sk"] in previews(world)] == [7200, 3600]
    assert own_step(ended.outputs["latest-url"], "Good evening, world!") == 0
    assert own_step(other.outputs["candidate-url"], "Good evening, world!") == 0
    assert own_step(ended.outputs["candidate-url"], "Goodbye, world!") == 0
    assert own_step(promoted.outputs["environment-url"], "Hello, world!") == 0

    done = runner.run({**PROMOTE, "candidate": ended.outputs["candidate"]}, commit="2" * 40, run_id=2)
    assert (done.result, world.alias_version(), world.lock_owner()) == ("promoted", "2", ""), done.log
    verdict = world.records("version")[1]["verdict"]
    assert [(check["kind"], check["outcome"]) for check in verdict["checks"]] == [("steps", "passed")]
    assert [key.split("#")[2] for key in previews(world)] == ["0000000003"]
    assert own_step(promoted.outputs["environment-url"], "Goodbye, world!") == 0
    # The candidate's permission was removed with its endpoint.
    with pytest.raises(world.function.exceptions.ResourceNotFoundException):
        world.function.get_policy(FunctionName=FUNCTION, Qualifier="2")
    assert runner.post(alone, run_id=2, environ=ours.saved).annotations == ()
    assert len(previews(world)) == 1

    posted = runner.post(alone, run_id=3, environ=theirs.saved)
    assert (posted.code, posted.annotations, world.alias_version()) == (0, (), "2"), posted.log
    assert (previews(world), len(world.apis())) == ([], apis)
    with pytest.raises(world.function.exceptions.ResourceNotFoundException):
        world.function.get_policy(FunctionName=FUNCTION, Qualifier="3")


@pytest.mark.parametrize("isolation", ["latest", "version"])
def test_a_job_that_ends_between_its_steps_gives_everything_back(
    runner: Runner, deploy: dict[str, str], world: World, promoted: Ended, isolation: str
) -> None:
    apis = len(world.apis())
    step, ended = deployed(runner, {**deploy, "isolation": isolation})
    assert own_step(ended.outputs["candidate-url"], "Hello, world!") != 0
    posted = runner.post(deploy, run_id=2, environ=step.saved)
    assert (posted.code, posted.annotations) == (0, ()), posted.log
    assert (world.lock_owner(), previews(world), len(world.apis())) == ("", [], apis)
    assert world.history() == [("", promoted.outputs["version"])]
    assert own_step(promoted.outputs["environment-url"], "Hello, world!") == 0


def test_what_the_steps_have_tested_is_unknown_after_an_external_change_of_latest(
    runner: Runner, deploy: dict[str, str], world: World, promoted: Ended
) -> None:
    _, ended = deployed(runner, deploy)
    assert world.records("lock")[0]["lease"] == 3600
    world.overwrite_latest(UNTESTED)
    blocked = runner.run({**PROMOTE, "candidate": ended.outputs["candidate"]}, commit="2" * 40, run_id=2)
    assert (blocked.code, blocked.result, len(blocked.errors)) == (1, "blocked", 1), blocked.log
    assert "$LATEST was changed externally" in blocked.errors[0].message
    assert world.records("version")[1]["verdict"]["outcome"] == "inconclusive"
    assert (world.alias_version(), world.lock_owner()) == (promoted.outputs["version"], "")


def test_further_checks_of_the_promoting_step_count(
    runner: Runner, deploy: dict[str, str], world: World, promoted: Ended
) -> None:
    """In both isolations. A failed check blocks the promotion although the steps have passed."""
    for run_id, isolation in ((2, "latest"), (3, "version")):
        step, ended = deployed(runner, {**deploy, "isolation": isolation}, run_id=run_id)
        given = {**PROMOTE, "candidate": ended.outputs["candidate"], "checks": "GET /nowhere 200"}
        blocked = runner.run(given, commit="2" * 40, run_id=run_id)
        assert (blocked.code, blocked.result) == (1, "blocked"), blocked.log
        assert (world.alias_version(), world.lock_owner()) == (promoted.outputs["version"], "")
        assert runner.post(deploy, run_id=run_id, environ=step.saved).code == 0
    assert (previews(world), len(world.apis())) == ([], 2)


def test_an_endpoint_that_is_gone_is_mended_before_the_jobs_steps_get_it(
    runner: Runner, deploy: dict[str, str], world: World, promoted: Ended
) -> None:
    gone = next(api for api in world.apis() if api in promoted.outputs["latest-url"])
    world.gateway.delete_api(ApiId=gone)
    _, ended = deployed(runner, deploy)
    assert own_step(ended.outputs["candidate-url"], "Goodbye, world!") == 0
    done = runner.run({**PROMOTE, "candidate": ended.outputs["candidate"]}, commit="2" * 40, run_id=2)
    assert (done.result, world.alias_version()) == ("promoted", "2"), done.log


# Invalid candidates


def test_a_candidate_counts_for_its_own_run_function_and_table_and_counts_once(
    runner: Runner, inputs: dict[str, str], deploy: dict[str, str], world: World, promoted: Ended
) -> None:
    other = runner.run({**inputs, "function-name": "other", "checks": "GET /health 200"}, commit="1" * 40, run_id=1)
    assert other.result == "promoted", other.log
    kept = runner.run({"command": "lock", "function-name": "other", "table": "another"}, run_id=1)
    assert kept.result == "locked", kept.log
    step, ended = deployed(runner, {**deploy, "isolation": "version"})
    version, digest, operation = ended.outputs["candidate"].split("@")
    before = world.items()
    candidate = {**PROMOTE, "candidate": ended.outputs["candidate"]}
    forged = "was not deployed for"
    wrong: list[tuple[dict[str, str], int, str]] = [
        ({"candidate": f"1@{digest}@{operation}"}, 2, forged),
        ({"candidate": f"{version}@{world.code_sha256('1')}@{operation}"}, 2, forged),
        ({"candidate": f"{version}@{digest}@{'0' * 12}"}, 2, forged),
        ({"function-name": "other"}, 2, forged),
        ({"table": "another"}, 2, forged),
        ({"table": "nowhere"}, 2, forged),
        ({}, 3, "only the steps of that run tested it"),
        ({"job-status": "failure"}, 2, "the candidate was not tested: the job's status is failure"),
        ({"job-status": "cancelled"}, 2, "the candidate was not tested: the job's status is cancelled"),
        ({"job-status": "Success"}, 2, "it is not known whether the job's steps have passed"),
        ({"job-status": ""}, 2, "the input job-status is empty"),
        ({"job-status": "failure", "dry-run": "true"}, 2, "the candidate was not tested"),
    ]
    world.account.forget()
    for different, run_id, reason in wrong:
        assert_refused(runner.run({**candidate, **different}, commit="2" * 40, run_id=run_id), reason)
    malformed = runner.run({**candidate, "candidate": f"{version}@{digest}"}, commit="2" * 40, run_id=2)
    assert (malformed.code, [error.title for error in malformed.errors]) == (1, ["Input candidate"]), malformed.log
    assert (writes(world.account), world.items()) == ([], before)

    # Another job, and another attempt of this one, have not run the steps that tested it.
    world.account.forget()
    elsewhere = runner.run(candidate, commit="2" * 40, run_id=2, environ={"GITHUB_JOB": "other"})
    assert_refused(elsewhere, "of job release, attempt 1, and only the steps of that job")
    assert_refused(runner.run(candidate, commit="2" * 40, run_id=2, attempt=2), "of job release, attempt 1")
    assert (writes(world.account), world.items()) == ([], before)

    again = runner.run(candidate, commit="2" * 40, run_id=2)
    assert (again.result, world.alias_version(), world.lock_owner()) == ("promoted", "2", ""), again.log
    assert_refused(runner.run(candidate, commit="2" * 40, run_id=2), "promoted already")
    assert_refused(runner.run({**candidate, "environment": "prod"}, commit="2" * 40, run_id=2), "promoted already")
    assert world.history()[-2:] == [("", promoted.outputs["version"]), ("1", "2")]
    assert runner.post(deploy, run_id=2, environ=step.saved).code == 0


@pytest.mark.parametrize("isolation", ["latest", "version"])
def test_a_candidate_counts_for_its_job_and_for_none_of_the_same_name(  # noqa: PLR0917 - fixtures
    runner: Runner, deploy: dict[str, str], world: World, promoted: Ended, isolation: str, tmp_path: Path
) -> None:
    """Jobs of a matrix, and calls of one reusable workflow, have the same run, attempt and name."""
    step, ended = deployed(runner, {**deploy, "isolation": isolation})
    other = make_runner(tmp_path / "other", world.account)
    candidate = {**PROMOTE, "candidate": ended.outputs["candidate"]}
    world.account.forget()
    assert_refused(other.run(candidate, commit="2" * 40, run_id=2), "of another job with the name release")
    assert (writes(world.account), world.alias_version()) == ([], promoted.outputs["version"])
    # If the steps of a job share only the folder of the command files, as under nektos/act.
    own = tmp_path / "own"
    own.mkdir()
    done = runner.run(candidate, commit="2" * 40, run_id=2, environ={"RUNNER_TEMP": str(own)})
    assert (done.result, world.alias_version(), world.lock_owner()) == ("promoted", "2", ""), done.log
    assert runner.post(deploy, run_id=2, environ=step.saved).code == 0


@pytest.mark.parametrize("isolation", ["latest", "version"])
def test_a_candidate_of_a_function_that_was_created_again_is_refused(
    runner: Runner, deploy: dict[str, str], world: World, promoted: Ended, isolation: str
) -> None:
    step, ended = deployed(runner, {**deploy, "isolation": isolation})
    world.function.delete_function(FunctionName=FUNCTION)
    world.create(UNTESTED, publishes=True)
    world.settle()
    candidate = {**PROMOTE, "candidate": ended.outputs["candidate"]}
    assert_refused(hurried(runner).run(candidate, commit="2" * 40, run_id=2), "is not the one that was deployed")
    untested_version(world)
    world.overwrite_latest(UNTESTED + "\n# 2")
    world.function.publish_version(FunctionName=FUNCTION)
    assert "2" in world.versions()
    assert_refused(hurried(runner).run(candidate, commit="2" * 40, run_id=2), "is not the one that was deployed")
    assert world.alias_version() == ""
    posted = runner.post(deploy, run_id=2, environ=step.saved)
    assert (posted.annotations, world.lock_owner(), previews(world)) == ((), "", []), posted.log
    assert promoted.outputs["version"] == "1"


# From one environment to the next


def test_the_next_environment_gets_what_the_one_before_it_serves(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    for given in (FROM_PREPROD, {**TO_PROD, "version": "1"}):
        planned = runner.run({**given, "dry-run": "true"}, run_id=5)
        assert (planned.code, planned.result) == (0, "planned"), planned.log
        assert "promote version 1" in planned.outputs["summary"]
    assert writes(world.account) == []

    done = runner.run(FROM_PREPROD, commit="9" * 40, run_id=5)
    assert (done.code, done.result, done.annotations) == (0, "promoted", ()), done.log
    assert (world.alias_version("prod"), world.versions(), world.lock_owner()) == ("1", ["1"], "")
    entry = move(world, "prod")
    # The environment has the commit that was built, not the one on which the workflow was started.
    assert (entry["commit"], entry["kind"], entry["by"]) == ("1" * 40, "promotion", "octocat")
    assert own_step(done.outputs["environment-url"], "Hello, world!") == 0
    # The job's status counts only for a candidate, which the job's own steps have tested.
    assert runner.run({**FROM_PREPROD, "job-status": "failure"}, commit="9" * 40, run_id=6).result == "unchanged"

    assert runner.run({**inputs, "checks": "GET /health 200"}, commit="2" * 40, run_id=7).result == "promoted"
    blocked = runner.run({**FROM_PREPROD, "checks": "GET /greeting 200 greeting == 'Hello, world!'"}, run_id=8)
    assert (blocked.code, blocked.result, len(blocked.errors)) == (1, "blocked", 1), blocked.log
    assert (world.alias_version("prod"), world.alias_version(), world.lock_owner()) == ("1", "2", "")
    # The earlier passed verdict stays valid.
    record = world.records("version")[1]
    assert (record["verdict"]["outcome"], record["passed"]["outcome"]) == ("failed", "passed")
    done = runner.run({**FROM_PREPROD, "checks": "GET /greeting 200 greeting == 'Goodbye, world!'"}, run_id=9)
    assert (done.result, world.alias_version("prod")) == ("promoted", "2"), done.log
    assert (previews(world), len(world.apis())) == ([], 3)
    assert len(world.history()) == 4
    assert promoted.outputs["version"] == "1"


def test_unverified_versions_are_not_promoted(runner: Runner, world: World, promoted: Ended) -> None:
    version = untested_version(world)
    reason = f"version {version} of hello has no passed verdict"
    assert_refused(runner.run({**TO_PROD, "version": version}, run_id=5), reason)
    assert_refused(runner.run({**TO_PROD, "version": "77"}, run_id=5), "version 77 of hello does not exist")
    assert_refused(runner.run({**TO_PROD, "from": "nowhere"}, run_id=5), "nowhere of hello serves nothing")
    world.function.create_alias(FunctionName=FUNCTION, Name="nightly", FunctionVersion="$LATEST")
    assert_refused(runner.run({**TO_PROD, "from": "nightly"}, run_id=5), "nightly of hello follows $LATEST")
    # Guarantee 1: what an environment serves counts as verified only while only this action moves its alias.
    for points_at, said in ((version, f"version {version} of hello"), ("$LATEST", "preprod of hello follows $LATEST")):
        world.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion=points_at)
        assert_refused(runner.run(FROM_PREPROD, run_id=5), said)
    without = runner.run({**TO_PROD, "version": version, "override": "true"}, run_id=5)
    assert (without.code, [error.title for error in without.errors]) == (1, ["Input reason"]), without.log
    assert (world.alias_version("prod"), len(world.records("version"))) == ("", 1)

    overriding = {**TO_PROD, "version": version, "override": "true", "reason": "the tests are down"}
    done = runner.run(overriding, run_id=5, environ={"GITHUB_TRIGGERING_ACTOR": "hubot"})
    assert (done.code, done.result, world.alias_version("prod")) == (0, "promoted", version), done.log
    entry = move(world, "prod")
    assert (entry["kind"], entry["reason"], entry["by"]) == ("override", "the tests are down", "hubot")
    # An override does not count as a passed verdict.
    assert "passed" not in world.records("version")[-1]
    assert_refused(runner.run({**TO_PROD, "environment": "stage", "from": "prod"}, run_id=6), reason)
    assert promoted.outputs["version"] == "1"


def test_the_history_decides_what_goes_backwards(runner: Runner, inputs: dict[str, str], world: World) -> None:
    workspace, commits = runner.workspace, []
    git(workspace, "init", "--quiet", "--initial-branch=main")
    for number in range(2):
        (workspace / "function" / "commit").write_text(str(number))
        commits.append(commit(workspace, str(number)))
    git(workspace, "checkout", "--quiet", commits[0])
    assert runner.run(inputs, commit=commits[0], run_id=1).result == "promoted"
    git(workspace, "checkout", "--quiet", commits[1])
    assert runner.run({**inputs, "environment": "prod"}, commit=commits[1], run_id=2).result == "promoted"
    world.account.forget()
    late = runner.run(FROM_PREPROD, commit=commits[1], run_id=3)
    assert (late.code, late.result, world.alias_version("prod")) == (0, "superseded", "2"), late.log
    assert commits[1][:10] in late.outputs["summary"]
    older = runner.run({**TO_PROD, "version": "1"}, commit=commits[1], run_id=3)
    assert_refused(older, "version 1 is older than what prod serves")
    assert "rollback" in older.errors[0].message
    for planned, word in ((FROM_PREPROD, "superseded"), ({**TO_PROD, "version": "1"}, "older")):
        dry = runner.run({**planned, "dry-run": "true"}, commit=commits[1], run_id=3)
        assert (dry.result, word in dry.outputs["summary"]) == ("planned", True), dry.outputs["summary"]
    assert "lambda.UpdateAlias" not in writes(world.account)
    assert (world.lock_owner(), len(world.history())) == ("", 2)


def test_an_older_version_does_not_go_backwards_either(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """The run that promotes is always the newest, so it does not show how old the version is."""
    assert runner.run({**inputs, "checks": "GET /health 200"}, commit="2" * 40, run_id=2).result == "promoted"
    older = runner.run({**PROMOTE, "version": "1"}, run_id=9)
    assert_refused(older, "version 1 is older than what preprod serves")
    assert "rollback" in older.errors[0].message
    assert (world.alias_version(), world.lock_owner(), promoted.outputs["version"]) == ("2", "", "1")


def test_a_deployment_in_a_dry_run_changes_nothing(
    runner: Runner, deploy: dict[str, str], world: World, promoted: Ended
) -> None:
    for isolation in ("latest", "version"):
        before = world.items()
        ended = runner.run({**deploy, "isolation": isolation, "dry-run": "true"}, commit="2" * 40, run_id=2)
        assert (ended.code, ended.result) == (0, "planned"), ended.log
        assert "deploy a candidate" in ended.outputs["summary"]
        assert (writes(world.account), world.items(), world.versions()) == ([], before, ["1"])
    assert promoted.result == "promoted"


@pytest.mark.timeout(300)
def test_a_promotion_from_an_environment_is_finished_after_a_crash_at_any_call(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    """Each killed step is followed by another one, to another environment each time."""
    number, is_killed = 0, True
    while is_killed:
        number += 1
        given = {**FROM_PREPROD, "environment": f"prod-{number}", "lease": "1", "endpoints": "none"}
        held = world.account.inject("hold-after", nth=number)
        started = runner.start(given, run_id=5, attempt=number)
        while not held.is_hit_within(0.1) and started.process.poll() is None:
            pass
        is_killed = held.hit
        if is_killed:
            started.kill()
        world.account.clear_faults()
        if not is_killed:
            assert started.wait().code == 0
        # The next run finishes the release that it finds.
        is_unfinished = any(item["sk"].endswith(f"#prod-{number}") for item in world.records("environment"))
        # On a busy machine, it could not renew such a short lease in time itself.
        ended = runner.run({**given, "lease": "30"}, run_id=6, attempt=number)
        expected = "unchanged" if is_unfinished else "promoted"
        assert (ended.code, ended.result) == (0, expected), f"call {number}:\n{ended.log}"
        served = next(item for item in world.records("environment") if item["sk"].endswith(f"#prod-{number}"))
        assert (world.alias_version(f"prod-{number}"), served["version"]) == ("1", "1")
        assert "pending" not in served
        entry = move(world, f"prod-{number}")
        assert (entry["previous"], entry["commit"], entry["kind"]) == ("", "1" * 40, "promotion")
        assert len(world.history()) == number + 1
        assert world.lock_owner() == ""
    assert number > 8
    assert (promoted.outputs["version"], inputs["environment"]) == ("1", "preprod")


@pytest.mark.parametrize(
    ("name", "value"), [("checks", "GET /health 200"), ("tests", "tests"), ("test-command", "curl $PROMOTE_URL")]
)
def test_a_candidate_without_an_endpoint_is_not_promoted_by_checks_that_need_one(
    runner: Runner, deploy: dict[str, str], world: World, name: str, value: str
) -> None:
    """It was deployed with ``endpoints: none``: the checks were dropped, and the candidate was promoted."""
    (runner.workspace / "tests").mkdir()
    other = {**deploy, "function-name": "bare", "endpoints": "none"}
    _, ended = deployed(runner, other)
    world.account.forget()
    candidate = {**PROMOTE, "function-name": "bare", "candidate": ended.outputs["candidate"]}
    refused = runner.run({**candidate, name: value}, commit="2" * 40, run_id=2)
    assert (refused.code, refused.result, len(refused.annotations)) == (1, "failed", 1), refused.log
    assert f"{name}: the candidate 1 has no endpoint" in refused.errors[0].message
    assert "Remove endpoints: none from that step" in refused.errors[0].message
    assert [call.name for call in world.account.calls() if call.name == "lambda.CreateAlias"] == []
    without_http = {"endpoints": "none", "test-command": '[ -z "$PROMOTE_URL" ]'}
    done = runner.run({**candidate, **without_http}, commit="2" * 40, run_id=2)
    assert (done.code, done.result) == (0, "promoted"), done.log
