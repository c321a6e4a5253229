"""Code and configuration of a function: $LATEST, and versions of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

LATEST = "$LATEST"
"""Lambda's name of what was deployed last."""


class Content(Protocol):
    """Anything that tells its code and its configuration by their digests."""

    @property
    def code_sha256(self) -> str:
        """Lambda's digest of the code, in Base64."""

    @property
    def fingerprint(self) -> str:
        """Our digest of everything that can be configured; see ``promote.aws.fingerprint.fingerprint``."""


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
class Published:
    """A version as Lambda lists it."""

    number: int
    code_sha256: str
    modified: str
    """When it was last modified, as Lambda writes it; empty: it does not say."""
