"""The names of the guarantees; docs/proof.md explains them."""

VERIFIED = "1 only verified code"
ORDER = "2 never backwards"
UP = "3 the environment stays up"
LOCK = "5 the lock is live"
LOST = "6 a lost response is not a lost fact"
RECORD = "7 everything leaves a record"
ONE = "8 all functions of a release, or none"
OUT = "9 rolled-back code stays out"
RESPECT = "external weights are respected"
ENDS = "every run ends, and the newest good commit is served"
"""Guarantee 4 is 1 to 3, and 8, in schedules without a working lock."""


class Broken(AssertionError):  # noqa: N818 - a guarantee is broken
    """A guarantee does not hold."""

    def __init__(self, guarantee: str, what: str) -> None:
        super().__init__(f"{guarantee}: {what}")
        self.guarantee = guarantee
