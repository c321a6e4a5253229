"""One short file a command; each reads like the protocol."""

from collections.abc import Callable, Mapping

from promote.commands.run import run
from promote.inputs import Command
from promote.job import Job
from promote.report import Report

COMMANDS: Mapping[Command, Callable[[Job], Report]] = {Command.RUN: run}
