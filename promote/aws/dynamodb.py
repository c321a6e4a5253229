"""The DynamoDB table: create it if it is missing, read items, and write them with conditions.

If the response to a write is lost, the table reads the item to see whether the write took effect. So an error of a
write means that it did not take effect, except UnconfirmedError, which means that it may have.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from promote.aws import table_creation
from promote.aws.calls import telling
from promote.aws.confirmation import mark_response_lost, may_have_taken_effect, unconfirmed
from promote.aws.errors import code_of, message_of
from promote.core.clock import Clock
from promote.core.errors import TableError

if TYPE_CHECKING:
    from datetime import datetime

    from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb import DynamoDBClient

Item: TypeAlias = Mapping[str, Any]
Shown: TypeAlias = Callable[[Item], bool]
"""Returns whether an item shows that a write took effect. The item is empty if it does not exist."""
Sent: TypeAlias = Callable[[], None]
"""Called right before each attempt of a write, unless an earlier attempt may have taken effect.

So the write has not taken effect before the last of these calls.
"""

_ATTEMPTS, _PAUSE = 8, 0.1
_IN_PROGRESS = "TransactionInProgressException"
"""The error code if an earlier call of the same transaction, whose response was lost, is still in progress."""


def _unnoted() -> None:
    """Do nothing before an attempt whose time is not needed."""


def _sending(client: "DynamoDBClient", sent: Sent) -> "DynamoDBClient":
    """Call ``sent``, and return the client that calls it again before each repetition."""
    sent()
    return telling(client, sent)


class ConditionFailed(Exception):  # noqa: N818 - a result, not a failure
    """A condition did not hold. ``item`` is the present item; empty if there is none."""

    def __init__(self, item: Item) -> None:
        super().__init__("condition not met")
        self.item = item


class TransactionCancelled(Exception):  # noqa: N818 - the same
    """A transaction was cancelled. ``refused`` is true for each part whose condition did not hold."""

    def __init__(self, refused: Sequence[bool]) -> None:
        super().__init__("transaction cancelled")
        self.refused = refused


class TableNotFound(TableError):  # noqa: N818 - a result; a failure only if no caller handles it
    """The table does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the table {name} does not exist",
            hint="It was deleted during this run. Run the job again to create it.",
        )


class Table:
    """The table ``name`` with the keys ``pk`` and ``sk``.

    With ``reads_back`` False, as for the heartbeat, items are not read after a lost response. The next beat shows more,
    and it must not be late.
    """

    def __init__(
        self, client: Callable[[], "DynamoDBClient"], name: str, clock: Clock, *, reads_back: bool = True
    ) -> None:
        self.name = name
        self._reads_back = reads_back
        self.server_time: datetime | None = None
        """The time in DynamoDB's last response; None if there was none."""
        self._client = client
        self._clock = clock

    def connect(self) -> None:
        """Create the client and load the serializers, to save that time in later calls."""
        self._client()
        self.encode({"": ""})
        self._decode({"": {"S": ""}})

    def query(self, pk: str, first: str, last: str, *, having: str = "") -> list[Item]:
        """Return the items of ``pk`` from ``first`` to ``last``, read with strong consistency.

        If ``having`` is given, return only items with an attribute of that name: the keys and this attribute.

        Raises:
            TableNotFound: The table does not exist.
            TableError: The table has other keys.

        """
        narrowed: dict[str, Any] = {}
        if having:
            narrowed = {
                "FilterExpression": "attribute_exists(#having)",
                "ProjectionExpression": "pk, sk, #having",
                "ExpressionAttributeNames": {"#having": having},
            }
        return list(self._found(pk, first, last, **narrowed))

    def newest(self, pk: str, first: str, last: str, count: int) -> list[Item]:
        """Return the last ``count`` items of ``pk`` from ``first`` to ``last``, the last one first.

        Raises:
            TableNotFound: The table does not exist.

        """
        return list(islice(self._found(pk, first, last, ScanIndexForward=False, Limit=count), count))

    def _found(self, pk: str, first: str, last: str, **narrowed: Any) -> Iterator[Item]:
        """Yield the items of ``pk`` from ``first`` to ``last``. A page is read when its first item is needed."""
        start: dict[str, Any] = {}
        while True:
            response = self._call(
                "query",
                KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
                ExpressionAttributeValues=self.encode({":pk": pk, ":first": first, ":last": last}),
                ConsistentRead=True,
                **narrowed,
                **start,
            )
            yield from map(self._decode, response["Items"])
            if not response.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}

    def delete(self, pk: str, sk: str, condition: str = "", **values: Any) -> None:
        """Delete an item, if it exists and ``condition`` holds; ``values`` are those of its names after ``:``.

        ``condition`` refers to attributes as ``#name``.

        Raises:
            ConditionFailed: The condition does not hold.

        """
        key = self.encode({"pk": pk, "sk": sk})
        conditional = self._conditional(condition, values)
        self._write("delete_item", key, lambda item: not item, "", _unnoted, Key=key, **conditional)

    def put(self, item: Item, condition: str = "", **values: Any) -> None:
        """Write ``item`` if ``condition`` holds; ``values`` are those of its names after ``:``.

        Raises:
            ConditionFailed: The condition does not hold.

        """
        conditional = self._conditional(condition, values)
        written = {"Item": self.encode(item)}
        self._write("put_item", written["Item"], partial(self._shows, written), "", _unnoted, **written, **conditional)

    def _conditional(self, condition: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a write under ``condition``, with its names (``#name``) and values (``:name``)."""
        if not condition:
            return {}
        names = {name: name[1:] for name in re.findall(r"#\w+", condition)}
        bound = {f":{name}": value for name, value in values.items()}
        return {
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **({"ExpressionAttributeNames": names} if names else {}),
            **({"ExpressionAttributeValues": self.encode(bound)} if bound else {}),
        }

    def update(
        self, change: Mapping[str, Any], shown: Shown | None = None, what: str = "", sent: Sent = _unnoted
    ) -> Item:
        """Make an update (see ``change``), and return the item after it.

        If the response is lost, ``shown`` decides from the item whether the update took effect. By default, the item
        must have the assigned values and lack the removed attributes. ``what`` is the start of the error message if the
        item cannot be read. ``sent`` is called before attempts (see ``Sent``).

        Raises:
            ConditionFailed: The condition does not hold.
            TableNotFound: The table does not exist.
            UnconfirmedError: The update may have taken effect.

        """
        response = self._write(
            "update_item",
            change["Key"],
            shown or partial(self._shows, change),
            what,
            sent,
            **change,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        return self._decode(response.get("Attributes", {}))

    def transact(
        self,
        parts: Sequence[tuple[str, Mapping[str, Any]]],
        shown: Shown | None = None,
        what: str = "",
        sent: Sent = _unnoted,
    ) -> None:
        """Write all ``parts`` (``("Update", change)`` or ``("Put", ...)``) in one transaction, or none.

        The transaction has an idempotency token, so a retry has no second effect. If the response is lost, the item of
        the first part shows whether the transaction took effect; ``shown``, ``what`` and ``sent`` are as in ``update``.
        So the first part should write a value that no other write writes.

        Raises:
            TransactionCancelled: A condition does not hold.
            UnconfirmedError: The transaction may have taken effect.

        """
        _, first = parts[0]
        self._write(
            "transact_write_items",
            first.get("Key") or first["Item"],
            shown or partial(self._shows, first),
            what,
            sent,
            ClientRequestToken=secrets.token_hex(16),  # otherwise botocore uses a new one after each conflict
            TransactItems=[{kind: {"TableName": self.name, **arguments}} for kind, arguments in parts],
        )

    def change(  # noqa: PLR0913 - an update's parts, by name
        self,
        pk: str,
        sk: str,
        *,
        assign: Mapping[str, Any] | None = None,
        remove: Sequence[str] = (),
        expressions: Mapping[str, str] | None = None,
        condition: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the arguments of an update that assigns values, removes attributes and sets expressions.

        ``condition`` and ``expressions`` refer to attributes as ``#name`` and to ``values`` as ``:name``.
        """
        assign, expressions = assign or {}, expressions or {}
        sets = [f"#{name} = :{name}" for name in assign] + [f"#{name} = {text}" for name, text in expressions.items()]
        clauses = [f"SET {', '.join(sets)}"] if sets else []
        clauses += [f"REMOVE {', '.join('#' + name for name in remove)}"] if remove else []
        expression = " ".join(clauses)
        names = set(re.findall(r"#(\w+)", f"{expression} {condition}"))
        bound = {f":{name}": value for name, value in {**assign, **(values or {})}.items()}
        return {
            "Key": self.encode({"pk": pk, "sk": sk}),
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {f"#{name}": name for name in names},
            **({"ExpressionAttributeValues": self.encode(bound)} if bound else {}),
            **({"ConditionExpression": condition} if condition else {}),
        }

    def insertion(self, item: Item) -> dict[str, Any]:
        """Return the Put, for a transaction, of an item that must not exist yet."""
        return {"Item": self.encode(item), "ConditionExpression": "attribute_not_exists(pk)"}

    def ensure(self) -> None:
        """Create the table if it is missing, and wait until it is active.

        Raises:
            TableError: The table is not active within two minutes.

        """
        table_creation.ensure(self._client(), self.name, self._clock)

    def remove(self) -> str:
        """Delete the table if the action has made it and it has no items. Return why it stays; empty if it is gone."""
        return table_creation.remove(self._client(), self.name)

    def _write(
        self, method: str, key: Item, shown: Shown, what: str, sent: Sent, **arguments: Any
    ) -> Mapping[str, Any]:
        """Write the item at ``key``, and return the response. If it is lost, read the item and check ``shown``."""
        try:
            return self._call(method, sent, **arguments)
        except (ConditionFailed, TransactionCancelled):
            raise
        except Exception as error:
            if not (self._reads_back and may_have_taken_effect(error)):
                raise
            pk, sk = self._decode(key)["pk"], self._decode(key)["sk"]
            try:
                item = next(iter(self.query(pk, sk, sk)), {})
            except Exception as second:
                what = what or f"the record {sk} of {pk.rpartition(':')[2]} may have been written"
                raise unconfirmed(what, error, second) from second
            if not shown(item):
                raise
            return {"Attributes": self.encode(item)}

    def _shows(self, written: Mapping[str, Any], item: Item) -> bool:
        """Return whether ``item`` is the result of a Put or an Update. Computed values are not compared."""
        if "Item" in written:
            return item == self._decode(written["Item"])
        assigned, _, removed = written["UpdateExpression"].partition("REMOVE ")
        values = self._decode(written.get("ExpressionAttributeValues", {}))
        expected = {name: values[f":{name}"] for name in re.findall(r"#(\w+) = :\1\b", assigned)}
        gone = re.findall(r"#(\w+)\b(?!\[)", removed)
        has_all = all(name in item and item[name] == value for name, value in expected.items())
        return bool(expected or gone) and has_all and not any(name in item for name in gone)

    def _call(self, method: str, sent: Sent = _unnoted, **arguments: Any) -> Mapping[str, Any]:
        """Call the client. Retry after a conflict with another write, and raise errors that explain a failure."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - as for TypeSerializer

        client = self._client()
        is_response_lost = False
        if method != "transact_write_items":
            arguments["TableName"] = self.name
        for attempt in range(1, _ATTEMPTS + 1):
            attempted = client if is_response_lost else _sending(client, sent)
            try:
                response: Mapping[str, Any] = getattr(attempted, method)(**arguments)
                self._note_time(response)
            except Exception as error:
                if not isinstance(error, ClientError):
                    if is_response_lost:
                        mark_response_lost(error)
                    raise
                if is_response_lost or code_of(error) == _IN_PROGRESS:
                    mark_response_lost(error)
                failure = self._failure(error)
                if failure is not None:
                    raise failure from error
                if attempt == _ATTEMPTS:
                    raise
                is_response_lost = may_have_taken_effect(error)
                self._clock.sleep(_PAUSE * attempt)
            else:
                return response
        raise AssertionError("unreachable")

    def _note_time(self, response: Mapping[str, Any]) -> None:
        date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if date:
            with suppress(ValueError):
                self.server_time = parsedate_to_datetime(date)

    def _failure(self, error: "ClientError") -> Exception | None:  # noqa: PLR0911 - one return per meaning
        """Return the error to raise for ``error``; None if another write of the same item is in progress: try again."""
        code, message = code_of(error), message_of(error)
        response: Mapping[str, Any] = error.response
        if code == "ConditionalCheckFailedException":
            return ConditionFailed(self._decode(response.get("Item", {})))
        if code == "TransactionCanceledException":
            codes = [reason.get("Code") for reason in response.get("CancellationReasons", [])]
            if "ConditionalCheckFailed" in codes:
                return TransactionCancelled([code == "ConditionalCheckFailed" for code in codes])
            return None if "TransactionConflict" in codes else error
        if code in ("TransactionConflictException", _IN_PROGRESS):
            return None
        if code == "ResourceNotFoundException":
            return TableNotFound(self.name)
        if code == "ValidationException" and error.operation_name == "Query":
            # The expression is always the same, so the keys of the table must be different.
            return TableError(
                f"the keys of the table {self.name} are not pk and sk, both strings ({message})",
                hint="Set the input table to another name. If the table does not exist, the action creates it.",
            )
        return error

    @cached_property
    def _serializer(self) -> "TypeSerializer":
        from boto3.dynamodb.types import TypeSerializer  # noqa: PLC0415 - boto3 is loaded at its first use

        return TypeSerializer()

    @cached_property
    def _deserializer(self) -> "TypeDeserializer":
        from boto3.dynamodb.types import TypeDeserializer  # noqa: PLC0415 - as above

        return TypeDeserializer()

    def encode(self, item: Item) -> dict[str, Any]:
        """Return plain values in DynamoDB's format. Floats are not supported."""
        return {name: self._serializer.serialize(value) for name, value in item.items()}

    def _decode(self, item: Mapping[str, Any]) -> Item:
        return {name: self._deserializer.deserialize(value) for name, value in item.items()}
