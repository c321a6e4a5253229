"""Whether a write that ended with an error may have taken effect all the same.

botocore repeats a call that was not answered. The repetitions can meet the effect of the first attempt (a 412, a 409, a
condition that fails), or fail for another reason (a 429, expired credentials). So the last error alone does not say
whether the write took effect. This module notes what became of each attempt, and reads back where that is needed.
"""

from collections.abc import Callable, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from promote.core.errors import PromoteError, UnconfirmedError

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks

_Found = TypeVar("_Found")

_MARK = "PromoteUnanswered"
"""The key under which a call's context, its error's metadata and its exception say that an attempt was not answered."""


def note_attempts(events: "BaseEventHooks", service: str) -> None:
    """Let a client's errors say whether an attempt of the same call was sent and not answered."""
    events.register(f"response-received.{service}", note)


def note(
    context: MutableMapping[str, Any],
    parsed_response: MutableMapping[str, Any] | None = None,
    exception: Exception | None = None,
    **_: Any,
) -> None:
    """Note what became of one attempt; ``context`` is the same for all attempts of a call.

    These are the parameters of botocore's event ``response-received``. The parsed response becomes the error's own.
    """
    earlier = bool(context.get(_MARK))
    if exception is not None:
        context[_MARK] = earlier or not _was_never_sent(exception)
        vars(exception)[_MARK] = context[_MARK]
    elif parsed_response is not None:
        metadata = parsed_response.setdefault("ResponseMetadata", {})
        metadata[_MARK] = earlier
        context[_MARK] = earlier or _has_failed(metadata)


def mark_unanswered(error: Exception) -> None:
    """Note in ``error`` that an earlier call of the same write was not answered."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - a client has loaded it

    if isinstance(error, ClientError):
        response: Any = error.response
        response.setdefault("ResponseMetadata", {})[_MARK] = True
    else:
        vars(error)[_MARK] = True


def may_have_taken_effect(error: Exception) -> bool:
    """Return whether the write that raised ``error`` may have taken effect.

    It has not if each of its attempts was refused (4xx) or never sent. An error that does not tell counts as unknown.
    """
    from botocore.exceptions import ClientError, ParamValidationError  # noqa: PLC0415 - a client has loaded it

    if isinstance(error, UnconfirmedError):
        return True
    if isinstance(error, PromoteError | ParamValidationError):
        return False
    if isinstance(error, ClientError):
        metadata: Any = error.response.get("ResponseMetadata", {})
        return _has_failed(metadata) or bool(metadata.get(_MARK))
    return bool(vars(error).get(_MARK, True))


def confirmed(write: Callable[[], _Found], look: Callable[[], _Found | None], what: str) -> _Found:
    """Carry out ``write``; if it is not known whether it took effect, return what ``look`` finds of it.

    ``look`` returns None if there is no effect; the write's own error is raised then. ``what`` begins the sentence that
    is said if reading back fails too, such as "the API may have been created".

    Raises:
        UnconfirmedError: the write was not confirmed, and reading back failed.

    """
    try:
        return write()
    except Exception as error:
        if not may_have_taken_effect(error):
            raise
        try:
            found = look()
        except Exception as second:
            raise unconfirmed(what, error, second) from second
        if found is None:
            raise
        return found


def unconfirmed(what: str, error: Exception, second: Exception | None = None) -> UnconfirmedError:
    """Return the error of a write that may have taken effect; ``error`` is its own, ``second`` that of reading back."""
    why = f"AWS did not confirm it ({error})"
    why += f", and it could not be read back ({second})" if second else ""
    return UnconfirmedError(f"{what}: {why}")


def unconfirmed_move(name: str, version: str, error: Exception, second: Exception | None = None) -> UnconfirmedError:
    """Return the error of an alias that may have moved to ``version``; ``name`` names alias and function."""
    what = f"{name} may have moved to version {version}"
    return UnconfirmedError(
        str(unconfirmed(what, error, second)),
        hint="See what it serves with command: status. The next run finds out what became of the move, and finishes "
        "the record.",
        may_have_moved=True,
    )


def _has_failed(metadata: Any) -> bool:
    return int(metadata.get("HTTPStatusCode", 0)) >= HTTPStatus.INTERNAL_SERVER_ERROR


def _was_never_sent(error: Exception) -> bool:
    """Whether there was no connection to send the request on."""
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError  # noqa: PLC0415 - a client has it

    return isinstance(error, ConnectTimeoutError | EndpointConnectionError)
