"""The runner's facts about the job."""

from pathlib import Path

import pytest

from promote.github.actions.context import Context

GITHUB = {
    "GITHUB_WORKSPACE": "/github/workspace",
    "GITHUB_SHA": "AB" * 20,
    "GITHUB_REPOSITORY": "octo/hello",
    "GITHUB_SERVER_URL": "https://ghe.example.com/",
    "GITHUB_API_URL": "https://ghe.example.com/api/v3/",
    "GITHUB_RUN_ID": "12",
    "GITHUB_RUN_ATTEMPT": "3",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_ACTOR": "octocat",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_EVENT_PATH": "/github/workflow/event.json",
    "RUNNER_TEMP": "/github/runner_temp",
    "INPUT_GITHUB-TOKEN": " ghs_token\n",
}


def test_it_is_read_as_the_runner_gives_it() -> None:
    context = Context.from_environ(GITHUB)
    assert context == Context(
        workspace=Path("/github/workspace"),
        commit="ab" * 20,
        repository="octo/hello",
        server_url="https://ghe.example.com",
        api_url="https://ghe.example.com/api/v3",
        run_id=12,
        attempt=3,
        temporary=Path("/github/runner_temp"),
        ref="refs/heads/main",
        actor="octocat",
        token="ghs_token",
        event="push",
        event_file=Path("/github/workflow/event.json"),
        clone=Path("/github/workspace"),
    )
    assert context.run_url == "https://ghe.example.com/octo/hello/actions/runs/12/attempts/3"
    assert context.commit_url("abc") == "https://ghe.example.com/octo/hello/commit/abc"
    assert "ghs_token" not in repr(context)


def test_outside_github_everything_may_be_missing() -> None:
    context = Context.from_environ({})
    assert context.workspace == Path.cwd()
    assert (context.commit, context.run_id, context.attempt, context.run_url) == ("", 0, 1, "")
    assert (context.server_url, context.api_url) == ("https://github.com", "https://api.github.com")
    assert context.commit_url("abc") == ""
    assert Context.from_environ(GITHUB).commit_url("") == ""


def test_set_and_empty_is_missing() -> None:
    assert Context.from_environ(dict.fromkeys(GITHUB, "")) == Context.from_environ({})


@pytest.mark.parametrize("text", ["main", "v1.2.3", "abc", "g" * 40, "a" * 65])
def test_a_text_that_is_not_a_commit_is_empty(text: str) -> None:
    assert Context.from_environ({"GITHUB_SHA": text}).commit == ""


@pytest.mark.parametrize("text", ["-1", "1.5", "twelve"])
def test_a_text_that_is_not_a_number_is_empty(text: str) -> None:
    assert Context.from_environ({"GITHUB_RUN_ID": text}).run_id == 0
