"""A lock that is handed on from holder to holder, with any implementation of a lock, and the times that it took.

Only the standard library is used: each implementation runs in a virtual environment and a process of its own.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from sandbox.client import Account

ROUNDS = 10
"""Hand-offs of one lock, one after the other."""
LANES = 3
"""Locks that are handed on at the same time."""
LONGEST_WAIT = 5.0
"""Seconds that a waiter has waited at the most when the lock is released: the longest pause between two looks."""
ALONE = 10
"""Acquisitions that nobody contends for."""


class Contender(Protocol):
    """Somebody who wants the lock."""

    def take(self) -> None:
        """Wait for the lock and take it."""

    def change(self) -> None:
        """Change something in AWS, as the one who holds the lock."""

    def give_back(self) -> None:
        """Release the lock."""


def own_account() -> Account:
    """Give the account whose environment this process has."""
    return Account(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_ENDPOINT_URL"])


def alone(make: Callable[[], Contender]) -> dict[str, Any]:
    """Take a free lock a few times; give the seconds and the calls that each time took."""
    account = own_account()
    seconds, calls = [], []
    for _ in range(ALONE):
        contender = make()
        account.forget()
        asked = time.monotonic()
        contender.take()
        seconds.append(time.monotonic() - asked)
        calls.append([call.name for call in account.calls()])
        contender.give_back()
    return {"seconds": seconds, "calls": max(calls, key=len)}


def relays(make: Callable[[str], Contender]) -> list[float]:
    """Hand several locks on side by side; ``make`` makes a contender for the lock of a name."""
    with ThreadPoolExecutor(LANES) as pool:
        relayed = [pool.submit(_relay, make, f"lane-{lane}") for lane in range(LANES)]
        return [seconds for relay in relayed for seconds in relay.result()]


def _relay(make: Callable[[str], Contender], name: str) -> list[float]:
    """Hand one lock on; give the seconds from each release, as it is asked for, to the next holder's first change."""
    chance, times = random.Random(name), []  # noqa: S311 - a schedule, not a secret
    # Spread evenly, so that no side is lucky, and in no order.
    waits = [(number + chance.random()) / ROUNDS * LONGEST_WAIT for number in range(ROUNDS)]
    chance.shuffle(waits)
    holder = make(name)
    holder.take()
    with ThreadPoolExecutor(1) as pool:
        for wait in waits:
            waiter = make(name)
            changed = pool.submit(_take_and_change, waiter)
            time.sleep(wait)
            released = time.monotonic()
            holder.give_back()
            times.append(changed.result() - released)
            holder = waiter
    holder.give_back()
    if min(times) < 0:
        raise AssertionError(f"somebody has changed something while another held the lock: {times}")
    return times


def _take_and_change(contender: Contender) -> float:
    contender.take()
    contender.change()
    return time.monotonic()


def tell(**found: Any) -> None:
    """Hand over what was found to the process that has started this one."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
