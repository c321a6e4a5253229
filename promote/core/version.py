"""Code and configuration of a function, of $LATEST and of versions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

LATEST = "$LATEST"
"""Lambda's qualifier of the unpublished version."""


class Content(Protocol):
    """Anything with a digest of its code and of its configuration."""

    @property
    def code_sha256(self) -> str:
        """Lambda's digest of the code, in Base64."""

    @property
    def fingerprint(self) -> str:
        """The digest of all configurable fields; see ``promote.aws.fingerprint.fingerprint``."""


def same_content(one: Content, other: Content) -> bool:
    """Return whether code and configuration are the same. CodeSha256 does not include the configuration."""
    return (one.code_sha256, one.fingerprint) == (other.code_sha256, other.fingerprint)


@dataclass(frozen=True)
class Snapshot:
    """The code and configuration of $LATEST or of one version, as read from Lambda."""

    arn: str
    """The ARN of the function, without a qualifier."""
    version: str
    revision_id: str
    code_sha256: str
    fingerprint: str
    configuration: Mapping[str, Any] = field(repr=False, compare=False)
    """Lambda's response. It contains environment variables, so it must not be shown."""

    @property
    def has_failed(self) -> bool:
        """Whether the last update failed, so that the function may run other code than it shows."""
        return "Failed" in (self.configuration.get("State"), self.configuration.get("LastUpdateStatus"))

    @property
    def is_inactive(self) -> bool:
        """Whether Lambda has deleted its resources because it was idle. Its next invocation fails."""
        return self.configuration.get("State") == "Inactive"

    @property
    def candidate(self) -> "Candidate":
        """The version and its digests."""
        return Candidate(self.version, self.code_sha256, self.fingerprint)


@dataclass(frozen=True)
class Candidate:
    """The version that a run has built."""

    version: str
    code_sha256: str
    fingerprint: str

    def is_in(self, record: Mapping[str, Any]) -> bool:
        """Return whether a record of the ledger has this code and configuration."""
        return (record.get("code_sha256"), record.get("fingerprint")) == (self.code_sha256, self.fingerprint)

    @property
    def identity(self) -> str:
        """The output ``candidate``. It contains no ARN, because a runner drops an output with a masked account id."""
        return f"{self.version}@{self.code_sha256}"


@dataclass(frozen=True)
class Published:
    """A published version in Lambda's list."""

    number: int
    code_sha256: str
    modified: str
    """The time of the last change, in Lambda's format; empty if it is not known."""
