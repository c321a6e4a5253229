"""The calls of a client: each is repeated as long as that is safe and may help, and a list is read to its end."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, cast

from promote.aws.patience import Patience
from promote.aws.recent import ASKING, CREATING, Recent

Client = TypeVar("Client")


def watched(client: Client, recent: Recent, patience: Patience) -> Client:
    """Return a client that repeats calls which AWS throttles, or which do not find a resource that was just created."""
    return cast("Client", _Watched(client, recent, patience))


def guarded(client: Client, guard: Callable[[], None]) -> Client:
    """Return a client that calls ``guard`` before it repeats a call. If the guard raises, the call is not repeated."""
    return cast("Client", replace(client, guard=guard)) if isinstance(client, _Watched) else client


def within(client: Client, until: float) -> Client:
    """Return a client that does not wait for the end of throttling beyond ``until``, in monotonic time."""
    return cast("Client", replace(client, until=until)) if isinstance(client, _Watched) else client


def telling(client: Client, again: Callable[[], None]) -> Client:
    """Return a client that calls ``again`` right before it repeats a call of which no attempt had an effect."""
    return cast("Client", replace(client, again=again)) if isinstance(client, _Watched) else client


def pages(
    call: Callable[..., Any], items: str = "Items", mark: str = "NextToken", given: str = "NextToken", **arguments: Any
) -> Iterator[Any]:
    """Yield the items of all pages of a list. The default names are those of API Gateway.

    ``mark`` names the member of a response that the next request sends back as ``given``.
    """
    following: dict[str, Any] = {}
    while True:
        page = call(**arguments, **following)
        yield from page[items]
        if not page.get(mark):
            return
        following = {given: page[mark]}


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class _Watched:
    """A boto3 client whose calls are watched."""

    client: Any
    recent: Recent
    patience: Patience
    guard: Callable[[], None] = _nothing
    until: float = math.inf
    again: Callable[[], None] = _nothing

    def __getattr__(self, method: str) -> Any:
        call = getattr(self.client, method)
        if not callable(call):
            return call
        call = partial(self.patience.call, call, self.guard, self.until, self.again)
        if method in CREATING:
            call = partial(self.recent.create, call, CREATING[method])
        if method in ASKING:
            call = partial(self.recent.ask, call, ASKING[method], self.guard)
        return call
