"""What the tests share: one sandbox a session (a process each under xdist), and an account of its own for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.client import Account, Sandbox
from tests.runner import REPOSITORY, Runner
from tests.world import World


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(settle=0.1) as started:
        yield started


@pytest.fixture
def account(sandbox: Sandbox) -> Account:
    return sandbox.account()


@pytest.fixture
def runner(tmp_path: Path, account: Account) -> Runner:
    """A runner whose workspace holds a small HTTP API in ``function/``."""
    made = Runner(tmp_path, account.environ)
    shutil.copytree(REPOSITORY / "tests" / "function", made.workspace / "function")
    return made


@pytest.fixture
def world(account: Account) -> World:
    return World(account)


@pytest.fixture
def inputs(account: Account) -> dict[str, str]:
    """Inputs that promote it, also when the function does not exist yet."""
    return {
        "function-name": "hello",
        "environment": "preprod",
        "artifact": "function",
        "runtime": "python3.13",
        "handler": "app.handler",
        "role": f"arn:aws:iam::{account.id}:role/hello",
        "checks": "GET /health 200 status == 'ok'\nGET /greeting?name=you 200 greeting == 'Hello, you!'",
    }
