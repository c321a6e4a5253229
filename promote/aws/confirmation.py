"""Find out whether a write that failed may have taken effect.

If a response is lost, botocore repeats the call. If the first attempt took effect, the retry can fail because of it (a
412, a 409, a failed condition). It can also fail for another reason (a 429, expired credentials). So the last error
alone does not show whether the write took effect. This module records the result of each attempt. If the result of a
write is unknown, it reads the resource.
"""

from collections.abc import Callable, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from promote.core.errors import PromoteError, UnconfirmedError

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks

_Found = TypeVar("_Found")

_MARK = "PromoteResponseLost"
"""The key, in the context of a call and in its error, that is true if an attempt was sent and its response was lost."""


def note_attempts(events: "BaseEventHooks", service: str) -> None:
    """Mark a client's errors if the response to an attempt of the same call was lost."""
    events.register(f"response-received.{service}", note)


def note(
    context: MutableMapping[str, Any],
    parsed_response: MutableMapping[str, Any] | None = None,
    exception: Exception | None = None,
    **_: Any,
) -> None:
    """Record the result of one attempt. ``context`` is the same for all attempts of a call.

    The parameters are those of botocore's event ``response-received``. The error of a call contains the parsed
    response.
    """
    earlier = bool(context.get(_MARK))
    if exception is not None:
        context[_MARK] = earlier or not _was_never_sent(exception)
        vars(exception)[_MARK] = context[_MARK]
    elif parsed_response is not None:
        metadata = parsed_response.setdefault("ResponseMetadata", {})
        metadata[_MARK] = earlier
        context[_MARK] = earlier or _has_failed(metadata)


def mark_response_lost(error: Exception) -> None:
    """Mark ``error``: the response to an earlier call of the same write was lost."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - a client has loaded it

    if isinstance(error, ClientError):
        response: Any = error.response
        response.setdefault("ResponseMetadata", {})[_MARK] = True
    else:
        vars(error)[_MARK] = True


def may_have_taken_effect(error: Exception) -> bool:
    """Return whether the write that raised ``error`` may have taken effect.

    It has not if each attempt was refused (4xx) or never sent. If the error does not show that, the result is True.
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
    """Return the result of ``write``; if its response is lost, return what ``look`` reads.

    If the write had no effect, ``look`` returns None and the error of the write is raised. ``what`` is the start of the
    error message if the resource cannot be read either, such as "the API may have been created".

    Raises:
        UnconfirmedError: The write was not confirmed, and the resource cannot be read.

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
    """Return the error for a write that may have taken effect; ``second`` is the error of the read after it."""
    why = f"AWS did not confirm it ({error})"
    why += f", and it cannot be read ({second})" if second else ""
    return UnconfirmedError(f"{what}: {why}")


def unconfirmed_move(name: str, version: str, error: Exception, second: Exception | None = None) -> UnconfirmedError:
    """Return the error for an alias that may have moved to ``version``; ``name`` names the alias and its function."""
    what = f"{name} may have moved to version {version}"
    return UnconfirmedError(
        str(unconfirmed(what, error, second)),
        hint="Run command: status to see what it serves. The next run checks the alias and completes the record.",
        may_have_moved=True,
    )


def _has_failed(metadata: Any) -> bool:
    return int(metadata.get("HTTPStatusCode", 0)) >= HTTPStatus.INTERNAL_SERVER_ERROR


def _was_never_sent(error: Exception) -> bool:
    """Return whether the request was not sent, because there was no connection."""
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError  # noqa: PLC0415 - a client has it

    return isinstance(error, ConnectTimeoutError | EndpointConnectionError)
