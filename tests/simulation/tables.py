"""DynamoDB: the tables of one account. Each operation is atomic and strongly consistent."""

from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any

from tests.simulation.errors import NotModelledError, Refusal
from tests.simulation.expressions import Item, Scope, condition, mentioned, update
from tests.simulation.pages import Pages
from tests.simulation.scheduler import EPOCH, Scheduler

_BETWEEN = "pk = :pk AND sk BETWEEN :first AND :last"
_MAKING = 2.0
"""Seconds until a new table is active."""
_TOKENS = 600.0
"""Seconds for which a transaction's token is valid; botocore dynamodb:TransactWriteItemsInput.ClientRequestToken."""


class Tables:
    """The service, with botocore's methods."""

    def __init__(self, scheduler: Scheduler, pages: Pages | None = None) -> None:
        self._scheduler = scheduler
        self._pages = pages or Pages()
        self.tables: dict[str, dict[tuple[str, str], Item]] = {}
        """Items by their keys. A change makes a new value."""
        self._active_at: dict[str, float] = {}
        self._tokens: dict[str, tuple[float, Any]] = {}

    def create_table(
        self, *, TableName: str, BillingMode: str, KeySchema: Any, AttributeDefinitions: Any, Tags: Any = ()
    ) -> dict[str, Any]:
        del Tags  # they matter only for its deletion
        keys = [(key["AttributeName"], key["KeyType"]) for key in KeySchema]
        kinds = {definition["AttributeName"]: definition["AttributeType"] for definition in AttributeDefinitions}
        if (BillingMode, keys) != ("PAY_PER_REQUEST", [("pk", "HASH"), ("sk", "RANGE")]) or set(kinds.values()) != {
            "S"
        }:
            raise NotModelledError(keys)
        if TableName in self.tables:
            raise Refusal("ResourceInUseException", f"Table already exists: {TableName}")
        self.tables[TableName] = {}
        self._active_at[TableName] = self._scheduler.now + _MAKING
        return self._answer(TableDescription={"TableName": TableName, "TableStatus": "CREATING"})

    def describe_table(self, *, TableName: str) -> dict[str, Any]:
        if TableName not in self.tables:
            raise Refusal("ResourceNotFoundException", f"Requested resource not found: Table: {TableName} not found")
        status = "ACTIVE" if self._is_active(TableName) else "CREATING"
        return self._answer(Table={"TableName": TableName, "TableStatus": status})

    def query(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Mapping[str, Any],
        ConsistentRead: bool,
        ScanIndexForward: bool = True,
        Limit: int | None = None,
        ExclusiveStartKey: Item | None = None,
    ) -> dict[str, Any]:
        if KeyConditionExpression != _BETWEEN or not ConsistentRead:
            raise NotModelledError(KeyConditionExpression)
        table = self._table(TableName)
        pk, first, last = (ExpressionAttributeValues[name]["S"] for name in (":pk", ":first", ":last"))
        start = _start(ExclusiveStartKey, (pk, first), (pk, last))
        if first == last:
            return self._answer(Items=[table[pk, first]] if (pk, first) in table and not start else [])
        keys = sorted(key for key in table if key[0] == pk and first <= key[1] <= last)
        if start:
            keys = [key for key in keys if (key > start if ScanIndexForward else key < start)]
        read, end = self._page(keys if ScanIndexForward else keys[::-1], Limit)
        at = start or ((pk, first) if ScanIndexForward else (pk, last))
        # The key of an empty first page is the limit of the range. An item there would be left out.
        if self._pages.is_empty() and (start or at not in table):
            read, end = [], at
        following = {"LastEvaluatedKey": _item(end)} if end else {}
        return self._answer(Items=[table[key] for key in read], **following)

    def _page(
        self, keys: Sequence[tuple[str, str]], limit: int | None
    ) -> tuple[Sequence[tuple[str, str]], tuple[str, str] | None]:
        """Return the keys of one page, and its LastEvaluatedKey if it has one.

        If the limit is reached, there is such a key, even if no item follows:
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html.
        """
        read, is_more = self._pages.cut(keys)
        if limit is not None and limit <= len(read):
            read, is_more = read[:limit], True
        is_more = is_more or (bool(read) and self._pages.ends_empty())
        return read, read[-1] if is_more else None

    def put_item(
        self,
        *,
        TableName: str,
        Item: Item,
        ConditionExpression: str = "",
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
        ReturnValuesOnConditionCheckFailure: str = "NONE",
    ) -> dict[str, Any]:
        table, key, values = self._table(TableName), _key(Item), ExpressionAttributeValues or {}
        _require_use({}, values, ConditionExpression)
        self._require(table.get(key, {}), ConditionExpression, {}, values, ReturnValuesOnConditionCheckFailure)
        table[key] = dict(Item)
        return self._answer()

    def delete_item(self, *, TableName: str, Key: Item) -> dict[str, Any]:
        self._table(TableName).pop(_key(Key), None)
        return self._answer()

    def update_item(
        self,
        *,
        TableName: str,
        Key: Item,
        UpdateExpression: str,
        ExpressionAttributeNames: Mapping[str, str],
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
        ConditionExpression: str = "",
        ReturnValues: str = "NONE",
        ReturnValuesOnConditionCheckFailure: str = "NONE",
    ) -> dict[str, Any]:
        if ReturnValues not in ("NONE", "ALL_NEW"):
            raise NotModelledError(ReturnValues)
        table, key, values = self._table(TableName), _key(Key), ExpressionAttributeValues or {}
        _require_use(ExpressionAttributeNames, values, UpdateExpression, ConditionExpression)
        item = table.get(key, {})
        self._require(item, ConditionExpression, ExpressionAttributeNames, values, ReturnValuesOnConditionCheckFailure)
        table[key] = self._updated(item, Key, UpdateExpression, ExpressionAttributeNames, values)
        return self._answer(**({"Attributes": table[key]} if ReturnValues == "ALL_NEW" else {}))

    def transact_write_items(  # noqa: C901 - as many cases as the operation has
        self, *, TransactItems: Any, ClientRequestToken: str
    ) -> dict[str, Any]:
        known = self._tokens.get(ClientRequestToken)
        if known and self._scheduler.now - known[0] < _TOKENS:
            if known[1] != TransactItems:
                raise Refusal("IdempotentParameterMismatchException", "other parameters under the same token")
            return self._answer()
        reasons, writes, keys = [], [], set()
        for part in TransactItems:
            ((kind, arguments),) = part.items()
            if kind not in ("Update", "Put") or arguments.keys() - _TRANSACTED:
                raise NotModelledError(part)
            table = self._table(arguments["TableName"])
            key = _key(arguments["Key"] if kind == "Update" else arguments["Item"])
            if key in keys:
                raise Refusal(
                    "ValidationException", "Transaction request cannot include multiple operations on one item"
                )
            keys.add(key)
            item = table.get(key, {})
            names, values = (arguments.get(f"ExpressionAttribute{what}", {}) for what in ("Names", "Values"))
            text = arguments.get("ConditionExpression", "")
            _require_use(names, values, arguments.get("UpdateExpression", ""), text)
            if text and not condition(text)(Scope(item, names, values)):
                reasons.append({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"})
                continue
            updated: dict[str, Any] = dict(arguments.get("Item", {}))
            if kind == "Update":
                try:
                    updated = self._updated(item, arguments["Key"], arguments["UpdateExpression"], names, values)
                except Refusal as refusal:
                    reasons.append({"Code": "ValidationError", "Message": refusal.message})
                    continue
            reasons.append({"Code": "None"})
            writes.append((table, key, updated))
        if len(writes) < len(TransactItems):
            codes = ", ".join(reason["Code"] for reason in reasons)
            raise Refusal(
                "TransactionCanceledException",
                f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
                CancellationReasons=reasons,
            )
        for table, key, updated in writes:
            table[key] = updated
        self._tokens[ClientRequestToken] = self._scheduler.now, TransactItems
        return self._answer()

    def _updated(
        self, item: Item, key: Item, text: str, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        return update(text).carry_out(Scope({**item, **key}, names, values)) | dict(key)

    def _require(self, item: Item, text: str, names: Mapping[str, str], values: Mapping[str, Any], shown: str) -> None:
        if text and not condition(text)(Scope(item, names, values)):
            more: dict[str, Any] = {"Item": item} if item and shown == "ALL_OLD" else {}
            raise Refusal("ConditionalCheckFailedException", "The conditional request failed", **more)

    def _table(self, name: str) -> dict[tuple[str, str], Item]:
        if name not in self.tables or not self._is_active(name):
            raise Refusal("ResourceNotFoundException", "Requested resource not found")
        return self.tables[name]

    def _is_active(self, name: str) -> bool:
        return self._scheduler.now >= self._active_at.get(name, 0)

    def _answer(self, **members: Any) -> dict[str, Any]:
        date = formatdate(EPOCH + self._scheduler.now, usegmt=True)
        return {**members, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"date": date}}}


_TRANSACTED = {
    "TableName",
    "Key",
    "Item",
    "UpdateExpression",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
}


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _item(key: tuple[str, str]) -> Item:
    pk, sk = key
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _start(given: Item | None, first: tuple[str, str], last: tuple[str, str]) -> tuple[str, str] | None:
    """Return the key after which a page begins, or None for the first page."""
    if given is None:
        return None
    if not first <= _key(given) <= last:
        raise Refusal(
            "ValidationException",
            "The provided starting key is outside query boundaries based on provided conditions",
        )
    return _key(given)


def _require_use(names: Mapping[str, str], values: Mapping[str, Any], *texts: str) -> None:
    """Refuse names and values that are not used, or that are used but not given."""
    wrong = mentioned(*texts) ^ {*names, *values}
    if wrong:
        raise Refusal("ValidationException", f"placeholders that are unused or undefined: {sorted(wrong)}")
