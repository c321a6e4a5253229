"""Preview endpoints: each shows one candidate, and is removed after the verification.

A preview is recorded before it is made, and its record is deleted after it is removed. So the post step finds what a
dead run has left. A later run finds it when the record was not renewed for longer than its lease.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from promote.aws.api_gateway import Gateways
from promote.aws.errors import to_promote_error
from promote.aws.lambda_function import Function
from promote.core.concurrency import AFTER_INTERRUPT, map_concurrently, with_timeout
from promote.core.endpoint import Endpoint
from promote.core.errors import ConflictError
from promote.pipeline.endpoints import locate
from promote.pipeline.job import Job
from promote.pipeline.resources import Resources
from promote.state.endpoint_records import Preview
from promote.state.heartbeat import Heartbeat
from promote.state.ledger import Ledger

_PATIENCE = 120.0
"""Seconds for the removal, if the run was not interrupted."""
_WIDTH = 4
"""Previews that are removed at the same time."""


@dataclass(frozen=True)
class Previews:
    """The previews of one function."""

    gateways: Gateways
    ledger: Ledger
    emulator: str

    @classmethod
    def of(cls, resources: Resources, function: Function, ledger: Ledger) -> "Previews":
        """Return the previews of a function. They are not mapped to a custom domain."""
        return cls(resources.gateways(function, ledger.arn), ledger, resources.clients.endpoint_url)

    def make(self, version: str, job: str, lease: int) -> tuple[Preview, Endpoint]:
        """Make a preview endpoint of the version, for the job with the number ``job``.

        Raises:
            ConflictError: It took so long that another run considers this one dead.

        """
        preview = self.ledger.previews.begin(version, job, lease)
        gateway = self.gateways.build(preview.qualifier)
        if not self.ledger.previews.locate(preview, gateway):
            # Without a record, no run would find it.
            self.gateways.remove(preview.qualifier, gateway)
            raise ConflictError(
                f"another run deleted the record of the preview endpoint of version {version} while it was being made",
                hint="This run was suspended or had no network for longer than its lease. Run the job again.",
            )
        return replace(preview, gateway=gateway), locate("candidate", gateway, self.emulator, is_new=True)

    def remove(self, preview: Preview) -> None:
        """Remove all resources of the endpoint that exist.

        An API is not deleted only because the record names it: the record may be restored or may come from another
        program.
        """
        found = self.gateways.find(preview.qualifier, preview.gateway)
        if preview.gateway and found != preview.gateway:
            self.gateways.forget(preview.qualifier, preview.gateway)
        if found:
            self.gateways.remove(preview.qualifier, found)
        self.ledger.previews.end(preview)

    def clear(self, previews: Iterable[Preview]) -> None:
        """Remove previews in parallel."""
        map_concurrently([lambda preview=preview: self.remove(preview) for preview in previews], _WIDTH)  # type: ignore[misc]


def remove_expired(job: Job, previews: Previews, seen: tuple[Preview, ...]) -> None:
    """Remove those of the previews ``seen`` whose runs have died. A failure is a warning."""
    left = [preview for preview in seen if preview.is_dead]
    for preview in left:
        job.say("endpoint", f"removing the preview of version {preview.version}, which run {preview.run_id} has left")
    try:
        previews.clear(left)
    except Exception as error:  # noqa: BLE001 - the next run tries again
        problem = to_promote_error(error)
        job.workflow.warn(
            f"A preview endpoint of a dead run could not be removed: {problem.full_text}", title="Endpoint"
        )


@contextmanager
def preview_endpoint(job: Job, previews: Previews, version: str) -> Iterator[tuple[Endpoint, Heartbeat]]:
    """Yield a preview endpoint of the version, and the heartbeat that knows whether it is still ours.

    It is removed however the block ends.
    """
    job.say("endpoint", f"making a public preview endpoint for version {version}")
    location = job.location(previews.ledger.arn)
    had_preview = location in job.state.previews
    job.state.add_preview(location)
    preview, endpoint = previews.make(version, job.state.job, job.inputs.lease)
    lease, table = job.inputs.lease, job.resources.heartbeat_table(job.inputs.lease)
    heartbeat = Heartbeat(
        lambda: previews.ledger.previews.renew(preview, table), lease, job.clock.monotonic(), job.clock
    )
    heartbeat.start()
    patience = _PATIENCE
    try:
        yield endpoint, heartbeat
    except KeyboardInterrupt:
        patience = AFTER_INTERRUPT
        raise
    finally:
        heartbeat.stop()
        if discard(job, previews, [preview], patience) and not had_preview:
            job.state.remove_preview(location)


def discard(job: Job, previews: Previews, left: Iterable[Preview], patience: float = _PATIENCE) -> bool:
    """Remove previews that are no longer needed. Return False if that failed: then the post step tries again."""
    try:
        with_timeout(patience, lambda: previews.clear(left))
    except Exception as error:  # noqa: BLE001 - the verdict is valid, whether or not the endpoint is removed
        problem = to_promote_error(error)
        why = problem.full_text if str(error) else "there was no response in time."
        job.workflow.warn(f"A preview endpoint could not be removed yet: {why}", title="Endpoint")
        return False
    return True
