"""Create the DynamoDB table, with its keys, and delete it again."""

from contextlib import suppress
from typing import TYPE_CHECKING

from promote.aws.confirmation import confirmed
from promote.aws.tags import TABLE, TAG
from promote.core.clock import Clock
from promote.core.errors import TableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_CREATION_TIMEOUT = 120.0
"""Seconds to wait until a new table is active."""


def ensure(client: "DynamoDBClient", name: str, clock: Clock) -> None:
    """Create the table if it is missing, and wait until it is active.

    Raises:
        TableError: The table is not active within two minutes.

    """

    def create() -> str:
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            Tags=[{"Key": TAG, "Value": TABLE}],
        )
        return "CREATING"

    # In use: another run created the table, or an earlier attempt of this call did.
    with suppress(client.exceptions.ResourceInUseException):
        confirmed(create, lambda: _status(client, name) or None, f"the table {name} may have been created")
    deadline = clock.monotonic() + _CREATION_TIMEOUT
    while _status(client, name) != "ACTIVE":
        if clock.monotonic() > deadline:
            raise TableError(
                f"the table {name} is not active {_CREATION_TIMEOUT:.0f} seconds after its creation",
                hint="Check the table in the AWS console. When it is active, run the job again.",
            )
        clock.sleep(0.5)


def remove(client: "DynamoDBClient", name: str) -> str:
    """Delete the table if the action has made it and it has no items. Return why it stays; empty if it is gone."""
    try:
        arn = client.describe_table(TableName=name)["Table"]["TableArn"]
        tags = {tag["Key"]: tag["Value"] for tag in client.list_tags_of_resource(ResourceArn=arn)["Tags"]}
        if tags.get(TAG) != TABLE:
            return f"it does not have the tag {TAG} with the value {TABLE}, so the action has not made it"
        if client.scan(TableName=name, ConsistentRead=True, Limit=1, ProjectionExpression="pk")["Items"]:
            return "it has records of other functions"
        client.delete_table(TableName=name)
    except client.exceptions.ResourceNotFoundException:
        return ""
    except client.exceptions.ResourceInUseException:
        # An earlier attempt of this call may have taken effect.
        return "" if _status(client, name) in ("DELETING", "") else "it is being changed"
    return ""


def _status(client: "DynamoDBClient", name: str) -> str:
    try:
        return client.describe_table(TableName=name)["Table"].get("TableStatus", "")
    except client.exceptions.ResourceNotFoundException:
        return ""  # DescribeTable is eventually consistent, and may not find a new table yet
