"""Turn the errors of AWS into errors with a cause and a fix."""

import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promote.aws.error_codes import PASSING, meaning_of
from promote.aws.other_responses import problem_of
from promote.core.disk import disk_problem
from promote.core.environment import missing_credentials
from promote.core.errors import AccessError, PromoteError, ServiceError, UnexpectedError
from promote.core.redaction import Redactor

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError


@contextmanager
def redacting_variables(*configurations: Mapping[str, Any]) -> Iterator[None]:
    """Redact the values of the environment variables in ``configurations`` from errors, which may repeat them."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - a client has loaded it

    variables = [value for one in configurations for value in one.get("Environment", {}).get("Variables", {}).values()]
    try:
        yield
    except ClientError as error:
        error.response["Error"]["Message"] = Redactor(variables)(message_of(error))
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
        return _is_cancelled_by(response, _THROTTLING)
    if code == "InvalidParameterValueException":
        return "throttled by EC2" in str(found.get("Message", ""))
    if "maximum number" in str(found.get("Message", "")).lower():
        return False  # API Gateway returns the same code and status if the quota of a resource is used up
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code in _THROTTLING or status == HTTPStatus.TOO_MANY_REQUESTS


def lacks_reserved_concurrency(error: Exception) -> bool:
    """Return whether an invocation was refused because the function's reserved concurrency is used up, or is 0.

    https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, TooManyRequestsException, Reason.
    """
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Reason", "")).startswith("ReservedFunctionConcurrent")


def _is_cancelled_by(response: Mapping[str, Any], codes: frozenset[str]) -> bool:
    """Return whether all reasons of a cancelled transaction are in ``codes``."""
    reasons = {str(reason.get("Code")) for reason in response.get("CancellationReasons", [])} - {"None"}
    return bool(reasons) and reasons <= codes


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
_SKEWED = {"RequestInTheFuture", "RequestTimeTooSkewed"}
_UNSIGNED = {"InvalidSignatureException", "SignatureDoesNotMatch"}
_UNKNOWN = {
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "UnrecognizedClientException",
    *_UNSIGNED,
}
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "ForbiddenException"}

_PASSING_STATUSES = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED}
"""The statuses of refusals (4xx) after which the same request may succeed later."""


def explain(error: "ClientError | BotoCoreError") -> PromoteError:
    """Return the error with cause and fix for an error of botocore."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - loaded long before it can occur

    if not isinstance(error, ClientError):
        return _without_response(error)
    code, message, operation = code_of(error), message_of(error), error.operation_name
    if access := _of_credentials(code, message, operation):
        return access
    if code in DENIED:
        return _denied(operation, message)
    if is_throttled(error):
        return _throttled(operation, error)
    if meaning := meaning_of(code, message):
        return ServiceError(f"{operation} failed: {meaning.cause} ({code}: {message})", hint=meaning.hint)
    return ServiceError(
        f"{operation} failed: {code}: {message}",
        hint="AWS refuses this request each time, so fix the cause in the message from AWS."
        if _is_final(error)
        else "Run the job again. If it fails again, fix the cause in the message from AWS.",
    )


def _is_final(error: "ClientError") -> bool:
    """Return whether AWS refuses the same request each time."""
    response: Mapping[str, Any] = error.response
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING_STATUSES:
        return False
    if code_of(error) == "TransactionCanceledException":
        return not _is_cancelled_by(response, _THROTTLING | {"TransactionConflict"})
    return code_of(error) not in PASSING


def _of_credentials(code: str, message: str, operation: str) -> AccessError | None:
    """Return the error if the credentials or the clock are the cause, else None."""
    is_time = re.search(
        r"signature (has )?expired|signature not yet current|is now (earlier|later) than", message, re.IGNORECASE
    )
    if code in _SKEWED or (code in _UNSIGNED and is_time):
        return AccessError(
            f"the clock of the runner is wrong, so AWS does not accept its signatures ({operation}: {code}: {message})",
            hint="Set the clock of the runner, for example with NTP (timedatectl set-ntp true). It may differ from the "
            "time of AWS by five minutes.",
        )
    if code in _EXPIRED:
        if operation == "AssumeRoleWithWebIdentity":
            return AccessError(
                f"the token in AWS_WEB_IDENTITY_TOKEN_FILE has expired ({message})",
                hint="Request the token right before this step, or use aws-actions/configure-aws-credentials.",
            )
        return AccessError(
            f"the AWS credentials have expired ({operation}: {message})",
            hint="Set a longer role-duration-seconds at configure-aws-credentials, or run it right before this step.",
        )
    if code in _UNKNOWN:
        wrong = "AWS does not know AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN"
        if code in _UNSIGNED:
            wrong = "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID"
        return AccessError(
            f"the AWS credentials are not valid ({operation}: {message})",
            hint=f"{wrong}. Check the secrets, or use aws-actions/configure-aws-credentials with OIDC, which needs no "
            "secrets. The error is the same if the region is not enabled for the account.",
        )
    return None


def explain_settings(error: "ClientError | BotoCoreError", environ: Mapping[str, str]) -> PromoteError:
    """Return the error with cause and fix for an error in the AWS configuration: a variable, a profile or a file."""
    from botocore.exceptions import (  # noqa: PLC0415 - loaded long before they can occur
        ConfigParseError,
        ParamValidationError,
        PartialCredentialsError,
        ProfileNotFound,
    )

    if isinstance(error, PartialCredentialsError) and error.kwargs.get("provider") == "env":
        return missing_credentials(environ)
    if isinstance(error, ProfileNotFound):
        variable = next((name for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE") if environ.get(name)), "AWS_PROFILE")
        files = " and ".join(
            environ.get(name, f"~/.aws/{file}")
            for name, file in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials"))
        )
        return AccessError(
            f"there are no valid AWS credentials: {variable} names {environ.get(variable, '')!r}, and there is no such "
            "profile",
            hint=f"Correct or unset {variable}. The action looks for profiles in {files}. Its container has another "
            "home folder than the runner. Or use aws-actions/configure-aws-credentials, which needs no profile.",
        )
    if isinstance(error, ConfigParseError):
        path = str(error.kwargs.get("path", ""))
        variable = next(
            (name for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE") if environ.get(name) == path), ""
        )
        return AccessError(
            f"{variable}{': ' if variable else ''}the AWS configuration file {path} cannot be read",
            hint="Each line must be a [section], a name = value, or a comment that begins with #, in UTF-8.",
        )
    if isinstance(error, ParamValidationError):
        return AccessError(
            f"the AWS credentials of a role cannot be requested: {_wrong_parameters(error)}",
            hint="Correct AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME or AWS_WEB_IDENTITY_TOKEN_FILE, or the same settings of "
            "the profile.",
        )
    explained = explain(error)
    if isinstance(explained, AccessError | ServiceError):
        return explained
    return AccessError(str(explained), hint=explained.hint)


def _throttled(operation: str, error: "ClientError") -> ServiceError:
    """Return the error for a call that AWS has throttled until the action gave up.

    The reasons: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors.
    """
    response: Mapping[str, Any] = error.response
    waited, reason = response.get("ResponseMetadata", {}).get(_WAITED, 0), str(response.get("Reason", ""))
    long = f" for {waited:.0f} seconds" if waited >= 1 else ""
    if lacks_reserved_concurrency(error):
        hint = "Increase the reserved concurrency of the function, and run the job again."
        long += ": the reserved concurrency of the function is used up, or it is 0"
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
    if action.startswith("sts:AssumeRole"):
        return AccessError(
            f"AWS denies {action}{resource}: {message}",
            hint="Allow it in the trust policy of the role, for this repository and branch. The README of this action "
            "has an example. Check the ARN of the role and its account.",
        )
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
    if problem := problem_of(error):
        return problem
    if isinstance(error, HTTPClientError | ConnectionError):
        return _unreachable(error)
    if isinstance(error, ParamValidationError):
        return ServiceError(
            f"a request to AWS is not valid: {_wrong_parameters(error)}",
            hint="Correct the input that sets this parameter. If no input sets it, report a bug of the action.",
        )
    return ServiceError(
        f"the AWS client failed: {error}",
        hint="Correct the setting that it names, such as an AWS variable or file in the environment of this step.",
    )


def _wrong_parameters(error: "ParamValidationError") -> str:
    """Return what is wrong with which parameters. The message repeats the values, which may be secrets, after that."""
    wrong = re.findall(r"^(?:Invalid|Missing|Unknown) [\w ]+? (?:for parameter|in) [\w.[\]]+", str(error), re.MULTILINE)
    return ", ".join(wrong)


def _unreachable(error: "BotoCoreError") -> ServiceError:
    """Return the error if there is no connection, with the variable that may be the cause."""
    from botocore.exceptions import ProxyConnectionError, SSLError  # noqa: PLC0415 - loaded long before they can occur

    if isinstance(error, ProxyConnectionError):
        return ServiceError(
            f"the proxy is not reachable: {error}",
            hint="Correct HTTPS_PROXY or HTTP_PROXY. Hosts that need no proxy belong in NO_PROXY.",
        )
    if isinstance(error, SSLError):
        if re.search(r"not yet valid|has expired", str(error)):
            hint = "Check the clock of the runner. If it is right, the certificate of the server or proxy is not valid."
        else:
            hint = "If a proxy has another certificate, set AWS_CA_BUNDLE to a file with that of its authority."
        return ServiceError(f"the certificate of AWS, or of a proxy, is not accepted: {error}", hint=hint)
    return ServiceError(
        f"AWS is not reachable: {error}",
        hint="Check aws-region, HTTPS_PROXY, NO_PROXY and the runner's network, and run the job again.",
    )


def to_promote_error(error: Exception) -> PromoteError:
    """Return the error with cause and fix for any exception. An unexpected one is a bug of the action."""
    if isinstance(error, PromoteError):
        return error
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loaded before AWS can raise them

    if isinstance(error, BotoCoreError | ClientError):
        return explain(error)
    if isinstance(error, OSError) and (problem := disk_problem(error)):
        return problem
    where = traceback.extract_tb(error.__traceback__)[-1]
    return UnexpectedError(
        f"an unexpected {type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {error}",
        hint="This is a bug of the action. Run the job again with debug logging, and report the log.",
    )
