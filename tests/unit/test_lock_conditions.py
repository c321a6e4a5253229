"""Each condition of each write of the lock's item. If it alone does not hold, the write changes nothing."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from promote.aws.dynamodb import Table, TransactionCancelled
from promote.core.errors import LockError
from promote.core.lock_state import Claim, LockState
from promote.state.lock import LONGEST_QUEUE, Found, Lease, Lock
from tests.clock import Time
from tests.memory import Memory

ARN = "arn:aws:lambda:us-east-1:123456789012:function:hello"
SINCE = "1970-01-01T00:00:00+00:00"
"""The time of the clock of these tests."""

OURS = Claim("1/1/a", 30, run_id=1, attempt=1, since=SINCE, job="ours")
EARLIER = replace(OURS, owner="1/1/an earlier step")
OTHER = Claim("9/1/x", 30, beat=3, run_id=9, attempt=1, job="theirs")
THIRD = replace(OTHER, owner="8/1/y", run_id=8)
LEASE = Lease(OURS.owner, 4, 30, 0, 0)

Item = Mapping[str, Any]
MISSING = object()

KEY: Item = {"pk": ARN, "sk": "lock"}
NEVER_HELD: Item = {}
FREE: Item = {**KEY, "format": 1, "token": 4, "tickets": []}


def changed(item: Item, **changes: object) -> Item:
    return {name: value for name, value in {**item, **changes}.items() if value is not MISSING}


def held_by(claim: Claim, **changes: object) -> Item:
    return changed({**FREE, **claim.item(), "phase": "start", "kept_by": ""}, **changes)


def waiting(*claims: Claim) -> list[Item]:
    return [claim.item() for claim in claims]


HELD = held_by(OURS)
KEPT = held_by(EARLIER, kept_by="lock")
DEAD = held_by(OTHER)
QUEUED = changed(FREE, tickets=waiting(OTHER, OURS))
FOUND_HELD = Found(4, OTHER.owner, has_owner=True, held_by="run 9", is_sound=True)
FOUND_WITHOUT_OWNER = Found(4, None, has_owner=False, held_by="no owner", is_sound=False)


@dataclass(frozen=True)
class Transition:
    """One conditional write."""

    act: Callable[[Lock, Table], object]
    accepts: tuple[Item, ...]
    """Items that it changes."""
    refuses: Mapping[str, Item]
    """Items of which one condition alone does not hold, by that condition."""


def state(item: Item) -> LockState:
    return LockState.read(item)


def transact(table: Table, part: tuple[str, dict[str, Any]]) -> None:
    """Write a part of a transaction alone."""
    table.transact([part])


TRANSITIONS: Mapping[str, Transition] = {
    "try_acquire": Transition(
        lambda lock, _: lock.try_acquire(),
        (NEVER_HELD, FREE, changed(FREE, tickets=MISSING), changed(FREE, format=MISSING)),
        {
            "no run holds it": DEAD,
            "no run waits": changed(FREE, tickets=waiting(OTHER)),
            "it has a token": changed(FREE, token=MISSING),
            "it is of this format": changed(FREE, format=2),
        },
    ),
    "acquire together": Transition(
        lambda lock, table: transact(table, lock.acquire_update(state(FREE))),
        (FREE, changed(FREE, tickets=MISSING), changed(FREE, format=MISSING)),
        {
            "no run holds it": DEAD,
            "no run waits": changed(FREE, tickets=waiting(OTHER)),
            "it has the token that was read": changed(FREE, token=5),
            "it is of this format": changed(FREE, format=2),
        },
    ),
    "acquire together, never held": Transition(
        lambda lock, table: transact(table, lock.acquire_update(state(NEVER_HELD))),
        (NEVER_HELD,),
        {"it was never held": FREE, "it is of no other kind": KEY},
    ),
    "reenter": Transition(
        lambda lock, _: lock.reenter(state(KEPT)),
        (KEPT,),
        {
            "the earlier step holds it": held_by(OTHER, kept_by="lock"),
            "it has the token that was read": changed(KEPT, token=5),
        },
    ),
    "keep": Transition(
        lambda lock, _: lock.keep(LEASE, "lock", 600),
        (HELD,),
        {"we hold it": DEAD, "it has our token": changed(HELD, token=5)},
    ),
    "join": Transition(
        lambda lock, _: lock.join(),
        (DEAD, changed(DEAD, tickets=MISSING), changed(DEAD, format=MISSING)),
        {
            "it exists": NEVER_HELD,
            "it is of this format": changed(DEAD, format=2),
            "the queue has room": changed(
                DEAD, tickets=waiting(*(replace(OTHER, owner=f"{number}") for number in range(LONGEST_QUEUE)))
            ),
            "we do not wait yet": changed(DEAD, tickets=waiting(OURS)),
        },
    ),
    "renew the ticket": Transition(
        lambda lock, _: lock.renew_ticket(state(QUEUED)),
        (QUEUED, changed(FREE, tickets=waiting(OTHER, THIRD, OURS))),
        {"the ticket is ours": changed(FREE, tickets=waiting(OTHER, THIRD))},
    ),
    "remove dead runs": Transition(
        lambda lock, _: lock.remove_dead(state(changed(DEAD, tickets=waiting(THIRD, OURS, OTHER))), [THIRD, OTHER]),
        (changed(DEAD, tickets=waiting(THIRD, OURS, OTHER)),),
        {
            "the first ticket is of that run": changed(DEAD, tickets=waiting(replace(THIRD, owner="7"), OURS, OTHER)),
            "the first run is silent": changed(DEAD, tickets=waiting(replace(THIRD, beat=4), OURS, OTHER)),
            "the last ticket is of that run": changed(DEAD, tickets=waiting(THIRD, OURS, replace(OTHER, owner="7"))),
            "the last run is silent": changed(DEAD, tickets=waiting(THIRD, OURS, replace(OTHER, beat=4))),
        },
    ),
    "evict": Transition(
        lambda lock, _: lock.evict(state(DEAD)),
        (DEAD,),
        {
            "the dead run holds it": held_by(THIRD),
            "it has the token that was read": changed(DEAD, token=5),
            "the run is silent": changed(DEAD, beat=4),
        },
    ),
    "take": Transition(
        lambda lock, _: lock.take(state(QUEUED)),
        (QUEUED, changed(QUEUED, format=MISSING)),
        {
            "no run holds it": held_by(THIRD, tickets=waiting(OTHER, OURS)),
            "the ticket is ours": changed(FREE, tickets=waiting(OTHER, THIRD)),
            "it has a token": changed(QUEUED, token=MISSING),
            "it is of this format": changed(QUEUED, format=2),
        },
    ),
    "renew": Transition(
        lambda lock, table: lock.renew(LEASE, table, "verify"),
        (HELD,),
        {"we hold it": DEAD, "it has our token": changed(HELD, token=5)},
    ),
    "release": Transition(
        lambda lock, _: lock.release(LEASE),
        (HELD,),
        {"we hold it": DEAD, "it has our token": changed(HELD, token=5)},
    ),
    "release in a transaction": Transition(
        lambda lock, table: transact(table, lock.release_update(LEASE)),
        (HELD,),
        {"we hold it": DEAD, "it has our token": changed(HELD, token=5)},
    ),
    "release by force": Transition(
        lambda lock, table: transact(table, lock.opening(FOUND_HELD, "me", "it hangs")),
        (DEAD,),
        {"that run holds it": held_by(THIRD), "it has the token that was read": changed(DEAD, token=5)},
    ),
    "release by force what has no owner": Transition(
        lambda lock, table: transact(table, lock.opening(FOUND_WITHOUT_OWNER, "me", "it hangs")),
        (FREE,),
        {"no run holds it": DEAD, "it has the token that was read": changed(FREE, token=5)},
    ),
}


@pytest.fixture
def memory() -> Memory:
    return Memory()


def lock_in(memory: Memory) -> Lock:
    return Lock(memory.table(), ARN, OURS, Time(), lambda _subject, _text: None)


def stored(memory: Memory, item: Item) -> list[Item]:
    """Write the item, and return the items of the table."""
    memory.clear()
    if item:
        memory.write(item)
    return memory.items()


@pytest.mark.parametrize("transition", TRANSITIONS.values(), ids=TRANSITIONS)
def test_what_meets_all_conditions_is_written(memory: Memory, transition: Transition) -> None:
    for item in transition.accepts:
        before = stored(memory, item)
        transition.act(lock_in(memory), memory.table())
        assert memory.items() != before, item


@pytest.mark.parametrize(
    ("transition", "item"),
    [
        pytest.param(transition, item, id=f"{name}: {condition}")
        for name, transition in TRANSITIONS.items()
        for condition, item in transition.refuses.items()
    ],
)
def test_what_misses_one_condition_is_not_written(memory: Memory, transition: Transition, item: Item) -> None:
    before = stored(memory, item)
    with suppress(LockError, TransactionCancelled):  # the item may also be invalid for this version
        transition.act(lock_in(memory), memory.table())
    assert memory.items() == before


def test_a_ticket_is_given_up_only_as_long_as_it_is_ours(memory: Memory) -> None:
    """Another run has removed it as dead since it was read."""
    stored(memory, QUEUED)
    without = changed(FREE, tickets=waiting(OTHER, THIRD))
    memory.before("update_item", lambda: memory.write(without))
    lock_in(memory).abandon()
    assert lock_in(memory).read() == state(without)


@pytest.mark.parametrize("now", [DEAD, held_by(OURS, token=5, kept_by="lock")], ids=["owner", "token"])
def test_a_lock_is_given_up_only_as_long_as_it_is_ours(memory: Memory, now: Item) -> None:
    stored(memory, HELD)
    memory.before("update_item", lambda: memory.write(now))
    lock_in(memory).abandon()
    assert lock_in(memory).read() == state(now)
