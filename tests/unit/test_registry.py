"""The kinds of check: their registry, and the digest of what is verified."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from promote.core.errors import InputError
from promote.core.verdict import Outcome
from promote.inputs.parse import inputs_from_environ
from promote.inputs.usage import NEED_ENDPOINT, USE_ENDPOINT, VERIFICATION
from promote.verification import registry
from promote.verification.check import Check, EndpointUse, Subject
from promote.verification.registry import KINDS


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a repository with events and tests."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "requirements.txt").touch()
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(f'"{name}"')
    return tmp_path


def checks(workspace: Path, inputs: dict[str, str]) -> tuple[tuple[Check, ...], str]:
    """Return the checks that the inputs ask for, and their digest."""
    given = {"command": "run", "function-name": "hello", "environment": "preprod", **inputs}
    read = inputs_from_environ({f"INPUT_{name.upper()}": value for name, value in given.items()})
    found = registry.parse(read, workspace)
    return found, registry.plan(found, read.latest_url, "c0ffee")


def plan(workspace: Path, **inputs: str) -> str:
    """Return the digest. In names, _ is used for -. If no check is given, there is a default one."""
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    return checks(workspace, given if given.keys() & set(VERIFICATION) else {"checks": "GET /health 200", **given})[1]


def names(wanted: Sequence[EndpointUse]) -> set[str]:
    """Return the inputs of the kinds that use the endpoint in one of these ways."""
    return {kind.input for kind in KINDS if kind.endpoint_use in wanted}


def test_the_table_of_inputs_and_the_kinds_agree() -> None:
    assert names(list(EndpointUse)) == set(VERIFICATION)
    assert names([EndpointUse.REQUIRED]) == set(NEED_ENDPOINT)
    assert names([EndpointUse.REQUIRED, EndpointUse.OPTIONAL]) == set(USE_ENDPOINT)
    assert len({kind.input for kind in KINDS}) == len(KINDS)


def test_a_check_that_needs_an_endpoint_is_inconclusive_without_one(workspace: Path) -> None:
    found, _ = checks(workspace, {"checks": "GET /a\nGET /b", "tests": "tests"})
    assert {check.endpoint_use for check in found} == {EndpointUse.REQUIRED}
    nothing: Any = None
    subject = Subject(nothing, "7", None, False, 0, nothing, nothing, nothing)  # noqa: FBT003 - not asked for
    results = [result for check in found for call in check.calls(subject) for result in call()]
    assert [(result.name, result.outcome, result.detail) for result in results] == [
        (name, Outcome.INCONCLUSIVE, "the candidate has no endpoint") for name in ("tests", "GET /a", "GET /b")
    ]


def test_each_kind_is_found_by_its_input(workspace: Path) -> None:
    asked = {"checks": "GET /", "invoke": "a.json", "tests": "tests", "test-command": "true"}
    for name, value in asked.items():
        (found,), _ = checks(workspace, {name: value})
        assert found.input == name
    every, _ = checks(workspace, asked)
    assert [found.input for found in every] == [kind.input for kind in KINDS]


def test_a_file_that_is_missing_is_an_error_of_its_input(workspace: Path) -> None:
    for name, value in {"invoke": "c.json", "tests": "c"}.items():
        with pytest.raises(InputError, match="does not exist") as caught:
            checks(workspace, {name: value})
        assert caught.value.name == name


def test_the_digest_is_of_what_is_verified(workspace: Path) -> None:
    assert plan(workspace, checks="# why\n  GET   /health\t200") == plan(workspace)
    others = {"verify_timeout": "1", "artifact": "function", "environment": "prod", "environment_url": "https://b"}
    assert plan(workspace, **others) == plan(workspace)
    different = [
        plan(workspace),
        plan(workspace, checks="GET /health 201"),
        plan(workspace, checks="GET /a\nGET /b"),
        plan(workspace, checks="GET /b\nGET /a"),
        plan(workspace, latest_url="https://a"),
        plan(workspace, latest_url="https://b"),
        plan(workspace, invoke="a.json"),
        plan(workspace, invoke="b.json"),
        plan(workspace, invoke="a.json ok"),
        plan(workspace, invoke="a.json\nb.json"),
        plan(workspace, invoke="b.json\na.json"),
        plan(workspace, tests="tests"),
        plan(workspace, tests="tests -x"),
        plan(workspace, tests="tests", tests_requirements="requirements.txt"),
        plan(workspace, test_command="true"),
        plan(workspace, tests="tests", test_command="true"),
    ]
    assert len(set(different)) == len(different)


def test_the_digest_includes_the_events_of_invoke(workspace: Path) -> None:
    before = plan(workspace, invoke="a.json")
    (workspace / "a.json").write_text("{}")
    assert plan(workspace, invoke="a.json") != before


def test_the_digest_includes_the_commit_if_there_are_commands(workspace: Path) -> None:
    for name, value, depends in (("checks", "GET /", False), ("invoke", "a.json", False), ("test-command", "a", True)):
        found, _ = checks(workspace, {name: value})
        assert (registry.plan(found, "", "1") != registry.plan(found, "", "2")) is depends


def test_the_digest_of_checks_and_events_stays(workspace: Path) -> None:
    """If it changed with a release of the action, every environment would be verified again."""
    event = hashlib.sha256((workspace / "a.json").read_bytes()).hexdigest()
    recorded = {"latest-url": "https://a", "checks": ["GET /health 200"], "invoke": [["a.json ok", event]]}
    digest = hashlib.sha256(json.dumps(recorded).encode()).hexdigest()
    assert plan(workspace, checks="GET /health 200", invoke="a.json ok", latest_url="https://a") == digest
