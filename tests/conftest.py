"""Fixtures of all tests: one sandbox per session (one per process under xdist), and an account for each test."""

import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader

from promote.core.clock import Clock
from promote.inputs.usage import INPUTS, Command
from sandbox.client import Account, Sandbox
from tests.repository import line
from tests.runner import REPOSITORY, InProcessRunner, Runner
from tests.world import World


def pytest_xdist_auto_num_workers() -> int:
    """Return one more than the number of cores, because many tests wait for time to pass."""
    return (os.cpu_count() or 1) + 1


def share_service_models() -> None:
    """Parse each of botocore's service models once in a test process.

    A run creates a new session, which parses them again: a fifth of the time of a test. Nothing changes them.
    """
    load = cache(JSONFileLoader().load_file)
    JSONFileLoader.load_file = lambda self, file_path: load(file_path)  # type: ignore[method-assign]  # noqa: ARG005


def pytest_configure() -> None:
    """Let the tests' processes receive SIGINT, also if a shell has started pytest in the background.

    Such a shell ignores SIGINT, and every process inherits that.
    """
    share_service_models()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(settle=0.1) as started:
        yield started


@pytest.fixture
def account(sandbox: Sandbox) -> Account:
    return sandbox.account()


def make_runner(folder: Path, account: Account, clock: Clock | None = None) -> Runner:
    """Return a runner with a small HTTP API in ``function/`` of its workspace."""
    folder.mkdir(exist_ok=True)
    made = InProcessRunner(folder, account.environ, clock)
    shutil.copytree(REPOSITORY / "tests" / "function", made.workspace / "function")
    return made


def make_inputs(account: Account) -> dict[str, str]:
    """Return inputs that promote the function, also if it does not exist yet."""
    return {
        "function-name": "hello",
        "environment": "preprod",
        "artifact": "function",
        "runtime": "python3.13",
        "handler": "app.handler",
        "role": f"arn:aws:iam::{account.id}:role/hello",
        "github-deployments": "false",  # GitHub is not available
        "checks": "GET /health 200 status == 'ok'\nGET /greeting?name=you 200 greeting == 'Hello, you!'",
    }


def counting(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs that the command uses. Others would be refused."""
    command = inputs.get("command", "run")
    is_known = command in set(Command)
    return {name: value for name, value in inputs.items() if not is_known or command in INPUTS[name].commands}


@pytest.fixture
def runner(tmp_path: Path, account: Account) -> Runner:
    return make_runner(tmp_path, account)


@pytest.fixture
def history(runner: Runner) -> None:
    """Create a history in the workspace (``tests.repository.line``). A step's commit is then the deployed one."""
    line(runner.workspace)


@pytest.fixture
def inputs(account: Account) -> dict[str, str]:
    return make_inputs(account)


@pytest.fixture
def world(account: Account) -> World:
    return World(account)
