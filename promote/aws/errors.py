"""What AWS's errors mean to a user."""

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
    """Take the values of the variables that ``configuration`` sends out of AWS's errors, which may repeat them."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - a client has loaded it

    variables: Mapping[str, str] = configuration.get("Environment", {}).get("Variables", {})
    try:
        yield
    except ClientError as error:
        error.response["Error"]["Message"] = Redactor(variables.values())(message_of(error))
        raise


def is_transient(error: Exception) -> bool:
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


def code_of(error: Exception) -> str:
    """Return the code of AWS's response, such as ``ResourceNotFoundException``; empty if there was no response."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


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


def to_promote_error(error: Exception) -> PromoteError:
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
