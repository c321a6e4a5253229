"""AWS's clients."""

import difflib
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promote.aws.confirmation import note_attempts
from promote.aws.recent import Recent
from promote.aws.upload_stream import stream_archives
from promote.core.clock import Clock, SystemClock
from promote.core.errors import AccessError, InputError, ServiceError

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

_TIME_LIMITS: Mapping[str, Mapping[str, Any]] = {
    # An upload of 50 MB over a slow line takes a while; the table's calls are small and must fail fast.
    "lambda": {"connect_timeout": 5, "read_timeout": 60},
    "dynamodb": {"connect_timeout": 3, "read_timeout": 5},
    "apigatewayv2": {"connect_timeout": 5, "read_timeout": 30},
    "s3": {"connect_timeout": 5, "read_timeout": 60},
    "sts": {"connect_timeout": 5, "read_timeout": 30},
}

CALLS_AT_ONCE = 32
"""As many are made side by side at the most: of several functions, one each."""

SERVICES = frozenset({*_TIME_LIMITS, "sso", "sso-oidc", "signin"})
"""The services, in botocore's names, that this project or botocore's credentials make clients of: those that the image
keeps descriptions of."""


class Clients:
    """The clients of one region, each made once and when first asked for; safe to use from several threads.

    They retry (botocore's standard mode). A retried write can therefore meet its own first effect: each write of
    this project is conditional, and ``promote.aws.confirmation`` tells whether an earlier attempt may have taken effect.
    """

    def __init__(
        self, region: str, environ: Mapping[str, str], longest_invocation: float = 900, clock: Clock | None = None
    ) -> None:
        """Take the region (empty: the environment's), the environment and the seconds that an invocation may take."""
        # boto3 itself reads AWS_DEFAULT_REGION only; the other SDKs, and configure-aws-credentials, AWS_REGION as well.
        self.region = region or environ.get("AWS_REGION", "") or environ.get("AWS_DEFAULT_REGION", "")
        self.endpoint_url = environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
        self._longest_invocation = min(900, max(1, longest_invocation))  # Lambda's own limit
        self._recent = Recent(clock or SystemClock())
        self._lock = threading.RLock()
        self._hearts: dict[float, DynamoDBClient] = {}

    @cached_property
    def _session(self) -> "boto3.session.Session":
        import boto3.session  # noqa: PLC0415 - takes a tenth of a second, which wrong inputs need not pay

        if self.endpoint_url and not self.endpoint_url.startswith(("http://", "https://")):
            raise ServiceError(
                f"AWS_ENDPOINT_URL is set, and {self.endpoint_url!r} is no http(s) URL",
                hint="Write it like http://localhost:4566, or take it away to use AWS itself.",
            )
        session = boto3.session.Session(region_name=self.region or None)
        if not session.region_name:
            raise InputError(
                "aws-region",
                "it is empty, and the environment names no region",
                hint="Set aws-region, or run aws-actions/configure-aws-credentials before this step.",
            )
        known = {
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("lambda", partition)
        }
        if session.region_name not in known:
            near = difflib.get_close_matches(session.region_name, sorted(known), n=1)
            raise InputError(
                "aws-region",
                f"{session.region_name!r} is no region that has Lambda",
                hint=(f"Did you mean {near[0]}? " if near else "") + "Write it like eu-west-1.",
            )
        if session.get_credentials() is None:
            raise AccessError(
                "there are no AWS credentials",
                hint="Run aws-actions/configure-aws-credentials before this step, with permissions: id-token: write.",
            )
        return session

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
            client = self._session.client(service, config=config)  # type: ignore[call-overload] # a name, no literal
            # Two threads that ask for it first get different classes: one's `except` does not catch the other's error.
            _ = client.exceptions
        note_attempts(client.meta.events, client.meta.service_model.service_id.hyphenize())
        return client

    def resolve_region(self) -> str:
        """Give the region in use, and prove that there are a region and credentials.

        Raises:
            InputError: no region, or one that AWS does not have.
            AccessError: no credentials.

        """
        with self._lock:
            return str(self._session.region_name)

    def require_runtime(self, runtime: str | None) -> None:
        """Refuse a runtime that Lambda does not have, as far as botocore's model of it knows; None is well.

        Raises:
            InputError: Lambda does not have it.

        """
        if runtime is None:
            return
        known: list[str] = getattr(self.function.meta.service_model.shape_for("Runtime"), "enum", [])
        if runtime in known:
            return
        near = difflib.get_close_matches(runtime, known, n=1)
        raise InputError(
            "runtime",
            f"{runtime!r} is no Lambda runtime that this version of the action knows",
            hint=(f"Did you mean {near[0]}? " if near else "") + "A newer version of this action knows newer runtimes.",
        )

    @cached_property
    def function(self) -> "LambdaClient":
        """AWS Lambda; it takes open files as archives, and does not hold them in memory."""
        client: LambdaClient = self._client("lambda")
        stream_archives(client.meta.events)
        return self._recent.watch(client)

    @cached_property
    def invoker(self) -> "LambdaClient":
        """AWS Lambda for invocations, which take longer than other calls and are never repeated."""
        once = {"total_max_attempts": 1}
        client: LambdaClient = self._client("lambda", read_timeout=self._longest_invocation, retries=once)
        return self._recent.watch(client)  # a function that was not found has not run

    @cached_property
    def table(self) -> "DynamoDBClient":
        """Amazon DynamoDB."""
        client: DynamoDBClient = self._client("dynamodb")
        return self._recent.watch(client)

    def heart(self, limit: float) -> "DynamoDBClient":
        """Give a client of Amazon DynamoDB that gives up after ``limit`` seconds, at the first attempt."""
        options: dict[str, Any] = {"connect_timeout": limit, "read_timeout": limit}
        with self._lock:
            if limit not in self._hearts:
                self._hearts[limit] = self._client("dynamodb", **options, retries={"total_max_attempts": 1})
            return self._hearts[limit]

    def function_arn(self, name: str) -> str:
        """Give the ARN of the function ``name`` of the caller's account, whether or not it exists."""
        client: STSClient = self._client("sts")
        caller = client.get_caller_identity()
        partition = caller["Arn"].split(":")[1]
        return f"arn:{partition}:lambda:{self.resolve_region()}:{caller['Account']}:function:{name}"

    @cached_property
    def gateway(self) -> "ApiGatewayV2Client":
        """Amazon API Gateway, HTTP APIs."""
        client: ApiGatewayV2Client = self._client("apigatewayv2")
        return self._recent.watch(client)

    @cached_property
    def maker(self) -> "ApiGatewayV2Client":
        """The same for what must not be repeated without a look at what has come of it."""
        client: ApiGatewayV2Client = self._client("apigatewayv2", retries={"total_max_attempts": 1})
        return self._recent.watch(client)

    @cached_property
    def storage(self) -> "S3Client":
        """Amazon S3."""
        return self._client("s3")  # type: ignore[no-any-return]
