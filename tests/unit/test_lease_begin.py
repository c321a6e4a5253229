"""When a lease begins: at the first attempt of the acquisition that may have taken effect."""

from collections.abc import Callable
from typing import Any

import pytest

from promote.aws.calls import watched
from promote.aws.confirmation import mark_response_lost
from promote.aws.dynamodb import Table
from promote.aws.patience import Patience
from promote.aws.recent import Recent
from promote.core.errors import LockError
from promote.core.lock_state import LEASE, Claim, LockState
from promote.state.heartbeat import Heartbeat
from promote.state.lock import Lease, Lock
from promote.state.lock_queue import acquire, acquire_together
from tests.clock import Time
from tests.memory import Memory
from tests.simulation.errors import refusal
from tests.world import TABLE


class Busy:
    """A table whose first writes are refused. They take effect or not."""

    def __init__(self, make: Callable[[str], Exception], times: int, *, lost: bool = False) -> None:
        """``make`` returns the error by the operation. If ``lost``, the first write takes effect without a response."""
        self.memory, self.clock = Memory(), Time()
        self._make, self._left, self._lost = make, times, lost
        patience = Patience(self.clock, lambda: 0.5, lambda *_: None)
        client: Any = watched(self, Recent(self.clock), patience)
        self.table = Table(lambda: client, TABLE, self.clock)

    def lock(self, name: str = "hello") -> Lock:
        return Lock(self.table, f"arn:{name}", Claim("1/1/a", LEASE, run_id=1), self.clock, lambda *_: None)

    def trusts(self, lease: Lease) -> bool:
        """Return whether a run may make a change now, under this lease."""
        try:
            Heartbeat(str, lease.seconds, lease.asked, self.clock).require()
        except LockError:
            return False
        return True

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call = getattr(self.memory, method)
        if method not in ("update_item", "transact_write_items"):
            return call  # type: ignore[no-any-return] # the model's

        def write(**arguments: Any) -> Any:
            if not self._left:
                return call(**arguments)
            self._left -= 1
            error = self._make(method)
            if self._lost:
                self._lost = False
                call(**arguments)
                mark_response_lost(error)
            raise error

        return write


def throttled(method: str) -> Exception:
    if method == "update_item":
        return refusal("dynamodb", "UpdateItem", "ThrottlingException", "Rate exceeded")
    reasons = [{"Code": "None"}, {"Code": "ThrottlingError"}]
    return refusal("dynamodb", "TransactWriteItems", "TransactionCanceledException", "no", CancellationReasons=reasons)


def in_conflict(_: str) -> Exception:
    return refusal("dynamodb", "UpdateItem", "TransactionConflictException", "in progress")


def test_a_lease_begins_after_the_attempts_that_were_throttled() -> None:
    busy = Busy(throttled, times=12)
    lease = acquire(busy.lock(), 1800, lambda: 0.5)
    assert busy.clock.seconds > 3 * lease.seconds
    assert (lease.asked, lease.waited) == (busy.clock.seconds, busy.clock.seconds)
    assert busy.trusts(lease)


def test_leases_that_are_acquired_together_begin_after_the_attempts_that_were_throttled() -> None:
    busy = Busy(throttled, times=12)
    leases = acquire_together([(busy.lock(name), LockState()) for name in ("api", "mail")], busy.table)
    assert busy.clock.seconds > 3 * LEASE
    assert [busy.trusts(lease) for lease in leases] == [True, True]
    assert [lease.waited for lease in leases] == [busy.clock.seconds, 0]


def test_a_lease_begins_after_a_conflict_with_another_write() -> None:
    busy = Busy(in_conflict, times=3)
    lease = acquire(busy.lock(), 1800, lambda: 0.5)
    assert lease.asked == busy.clock.seconds > 0


@pytest.mark.parametrize("together", [False, True])
def test_a_lease_begins_with_an_attempt_that_may_have_taken_effect(*, together: bool) -> None:
    """Other runs may have seen the lock since that attempt."""
    busy = Busy(throttled, times=12, lost=True)
    wanted = [(busy.lock(name), LockState()) for name in ("api", "mail")]
    leases = acquire_together(wanted, busy.table) if together else [acquire(wanted[0][0], 1800, lambda: 0.5)]
    assert busy.clock.seconds > 3 * LEASE
    assert {lease.asked for lease in leases} <= {0.0}
    assert not any(map(busy.trusts, leases))
