"""How an alias splits its traffic, and who has set its weights. No effects.

An alias with provisioned concurrency that is moved keeps its traffic with the old version at first: Lambda itself gives
that version the weight 1 until the capacity has moved, which takes 6 to 15 minutes. The weight stays if the capacity
cannot be allocated. Sources: https://github.com/hashicorp/terraform-provider-aws/pull/48116 and
https://github.com/gradientedge/cdk-utils/pull/1110.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum, auto


class Capacity(StrEnum):
    """The state of an alias's provisioned concurrency; botocore lambda:ProvisionedConcurrencyStatusEnum."""

    NONE = ""
    """It has none, or it was not asked for because the weights cannot be Lambda's own."""
    MOVING = "IN_PROGRESS"
    READY = "READY"
    FAILED = "FAILED"
    UNKNOWN = "unknown"
    """It could not be read."""


class Split(Enum):
    """Who has given an alias weights."""

    NONE = auto()
    """Nobody: all traffic goes to the alias's version."""
    CAPACITY = auto()
    """Lambda, until provisioned concurrency has moved to the alias's version."""
    STUCK = auto()
    """Lambda, and it could not allocate the provisioned concurrency: the weight stays."""
    EXTERNAL = auto()
    """Others: a person or another tool."""
    UNKNOWN = auto()
    """Lambda or others: the state of the provisioned concurrency could not be read."""

    @property
    def is_lambdas(self) -> bool:
        """Whether Lambda itself has set the weight, so that it is no external change."""
        return self in (Split.CAPACITY, Split.STUCK)

    @property
    def is_external(self) -> bool:
        """Whether others may have set the weights, so that they are not ended unasked."""
        return self in (Split.EXTERNAL, Split.UNKNOWN)


def may_be_lambdas(weights: Mapping[str, float]) -> bool:
    """Return whether the weights are as Lambda sets them: 1 for one other version."""
    return list(weights.values()) == [1.0]


def split(weights: Mapping[str, float], capacity: Capacity) -> Split:
    """Say who has set the weights of an alias whose provisioned concurrency is in the state ``capacity``."""
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
    """Say which version gets which share of the traffic, such as ``10% to version 2 and 90% to version 1``."""
    left = max(0.0, 1.0 - sum(weights.values()))
    parts = [f"{100 * weight:.4g}% to version {other}" for other, weight in weights.items()]
    parts += [f"{100 * left:.4g}% to version {version}"] if left > 0 else []
    return " and ".join(parts)
