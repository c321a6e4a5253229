"""Promotions of an environment's alias, and what an environment serves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from promote.core.endpoint import Gateway
from promote.core.traffic import Capacity, Split, shares, split
from promote.core.version import Candidate, same_content

OURS = "promote-on-success: "
"""The beginning of each Description that the action gives to an alias."""


class Kind(StrEnum):
    """Why an alias was moved."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    OVERRIDE = "override"
    """A user promoted a version without a passed verdict, or one that was rolled back."""
    PIN = "pin"
    """The alias pointed to $LATEST, and the action moved it to the version published from $LATEST."""


@dataclass(frozen=True)
class RolledBack:
    """A version that was rolled back."""

    version: str
    code_sha256: str
    """The digest of its code; empty if it is not known."""
    fingerprint: str
    """The fingerprint of its configuration; empty if it is not known."""
    commit: str
    """The commit of the environment before the rollback; empty if it is not known."""
    at: str
    reason: str
    """The input ``reason``, shortened; empty if none was given."""
    by: str
    """Who started the rollback; empty if it is not known."""
    promotion: str
    """The identity of the rollback, the same for all functions of a release."""


@dataclass(frozen=True)
class Promotion:
    """One move of an environment's alias."""

    environment: str
    version: str
    previous: str | None
    """The version of the alias before the move; empty if there was no alias.

    It is None if the alias already pointed to ``version``. Then only its Description and the records change."""
    commit: str
    run_id: int
    attempt: int
    sequence: int
    """A number that grows with each move of this alias. All functions of a release have the same."""
    operation: str
    """The ``Run.operation`` that made the move."""
    kind: Kind = Kind.PROMOTION
    # The Description of the alias is too short for these. A promotion read from it has the defaults.
    is_verified: bool = field(default=True, compare=False)
    """Whether the version had a passed verdict. If not, a user has overridden that."""
    reason: str = field(default="", compare=False)
    """The input ``reason``; empty if none was given."""
    by: str = field(default="", compare=False)
    """The user who started it; empty if no user did."""
    rolled_back: tuple[RolledBack, ...] | None = field(default=None, compare=False, repr=False)
    """The rolled-back versions that must not return after the move; None if they are unchanged or not known."""

    @property
    def needs_verdict(self) -> bool:
        """Whether it moves only while its version has a passed verdict: not a rollback, and not an override."""
        return self.previous is not None and self.is_verified and self.kind is Kind.PROMOTION

    @property
    def identity(self) -> str:
        """The key of its record, unique and ordered by time.

        A pin has the sequence of the promotion before it, and its key sorts after that.
        """
        pin = f"pin-{self.version}-" if self.kind is Kind.PIN else ""
        return f"{self.sequence:010d}-{pin}{self.operation}"

    @property
    def description(self) -> str:
        """The Description of the alias. It is written in the same call as the move, so the two always agree."""
        origin = "kept" if self.previous is None else f"{_ORIGINS[self.kind]} {self.previous or 'none'}"
        return (
            f"{OURS}version {self.version} {origin} commit {self.commit or 'unknown'} "
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
        """Return the promotion in the Description of an alias; None if the action did not write it."""
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
    """An alias as read from Lambda."""

    name: str
    version: str
    revision_id: str
    description: str
    weights: Mapping[str, float]
    """The shares of the traffic of other versions: weights from 0 to 1, by version."""
    capacity: Capacity = field(default=Capacity.NONE, compare=False)
    """The state of its provisioned concurrency, if Lambda itself may have set the weights."""
    capacity_reason: str = field(default="", compare=False)
    """Why provisioned concurrency could not be allocated, or why its state could not be read."""

    @property
    def split(self) -> Split:
        """Who has set the weights."""
        return split(self.weights, self.capacity)

    @property
    def serving(self) -> str:
        """The version with all traffic while provisioned concurrency moves; otherwise the alias's version."""
        return next(iter(self.weights), self.version) if self.split.is_lambdas else self.version

    @property
    def own(self) -> "Alias":
        """The alias without a weight that Lambda itself has set. If it is needed, Lambda sets it again."""
        return replace(self, weights={}) if self.split.is_lambdas else self

    @property
    def shares(self) -> str:
        """The share of the traffic per version, as text."""
        return shares(self.version, self.weights)

    @property
    def follows_latest(self) -> bool:
        """Whether it points to $LATEST, so that it serves each upload before the verification."""
        return not self.version.isdecimal()

    @property
    def promotion(self) -> Promotion | None:
        """The last promotion of this alias; None if the action has never moved it."""
        return Promotion.described(self.name, self.description)

    @property
    def has_our_description(self) -> bool:
        """Whether the action has written its Description."""
        return self.description.startswith(OURS)

    @property
    def is_placeholder(self) -> bool:
        """Whether it remains from a first release that was rolled back, so that the environment serves nothing yet."""
        return self.description.startswith(_placeholder(self.version)) and not self.weights

    @property
    def is_moved_by_others(self) -> bool:
        """Whether the alias was moved, or its traffic split, externally since the last promotion."""
        promotion = self.promotion
        return promotion is None or promotion.version != self.version or self.split.is_external


def served_version(alias: Alias | None) -> str:
    """Return the version that an environment serves; empty if it serves nothing."""
    return alias.version if alias and not alias.is_placeholder else ""


def placeholder(version: str, identity: str) -> str:
    """Return the Description of an alias that remains from a first release that was rolled back.

    The alias stays at the verified version, because Lambda has no precondition for a deletion. ``identity`` is that of
    the release.
    """
    return f"{_placeholder(version)}{identity}"


def _placeholder(version: str) -> str:
    return f"promote-on-success: version {version} not promoted, rolled back release "


@dataclass(frozen=True)
class ReleaseKey:
    """The key of a release record."""

    pk: str
    sk: str

    @property
    def identity(self) -> str:
        """The identity of the promotions in the release, unique and ordered by time."""
        return self.sk.rpartition("#")[2]


@dataclass(frozen=True)
class Moved:
    """The promotion that moved an environment to its version, as far as the ledger knows."""

    commit: str = ""
    at: str = ""
    """When it was recorded."""
    url: str = ""
    """The page of the run."""


@dataclass(frozen=True)
class Together:
    """The functions of a release, and the step that released them."""

    origin: str = ""
    """The step of the workflow; empty if it is not known."""
    functions: tuple[str, ...] = ()
    """The names of the functions."""


@dataclass(frozen=True)
class EnvironmentRecord:
    """What the ledger says an environment serves, and the unfinished release of it, if any."""

    version: str = ""
    code_sha256: str = ""
    fingerprint: str = ""
    plan: str = ""
    """The digest of the verification that it passed."""
    commit: str = ""
    promoted: str = ""
    """The commit of the last promotion; empty if it is not known. ``commit`` may be later, with the same code."""
    run_id: int = 0
    sequence: int = 0
    gateway: Gateway | None = None
    pending: ReleaseKey | None = None
    """The unfinished release that the function is part of. Until it ends, nothing else is promoted."""
    released: ReleaseKey | None = None
    """The last release that included this function; None if there was none."""
    together: Together = Together()
    """The functions of that release. Its record need not be read, and may be in the partition of another function."""
    undone_release: str = ""
    """The identity of the last release that was rolled back while unfinished; empty if there was none."""
    moved: Moved = Moved()
    """The promotion that moved the environment to the version."""
    rolled_back: tuple[RolledBack, ...] = ()
    """The rolled-back versions, which must not return without an override, oldest first."""

    def has_passed(self, candidate: Candidate, plan: str) -> bool:
        """Whether the environment serves ``candidate``, and it passed the verification with the digest ``plan``."""
        return self.version == candidate.version and self.plan == plan and same_content(candidate, self)

    @property
    def forgotten(self) -> "EnvironmentRecord":
        """The record without what the environment serves, if the alias was deleted or created again.

        The sequence stays, because it must only grow. The endpoint stays, and the commit from which the notes start.
        """
        return replace(self, version="", code_sha256="", fingerprint="", plan="", commit="", run_id=0)
