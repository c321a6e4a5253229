"""Fixtures of all tests: one sandbox per session (one per process under xdist), and an account for each test."""

import gc
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import pytest

from promote.core.clock import Clock, SystemClock
from promote.inputs.usage import INPUTS, Command
from sandbox.client import INTERPRETER, Account, Sandbox
from tests.exhaustive import mark
from tests.past import Pasts
from tests.repository import line
from tests.runner import REPOSITORY, InProcessRunner, Runner
from tests.runner.botocore_data import share_service_models
from tests.world import World

NEEDED = 500 * 2**20
"""Bytes that the tests need in the temporary folder."""


def pytest_xdist_auto_num_workers() -> int:
    """Return more than the number of cores, because many tests wait for time to pass."""
    return (os.cpu_count() or 1) + 3


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Prepare a test process.

    The seed is the same in all of them. They receive SIGINT, also if a shell has started pytest in the background. Such
    a shell ignores SIGINT, and every process inherits that.
    """
    require_set_up(Path(tempfile.gettempdir()))
    os.environ.setdefault("SEED", str(time.time_ns() % 10**6))
    config.option.hypothesis_seed = os.environ["SEED"]
    share_service_models()
    collect_rarely()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def collect_rarely() -> None:
    """Collect garbage less often, as ``entrypoint.py`` does. It took a sixth of the CPU time of the tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def require_set_up(folder: Path) -> None:
    """End the session in one line, instead of with an error in each test."""
    if not INTERPRETER.exists():
        pytest.exit("the embedded AWS is not set up: run make test, or make .venv-sandbox/.ready", returncode=1)
    if shutil.which("git") is None:
        pytest.exit("the tests need git, and PATH has none", returncode=1)
    free = shutil.disk_usage(folder).free
    if free < NEEDED:
        pytest.exit(
            f"the temporary folder {folder} has {free // 2**20} MB free, and the tests need {NEEDED // 2**20} MB. Free "
            "some space, or name another folder: TMPDIR=/path make test",
            returncode=1,
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cases that only ``make test-all`` runs."""
    mark(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the seed, also of a run that passed."""
    terminalreporter.write_line(f"SEED={os.environ['SEED']} draws the same random values again.")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Random:
    """Return the random choices of a test, which depend only on SEED and on the test."""
    return Random(f"{os.environ['SEED']} {request.node.name}")  # noqa: S311 - a schedule, not a secret


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


class Hurried(SystemClock):
    """A clock on which a wait of seconds takes a hundredth."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        slept = min(seconds, 0.01)
        super().sleep(slept)
        self._ahead += seconds - slept


def hurried(runner: Runner) -> Runner:
    """Return the same runner on a clock that is hurried. Nothing else may wait for the same time."""
    assert isinstance(runner, InProcessRunner)
    return runner.on(Hurried())


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
        "settle-time": "0",  # the sandbox answers from the new code at once, unless a fault says otherwise
        "checks": "GET /health 200 status == 'ok'\nGET /greeting?name=you 200 greeting == 'Hello, you!'",
    }


def make_several(runner: Runner, account: Account, names: Sequence[str]) -> dict[str, str]:
    """Put a small HTTP API for each name into the workspace. Return inputs that promote all of them together."""
    for name in names:
        shutil.copytree(REPOSITORY / "tests" / "function", runner.workspace / name)
    functions = "".join(f"{name} = {name}\n" for name in names)
    return {**make_inputs(account), "function-name": functions, "artifact": ""}


def counting(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs that the command uses. Others would be refused."""
    command = inputs.get("command", "run")
    is_known = command in set(Command)
    return {name: value for name, value in inputs.items() if not is_known or command in INPUTS[name].commands}


@pytest.fixture(scope="session")
def pasts(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Pasts:
    return Pasts(sandbox, tmp_path_factory)


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
