"""The clients of the user's account."""

from collections.abc import Callable, Mapping
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

from promote.aws.clients import Clients
from promote.aws.patience import Patience
from promote.core.clock import Clock
from promote.core.errors import AccessError, InputError

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient

_CREDENTIALS = "Set AWS_PROFILE, or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."


class Account:
    """The clients of one account and region.

    Those with a name that ends in ``once`` never repeat a call, for questions about errors. The others are the action's
    own, which wait for the end of throttling, and repeat calls that do not find what was just created.
    """

    def __init__(self, region: str, environ: Mapping[str, str], clock: Clock, say: Callable[[str], None]) -> None:
        """``say`` prints a line when the action's own clients begin to wait."""
        self.region = region
        patience = Patience(clock, Random().random, lambda _, text: say(text))  # noqa: S311 - pauses, not a secret
        self._clients = Clients(region, environ, clock=clock, patience=patience)
        self.endpoint_url = self._clients.endpoint_url
        """The URL of an emulator, or empty."""

    @cached_property
    def id(self) -> str:
        """The number of the account.

        Raises:
            InputError: Lambda does not exist in the region.
            AccessError: There are no credentials.

        """
        try:
            self._clients.resolve_region()
        except InputError as error:
            raise InputError("region", str(error).partition(": ")[2], hint=error.hint) from error
        except AccessError as error:
            raise error.reworded(str(error), hint=_CREDENTIALS) from error
        return str(self._client("sts").get_caller_identity()["Account"])

    @cached_property
    def _session(self) -> "boto3.session.Session":
        import boto3.session  # noqa: PLC0415 - slow to load, and not needed if an option is not valid

        return boto3.session.Session(region_name=self.region)

    def _client(self, service: str, attempts: int = 8) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - as above

        options: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": attempts},
            "user_agent_appid": "promote-on-success-kit",
            "max_pool_connections": 32,
            "connect_timeout": 5,
            "read_timeout": 60,
        }
        client = self._session.client(service, config=Config(**options))  # type: ignore[call-overload] # not a literal
        _ = client.exceptions  # create the classes before threads use them
        return client

    @property
    def function(self) -> "LambdaClient":
        """AWS Lambda."""
        return self._clients.function

    @cached_property
    def function_once(self) -> "LambdaClient":
        """AWS Lambda."""
        return self._client("lambda", 1)  # type: ignore[no-any-return]

    @property
    def gateway(self) -> "ApiGatewayV2Client":
        """Amazon API Gateway, HTTP APIs."""
        return self._clients.gateway

    @cached_property
    def gateway_once(self) -> "ApiGatewayV2Client":
        """Amazon API Gateway, HTTP APIs."""
        return self._client("apigatewayv2", 1)  # type: ignore[no-any-return]

    @property
    def table(self) -> "DynamoDBClient":
        """Amazon DynamoDB."""
        return self._clients.table

    @cached_property
    def table_once(self) -> "DynamoDBClient":
        """Amazon DynamoDB."""
        return self._client("dynamodb", 1)  # type: ignore[no-any-return]

    @cached_property
    def roles(self) -> Any:
        """AWS Identity and Access Management."""
        return self._client("iam")

    @cached_property
    def logs(self) -> Any:
        """Amazon CloudWatch Logs."""
        return self._client("logs")
