"""The ledger's items are parsed strictly: only items that this action has written are accepted."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from promote.core.endpoint import Gateway
from promote.core.errors import RecordError
from promote.core.promotion import Alias, EnvironmentRecord, Kind, Promotion, ReleaseKey
from promote.core.release import Release, ReleasePart
from promote.core.version import Candidate
from promote.state.candidate_records import deployment_of
from promote.state.endpoint_records import Preview, gateway_of, preview_of
from promote.state.environment_records import served_item, served_of
from promote.state.promotion_records import content_item, entry_item, require_move
from promote.state.releases import release_item, release_of
from promote.state.strict import Record
from promote.state.version_records import require_version

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:hello"
CANDIDATE = Candidate("3", "c29tZSBjb2Rl", "f" * 64)
MOVE = Promotion("prod", "3", "2", "c" * 40, 7, 1, 4, "ab12", Kind.ROLLBACK, reason="it is slow", by="octocat")
GATEWAY = {"api_id": "a1b2c3", "api_url": "https://a1b2c3.execute-api.eu-west-1.amazonaws.com", "mapping": ""}
RELEASE = {"pk": ARN, "sk": "release#prod#0000000004-ab12"}
WHO = {"commit": "c" * 40, "run_id": Decimal(7), "attempt": Decimal(1), "url": "", "operation": "ab12"}
CHECK = {"name": "GET / 200", "kind": "http", "outcome": "passed", "milliseconds": Decimal(12)}
VERDICT = {"outcome": "passed", "reason": "", "plan": "p", "at": "t", "count": Decimal(1), "checks": [CHECK], **WHO}

ENVIRONMENT = {
    "pk": ARN,
    "sk": "environment#prod",
    **served_item(MOVE, CANDIDATE, "plan", "2026-11-02T00:00:00+00:00", "https://github.com/octo/hello/actions/runs/7"),
    "endpoint": GATEWAY,
    "pending": RELEASE,
    "released": RELEASE,
    "together": {"origin": "release.yml release step", "functions": ["api", "mail"]},
    "undone_release": "0000000003-ab12",
}
LATEST = {"pk": ARN, "sk": "endpoint#latest", "endpoint": GATEWAY}
PREVIEW = {
    "pk": ARN,
    "sk": "endpoint#preview#0000000003#ab12",
    "version": "3",
    "job": "1",
    "lease": Decimal(30),
    "alive": Decimal(1000),
    "endpoint": GATEWAY,
    **WHO,
}
DEPLOYMENT = {
    "pk": ARN,
    "sk": "candidate#0000000003#ab12",
    "version": "3",
    "code_sha256": "c29tZSBjb2Rl",
    "fingerprint": "f" * 64,
    "revision_id": "r",
    "isolation": "latest",
    "job": "release",
    "job_number": "0123",
    "at": "2026-11-02T00:00:00+00:00",
    **WHO,
}
VERSION = {
    "pk": ARN,
    "sk": "version#0000000003",
    "version": "3",
    "code_sha256": "c29tZSBjb2Rl",
    "fingerprint": "f" * 64,
    "built": "2026-11-02T00:00:00+00:00",
    "verdict": VERDICT,
    "passed": VERDICT,
    "deleted": {"keep": Decimal(10), "at": "t", **WHO},
    **WHO,
}
ENTRY = {**entry_item(ARN, MOVE, CANDIDATE, "plan", "2026-11-02T00:00:00+00:00"), "url": "", "release": RELEASE}
BEFORE = Alias("prod", "2", "r", "said", {"1": 0.5})
PARTS = (ReleasePart(ARN, MOVE, CANDIDATE, "plan", 3, BEFORE), ReleasePart(f"{ARN}2", MOVE, CANDIDATE, "plan", 3, None))
WHOLE = {**release_item(Release(ReleaseKey(ARN, RELEASE["sk"]), "prod", PARTS, 7)), "begun": "t", "ended": "t"}

READERS: Mapping[str, tuple[Mapping[str, Any], Callable[[Mapping[str, Any]], object], set[str]]] = {
    "environment": (ENVIRONMENT, served_of, {"previous", "since", "attempt"}),
    "endpoint": (LATEST, lambda item: gateway_of(Record.of(item)), set()),
    "preview": (PREVIEW, lambda item: preview_of(item, 1000), {"commit", "attempt", "url"}),
    "candidate": (DEPLOYMENT, deployment_of, {"attempt", "url"}),
    "version": (VERSION, require_version, {"attempt", "deleted.commit", "deleted.attempt", "deleted.url"}),
    "history": (ENTRY, require_move, set()),
    "release": (WHOLE, release_of, set()),
}
"""For each kind: an item, its parser, and the attributes that the parser ignores."""

_UNREAD = {"pk", "sk", "operation", "attempt"}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in an item, including those of maps and lists."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield (*path, name)
            yield from places(one, (*path, name))
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield (*path, number)
            yield from places(one, (*path, number))


def with_value(item: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return the item with another value at a path."""
    first, *rest = path
    inner = value if not rest else with_value(item[first], tuple(rest), value)
    if isinstance(item, list):
        return [inner if number == first else one for number, one in enumerate(item)]
    return {**item, first: inner}


def value_at(item: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        item = item[name]
    return item


def wrong(value: Any) -> list[Any]:
    """Return values of other types that do not mean a missing value of this one's type."""
    found: list[Any] = [Decimal(5), "text", True, ["text"], {"a": "text"}]
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return [*found[1:], Decimal("1.5"), Decimal(-1), Decimal(10) ** 30]
    return [one for one in found if type(one) is not type(value)]


@pytest.mark.parametrize("kind", READERS)
def test_what_was_written_is_read(kind: str) -> None:
    item, read, _ = READERS[kind]
    assert read(item)


@pytest.mark.parametrize("kind", READERS)
def test_a_value_of_another_type_is_never_a_default(kind: str) -> None:
    item, read, ignored = READERS[kind]
    for path in places(item):
        if path[0] in {"pk", "sk"} or ".".join(map(str, path)) in ignored or path[-1] in _UNREAD:
            continue
        if kind == "version" and path[:1] == ("deleted",) and len(path) > 1 and path[1] not in {"keep", "run_id", "at"}:
            continue
        for value in wrong(value_at(item, path)):
            if path[-1] in {"previous", "before"} and value is None:
                continue
            with pytest.raises(RecordError) as caught:
                read(with_value(item, path, value))
            assert str(item["sk"]) in str(caught.value), path
            assert ARN in str(caught.value), path
            assert "correct the item" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("environment", "version"),
        ("environment", "sequence"),
        ("environment", "code_sha256"),
        ("environment", "commit"),
        ("preview", "lease"),
        ("preview", "alive"),
        ("candidate", "code_sha256"),
        ("candidate", "run_id"),
        ("candidate", "at"),
        ("version", "version"),
        ("version", "fingerprint"),
        ("history", "version"),
        ("history", "sequence"),
        ("history", "at"),
        ("release", "parts"),
        ("release", "stage"),
        ("release", "begun"),
    ],
)
def test_a_value_that_is_missing_is_never_a_default(kind: str, name: str) -> None:
    item, read, _ = READERS[kind]
    with pytest.raises(RecordError, match="cannot be read"):
        read({key: value for key, value in item.items() if key != name and (key, name) != ("deleted", "fingerprint")})


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("environment", {"version": "0"}),
        ("environment", {"version": "$LATEST"}),
        ("environment", {"version": "9" * 5000}),
        ("environment", {"pending": {"pk": ARN, "sk": "lock"}}),
        ("endpoint", {"endpoint": {**GATEWAY, "api_id": "a/b"}}),
        ("endpoint", {"endpoint": {**GATEWAY, "api_url": "ftp://x"}}),
        ("preview", {"version": "prod"}),
        ("preview", {"version": "4"}),
        ("candidate", {"version": "4"}),
        ("version", {"version": "4"}),
        ("version", {"passed": {**VERDICT, "outcome": "failed"}}),
        ("history", {"sequence": Decimal(5)}),
        ("history", {"kind": "something"}),
        ("release", {"stage": "something"}),
        ("release", {"parts": []}),
    ],
)
def test_a_value_that_cannot_be_or_contradicts_the_key_is_an_error(kind: str, changed: Mapping[str, Any]) -> None:
    item, read, _ = READERS[kind]
    with pytest.raises(RecordError, match="cannot be read"):
        read({**item, **changed})


@pytest.mark.parametrize("weight", ["-0.1", "1.1", "nan", "inf", "", "x"])
def test_a_weight_that_is_not_a_share_of_the_traffic_is_an_error(weight: str) -> None:
    with pytest.raises(RecordError, match="cannot be read: its weights"):
        Record({"weights": {"7": "0.5", "8": weight}}, ARN, "release#prod#1").weights("weights")


def test_the_least_and_the_largest_share_are_weights() -> None:
    found = Record({"weights": {"7": "0", "8": "1"}}, ARN, "release#prod#1").weights("weights")
    assert found == {"7": 0.0, "8": 1.0}


def test_an_environment_that_was_never_promoted_to_serves_nothing() -> None:
    item = {"pk": ARN, "sk": "environment#prod", "endpoint": GATEWAY}
    assert served_of(item) == EnvironmentRecord(gateway=Gateway(**GATEWAY))


def test_a_preview_endpoint_is_dead_after_twice_its_lease() -> None:
    assert preview_of(PREVIEW, 1065) == Preview("3", "ab12", "1", 7, 30, gateway=Gateway(**GATEWAY))
    assert preview_of(PREVIEW, 1066).is_dead


def test_a_version_that_was_only_deleted_is_read() -> None:
    item = {name: VERSION[name] for name in ("pk", "sk", "version", "deleted")}
    assert require_version(item) == item
    assert content_item(CANDIDATE, "plan")["plan"] == "plan"
