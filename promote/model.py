"""The words of the project as frozen values, without effects."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, Self

from promote.traffic import Capacity, Split, shares, split

LATEST = "$LATEST"
LATEST_ENDPOINT = "latest"
"""Lambda's name of what was deployed last, and ours of the endpoint that shows it."""


class Result(StrEnum):
    """How a run ended; the output ``result``."""

    PROMOTED = "promoted"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    DEPLOYED = "deployed"
    ROLLED_BACK = "rolled-back"
    BLOCKED = "blocked"
    REFUSED = "refused"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    REPORTED = "reported"
    PLANNED = "planned"
    FAILED = "failed"

    @property
    def is_success(self) -> bool:
        """Whether the step ends green."""
        return self not in (Result.BLOCKED, Result.REFUSED, Result.FAILED)


class Outcome(StrEnum):
    """What a check, or verification as a whole, found."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"
    """Of a check alone: its author did not want it to run."""


@dataclass(frozen=True)
class CheckResult:
    """One check's result. ``detail`` comes from outside and is untrusted."""

    name: str
    kind: str
    outcome: Outcome
    seconds: float
    detail: str = ""
    file: str = ""
    """Where it is written, relative to the repository; empty: nowhere that a reader could look."""
    line: int = 0
    gateway_symptom: bool = False
    """Whether the answer looks like API Gateway's own, so that the endpoint itself may be at fault."""
    crash_symptom: bool = False
    """Whether it is what API Gateway answers when the function has crashed."""


@dataclass(frozen=True)
class Verdict:
    """What verification found of one candidate; only ``passed`` promotes."""

    outcome: Outcome
    checks: tuple[CheckResult, ...] = ()
    reason: str = ""
    """Why the outcome is not ``passed``, in a sentence; empty when it is."""

    @classmethod
    def of(cls, checks: tuple[CheckResult, ...]) -> Self:
        """Sum up ``checks``: one failure fails; no check, or one without an answer, is not ``passed``."""
        outcomes = [check.outcome for check in checks]
        total = f"{len(checks)} {'check' if len(checks) == 1 else 'checks'}"
        if Outcome.FAILED in outcomes:
            return cls(Outcome.FAILED, checks, f"{outcomes.count(Outcome.FAILED)} of {total} failed")
        if Outcome.INCONCLUSIVE in outcomes:
            return cls(Outcome.INCONCLUSIVE, checks, f"{outcomes.count(Outcome.INCONCLUSIVE)} of {total} had no answer")
        if Outcome.PASSED not in outcomes:
            return cls(Outcome.INCONCLUSIVE, checks, "there was no check to run")
        return cls(Outcome.PASSED, checks)

    @property
    def passed(self) -> bool:
        """Whether the candidate may be promoted."""
        return self.outcome is Outcome.PASSED


class Content(Protocol):
    """Anything that tells its code and its configuration by their digests."""

    @property
    def code_sha256(self) -> str:
        """Lambda's digest of the code, in Base64."""

    @property
    def fingerprint(self) -> str:
        """Our digest of everything that can be configured; see ``promote.snapshot.fingerprint``."""


def same_content(one: Content, other: Content) -> bool:
    """Whether code and configuration are the same; CodeSha256 alone says nothing of configuration."""
    return (one.code_sha256, one.fingerprint) == (other.code_sha256, other.fingerprint)


@dataclass(frozen=True)
class Snapshot:
    """A function's code and configuration as Lambda tells them, of $LATEST or of one version."""

    arn: str
    """Unqualified."""
    version: str
    revision_id: str
    code_sha256: str
    fingerprint: str
    configuration: Mapping[str, Any] = field(repr=False, compare=False)
    """Lambda's answer, which holds environment variables: never to be shown."""

    @property
    def has_failed(self) -> bool:
        """Whether it could not be brought up, so that it does not run what it says."""
        return "Failed" in (self.configuration.get("State"), self.configuration.get("LastUpdateStatus"))

    @property
    def is_inactive(self) -> bool:
        """Whether Lambda has reclaimed its resources because it was idle. Its next invocation fails then."""
        return self.configuration.get("State") == "Inactive"

    @property
    def candidate(self) -> "Candidate":
        """The version by its digests."""
        return Candidate(self.version, self.code_sha256, self.fingerprint)


@dataclass(frozen=True)
class Run:
    """Who acts: one attempt of one workflow run, for one commit."""

    commit: str
    """Full SHA, or empty when the run knows none."""
    run_id: int
    """Grows with time across GitHub and is kept over re-run attempts; 0 outside GitHub."""
    attempt: int
    url: str
    """The run's page, or empty."""
    operation: str
    """Random, unique to this process: tells our own writes from anybody else's."""


@dataclass(frozen=True)
class Candidate:
    """The version that one run has built."""

    version: str
    code_sha256: str
    fingerprint: str

    def is_in(self, record: Mapping[str, Any]) -> bool:
        """Whether a record of the ledger is of this code and configuration."""
        return (record.get("code_sha256"), record.get("fingerprint")) == (self.code_sha256, self.fingerprint)

    @property
    def identity(self) -> str:
        """The output ``candidate``. It holds no ARN, which a runner that masks the account id would drop."""
        return f"{self.version}@{self.code_sha256}"


@dataclass(frozen=True)
class Gateway:
    """An HTTP API that the action has made, as the ledger remembers it."""

    api_id: str
    api_url: str
    """What API Gateway says its address is."""
    mapping: str = ""
    """``domain/key`` of its custom domain, or empty."""


@dataclass(frozen=True)
class Endpoint:
    """A URL that shows $LATEST or follows an alias."""

    qualifier: str
    """``latest`` or the environment's name."""
    url: str
    """For people and outputs; no slash at its end."""
    address: str
    """Where requests are sent: ``url``, except on an emulator that serves a custom domain by Host header."""
    host: str = ""
    """The Host header to send, when it is not that of ``address``."""
    gateway: Gateway | None = None
    """None when the gateway is the user's own."""
    is_new: bool = False
    """Made or mended by this run, so that it may need a moment to answer."""


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
class Published:
    """A version as Lambda lists it."""

    number: int
    code_sha256: str
    modified: str
    """When it was last modified, as Lambda writes it; empty: it does not say."""


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
class Served:
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
    def forgotten(self) -> "Served":
        """The record without what the environment serves, for an alias that is not the one that was promoted to.

        Its sequence stays, which must only grow, and so do its endpoint and the commit that the notes begin after.
        """
        return replace(self, version="", code_sha256="", fingerprint="", plan="", commit="", run_id=0)


@dataclass(frozen=True)
class Phase:
    """A part of the run, for the summary's chart."""

    name: str
    started: datetime
    seconds: float


def listed(names: Sequence[str]) -> str:
    """Give names in a row, as a sentence has them; of many, the first ones."""
    shown = [*names[:_LISTED], f"{len(names) - _LISTED} more"] if len(names) > _LISTED + 1 else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


_LISTED = 5
