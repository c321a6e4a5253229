"""Traffic that does not follow its alias: a split that others have set, and provisioned concurrency that moves.

A split that others have set is not ended unasked. A weight that Lambda itself has set is never cleared: it ends when
the provisioned concurrency has moved. A promotion waits for that before it moves the alias, and after it has moved it.
The second wait does not hold the lock, which is released with the record.
"""

from collections.abc import Iterator
from dataclasses import replace

from promote.aws.errors import to_promote_error
from promote.aws.lambda_function import Function
from promote.core.errors import FunctionError, RefusedError
from promote.core.promotion import Alias
from promote.core.report import Report
from promote.core.traffic import Split
from promote.inputs.model import Inputs
from promote.pipeline.job import Job

PATIENCE = 900.0
"""Seconds to wait until provisioned concurrency has moved. It takes 6 to 15 minutes:
https://github.com/hashicorp/terraform-provider-aws/pull/48116."""

_FIRST_PAUSE, _LONGEST_PAUSE, _REPORT_EVERY = 1.0, 15.0, 60.0
"""Seconds between two looks, at first and at most, and between two lines in the log."""


def require_free(function: str, alias: Alias | None, inputs: Inputs, *, is_back: bool = False) -> None:
    """Refuse to move an alias if that ends a split that others may have set, or that Lambda cannot end itself.

    ``is_back``: it is rolled back, which also ends a weight that Lambda has set.

    Raises:
        RefusedError: the input ``override`` does not allow it.

    """
    if alias is None or inputs.override:
        return
    name = f"{alias.name} of {function}"
    if alias.split.is_external:
        text = f"{name} splits its traffic, and this action has not set that: {alias.shares}"
        if alias.split is Split.UNKNOWN:
            text += f". Whether Lambda itself has set it could not be read: {alias.capacity_reason}"
        raise RefusedError(
            text,
            hint="If the split is not needed any more, end it: aws lambda update-alias "
            f"--function-name {function} --name {alias.name} --routing-config AdditionalVersionWeights={{}}. "
            "Or set override: true and a reason, which is recorded: then this run ends it.",
        )
    if alias.split is Split.STUCK and not is_back:
        raise RefusedError(
            f"Lambda could not allocate provisioned concurrency for version {alias.version} of {function} "
            f"({alias.capacity_reason or 'no reason given'}), so it sends all traffic of {alias.name} to version "
            f"{alias.serving}",
            hint=f"Run command: rollback, which returns the alias to version {alias.serving}. Then run this again. Or "
            "set override: true and a reason, which is recorded.",
        )


def settled(job: Job, function: Function, alias: Alias) -> Alias | None:
    """Wait until provisioned concurrency has moved to the version of ``alias``; return the alias as it then is.

    Raises:
        FunctionError: it has not moved after :data:`PATIENCE`; nothing was changed.

    """
    now = _wait(job, function, alias)
    if now is not None and now.split is Split.CAPACITY:
        raise FunctionError(
            f"Lambda still moves provisioned concurrency of {now.name} of {function.name} to version {now.version} "
            f"after {PATIENCE / 60:.0f} minutes, and sends all traffic to version {now.serving}",
            hint="Run the job again when it has moved; command: status shows that. Or set override: true and a reason: "
            "then the alias moves at once.",
        )
    return now


def followed(job: Job, function: Function, alias: Alias | None, report: Report) -> Report:
    """Wait until the traffic has followed ``alias``, which the run has moved or left; add to ``report`` what happened.

    Whatever goes wrong is a warning: the alias has moved.
    """
    if alias is None or alias.split is Split.NONE:
        return report
    if alias.split.is_external:
        text = f"{alias.name} of {function.name} points at version {alias.version}, but its traffic is split: "
        text += f"{alias.shares}. {alias.capacity_reason}"
        return replace(report, warnings=(*report.warnings, text.strip()))
    name, started = f"{alias.name} of {function.name}", job.clock.monotonic()
    headline = f"{name} points at version {alias.version}, but Lambda still sends all its traffic to version "
    # Until it is known, this is what is certain.
    job.reports.append(replace(report, headline=f"{headline}{alias.serving}."))
    now: Alias | None = alias
    try:
        with job.phase("capacity"):
            now = _wait(job, function, alias)
    except Exception as error:  # noqa: BLE001 - the alias has moved, whatever stands in the way of looking at it
        text = f"Whether it has moved since could not be read: {to_promote_error(error)}"
        return replace(
            report,
            headline=f"{headline}{alias.serving}.",
            warnings=(*report.warnings, f"{headline}{alias.serving}, until provisioned concurrency has moved. {text}"),
        )
    if now is not None and now.version == alias.version and now.split.is_lambdas:
        why = " ".join(_why(now))
        warning = f"{headline}{now.serving}: {why}"
        return replace(report, headline=f"{headline}{now.serving}.", warnings=(*report.warnings, warning))
    if now is None or now.version != alias.version or now.split is not Split.NONE:
        text = f"{headline}{alias.serving}. Whether provisioned concurrency was ready is not known: "
        text += f"{now.capacity_reason or 'the alias was changed externally'}" if now else "the alias was deleted"
        return replace(report, warnings=(*report.warnings, f"{text.rstrip('.')}."))
    waited = job.clock.monotonic() - started
    note = f"Lambda sent all traffic of {name} to version {alias.serving} for {waited:.0f} s more, until provisioned "
    return replace(report, notes=(*report.notes, f"{note}concurrency for version {alias.version} was ready."))


def meanwhile(alias: Alias | None) -> str:
    """Say what is served, as the end of a sentence, if that is not just the alias's version; else return nothing."""
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
        yield f"It stays so. Run command: rollback, which returns the alias to version {now.serving}, and correct what"
        yield "the reason says."
    else:
        yield f"provisioned concurrency has not moved after {PATIENCE / 60:.0f} minutes. Lambda sends the traffic to"
        yield f"version {now.version} when it has. See with command: status."


def _wait(job: Job, function: Function, alias: Alias) -> Alias | None:
    """Wait while Lambda moves provisioned concurrency to the version of ``alias``; return the alias as it then is."""
    started = reported = job.clock.monotonic()
    pause, now = _FIRST_PAUSE, alias
    text = f"Lambda sends all traffic of {alias.name} to version {alias.serving} until provisioned concurrency for "
    text += f"version {alias.version} is ready"
    job.say("capacity", text)
    while now.split is Split.CAPACITY and now.version == alias.version:
        elapsed = job.clock.monotonic() - started
        if elapsed >= PATIENCE:
            break
        if job.clock.monotonic() - reported >= _REPORT_EVERY:
            reported = job.clock.monotonic()
            job.say("capacity", f"{text}; waited {elapsed:.0f} s")
        job.clock.sleep(min(pause, PATIENCE - elapsed))
        pause = min(2 * pause, _LONGEST_PAUSE)
        found = function.alias(alias.name)
        if found is None:
            return None
        now = found
    return now
