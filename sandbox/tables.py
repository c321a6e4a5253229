"""Tables that are being created: DynamoDB shows them as CREATING, and does not find them for other operations.

https://github.com/ExtendDB/extenddb/pull/204, checked against DynamoDB; botocore dynamodb:TableDescription.TableStatus
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sandbox import errors
from sandbox.parameters import json_object
from sandbox.strict.updates import planned_duration

if TYPE_CHECKING:
    from sandbox.exchange import Answer, Request
    from sandbox.operations import Operation

_UNAFFECTED = ("CreateTable", "DescribeTable", "ListTables")


class Tables:
    """The new tables of each account."""

    def __init__(self, settle: float) -> None:
        """Take the seconds that a creation takes."""
        self._settle = settle
        self._creating: dict[tuple[str, str, str], float] = {}

    def refuse(self, operation: Operation, request: Request) -> Answer | None:
        """Return the error for a request about a table that is being created, or None for any other request."""
        if operation.service != "dynamodb" or operation.name in _UNAFFECTED or not self._creating:
            return None
        creating = [name for name in _tables(request) if self._is_creating(operation, name)]
        if not creating:
            return None
        if operation.name == "DeleteTable":
            message = f"Attempt to change a resource which is still in use: Table is being created: {creating[0]}"
            return errors.answer("dynamodb", errors.Error(400, "ResourceInUseException", message))
        error = errors.Error(400, "ResourceNotFoundException", "Requested resource not found")
        return errors.answer("dynamodb", error)

    def shown(self, operation: Operation, request: Request, answer: Answer) -> Answer:
        """Return an answer with the status CREATING for a table that is being created."""
        members = {"dynamodb.CreateTable": "TableDescription", "dynamodb.DescribeTable": "Table"}
        member = members.get(operation.full_name)
        if member is None or answer.status >= 400:  # noqa: PLR2004 - HTTP's limit between success and error
            return answer
        name = _tables(request)[0]
        if operation.name == "CreateTable":
            planned = planned_duration.get()
            seconds = self._settle if planned is None else planned
            self._creating[_key(operation, name)] = time.monotonic() + seconds
        if not self._is_creating(operation, name):
            return answer
        data = json_object(answer.body)
        data[member]["TableStatus"] = "CREATING"
        return answer.with_json(data)

    def _is_creating(self, operation: Operation, name: str) -> bool:
        key = _key(operation, name)
        if self._creating.get(key, 0.0) > time.monotonic():
            return True
        self._creating.pop(key, None)
        return False


def _key(operation: Operation, name: str) -> tuple[str, str, str]:
    return operation.account, operation.region, name


def _tables(request: Request) -> list[str]:
    """Return the names of the tables that a request names, also by their ARNs."""
    data = json_object(request.body)
    given = [part.get("TableName") for item in data.get("TransactItems", ()) for part in item.values()]
    given += [data.get("TableName"), *data.get("RequestItems", {})]
    return [str(name).rpartition("table/")[2] for name in given if name]
