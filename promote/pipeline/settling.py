"""Wait after an update of $LATEST, so that old code cannot pass a verification for the new code.

Lambda reports an update as Successful. Whether $LATEST answers from old code for a moment after that is not known
(docs/assumptions.md). A response does not show the code that it comes from, and the version that ran is always
``$LATEST``. So nothing is tested in this time, and old code can neither pass nor fail.
"""

from promote.core.clock import Clock


def settle(clock: Clock, seconds: float, settled: float) -> None:
    """Wait until ``seconds`` have passed since ``settled``, on the clock's monotonic time."""
    left = settled + seconds - clock.monotonic()
    if left > 0:
        clock.sleep(left)
