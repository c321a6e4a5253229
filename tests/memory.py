"""A table in memory: the simulation's model of DynamoDB, which `test_models.py` compares with the sandbox."""

from collections.abc import Callable, Mapping
from typing import Any

from promote.aws.dynamodb import Table
from tests.clock import Time
from tests.simulation.errors import Refusal, real, refusal
from tests.simulation.scheduler import Scheduler
from tests.simulation.tables import Tables
from tests.world import TABLE

Hook = tuple[str, Callable[[], None]]


class Memory:
    """One table, without a network. Its clients have no retries."""

    def __init__(self) -> None:
        self._scheduler = Scheduler()
        self.model = Tables(self._scheduler)
        self.model.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        )
        self.pass_time(10)  # until the table is active
        self._hooks: list[Hook] = []

    def pass_time(self, seconds: float) -> None:
        """Let time pass for DynamoDB."""
        self._scheduler.at(self._scheduler.now + seconds, lambda: None)
        self._scheduler.run()

    def before(self, method: str, hook: Callable[[], None]) -> None:
        """Call ``hook`` once, before the next call of ``method``."""
        self._hooks.append((method, hook))

    def table(self, clock: Time | None = None) -> Table:
        """Return the table for a process with this clock."""
        return Table(lambda: self, TABLE, clock or Time())  # type: ignore[arg-type,return-value] # the methods in use

    def write(self, *items: Mapping[str, Any]) -> None:
        """Write items without a condition."""
        for item in items:
            self.table().put(dict(item))

    def clear(self) -> None:
        """Remove all items."""
        self.model.tables[TABLE].clear()

    def items(self) -> list[Mapping[str, Any]]:
        """Return all items as they are stored."""
        return list(self.model.tables[TABLE].values())

    @property
    def exceptions(self) -> Any:
        return real("dynamodb").exceptions

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = real("dynamodb").meta.method_to_api_mapping[method]

        def call(**arguments: Any) -> Any:
            hook = next((hook for hook in self._hooks if hook[0] == method), None)
            if hook:
                self._hooks.remove(hook)
                hook[1]()
            try:
                return getattr(self.model, method)(**arguments)
            except Refusal as found:
                raise refusal("dynamodb", operation, found.code, found.message, found.status, **found.more) from None

        return call
