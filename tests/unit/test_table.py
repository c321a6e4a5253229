"""A write to the table whose response is lost: the item shows whether it took effect."""

from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from promote.aws.dynamodb import Table
from tests.clock import Time
from tests.memory import Memory
from tests.world import TABLE

LOST = ConnectionClosedError(endpoint_url="https://dynamodb")


class Lossy:
    """A client whose updates take effect or not, and are never answered."""

    def __init__(self, memory: Memory, *, has_effect: bool) -> None:
        self._memory, self._has_effect = memory, has_effect

    def update_item(self, **arguments: Any) -> None:
        if self._has_effect:
            self._memory.update_item(**arguments)
        raise LOST

    def __getattr__(self, name: str) -> Any:
        return getattr(self._memory, name)


@pytest.mark.parametrize("has_effect", [True, False])
@pytest.mark.parametrize(
    "change", [{"assign": {"a": 7}}, {"remove": ["b"]}, {"assign": {"a": 7}, "remove": ["b"]}], ids=str
)
def test_an_update_whose_response_is_lost_is_done_if_the_item_shows_it(
    change: dict[str, Any], *, has_effect: bool
) -> None:
    memory = Memory()
    memory.write({"pk": "arn", "sk": "x", "a": 1, "b": 2})
    client: Any = Lossy(memory, has_effect=has_effect)
    table = Table(lambda: client, TABLE, Time(0))
    made = table.change("arn", "x", **change)
    before = {"pk": "arn", "sk": "x", "a": 1, "b": 2}
    after = {**before, **change.get("assign", {})}
    for name in change.get("remove", []):
        del after[name]
    if has_effect:
        assert table.update(made) == after
    else:
        with pytest.raises(ConnectionClosedError):
            table.update(made)
    assert [*table.query("arn", "x", "x")] == [after if has_effect else before]
