"""The action's inputs as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from promote.core.artifact_kind import Kind, kind_of
from promote.core.commit_order import Diverged
from promote.core.lock_state import Queue
from promote.core.run import join_names
from promote.inputs.checks import HttpCheck, Invocation, first_path
from promote.inputs.usage import USE_ENDPOINT, Command


class Isolation(StrEnum):
    """Where a candidate is verified."""

    LATEST = "latest"
    """At the endpoint of $LATEST, under the lock."""
    VERSION = "version"
    """At a temporary endpoint of the version, without the lock."""


class Endpoints(StrEnum):
    """Whether the action creates API Gateway endpoints. They are public."""

    AUTO = "auto"
    """If something needs a URL that the user does not give, or if the function has endpoints of the action already."""
    HTTP = "http"
    NONE = "none"


@dataclass(frozen=True)
class Configuration:
    """The configuration inputs. If one is None, the function keeps its value."""

    handler: str | None = None
    runtime: str | None = None
    role: str | None = None
    memory_size: int | None = None
    """MB."""
    timeout: int | None = None
    """Seconds."""
    environment_variables: Mapping[str, str] | None = field(default=None, repr=False)
    """They are merged into the variables of the function, and never shown."""


@dataclass(frozen=True)
class Inputs:
    """All inputs of one function, and those of the other functions of a release."""

    command: Command
    function_name: str
    """The name, without ARN and qualifier."""
    function_arn: str
    """The unqualified ARN; empty if the user gave a name."""
    region: str
    """The region that the inputs name; empty to use that of ``AWS_REGION``."""
    environment: str
    latest_aliases: frozenset[str]
    """Names of aliases that may follow $LATEST, and so serve unverified code."""
    artifact: str
    commit: str
    """The full SHA of the commit that the artifact was built from; empty to use that of the clone or the event."""
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
    """The arguments of pytest, as written."""
    tests_requirements: str
    test_command: str
    test_environment: tuple[str, ...]
    """Names of variables that tests and test-command get although they may be secrets."""
    verify_timeout: float
    """Seconds."""
    table: str
    lock_timeout: float
    """Seconds."""
    queue: Queue
    lease: int
    """Seconds."""
    diverged: Diverged | None
    """If it is None, diverged commits are promoted with a warning, and an unknown order is refused."""
    isolation: Isolation
    settle_time: float
    """Seconds between the update of $LATEST and its verification there."""
    candidate: str
    """``version@CodeSha256@operation``, or empty."""
    job_status: str
    """The status of the job's steps so far: ``success``, ``failure`` or ``cancelled``; empty if it is not known."""
    source: str
    """The environment to promote from, or empty."""
    version: str
    override: bool
    reason: str
    release_notes_path: str
    """The file to write the notes to, relative to the repository; empty to write none."""
    release_notes_template: str
    """The path of a template, relative to the repository; empty to use the action's."""
    publish_release: bool
    tag: str
    """The tag to write the notes for; empty to use the tag that the workflow runs for, if any."""
    github_deployments: bool
    keep_versions: int | None
    """How many of the newest versions are kept after a promotion; None to keep all."""
    apply: bool
    """Whether ``adopt`` and ``uninstall`` make their changes, and not only show them."""
    undo: bool
    """Whether ``adopt`` returns what it has moved."""
    dry_run: bool
    allow_pull_requests: bool
    parts: tuple["Inputs", ...] = ()
    """The inputs of each function of a release of several, including the first; empty if there is one function."""
    retired: frozenset[str] = frozenset()
    """The names of functions that are no longer released with these."""
    application: str = ""
    """The file that lists the functions; empty if the input ``function-name`` does."""

    @property
    def each(self) -> tuple["Inputs", ...]:
        """The inputs of each function; of one function, these."""
        return self.parts or (self,)

    @property
    def names(self) -> str:
        """The function's name, or the names of all functions, for messages."""
        return join_names([inputs.function_name for inputs in self.each])

    @property
    def is_plan(self) -> bool:
        """Whether ``adopt`` and ``uninstall`` only show their changes."""
        return self.dry_run or not self.apply

    @property
    def checks_of(self) -> Mapping[str, int]:
        """The number of given checks, by the input that asks for them."""
        return {
            "checks": len(self.checks),
            "invoke": len(self.invocations),
            "tests": bool(self.tests),
            "test-command": bool(self.test_command),
        }

    @property
    def verified_by(self) -> tuple[str, ...]:
        """The names of the given inputs that ask for a kind of check."""
        return tuple(name for name, count in self.checks_of.items() if count)

    @property
    def has_verification(self) -> bool:
        """Whether the inputs say how to verify."""
        return bool(self.verified_by)

    @property
    def needs_url(self) -> bool:
        """Whether something needs the URL of an endpoint, and the inputs do not give one.

        A release of several functions sends a request to each function without a check, to see that it runs.
        """
        is_requested = self.command is Command.RUN and not self.has_verification
        uses_url = is_requested or self.command is Command.DEPLOY or not set(USE_ENDPOINT).isdisjoint(self.verified_by)
        return bool(self.domain_name) or (uses_url and not self.latest_url)

    @property
    def has_archive(self) -> bool:
        """Whether the code is a directory or an archive of the workspace, or of a kind that is refused later."""
        return kind_of(self.artifact) in {Kind.PATH, Kind.UNKNOWN}

    @property
    def first_path(self) -> str:
        """The path that shows whether an endpoint reaches the function."""
        return first_path(self.checks)
