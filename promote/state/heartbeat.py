"""The heartbeat: it renews a lease in parallel to the work, and reports when the lease can no longer be trusted.

Work and heartbeat share only two attributes. Therefore, a slow call of one cannot delay the other.
"""

from collections.abc import Callable

from promote.core.clock import Clock
from promote.core.concurrency import event, start
from promote.core.errors import LockError
from promote.core.lock_state import RENEWALS

_LONGEST = 30.0
"""Seconds. A longer lease is renewed as often as a lease of this duration."""


class Heartbeat:
    """Renews a lease until it is stopped."""

    def __init__(self, beat: Callable[[], str], lease: float, since: float, clock: Clock) -> None:
        """Renew a lease of ``lease`` seconds that was requested at ``since``, in the clock's monotonic time.

        ``beat`` renews it once, in much less time than the lease. It returns an empty string, or who has the lock
        instead.
        """
        self._beat = beat
        self._lease = lease
        self._clock = clock
        self._trusted_until = since + lease
        self._other = ""
        self._stopped = event()

    def start(self) -> None:
        """Start to renew."""
        start(self._run)

    def stop(self) -> None:
        """Stop. A renewal that is already sent may still arrive, which is harmless."""
        self._stopped.set()

    def require(self) -> None:
        """Require that the lease is still ours, as far as it is known without a call.

        Raises:
            LockError: The lease is lost, or may be lost because it could not be renewed. Or the heartbeat was stopped,
                and this call comes from work that has not stopped yet.

        """
        if self._stopped.is_set():
            raise LockError("the lock is being released, so this call changes nothing", hint="Run the job again.")
        if self._other:
            raise LockError(
                f"the lock was lost to {self._other}, so this run stops before its next change",
                hint="Check whether the runner was suspended. If the lease is too short, increase it. Then run the job "
                "again.",
            )
        if self._clock.monotonic() >= self._trusted_until:
            raise LockError(
                f"the lock could not be renewed for {self._lease:.0f} seconds and another run may have it, so this run "
                "stops before its next change",
                hint="Check whether the runner was suspended or cannot reach DynamoDB, then run the job again.",
            )

    def beat(self) -> None:
        """Renew the lease once. If that fails, the next beat tries again."""
        sent = self._clock.monotonic()
        try:
            other = self._beat()
        except Exception:  # noqa: BLE001 - only the time since the last renewal counts, not the cause
            return
        if other:
            self._other = other
        else:
            # It counts from before the request was sent, because no waiting run can have seen it earlier.
            self._trusted_until = sent + self._lease

    def _run(self) -> None:
        # A long lease is renewed often as well, so that the run soon notices a forced unlock.
        while not self._stopped.wait(min(self._lease, _LONGEST) / RENEWALS):
            self.beat()
