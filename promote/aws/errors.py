"""Turn the errors of AWS into errors with a cause and a fix."""

import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promote.core.errors import AccessError, PromoteError, ServiceError
from promote.core.redaction import Redactor

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError


@contextmanager
def redacting_variables(configuration: Mapping[str, Any]) -> Iterator[None]:
    """Redact the values of the environment variables in ``configuration`` from errors, which may repeat them."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - a client has loaded it

    variables: Mapping[str, str] = configuration.get("Environment", {}).get("Variables", {})
    try:
        yield
    except ClientError as error:
        error.response["Error"]["Message"] = Redactor(variables.values())(message_of(error))
        raise


def is_transient(error: Exception) -> bool:
    """Return whether the same call may succeed later: AWS is not reachable, has failed (5xx) or throttles (429).

    Except after a 429, the call may have taken effect.
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


_THROTTLING = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Error codes of refused requests, as in botocore's standard retry mode. ThrottlingError is a part of a transaction."""


def is_throttled(error: Exception) -> bool:
    """Return whether AWS has refused a call because there were too many. The attempt had no effect."""
    return is_throttled_response(getattr(error, "response", None) or {})


def is_throttled_response(response: Mapping[str, Any]) -> bool:
    """Return the same for a parsed response."""
    found: Mapping[str, Any] = response.get("Error") or {}
    code = str(found.get("Code", ""))
    if code == "TransactionCanceledException":
        reasons = {str(reason.get("Code")) for reason in response.get("CancellationReasons", [])} - {"None"}
        return bool(reasons) and reasons <= _THROTTLING
    if code == "InvalidParameterValueException":
        return "throttled by EC2" in str(found.get("Message", ""))
    if "maximum number" in str(found.get("Message", "")).lower():
        return False  # API Gateway returns the same code and status if the quota of a resource is used up
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code in _THROTTLING or status == HTTPStatus.TOO_MANY_REQUESTS


_WAITED = "PromoteWaited"
"""The key, in an error's ResponseMetadata, of the seconds for which the call was repeated."""


def note_wait(error: Exception, seconds: float) -> None:
    """Note in an error of AWS for how many seconds the call was repeated."""
    response: Any = getattr(error, "response", {})
    response.setdefault("ResponseMetadata", {})[_WAITED] = seconds


def code_of(error: Exception) -> str:
    """Return the code of AWS's response, such as ``ResourceNotFoundException``; empty if there was no response."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def message_of(error: "ClientError") -> str:
    """Return the error's message."""
    response: Mapping[str, Any] = error.response
    return str(response.get("Error", {}).get("Message") or response.get("message") or response.get("Message") or error)


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
    """Return the error with cause and fix for an error of botocore."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - loaded long before it can occur

    if not isinstance(error, ClientError):
        return _without_response(error)
    code, message, operation = code_of(error), message_of(error), error.operation_name
    if code in _EXPIRED:
        return AccessError(
            f"the AWS credentials have expired ({operation}: {message})",
            hint="Set a longer role-duration-seconds at configure-aws-credentials, or run it right before this step.",
        )
    if code in _UNKNOWN:
        return AccessError(
            f"the AWS credentials are not valid ({operation}: {message})",
            hint="Check the secrets, or use aws-actions/configure-aws-credentials with OIDC, which needs no secrets. "
            "The error is the same if the region is not enabled for the account.",
        )
    if code in DENIED:
        return _denied(operation, message)
    if is_throttled(error):
        return _throttled(operation, error)
    return ServiceError(
        f"{operation} failed: {code}: {message}",
        hint="Run the job again. If it fails again, fix the cause in the message from AWS.",
    )


def _throttled(operation: str, error: "ClientError") -> ServiceError:
    """Return the error for a call that AWS has throttled until the action gave up.

    The reasons: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors.
    """
    response: Mapping[str, Any] = error.response
    waited, reason = response.get("ResponseMetadata", {}).get(_WAITED, 0), str(response.get("Reason", ""))
    long = f" for {waited:.0f} seconds" if waited >= 1 else ""
    if reason.startswith("Reserved"):
        hint = "The reserved concurrency of the function is used up, or it is 0. Increase it, and run the job again."
    elif "Concurrent" in reason:
        hint = "The account runs as many functions at the same time as its quota allows. Request a higher quota."
    else:
        hint = "Find out what else calls AWS so often in this account and region, and run the job again later."
    why = ": ".join(filter(None, [code_of(error), reason, message_of(error)]))
    return ServiceError(f"AWS throttles {operation}{long} ({why})", hint=hint)


def _denied(operation: str, message: str) -> AccessError:
    """Return the error that names the missing permission, as far as AWS names it, and the policy that must allow it.

    The messages: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html.
    """
    found = re.search(r"perform:? (?P<action>[\w-]+:\w+)(?: on resource: \"?(?P<resource>[^\s\"]+))?", message)
    # Lambda names the object that it cannot read. S3 names neither action nor resource if another account has the
    # bucket.
    object_ = re.search(r"have permission to (?P<action>GetObject\w*) for (?P<place>\S+)\. S3 Error", message)
    if found:
        action, resource = found["action"], f" on {found['resource']}" if found["resource"] else ""
    elif object_:
        action, resource = f"s3:{object_['action']}", f" on s3://{object_['place']}"
    else:
        action, resource = operation, ""
    silent = re.search(r"because no (?P<policy>[\w -]+?) allows", message)
    if "explicit deny" in message:
        hint = "An explicit deny overrides what the job's role allows. Ask the owner of the policy that AWS names."
    elif silent and silent["policy"] != "identity-based policy":
        hint = (
            f"Also allow {action}{resource} in the {silent['policy']}. Ask its owner. "
            "The policy of the job's role is not enough."
        )
    else:
        hint = (
            f"Allow {action}{resource} in the policy of the role that this job assumes. "
            "docs/iam-policy.json of this action lists all permissions."
        )
        if action.startswith(("dynamodb:", "apigateway:")):
            hint += " If it is allowed already, add this function's ARN to the condition of that statement."
    return AccessError(f"AWS denies {action}{resource}: {message}", hint=hint)


def _without_response(error: "BotoCoreError") -> PromoteError:
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
            f"there are no valid AWS credentials: {error}",
            hint="Run aws-actions/configure-aws-credentials before this step, with permissions: id-token: write.",
        )
    if isinstance(error, HTTPClientError | ConnectionError):
        return ServiceError(
            f"AWS is not reachable: {error}",
            hint="Check aws-region and the runner's network, and run the job again.",
        )
    if isinstance(error, ParamValidationError):
        # The message repeats the values, which may be secrets, after the names of the parameters.
        wrong = re.findall(
            r"^(?:Invalid|Missing|Unknown) [\w ]+? (?:for parameter|in) [\w.[\]]+", str(error), re.MULTILINE
        )
        return ServiceError(
            f"a request to AWS is not valid: {', '.join(wrong)}",
            hint="Correct the input that sets this parameter. If no input sets it, report a bug of the action.",
        )
    return ServiceError(
        f"the AWS client failed: {error}",
        hint="Correct the setting that it names, such as an AWS variable or file in the environment of this step.",
    )


def to_promote_error(error: Exception) -> PromoteError:
    """Return the error with cause and fix for any exception. An unexpected one is a bug of the action."""
    if isinstance(error, PromoteError):
        return error
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loaded before AWS can raise them

    if isinstance(error, BotoCoreError | ClientError):
        return explain(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return PromoteError(
        f"an unexpected {type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {error}",
        hint="This is a bug of the action. Run the job again with debug logging, and report the log.",
    )
