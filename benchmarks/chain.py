"""Which call of a promotion needs the response of which other call.

The graph describes what the protocol needs, not what the code does. A test compares recorded calls with it, and finds a
call that comes before a response that it needs. The longest chain of the graph is the minimum for any code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from sandbox.client import Call

REQUEST = "execute-api.Invoke"
"""A request to the function, which is not a call of AWS's API."""


@dataclass(frozen=True)
class Step:
    """One step of a promotion in the steady state, with one check over HTTP."""

    name: str
    call: str
    needs: tuple[str, ...]
    """The steps whose responses it needs."""
    why: str
    """Why it needs them."""


STEPS = (
    Step("read the function", "lambda.GetFunctionConfiguration", (), ""),
    Step(
        "read the aliases",
        "lambda.ListAliases",
        (),
        "nothing; an alias that follows $LATEST is found before anything is deployed",
    ),
    Step("read the ledger", "dynamodb.Query", ("read the function",), "the function's ARN, its key"),
    Step(
        "take the lock",
        "dynamodb.UpdateItem",
        ("read the ledger",),
        "the commit that is served: the history is read before other runs have to wait",
    ),
    Step(
        "update and publish",
        "lambda.UpdateFunctionCode",
        ("take the lock",),
        "the lock, whose token shows that what was read is still valid, and the RevisionId",
    ),
    Step(
        "see the version active",
        "lambda.GetFunctionConfiguration",
        ("update and publish",),
        "the number of the version; repeated while it is not active",
    ),
    Step(
        "read $LATEST",
        "lambda.GetFunctionConfiguration",
        ("update and publish",),
        "the end of the update, which changes the RevisionId again; it is read beside the version",
    ),
    Step("record the candidate", "dynamodb.PutItem", ("see the version active",), "its digest and fingerprint"),
    Step(
        "check",
        REQUEST,
        ("see the version active", "read $LATEST"),
        "that $LATEST is the candidate, and its RevisionId before the check",
    ),
    Step("ask the environment", REQUEST, ("record the candidate",), "nothing; it has as much time as the check"),
    Step("read $LATEST again", "lambda.GetFunctionConfiguration", ("check",), "the end of the checks"),
    Step(
        "begin the release",
        "dynamodb.TransactWriteItems",
        ("read $LATEST again", "read the aliases", "ask the environment", "record the candidate"),
        "the verdict, the alias, and the record that is updated",
    ),
    Step(
        "move the alias",
        "lambda.UpdateAlias",
        ("begin the release",),
        "that the verdict is recorded: only verified code is promoted",
    ),
    Step(
        "complete the release",
        "dynamodb.TransactWriteItems",
        ("move the alias",),
        "that the alias has moved; it also releases the lock",
    ),
    Step(
        "record the notes",
        "dynamodb.PutItem",
        ("complete the release",),
        "that the promotion is recorded and the lock released: no run waits for the notes",
    ),
)

_BY_NAME = {step.name: step for step in STEPS}
_POLLED = "see the version active"


@cache
def longest_to(name: str) -> tuple[str, ...]:
    """Return the steps of the longest chain that ends with the step ``name``, measured in calls of AWS's API."""
    before = max((longest_to(need) for need in _BY_NAME[name].needs), key=calls_in, default=())
    return (*before, name)


def calls_in(chain: Sequence[str]) -> int:
    """Return the number of calls of AWS's API, without requests to the function."""
    return sum(_BY_NAME[name].call != REQUEST for name in chain)


def longest() -> tuple[str, ...]:
    """Return the steps of the longest chain."""
    return max((longest_to(step.name) for step in STEPS), key=lambda chain: (calls_in(chain), len(chain)))


def assigned(calls: Sequence[Call]) -> Mapping[str, Sequence[Call]]:
    """Return the calls of a recorded promotion by step. Only the step that polls the version may have several.

    Raises:
        ValueError: A call is unknown to the graph, is missing, or came before a response that it needs.

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
        raise ValueError(f"the graph does not have {', '.join(unknown)}")
    for step in STEPS:
        for need in step.needs:
            if found[step.name][0].started < ended(found[need][-1]):
                raise ValueError(f"{step.name!r} came before the response of {need!r}, which it needs")
    return found


def ended(call: Call) -> float:
    """Return the time of a call's response, on the sandbox's clock."""
    return call.started + call.seconds


def in_turn(calls: Sequence[Call]) -> int:
    """Return the largest number of recorded calls of which each came after the response of the previous one."""
    free, count = float("-inf"), 0
    for call in sorted(calls, key=ended):
        if call.started >= free:
            free, count = ended(call), count + 1
    return count
