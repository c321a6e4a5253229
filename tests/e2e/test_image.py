"""The image, as a runner starts it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from promote.aws.clients import SERVICES
from sandbox.client import Account
from tests.corpus import TEXTS, assert_harmless_log, assert_harmless_summary
from tests.repository import commit, git, line
from tests.runner import ContainerRunner, Started, docker, edit
from tests.world import World, get

BASE = "python:3.13-slim-trixie"
PYTHON = "/opt/promote/bin/python"

ASK_WITH_EVERY_CLIENT = """
import os
from functools import cached_property
from botocore.exceptions import ClientError
from promote.aws.clients import SERVICES, Clients

clients = Clients("eu-west-1", os.environ)
clients.require_runtime("python3.13")
made = {
    name: getattr(clients, name)
    for name, member in vars(Clients).items()
    if isinstance(member, cached_property) and not name.startswith("_")
}
of_ours = {client.meta.service_model.service_name for client in made.values()}
made |= {service: clients._session.client(service) for service in SERVICES - of_ours}
ask = {
    "function": lambda client: client.list_functions(),
    "informer": lambda client: client.list_functions(),
    "invoker": lambda client: client.invoke(FunctionName="missing"),
    "table": lambda client: client.list_tables(),
    "gateway": lambda client: client.get_apis(),
    "gateway_without_retries": lambda client: client.get_apis(),
    "storage": lambda client: client.list_buckets(),
    "sts": lambda client: client.get_caller_identity(),
    "sso": lambda client: client.get_role_credentials(roleName="a", accountId="123456789012", accessToken="b"),
    "sso-oidc": lambda client: client.create_token(clientId="a", clientSecret="b", grantType="refresh_token"),
    "signin": lambda client: client.create_o_auth2_token(tokenInput={"clientId": "a", "grantType": "refresh_token"}),
}
for name, client in made.items():
    try:
        ask[name](client)
        answer = "answered"
    except ClientError as error:
        answer = error.response["Error"]["Code"]
    print(name, answer)
"""

LIST_WHAT_IS_THERE = """
import os, sysconfig
packages = sysconfig.get_path("purelib")
print(*os.listdir(packages))
print(*(entry.name for entry in os.scandir(f"{packages}/botocore/data") if entry.is_dir()))
print(*os.listdir(sysconfig.get_path("scripts")))
print(*(path for path in ("/build", "/root/.cache") if os.path.exists(path)), *os.listdir("/tmp"))
"""


SMOKE = """
import requests

def test_health(base_url):
    assert requests.get(base_url + "/health", timeout=10).json() == {"status": "ok"}
"""


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def ask_docker(*arguments: str) -> str:
    return subprocess.run([docker(), *arguments], check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own


def test_first_promotion(runner: ContainerRunner, inputs: dict[str, str], world: World) -> None:
    before = files(runner.workspace)
    ended = runner.run(inputs)
    assert ended.code == 0, ended.log
    assert ended.result == "promoted"
    assert ended.outputs["version"] == world.alias_version() == "1"
    assert get(f"{ended.outputs['environment-url']}/health") == (200, {"status": "ok"})
    assert "preprod" in ended.summary
    assert files(runner.workspace) == before


def test_blocked(runner: ContainerRunner, inputs: dict[str, str], world: World) -> None:
    ended = runner.run({**inputs, "checks": "GET /health 200 status == 'better'"})
    assert ended.code == 1, ended.log
    assert ended.result == "blocked"
    assert len(ended.errors) == 1
    assert ended.outputs["version"] == "1"
    assert world.alias_version() == ""


PEEK = """
for name in environ mem maps fd/1; do
  if head -c 1 "/proc/1/$name"; then echo "$name can be read"; fi
done
for file in /github/file_commands/*; do echo forged=1 >>"$file"; done
"""


def test_what_tests_can_neither_read_nor_write(runner: ContainerRunner, inputs: dict[str, str]) -> None:
    ended = runner.run({**inputs, "test-command": PEEK})
    assert ended.result == "promoted", ended.log
    assert ended.log.count("Permission denied") == 4
    assert "can be read" not in ended.log
    assert "forged" not in {*ended.outputs, *ended.state}
    assert "forged" not in ended.summary


def test_bad_input(runner: ContainerRunner, inputs: dict[str, str], account: Account) -> None:
    ended = runner.run({**inputs, "function-name": ""})
    assert ended.code == 1, ended.log
    assert [error.title for error in ended.errors] == ["Input function-name"]
    assert account.calls() == []


def test_the_job_does_not_decide_what_is_imported_or_run(runner: ContainerRunner, inputs: dict[str, str]) -> None:
    for module in ("json", "os", "sitecustomize", "usercustomize", "boto3", "promote", "promote/action"):
        file = runner.workspace / f"{module}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text("raise SystemExit('imported from the workspace')\n")
    (runner.workspace / "promote" / "__init__.py").write_text("raise SystemExit('imported from the workspace')\n")
    for program in ("python", "python3", "git", "sh"):
        file = runner.workspace / "bin" / program
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\nexit 66\n")
        file.chmod(0o755)
    hostile = {
        "PATH": "/github/workspace/bin",
        "PYTHONPATH": "/github/workspace",
        "PYTHONHOME": "/github/workspace",
        "PYTHONSTARTUP": "/github/workspace/json.py",
        "PYTHONUSERBASE": "/github/workspace",
    }
    ended = runner.run(inputs, environ=hostile)
    assert ended.code == 0, ended.log
    assert ended.result == "promoted"


MOMENTS = [
    ("hold-before", "lambda.UpdateFunctionCode", 1),  # it deploys
    ("hold-before", "lambda.GetFunctionConfiguration", 2),  # it waits for the new version
    ("hold-before", "execute-api.Invoke", 1),  # it verifies
    ("hold-before", "lambda.UpdateAlias", 1),  # it promotes
]


def test_cancelled_at_any_moment(
    runner: ContainerRunner, inputs: dict[str, str], account: Account, world: World
) -> None:
    """With SIGINT to Docker's client, as the runner does. 7.5 s later it would send SIGTERM, 2.5 s later SIGKILL."""

    def cancel(started: Started, version: str) -> None:
        started.process.send_signal(signal.SIGINT)
        ended = started.wait(timeout=7.5)
        assert (ended.code, ended.result) == (1, "failed"), ended.log
        assert [error.title for error in ended.errors] == ["Cancelled"]
        assert world.alias_version() == version
        account.clear_faults()

    hold = account.inject("hold-before", "lambda.CreateFunction")
    line(runner.workspace)
    started = runner.start(inputs, commit="0" * 40)
    hold.wait_until_hit(timeout=30)
    assert world.lock_owner()
    cancel(started, version="")
    assert world.lock_owner() == ""
    assert runner.run(inputs, commit="0" * 40).result == "promoted"

    for number, (kind, operation, nth) in enumerate(MOMENTS, 1):
        (runner.workspace / "function" / "commit").write_text(str(number))
        hold = world.hold(kind, operation, nth)
        started = runner.start(inputs, commit=str(number) * 40, run_id=1000 + number)
        hold.wait_until_hit(timeout=30)
        assert world.lock_owner()
        cancel(started, version="1")
        assert world.lock_owner() == ""

    # A user's command runs, with a child process; then the run waits in the queue, behind a job that keeps the lock.
    tested = {**inputs, "checks": "", "test-command": "echo begun; sleep 60 & sleep 60"}
    started = runner.start(tested, commit="5" * 40, run_id=1005)
    started.wait_for("begun")
    cancel(started, version="1")
    assert world.lock_owner() == ""
    kept = runner.start(KEEP, run_id=1006)
    assert kept.wait().result == "locked"
    started = runner.start({**inputs, "queue": "fifo"}, commit="7" * 40, run_id=1007)
    started.wait_for("held by run 1006")
    cancel(started, version="1")
    (lock,) = world.records("lock")
    assert (lock["run_id"], lock.get("tickets", [])) == (1006, [])
    # The post steps of all those steps, the last one first. Each releases what its step holds.
    assert {(post.code, post.annotations) for post in runner.finish()} == {(0, ())}
    assert world.lock_owner() == ""


def test_a_strange_repository_stays_as_it_is_and_what_its_tests_print_is_text(
    runner: ContainerRunner, inputs: dict[str, str], world: World
) -> None:
    """It has modules with the names of ours and its own pytest settings. The action leaves no file in it."""
    for module in ("promote/__init__", "boto3/__init__", "jinja2", "sitecustomize"):
        file = runner.workspace / f"{module}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text("raise SystemExit('imported from the workspace')\n")
    (runner.workspace / "pytest.ini").write_text("[pytest]\npython_files = look_*.py\n")
    (runner.workspace / "conftest.py").write_text("import pytest\n\n@pytest.fixture\ndef mine():\n    return 7\n")
    (runner.workspace / "look_at_it.py").write_text("def test_it(base_url, mine):\n    assert base_url and mine == 7\n")
    printed = "\n".join(TEXTS).encode("utf-8", "surrogatepass")
    (runner.workspace / "texts.bin").write_bytes(printed)
    (runner.workspace / "event.json").write_text('{"rawPath": "/health"}')
    if os.geteuid() == 0:  # the runner's user is another one
        for path in (runner.workspace, *runner.workspace.rglob("*")):
            os.chown(path, 1001, 1001)
    before = files(runner.workspace)
    ended = runner.run(
        {
            **inputs,
            "tests": ". -s",
            "invoke": "event.json statusCode == `200`",
            "test-command": "cat texts.bin; cat texts.bin >&2",
            "environment-variables": f'{{"LARGE": "{"x" * 3900}"}}',
        },
        environ={"A_LARGE_VARIABLE": "x" * 100_000},
    )
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log[-3000:]
    assert {command.name for command in ended.commands} == {"group", "endgroup"}
    assert_harmless_log(ended.log)
    assert_harmless_summary(ended.summary, ("https://github.com/", world.url))
    assert files(runner.workspace) == before
    assert [path for path in runner.workspace.rglob("*") if path.stat().st_uid == 0] == []


KEEP = {"command": "lock", "function-name": "hello"}


def test_the_post_step_gives_back_what_the_job_has_kept(
    runner: ContainerRunner, inputs: dict[str, str], world: World
) -> None:
    kept = runner.start(KEEP)
    assert kept.wait().result == "locked"
    ended = runner.run(inputs)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert "acquired by an earlier step" in ended.log
    of_another = runner.post(inputs, run_id=2000)
    assert (of_another.code, of_another.annotations) == (0, ()), of_another.log
    assert world.records("lock")[0]["kept_by"] == "lock"
    ended = runner.post(KEEP, environ=kept.saved)
    assert (ended.code, ended.annotations) == (0, ()), ended.log
    assert "released the lock of hello" in ended.log
    assert (world.lock_owner(), world.records("lock")[0]["token"]) == ("", 1)


@pytest.mark.parametrize(
    ("operation", "nth"),
    [
        ("dynamodb.UpdateItem", 2),  # the lock; at the first attempt, there is no table
        ("execute-api.Invoke", 1),
    ],
)
def test_the_post_step_gives_back_what_a_killed_step_held(  # noqa: PLR0917 - fixtures and parameters
    runner: ContainerRunner, inputs: dict[str, str], account: Account, world: World, operation: str, nth: int
) -> None:
    """Also if the response with the lock never came, and nothing is passed on to the post step."""
    hold = account.inject("hold-after", operation, nth=nth)
    started = runner.start(inputs)
    hold.wait_until_hit(timeout=30)
    ask_docker("kill", "--signal", "KILL", name_of(started))
    killed = started.wait()
    assert killed.code == 128 + signal.SIGKILL, killed.log
    assert world.lock_owner()
    ended = runner.post(inputs)
    assert (ended.code, ended.annotations) == (0, ()), ended.log
    assert "released the lock of hello" in ended.log
    assert (world.lock_owner(), world.records("lock")[0]["token"]) == ("", 1)
    assert world.alias_version() == ""


def name_of(started: Started) -> str:
    """Return the name of a step's container."""
    command = started.process.args
    assert isinstance(command, list)
    return str(command[command.index("--name") + 1])


def test_every_client_gets_answers_and_nothing_is_compiled_for_it(image: str, account: Account) -> None:
    environ = [f"--env={name}={value}" for name, value in account.environ.items()]
    given = ["--network", "host", "--entrypoint", PYTHON, image, "-I", "-c", ASK_WITH_EVERY_CLIENT]
    container = ask_docker("create", *environ, *given).strip()
    try:
        answers = dict(line.split() for line in ask_docker("start", "--attach", container).splitlines())
        changed = ask_docker("diff", container)
    finally:
        ask_docker("rm", "--force", container)
    answered = {name for name, answer in answers.items() if answer == "answered"}
    assert answered == {"function", "informer", "table", "gateway", "gateway_without_retries", "storage", "sts"}
    assert answers["invoker"] == "ResourceNotFoundException"
    # The sandbox has no service that provides credentials, and reports it; their clients have read its response.
    assert set(answers) == answered | {"invoker", "sso", "sso-oidc", "signin"}
    assert changed == ""


def test_nothing_is_compiled_while_it_runs_and_the_tests_may_have_requirements(
    runner: ContainerRunner, inputs: dict[str, str], world: World
) -> None:
    """Promote twice, with a history; the second time, with the tests' own environment."""
    (runner.workspace / "test_smoke.py").write_text(SMOKE)
    (runner.workspace / "requirements.txt").write_text("# pytest comes with the action\n")
    git(runner.workspace, "init", "--quiet")
    # What has been compiled since the start of the container. Docker writes that file then.
    verified = {
        **inputs,
        "tests": "test_smoke.py",
        "invoke": "event.json",
        "test-command": "find /opt /usr -name '*.pyc' -newer /etc/hostname | tee /dev/stderr | (! grep -q .)",
    }
    (runner.workspace / "event.json").write_text('{"rawPath": "/health"}')
    ended = runner.run(verified, commit=commit(runner.workspace, "first"), run_id=1000)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    edit(runner.workspace, "Hello", "Good morning")
    later = {**verified, "checks": ""}
    ended = runner.run(later, commit=commit(runner.workspace, "second"), run_id=1001)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    later |= {"test-command": "", "tests-requirements": "requirements.txt"}
    edit(runner.workspace, "Good morning", "Good evening")
    ended = runner.run(later, commit=commit(runner.workspace, "third"), run_id=1002)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert "install requirements.txt" in ended.log
    assert world.alias_version() == "3"


def test_the_image_holds_the_action_and_nothing_else(image: str) -> None:
    packages, services, scripts, left = ask_docker(
        "run", "--rm", "--entrypoint", PYTHON, image, "-I", "-c", LIST_WHAT_IS_THERE
    ).splitlines()
    # pytest is there for the users' tests, but not what builds or tests the image.
    assert {"promote", "boto3", "actions_toolkit", "pytest", "pytest_base_url"} <= set(packages.split())
    assert not {"tests", "pip", "hatchling", "hypothesis", "xdist"} & set(packages.split())
    assert set(services.split()) == SERVICES
    assert all(name.startswith("python") for name in scripts.split())
    assert left == ""
    ours, base = (
        sum(map(int, ask_docker("history", "--human=false", "--format", "{{.Size}}", name).split()))
        for name in (image, BASE)
    )
    # 4.3 MB of them, the standard library's bytecode, are added only if the base image has none.
    assert ours - base < 40_000_000
