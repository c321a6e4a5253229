"""How an alias splits its traffic, and who has set its weights.

If an alias with provisioned concurrency is moved, Lambda gives the old version the weight 1 until the provisioned
concurrency has moved. That takes 6 to 15 minutes. If the provisioned concurrency cannot be allocated, the weight stays.
Sources: https://github.com/hashicorp/terraform-provider-aws/pull/48116 and
https://github.com/gradientedge/cdk-utils/pull/1110.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum, auto


class Capacity(StrEnum):
    """The state of an alias's provisioned concurrency; botocore lambda:ProvisionedConcurrencyStatusEnum."""

    NONE = ""
    """It has none, or it was not read because Lambda cannot have set the weights."""
    MOVING = "IN_PROGRESS"
    READY = "READY"
    FAILED = "FAILED"
    UNKNOWN = "unknown"
    """The state could not be read."""


class Split(Enum):
    """Who has set the weights of an alias."""

    NONE = auto()
    """There are no weights. All traffic goes to the alias's version."""
    CAPACITY = auto()
    """Lambda, until the provisioned concurrency has moved to the alias's version."""
    STUCK = auto()
    """Lambda. It could not allocate the provisioned concurrency, so the weight stays."""
    EXTERNAL = auto()
    """A person or another tool."""
    UNKNOWN = auto()
    """Not known, because the state of the provisioned concurrency could not be read."""

    @property
    def is_lambdas(self) -> bool:
        """Whether Lambda itself has set the weight, so that it is not an external change."""
        return self in (Split.CAPACITY, Split.STUCK)

    @property
    def is_external(self) -> bool:
        """Whether the weights may be an external change, so that the action does not remove them."""
        return self in (Split.EXTERNAL, Split.UNKNOWN)


def may_be_lambdas(weights: Mapping[str, float]) -> bool:
    """Return whether Lambda may have set the weights: it sets 1 for one other version."""
    return list(weights.values()) == [1.0]


def split(weights: Mapping[str, float], capacity: Capacity) -> Split:
    """Return who has set the weights of an alias, if ``capacity`` is the state of its provisioned concurrency."""
    if not weights:
        return Split.NONE
    if not may_be_lambdas(weights):
        return Split.EXTERNAL
    return {
        Capacity.NONE: Split.EXTERNAL,
        Capacity.UNKNOWN: Split.UNKNOWN,
        Capacity.FAILED: Split.STUCK,
    }.get(capacity, Split.CAPACITY)


def shares(version: str, weights: Mapping[str, float]) -> str:
    """Return the share of the traffic per version, such as ``10% to version 2 and 90% to version 1``."""
    left = max(0.0, 1.0 - sum(weights.values()))
    parts = [f"{100 * weight:.4g}% to version {other}" for other, weight in weights.items()]
    parts += [f"{100 * left:.4g}% to version {version}"] if left > 0 else []
    return " and ".join(parts)
