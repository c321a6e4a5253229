"""The kit on the sandbox: every assumption holds there, and nothing is left, also after a crash."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.questions.registry import QUESTIONS
from sandbox.client import REGION, Account
from tests.runner import REPOSITORY
from tests.world import World

PREFIX = "try-1"
QUICK = ("--repeat", "1", "--watch", "0.2")
WITHOUT = ("new-code-image", "new-code-vpc", "image-version")
"""The questions that need an image or a VPC."""


@dataclass(frozen=True)
class Kit:
    """The kit of one account, as a user starts it."""

    account: Account
    folder: Path

    def start(self, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        given = {"--region": REGION, "--prefix": PREFIX, "--report": str(self.folder / "report.md")}
        options = [part for name, value in given.items() if name not in arguments for part in (name, value)]
        return subprocess.Popen(  # noqa: S603 - the tests' own arguments
            [sys.executable, "-m", "conformance", *options, *arguments],
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"], **(self.account.environ if environ is None else environ)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
        process = self.start(*arguments, environ=environ)
        output, _ = process.communicate(timeout=100)
        return process.returncode, output


@pytest.fixture
def kit(account: Account, tmp_path: Path) -> Kit:
    return Kit(account, tmp_path)


def inventory(world: World) -> set[str]:
    """Return everything in the account that the kit can make."""
    roles: Any = world.session.client("iam", endpoint_url=world.url)
    logs: Any = world.session.client("logs", endpoint_url=world.url)
    found = [function["FunctionName"] for function in world.function.list_functions()["Functions"]]
    found += world.table.list_tables()["TableNames"]
    found += [api["Name"] for api in world.gateway.get_apis()["Items"]]
    found += [role["RoleName"] for role in roles.list_roles()["Roles"]]
    return {*found, *(group["logGroupName"] for group in logs.describe_log_groups()["logGroups"])}


def add_others(world: World) -> set[str]:
    """Make what is not the kit's, with names like its own, and return the inventory."""
    world.create("", name=f"{PREFIX}-kit-other")
    world.table.create_table(
        TableName=f"{PREFIX}-kit-other",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        Tags=[{"Key": "promote-on-success-kit", "Value": "try-2"}],
    )
    world.gateway.create_api(Name=f"{PREFIX}-kit-others", ProtocolType="HTTP", Tags={"other": PREFIX})
    return inventory(world)


def test_every_assumption_holds_and_nothing_is_left(kit: Kit, world: World) -> None:
    before = inventory(world)
    code, output = kit.run(*QUICK)
    assert code == 0, output
    assert re.match(r"15 questions in us-east-1\. The cost is at most 0\.0\d USD\.", output)
    results = dict(re.findall(r"^([\w-]+): (holds|does not hold|could not be asked) \(", output, re.MULTILINE))
    assert results == {name: "could not be asked" if name in WITHOUT else "holds" for name in QUESTIONS}
    assert inventory(world) == before
    report = (kit.folder / "report.md").read_text(encoding="utf-8")
    assert kit.account.id not in report
    assert report.count("| holds |") == len(QUESTIONS) - len(WITHOUT)


@pytest.mark.parametrize("moment", ["lambda.CreateFunction", "apigatewayv2.CreateApi", "lambda.UpdateFunctionCode"])
def test_what_a_killed_run_has_left_is_removed_and_nothing_else(kit: Kit, world: World, moment: str) -> None:
    before = inventory(world)
    held = kit.account.inject("hold-after", moment)
    process = kit.start(*QUICK)
    held.wait_until_hit(30)
    process.kill()
    process.communicate()
    held.release()
    left = inventory(world)
    assert left > before
    code, output = kit.run(*QUICK)
    assert code == 2
    assert "an earlier run with the prefix try-1 has left" in output
    assert "--clean" in output
    assert inventory(world) == left
    others = add_others(world) - left
    code, output = kit.run("--clean")
    assert (code, output.count("\n")) == (0, 1), output
    assert inventory(world) == before | others
    assert kit.run("--clean") == (0, "Nothing carries the tag of this prefix.\n")


def test_a_function_that_aws_does_not_find_yet_is_removed(kit: Kit, world: World) -> None:
    moment = "lambda.CreateFunction"
    before = inventory(world)
    kit.account.inject("appears-late", moment, seconds=4)
    held = kit.account.inject("hold-after", moment)
    process = kit.start(*QUICK, "--only", "new-api")
    held.wait_until_hit(30)
    process.kill()
    process.communicate()
    held.release()
    assert inventory(world) > before
    code, output = kit.run("--clean")
    assert code == 0, output
    assert inventory(world) == before


@pytest.mark.parametrize("moment", ["logs.DeleteLogGroup", "lambda.DeleteFunction"])
def test_the_log_of_a_function_does_not_outlive_a_killed_removal(kit: Kit, world: World, moment: str) -> None:
    before = inventory(world)
    called = kit.account.inject("hold-after", "apigatewayv2.CreateApi")
    process = kit.start(*QUICK, "--only", "new-api")
    called.wait_until_hit(30)
    held = kit.account.inject("hold-after", moment)
    called.release()
    held.wait_until_hit(30)
    process.kill()
    process.communicate()
    held.release()
    code, output = kit.run("--clean")
    assert code == 0, output
    assert inventory(world) == before


def test_a_question_that_fails_does_not_change_the_answer_of_a_later_one(kit: Kit, world: World) -> None:
    before = inventory(world)
    given = denying(policy(kit.account), "lambda:DeleteFunctionConcurrency")
    code, output = kit.run(*QUICK, "--only", "revision-ids,new-api", environ=kit.account.assume(given))
    assert (code, "revision-ids: could not be asked" in output, "new-api: holds" in output) == (0, True, True), output
    assert inventory(world) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_cancelled_run_removes_everything(kit: Kit, world: World, number: signal.Signals) -> None:
    before = inventory(world)
    held = kit.account.inject("hold-after", "apigatewayv2.CreateApi", nth=2)
    process = kit.start(*QUICK, "--only", "new-api,two-writers")
    held.wait_until_hit(30)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, "The kit was cancelled." in output) == (130, True), output
    assert inventory(world) == before
    report = (kit.folder / "report.md").read_text(encoding="utf-8")
    assert ("- questions: 1 of 2" in report, "| `new-api` |" in report) == (True, True)
    assert output.index("assumption ") < output.index("The report is in")


def test_a_report_that_cannot_be_written_at_the_end_loses_no_answer(kit: Kit, world: World) -> None:
    before = inventory(world)
    held = kit.account.inject("hold-after", "apigatewayv2.CreateApi")
    process = kit.start(*QUICK, "--only", "new-api")
    held.wait_until_hit(30)
    (kit.folder / "report.md").mkdir()
    held.release()
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, "error: the report could not be written to" in output) == (2, True), output
    assert "The results are above." in output
    assert "new-api: holds" in output
    assert inventory(world) == before


def test_a_reader_that_leaves_stops_nothing(kit: Kit, world: World) -> None:
    before = inventory(world)
    process = kit.start(*QUICK, "--only", "new-api")
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert inventory(world) == before
    assert "| holds |" in (kit.folder / "report.md").read_text(encoding="utf-8")


def test_a_lost_response_leaves_nothing(kit: Kit, world: World) -> None:
    before = inventory(world)
    kit.account.inject("cut-after", "apigatewayv2.CreateApi", times=2)
    code, output = kit.run(*QUICK, "--only", "new-api")
    assert code == 0, output
    assert inventory(world) == before


def test_a_wait_for_a_new_role_is_shown(kit: Kit, world: World) -> None:
    before = inventory(world)
    text = "The role defined for the function cannot be assumed by Lambda."
    kit.account.inject(
        "error-before", "lambda.CreateFunction", status=400, code="InvalidParameterValueException", message=text
    )
    code, output = kit.run(*QUICK, "--only", "new-api")
    assert code == 0, output
    assert output.count("Lambda cannot use the function's role yet: repeating such calls") == 1
    assert inventory(world) == before


def test_what_does_not_hold_is_an_exit_code(kit: Kit, world: World) -> None:
    before = inventory(world)
    kit.account.inject("error-before", "execute-api.Invoke", nth=20, times=0, status=502)
    code, output = kit.run("--repeat", "1", "--watch", "1", "--only", "alias-under-load")
    assert (code, "alias-under-load: does not hold" in output) == (1, True), output
    assert inventory(world) == before


def policy(account: Account) -> dict[str, Any]:
    text = (REPOSITORY / "docs" / "kit-policy.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text.replace("123456789012", account.id).replace("eu-west-1", REGION))
    return found


def test_the_policy_of_the_documentation_is_enough(kit: Kit, world: World) -> None:
    before = inventory(world)
    code, output = kit.run(*QUICK, environ=kit.account.assume(policy(kit.account)))
    assert (code, output.count(": could not be asked (")) == (0, len(WITHOUT)), output
    assert inventory(world) == before


def with_role(account: Account, role: str) -> dict[str, Any]:
    """Return the policy for a caller who gives a role."""
    given = policy(account)
    given["Statement"] = [
        *(statement for statement in given["Statement"] if "iam:" not in str(statement["Action"])),
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role},
    ]
    return given


def denying(policy: dict[str, Any], *actions: str) -> dict[str, Any]:
    """Return the policy with a denial."""
    return {**policy, "Statement": [*policy["Statement"], {"Effect": "Deny", "Action": list(actions), "Resource": "*"}]}


def test_with_a_role_it_needs_no_permission_to_make_one(kit: Kit, world: World) -> None:
    before = inventory(world)
    role = f"arn:aws:iam::{kit.account.id}:role/mine"
    given = with_role(kit.account, role)
    code, output = kit.run(*QUICK, "--only", "new-api", "--role", role, environ=kit.account.assume(given))
    assert code == 0, output
    assert inventory(world) == before


def test_a_log_that_a_given_role_has_written_is_not_left_in_silence(kit: Kit, world: World) -> None:
    before = inventory(world)
    role = f"arn:aws:iam::{kit.account.id}:role/mine"
    given = denying(with_role(kit.account, role), "logs:DeleteLogGroup")
    code, output = kit.run(*QUICK, "--only", "new-api", "--role", role, environ=kit.account.assume(given))
    group = f"/aws/lambda/{PREFIX}-kit"
    assert code == 2, output
    assert f"NOT removed: function {PREFIX}-kit: it is deleted, but its log group {group} may be left" in output
    assert inventory(world) - before == {group}


def test_provisioned_concurrency_that_may_not_be_listed_does_not_keep_the_function(kit: Kit, world: World) -> None:
    before = inventory(world)
    given = denying(policy(kit.account), "lambda:ListProvisionedConcurrencyConfigs")
    code, output = kit.run(*QUICK, "--only", "new-api", environ=kit.account.assume(given))
    assert code == 0, output
    assert inventory(world) == before


@pytest.mark.parametrize(
    "missing",
    [
        "lambda:ListFunctions",
        "lambda:ListTags",
        "lambda:CreateFunction",
        "lambda:DeleteFunction",
        "lambda:TagResource",
        "iam:CreateRole",
        "iam:DeleteRole",
        "iam:DeleteRolePolicy",
        "iam:GetRole",
        "iam:ListRolePolicies",
        "iam:PutRolePolicy",
        "iam:PassRole",
        "dynamodb:DeleteTable",
        "dynamodb:ListTagsOfResource",
        "apigateway:DELETE",
        "apigateway:GET",
    ],
)
def test_without_a_permission_it_ends_in_one_line_and_leaves_nothing(kit: Kit, world: World, missing: str) -> None:
    before = inventory(world)
    code, output = kit.run(*QUICK, environ=kit.account.assume(denying(policy(kit.account), missing)))
    lines = [line for line in output.splitlines() if line.startswith("error:")]
    assert (code, len(lines)) == (2, 1), output
    assert missing in lines[0]
    assert "Traceback" not in output
    assert inventory(world) == before


CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.mark.parametrize(
    ("arguments", "without", "says"),
    [
        ((), CREDENTIALS, ["there are no AWS credentials", "AWS_PROFILE"]),
        (("--region", "eu-west-9"), (), ["region: 'eu-west-9' is not a valid region of Lambda", "Did you mean"]),
        (("--prefix", "Try 1"), (), ["prefix: 'Try 1' is not", "try-1"]),
        (("--report", "/nowhere/report.md"), (), ["report: the folder /nowhere does not exist"]),
        (("--report", "/proc/report.md"), (), ["report: /proc/report.md cannot be written"]),
        (("--report", "a" * 300), (), ["report: aaa", "cannot be written: File name too long", "Name another file."]),
    ],
    ids=["credentials", "region", "prefix", "folder", "report", "long-name"],
)
def test_bad_input_ends_in_one_line_before_anything_is_made(
    kit: Kit, world: World, arguments: tuple[str, ...], without: tuple[str, ...], says: list[str]
) -> None:
    environ = {name: value for name, value in kit.account.environ.items() if name not in without}
    code, output = kit.run(*QUICK, *arguments, environ={**environ, "HOME": str(kit.folder)})
    assert (code, output.count("\n")) == (2, 1), output
    assert output.startswith("error: ")
    assert all(text in output for text in says), output
    assert inventory(world) == set()


@pytest.mark.parametrize("name", [PREFIX, f"{PREFIX}-api"])
def test_a_prefix_that_is_not_free_is_refused(kit: Kit, world: World, name: str) -> None:
    world.create("", name=name)
    before = inventory(world)
    code, output = kit.run(*QUICK)
    refusal = f"error: the function {name} exists, so the prefix {PREFIX} is not free."
    assert (code, output) == (2, f"{refusal} Choose another prefix. Nothing was made.\n")
    assert inventory(world) == before


def test_a_profile_that_does_not_exist_is_one_line(kit: Kit) -> None:
    started = time.monotonic()
    environ = {"AWS_PROFILE": "nobody", "HOME": str(kit.folder), "AWS_EC2_METADATA_DISABLED": "true"}
    code, output = kit.run(*QUICK, environ=environ)
    assert (code, output.count("\n")) == (2, 1), output
    assert "nobody" in output
    assert time.monotonic() - started < 30
