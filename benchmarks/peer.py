"""python-dynamodb-lock in a relay: ``python -m benchmarks.peer`` in its own virtual environment."""

import os
from itertools import count

import boto3.session
from python_dynamodb_lock.python_dynamodb_lock import DynamoDBLock, DynamoDBLockClient

from benchmarks.relay import alone, relays, report

TABLE = "DynamoDBLockTable"
"""Its default."""


class Peer:
    """A contender as in its documentation, with the defaults: it reads and renews the lock every 5 seconds."""

    def __init__(self, name: str) -> None:
        """Take the lock's name."""
        self._name = name
        # Sessions and resources must not be shared between threads.
        self._resource = boto3.session.Session().resource("dynamodb")
        self._client = DynamoDBLockClient(self._resource)
        self._lock: DynamoDBLock = None

    def take(self) -> None:
        """Wait for the lock and acquire it."""
        self._lock = self._client.acquire_lock(self._name)

    def change(self) -> None:
        """Write another item of the table."""
        self._resource.Table(TABLE).update_item(
            Key={"lock_key": self._name, "sort_key": "work"},
            UpdateExpression="SET made = :yes",
            ExpressionAttributeValues={":yes": True},
        )

    def give_back(self) -> None:
        """Release the lock."""
        self._lock.release(best_effort=False)


def main() -> None:
    """Create the table, measure, and print the result."""
    DynamoDBLockClient.create_dynamodb_table(boto3.session.Session().client("dynamodb"))
    numbers = count()
    found = {"alone": alone(lambda: Peer(f"alone-{next(numbers)}")), "relays": relays(Peer)}
    report(**found)
    os._exit(0)  # closing a client would wait for its next heartbeat


if __name__ == "__main__":
    main()
