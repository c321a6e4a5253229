"""``run`` as users see it: what is promoted, what is blocked, and what does not change."""

import json
import os
import re

import pytest

from benchmarks.chain import assigned, calls_in, in_turn, longest
from promote.aws.archive import pack
from tests.runner import Runner, edit
from tests.world import FUNCTION, World, archive, get

pytestmark = pytest.mark.usefixtures("history")

BROKEN = ('"status": "ok"', '"status": "broken"')


def test_a_first_commit_makes_everything_and_is_promoted(runner: Runner, inputs: dict[str, str], world: World) -> None:
    ended = runner.run(inputs)
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (0, "promoted", "true"), ended.log
    assert not ended.annotations
    assert ended.outputs["version"] == world.alias_version() == "1"
    assert ended.outputs["previous-version"] == ""
    assert ended.outputs["code-sha256"] == world.code_sha256("1")
    assert ended.outputs["candidate"] == f"1@{world.code_sha256('1')}"
    assert ended.outputs["summary"]
    assert get(ended.outputs["environment-url"] + "/health") == (200, {"status": "ok"})
    assert get(ended.outputs["latest-url"] + "/health") == (200, {"status": "ok"})
    assert len(world.apis()) == 2
    assert world.history() == [("", "1")]
    assert world.records("promotion")[0]["by"] == ""  # a push promotes it, and no person who decides
    assert world.lock_owner() == ""
    assert "preprod" in ended.summary


def test_a_broken_commit_is_blocked_and_its_fix_promoted(runner: Runner, inputs: dict[str, str], world: World) -> None:
    first = runner.run(inputs, commit="1" * 40, run_id=1)
    edit(runner.workspace, *BROKEN)
    blocked = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (blocked.code, blocked.result, blocked.outputs["promoted"]) == (1, "blocked", "false")
    assert len(blocked.errors) == 1
    assert "keeps serving version 1" in blocked.errors[0].message
    assert f"The broken build is still at {first.outputs['latest-url']}." in blocked.errors[0].message
    assert get(first.outputs["environment-url"] + "/health") == (200, {"status": "ok"})
    assert get(first.outputs["latest-url"] + "/health") == (200, {"status": "broken"})
    verdicts = [(record["version"], record["verdict"]["outcome"]) for record in world.records("version")]
    assert verdicts == [("1", "passed"), ("2", "failed")]

    edit(runner.workspace, *reversed(BROKEN))
    (runner.workspace / "function" / "NOTES").write_text("fixed")
    fixed = runner.run(inputs, commit="3" * 40, run_id=3)
    assert (fixed.code, fixed.result) == (0, "promoted")
    assert (fixed.outputs["previous-version"], fixed.outputs["version"]) == ("1", "3")
    assert world.history() == [("", "1"), ("1", "3")]
    assert world.lock_owner() == ""


def test_nothing_changed_leaves_nothing_new(runner: Runner, inputs: dict[str, str], world: World) -> None:
    runner.run(inputs)
    before, apis = world.items(), world.apis()
    alias = world.function.get_alias(FunctionName=FUNCTION, Name="preprod")
    world.account.forget()
    again = runner.run(inputs)
    assert (again.code, again.result, again.outputs["promoted"]) == (0, "unchanged", "false")
    assert again.outputs["version"] == "1"
    assert world.versions() == ["1"]
    assert world.apis() == apis
    assert world.function.get_alias(FunctionName=FUNCTION, Name="preprod")["RevisionId"] == alias["RevisionId"]
    # Only the lock's token has grown.
    assert [item for item in world.items() if item["sk"] != "lock"] == [item for item in before if item["sk"] != "lock"]
    writes = [
        call.name for call in world.account.calls() if not call.operation.startswith(("Get", "List", "Query", "Invoke"))
    ]
    assert writes[:2] == ["dynamodb.UpdateItem", "dynamodb.UpdateItem"]  # the lock, acquired and released


def test_a_later_commit_with_the_same_code_is_unchanged_and_remembered(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    runner.run(inputs, commit="1" * 40, run_id=1)
    later = runner.run(inputs, commit="2" * 40, run_id=2)
    assert (later.code, later.result) == (0, "unchanged")
    assert world.versions() == ["1"]
    assert world.history() == [("", "1")]
    assert world.records("environment")[0]["commit"] == "2" * 40
    # The older commit arrives late, with other code. It must not undo the later one.
    edit(runner.workspace, "Hello, ", "Hi, ")
    late = runner.run({**inputs, "checks": "GET /health"}, commit="1" * 40, run_id=1)
    assert (late.code, late.result, world.alias_version()) == (0, "superseded", "1")


def test_changed_checks_are_run_though_the_code_is_the_same(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    runner.run(inputs)
    stricter = runner.run({**inputs, "checks": "GET /nothing-is-here 200"}, commit="d" * 40, run_id=2000)
    assert (stricter.code, stricter.result) == (1, "blocked")
    assert world.alias_version() == "1"
    passing = runner.run({**inputs, "checks": "GET /health"}, commit="d" * 40, run_id=2000, attempt=2)
    assert (passing.code, passing.result) == (0, "unchanged")
    world.account.forget()
    again = runner.run({**inputs, "checks": "GET /health"}, commit="d" * 40, run_id=2000, attempt=3)
    assert again.result == "unchanged"
    assert "lambda.UpdateAlias" not in [call.name for call in world.account.calls()]


def test_steady_state_takes_13_calls_and_no_more_in_turn_than_need_each_other(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    """Every call takes so long that calls which could be concurrent show when they are not."""
    one_check = {**inputs, "checks": "GET /health 200 status == 'ok'"}
    runner.run(one_check, commit="1" * 40, run_id=1)
    edit(runner.workspace, "Hello, ", "Hi, ")
    world.account.forget()
    for service in ("lambda", "dynamodb"):
        world.account.inject("latency", f"{service}.*", times=0, seconds=0.3)
    assert runner.run(one_check, commit="2" * 40, run_id=2).result == "promoted"
    calls = world.account.calls()
    steps = assigned(calls)  # no call came before what it needs, and every call is needed
    names = sorted(call.name for call in calls if call.service != "execute-api")
    polls = names.count("lambda.GetFunctionConfiguration")
    assert 4 <= polls <= 5, polls  # the start, $LATEST before and after the checks, the version until it is ready
    assert [name for name in names if name != "lambda.GetFunctionConfiguration"] == [
        "dynamodb.PutItem",  # the candidate
        "dynamodb.PutItem",  # the release notes
        "dynamodb.Query",  # what is known
        "dynamodb.TransactWriteItems",  # the verdict, and the release that begins
        "dynamodb.TransactWriteItems",  # the promotion, what is served now, and the release of the lock
        "dynamodb.UpdateItem",  # the lock
        "lambda.ListAliases",
        "lambda.UpdateAlias",
        "lambda.UpdateFunctionCode",
    ]
    repeated = len(steps["see the version active"]) - 1
    assert len(names) == 13 + repeated
    assert calls_in(longest()) == 10
    # The request to the environment's endpoint takes as long as the check, which takes less time than a call here.
    beside = steps["ask the environment"][0]
    assert in_turn([call for call in calls if call != beside]) == len(longest()) + repeated


def test_the_version_and_latest_are_waited_for_side_by_side(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    runner.run(inputs, commit="1" * 40, run_id=1)
    (runner.workspace / "function" / "commit").write_text("2")
    # The first is the read at the beginning: of the next two, neither waits for the other's response.
    first = world.account.inject("hold-before", "lambda.GetFunctionConfiguration", nth=2)
    second = world.account.inject("hold-before", "lambda.GetFunctionConfiguration", nth=3)
    run = runner.start(inputs, commit="2" * 40, run_id=2)
    first.wait_until_hit(60)
    second.wait_until_hit(60)
    first.release()
    second.release()
    ended = run.wait()
    assert ended.result == "promoted", ended.log


def test_dry_run_says_what_would_be_and_writes_nothing(runner: Runner, inputs: dict[str, str], world: World) -> None:
    planned = runner.run({**inputs, "dry-run": "true"})
    assert (planned.code, planned.result, planned.outputs["promoted"]) == (0, "planned", "false"), planned.log
    assert world.items() == []
    runner.run(inputs)
    edit(runner.workspace, "Hello, ", "Hi, ")
    before = world.items()
    world.account.forget()
    planned = runner.run(
        {**inputs, "dry-run": "true", "memory-size": "512", "environment-variables": '{"COLOUR": "red"}'}
    )
    assert (planned.code, planned.result) == (0, "planned")
    assert "memory-size: 128 → 512" in planned.log
    assert "environment-variables: COLOUR" in planned.log
    assert "code:" in planned.log
    assert "red" not in planned.log + planned.summary
    assert {call.operation[:3] for call in world.account.calls()} <= {"Get", "Lis", "Que"}
    assert world.items() == before
    nothing = runner.run({**inputs, "dry-run": "true", "artifact": ""})
    assert "nothing would change" in nothing.log


def test_configuration_is_merged_and_never_wiped(runner: Runner, inputs: dict[str, str], world: World) -> None:
    runner.run({**inputs, "environment-variables": '{"COLOUR": "red", "SIZE": "L"}', "timeout": "7"})
    (runner.workspace / "function" / "other.py").write_text("from app import handler\n")
    changed = {
        **inputs,
        "environment-variables": '{"COLOUR": "blue"}',
        "memory-size": "256",
        "handler": "other.handler",
        "runtime": "python3.12",
        "role": inputs["role"] + "-2",
    }
    ended = runner.run(changed, commit="d" * 40, run_id=2000)
    assert ended.result == "promoted", ended.log
    version = world.function.get_function_configuration(FunctionName=FUNCTION, Qualifier="2")
    assert version["Environment"]["Variables"] == {"COLOUR": "blue", "SIZE": "L"}
    assert (version["MemorySize"], version["Timeout"]) == (256, 7)
    assert (version["Handler"], version["Runtime"], version["Role"]) == tuple(
        changed[name] for name in ("handler", "runtime", "role")
    )
    bare = {name: value for name, value in inputs.items() if name not in ("handler", "runtime", "role")}
    world.account.forget()
    unchanged = runner.run(bare, commit="d" * 40, run_id=2000, attempt=2)
    assert unchanged.result == "unchanged"
    assert "lambda.UpdateFunctionConfiguration" not in [call.name for call in world.account.calls()]


def test_what_another_tool_has_put_into_latest_is_adopted(runner: Runner, inputs: dict[str, str], world: World) -> None:
    runner.run(inputs)
    source = (runner.workspace / "function" / "app.py").read_text() + "\n# by another tool\n"
    world.overwrite_latest(source)
    sha256 = world.code_sha256()
    ended = runner.run({**inputs, "artifact": ""}, commit="d" * 40, run_id=2000)
    assert (ended.code, ended.result, ended.outputs["version"]) == (0, "promoted", "2"), ended.log
    assert ended.outputs["code-sha256"] == sha256 == world.code_sha256("preprod")


def test_code_from_a_zip_and_from_s3_is_the_same_code(runner: Runner, inputs: dict[str, str], world: World) -> None:
    runner.run(inputs)
    packed = runner.workspace / "function.zip"
    pack(runner.workspace / "function", packed, runner.workspace)
    assert runner.run({**inputs, "artifact": "function.zip"}).result == "unchanged"
    storage = world.session.client("s3", endpoint_url=world.url)
    bucket = f"builds-{world.account.id}"
    storage.create_bucket(Bucket=bucket)
    storage.put_object(Bucket=bucket, Key="hello/1.zip", Body=packed.read_bytes())
    assert runner.run({**inputs, "artifact": f"s3://{bucket}/hello/1.zip"}).result == "unchanged"
    newer = archive({"app.py": (runner.workspace / "function" / "app.py").read_text() + "\n# newer\n"})
    storage.put_object(Bucket=bucket, Key="hello/2.zip", Body=newer)
    ended = runner.run({**inputs, "artifact": f"s3://{bucket}/hello/2.zip"}, commit="d" * 40, run_id=2000)
    assert (ended.result, world.alias_version()) == ("promoted", "2"), ended.log


def test_file_times_do_not_matter(runner: Runner, inputs: dict[str, str], world: World) -> None:
    runner.run(inputs)
    os.utime(runner.workspace / "function" / "app.py", (1, 1_000_000_000))
    assert runner.run(inputs).result == "unchanged"
    assert world.versions() == ["1"]


def test_an_image_is_deployed(runner: Runner, inputs: dict[str, str], world: World) -> None:
    # The sandbox runs images only with Docker, so the event fails in any case. What counts is what Lambda received.
    world.account.inject("error-before", "lambda.Invoke", times=0, status=502, code="ENILimitReachedException")
    (runner.workspace / "event.json").write_text("{}")
    image = f"{world.account.id}.dkr.ecr.us-east-1.amazonaws.com/hello@sha256:{'a' * 64}"
    wanted = {
        "function-name": FUNCTION,
        "environment": "preprod",
        "artifact": image,
        "role": inputs["role"],
        "endpoints": "none",
        "invoke": "event.json",
    }
    ended = runner.run(wanted)
    found = world.function.get_function(FunctionName=FUNCTION)
    assert (found["Configuration"]["PackageType"], found["Code"]["ImageUri"]) == ("Image", image)
    assert world.versions() == ["1"]
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert world.records("version")[0]["verdict"]["outcome"] == "inconclusive"


def test_events_verify_a_function_without_http(runner: Runner, inputs: dict[str, str], world: World) -> None:
    event = {"rawPath": "/health", "requestContext": {}}
    (runner.workspace / "event.json").write_text(json.dumps(event))
    without_http = {**inputs, "endpoints": "none", "checks": "", "invoke": "event.json statusCode == `200`"}
    ended = runner.run(without_http)
    assert (ended.code, ended.result, ended.outputs["environment-url"]) == (0, "promoted", ""), ended.log
    assert world.apis() == []
    edit(runner.workspace, 'path = event["rawPath"]', 'raise RuntimeError("no")')
    blocked = runner.run(without_http, commit="d" * 40, run_id=2000)
    assert (blocked.code, blocked.result, world.alias_version()) == (1, "blocked", "1")


def test_without_endpoints_no_command_makes_one_and_a_script_gets_no_url(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    script = {"checks": "", "test-command": '[ -z "$PROMOTE_URL" ]'}
    without_http = {**inputs, **script, "endpoints": "none"}
    bare = {name: without_http[name] for name in ("function-name", "environment", "endpoints", "github-deployments")}
    onward = {**bare, "command": "promote", "from": "preprod", "environment": "prod"}
    steps: dict[str, tuple[dict[str, str], str]] = {
        "1": (without_http, "promoted"),
        "2": ({**without_http, "isolation": "version"}, "promoted"),
        "3": ({**onward, "test-command": script["test-command"]}, "promoted"),
        "4": ({**bare, "command": "rollback"}, "rolled-back"),
        "5": ({**without_http, "command": "deploy", "test-command": "", "isolation": "latest"}, "deployed"),
    }
    for text, (given, result) in steps.items():
        (runner.workspace / "function" / "commit").write_text(text)
        ended = runner.run(given, commit=text * 40, run_id=int(text))
        assert (ended.code, ended.result, ended.outputs["environment-url"]) == (0, result, ""), ended.log
    assert "apigatewayv2" not in {call.service for call in world.account.calls()}
    runner.finish()
    # With endpoints, the same script gets a URL in both isolations.
    for isolation in ("latest", "version"):
        ended = runner.run({**inputs, **script, "isolation": isolation}, commit="6" * 40, run_id=6)
        assert (ended.code, ended.result, world.alias_version()) == (1, "blocked", "1"), ended.log


def test_an_endpoint_is_created_only_if_something_needs_a_url(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    (runner.workspace / "event.json").write_text(json.dumps({"rawPath": "/health"}))
    invoking = {**inputs, "checks": "", "invoke": "event.json statusCode == `200`"}
    onward = {name: inputs[name] for name in ("function-name", "github-deployments")}
    onward |= {"command": "promote", "from": "preprod", "environment": "prod"}
    for number, given in enumerate([invoking, {**invoking, "isolation": "version"}, onward], start=1):
        (runner.workspace / "function" / "commit").write_text(str(number))
        ended = runner.run(given, commit=str(number) * 40, run_id=number)
        assert (ended.result, ended.outputs["environment-url"]) == ("promoted", ""), ended.log
        assert "public" not in ended.log
    assert "apigatewayv2" not in {call.service for call in world.account.calls()}
    # A check needs one. From then on, each environment of the function has one, also if nothing else needs it.
    ended = runner.run(inputs, commit="4" * 40, run_id=4)
    assert "making the public endpoint of latest: anybody who knows its URL can call the function" in ended.log
    assert get(ended.outputs["environment-url"] + "/health") == (200, {"status": "ok"})
    ended = runner.run(onward, commit="4" * 40, run_id=5)
    assert get(ended.outputs["environment-url"] + "/health") == (200, {"status": "ok"})


def test_an_endpoint_that_was_created_while_a_run_waited_is_known_to_it(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    (runner.workspace / "event.json").write_text(json.dumps({"rawPath": "/health"}))
    invoking = {**inputs, "checks": "", "invoke": "event.json statusCode == `200`"}
    assert runner.run(invoking, commit="1" * 40, run_id=1).outputs["environment-url"] == ""
    assert runner.run({"function-name": FUNCTION, "command": "lock"}, run_id=2).result == "locked"
    (runner.workspace / "function" / "commit").write_text("3")
    waiting = runner.start(invoking, commit="3" * 40, run_id=3)
    waiting.wait_for("next in the queue")
    (runner.workspace / "function" / "commit").write_text("2")
    made = runner.run(inputs, commit="2" * 40, run_id=2)
    assert made.outputs["environment-url"]
    runner.finish()
    ended = waiting.wait()
    assert ended.result == "promoted", ended.log
    assert ended.outputs["environment-url"] == made.outputs["environment-url"]
    assert world.alias_version() == "3"


@pytest.mark.parametrize("gone", ["latest", "preprod"])
def test_an_endpoint_that_was_deleted_is_created_again(
    runner: Runner, inputs: dict[str, str], world: World, gone: str
) -> None:
    first = runner.run(inputs)
    url = first.outputs["latest-url" if gone == "latest" else "environment-url"]
    found = re.search(r"execute-api/(\w+)/", url)
    assert found
    world.gateway.delete_api(ApiId=found[1])
    again = runner.run(inputs)
    assert (again.code, again.result) == (0, "unchanged"), again.log
    assert get(again.outputs["environment-url"] + "/health") == (200, {"status": "ok"})
    assert get(again.outputs["latest-url"] + "/health") == (200, {"status": "ok"})
    assert len(world.apis()) == 2
    assert world.records("environment")[0]["endpoint"]["api_id"] in again.outputs["environment-url"]
    world.account.forget()
    assert runner.run(inputs).result == "unchanged"
    assert "apigatewayv2" not in {call.service for call in world.account.calls()}


def test_an_endpoint_deleted_before_a_new_commit_does_not_block_it(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    runner.run(inputs)
    for api in world.apis():
        world.gateway.delete_api(ApiId=api)
    (runner.workspace / "function" / "NEW").touch()
    ended = runner.run(inputs, commit="d" * 40, run_id=2000)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert get(ended.outputs["environment-url"] + "/health") == (200, {"status": "ok"})


def test_a_permission_that_was_removed_is_added_again(runner: Runner, inputs: dict[str, str], world: World) -> None:
    runner.run(inputs)
    for qualifier in ({}, {"Qualifier": "preprod"}):
        policy = json.loads(world.function.get_policy(FunctionName=FUNCTION, **qualifier)["Policy"])
        for statement in policy["Statement"]:
            world.function.remove_permission(FunctionName=FUNCTION, StatementId=statement["Sid"], **qualifier)
    (runner.workspace / "function" / "NEW").touch()
    ended = runner.run(inputs, commit="d" * 40, run_id=2000)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert get(ended.outputs["environment-url"] + "/health") == (200, {"status": "ok"})


def test_endpoints_are_mapped_to_a_custom_domain(runner: Runner, inputs: dict[str, str], world: World) -> None:
    world.gateway.create_domain_name(
        DomainName="api.example.com",
        DomainNameConfigurations=[{"CertificateArn": f"arn:aws:acm:us-east-1:{world.account.id}:certificate/1"}],
    )
    mapped = {**inputs, "domain-name": "api.example.com", "base-path": "application-name"}
    ended = runner.run(mapped)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert ended.outputs["latest-url"] == "https://api.example.com/application-name/latest"
    assert ended.outputs["environment-url"] == "https://api.example.com/application-name/preprod"
    assert get(f"{world.url}/application-name/preprod/health", {"Host": "api.example.com"}) == (200, {"status": "ok"})
    world.account.forget()
    assert runner.run(mapped).result == "unchanged"
    assert "apigatewayv2" not in {call.service for call in world.account.calls()}
    bare = runner.run({**inputs, "domain-name": "api.example.com"})
    assert bare.outputs["environment-url"] == "https://api.example.com/preprod", bare.log
    assert get(f"{world.url}/preprod/health", {"Host": "api.example.com"}) == (200, {"status": "ok"})
    moved = runner.run(inputs)
    assert moved.outputs["environment-url"].startswith(world.url)


def test_gateways_of_the_users_own_are_used_and_not_touched(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    first = runner.run(inputs)
    own = {**inputs, "latest-url": first.outputs["latest-url"], "environment-url": "https://www.example.com/hello"}
    (runner.workspace / "function" / "NEW").touch()
    world.account.forget()
    ended = runner.run(own, commit="d" * 40, run_id=2000)
    assert (ended.result, ended.outputs["environment-url"]) == ("promoted", "https://www.example.com/hello")
    assert "apigatewayv2" not in {call.service for call in world.account.calls()}


def test_two_environments_have_one_latest_and_an_endpoint_each(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    preprod = runner.run(inputs)
    prod = runner.run({**inputs, "environment": "prod"})
    assert (prod.code, prod.result, prod.outputs["version"]) == (0, "promoted", "1"), prod.log
    assert prod.outputs["latest-url"] == preprod.outputs["latest-url"]
    assert len(world.apis()) == 3


def test_outside_a_runner_it_works_without_the_runners_files(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    nothing = (
        "GITHUB_OUTPUT",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_SHA",
        "GITHUB_RUN_ID",
        "GITHUB_REPOSITORY",
        "RUNNER_TEMP",
    )
    # The environment has another region.
    given = {**inputs, "commit": "c" * 40, "aws-region": world.account.environ["AWS_REGION"]}
    environ = {**dict.fromkeys(nothing), "AWS_REGION": "eu-central-1"}
    first = runner.run(given, environ=environ)
    assert first.code == 0, first.log
    assert world.records("environment")[0]["commit"] == "c" * 40
    assert world.function.get_function_configuration(FunctionName=FUNCTION)
    again = runner.run(given, environ=environ)
    assert "unchanged" in again.log


def test_a_secret_that_the_function_repeats_is_not_shown(runner: Runner, inputs: dict[str, str], world: World) -> None:
    runner.run(inputs)
    edit(runner.workspace, '{"status": "ok"}', '{"status": __import__("os").environ["KEY"] + "x" * 3000}')
    ended = runner.run(
        {**inputs, "environment-variables": '{"KEY": "correct-horse", "STAGE": "preprod"}'},
        commit="d" * 40,
        run_id=2000,
    )
    assert (ended.result, world.alias_version()) == ("blocked", "1")
    everything = ended.log + ended.summary + repr(ended.outputs)
    assert "***" in everything
    assert "correct-horse" not in everything
    # Values of variables are not secret in our own inputs.
    assert "preprod of hello" in ended.outputs["summary"]


def test_a_gateways_own_404_is_not_a_response_of_the_function(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    only_404 = {**inputs, "checks": "GET /nowhere 404"}
    runner.run(only_404)
    for api in world.apis():
        world.gateway.delete_api(ApiId=api)
    edit(runner.workspace, "answer(404", "answer(500")
    ended = runner.run(only_404, commit="d" * 40, run_id=2000)
    assert (ended.code, ended.result, world.alias_version()) == (1, "blocked", "1"), ended.log
