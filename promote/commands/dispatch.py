"""Carry out the job's command."""

from importlib import import_module
from typing import TYPE_CHECKING

from promote.core.report import Report
from promote.pipeline.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable


def carry_out(job: Job) -> Report:
    """Carry out the job's command. Its module alone is loaded: all of them take longer than a call to AWS."""
    name = job.inputs.command.value.replace("-", "_")
    command: Callable[[Job], Report] = getattr(import_module(f"{__package__}.{name}"), name)
    return command(job)
