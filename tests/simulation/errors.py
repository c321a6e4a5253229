"""AWS's errors as botocore raises them, and the error for what the models do not support."""

from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

REGION, ACCOUNT = "us-east-1", "123456789012"


class NotModelledError(Exception):
    """No model supports what the code has requested. Extend the model."""


@cache
def real(service: str) -> Any:
    """Return a real client of the service for its exceptions. It is never called."""
    session = boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name=REGION)
    return session.client(service)  # type: ignore[call-overload] # a name, not a literal


def refusal(service: str, operation: str, code: str, message: str, status: int = 400, **more: Any) -> ClientError:
    """Return the error that botocore raises for this response."""
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    made: ClientError = real(service).exceptions.from_code(code)(response, operation)
    return made


class Refusal(Exception):  # noqa: N818 - as in promote: a response
    """A model's error, from which the client makes botocore's error."""

    lasting: Any = None
    """The fault of further attempts of the same call."""
    is_unreadable = False
    """Whether reads after the last attempt fail."""

    def __init__(self, code: str, message: str, status: int = 400, **more: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status
        self.more = more
