"""The image, as a runner starts it."""

import signal
import subprocess
from pathlib import Path

import pytest

from sandbox.client import Account
from tests.runner import ContainerRunner, Started, docker
from tests.world import World, get

BASE = "python:3.13-slim-trixie"
PYTHON = "/opt/promote/bin/python"

MAKE_EVERY_CLIENT = """
import os
from functools import cached_property
from promote.aws import Clients

clients = Clients("eu-west-1", os.environ)
for name, member in vars(Clients).items():
    if isinstance(member, cached_property) and not name.startswith("_"):
        print(name, getattr(clients, name).meta.service_model.service_name)
for service in ("sts", "sso", "sso-oidc", "signin"):
    print("credentials", clients._session.client(service).meta.service_model.service_name)
"""

LIST_WHAT_IS_THERE = """
import os, sysconfig
print(*os.listdir(sysconfig.get_path("purelib")))
print(*(path for path in ("/build", "/root/.cache") if os.path.exists(path)), *os.listdir("/tmp"))
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


@pytest.mark.parametrize("operation", ["lambda.CreateFunction", "execute-api.Invoke"])
def test_cancelled(
    runner: ContainerRunner, inputs: dict[str, str], account: Account, world: World, operation: str
) -> None:
    hold = account.inject("hold-before", operation, times=0)
    started = runner.start(inputs)
    hold.wait_until_hit(timeout=30)
    assert world.lock_owner()
    # To docker's client, as the runner does it; 7.5 s later it would send SIGTERM, after another 2.5 s SIGKILL.
    started.process.send_signal(signal.SIGINT)
    ended = started.wait(timeout=7.5)
    assert ended.code == 1, ended.log
    assert [error.title for error in ended.errors] == ["Cancelled"]
    assert world.lock_owner() == ""
    assert world.alias_version() == ""


KEEP = {"command": "lock", "function-name": "hello"}


def test_the_post_step_gives_back_what_the_job_has_kept(
    runner: ContainerRunner, inputs: dict[str, str], world: World
) -> None:
    kept = runner.start(KEEP)
    assert kept.wait().result == "locked"
    ended = runner.run(inputs)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert "as an earlier step has taken it" in ended.log
    of_another = runner.post(inputs, run_id=2000)
    assert (of_another.code, of_another.annotations) == (0, ()), of_another.log
    assert world.records("lock")[0]["kept"] == "lock"
    ended = runner.post(KEEP, environ=kept.saved)
    assert (ended.code, ended.annotations) == (0, ()), ended.log
    assert "gave back the lock of hello" in ended.log
    assert (world.lock_owner(), world.records("lock")[0]["token"]) == ("", 1)


@pytest.mark.parametrize(
    ("operation", "nth"),
    [
        ("dynamodb.UpdateItem", 2),  # the lock; at the first, there is no table
        ("execute-api.Invoke", 1),
    ],
)
def test_the_post_step_gives_back_what_a_killed_step_held(  # noqa: PLR0917 - fixtures and parameters
    runner: ContainerRunner, inputs: dict[str, str], account: Account, world: World, operation: str, nth: int
) -> None:
    """Also when the answer that gave it the lock has never come, and nothing is handed over to the post step."""
    hold = account.inject("hold-after", operation, nth=nth)
    started = runner.start(inputs)
    hold.wait_until_hit(timeout=30)
    ask_docker("kill", "--signal", "KILL", name_of(started))
    killed = started.wait()
    assert killed.code == 128 + signal.SIGKILL, killed.log
    assert world.lock_owner()
    ended = runner.post(inputs)
    assert (ended.code, ended.annotations) == (0, ()), ended.log
    assert "gave back the lock of hello" in ended.log
    assert (world.lock_owner(), world.records("lock")[0]["token"]) == ("", 1)
    assert world.alias_version() == ""


def name_of(started: Started) -> str:
    """Give the name of a step's container."""
    command = started.process.args
    assert isinstance(command, list)
    return str(command[command.index("--name") + 1])


def test_every_client_can_be_made_and_nothing_is_compiled_for_it(image: str, account: Account) -> None:
    environ = [f"--env={name}={value}" for name, value in account.environ.items()]
    container = ask_docker("create", *environ, "--entrypoint", PYTHON, image, "-I", "-c", MAKE_EVERY_CLIENT).strip()
    try:
        made = [line.split() for line in ask_docker("start", "--attach", container).splitlines()]
        changed = ask_docker("diff", container)
    finally:
        ask_docker("rm", "--force", container)
    assert {name for name, _ in made} >= {"function", "invoker", "table", "gateway", "storage", "credentials"}
    assert changed == ""


def test_the_image_holds_the_action_and_nothing_else(image: str) -> None:
    packages, left = ask_docker(
        "run", "--rm", "--entrypoint", PYTHON, image, "-I", "-c", LIST_WHAT_IS_THERE
    ).splitlines()
    # pytest is there for the users' tests; what builds the image, and what tests it, is not.
    assert {"promote", "boto3", "actions_toolkit", "pytest", "pytest_base_url"} <= set(packages.split())
    assert not {"tests", "pip", "hatchling", "hypothesis", "xdist"} & set(packages.split())
    assert left == ""
    ours, base = (int(ask_docker("image", "inspect", "--format", "{{.Size}}", name)) for name in (image, BASE))
    assert ours - base < 40_000_000
