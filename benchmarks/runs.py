"""Runs of the action for the benchmarks: whole processes, in an account of the sandbox."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3

from sandbox.client import REGION, Account

REPOSITORY = Path(__file__).resolve().parent.parent
PEERS = REPOSITORY / ".venv-bench" / "bin"
"""The programs that the benchmarks compare with."""
PYTHON = REPOSITORY / ".venv-image" / "bin" / "python"
"""The interpreter of the action, with the packages of its image."""
SOURCE = "def handler(event, context):\n    return {'statusCode': 200, 'body': '{}'}\n"
FUNCTION, ENVIRONMENT = "measured", "preprod"
SETTLE = 0.1
"""Seconds that the sandbox's Lambda takes for an update."""


def plant(workspace: Path, number: int) -> Path:
    """Write the function that the run ``number`` deploys, and return its directory."""
    directory = workspace / "function"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "app.py").write_text(f"{SOURCE}# {number}\n", encoding="utf-8")
    return directory


def command(*options: str) -> list[str]:
    """Return the command of the action's main step, with options for its interpreter."""
    return [str(PYTHON), "-I", *options, str(REPOSITORY / "entrypoint.py")]


def promote(account: Account, workspace: Path, number: int, different: Mapping[str, str] = {}) -> float:
    """Run the action once and return the seconds that the process took."""
    started = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own interpreter and script
        command(), env={**environ(account, workspace, number), **different}, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def first(account: Account, workspace: Path) -> tuple[str, str]:
    """Create the function, its endpoints and the alias, and return the URLs of $LATEST and of the environment."""
    plant(workspace, 0)
    outputs = outputs_of(account, workspace, 0)
    return outputs["latest-url"], outputs["environment-url"]


def outputs_of(account: Account, workspace: Path, number: int, different: Mapping[str, str] = {}) -> dict[str, str]:
    """Run the action once and return the first line of each of its outputs."""
    outputs = workspace / "outputs"
    outputs.touch()
    promote(account, workspace, number, {**different, "GITHUB_OUTPUT": str(outputs)})
    # Each output is a name with a delimiter, its value and the delimiter.
    lines = outputs.read_text(encoding="utf-8").splitlines()
    return {line.partition("<<")[0]: lines[at + 1] for at, line in enumerate(lines) if "<<" in line}


def client(account: Account, service: str) -> Any:
    """Return boto3's client of a service, for the preparation of a benchmark."""
    return boto3.client(  # type: ignore[call-overload] # a name, not a literal
        service,
        region_name=REGION,
        aws_access_key_id=account.id,
        aws_secret_access_key="any",  # noqa: S106 - the sandbox asks for none
        endpoint_url=account.environ["AWS_ENDPOINT_URL"],
    )


def visit(url: str) -> None:
    """Send a request to the environment, so that the version that it serves has a warm process."""
    with urlopen(url) as answer:  # noqa: S310 - the sandbox's own
        answer.read()


def environ(account: Account, workspace: Path, number: int) -> dict[str, str]:
    """Return the environment variables of a run that promotes ``function/`` of the workspace."""
    return {
        "PATH": os.environ["PATH"],
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_SHA": f"{number:040x}",
        "GITHUB_RUN_ID": str(number),
        **account.environ,
        "INPUT_FUNCTION-NAME": FUNCTION,
        "INPUT_ENVIRONMENT": ENVIRONMENT,
        "INPUT_ARTIFACT": "function",
        "INPUT_RUNTIME": "python3.13",
        "INPUT_HANDLER": "app.handler",
        "INPUT_ROLE": f"arn:aws:iam::{account.id}:role/measured",
        "INPUT_CHECKS": "GET / 200",
        "INPUT_DIVERGED": "promote",  # the commits have no history
    }
