"""The AWS clients."""

import difflib
import threading
from collections.abc import Mapping
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

from promote.aws.calls import Client, watched
from promote.aws.confirmation import note_attempts
from promote.aws.errors import explain_settings
from promote.aws.other_responses import refuse_other_responses
from promote.aws.patience import Patience, leave_throttling_to_us
from promote.aws.recent import Recent
from promote.aws.upload_stream import stream_archives
from promote.core.arn import Arn
from promote.core.clock import Clock, SystemClock
from promote.core.environment import missing_credentials, require_url
from promote.core.errors import AccessError, InputError
from promote.core.network import KEEP_ALIVE

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

_TIME_LIMITS: Mapping[str, Mapping[str, Any]] = {
    # An upload of 50 MB over a slow connection takes long. The calls of the table are small and must fail fast.
    "lambda": {"connect_timeout": 5, "read_timeout": 60},
    "dynamodb": {"connect_timeout": 3, "read_timeout": 5},
    "apigatewayv2": {"connect_timeout": 5, "read_timeout": 30},
    "s3": {"connect_timeout": 5, "read_timeout": 60},
    "sts": {"connect_timeout": 5, "read_timeout": 30},
}

CALLS_AT_ONCE = 32
"""The most calls that run at the same time, such as one per function."""

SERVICES = frozenset({*_TIME_LIMITS, "sso", "sso-oidc", "signin"})
"""The services, by their botocore names, for which the action or botocore's credentials create clients.

The container image contains botocore's models of these services only."""


class Clients:
    """The clients of one region, thread-safe. Each is created once, at its first use.

    They retry in botocore's standard mode, so a retried write can find that an earlier attempt took effect. Each write
    is conditional, and ``promote.aws.confirmation`` finds out whether an earlier attempt may have taken effect.
    ``promote.aws.patience`` repeats throttled calls, except those of heartbeats, which must not be late.
    """

    def __init__(
        self,
        region: str,
        environ: Mapping[str, str],
        longest_invocation: float = 900,
        clock: Clock | None = None,
        patience: Patience | None = None,
    ) -> None:
        """If ``region`` is empty, read it from ``environ``. ``longest_invocation`` is in seconds.

        ``patience`` repeats throttled calls. By default, it does so without a line in the log.
        """
        # boto3 reads only AWS_DEFAULT_REGION. The other SDKs and configure-aws-credentials also use AWS_REGION.
        self._environ = environ
        self.region = region or environ.get("AWS_REGION", "") or environ.get("AWS_DEFAULT_REGION", "")
        self.endpoint_url = environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
        self._longest_invocation = min(900, max(1, longest_invocation))  # Lambda's own limit
        self._recent = Recent(clock or SystemClock())
        self._patience = patience or Patience(clock or SystemClock(), Random().random, lambda *_: None)  # noqa: S311 - pauses
        self._lock = threading.RLock()
        self._heartbeat_clients: dict[float, DynamoDBClient] = {}

    @cached_property
    def _session(self) -> "boto3.session.Session":
        import boto3.session  # noqa: PLC0415 - takes a tenth of a second, and is not needed if an input is invalid
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loaded with it

        if self.endpoint_url:
            require_url("AWS_ENDPOINT_URL", self.endpoint_url)
        try:
            session = boto3.session.Session(region_name=self.region or None)
            refuse_other_responses(session.events, self._environ)
            self._require_region(session)
            self._require_credentials(session)
        except (BotoCoreError, ClientError) as error:
            raise explain_settings(error, self._environ) from error
        return session

    def _require_region(self, session: "boto3.session.Session") -> None:
        region: str | None = session.region_name
        if not region:
            raise InputError(
                "aws-region",
                "it is empty, and no region is set in the environment",
                hint="Set aws-region, or run aws-actions/configure-aws-credentials before this step.",
            )
        known = {
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("lambda", partition)
        }
        if region not in known:
            variables = ("AWS_REGION", "AWS_DEFAULT_REGION")
            variable = next((name for name in variables if self._environ.get(name) == region), "")
            near = difflib.get_close_matches(region, sorted(known), n=1)
            raise InputError(
                "aws-region",
                f"{region!r} is not a valid region of Lambda" + (f", set by {variable}" if variable else ""),
                hint=(f"Did you mean {near[0]}? " if near else "") + "Example: eu-west-1.",
            )

    def _require_credentials(self, session: "boto3.session.Session") -> None:
        """Check that there are credentials. Those of a role or of a program are requested now, and then kept."""
        try:
            credentials = session.get_credentials()
            if credentials is None:
                raise missing_credentials(self._environ)
            credentials.get_frozen_credentials()
        except (OSError, ValueError) as error:  # a file, a program or a URL that a variable or the profile names
            file = str(getattr(error, "filename", None) or "")
            variable = next(
                (name for name in sorted(self._environ) if name.startswith("AWS_") and self._environ[name] == file), ""
            )
            raise AccessError(
                f"the AWS credentials cannot be read: {f'{variable}: ' if variable else ''}{error}",
                hint=f"Correct {variable or 'the variable or the profile that names it'}, or use "
                "aws-actions/configure-aws-credentials.",
            ) from error

    def _client(self, service: str, **different: Any) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - as above

        options: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": 5},
            "user_agent_appid": "promote-on-success",
            "max_pool_connections": CALLS_AT_ONCE,
            **_TIME_LIMITS[service],
            **different,
        }
        config = Config(**options)
        with self._lock:
            client = self._session.client(service, config=config)  # type: ignore[call-overload] # not a literal
            # Create the exception classes now. If two threads did it, each would have classes that the other's `except`
            # does not catch.
            _ = client.exceptions
        # botocore has no setting for the time of the first keep-alive packet. Both it and its proxies use this list.
        client._endpoint.http_session._socket_options.extend(KEEP_ALIVE)  # noqa: SLF001
        note_attempts(client.meta.events, client.meta.service_model.service_id.hyphenize())
        leave_throttling_to_us(client, options["retries"]["total_max_attempts"])
        return client

    def _watched(self, client: Client) -> Client:
        return watched(client, self._recent, self._patience)

    def resolve_region(self) -> str:
        """Return the region in use, after a check that the region is valid and that there are credentials.

        Raises:
            InputError: There is no region, or it is not a valid one.
            AccessError: There are no credentials.

        """
        with self._lock:
            return str(self._session.region_name)

    def make_shared(self) -> None:
        """Make what all functions need, once, before several threads use it."""
        _ = self.resolve_region(), self.function, self.table

    def require_runtime(self, runtime: str | None) -> None:
        """Check that ``runtime`` is None or in botocore's model of Lambda.

        Raises:
            InputError: The runtime is not in the model.

        """
        if runtime is None:
            return
        known: list[str] = getattr(self.function.meta.service_model.shape_for("Runtime"), "enum", [])
        if runtime in known:
            return
        near = difflib.get_close_matches(runtime, known, n=1)
        raise InputError(
            "runtime",
            f"{runtime!r} is not a Lambda runtime that this version of the action supports",
            hint=(f"Did you mean {near[0]}? " if near else "") + "For newer runtimes, update the action.",
        )

    @cached_property
    def function(self) -> "LambdaClient":
        """AWS Lambda. The client takes open files as archives and does not load them into memory."""
        client: LambdaClient = self._client("lambda")
        stream_archives(client.meta.events)
        return self._watched(client)

    @cached_property
    def invoker(self) -> "LambdaClient":
        """AWS Lambda for invocations, which take longer than other calls. What may have run is not repeated."""
        once = {"total_max_attempts": 1}
        client: LambdaClient = self._client("lambda", read_timeout=self._longest_invocation, retries=once)
        return self._watched(client)  # safe to repeat: a throttled function, or one that was not found, did not run

    @cached_property
    def informer(self) -> "LambdaClient":
        """AWS Lambda for reads that only inform. A run does not wait long for them, also if they are throttled."""
        client: LambdaClient = self._client("lambda", read_timeout=10, retries={"total_max_attempts": 2})
        return client

    def expect_version(self, function: str, version: str) -> None:
        """Repeat calls that do not find the version, because an earlier step of this job has just published it."""
        self._recent.remember(("function", function, version))

    @cached_property
    def table(self) -> "DynamoDBClient":
        """Amazon DynamoDB."""
        client: DynamoDBClient = self._client("dynamodb")
        return self._watched(client)

    def heartbeat(self, limit: float) -> "DynamoDBClient":
        """Return a client of Amazon DynamoDB with a timeout of ``limit`` seconds, without retries."""
        options: dict[str, Any] = {"connect_timeout": limit, "read_timeout": limit}
        with self._lock:
            if limit not in self._heartbeat_clients:
                client = self._client("dynamodb", **options, retries={"total_max_attempts": 1})
                self._heartbeat_clients[limit] = client
            return self._heartbeat_clients[limit]

    def function_arn(self, name: str) -> str:
        """Return the ARN that the function ``name`` has in the caller's account. The function need not exist."""
        client: STSClient = self._watched(self._client("sts"))
        caller = client.get_caller_identity()
        partition = Arn.of(caller["Arn"]).partition
        return f"arn:{partition}:lambda:{self.resolve_region()}:{caller['Account']}:function:{name}"

    @cached_property
    def gateway(self) -> "ApiGatewayV2Client":
        """Amazon API Gateway, HTTP APIs."""
        client: ApiGatewayV2Client = self._client("apigatewayv2")
        return self._watched(client)

    @cached_property
    def gateway_without_retries(self) -> "ApiGatewayV2Client":
        """The same without retries, for calls whose result must be read before they are repeated."""
        client: ApiGatewayV2Client = self._client("apigatewayv2", retries={"total_max_attempts": 1})
        return self._watched(client)

    @cached_property
    def storage(self) -> "S3Client":
        """Amazon S3."""
        client: S3Client = self._client("s3")
        return self._watched(client)
