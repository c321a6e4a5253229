"""What a run costs at most, from AWS's list prices.

https://aws.amazon.com/lambda/pricing/, https://aws.amazon.com/api-gateway/pricing/ and
https://aws.amazon.com/dynamodb/pricing/on-demand/, rounded up, without the free tier. Some regions cost more, so the
estimate is doubled.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

LIMIT = 0.10
"""USD. A run that may cost more is refused."""
_REGIONS = 2.0

_INVOCATION = 0.20e-6 + 0.125 * 0.05 * 16.7e-6
"""A request, and 50 ms with 128 MB."""
_REQUEST = 1.20e-6
_WRITE = 2 * 1.40e-6
"""A write in a transaction counts twice."""
_PROVISIONED = 0.125 * 4.2e-6
_SNAPSHOT = 0.125 * (3 * 3600 * 1.6e-6 + 0.00015)
"""A snapshot is charged for three hours at least, and for a restore."""


@dataclass(frozen=True)
class Usage:
    """What a question uses at most."""

    requests: int = 0
    """Requests to an HTTP API, each of which invokes a function."""
    invocations: int = 0
    """Other invocations."""
    writes: int = 0
    """Writes and reads of the table."""
    provisioned: float = 0
    """Seconds with one unit of provisioned concurrency."""
    snapshots: int = 0
    """Versions with SnapStart."""

    @property
    def dollars(self) -> float:
        """The cost at most, in USD."""
        return _REGIONS * (
            self.requests * (_REQUEST + _INVOCATION)
            + self.invocations * _INVOCATION
            + self.writes * _WRITE
            + self.provisioned * _PROVISIONED
            + self.snapshots * _SNAPSHOT
        )


def total(usages: Iterable[Usage]) -> Usage:
    """Return the sum."""
    found = list(usages)
    return Usage(**{field.name: sum(getattr(usage, field.name) for usage in found) for field in fields(Usage)})
