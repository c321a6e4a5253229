"""GitHub deployments of promotions."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from promote.core.errors import GitHubError
from promote.github.api.deployments import Attempt, announce
from tests.github import Repository, emulated


@pytest.fixture
def github() -> Iterator[Repository]:
    with emulated() as made:
        made.commit("first")
        yield made


def attempt(github: Repository, *, environment: str = "preprod", is_success: bool = True) -> Attempt:
    return Attempt(
        environment,
        github.branches["main"],
        is_success=is_success,
        description="version 7 passed\nverification",
        details={"function": "hello", "promotion": "a1", "version": "7"},
        environment_url="https://api.example.com/preprod",
        run_url="https://github.com/octo/hello/actions/runs/1",
    )


def test_a_promotion_is_one_deployment_that_links_to_environment_and_run(github: Repository) -> None:
    announce(github.client(), attempt(github))
    assert github.asked("POST") == ["deployments", "deployments/1/statuses"]
    (made,) = github.deployments
    assert (made["ref"], made["environment"]) == (github.branches["main"], "preprod")
    assert made["description"] == "version 7 passed verification"
    details = {"function": "hello", "promotion": "a1", "version": "7", "success": True}
    assert made["payload"] == {"promote-on-success": details}
    assert made["production_environment"] is False
    assert github.statuses == {
        1: [
            {
                "state": "success",
                "description": "version 7 passed verification",
                "auto_inactive": False,
                "environment_url": "https://api.example.com/preprod",
                "log_url": "https://github.com/octo/hello/actions/runs/1",
            }
        ]
    }


@pytest.mark.parametrize("environment", ["preprod", "prod"])
def test_what_was_blocked_is_a_failure_and_leaves_the_one_before_active(github: Repository, environment: str) -> None:
    announce(github.client(), attempt(github, environment=environment))
    blocked = attempt(github, environment=environment, is_success=False)
    announce(github.client(), replace(blocked, environment_url="", run_url="https://r"))
    assert [github.state(number) for number in (1, 2)] == ["success", "failure"]
    assert github.statuses[2][0] == {
        "state": "failure",
        "description": "version 7 passed verification",
        "auto_inactive": False,
        "log_url": "https://r",
    }


@pytest.mark.parametrize("environment", ["preprod", "prod", "production", "Production"])
def test_one_deployment_of_an_environment_is_active(github: Repository, environment: str) -> None:
    announce(github.client(), attempt(github, environment="other"))
    for is_success in (True, False, True, False, True):
        announce(github.client(), attempt(github, environment=environment, is_success=is_success))
    states = [github.state(number) for number in range(1, 7)]
    assert states == ["success", "inactive", "failure", "inactive", "failure", "success"]
    is_production = environment != "preprod"
    assert [made["production_environment"] for made in github.deployments] == [False] + 5 * [is_production]


@pytest.mark.parametrize("environment", ["preprod", "prod"])
def test_each_function_of_a_repository_has_an_active_deployment(github: Repository, environment: str) -> None:
    functions = [f"function-{number}" for number in range(40)]
    for function in (*functions, functions[0]):
        made = replace(attempt(github, environment=environment), details={"function": function, "version": "7"})
        announce(github.client(), made)
    assert [github.state(number) for number in range(1, 42)] == ["inactive", *["success"] * 40]


def test_a_release_of_several_ends_what_was_active_of_them_alone(github: Repository) -> None:
    for names in ("a", "b", "bc", "a", "ab", "abc"):
        details = {"functions": dict.fromkeys(names, "7")} if len(names) > 1 else {"function": names}
        announce(github.client(), replace(attempt(github, environment="prod"), details=details))
    states = [github.state(number) for number in range(1, 7)]
    assert states == ["inactive", "inactive", "inactive", "inactive", "inactive", "success"]
    announce(github.client(), replace(attempt(github, environment="prod"), details={"functions": {"b": "8", "d": "1"}}))
    assert [github.state(number) for number in (6, 7)] == ["success", "success"]


def test_deployments_of_others_stay_as_they_are(github: Repository) -> None:
    announce(github.client(), attempt(github, environment="prod"))
    github.deployments[0]["payload"] = json.dumps(github.deployments[0]["payload"])
    theirs = github.client().create_deployment("main", "prod", "by hand", {"a": 1}, is_production=True)
    github.client().set_status(theirs, "success")
    github.deployments[-1]["payload"] = "text"
    announce(github.client(), attempt(github, environment="prod"))
    assert [github.state(number) for number in (1, 2, 3)] == ["inactive", "success", "success"]


def test_a_long_description_is_shortened(github: Repository) -> None:
    announce(github.client(), replace(attempt(github), description="é" * 141))
    assert github.deployments[0]["description"] == "é" * 139 + "…"
    announce(github.client(), replace(attempt(github), description="🎉" * 140))
    assert github.deployments[1]["description"] == "🎉" * 140


def test_a_commit_that_github_does_not_have_is_reported(github: Repository) -> None:
    with pytest.raises(GitHubError, match="creating a deployment failed: GitHub returned 422: No ref found for: gone"):
        announce(github.client(), replace(attempt(github), commit="gone"))
    assert github.deployments == []


def test_the_missing_permission_is_named(github: Repository) -> None:
    github.permissions["deployments"] = "read"
    with pytest.raises(GitHubError) as raised:
        announce(github.client(), attempt(github))
    assert raised.value.hint.startswith("Add `deployments: write` to the job's permissions")


def test_functions_of_the_same_name_in_other_places_stay_active(github: Repository) -> None:
    for place in ("a1", "b2", "a1"):
        details = {"function": "hello", "version": "7", "place": place}
        announce(github.client(), replace(attempt(github), details=details))
    assert [github.state(number) for number in (1, 2, 3)] == ["inactive", "success", "success"]
