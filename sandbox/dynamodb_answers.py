"""DynamoDB's errors in the shape that AWS gives them.

The message of a condition that did not hold is a member that botocore's model does not have, as recorded:
https://github.com/localstack/localstack/blob/main/tests/aws/services/dynamodb/test_dynamodb.snapshot.json
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.parameters import json_object

if TYPE_CHECKING:
    from sandbox.exchange import Answer
    from sandbox.operations import Operation

_CAPITAL = ("ConditionalCheckFailedException", "TransactionCanceledException")


def shaped(operation: Operation, answer: Answer) -> Answer:
    """Return MiniStack's answer in AWS's shape. Of other services, it does not change."""
    if operation.service != "dynamodb" or answer.status < 400:  # noqa: PLR2004 - HTTP's limit between success and error
        return answer
    data = json_object(answer.body)
    if str(data.get("__type", "")).rpartition("#")[2] not in _CAPITAL:
        return answer
    return answer.with_json({"Message" if name == "message" else name: value for name, value in data.items()})
