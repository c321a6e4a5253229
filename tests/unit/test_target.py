"""Whether the ledger's records are about the function and the alias that exist."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from promote.core.promotion import Alias, EnvironmentRecord, Kind, Promotion
from promote.core.version import Snapshot
from promote.pipeline.target import Target
from promote.state.ledger import State

NOTHING: Any = None
KNOWN = EnvironmentRecord(version="3", code_sha256="code", fingerprint="f", sequence=5)
EXTERNAL = Alias("prod", "4", "r", "by hand", {})
OURS = replace(EXTERNAL, description=Promotion("prod", "4", "3", "c" * 40, 1, 1, 5, "ab12", Kind.PROMOTION).description)


def version(number: str, code: str = "code", fingerprint: str = "f") -> Snapshot:
    return Snapshot("arn", number, "r", code, fingerprint, {})


def target(*versions: Snapshot, record: dict[str, str] | None = None, known: EnvironmentRecord = KNOWN) -> Target:
    found = {one.version: one for one in versions}
    function: Any = SimpleNamespace(find=found.get)
    ledger: Any = SimpleNamespace(versions=SimpleNamespace(read=lambda _: record or {}))
    job: Any = SimpleNamespace(inputs=SimpleNamespace(environment="prod"))
    state = State(environments={"prod": known})
    return Target(job, function, NOTHING, ledger, NOTHING, NOTHING, NOTHING, "", None, None, state)


@pytest.mark.parametrize(
    ("versions", "is_lost"),
    [
        ([version("3")], False),
        ([version("3", code="other")], True),
        ([version("3", fingerprint="other")], True),
        ([], False),  # the version was deleted, and nothing is known about version 4
    ],
)
def test_an_external_alias_is_of_the_same_function_if_the_known_version_is(
    versions: list[Snapshot], *, is_lost: bool
) -> None:
    assert target(*versions).seeing(EXTERNAL).is_lost is is_lost


@pytest.mark.parametrize(
    ("versions", "is_lost"), [([version("4")], False), ([version("4", code="other")], True), ([], True)]
)
def test_if_the_known_version_was_deleted_the_one_of_the_alias_shows_it(
    versions: list[Snapshot], *, is_lost: bool
) -> None:
    record = {"code_sha256": "code", "fingerprint": "f"}
    assert target(*versions, record=record).seeing(EXTERNAL).is_lost is is_lost


def test_an_alias_that_was_deleted_is_lost_and_one_of_our_own_is_not() -> None:
    other = version("3", code="other")
    assert target(other).seeing(None).is_lost
    assert not target(other).seeing(OURS).is_lost
    assert not target(other, known=EnvironmentRecord()).seeing(EXTERNAL).is_lost
    assert target(other).seeing(EXTERNAL).served.version == ""
    assert target(version("3")).seeing(EXTERNAL).served == KNOWN
