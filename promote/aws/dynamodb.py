"""The DynamoDB table: made when missing, read and written with conditions. Its callers know what the items mean.

If a response to a write is lost, the table reads back whether the write took effect. So an error of a write means one
of two things: it did not take effect, or the error says that it may have (UnconfirmedError).
"""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from promote.aws.confirmation import confirmed, mark_unanswered, may_have_taken_effect, unconfirmed
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
"""Whether an item, empty where there is none, shows that a write took effect."""

_ATTEMPTS, _PAUSE = 8, 0.1
_UNDER_WAY = "TransactionInProgressException"
"""The code if an earlier call of the same transaction, whose response was lost, has not ended."""
_PATIENCE = 120.0
"""Seconds to wait for a table that is being made."""


class ConditionFailed(Exception):  # noqa: N818 - an answer to a question, not a failure
    """A condition was not met; ``item`` is what stands there instead, empty when nothing does."""

    def __init__(self, item: Item) -> None:
        super().__init__("condition not met")
        self.item = item


class TransactionCancelled(Exception):  # noqa: N818 - the same
    """A transaction was not carried out; ``refused`` has, for each of its parts, whether that was the cause."""

    def __init__(self, refused: Sequence[bool]) -> None:
        super().__init__("transaction cancelled")
        self.refused = refused


class TableNotFound(TableError):  # noqa: N818 - an answer to a question; a failure only where nobody has asked
    """The table does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the table {name} does not exist (any more)",
            hint="Somebody has deleted it while this run was at work; run the job again, and it is made anew.",
        )


class Table:
    """The table ``name`` with the keys ``pk`` and ``sk``.

    A heartbeat's table does not read back (``reads_back``): its next beat tells more, and must not be late.
    """

    def __init__(
        self, client: Callable[[], "DynamoDBClient"], name: str, clock: Clock, *, reads_back: bool = True
    ) -> None:
        self.name = name
        self._reads_back = reads_back
        self.server_time: datetime | None = None
        """DynamoDB's own time, as of its last answer; None: it has not said."""
        self._client = client
        self._clock = clock

    def connect(self) -> None:
        """Make the client and load what values are written with: while another call is under way, it takes no time."""
        self._client()
        self.encode({"": ""})
        self._decode({"": {"S": ""}})

    def query(self, pk: str, first: str, last: str, *, having: str = "") -> list[Item]:
        """Read the items of ``pk`` from ``first`` to ``last``, strongly consistent.

        Of those ``having`` an attribute of that name, where one is given, it reads that and the keys alone.

        Raises:
            TableNotFound: there is no table.
            TableError: the table has other keys.

        """
        items: list[Item] = []
        start: dict[str, Any] = {}
        narrowed: dict[str, Any] = {}
        if having:
            narrowed = {
                "FilterExpression": "attribute_exists(#having)",
                "ProjectionExpression": "pk, sk, #having",
                "ExpressionAttributeNames": {"#having": having},
            }
        while True:
            answer = self._call(
                "query",
                KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
                ExpressionAttributeValues=self.encode({":pk": pk, ":first": first, ":last": last}),
                ConsistentRead=True,
                **narrowed,
                **start,
            )
            items += [self._decode(item) for item in answer["Items"]]
            if not answer.get("LastEvaluatedKey"):
                return items
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def newest(self, pk: str, first: str, last: str, count: int) -> list[Item]:
        """Read the last ``count`` items of ``pk`` from ``first`` to ``last``, the last of them first.

        Raises:
            TableNotFound: there is no table.

        """
        answer = self._call(
            "query",
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues=self.encode({":pk": pk, ":first": first, ":last": last}),
            ConsistentRead=True,
            ScanIndexForward=False,
            Limit=count,
        )
        return [self._decode(item) for item in answer["Items"]]

    def delete(self, pk: str, sk: str) -> None:
        """Delete an item; that it is gone already is well."""
        key = self.encode({"pk": pk, "sk": sk})
        self._write("delete_item", key, lambda item: not item, "", Key=key)

    def put(self, item: Item, condition: str = "") -> None:
        """Write ``item`` if ``condition`` holds.

        Raises:
            ConditionFailed: it does not hold.

        """
        conditional: dict[str, Any] = {}
        if condition:
            conditional = {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        written = {"Item": self.encode(item)}
        self._write("put_item", written["Item"], partial(self._shows, written), "", **written, **conditional)

    def update(self, change: Mapping[str, Any], shown: Shown | None = None, what: str = "") -> Item:
        """Carry out an update (see ``change``) and give the item as it then is.

        If the response is lost, ``shown`` tells from the item whether the update took effect. By default the item must
        have what the update assigns, and lack what it removes. ``what`` begins the sentence that is said if the item
        cannot be read then.

        Raises:
            ConditionFailed: its condition does not hold.
            TableNotFound: there is no table.
            UnconfirmedError: it may have taken effect.

        """
        answer = self._write(
            "update_item",
            change["Key"],
            shown or partial(self._shows, change),
            what,
            **change,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        return self._decode(answer.get("Attributes", {}))

    def transact(
        self, parts: Sequence[tuple[str, Mapping[str, Any]]], shown: Shown | None = None, what: str = ""
    ) -> None:
        """Carry out all ``parts`` (``("Update", change)`` or ``("Put", ...)``) or none.

        A token goes along with it, by which DynamoDB knows a repeated call and does not act twice. If the response is
        lost, the item of the first part tells whether all took effect, as ``shown`` and ``what`` of ``update`` say. So
        the first part should leave what no other write leaves.

        Raises:
            TransactionCancelled: a condition does not hold.
            UnconfirmedError: they may have taken effect.

        """
        _, first = parts[0]
        self._write(
            "transact_write_items",
            first.get("Key") or first["Item"],
            shown or partial(self._shows, first),
            what,
            ClientRequestToken=secrets.token_hex(16),  # else botocore takes another after each conflict
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
        """Build an update: ``assign`` values, ``remove`` attributes, set ``expressions``; all if ``condition`` holds.

        ``condition`` and ``expressions`` name attributes as ``#name`` and ``values`` as ``:name``.
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
        """Build a Put of an item that must not exist yet, for a transaction."""
        return {"Item": self.encode(item), "ConditionExpression": "attribute_not_exists(pk)"}

    def ensure(self) -> None:
        """Make the table if it is missing, and wait until it can be used.

        Raises:
            TableError: it cannot be used within two minutes.

        """
        client = self._client()

        def create() -> str:
            client.create_table(
                TableName=self.name,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                AttributeDefinitions=[
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                ],
            )
            return "CREATING"

        # In use: a concurrent run has made it, or our own call whose answer was lost.
        with suppress(client.exceptions.ResourceInUseException):
            confirmed(create, lambda: self._status() or None, f"the table {self.name} may have been created")
        deadline = self._clock.monotonic() + _PATIENCE
        while self._status() != "ACTIVE":
            if self._clock.monotonic() > deadline:
                raise TableError(
                    f"the table {self.name} is not active {_PATIENCE:.0f} seconds after it was made",
                    hint="Look at it in the AWS console, and run the job again when it is active.",
                )
            self._clock.sleep(0.5)

    def _status(self) -> str:
        client = self._client()
        try:
            return client.describe_table(TableName=self.name)["Table"].get("TableStatus", "")
        except client.exceptions.ResourceNotFoundException:
            return ""  # DescribeTable is eventually consistent: a table just made may not be known to it yet

    def _write(self, method: str, key: Item, shown: Shown, what: str, **arguments: Any) -> Mapping[str, Any]:
        """Carry out a write of the item at ``key``; if its response is lost, give the item if that is ``shown``."""
        try:
            return self._call(method, **arguments)
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
        """Whether ``item`` is what a Put or an Update (``change``) leaves; what an expression computes is not seen."""
        if "Item" in written:
            return item == self._decode(written["Item"])
        assigned, _, removed = written["UpdateExpression"].partition("REMOVE ")
        values = self._decode(written.get("ExpressionAttributeValues", {}))
        expected = {name: values[f":{name}"] for name in re.findall(r"#(\w+) = :\1\b", assigned)}
        gone = re.findall(r"#(\w+)\b(?!\[)", removed)
        has_all = all(name in item and item[name] == value for name, value in expected.items())
        return bool(expected or gone) and has_all and not any(name in item for name in gone)

    def _call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        """Call the client; wait out a transaction in conflict, and say what an error means."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - as for TypeSerializer

        client = self._client()
        is_unanswered = False
        if method != "transact_write_items":
            arguments["TableName"] = self.name
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer: Mapping[str, Any] = getattr(client, method)(**arguments)
                self._note_time(answer)
            except Exception as error:
                if not isinstance(error, ClientError):
                    if is_unanswered:
                        mark_unanswered(error)
                    raise
                if is_unanswered or code_of(error) == _UNDER_WAY:
                    mark_unanswered(error)
                failure = self._failure(error)
                if failure is not None:
                    raise failure from error
                if attempt == _ATTEMPTS:
                    raise
                is_unanswered = may_have_taken_effect(error)
                self._clock.sleep(_PAUSE * attempt)
            else:
                return answer
        raise AssertionError("unreachable")

    def _note_time(self, answer: Mapping[str, Any]) -> None:
        said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if said:
            with suppress(ValueError):
                self.server_time = parsedate_to_datetime(said)

    def _failure(self, error: "ClientError") -> Exception | None:  # noqa: PLR0911 - one line a meaning
        """Say what ``error`` means; None: somebody else is writing the same item, so try again."""
        code, message = code_of(error), message_of(error)
        response: Mapping[str, Any] = error.response
        if code == "ConditionalCheckFailedException":
            return ConditionFailed(self._decode(response.get("Item", {})))
        if code == "TransactionCanceledException":
            codes = [reason.get("Code") for reason in response.get("CancellationReasons", [])]
            if "ConditionalCheckFailed" in codes:
                return TransactionCancelled([code == "ConditionalCheckFailed" for code in codes])
            return None if "TransactionConflict" in codes else error
        if code in ("TransactionConflictException", _UNDER_WAY):
            return None
        if code == "ResourceNotFoundException":
            return TableNotFound(self.name)
        if code == "ValidationException" and error.operation_name == "Query":
            # Its expression never changes, so that only the table can be what does not fit.
            return TableError(
                f"the table {self.name} has other keys than pk and sk, both strings ({message})",
                hint="Name another table in the input table: the action makes it when it is missing.",
            )
        return error

    @cached_property
    def _serializer(self) -> "TypeSerializer":
        from boto3.dynamodb.types import TypeSerializer  # noqa: PLC0415 - boto3 is loaded when it is first needed

        return TypeSerializer()

    @cached_property
    def _deserializer(self) -> "TypeDeserializer":
        from boto3.dynamodb.types import TypeDeserializer  # noqa: PLC0415 - as above

        return TypeDeserializer()

    def encode(self, item: Item) -> dict[str, Any]:
        """Write plain values as DynamoDB's; no float comes in here."""
        return {name: self._serializer.serialize(value) for name, value in item.items()}

    def _decode(self, item: Mapping[str, Any]) -> Item:
        return {name: self._deserializer.deserialize(value) for name, value in item.items()}
