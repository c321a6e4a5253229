"""Code of a pull request is not reviewed, so it is not served unless an input allows it."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.client import Account
from tests.conftest import counting, make_inputs
from tests.runner import Ended, InProcessRunner, Runner
from tests.world import FUNCTION, World

EVENTS = ("pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment")
COMMANDS: Mapping[str, Mapping[str, str]] = {
    "run": {},
    "deploy": {"checks": ""},
    "promote": {"from": "test", "environment": "preprod"},
}


def assert_refused(ended: Ended, event: str) -> None:
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (1, "refused", "false"), ended.log
    assert len(ended.annotations) == len(ended.errors) == 1, ended.log
    what, _, hint = ended.errors[0].message.partition("\n")
    assert f"does not work on the event {event}: the code of a pull request is not reviewed yet" in what
    assert "allow-pull-requests: true" in hint


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_would_serve_a_pull_request_is_refused_without_a_call(
    tmp_path: Path, account: Account, command: str, event: str
) -> None:
    runner = InProcessRunner(tmp_path, account.environ)
    inputs = counting({**make_inputs(account), "command": command, **COMMANDS[command]})
    assert_refused(runner.run(inputs, environ={"GITHUB_EVENT_NAME": event}), event)
    assert account.calls() == []


def test_a_workflow_after_one_of_a_pull_request_is_refused_too(tmp_path: Path, account: Account) -> None:
    folder = tmp_path / "runner"
    folder.mkdir()
    runner = InProcessRunner(folder, account.environ)
    event = tmp_path / "event.json"
    environ = {"GITHUB_EVENT_NAME": "workflow_run", "GITHUB_EVENT_PATH": str(event)}
    event.write_text(json.dumps({"workflow_run": {"event": "pull_request", "head_sha": "c" * 40}}))
    assert_refused(runner.run(make_inputs(account), environ=environ), "workflow_run after pull_request")
    event.write_text(json.dumps({"workflow_run": {"event": "workflow_run", "head_sha": "c" * 40}}))
    chain = runner.run(make_inputs(account), environ=environ)
    assert (chain.code, chain.result) == (1, "refused"), chain.log
    assert "workflow_run after workflow_run: it is not known which event started the first" in chain.errors[0].message
    nothing = (
        "{",
        "{}",
        "[]",
        '{"workflow_run": 1}',
        '{"workflow_run": {"event": ""}}',
        '{"workflow_run": {"event": 1}}',
    )
    for text in (*nothing, '{"workflow_run": {}}', "[" * 200_000):
        event.write_text(text)
        unknown = runner.run(make_inputs(account), environ=environ)
        assert (unknown.code, unknown.result, len(unknown.annotations)) == (1, "refused", 1), unknown.log
        assert "it is not known which event" in unknown.errors[0].message.lower()
    assert account.calls() == []


def test_it_is_served_where_an_input_allows_it(runner: Runner, inputs: dict[str, str], world: World) -> None:
    environ = {"GITHUB_EVENT_NAME": "pull_request"}
    planned = runner.run({**inputs, "dry-run": "true"}, environ=environ)
    assert (planned.code, planned.result) == (0, "planned"), planned.log
    allowed = {**inputs, "allow-pull-requests": "true"}
    ended = runner.run(allowed, environ=environ)
    assert (ended.code, ended.result, world.alias_version()) == (0, "promoted", "1"), ended.log
    ended = runner.run({**allowed, "command": "deploy", "checks": "", "isolation": "version"}, environ=environ)
    assert (ended.code, ended.result) == (0, "deployed"), ended.log
    onward = counting({**allowed, "command": "promote", "from": "preprod", "checks": ""})
    event = runner.workspace.parent / "event.json"
    after = {"GITHUB_EVENT_NAME": "workflow_run", "GITHUB_EVENT_PATH": str(event)}
    for before in ("pull_request", "workflow_run"):
        event.write_text(json.dumps({"workflow_run": {"event": before, "head_sha": "c" * 40}}))
        ended = runner.run({**onward, "environment": f"after-{before}"}, environ=after)
        assert (ended.code, ended.result) == (0, "promoted"), ended.log
    status = runner.run({"command": "status", "function-name": FUNCTION}, environ=environ)
    assert (status.code, status.result) == (0, "reported"), status.log


def test_a_workflow_after_a_push_does_not_count_as_a_pull_request(
    runner: Runner, inputs: dict[str, str], tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"workflow_run": {"event": "push", "head_sha": "c" * 40}}))
    environ = {"GITHUB_EVENT_NAME": "workflow_run", "GITHUB_EVENT_PATH": str(event)}
    ended = runner.run(inputs, environ=environ)
    assert ended.result == "promoted", ended.log
