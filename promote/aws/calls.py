"""The calls of a client, each of which is repeated as long as that is safe and may help."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from promote.aws.recent import ASKING, CREATING, Recent

Client = TypeVar("Client")


def watched(client: Client, recent: Recent) -> Client:
    """Return a client that repeats calls which do not find a resource that was just created."""
    return cast("Client", _Watched(client, recent))


def guarded(client: Client, guard: Callable[[], None]) -> Client:
    """Return a client that calls ``guard`` before it repeats a call. If the guard raises, the call is not repeated."""
    return cast("Client", client.guarded(guard)) if isinstance(client, _Watched) else client


class _Watched:
    """A boto3 client whose calls are watched."""

    def __init__(self, client: Any, recent: Recent, guard: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._recent = recent
        self._guard = guard

    def guarded(self, guard: Callable[[], None]) -> "_Watched":
        return _Watched(self._client, self._recent, guard)

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._client, method)
        if method in CREATING:
            call = partial(self._recent.create, call, CREATING[method])
        if method in ASKING:
            call = partial(self._recent.ask, call, ASKING[method], self._guard)
        return call
