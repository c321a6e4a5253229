"""A lock that passes from holder to holder, with any implementation of a lock, and the times that this takes.

Only the standard library is used, because each implementation runs in its own process and virtual environment.
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
"""The longest wait in seconds before a release: the longest pause between two reads of the lock."""
ALONE = 10
"""Acquisitions of a free lock."""


class Contender(Protocol):
    """One side of the relay."""

    def take(self) -> None:
        """Wait for the lock and acquire it."""

    def change(self) -> None:
        """Change something in AWS while holding the lock."""

    def give_back(self) -> None:
        """Release the lock."""


def own_account() -> Account:
    """Return the account of this process's environment."""
    return Account(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_ENDPOINT_URL"])


def alone(make: Callable[[], Contender]) -> dict[str, Any]:
    """Acquire a free lock several times, and return the seconds and the calls."""
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
    """Hand on several locks in parallel; ``make`` creates a contender for the lock with a name."""
    with ThreadPoolExecutor(LANES) as pool:
        relayed = [pool.submit(_relay, make, f"lane-{lane}") for lane in range(LANES)]
        return [seconds for relay in relayed for seconds in relay.result()]


def _relay(make: Callable[[str], Contender], name: str) -> list[float]:
    """Hand on one lock, and return the seconds from each release to the next holder's first change."""
    chance, times = random.Random(name), []  # noqa: S311 - a schedule, not a secret
    # Spread evenly, so that neither side has an advantage, and shuffled.
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
        raise AssertionError(f"a contender made a change while another one held the lock: {times}")
    return times


def _take_and_change(contender: Contender) -> float:
    contender.take()
    contender.change()
    return time.monotonic()


def report(**found: Any) -> None:
    """Print the results for the process that started this one."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
