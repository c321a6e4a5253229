"""Traffic that does not follow its alias: an external split, or provisioned concurrency that moves.

An external split is not ended without an override. A weight that Lambda has set is never cleared: it ends when the
provisioned concurrency has moved. A promotion waits for that before and after it moves the alias. The second wait does
not hold the lock, which is released with the record.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from promote.aws.errors import to_promote_error
from promote.aws.lambda_function import Function
from promote.core.errors import FunctionError
from promote.core.promotion import Alias
from promote.core.traffic import Split
from promote.pipeline.job import Job

PATIENCE = 900.0
"""Seconds to wait until provisioned concurrency has moved. It takes 6 to 15 minutes:
https://github.com/hashicorp/terraform-provider-aws/pull/48116."""

_FIRST_PAUSE, _LONGEST_PAUSE, _REPORT_EVERY = 1.0, 15.0, 60.0
"""First and longest pause between two reads, and pause between two lines in the log, in seconds."""


def wait_for_capacity_move(job: Job, function: Function, alias: Alias) -> Alias | None:
    """Wait until provisioned concurrency has moved to the version of ``alias``. Return the alias after the wait.

    Raises:
        FunctionError: It has not moved after :data:`PATIENCE`. Nothing was changed.

    """
    deadline = job.clock.monotonic() + PATIENCE
    now: Alias | None = alias
    # Another run may move the alias again, and its capacity then moves too.
    while now is not None and now.split is Split.CAPACITY and job.clock.monotonic() < deadline:
        now = _wait(job, function, now, deadline)
    if now is not None and now.split is Split.CAPACITY:
        raise FunctionError(
            f"Lambda still moves provisioned concurrency of {now.name} of {function.name} to version {now.version} "
            f"after {PATIENCE / 60:.0f} minutes, and sends all traffic to version {now.serving}",
            hint="Run the job again when it has moved. Use command: status to see that. To move the alias at once, set "
            "override: true and a reason.",
        )
    return now


@dataclass(frozen=True)
class Traffic:
    """What gets the traffic of an alias that has moved."""

    headline: str = ""
    """A sentence if it is not the version of the alias; else empty."""
    warning: str = ""
    note: str = ""


def unmoved_traffic(function: str, alias: Alias) -> str:
    """Return the sentence that the traffic has not followed the alias; empty if it has, or if that is not Lambda's."""
    return f"{_pointing(function, alias)}{alias.serving}." if alias.split.is_lambdas else ""


def follow_traffic(job: Job, function: Function, alias: Alias) -> Traffic:
    """Wait until the traffic follows ``alias``, which has moved already. Return what happened; a failure is a warning.

    While the run waits, it serves what ``unmoved_traffic`` says.
    """
    if alias.split is Split.NONE:
        return Traffic()
    if alias.split.is_external:
        text = f"{alias.name} of {function.name} points at version {alias.version}, but its traffic is split: "
        text += f"{alias.shares}. {alias.capacity_reason}"
        return Traffic(warning=text.strip())
    headline, started = _pointing(function.name, alias), job.clock.monotonic()
    try:
        now = _wait(job, function, alias, started + PATIENCE)
    except Exception as error:  # noqa: BLE001 - the alias has moved, even if it cannot be read
        text = f"The run could not read whether it has moved since: {to_promote_error(error)}"
        warning = f"{headline}{alias.serving}, until provisioned concurrency has moved. {text}"
        return Traffic(f"{headline}{alias.serving}.", warning)
    if now is not None and now.version == alias.version and now.split.is_lambdas:
        return Traffic(f"{headline}{now.serving}.", f"{headline}{now.serving}: {' '.join(_why(now))}")
    if now is None or now.version != alias.version or now.split is not Split.NONE:
        text = f"{headline}{alias.serving}. It is not known whether provisioned concurrency was ready: "
        text += f"{now.capacity_reason or 'the alias was changed externally'}" if now else "the alias was deleted"
        return Traffic(warning=f"{text.rstrip('.')}.")
    waited = job.clock.monotonic() - started
    note = f"Lambda sent all traffic of {alias.name} of {function.name} to version {alias.serving} for another "
    note += f"{waited:.0f} s, until provisioned concurrency for version {alias.version} was ready."
    return Traffic(note=note)


def _pointing(function: str, alias: Alias) -> str:
    name = f"{alias.name} of {function}"
    return f"{name} points at version {alias.version}, but Lambda still sends all its traffic to version "


def describe_split(alias: Alias | None) -> str:
    """Return a clause that says what the alias serves; empty if it serves just its version."""
    if alias is None or alias.split is Split.NONE:
        return ""
    if alias.split is Split.CAPACITY:
        return f"all traffic goes to version {alias.serving} until provisioned concurrency has moved"
    if alias.split is Split.STUCK:
        return f"all traffic stays with version {alias.serving}: provisioned concurrency could not be allocated"
    return alias.shares


def _why(now: Alias) -> Iterator[str]:
    if now.split is Split.STUCK:
        yield f"provisioned concurrency could not be allocated ({now.capacity_reason or 'no reason given'})."
        yield f"The traffic stays there. Run command: rollback, which returns the alias to version {now.serving}, and"
        yield "correct the cause."
    else:
        yield f"provisioned concurrency has not moved after {PATIENCE / 60:.0f} minutes. When it has, Lambda sends the"
        yield f"traffic to version {now.version}. Use command: status to see that."


def _wait(job: Job, function: Function, alias: Alias, deadline: float) -> Alias | None:
    """Wait while Lambda moves provisioned concurrency to the version of ``alias``. Return the alias after the wait.

    ``deadline`` is in the clock's monotonic time. If the alias was deleted, return None.
    """
    started = reported = job.clock.monotonic()
    pause, now = _FIRST_PAUSE, alias
    text = f"Lambda sends all traffic of {alias.name} to version {alias.serving} until provisioned concurrency for "
    text += f"version {alias.version} is ready"
    job.say("capacity", text)
    while (
        now.split is Split.CAPACITY and now.version == alias.version and (left := deadline - job.clock.monotonic()) > 0
    ):
        if job.clock.monotonic() - reported >= _REPORT_EVERY:
            reported = job.clock.monotonic()
            job.say("capacity", f"{text}; waited {reported - started:.0f} s")
        job.clock.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)
        found = function.alias(alias.name)
        if found is None:
            return None
        now = found
    return now
