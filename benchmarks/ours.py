"""The action's lock in a relay: ``python -m benchmarks.ours``."""

import os
import tempfile
from io import StringIO
from itertools import count
from pathlib import Path
from random import Random

import requests

from benchmarks.relay import alone, own_account, relays, report
from promote.aws.clients import Clients
from promote.core.clock import SystemClock
from promote.core.progress import Progress
from promote.core.run import Run
from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState
from promote.github.actions.log import ActionsLog
from promote.inputs.parse import inputs_from_environ
from promote.pipeline.job import Job
from promote.pipeline.locks import HeldLock, hold, make_lock

numbers = count(1)


class Ours:
    """A contender that holds the lock as a run does, with the defaults."""

    def __init__(self, name: str, temporary: Path) -> None:
        """Take the lock's name and a folder for the run's files."""
        self.job = _job(name, temporary)
        _ = self.job.clients.table  # made now, because the time to make a client is not measured
        self.lock = make_lock(self.job, self.job.arn, can_be_superseded=True)
        self._context = hold(self.job, self.lock)
        self._holding: HeldLock | None = None

    def take(self) -> None:
        """Wait for the lock and acquire it."""
        self._holding = self._context.__enter__()

    def change(self) -> None:
        """Check the lease, as before each change of a run, then write another item of the table."""
        assert self._holding  # noqa: S101 - a contender changes what it holds
        self._holding.heartbeat.require()
        self.job.clients.table.update_item(
            TableName=self.job.inputs.table,
            Key={"pk": {"S": self.job.arn}, "sk": {"S": "work"}},
            UpdateExpression="SET made = :yes",
            ExpressionAttributeValues={":yes": {"BOOL": True}},
        )

    def give_back(self) -> None:
        """Release the lock."""
        self._context.__exit__(None, None, None)


def _job(name: str, temporary: Path) -> Job:
    """Return the job of a new run, as ``promote.action`` makes it."""
    number = next(numbers)
    environ = {
        "GITHUB_REPOSITORY": "octo/measured",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_RUN_ID": str(number),
        "RUNNER_TEMP": str(temporary),
        **os.environ,
        "INPUT_FUNCTION-NAME": f"arn:aws:lambda:us-east-1:{own_account().id}:function:{name}",
        "INPUT_ENVIRONMENT": "preprod",
        "INPUT_CHECKS": "GET / 200",
    }
    parsed, context = inputs_from_environ(environ), Context.from_environ(environ)
    workflow = ActionsLog(environ, StringIO())
    return Job(
        inputs=parsed,
        context=context,
        run=Run(context.commit, context.run_id, context.attempt, context.run_url, f"{number:012x}"),
        workflow=workflow,
        clock=SystemClock(),
        clients=Clients(parsed.region, environ, parsed.verify_timeout),
        session=requests.Session,
        chance=Random(number).random,  # noqa: S311 - when to look again, not a secret
        environ=environ,
        state=JobState(environ, context, workflow, draw=lambda: f"{number:032x}"),
        temporary=temporary,
        progress=Progress(SystemClock()),
    )


def main() -> None:
    """Create the table, measure, and print the result."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder)
        first = Ours("first", temporary)
        first.take()  # makes the table
        first.give_back()
        by_itself = alone(lambda: Ours(f"alone-{next(numbers)}", temporary))
        report(alone=by_itself, relays=relays(lambda name: Ours(name, temporary)))


if __name__ == "__main__":
    main()
