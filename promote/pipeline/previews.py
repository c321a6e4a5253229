"""Previews: endpoints of one candidate each, made for its verification and removed after it.

Each is recorded before it is made and struck out after it is gone, so that whoever comes later finds what a run that
died has left: its own post step at once, and any later run when the record has shown no sign of life for longer than
its lease.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from promote.aws.api_gateway import Gateways
from promote.aws.clients import Clients
from promote.aws.errors import to_promote_error
from promote.aws.lambda_function import Function
from promote.core.clock import Clock
from promote.core.concurrency import map_concurrently, with_timeout
from promote.core.endpoint import Endpoint
from promote.core.errors import ConflictError
from promote.pipeline.endpoints import locate
from promote.pipeline.job import Job
from promote.state.endpoint_records import Preview
from promote.state.heartbeat import Heartbeat
from promote.state.ledger import Ledger

_HURRY, _PATIENCE = 3.0, 120.0
"""Seconds for the removal: after an interrupt, when the runner kills what does not end, and otherwise."""
_WIDTH = 4
"""Previews that are removed at the same time."""


@dataclass(frozen=True)
class Previews:
    """The previews of one function."""

    gateways: Gateways
    ledger: Ledger
    emulator: str

    @classmethod
    def of(cls, clients: Clients, function: Function, ledger: Ledger, clock: Clock) -> "Previews":
        """Bring together what previews depend on; they are not mapped to a custom domain."""
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

    def make(self, version: str, job: str, lease: int) -> tuple[Preview, Endpoint]:
        """Make an endpoint of the version's own, for the job with the number ``job``.

        Raises:
            ConflictError: it took so long that another run has taken this one for dead.

        """
        preview = self.ledger.previews.begin(version, job, lease)
        gateway = self.gateways.build(preview.qualifier)
        if not self.ledger.previews.locate(preview, gateway):
            # Nobody would ever find it.
            self.gateways.remove(preview.qualifier, gateway)
            raise ConflictError(
                f"another run has struck out the endpoint that was being made for version {version} alone",
                hint="This run was suspended or cut off for longer than its lease; run the job again.",
            )
        return replace(preview, gateway=gateway), locate("candidate", gateway, self.emulator, is_new=True)

    def remove(self, preview: Preview) -> None:
        """Remove the endpoint with everything that belongs to it, whatever there is of it.

        The record alone deletes no API: it may have been restored, or written by another program.
        """
        found = self.gateways.find(preview.qualifier, preview.gateway)
        if preview.gateway and found != preview.gateway:
            self.gateways.forget(preview.qualifier, preview.gateway)
        if found:
            self.gateways.remove(preview.qualifier, found)
        self.ledger.previews.end(preview)

    def clear(self, previews: Iterable[Preview]) -> None:
        """Remove several at the same time."""
        map_concurrently([lambda preview=preview: self.remove(preview) for preview in previews], _WIDTH)  # type: ignore[misc]


def remove_expired(job: Job, previews: Previews, seen: tuple[Preview, ...]) -> None:
    """Remove those of the previews ``seen`` whose runs have died; that it fails is no reason to fail."""
    left = [preview for preview in seen if preview.is_dead]
    for preview in left:
        job.say("endpoint", f"removing that of version {preview.version}, which run {preview.run_id} has left behind")
    try:
        previews.clear(left)
    except Exception as error:  # noqa: BLE001 - the next run tries again
        problem = to_promote_error(error)
        job.workflow.warn(
            f"An endpoint that another run has left behind stays: {problem}. {problem.hint}", title="Endpoint"
        )


@contextmanager
def preview_endpoint(job: Job, previews: Previews, version: str) -> Iterator[tuple[Endpoint, Heartbeat]]:
    """Give an endpoint of the version's own for the block, and what knows whether it is still ours.

    It is removed however the block ends.
    """
    job.say("endpoint", f"making one for version {version} alone")
    location = job.location(previews.ledger.arn)
    had_preview = location in job.state.previews
    job.state.add_preview(location)
    preview, endpoint = previews.make(version, job.state.job, job.inputs.lease)
    lease, table = job.inputs.lease, job.heartbeat_table(job.inputs.lease)
    heartbeat = Heartbeat(
        lambda: previews.ledger.previews.renew(preview, table), lease, job.clock.monotonic(), job.clock
    )
    heartbeat.start()
    patience = _PATIENCE
    try:
        yield endpoint, heartbeat
    except KeyboardInterrupt:
        patience = _HURRY
        raise
    finally:
        heartbeat.stop()
        if discard(job, previews, [preview], patience) and not had_preview:
            job.state.remove_preview(location)


def discard(job: Job, previews: Previews, left: Iterable[Preview], patience: float = _PATIENCE) -> bool:
    """Remove endpoints that are not needed any more; False: that failed, and the post step tries again."""
    try:
        with_timeout(patience, lambda: previews.clear(left))
    except Exception as error:  # noqa: BLE001 - what was found out with them counts
        problem = to_promote_error(error)
        why = f"{problem}. {problem.hint}" if str(error) else "there was no answer in time."
        job.workflow.warn(f"An endpoint for one version alone could not be removed yet: {why}", title="Endpoint")
        return False
    return True
