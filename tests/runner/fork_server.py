"""A process that has loaded what steps load, and whose copies are steps. ``tests.runner.forks`` starts it."""

import gc
import importlib
import pkgutil
import runpy
import sys
from collections.abc import Sequence
from typing import NoReturn

import boto3

import promote
from promote.github.actions import summary
from promote.notes import render, template
from sandbox.forks import serve
from tests.runner.botocore_data import share_service_models
from tests.runner.forks import REPOSITORY

ENTRY_POINT = REPOSITORY / "entrypoint.py"


def load() -> None:
    """Load what a step loads on its way: the action's modules, its template, and the data of the services."""
    for module in pkgutil.walk_packages(promote.__path__, "promote."):
        importlib.import_module(module.name)
    summary._template()  # noqa: SLF001 - it takes half of the time of a step that fails at once
    template._code(render._ours())  # noqa: SLF001 - it takes a sixth of the time of a step that promotes
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
