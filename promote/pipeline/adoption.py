"""Let an event source mapping call the environment's alias, and let it go back.

What the mapping called before is recorded before it is changed. So a run that dies in between leaves either a mapping
that is as it was, or one whose way back is known, and the same step can be run again.
"""

from promote.aws.event_sources import MappingRefusedError
from promote.aws.lambda_function import Function
from promote.core.trigger import EventSource
from promote.state.adoption_records import Adoption
from promote.state.ledger import Ledger


def take(function: Function, ledger: Ledger, source: EventSource, environment: str) -> EventSource:
    """Let a mapping call the alias ``environment``, and return it.

    Raises:
        ConflictError: It was changed or deleted externally since it was read.
        FunctionError: Lambda refuses the change, or the change does not end.
        UnconfirmedError: The change may have taken effect.

    """
    source = function.require_unchanged(source)
    adoption = ledger.adoptions.begin(source, environment, f"{ledger.arn}:{environment}")
    try:
        return function.move_event_source(source, adoption.after)
    except MappingRefusedError:
        ledger.adoptions.end(adoption)
        raise


def give_back(function: Function, ledger: Ledger, adoption: Adoption) -> str:
    """Let a mapping call what it called before ``adopt``, unless others have changed that. Return what happened.

    The errors are those of ``take``.
    """
    now = function.event_source(adoption.uuid)
    if now is None:
        done = "was deleted since then"
    elif now.function == adoption.before:
        done = f"calls {adoption.before} already"
    elif now.function != adoption.after:
        done = f"was changed externally: it calls {now.function}, and stays as it is"
    else:
        function.move_event_source(now, adoption.before)
        done = f"calls {adoption.before} again"
    ledger.adoptions.end(adoption)
    return f"The event source mapping {adoption.uuid} {done}."


def returning(adoption: Adoption) -> str:
    """Return what ``give_back`` does, for a plan."""
    return f"calls {adoption.before} again, in place of {adoption.after}"
