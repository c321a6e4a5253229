"""What a run works on: the function, its resources, and their state as it was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from promote.aws.artifact import Code, Image
from promote.aws.lambda_function import Function
from promote.core.endpoint import LATEST_ENDPOINT
from promote.core.lock_state import LockState
from promote.core.promotion import Alias, EnvironmentRecord
from promote.core.version import Snapshot, same_content
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
    """The function, everything around it, and what was read of them."""

    job: Job
    function: Function
    lock: Lock
    ledger: Ledger
    endpoints: Endpoints
    previews: Previews
    verification: Verification
    plan: str
    """Digest of the verification: what has passed another one is verified again."""
    code: Code | None
    """None: $LATEST is adopted as it is."""
    latest: Snapshot | None
    """None: the function is to be created."""
    state: State
    alias: Alias | None = None
    """The environment's, as it was last read; None: there is none."""
    is_lost: bool = False
    """Whether the alias that the ledger has records of does not exist any more, so that they say nothing of it."""
    creation: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The configuration of CreateFunction, where that is to be called."""
    template: "Template | None" = None
    """Of the release notes, where it is the repository's own."""

    @property
    def environment(self) -> str:
        """The alias to promote to."""
        return self.job.inputs.environment

    @property
    def served(self) -> EnvironmentRecord:
        """What the ledger said of the environment."""
        found = self.state.served(self.environment)
        return found.forgotten if self.is_lost else found

    @property
    def is_from_storage(self) -> bool:
        """Whether the code comes from S3, or was stored there because it is large."""
        return self.code is not None and not isinstance(self.code, Image) and not self.code.is_local

    @property
    def missing_endpoints(self) -> list[str]:
        """The endpoints that are to be made: ``latest``, the environment, both or none."""
        names = (LATEST_ENDPOINT, self.environment)
        return [name for name in names if self.endpoints.is_missing(name, self.state.gateway(name))]

    @property
    def changes(self) -> tuple[str, ...]:
        """What the inputs change of the function as it was read, in words for people."""
        code = [f"code: {self.code.describe()}"] if self.code else []
        if self.latest is None:
            return (f"create the function {self.function.name}", *code, *configuration.describe(self.creation, {}))
        if self.code and self.code.is_in(self.latest.code_sha256):
            code = []
        current = self.latest.configuration
        changed = configuration.changes(self.job.inputs.configuration, current)
        return (*configuration.describe(changed, current), *code)

    def after(self, then: "Target", token: int) -> "Target":
        """Give the target as it is when the lock, held under ``token``, is given back; ``then`` was it until then."""
        state = replace(then.state, lock=LockState(token=token))
        return replace(then, state=state, function=self.function)

    def of_commit(self, commit: str) -> "Target":
        """Give the target of a run that works for ``commit``, which its records name then; empty: it is not known."""
        job = replace(self.job, run=replace(self.job.run, commit=commit))
        return replace(self, job=job, ledger=self.ledger.of_run(job.run))

    def seeing(self, alias: Alias | None) -> "Target":
        """Give the target with the environment's alias as it was just read.

        If the alias, or the function, was deleted, the ledger tells of another alias of that name, and nothing is
        older than what that one served. An alias that other tools have created since does not name a promotion. Then
        the versions that the ledger knows tell whether the function is still the same.
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

    def with_served(self, served: EnvironmentRecord) -> "Target":
        """Give the target with another record of the environment."""
        environments = {**self.state.environments, self.environment: served}
        return replace(self, state=replace(self.state, environments=environments))
