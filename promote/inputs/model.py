"""The action's inputs as one frozen value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from promote.core.lock_state import Queue
from promote.core.run import join_names
from promote.inputs.checks import HttpCheck, Invocation, first_path
from promote.inputs.usage import Command


class Isolation(StrEnum):
    """Where a candidate is verified."""

    LATEST = "latest"
    """At the endpoint of $LATEST, under the lock."""
    VERSION = "version"
    """At an endpoint of its own, beside others."""


class Diverged(StrEnum):
    """What to do where the environment's commit is no ancestor of ours, nor ours of it, or nobody knows."""

    PROMOTE = "promote"
    REFUSE = "refuse"


class Endpoints(StrEnum):
    """Whether the action keeps API Gateway endpoints."""

    HTTP = "http"
    NONE = "none"


@dataclass(frozen=True)
class Configuration:
    """The configuration inputs; what is None is left as the function has it."""

    handler: str | None = None
    runtime: str | None = None
    role: str | None = None
    memory_size: int | None = None
    """MB."""
    timeout: int | None = None
    """Seconds."""
    environment_variables: Mapping[str, str] | None = field(default=None, repr=False)
    """Merged into what the function has; never shown."""


@dataclass(frozen=True)
class Inputs:
    """All inputs, as the user meant them."""

    command: Command
    function_name: str
    """Without ARN and qualifier."""
    function_arn: str
    """Unqualified, or empty when the user gave a name."""
    region: str
    """Empty: the environment's."""
    environment: str
    latest_aliases: frozenset[str]
    """Names of aliases that may follow $LATEST, and so serve unverified code."""
    artifact: str
    commit: str
    """The commit that the artifact was built from, in full; empty: the clone or the event says it."""
    artifact_bucket: str
    """``bucket`` or ``bucket/prefix``, or empty."""
    configuration: Configuration
    endpoints: Endpoints
    latest_url: str
    environment_url: str
    domain_name: str
    base_path: str
    checks: tuple[HttpCheck, ...]
    invocations: tuple[Invocation, ...]
    tests: str
    """Arguments of pytest, as they were written."""
    tests_requirements: str
    test_command: str
    test_environment: tuple[str, ...]
    """Names of variables that tests and test-command get though they may be secrets."""
    verify_timeout: float
    """Seconds."""
    table: str
    lock_timeout: float
    """Seconds."""
    queue: Queue
    lease: int
    """Seconds."""
    diverged: Diverged | None
    """None: what has diverged is promoted with a warning, and an order that is not known is refused."""
    isolation: Isolation
    candidate: str
    """``version@CodeSha256@operation``, or empty."""
    job_status: str
    """What the runner says of the job's steps so far: ``success``, ``failure`` or ``cancelled``; empty: unknown."""
    source: str
    """The environment to promote from, or empty."""
    version: str
    override: bool
    reason: str
    release_notes_path: str
    """Where the notes are written, relative to the repository; empty: nowhere."""
    release_notes_template: str
    """A template of the repository's own, relative to it; empty: ours."""
    publish_release: bool
    tag: str
    """The tag whose notes are wanted; empty: that of the workflow's run, where it runs for one."""
    github_deployments: bool
    keep_versions: int | None
    """How many of the newest versions stay after a promotion; None: all."""
    dry_run: bool
    allow_pull_requests: bool
    parts: tuple["Inputs", ...] = ()
    """Those of each function, where several are released as one, the first of which these are; empty: there is one."""
    retired: frozenset[str] = frozenset()
    """The names of functions that were released with these once, and are not any more."""
    application: str = ""
    """The file that names the functions; empty: the input ``function-name`` does."""

    @property
    def names(self) -> str:
        """The function's name, or the names of all, for people."""
        return join_names([part.function_name for part in self.parts] or [self.function_name])

    @property
    def verified_by(self) -> tuple[str, ...]:
        """The names of the given inputs that ask for a kind of check."""
        given = {
            "checks": self.checks,
            "invoke": self.invocations,
            "tests": self.tests,
            "test-command": self.test_command,
        }
        return tuple(name for name, value in given.items() if value)

    @property
    def has_verification(self) -> bool:
        """Whether the inputs say how to verify."""
        return bool(self.verified_by)

    @property
    def has_archive(self) -> bool:
        """Whether the code is a directory or an archive of the workspace."""
        return bool(self.artifact) and not re.match(r"s3://|[^/]*\.dkr\.ecr\.", self.artifact)

    @property
    def first_path(self) -> str:
        """The path to ask for when it is to be seen whether an endpoint reaches the function at all."""
        return first_path(self.checks)
