"""Access to one Lambda function: its name, its clients, and a guard that is called before each change."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promote.aws.calls import guarded, within
from promote.core.clock import Clock
from promote.core.errors import FunctionError
from promote.core.version import LATEST

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

BUSY_PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts to change an alias or a policy while Lambda is updating it."""

STALE = ("PreconditionFailedException", "ResourceConflictException", "ResourceNotFoundException")
"""Error codes of a refused write: the RevisionId differs, an update is in progress, or a resource exists or is gone."""


class MissingError(FunctionError):
    """The function or the version does not exist."""


@dataclass(frozen=True)
class FunctionAccess:
    """What the calls for one function have in common."""

    name: str
    id: str
    """The ARN if it is known, else the name."""
    make_client: Callable[[], "LambdaClient"]
    make_invoker: Callable[[], "LambdaClient"]
    """Returns a client that never retries."""
    clock: Clock
    guard: Callable[[], None] = lambda: None
    """Called before each change of code, configuration or alias."""

    @property
    def client(self) -> "LambdaClient":
        """The client with retries."""
        return self.make_client()

    @property
    def guarded_client(self) -> "LambdaClient":
        """The client for changes: the guard is also called before a change is repeated."""
        return guarded(self.client, self.guard)

    def invoker(self, until: float = math.inf) -> "LambdaClient":
        """Return the client without retries. It waits for the end of throttling until ``until``, in monotonic time."""
        return within(self.make_invoker(), until)

    def read_configuration(self, version: str) -> Mapping[str, Any]:
        """Read the FunctionConfiguration of $LATEST or of a version.

        Raises:
            MissingError: The function or the version does not exist.

        """
        qualifier: Any = {} if version == LATEST else {"Qualifier": version}
        try:
            return self.client.get_function_configuration(FunctionName=self.id, **qualifier)
        except self.client.exceptions.ResourceNotFoundException as error:
            raise MissingError(
                f"{self.name}:{version} does not exist",
                hint="It was deleted during this run. Run the job again.",
            ) from error
