"""What follows the move of the aliases: wait for provisioned concurrency, and check the endpoints."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.errors import to_promote_error
from promote.commands import messages
from promote.commands.part import Part, each
from promote.core.concurrency import map_and_wait
from promote.core.report import Report
from promote.core.run import Result
from promote.core.traffic import Split
from promote.pipeline.capacity import followed
from promote.pipeline.job import Job
from promote.pipeline.promote import Outcome


def after_move(job: Job, parts: Sequence[Part], outcome: Outcome) -> Report:
    """Return the report of the result. After a move, check the endpoints that were not seen to work before."""
    orders = [decision.order for decision in outcome.decisions]
    if outcome.result in (Result.SUPERSEDED, Result.REFUSED):
        parts = [
            part.reported(previous=decision.previous) for part, decision in zip(parts, outcome.decisions, strict=True)
        ]
        tell = messages.superseded if outcome.result is Result.SUPERSEDED else messages.refused
        return tell(job, parts, orders)
    parts = messages.moved(parts, outcome)
    if any(decision.alias and decision.alias.split is not Split.NONE for decision in outcome.decisions):
        with job.phase("capacity"):
            calls = [
                partial(followed, part.target.job, part.target.function, decision.alias, part.report)
                for part, decision in zip(parts, outcome.decisions, strict=True)
            ]
            reports = map_and_wait(calls, CALLS_AT_ONCE)
        parts = [replace(part, report=report) for part, report in zip(parts, reports, strict=True)]
    with job.phase("endpoints"):
        parts = each(_reachable, parts)
    return messages.served(job, parts, outcome)


def _reachable(part: Part) -> Part:
    """Check that the endpoints reach the function. The alias has moved, so a problem is a warning."""
    target, report = part.target, part.report
    path = target.job.inputs.first_path
    try:
        environment = target.endpoints.ensure(target.environment, target.served.gateway)
        environment, warnings = (environment, ()) if part.endpoint_ok else target.endpoints.probe(environment, path)
        report = replace(report, environment=environment, warnings=(*report.warnings, *warnings))
        if report.verdict is None:
            latest, warnings = target.endpoints.probe(report.latest, path)
            report = replace(report, latest=latest, warnings=(*report.warnings, *warnings))
    except Exception as error:  # noqa: BLE001 - the release is complete
        problem = to_promote_error(error)
        warning = f"The endpoint of {target.environment} may be missing or damaged: {problem.full_text}"
        report = replace(report, warnings=(*report.warnings, warning))
    return replace(part, report=report)
