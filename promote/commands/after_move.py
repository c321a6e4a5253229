"""What follows the decision: provisioned concurrency, endpoints, release notes and old versions, and the report."""

from collections.abc import Sequence
from dataclasses import replace

from promote.aws.errors import to_promote_error
from promote.commands import messages
from promote.core.report import Report
from promote.core.run import Result
from promote.core.traffic import Split
from promote.pipeline.announce import announce
from promote.pipeline.capacity import follow_traffic, unmoved_traffic
from promote.pipeline.job import Job
from promote.pipeline.part import Part, each
from promote.pipeline.promote import PromotionOutcome
from promote.pipeline.retention import retain


def after_move(
    job: Job, parts: Sequence[Part], outcome: PromotionOutcome, commit: str, notes: tuple[str, ...] = ()
) -> Report:
    """Do what follows the move of the aliases, and return the report. ``commit`` is the candidate's.

    The endpoints that were not seen to work before are checked. ``notes`` are about all functions.
    """
    if outcome.result in (Result.SUPERSEDED, Result.REFUSED):
        orders = [decision.order for decision in outcome.decisions]
        parts = [
            replace(part, previous=decision.previous) for part, decision in zip(parts, outcome.decisions, strict=True)
        ]
        if outcome.result is Result.SUPERSEDED:
            return messages.superseded(job, parts, orders)
        return messages.refused(parts, orders)
    parts = [replace(part, target=part.target.unlocked) for part in _decided(parts, outcome)]
    if any(decision.alias and decision.alias.split is not Split.NONE for decision in outcome.decisions):
        _keep(job, parts, outcome)
        with job.phase("capacity"):
            parts = each(_followed, parts)
    with job.phase("endpoints"):
        parts = each(_reachable, parts)
    job.keep_certain(messages.promoted(job, parts, outcome, notes))
    announced = announce(job, parts, commit)
    if outcome.result is Result.PROMOTED:
        job.keep_certain(messages.promoted(job, parts, outcome, notes, announced))
        parts = retain(job, parts)
    return messages.promoted(job, parts, outcome, notes, announced)


def after_failure(job: Job, parts: Sequence[Part], commit: str) -> Report:
    """Show on GitHub that not all candidates have passed, and return the report."""
    job.keep_certain(messages.blocked(job, parts))
    return messages.blocked(job, parts, announce(job, parts, commit))


def keep_moved(job: Job, parts: Sequence[Part], outcome: PromotionOutcome) -> None:
    """Keep the report that all aliases have moved. It is shown if the run is interrupted later."""
    _keep(job, _decided(parts, outcome), outcome)


def _keep(job: Job, parts: Sequence[Part], outcome: PromotionOutcome) -> None:
    """Keep the report of what the aliases point at, and of what gets the traffic until it follows them."""
    job.keep_certain(messages.promoted(job, list(map(_not_followed, parts)), outcome))


def _decided(parts: Sequence[Part], outcome: PromotionOutcome) -> list[Part]:
    """Return the functions with the results of their promotions."""
    return [part.decided(decision) for part, decision in zip(parts, outcome.decisions, strict=True)]


def _not_followed(part: Part) -> Part:
    alias = part.decision.alias if part.decision else None
    return replace(part, traffic=unmoved_traffic(part.target.function.name, alias) if alias else "")


def _followed(part: Part) -> Part:
    """Wait until the traffic follows the alias."""
    alias = part.decision.alias if part.decision else None
    if alias is None:
        return part
    found = follow_traffic(part.target.job, part.target.function, alias)
    part = part.noted(found.note) if found.note else part
    return replace(part, traffic=found.headline).warned([found.warning] if found.warning else [])


def _reachable(part: Part) -> Part:
    """Check that the endpoints reach the function. The alias has moved, so a problem is a warning."""
    target = part.target
    path = target.job.inputs.first_path
    try:
        environment = target.endpoints.ensure(target.environment, target.served.gateway)
        environment, warnings = (environment, ()) if part.endpoint_ok else target.endpoints.probe(environment, path)
        part = replace(part, environment_endpoint=environment).warned(warnings)
        if part.verdict is None:
            latest, warnings = target.endpoints.probe(part.latest_endpoint, path)
            part = replace(part, latest_endpoint=latest).warned(warnings)
    except Exception as error:  # noqa: BLE001 - the release is complete
        problem = to_promote_error(error)
        part = part.warned([f"The endpoint of {target.environment} may be missing or damaged: {problem.full_text}"])
    return part
