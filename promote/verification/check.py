"""What a kind of check is, and what its checks run with."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeAlias

from promote.core.clock import Clock
from promote.core.endpoint import Endpoint
from promote.core.verdict import CheckResult, Outcome
from promote.inputs.model import Inputs
from promote.verification.process import CommandContext

if TYPE_CHECKING:
    import requests

    from promote.aws.lambda_function import Function

Results: TypeAlias = list[CheckResult]


class EndpointUse(Enum):
    """Whether the checks of a kind send their requests to the candidate's endpoint."""

    NONE = auto()
    """They invoke the version itself."""
    OPTIONAL = auto()
    """They use the endpoint if the candidate has one."""
    REQUIRED = auto()


@dataclass(frozen=True)
class Subject:
    """The version that is verified, and what the checks run with."""

    function: "Function"
    version: str
    endpoint: Endpoint | None
    endpoint_ok: bool
    """Whether a new endpoint has already returned a response of the function."""
    deadline: float
    """The end of the verification, on the clock's monotonic time."""
    clock: Clock
    session: "Callable[[], requests.Session]"
    context: CommandContext
    """What commands run with. The variables include the endpoint's URL and the version."""


class Check(Protocol):
    """All checks of one kind in a verification. ``registry.KINDS`` lists the kinds."""

    input: ClassVar[str]
    """The input that asks for this kind."""
    endpoint_use: ClassVar[EndpointUse]
    is_command: ClassVar[bool]
    """Whether it runs a command from the repository.

    A command may take API Gateway's own response for the function's, so the run first waits for the endpoint. What a
    command tests depends on the commit.
    """

    @classmethod
    def parse(cls, inputs: Inputs, workspace: Path) -> Self | None:
        """Read the files that the inputs name; return None if the inputs ask for no check of this kind.

        Raises:
            InputError: A file is missing or invalid.

        """

    def digest(self) -> Mapping[str, object]:
        """Return what is tested, as JSON. If it changes, a version that has passed is verified again."""

    def secrets(self) -> Iterable[str]:
        """Return the values that the checks send and that may be secret. A response may repeat them."""

    def calls(self, subject: Subject) -> Iterable[Callable[[], Results]]:
        """Return the calls that run the checks. All calls of a verification run side by side."""


def no_endpoint(name: str, kind: str) -> CheckResult:
    """Return the result of a check that cannot run, because the candidate has no endpoint."""
    return CheckResult(name, kind, Outcome.INCONCLUSIVE, 0, "the candidate has no endpoint")
