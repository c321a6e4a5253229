"""The heartbeat: keeps a lease alive beside the work, and says when it can no longer be trusted.

The two share nothing but two attributes, so that no slow call of the one can hold up the other.
"""

from collections.abc import Callable

from promote.core.clock import Clock
from promote.core.concurrency import event, start
from promote.core.errors import LockError

_LONGEST = 30.0
"""Seconds of a lease that is renewed in good time; a longer one is renewed as often as this."""
_BEATS = 4
"""Beats within a lease: three may fail in a row before it is lost."""


class Heartbeat:
    """Beats until it is stopped."""

    def __init__(self, beat: Callable[[], str], lease: float, since: float, clock: Clock) -> None:
        """Keep alive a lease of ``lease`` seconds, asked for at ``since`` on the clock's monotonic time.

        ``beat`` renews it, in much less time than the lease is long, and gives the owner of the lock where that is
        somebody else by now, else nothing.
        """
        self._beat = beat
        self._lease = lease
        self._clock = clock
        self._trusted_until = since + lease
        self._other = ""
        self._stopped = event()

    def start(self) -> None:
        """Begin."""
        start(self._run)

    def stop(self) -> None:
        """End; a beat under way may still arrive, which harms nobody."""
        self._stopped.set()

    def require(self) -> None:
        """See that the lock is still ours, as far as can be known without asking.

        Raises:
            LockError: it is another's, or could not be renewed for so long that it may be; or the work has ended, and
                this is a call that it has left behind.

        """
        if self._stopped.is_set():
            raise LockError("the lock is being given back, so nothing is changed any more", hint="Run the job again.")
        if self._other:
            raise LockError(
                f"the lock was lost to {self._other} while this run was at work, so it stops before its next change",
                hint="Was the runner suspended, or the lease too short? Run the job again; nothing is lost.",
            )
        if self._clock.monotonic() >= self._trusted_until:
            raise LockError(
                f"the lock could not be renewed for {self._lease:.0f} seconds, so it may be another's by now, and this "
                "run stops before its next change",
                hint="See whether DynamoDB can be reached and the runner was suspended; then run the job again.",
            )

    def beat(self) -> None:
        """Renew the lease once; a failure is left to the next beat."""
        sent = self._clock.monotonic()
        try:
            other = self._beat()
        except Exception:  # noqa: BLE001 - whatever stands in the way, what counts is how long
            return
        if other:
            self._other = other
        else:
            # Counted from before it was sent: a waiter cannot have seen it earlier.
            self._trusted_until = sent + self._lease

    def _run(self) -> None:
        # Also where the lease is long: a lock that was opened by force is to be missed soon.
        while not self._stopped.wait(min(self._lease, _LONGEST) / _BEATS):
            self.beat()
