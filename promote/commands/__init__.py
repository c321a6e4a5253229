"""One short file a command; each reads like the protocol."""

from collections.abc import Callable, Mapping

from promote.commands.deploy import deploy
from promote.commands.lock import lock
from promote.commands.promote import promote
from promote.commands.release_notes import release_notes
from promote.commands.rollback import rollback
from promote.commands.run import run
from promote.commands.status import status
from promote.commands.unlock import unlock
from promote.inputs import Command
from promote.job import Job
from promote.report import Report

COMMANDS: Mapping[Command, Callable[[Job], Report]] = {
    Command.RUN: run,
    Command.DEPLOY: deploy,
    Command.PROMOTE: promote,
    Command.ROLLBACK: rollback,
    Command.RELEASE_NOTES: release_notes,
    Command.STATUS: status,
    Command.LOCK: lock,
    Command.UNLOCK: unlock,
}
