"""Trials: endpoints of one candidate each, made for its verification and removed after it.

Each is recorded before it is made and struck out after it is gone, so that whoever comes later finds what a run that
died has left: its own post step at once, and any later run when the record has shown no sign of life for longer than
its lease.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from promote.aws.api_gateway import Gateways
from promote.aws.clients import Clients
from promote.aws.errors import understood
from promote.aws.lambda_function import Function
from promote.core.clock import Clock
from promote.core.concurrency import gather, within
from promote.core.endpoint import Endpoint
from promote.core.errors import ConflictError
from promote.pipeline.endpoints import locate
from promote.pipeline.job import Job
from promote.state.heartbeat import Heartbeat
from promote.state.ledger import Ledger
from promote.state.records import Trial

_HURRY, _PATIENCE = 3.0, 120.0
"""Seconds for the removal: after an interrupt, when the runner kills what does not end, and otherwise."""
_WIDTH = 4
"""Trials that are removed at the same time."""


@dataclass(frozen=True)
class Trials:
    """The trials of one function."""

    gateways: Gateways
    ledger: Ledger
    emulator: str

    @classmethod
    def of(cls, clients: Clients, function: Function, ledger: Ledger, clock: Clock) -> "Trials":
        """Bring together what trials depend on; they are not mapped to a custom domain."""
        gateways = Gateways(
            lambda: clients.gateway,
            lambda: clients.maker,
            function,
            ledger.arn,
            clock,
            domain_name="",
            base_path="",
        )
        return cls(gateways, ledger, clients.endpoint_url)

    def make(self, version: str, job: str, lease: int) -> tuple[Trial, Endpoint]:
        """Make an endpoint of the version's own, for the job with the number ``job``.

        Raises:
            ConflictError: it took so long that another run has taken this one for dead.

        """
        trial = self.ledger.begin_trial(version, job, lease)
        gateway = self.gateways.build(trial.qualifier)
        if not self.ledger.locate_trial(trial, gateway):
            # Nobody would ever find it.
            self.gateways.remove(trial.qualifier, gateway)
            raise ConflictError(
                f"another run has struck out the endpoint that was being made for version {version} alone",
                hint="This run was suspended or cut off for longer than its lease; run the job again.",
            )
        return replace(trial, gateway=gateway), locate("candidate", gateway, self.emulator, is_new=True)

    def remove(self, trial: Trial) -> None:
        """Remove the endpoint with everything that belongs to it, whatever there is of it.

        The record alone deletes no API: it may have been restored, or written by another program.
        """
        found = self.gateways.find(trial.qualifier, trial.gateway)
        if trial.gateway and found != trial.gateway:
            self.gateways.forget(trial.qualifier, trial.gateway)
        if found:
            self.gateways.remove(trial.qualifier, found)
        self.ledger.end_trial(trial)

    def clear(self, trials: Iterable[Trial]) -> None:
        """Remove several at the same time."""
        gather([lambda trial=trial: self.remove(trial) for trial in trials], _WIDTH)  # type: ignore[misc]


def sweep(job: Job, trials: Trials, seen: tuple[Trial, ...]) -> None:
    """Remove those of the trials ``seen`` whose runs have died; that it fails is no reason to fail."""
    left = [trial for trial in seen if trial.is_dead]
    for trial in left:
        job.say("endpoint", f"removing that of version {trial.version}, which run {trial.run_id} has left behind")
    try:
        trials.clear(left)
    except Exception as error:  # noqa: BLE001 - the next run tries again
        problem = understood(error)
        job.workflow.warn(
            f"An endpoint that another run has left behind stays: {problem}. {problem.hint}", title="Endpoint"
        )


@contextmanager
def on_trial(job: Job, trials: Trials, version: str) -> Iterator[tuple[Endpoint, Heartbeat]]:
    """Give an endpoint of the version's own for the block, and what knows whether it is still ours.

    It is removed however the block ends.
    """
    job.say("endpoint", f"making one for version {version} alone")
    place = job.place(trials.ledger.arn)
    was_lent = place in job.steps.lent
    job.steps.lend(place)
    trial, endpoint = trials.make(version, job.steps.job, job.inputs.lease)
    lease, table = job.inputs.lease, job.beaten_table(job.inputs.lease)
    heartbeat = Heartbeat(lambda: trials.ledger.beat_trial(trial, table), lease, job.clock.monotonic(), job.clock)
    heartbeat.start()
    patience = _PATIENCE
    try:
        yield endpoint, heartbeat
    except KeyboardInterrupt:
        patience = _HURRY
        raise
    finally:
        heartbeat.stop()
        if discard(job, trials, [trial], patience) and not was_lent:
            job.steps.take_back(place)


def discard(job: Job, trials: Trials, left: Iterable[Trial], patience: float = _PATIENCE) -> bool:
    """Remove endpoints that are not needed any more; False: that failed, and the post step tries again."""
    try:
        within(patience, lambda: trials.clear(left))
    except Exception as error:  # noqa: BLE001 - what was found out with them counts
        problem = understood(error)
        why = f"{problem}. {problem.hint}" if str(error) else "there was no answer in time."
        job.workflow.warn(f"An endpoint for one version alone could not be removed yet: {why}", title="Endpoint")
        return False
    return True
