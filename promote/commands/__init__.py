"""One short file a command; each reads like the protocol."""

from importlib import import_module
from typing import TYPE_CHECKING

from promote.job import Job
from promote.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable


def carry_out(job: Job) -> Report:
    """Carry out the job's command. Its module alone is loaded: all of them take longer than a call to AWS."""
    name = job.inputs.command.value.replace("-", "_")
    command: Callable[[Job], Report] = getattr(import_module(f"{__name__}.{name}"), name)
    return command(job)
