"""``uninstall``: remove what the action has made for functions. What users have made stays as it is."""

from dataclasses import replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.commands.made_table import made_table
from promote.commands.plan_log import log_plan
from promote.core.concurrency import map_and_wait
from promote.core.report import Report
from promote.core.run import Result
from promote.pipeline.job import Job
from promote.pipeline.removal import read_removable, remove, remove_table

_TABLE = "The table is deleted too, if the action has made it and no other function has records in it."
_STAYS = (
    "These stay: the functions with their versions and aliases, custom domains, archives in an artifact-bucket, and "
    "GitHub's deployments and releases."
)


def uninstall(job: Job) -> Report:
    """Remove APIs, permissions, Descriptions of aliases, and records, and return moved event source mappings.

    Without ``apply``, nothing is changed. The table is deleted if the action has made it and it is empty.

    Raises:
        AccessError: What is to be removed cannot be listed.
        RefusedError: A release of a function is unfinished, or a version is being verified.
        ConflictError: An alias or an event source mapping was changed externally.

    """
    if job.inputs.parts:
        job.clients.make_shared()
        _ = job.clients.gateway
    jobs = job.of_parts()
    with job.phase("read"):
        found = map_and_wait([partial(read_removable, part) for part in jobs], CALLS_AT_ONCE)
    names, is_plan = job.inputs.names, job.inputs.is_plan
    tables = tuple(
        made_table(made, part.arn, job.inputs.table, f"{part.inputs.function_name}: to remove")
        for part, made in zip(jobs, found, strict=True)
    )
    log_plan(job, tables)
    is_left = not all(made.is_nothing for made in found)
    report = Report(Result.UNCHANGED, headline=f"Nothing of this action is left at {names}.")
    if is_plan and is_left:
        headline = f"What this action has made for {names} would be removed."
        hint = "To do it, set apply: true."
        return Report(Result.PLANNED, headline=headline, hint=hint, tables=tables, notes=(hint, _TABLE, _STAYS))
    if is_plan:
        return report
    if is_left:
        with job.phase("uninstall"):
            todo = [part for part, made in zip(jobs, found, strict=True) if not made.is_nothing]
            notes = tuple(note for part in todo for note in remove(part))
        headline = f"What this action had made for {names} was removed."
        report = Report(Result.UNINSTALLED, headline=headline, tables=tables, notes=(*notes, _STAYS))
    text, is_problem = remove_table(job)
    warnings, notes = ((text,), report.notes) if is_problem else ((), (*report.notes, text))
    return replace(report, notes=notes, warnings=warnings)
