"""Two transactions on one item of DynamoDB."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conformance.cost import Usage
from conformance.finding import Finding, counted, judged
from conformance.questions.question import Question
from conformance.stage import Stage
from promote.aws.errors import code_of
from promote.core.concurrency import run_both

_ROUNDS = 20
_REASONS = {"None", "ConditionalCheckFailed", "TransactionConflict"}


@dataclass(frozen=True)
class Round:
    """Two transactions that were sent at the same time, each with the same condition on one item."""

    results: tuple[str, str]
    """The reason of each cancellation, another error's code, or empty for a success."""
    value: int
    """How often the item was changed."""


def judge(rounds: Sequence[Round]) -> Finding:
    """Decide whether one of them at most succeeds, and whether the other one learns why not."""
    wins = [result.results.count("") for result in rounds]
    losses = sorted({reason for result in rounds for reason in result.results if reason})
    text = f"{counted(len(rounds), 'round')}: {wins.count(1)} with one winner, {wins.count(0)} with none"
    if wins.count(2):
        text += f", {wins.count(2)} with two"
    text += f"; the others: {', '.join(losses) or 'none'}"
    is_true = all(result.results.count("") == result.value for result in rounds)
    return judged(text, holds=max(wins) <= 1 and is_true and set(losses) <= _REASONS)


def ask(stage: Stage) -> tuple[Round, ...]:
    """Send pairs of transactions that may change an item once."""
    name = stage.resources.names.base
    stage.resources.make_table(name)
    stage.resources.wait_for_table(name)
    # The first write to a new table may not find it, which is another question.
    stage.account.table.put_item(TableName=name, Item={"pk": {"S": "first"}})
    client: Any = stage.account.table_once
    return tuple(_round(client, name, f"item-{number}") for number in range(stage.options.fewer(_ROUNDS)))


def _round(client: Any, table: str, key: str) -> Round:
    item = {"pk": {"S": key}}
    update = {
        "TableName": table,
        "Key": item,
        "UpdateExpression": "ADD changes :one",
        "ConditionExpression": "attribute_not_exists(changes)",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    other = {"TableName": table, "Key": {"pk": {"S": f"{key}-other"}}, "UpdateExpression": "ADD changes :one"}
    other["ExpressionAttributeValues"] = {":one": {"N": "1"}}

    def send() -> str:
        try:
            client.transact_write_items(TransactItems=[{"Update": update}, {"Update": other}])
        except client.exceptions.ClientError as error:
            reasons = [reason.get("Code", "") for reason in error.response.get("CancellationReasons", [])]
            return next((reason for reason in reasons if reason not in ("", "None")), code_of(error))
        return ""

    results = run_both(send, send)
    found = client.get_item(TableName=table, Key=item, ConsistentRead=True).get("Item", {})
    return Round(results, int(found.get("changes", {}).get("N", "0")))


QUESTIONS: tuple[Question[Any], ...] = (Question("two-transactions", ask, judge, lambda _: Usage(writes=10 * _ROUNDS)),)
