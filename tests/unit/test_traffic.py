"""Whether Lambda or a person has set an alias's weights."""

import pytest

from promote.core.promotion import Alias
from promote.core.traffic import Capacity, Split, split


@pytest.mark.parametrize(
    ("weights", "capacity", "expected"),
    [
        ({}, Capacity.NONE, Split.NONE),
        ({}, Capacity.MOVING, Split.NONE),
        ({"1": 1.0}, Capacity.MOVING, Split.CAPACITY),
        ({"1": 1.0}, Capacity.READY, Split.CAPACITY),  # the weight is removed a moment later
        ({"1": 1.0}, Capacity.FAILED, Split.STUCK),
        ({"1": 1.0}, Capacity.UNKNOWN, Split.UNKNOWN),
        ({"1": 1.0}, Capacity.NONE, Split.EXTERNAL),  # Lambda sets weights only for provisioned concurrency
        ({"1": 0.5}, Capacity.MOVING, Split.EXTERNAL),
        ({"1": 0.0}, Capacity.READY, Split.EXTERNAL),
    ],
)
def test_only_a_weight_of_1_on_an_alias_with_provisioned_concurrency_is_lambdas(
    weights: dict[str, float], capacity: Capacity, expected: Split
) -> None:
    assert split(weights, capacity) is expected


def test_an_alias_says_what_it_serves() -> None:
    moving = Alias("prod", "2", "revision", "", {"1": 1.0}, Capacity.MOVING)
    assert (moving.serving, moving.shares) == ("1", "100% to version 1")
    shared = Alias("prod", "2", "revision", "", {"1": 0.1})
    assert (shared.serving, shared.shares) == ("2", "10% to version 1 and 90% to version 2")
