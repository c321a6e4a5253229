"""AWS's errors as botocore raises them, and the error for what the models do not have."""

from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

REGION, ACCOUNT = "us-east-1", "123456789012"


class NotModelledError(Exception):
    """The code has asked for something that no model has: extend the model, or do without."""


@cache
def real(service: str) -> Any:
    """Give a real client of the service, which is never called: it knows the service's exceptions."""
    session = boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name=REGION)
    return session.client(service)  # type: ignore[call-overload] # a name, not a literal


def refusal(service: str, operation: str, code: str, message: str, status: int = 400, **more: Any) -> ClientError:
    """Make the error that botocore raises for this answer."""
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    made: ClientError = real(service).exceptions.from_code(code)(response, operation)
    return made


class Refusal(Exception):  # noqa: N818 - as in promote: an answer
    """A model's refusal, before the client makes botocore's error of it."""

    lasting: Any = None
    """What goes wrong with further attempts of the same call, too."""
    is_unreadable = False
    """Whether what is read after the last attempt fails."""

    def __init__(self, code: str, message: str, status: int = 400, **more: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status
        self.more = more
