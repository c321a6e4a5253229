"""How one Lambda function is reached: its name, the clients, and the guard before each change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promote.core.clock import Clock
from promote.core.errors import FunctionError
from promote.core.version import LATEST

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

BUSY_PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts at an alias or a policy that Lambda is busy with."""

STALE = ("PreconditionFailedException", "ResourceConflictException", "ResourceNotFoundException")
"""A precondition that failed, an update in progress or an alias that exists, an alias or function that is gone."""


class MissingError(FunctionError):
    """The function or the version does not exist."""


@dataclass(frozen=True)
class FunctionAccess:
    """What each call for one function needs."""

    name: str
    id: str
    """Its ARN if it is known, else its name."""
    make_client: Callable[[], "LambdaClient"]
    make_invoker: Callable[[], "LambdaClient"]
    """Makes a client that never repeats a call."""
    clock: Clock
    guard: Callable[[], None] = lambda: None
    """Called before each change of code, configuration or alias."""

    @property
    def client(self) -> "LambdaClient":
        """The client for all calls but those that must not be repeated."""
        return self.make_client()

    @property
    def invoker(self) -> "LambdaClient":
        """The client that never repeats a call."""
        return self.make_invoker()

    def read_configuration(self, version: str) -> Mapping[str, Any]:
        """Read the FunctionConfiguration of $LATEST or of a version.

        Raises:
            MissingError: it does not exist.

        """
        qualifier: Any = {} if version == LATEST else {"Qualifier": version}
        try:
            return self.client.get_function_configuration(FunctionName=self.id, **qualifier)
        except self.client.exceptions.ResourceNotFoundException as error:
            raise MissingError(
                f"{self.name}:{version} does not exist (any more)",
                hint="Somebody has deleted it while this run was at work; run the job again.",
            ) from error
