"""AWS's clients, and what AWS's errors mean to a user."""

import difflib
import re
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promote.answers import note_attempts
from promote.clock import Clock, SystemClock
from promote.errors import AccessError, InputError, PromoteError, ServiceError
from promote.recent import Recent
from promote.redaction import Redactor
from promote.streaming import stream_archives

if TYPE_CHECKING:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError
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
    this project is conditional, and ``promote.answers`` tells whether an earlier attempt may have taken effect.
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


@contextmanager
def concealing(configuration: Mapping[str, Any]) -> Iterator[None]:
    """Take the values of the variables that ``configuration`` sends out of AWS's errors, which may repeat them."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - a client has loaded it

    variables: Mapping[str, str] = configuration.get("Environment", {}).get("Variables", {})
    try:
        yield
    except ClientError as error:
        error.response["Error"]["Message"] = Redactor(variables.values())(message_of(error))
        raise


def is_passing(error: Exception) -> bool:
    """Whether the same call may succeed a moment later: AWS was not reached, has failed, or wants fewer calls.

    Unless it was refused, the call may also have taken effect.
    """
    from botocore.exceptions import (  # noqa: PLC0415 - loaded long before they can occur
        ClientError,
        ConnectionError,  # noqa: A004 - botocore's own
        HTTPClientError,
    )

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    return isinstance(error, ConnectionError | HTTPClientError)


def code_of(error: "ClientError") -> str:
    """Give the error's code, such as ``ResourceNotFoundException``."""
    return error.response.get("Error", {}).get("Code", "")


def message_of(error: "ClientError") -> str:
    """Give the error's text."""
    answer: Mapping[str, Any] = error.response
    return str(answer.get("Error", {}).get("Message") or answer.get("message") or answer.get("Message") or error)


_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN = {
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "ForbiddenException"}


def explain(error: "ClientError | BotoCoreError") -> PromoteError:
    """Turn an error of botocore's into one that says what to do."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - loaded long before it can occur

    if not isinstance(error, ClientError):
        return _without_answer(error)
    code, message, operation = code_of(error), message_of(error), error.operation_name
    if code in _EXPIRED:
        return AccessError(
            f"the AWS credentials have expired ({operation}: {message})",
            hint="Ask configure-aws-credentials for a longer role-duration-seconds, or run it right before this step.",
        )
    if code in _UNKNOWN:
        return AccessError(
            f"AWS does not know the credentials ({operation}: {message})",
            hint="Check the secrets, or use aws-actions/configure-aws-credentials with OIDC, which needs none. "
            "AWS says the same in a region that the account has not enabled.",
        )
    if code in DENIED:
        return _denied(operation, message)
    return ServiceError(
        f"{operation} failed: {code}: {message}",
        hint="Run the job again; nothing is lost. If it stays, AWS's text above says what it objects to.",
    )


def _denied(operation: str, message: str) -> AccessError:
    """Say which permission is missing, as far as AWS's text tells, and where it is to be allowed.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html has the texts.
    """
    found = re.search(r"perform:? (?P<action>[\w-]+:\w+)(?: on resource: \"?(?P<resource>[^\s\"]+))?", message)
    # Lambda, of an object that it was to read; S3 itself names neither for a bucket of another account.
    object_ = re.search(r"have permission to (?P<action>GetObject\w*) for (?P<place>\S+)\. S3 Error", message)
    if found:
        action, resource = found["action"], f" on {found['resource']}" if found["resource"] else ""
    elif object_:
        action, resource = f"s3:{object_['action']}", f" on s3://{object_['place']}"
    else:
        action, resource = operation, ""
    silent = re.search(r"because no (?P<policy>[\w -]+?) allows", message)
    if "explicit deny" in message:
        hint = "An explicit deny outweighs whatever the job's role allows: ask those who own the policy that AWS names."
    elif silent and silent["policy"] != "identity-based policy":
        hint = (
            f"Allow {action}{resource} in the {silent['policy']} as well: ask those who own it. "
            "What the job's role allows does not count without it."
        )
    else:
        hint = (
            f"Allow {action}{resource} in the policy of the role that this job assumes; "
            "docs/iam-policy.json of this action has all that it needs."
        )
        if action.startswith(("dynamodb:", "apigateway:")):
            hint += " If the action is allowed already, add this function's ARN to the condition of that statement."
    return AccessError(f"AWS denies {action}{resource}: {message}", hint=hint)


def _without_answer(error: "BotoCoreError") -> PromoteError:
    from botocore.exceptions import (  # noqa: PLC0415 - loaded long before it can occur
        ConnectionError,  # noqa: A004 - botocore's own
        CredentialRetrievalError,
        HTTPClientError,
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
        ProfileNotFound,
    )

    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError | ProfileNotFound):
        return AccessError(
            f"there are no usable AWS credentials: {error}",
            hint="Run aws-actions/configure-aws-credentials before this step, with permissions: id-token: write.",
        )
    if isinstance(error, HTTPClientError | ConnectionError):
        return ServiceError(
            f"AWS could not be reached: {error}",
            hint="Check aws-region and the runner's network, and run the job again; nothing is lost.",
        )
    if isinstance(error, ParamValidationError):
        # The report repeats the values, which may be secrets, after the parameters' names.
        wrong = re.findall(
            r"^(?:Invalid|Missing|Unknown) [\w ]+? (?:for parameter|in) [\w.[\]]+", str(error), re.MULTILINE
        )
        return ServiceError(
            f"AWS cannot take what this run wanted to send: {', '.join(wrong)}",
            hint="Correct the input that it comes from; where there is none, report it: the mistake is the action's.",
        )
    return ServiceError(
        f"the AWS client gave up: {error}",
        hint="Correct what it names in the environment of this step, such as AWS's own variables and files.",
    )


def understood(error: Exception) -> PromoteError:
    """Turn whatever was raised into an error that says what to do; what nobody has foreseen is a mistake of ours."""
    if isinstance(error, PromoteError):
        return error
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loaded before AWS can raise them

    if isinstance(error, BotoCoreError | ClientError):
        return explain(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return PromoteError(
        f"an unexpected {type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {error}",
        hint="This is a mistake of the action's. Run the job again with debug logging, and report what it says.",
    )
