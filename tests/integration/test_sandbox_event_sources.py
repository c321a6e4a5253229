"""The sandbox is as strict about event source mappings as Lambda (sandbox/README.md lists the rules and sources)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.client import REGION
from tests.world import FUNCTION, World

MISSING = "00000000-0000-0000-0000-000000000000"


class Queue:
    """A queue, and the mappings that read it."""

    def __init__(self, world: World) -> None:
        world.create("1", publishes=True)
        world.settle()
        self.function: Any = world.function
        self.source = f"arn:aws:sqs:{REGION}:{world.account.id}:orders"

    def map(self, called: str = FUNCTION, **given: Any) -> str:
        """Create a mapping, and return its UUID."""
        made = self.function.create_event_source_mapping(EventSourceArn=self.source, FunctionName=called, **given)
        assert made["State"] == "Creating"
        return str(made["UUID"])

    def settled(self, uuid: str) -> dict[str, Any]:
        """Return the mapping after its last change has completed."""
        for _ in range(200):
            found: dict[str, Any] = self.function.get_event_source_mapping(UUID=uuid)
            if found["State"] in ("Enabled", "Disabled"):
                return found
            time.sleep(0.02)
        raise AssertionError(f"mapping {uuid} does not settle")


@pytest.fixture
def queue(world: World) -> Queue:
    return Queue(world)


@contextmanager
def refused(code: str, status: int, message: str) -> Iterator[None]:
    with pytest.raises(ClientError, match=message) as caught:
        yield
    response: Any = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_a_change_takes_a_moment(world: World, queue: Queue) -> None:
    world.account.inject("update-lasts", "lambda.CreateEventSourceMapping", seconds=1)
    uuid = queue.map(BatchSize=5)
    with refused("ResourceInUseException", 400, "Cannot update the event source mapping because it is in use"):
        queue.function.update_event_source_mapping(UUID=uuid, BatchSize=6)
    before = queue.settled(uuid)
    queue.function.create_alias(FunctionName=FUNCTION, Name="live", FunctionVersion="1")
    changed = queue.function.update_event_source_mapping(UUID=uuid, FunctionName=f"{FUNCTION}:live")
    assert (changed["State"], changed["ResponseMetadata"]["HTTPStatusCode"]) == ("Updating", 202)
    after = queue.settled(uuid)
    assert after["FunctionArn"] == f"{before['FunctionArn']}:live"
    assert (after["BatchSize"], after["State"]) == (5, "Enabled")
    assert after["LastModified"] > before["LastModified"]


def test_an_update_enables_a_mapping_unless_it_says_otherwise(queue: Queue) -> None:
    uuid = queue.map(Enabled=False)
    assert queue.settled(uuid)["State"] == "Disabled"
    queue.function.update_event_source_mapping(UUID=uuid, BatchSize=3, Enabled=False)
    assert queue.settled(uuid)["State"] == "Disabled"
    queue.function.update_event_source_mapping(UUID=uuid, BatchSize=4)
    assert queue.settled(uuid)["State"] == "Enabled"


def test_mappings_are_listed_by_exactly_what_they_call(queue: Queue) -> None:
    queue.function.create_alias(FunctionName=FUNCTION, Name="live", FunctionVersion="1")
    for called in (FUNCTION, f"{FUNCTION}:live", f"{FUNCTION}:$LATEST"):
        uuid = queue.map(called)
        listed = queue.function.list_event_source_mappings(FunctionName=called)["EventSourceMappings"]
        assert [mapping["UUID"] for mapping in listed] == [uuid]


def test_wrong_mappings_are_refused(queue: Queue) -> None:
    uuid = queue.map()
    queue.settled(uuid)
    with refused("ResourceConflictException", 409, "mapping already exists. Please update or delete"):
        queue.map()
    with refused("InvalidParameterValueException", 400, "Function does not exist"):
        queue.function.update_event_source_mapping(UUID=uuid, FunctionName=f"{FUNCTION}:nowhere")
    for call in (queue.function.get_event_source_mapping, queue.function.update_event_source_mapping):
        with refused("ResourceNotFoundException", 404, "The resource you requested does not exist"):
            call(UUID=MISSING)
