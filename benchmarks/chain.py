"""Which call of a promotion needs which other's answer, and what follows from that for its time.

The graph says what the protocol needs, not what the code happens to do: a record of calls is held against it, so that
a call that comes before what it needs is found, and the longest chain of the graph is the floor for any code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from sandbox.client import Call

REQUEST = "execute-api.Invoke"
"""A request to the function: no call of AWS's API."""


@dataclass(frozen=True)
class Step:
    """One step of a promotion in the steady state, with one check over HTTP."""

    name: str
    call: str
    needs: tuple[str, ...]
    """Steps whose answers it cannot do without."""
    why: str
    """What it needs of them."""


STEPS = (
    Step("read the function", "lambda.GetFunctionConfiguration", (), ""),
    Step(
        "read the aliases",
        "lambda.ListAliases",
        (),
        "nothing; an alias that follows $LATEST is seen before anything is deployed",
    ),
    Step("read the ledger", "dynamodb.Query", ("read the function",), "the function's ARN, its key"),
    Step(
        "take the lock",
        "dynamodb.UpdateItem",
        ("read the ledger",),
        "the commit that is served: history is looked up before others have to wait for us",
    ),
    Step(
        "update and publish",
        "lambda.UpdateFunctionCode",
        ("take the lock",),
        "the lock, whose token says that what was read still holds; and the RevisionId",
    ),
    Step(
        "see the version active",
        "lambda.GetFunctionConfiguration",
        ("update and publish",),
        "the number of the version; asked again while it is not active",
    ),
    Step(
        "read $LATEST",
        "lambda.GetFunctionConfiguration",
        ("see the version active",),
        "the end of the update, with which the RevisionId changes once more",
    ),
    Step("record the candidate", "dynamodb.PutItem", ("see the version active",), "its digest and fingerprint"),
    Step("check", REQUEST, ("read $LATEST",), "that $LATEST is the candidate, and its RevisionId from before"),
    Step("ask the environment", REQUEST, ("record the candidate",), "nothing; it has the time of the check"),
    Step("read $LATEST again", "lambda.GetFunctionConfiguration", ("check",), "the end of the checks"),
    Step(
        "record verdict and intent",
        "dynamodb.TransactWriteItems",
        ("read $LATEST again", "read the aliases", "ask the environment", "record the candidate"),
        "the verdict, what the alias says, and the record that both are written to",
    ),
    Step(
        "move the alias",
        "lambda.UpdateAlias",
        ("record verdict and intent",),
        "that the verdict is recorded: only what is proven is promoted",
    ),
    Step(
        "record the promotion",
        "dynamodb.TransactWriteItems",
        ("move the alias",),
        "that the alias has moved; it gives the lock back along with that",
    ),
    Step(
        "record the notes",
        "dynamodb.PutItem",
        ("record the promotion",),
        "that the promotion is recorded: whatever the notes need time for, nobody waits for them any more",
    ),
)

_BY_NAME = {step.name: step for step in STEPS}
_POLLED = "see the version active"


@cache
def longest_to(name: str) -> tuple[str, ...]:
    """Give the steps of the longest chain that ends with the step ``name``, by the calls of AWS's API in it."""
    before = max((longest_to(need) for need in _BY_NAME[name].needs), key=calls_in, default=())
    return (*before, name)


def calls_in(chain: Sequence[str]) -> int:
    """Count the calls of AWS's API, without requests to the function."""
    return sum(_BY_NAME[name].call != REQUEST for name in chain)


def longest() -> tuple[str, ...]:
    """Give the steps of the longest chain of all."""
    return max((longest_to(step.name) for step in STEPS), key=lambda chain: (calls_in(chain), len(chain)))


def assigned(calls: Sequence[Call]) -> Mapping[str, Sequence[Call]]:
    """Say which calls of a recorded promotion are which step; only the version is asked for more than once.

    Raises:
        ValueError: there is a call that the graph does not know, or one is missing, or came before what it needs.

    """
    left: dict[str, list[Call]] = {}
    for call in sorted(calls, key=lambda call: call.started):
        left.setdefault(call.name, []).append(call)
    more = {step.name: 0 for step in STEPS}
    more[_POLLED] = sum(map(len, left.values())) - len(STEPS)
    found: dict[str, Sequence[Call]] = {}
    for step in STEPS:
        count = 1 + more[step.name]
        own, left[step.call] = left.get(step.call, [])[:count], left.get(step.call, [])[count:]
        if not own or len(own) != count:
            raise ValueError(f"the record has no {step.call} for: {step.name}")
        found[step.name] = own
    unknown = [call.name for calls_left in left.values() for call in calls_left]
    if unknown:
        raise ValueError(f"the graph has no place for {', '.join(unknown)}")
    for step in STEPS:
        for need in step.needs:
            if found[step.name][0].started < ended(found[need][-1]):
                raise ValueError(f"{step.name!r} came before the answer to {need!r}, which it needs")
    return found


def ended(call: Call) -> float:
    """Give the time at which a call had been answered, on the sandbox's clock."""
    return call.started + call.seconds


def in_turn(calls: Sequence[Call]) -> int:
    """Count the most calls of a record that came one after the other, each after the answer to the one before."""
    free, count = float("-inf"), 0
    for call in sorted(calls, key=ended):
        if call.started >= free:
            free, count = ended(call), count + 1
    return count
