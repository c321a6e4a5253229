"""Which modules are loaded, and when: by name and number, because times differ between machines."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from sandbox.client import Account
from tests.repository import line
from tests.runner import REPOSITORY, Ended, Runner

ALWAYS = {"actions_toolkit", "jmespath", "jinja2", "markupsafe"}
"""jinja2 writes the summary, which each step has."""
AWS = {"boto3", "botocore", "certifi", "dateutil", "s3transfer", "six", "urllib3"}
HTTP = {"requests", "charset_normalizer", "idna"}
HISTORY = {"dulwich"}
INSTALLED = set(packages_distributions()) - {"_distutils_hack"}
NEVER = {"asyncio", "pydoc", "sqlite3", "unittest"}
"""Large parts of the standard library that could be imported indirectly."""


class TracingRunner(Runner):
    """A runner whose steps report what they load."""

    def _spawn(self, command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[str]:
        return super()._spawn([sys.executable, "-X", "importtime", *command[1:]], environ)


@pytest.fixture
def runner(tmp_path: Path, account: Account) -> TracingRunner:
    made = TracingRunner(tmp_path, account.environ)
    shutil.copytree(REPOSITORY / "tests" / "function", made.workspace / "function")
    return made


def loaded(ended: Ended) -> set[str]:
    """Return the top-level names of the modules that the step has loaded, or tried to load."""
    return {match[1] for match in re.finditer(r"^import time: .*\| +(\w+)[\w.]*$", ended.log, re.MULTILINE)}


def test_wrong_inputs_load_nothing_that_they_do_not_need(runner: TracingRunner, inputs: dict[str, str]) -> None:
    ended = runner.run({**inputs, "lock-timeout": "soon"})
    assert ended.code == 1
    assert loaded(ended) & INSTALLED == ALWAYS
    assert loaded(ended) & {"ssl", *NEVER} == set()


def test_the_steady_state_loads_what_it_uses(runner: TracingRunner, inputs: dict[str, str]) -> None:
    """Each step has a reason to load a little more than the previous one."""
    assert runner.run(inputs).result == "promoted"
    status = runner.run({"function-name": inputs["function-name"], "command": "status"})
    assert status.result == "reported", status.log
    assert loaded(status) & INSTALLED == ALWAYS | AWS
    unchanged = runner.run(inputs)
    assert unchanged.result == "unchanged", unchanged.log
    assert loaded(unchanged) & INSTALLED == ALWAYS | AWS | HTTP
    (runner.workspace / "function" / "NEW").touch()
    line(runner.workspace)
    promoted = runner.run(inputs, commit="d" * 40, run_id=2000)
    assert promoted.result == "promoted", promoted.log
    assert loaded(promoted) & INSTALLED == ALWAYS | AWS | HTTP | HISTORY
    assert loaded(promoted) & NEVER == set()
