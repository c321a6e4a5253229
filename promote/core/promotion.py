"""Promotions of an environment's alias, and what an environment serves, as frozen values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from promote.core.endpoint import Gateway
from promote.core.traffic import Capacity, Split, shares, split


class Kind(StrEnum):
    """Why an alias was moved."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    OVERRIDE = "override"
    """A person has promoted what had no passed verdict."""
    PIN = "pin"
    """The alias followed $LATEST. The action pointed it at the version that $LATEST was published as."""


@dataclass(frozen=True)
class RolledBack:
    """A version that an environment has gone back from."""

    version: str
    code_sha256: str
    """Of what it held, as its configuration's fingerprint; of both, empty: not known."""
    fingerprint: str
    commit: str
    """The one that the environment had; empty: not known."""
    at: str
    reason: str
    """Why, in the words of who asked for it, shortened; empty: nobody has said."""
    by: str
    """Who asked for it; empty: not known."""
    promotion: str
    """The identity of the rollback: that of several functions has one for all."""


@dataclass(frozen=True)
class Promotion:
    """One move of an environment's alias."""

    environment: str
    version: str
    previous: str | None
    """The version that the alias pointed at before; empty: there was no alias; None: it pointed at ``version`` already,
    and the move only says for which later commit."""
    commit: str
    run_id: int
    attempt: int
    sequence: int
    """Grows with each move of this alias; the functions of one release have the same."""
    operation: str
    """The ``Run.operation`` that made the move."""
    kind: Kind = Kind.PROMOTION
    # The alias has no room for these, so that a promotion read from it is without them.
    is_proven: bool = field(default=True, compare=False)
    """Whether the version had a passed verdict; else a person has overridden that."""
    reason: str = field(default="", compare=False)
    """Why, in the words of who asked for it; empty: nobody has said."""
    by: str = field(default="", compare=False)
    """Who asked for it, where a person did."""
    rolled_back: tuple[RolledBack, ...] | None = field(default=None, compare=False, repr=False)
    """What must not return to the environment after the move; None: as before it, or not known."""

    @property
    def identity(self) -> str:
        """Time-ordered and unique: the key of its record.

        A pin has the sequence of the promotion before it, and sorts after that.
        """
        pin = f"pin-{self.version}-" if self.kind is Kind.PIN else ""
        return f"{self.sequence:010d}-{pin}{self.operation}"

    @property
    def description(self) -> str:
        """The alias's Description: written in the same call as the move, so that neither is ever without the other."""
        origin = "kept" if self.previous is None else f"{_ORIGINS[self.kind]} {self.previous or 'none'}"
        return (
            f"promote-on-success: version {self.version} {origin} commit {self.commit or 'unknown'} "
            f"run {self.run_id}/{self.attempt} promotion {self.identity}"
        )

    _DESCRIPTION = re.compile(
        r"promote-on-success: version (?P<version>\d+) "
        r"(kept|(?P<origin>after|back from|by force after) (?P<previous>none|\$LATEST|\d+)) "
        r"commit (?P<commit>[0-9a-f]+|unknown) run (?P<run_id>\d+)/(?P<attempt>\d+) "
        r"promotion (?P<sequence>\d+)-(?P<operation>[0-9a-f]+)"
    )

    @classmethod
    def described(cls, environment: str, description: str) -> Self | None:
        """Read the promotion that an alias's Description tells of, or None where it is not ours."""
        match = cls._DESCRIPTION.fullmatch(description)
        if not match:
            return None
        return cls(
            environment=environment,
            version=match["version"],
            previous="" if match["previous"] == "none" else match["previous"],
            commit="" if match["commit"] == "unknown" else match["commit"],
            run_id=int(match["run_id"]),
            attempt=int(match["attempt"]),
            sequence=int(match["sequence"]),
            operation=match["operation"],
            kind=next((kind for kind, origin in _ORIGINS.items() if origin == match["origin"]), Kind.PROMOTION),
        )


_ORIGINS = {Kind.PROMOTION: "after", Kind.ROLLBACK: "back from", Kind.OVERRIDE: "by force after"}


@dataclass(frozen=True)
class Alias:
    """An alias as Lambda tells it."""

    name: str
    version: str
    revision_id: str
    description: str
    weights: Mapping[str, float]
    """Other versions that get a share of the traffic: weights from 0 to 1 by version."""
    capacity: Capacity = field(default=Capacity.NONE, compare=False)
    """The state of its provisioned concurrency, where the weights may be Lambda's own."""
    capacity_reason: str = field(default="", compare=False)
    """Why provisioned concurrency could not be allocated, or its state not be read."""

    @property
    def split(self) -> Split:
        """Who has set the weights."""
        return split(self.weights, self.capacity)

    @property
    def serving(self) -> str:
        """The version that gets all of the traffic while provisioned concurrency moves; else the alias's own."""
        return next(iter(self.weights), self.version) if self.split.is_lambdas else self.version

    @property
    def own(self) -> "Alias":
        """The alias without a weight that Lambda itself has set, and sets again where it is needed."""
        return replace(self, weights={}) if self.split.is_lambdas else self

    @property
    def shares(self) -> str:
        """Which version gets which share of the traffic, in words."""
        return shares(self.version, self.weights)

    @property
    def follows_latest(self) -> bool:
        """Whether it serves $LATEST, so that it serves each upload before it is verified."""
        return not self.version.isdecimal()

    @property
    def promotion(self) -> Promotion | None:
        """The last promotion that moved this alias, or None when it was never ours."""
        return Promotion.described(self.name, self.description)

    @property
    def is_moved_by_others(self) -> bool:
        """Whether somebody else has pointed it elsewhere, or split its traffic, since our last promotion."""
        promotion = self.promotion
        return promotion is None or promotion.version != self.version or self.split.is_external


@dataclass(frozen=True)
class ReleaseKey:
    """Where the record of a release is."""

    pk: str
    sk: str

    @property
    def identity(self) -> str:
        """Time-ordered and unique: that of the promotions which it consists of."""
        return self.sk.rpartition("#")[2]


@dataclass(frozen=True)
class Moved:
    """The promotion that brought an environment its version, as far as the ledger knows."""

    commit: str = ""
    at: str = ""
    """When it was recorded."""
    url: str = ""
    """The page of its run."""


@dataclass(frozen=True)
class Together:
    """Which functions were released as one, and by which step."""

    origin: str = ""
    """The workflow's step; empty: not known."""
    functions: tuple[str, ...] = ()
    """Their names."""


@dataclass(frozen=True)
class EnvironmentRecord:
    """What the ledger says an environment serves, and the unfinished promotion of it, if any."""

    version: str = ""
    code_sha256: str = ""
    fingerprint: str = ""
    plan: str = ""
    """Digest of the verification that it passed."""
    commit: str = ""
    promoted: str = ""
    """The commit of the last promotion; ``commit`` may be a later one with the same code. Empty: not known."""
    run_id: int = 0
    sequence: int = 0
    gateway: Gateway | None = None
    intent: Promotion | None = None
    pending: ReleaseKey | None = None
    """The unfinished release of several functions that this one is part of; until it ends, nothing else is promoted."""
    released: ReleaseKey | None = None
    """The last release of several functions that this one was part of; None: there was none."""
    together: Together = Together()
    """The functions of that release. So nobody needs to read its record, which is another function's."""
    reverted: str = ""
    """The identity of the last one that was turned back; empty: none was."""
    moved: Moved = Moved()
    """The promotion that brought the version."""
    rolled_back: tuple[RolledBack, ...] = ()
    """What the environment has gone back from, and what must not return by itself, oldest first."""

    @property
    def forgotten(self) -> "EnvironmentRecord":
        """The record without what the environment serves, for an alias that is not the one that was promoted to.

        Its sequence stays, which must only grow, and so do its endpoint and the commit that the notes begin after.
        """
        return replace(self, version="", code_sha256="", fingerprint="", plan="", commit="", run_id=0)
