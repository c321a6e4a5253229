"""The permissions of API Gateway: what the policy of a function shows after a response was lost."""

import json
from typing import Any

import pytest
from boto3 import Session
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from promote.aws.lambda_access import FunctionAccess
from promote.aws.lambda_permissions import remove, statements
from promote.core.errors import UnconfirmedError
from tests.clock import Time

EXCEPTIONS: Any = Session("key", "secret", region_name="eu-west-1").client("lambda").exceptions


def nothing() -> None:
    pass


class Policy:
    """Lambda's client for the policy of one function. Responses can be lost, and reads can fail."""

    exceptions = EXCEPTIONS

    def __init__(self, *there: str) -> None:
        self.there = set(there)
        self.before = self.after = self.reads = nothing

    def remove_permission(self, *, StatementId: str, **_: str) -> None:  # noqa: N803 - as in boto3
        self.before()
        if StatementId not in self.there:
            raise EXCEPTIONS.ResourceNotFoundException({"Error": {"Code": "x"}}, "RemovePermission")
        self.there.remove(StatementId)
        self.after()

    def get_policy(self, **_: str) -> dict[str, str]:
        self.reads()
        if not self.there:
            raise EXCEPTIONS.ResourceNotFoundException({"Error": {"Code": "x"}}, "GetPolicy")
        return {"Policy": json.dumps({"Statement": [{"Sid": name} for name in sorted(self.there)]})}

    @property
    def access(self) -> FunctionAccess:
        client: Any = self
        return FunctionAccess("hello", "hello", lambda: client, lambda: client, Time(0))


def lost() -> None:
    raise ConnectionClosedError(endpoint_url="https://lambda")


def unread() -> None:
    raise ReadTimeoutError(endpoint_url="https://lambda")


@pytest.mark.parametrize("others", [(), ("other",)])
def test_a_permission_is_removed_though_the_response_is_lost(others: tuple[str, ...]) -> None:
    policy = Policy("ours", *others)
    policy.after = lost
    remove(policy.access, "7", "ours")
    assert statements(policy.access, "7") == set(others)


def test_a_permission_that_is_still_there_was_not_removed() -> None:
    policy = Policy("ours")
    policy.before = lost
    with pytest.raises(ConnectionClosedError):
        remove(policy.access, "7", "ours")


def test_a_removal_that_cannot_be_looked_up_is_unconfirmed() -> None:
    policy = Policy("ours")
    policy.after, policy.reads = lost, unread
    with pytest.raises(UnconfirmedError, match="API Gateway's permission for hello may have been removed"):
        remove(policy.access, "", "ours")


def test_a_permission_that_does_not_exist_needs_no_removal() -> None:
    remove(Policy("other").access, "", "ours")
