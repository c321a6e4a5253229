"""A process that has loaded what steps load, and whose copies are steps. ``tests.runner.forks`` starts it."""

import gc
import runpy
import sys
from collections.abc import Sequence
from typing import NoReturn

import boto3

import promote.action
import promote.commands.post  # noqa: F401 - steps load it
from sandbox.forks import serve
from tests.runner.botocore_data import share_service_models
from tests.runner.forks import REPOSITORY

ENTRY_POINT = REPOSITORY / "entrypoint.py"


def load() -> None:
    """Load the data of the services. The copies share it."""
    share_service_models()
    for service in ("lambda", "dynamodb", "apigatewayv2", "sts", "s3"):
        _ = boto3.Session("key", "secret", region_name="eu-west-1").client(service).exceptions  # needs all shapes
    gc.collect()
    gc.freeze()


def run(arguments: Sequence[str]) -> NoReturn:
    """Run a step with these arguments."""
    sys.path = [path for path in sys.path if path != str(REPOSITORY)]
    sys.argv = [str(ENTRY_POINT), *arguments]
    runpy.run_path(str(ENTRY_POINT), run_name="__main__")
    raise AssertionError("the entry point ends the process")


if __name__ == "__main__":
    load()
    serve(run)
