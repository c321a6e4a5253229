"""Wait after an update of $LATEST, to reduce the risk that old code passes a verification for the new code.

Lambda reports an update as Successful. Whether $LATEST answers from old code for a moment after that is not known
(docs/assumptions.md). A response does not show the code that it comes from, and the version that ran is always
``$LATEST``. So nothing is tested in this time. Old code that answers longer could pass.
"""

from promote.core.clock import Clock


def settle(clock: Clock, seconds: float, settled: float) -> None:
    """Wait until ``seconds`` have passed since ``settled``, on the clock's monotonic time."""
    left = settled + seconds - clock.monotonic()
    if left > 0:
        clock.sleep(left)
