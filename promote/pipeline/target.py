"""What a run works on: the function, its resources, and their state when they were read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from promote.aws.artifact import Code, Image
from promote.aws.lambda_function import Function
from promote.core.endpoint import LATEST_ENDPOINT
from promote.core.lock_state import LockState
from promote.core.promotion import Alias, EnvironmentRecord
from promote.core.version import Snapshot, same_content
from promote.inputs.model import Endpoints as EndpointsInput
from promote.inputs.model import Inputs
from promote.pipeline import configuration
from promote.pipeline.endpoints import Endpoints
from promote.pipeline.job import Job
from promote.pipeline.previews import Previews
from promote.state.ledger import Ledger, State
from promote.state.lock import Lock
from promote.verification.verification import Verification

if TYPE_CHECKING:
    from promote.notes.render import Template


@dataclass(frozen=True)
class Target:
    """The function, its resources, and the state that was read."""

    job: Job
    function: Function
    lock: Lock
    ledger: Ledger
    endpoints: Endpoints
    previews: Previews
    verification: Verification
    plan: str
    """Digest of the verification. A version that passed another plan is verified again."""
    code: Code | None
    """None if $LATEST is adopted as it is."""
    latest: Snapshot | None
    """None if the function does not exist yet."""
    state: State
    alias: Alias | None = None
    """The environment's alias when it was last read; None if it does not exist."""
    overridden: frozenset[str] = frozenset()
    """The rollbacks that the input ``override`` is about: those that the ledger had when the run began.

    A person who rolls back after that does not know of the override."""
    is_lost: bool = False
    """Whether the ledger's records are about an alias or a function that was deleted since."""
    creation: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The configuration for CreateFunction, if the function does not exist yet."""
    template: "Template | None" = None
    """The repository's template of the release notes, if there is one."""

    @property
    def environment(self) -> str:
        """The alias to promote to."""
        return self.job.inputs.environment

    @property
    def served(self) -> EnvironmentRecord:
        """The ledger's record of the environment."""
        found = self.state.served(self.environment)
        return found.forgotten if self.is_lost else found

    @property
    def has_current_alias(self) -> bool:
        """Whether the alias was read after the last promotion in the ledger.

        The ledger is read after the alias, and another run may promote in between: it takes and releases the lock, so
        the lock that was read does not show it. After an external move, nobody knows, so it is False.
        """
        moved = self.alias.promotion if self.alias else None
        return (moved.sequence if moved else 0) >= self.state.served(self.environment).sequence

    @property
    def is_from_storage(self) -> bool:
        """Whether the code comes from S3, or was stored there because it is large."""
        return self.code is not None and not isinstance(self.code, Image) and not self.code.is_local

    @property
    def missing_endpoints(self) -> list[str]:
        """The endpoints that the run creates: ``latest``, the environment, both or none."""
        names = (LATEST_ENDPOINT, self.environment)
        return [name for name in names if self.endpoints.is_missing(name, self.state.gateway(name))]

    @property
    def changes(self) -> tuple[str, ...]:
        """The changes that the inputs make to the function, as text."""
        code = [f"code: {self.code.describe()}"] if self.code else []
        if self.latest is None:
            return (f"create the function {self.function.name}", *code, *configuration.describe(self.creation, {}))
        if self.code and self.code.is_in(self.latest.code_sha256):
            code = []
        current = self.latest.configuration
        changed = configuration.changes(self.job.inputs.configuration, current)
        return (*configuration.describe(changed, current), *code)

    def after(self, then: "Target", token: int) -> "Target":
        """Return the target after the release of the lock with ``token``; ``then`` is the target before it."""
        state = replace(then.state, lock=LockState(token=token))
        return replace(then, state=state, function=self.function)

    @property
    def unlocked(self) -> "Target":
        """The target for what follows after the lock was released, and does not need it."""
        return replace(self, function=self.function.guarded(lambda: None))

    def of_commit(self, commit: str) -> "Target":
        """Return the target of a run for ``commit``, which its records name; empty if the commit is not known."""
        job = replace(self.job, run=replace(self.job.run, commit=commit))
        return replace(self, job=job, ledger=self.ledger.of_run(job.run))

    def reading(self, state: State) -> "Target":
        """Return the target with the ledger as it was just read. Other runs may have created endpoints since."""
        is_kept = keeps_endpoints(self.job.inputs, state)
        return replace(self, state=state, endpoints=self.endpoints.kept(is_kept=is_kept))

    def seeing(self, alias: Alias | None) -> "Target":
        """Return the target with the environment's alias as it was just read.

        If the alias or the function was deleted, the ledger's records are about an earlier alias of that name. Then
        they do not count. An alias that another tool created since does not name a promotion. In that case, the
        versions that the ledger knows show whether the function is still the same.
        """
        known = self.state.served(self.environment)
        is_lost = alias is None
        if alias is not None and alias.promotion is None and known.version:
            version = self.function.find(known.version)
            is_lost = version is not None and not same_content(version, known)
            if version is None:
                record, served = self.ledger.versions.read(alias.version), self.function.find(alias.version)
                is_lost = bool(record) and not (served and served.candidate.is_in(record))
        return replace(self, alias=alias, is_lost=is_lost)

    def seeing_now(self) -> "Target":
        """Read the environment's alias, and return the target with it."""
        return self.seeing(self.function.alias(self.environment))

    def with_served(self, served: EnvironmentRecord) -> "Target":
        """Return the target with another record of the environment."""
        environments = {**self.state.environments, self.environment: served}
        return replace(self, state=replace(self.state, environments=environments))


def keeps_endpoints(inputs: Inputs, state: State) -> bool:
    """Whether the action creates endpoints that are missing, and repairs and reports those that exist."""
    if inputs.endpoints is EndpointsInput.AUTO:
        return inputs.needs_url or state.has_endpoints
    return inputs.endpoints is EndpointsInput.HTTP
