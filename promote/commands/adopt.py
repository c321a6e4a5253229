"""``adopt``: show which triggers run unverified code, and let event source mappings call the environment's alias."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.lambda_function import Function
from promote.commands.plan_log import log_plan
from promote.core.concurrency import map_and_wait
from promote.core.errors import AccessError, FunctionError, RefusedError
from promote.core.promotion import Alias
from promote.core.report import Report, Table
from promote.core.run import Result
from promote.core.trigger import EventSource, Triggers, advice
from promote.pipeline.adoption import give_back, returning, take
from promote.pipeline.job import Job
from promote.pipeline.triggers import read_triggers
from promote.state.adoption_records import Adoption
from promote.state.ledger import Ledger

_IN_A_STACK = (
    "If a stack (CloudFormation, SAM, CDK, Serverless, Terraform) manages a trigger, name the alias there too. "
    "Otherwise, its next deployment may let the trigger call $LATEST again."
)


@dataclass(frozen=True)
class _Plan:
    """What is to be changed of one function, or back."""

    job: Job
    function: Function
    ledger: Ledger
    alias: str
    """The ARN of the environment's alias."""
    triggers: Triggers
    adoptions: Sequence[Adoption]
    """What an earlier step has moved to this alias."""

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.function.name


def adopt(job: Job) -> Report:
    """Move the event source mappings that call $LATEST to the environment's alias, or return them (``undo``).

    Without ``apply``, nothing is changed. Other triggers are configured in other services, so the report says what to
    change there.

    Raises:
        AccessError: The triggers cannot be listed.
        ConflictError: A mapping was changed externally.
        FunctionError: A function does not exist, or Lambda refuses a change.
        RefusedError: The environment serves no verified version.

    """
    if job.inputs.parts:
        job.clients.make_shared()
    jobs = job.of_parts()
    with job.phase("read"):
        plans = map_and_wait([partial(_plan, part) for part in jobs], CALLS_AT_ONCE)
    if job.inputs.undo:
        return _undo(job, plans)
    is_plan = job.inputs.is_plan
    tables = tuple(_table(plan, several=len(plans) > 1, is_plan=is_plan) for plan in plans)
    sources = [(plan, source) for plan in plans for source in plan.triggers.sources]
    others = sum(len(plan.triggers.invokers) for plan in plans)
    left = f" {_count(others, 'other trigger')} {_call(others)} $LATEST; see what to change." if others else ""
    notes = (_IN_A_STACK,) if sources or others else ()
    if not sources:
        headline = f"No event source mapping of {job.inputs.names} calls $LATEST.{left}"
        return Report(Result.UNCHANGED, headline=headline, tables=tables, notes=notes)
    what = _count(len(sources), "event source mapping")
    if is_plan:
        log_plan(job, tables)
        headline = f"{what} of {job.inputs.names} would call {job.inputs.environment} in place of $LATEST.{left}"
        hint = "To do it, set apply: true. To go back later, also set undo: true."
        return Report(Result.PLANNED, headline=headline, hint=hint, tables=tables, notes=(*notes, hint))
    with job.phase("adopt"):
        warnings = tuple(warning for plan, source in sources for warning in _moved(plan, source))
    headline = f"{what} of {job.inputs.names} {_call(len(sources))} {job.inputs.environment} now.{left}"
    back = "To go back, run command: adopt with apply: true and undo: true."
    return Report(Result.ADOPTED, headline=headline, tables=tables, notes=(*notes, back), warnings=warnings)


def _plan(job: Job) -> _Plan:
    function, ledger = job.function, job.resources.ledger(job.arn, job.run)
    alias = function.alias(job.inputs.environment)
    called = f"{ledger.arn}:{job.inputs.environment}"
    adoptions = [found for found in ledger.adoptions.all() if found.environment == job.inputs.environment]
    if job.inputs.undo:
        return _Plan(job, function, ledger, called, Triggers(), adoptions)
    _require_verified(job, alias)
    triggers = read_triggers(function, ledger.arn)
    if triggers.unread:
        raise AccessError(
            f"the triggers of {function.name} are not known: {' '.join(triggers.unread)}",
            hint="Allow these calls, as docs/iam-policy.json does, and run the job again. Nothing was changed.",
        )
    return _Plan(job, function, ledger, called, triggers, adoptions)


def _require_verified(job: Job, alias: Alias | None) -> None:
    """Refuse to let triggers call an alias that does not serve a version which was promoted."""
    if alias is None and job.function.find() is None:
        raise FunctionError(
            f"the function {job.inputs.function_name} does not exist",
            hint="Correct function-name or aws-region.",
        )
    if alias is None or alias.is_placeholder or alias.is_moved_by_others:
        why = "does not exist" if alias is None else f"points at version {alias.version}, which was not promoted"
        raise RefusedError(
            f"the alias {job.inputs.environment} of {job.inputs.function_name} {why}, so its code is not verified",
            hint="Promote a version to this environment first, with command: run or promote. Then adopt its triggers.",
        )


def _moved(plan: _Plan, source: EventSource) -> Iterator[str]:
    """Move a mapping, and yield warnings."""
    moved = take(plan.function, plan.ledger, source, plan.job.inputs.environment)
    plan.job.say("adopt", f"{source.name} calls {plan.job.inputs.environment}")
    if moved.settings != source.settings:
        names = sorted(name for name in {**moved.settings, **source.settings} if _differs(name, moved, source))
        yield f"Settings of {source.name} changed at the same time: {', '.join(names)}. Check them."


def _differs(name: str, one: EventSource, other: EventSource) -> bool:
    return one.settings.get(name) != other.settings.get(name)


def _undo(job: Job, plans: Sequence[_Plan]) -> Report:
    """Return the mappings to what they called before ``adopt``."""
    adoptions = [(plan, adoption) for plan in plans for adoption in plan.adoptions]
    what = _count(len(adoptions), "event source mapping")
    if not adoptions:
        headline = (
            f"No event source mapping of {job.inputs.names} was moved to {job.inputs.environment} by this action."
        )
        return Report(Result.UNCHANGED, headline=headline)
    rows = tuple((plan.name, adoption.uuid, returning(adoption)) for plan, adoption in adoptions)
    tables = (Table("Event source mappings", ("Function", "Mapping", "Change"), rows, "None."),)
    if job.inputs.is_plan:
        log_plan(job, tables)
        headline = f"{what} of {job.inputs.names} would call $LATEST again, as before."
        hint = "To do it, set apply: true."
        return Report(Result.PLANNED, headline=headline, hint=hint, tables=tables, notes=(hint,))
    with job.phase("adopt"):
        notes = tuple(give_back(plan.function, plan.ledger, adoption) for plan, adoption in adoptions)
    headline = f"{what} of {job.inputs.names} returned to $LATEST, which is not verified before it is called."
    return Report(Result.ADOPTED, headline=headline, tables=tables, notes=notes)


def _table(plan: _Plan, *, several: bool, is_plan: bool) -> Table:
    latest, name = "$LATEST", plan.job.inputs.environment
    called, text = (latest, f"It would call {name}.") if is_plan else (name, f"It called {latest} before.")
    rows = [(source.name, called, text) for source in plan.triggers.sources]
    rows += [(invoker.name, latest, advice(invoker, plan.ledger.arn, plan.alias)) for invoker in plan.triggers.invokers]
    title = f"{plan.name}: triggers of {latest}" if several else f"Triggers of {latest}"
    return Table(title, ("Trigger", "Calls", "Change"), tuple(rows), "None.")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _call(number: int) -> str:
    return "calls" if number == 1 else "call"
