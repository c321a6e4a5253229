"""Remove what the action has made for one function. What a user has made stays as it is.

Each step can be repeated: it finds what is left. What a later step needs to know is deleted after that step.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from promote.aws.dynamodb import TableNotFound
from promote.aws.errors import to_promote_error
from promote.aws.lambda_function import Function
from promote.core.errors import AccessError, ConflictError, RefusedError, UnconfirmedError
from promote.core.promotion import Alias
from promote.pipeline.adoption import give_back
from promote.pipeline.job import Job
from promote.pipeline.locks import HeldLock, hold, make_lock
from promote.pipeline.made import Made, read_made
from promote.state.ledger import Ledger, State
from promote.state.removal import Removal


def read_removable(job: Job) -> Made:
    """Return what the action has made for the function, after a check that it can be removed.

    Raises:
        AccessError: Not all of it can be listed.
        RefusedError: A release is unfinished, or a run verifies a version at a preview endpoint.

    """
    function, ledger = job.function, job.resources.ledger(job.arn, job.run)
    state = ledger.read()
    _require_ended(function, state)
    made = read_made(job, function, ledger, state)
    if made.unread:
        raise AccessError(
            f"what the action has made for {function.name} is not known: {' '.join(made.unread)}",
            hint="Allow these calls, as docs/iam-policy.json does, and run the job again. Nothing was removed.",
        )
    return made


def _require_ended(function: Function, state: State) -> None:
    """Refuse to remove what a release or a verification needs."""
    for name, served in state.environments.items():
        if served.pending:
            raise RefusedError(
                f"release {served.pending.identity} of {function.name} to {name} is unfinished",
                hint=f"Finish it first with command: rollback and environment: {name}, or with the next run. Then run "
                "the job again.",
            )
    if alive := [preview for preview in state.previews if not preview.is_dead]:
        raise RefusedError(
            f"run {alive[0].run_id} verifies version {alive[0].version} of {function.name} at a preview endpoint",
            hint="Wait until it has ended, or cancel it. Then run the job again.",
        )


def remove(job: Job) -> Iterator[str]:
    """Remove what the action has made for the function, under its lock, and yield what a person should know.

    The errors are those of ``read_removable`` and ``acquire_lock``, and:

    Raises:
        ConflictError: An alias or an event source mapping was changed externally.
        UnconfirmedError: A change may have taken effect.

    """
    ledger = job.resources.ledger(job.arn, job.run)
    with _lock(job) as held:
        # Runs may have ended since it was read for the plan.
        made = read_removable(job)
        function = job.function.guarded(held.heartbeat.require) if held else job.function
        for adoption in made.adoptions:
            yield give_back(function, ledger, adoption)
        _remove_endpoints(job, function, ledger, made)
        yield from _restore_descriptions(job, function, made)
        if held:
            yield from _delete_records(job, held)


def _lock(job: Job) -> AbstractContextManager[HeldLock | None]:
    """Return the lock; without a table, there are neither records nor a lock, and a lock would create the table."""
    lock = make_lock(job, job.arn, can_be_superseded=False)
    try:
        lock.read()
    except TableNotFound:
        return nullcontext()
    return hold(job, lock)


def _remove_endpoints(job: Job, function: Function, ledger: Ledger, made: Made) -> None:
    gateways = job.resources.gateways(function, ledger.arn)
    for qualifier, gateway in made.apis:
        gateways.dismantle(qualifier, gateway)
        job.say("uninstall", f"deleted the HTTP API {gateway.api_id} of {qualifier}")
    # What is left belongs to APIs that were deleted before. A statement that is gone already is left out.
    for permission in made.permissions:
        function.remove_permission(permission.qualifier, permission.statement)


def _restore_descriptions(job: Job, function: Function, made: Made) -> Iterator[str]:
    removal = Removal(job.table, job.arn)
    for alias in made.aliases:
        text = removal.earlier_description(alias.name) if made.has_records else ""
        if not _is_described(function, alias, text):
            raise ConflictError(
                f"the alias {alias.name} of {function.name} was changed externally while this run worked on it",
                hint="Find out what else changes it. Then run the job again: it removes what is left.",
            )
        has = f"has its earlier Description, {text!r}" if text else "has no Description"
        yield f"The alias {alias.name} of {function.name} still points at version {alias.version}, and {has} now."


def _is_described(function: Function, alias: Alias, text: str) -> bool:
    """Give the alias the Description ``text``. Return False if it was changed externally since it was read.

    Raises:
        UnconfirmedError: The alias may have been changed, and does not show it.

    """
    try:
        if function.restore_alias(alias, replace(alias, description=text)):
            return True
    except UnconfirmedError:
        if _has(function.alias(alias.name), alias, text):
            return True
        raise
    # If the response to a first attempt was lost, the retry is refused because that attempt took effect.
    return _has(function.alias(alias.name), alias, text)


def _has(now: Alias | None, alias: Alias, text: str) -> bool:
    return now is not None and (now.version, now.description) == (alias.version, text)


def _delete_records(job: Job, held: HeldLock) -> Iterator[str]:
    removal = Removal(job.table, job.arn)
    removal.delete_records()
    # A beat would find that the lock is gone.
    held.heartbeat.require()
    held.heartbeat.stop()
    left = removal.delete_lock(held.lease)
    held.is_released = left is None
    if left and left.queue:
        yield (
            f"{left.queue[0].name} waits for the lock of {job.inputs.function_name}, and makes records and endpoints "
            "again. Cancel it, or run command: uninstall again after it."
        )


def remove_table(job: Job) -> tuple[str, bool]:
    """Delete the table if the action has made it and nothing is in it.

    Return what happened to it, as a sentence, and whether that is a problem.
    """
    try:
        why = job.table.remove()
    except Exception as error:  # noqa: BLE001 - an empty table costs nothing, and can be deleted later
        return f"The table {job.inputs.table} could not be deleted: {to_promote_error(error).full_text}", True
    return f"The table {job.inputs.table} {f'stays: {why}' if why else 'is gone'}.", False
