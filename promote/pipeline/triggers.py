"""What triggers a function: read it, and say at the first run of an environment what runs unverified code."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.errors import to_promote_error
from promote.aws.lambda_function import Function
from promote.core.concurrency import map_and_wait, run_both
from promote.core.run import join_names
from promote.core.trigger import Triggers
from promote.pipeline.target import Target

_Found = TypeVar("_Found")
_One = TypeVar("_One")


def read_triggers(function: Function, arn: str) -> Triggers:
    """Return what calls $LATEST of the function with the unqualified ARN ``arn``, except the action's own endpoint.

    What cannot be read is said in ``unread``.
    """
    (sources, no_sources), (invokers, no_invokers) = run_both(
        lambda: attempt(lambda: function.event_sources(arn), "the event source mappings"),
        lambda: attempt(lambda: function.invokers(""), "the policy of $LATEST"),
    )
    others = tuple(invoker for invoker in invokers if not invoker.is_ours)
    return Triggers(tuple(sources), others, (*no_sources, *no_invokers))


def attempt(call: Callable[[], Sequence[_One]], what: str) -> tuple[Sequence[_One], tuple[str, ...]]:
    """Return what ``call`` lists, or why ``what`` could not be listed."""
    try:
        return call(), ()
    except Exception as error:  # noqa: BLE001 - a report is worth more with what could be read
        return (), (f"{what} could not be listed: {to_promote_error(error).sentence}",)


def with_triggers(targets: Sequence[Target], read: Callable[[], _Found]) -> _Found:
    """Return the result of ``read``. At the first run of an environment, list the triggers at the same time.

    Later runs do not list them again. The result of the run does not depend on them.
    """
    new = [target for target in targets if target.latest and target.environment not in target.state.environments]
    if not new:
        return read()
    found, listed = run_both(
        read,
        lambda: map_and_wait(
            [partial(read_triggers, _informing(target), target.ledger.arn) for target in new], CALLS_AT_ONCE
        ),
    )
    texts = [text for target, triggers in zip(new, listed, strict=True) for text in _texts(target, triggers)]
    if texts:
        job = new[0].job
        more = f"With command: adopt and environment: {job.inputs.environment}, the action shows how to change that."
        job.workflow.warn("\n".join([*texts, more]), title="Triggers")  # GitHub shows only ten annotations of a step
    return found


def _informing(target: Target) -> Function:
    return target.job.resources.informing(target.ledger.arn)


def _texts(target: Target, triggers: Triggers) -> list[str]:
    """Return the line about a function; empty if nothing triggers it. What could not be listed is logged."""
    for why in triggers.unread:
        target.job.say("triggers", f"of {target.function.name}: {why}")
    gateway = target.job.inputs.latest_url
    names = [
        *(source.name for source in triggers.sources),
        # The user has named this gateway as the one that shows $LATEST.
        *(one.name for one in triggers.invokers if not (gateway and one.api and one.api in gateway)),
    ]
    if not names:
        return []
    calls, runs = ("calls", "runs") if len(names) == 1 else ("call", "run")
    return [f"{join_names(names)} {calls} $LATEST of {target.function.name}, and so {runs} unverified code."]
