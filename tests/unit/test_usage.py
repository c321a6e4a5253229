"""Each input with each command is used or refused, and so is each input that does not exist."""

import difflib
from collections.abc import Mapping

import pytest

from promote.core.errors import InputError
from promote.inputs.parse import inputs_from_environ
from promote.inputs.usage import INPUTS, Command, given, nearest
from tests.runner import INPUTS as DECLARED

SAMPLES: Mapping[str, str] = {
    "function-name": "hello",
    "application": "apps/shop.yml",
    "environment": "preprod",
    "aws-region": "eu-west-1",
    "latest-aliases": "nightly",
    "artifact": "build",
    "commit": "c" * 40,
    "artifact-bucket": "my-builds",
    "handler": "app.handler",
    "runtime": "python3.13",
    "role": "arn:aws:iam::123456789012:role/hello",
    "memory-size": "256",
    "timeout": "5",
    "environment-variables": '{"LOG_LEVEL": "info"}',
    "endpoints": "none",
    "latest-url": "https://latest.example.com",
    "environment-url": "https://preprod.example.com",
    "domain-name": "api.example.com",
    "base-path": "hello",
    "checks": "GET /health",
    "invoke": "event.json",
    "tests": "tests/smoke",
    "tests-requirements": "tests/requirements.txt",
    "test-command": "true",
    "test-environment": "TOKEN_FOR_TESTS",
    "isolation": "version",
    "settle-time": "5",
    "candidate": f"7@{'0' * 64}@{'0' * 12}",
    "job-status": "failure",
    "from": "test",
    "version": "7",
    "override": "true",
    "verify-timeout": "5",
    "table": "another-table",
    "lock-timeout": "5",
    "lease": "60",
    "queue": "fifo",
    "diverged": "refuse",
    "reason": "it is slow",
    "release-notes-path": "notes.md",
    "release-notes-template": "notes.jinja",
    "publish-release": "true",
    "tag": "v1.2.0",
    "keep-versions": "5",
    "github-deployments": "false",
    "github-token": "ghs_token",
    "allow-pull-requests": "true",
    "apply": "true",
    "undo": "true",
    "dry-run": "true",
}
"""A value of each input that differs from its default. ``command`` is tested with every other input."""
SUFFICIENT: Mapping[Command, Mapping[str, str]] = {
    Command.RUN: {"environment": "preprod", "invoke": "event.json"},
    Command.DEPLOY: {"environment": "preprod"},
    Command.PROMOTE: {"environment": "preprod", "version": "7"},
    Command.ROLLBACK: {"environment": "preprod"},
    Command.UNLOCK: {"reason": "its runner is gone"},
    Command.ADOPT: {"environment": "preprod"},
}
"""The inputs that a command requires, in addition to the function."""
COMPANY: Mapping[str, Mapping[str, str]] = {
    "artifact-bucket": {"artifact": "build"},
    "base-path": {"domain-name": "api.example.com"},
    "tests-requirements": {"tests": "tests/smoke"},
    "test-environment": {"test-command": "true"},
    "verify-timeout": {"checks": "GET /health"},
    "override": {"reason": "it is urgent"},
}
"""What an input needs to have an effect."""
SOURCES = ("candidate", "from", "version")


def environ(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the runner sets: every input of action.yml. Those that are not given have defaults."""
    values = {name: str(known.get("default", "")) for name, known in DECLARED.items()} | {"github-token": ""}
    return {f"INPUT_{name.upper()}": value for name, value in (values | dict(inputs)).items()}


def refused(inputs: Mapping[str, str]) -> InputError:
    with pytest.raises(InputError) as caught:
        inputs_from_environ(environ(inputs))
    assert caught.value.hint.endswith((".", "?"))
    return caught.value


def with_what_it_needs(name: str, command: Command) -> dict[str, str]:
    needed = {**SUFFICIENT.get(command, {}), **COMPANY.get(name, {})}
    if name == "settle-time" and command is Command.RUN:
        needed["checks"] = "GET /health"  # an event is sent to the version, and not to $LATEST
    if name in SOURCES and command is Command.PROMOTE:
        needed = {other: value for other, value in needed.items() if other not in SOURCES}
    return {"function-name": "hello", "command": command.value, **needed, name: SAMPLES[name]}


def pairs() -> list[tuple[str, Command]]:
    return [(name, command) for name in SAMPLES for command in Command]


def test_the_table_is_that_of_action_yml() -> None:
    assert list(INPUTS) == list(DECLARED)
    defaults = {name: str(known.get("default", "")) for name, known in DECLARED.items()}
    known = {name: row.default for name, row in INPUTS.items() if row.default is not None}
    assert known == {name: default for name, default in defaults.items() if not default.startswith("${{")}


def test_there_is_a_sample_of_each_input() -> None:
    assert set(SAMPLES) == set(INPUTS) - {"command"}


def test_what_is_not_given_is_empty_or_as_in_action_yml() -> None:
    assert given(environ({})) == []
    assert given(environ({"override": " False\n", "queue": " newest "})) == []
    assert given(environ({"override": "true", "queue": "fifo", "artifact": "a"})) == ["artifact", "override", "queue"]


@pytest.mark.parametrize(("name", "command"), pairs(), ids=str)
def test_each_input_counts_or_is_refused(name: str, command: Command) -> None:
    inputs = with_what_it_needs(name, command)
    known = INPUTS[name]
    if command in known.commands or SAMPLES[name] == known.off:
        assert inputs_from_environ(environ(inputs)).command is command
        return
    error = refused({other: value for other, value in inputs.items() if other not in COMPANY.get(name, {})})
    assert error.name == name
    which = "run, the default" if command is Command.RUN else command
    assert str(error) == f"{name}: it has no effect with command: {which}"
    assert SAMPLES[name] not in str(error), "it may be a secret"
    if command is not Command.DEPLOY:
        assert "candidate of command: deploy" not in error.hint


@pytest.mark.parametrize("name", [name for name, known in INPUTS.items() if known.needs])
def test_an_input_without_what_it_needs_is_refused(name: str) -> None:
    command = min(INPUTS[name].commands, key=list(Command).index)
    command = Command.PROMOTE if name == "verify-timeout" else command
    inputs = with_what_it_needs(name, command)
    error = refused({other: value for other, value in inputs.items() if other not in COMPANY[name]})
    assert error.name == name
    assert all(other in str(error) for other in INPUTS[name].needs)


@pytest.mark.parametrize("artifact", ["s3://builds/a.zip", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1"])
def test_a_bucket_for_archives_needs_an_archive(artifact: str) -> None:
    inputs = {**with_what_it_needs("artifact-bucket", Command.RUN), "artifact": artifact}
    assert str(refused(inputs)).startswith("artifact-bucket: it has no effect: only a directory or a .zip")


@pytest.mark.parametrize("name", [name for name, known in INPUTS.items() if known.required])
def test_an_input_that_a_command_needs_is_missed(name: str) -> None:
    for command in INPUTS[name].required:
        inputs = {"function-name": "hello", "command": command.value, **SUFFICIENT.get(command, {}), name: ""}
        error = refused(inputs)
        assert (error.name, str(error).startswith(f"{name}: it is missing")) == (name, True)


@pytest.mark.parametrize(
    ("inputs", "says", "do"),
    [
        ({"from": "test"}, "from: it has no effect with command: run, the default", "Set command: promote"),
        ({"candidate": "x"}, "candidate: it has no effect with command: run, the default", "Set command: promote"),
        ({"version": "7"}, "version: it has no effect with command: run, the default", "command: promote or rollback"),
        ({"command": "deploy", "checks": "GET /"}, "checks: it has no effect with command: deploy", "own steps"),
        ({"command": "promote", "from": "test", "artifact": "a"}, "artifact: it has no effect", "command: run or"),
        ({"command": "lock", "environment": "prod"}, "environment: it has no effect with command: lock", "covers"),
    ],
)
def test_the_hint_says_where_the_input_belongs(inputs: Mapping[str, str], says: str, do: str) -> None:
    error = refused(
        {"function-name": "hello", **({"environment": "prod"} if "command" not in inputs else {}), **inputs}
    )
    assert str(error).startswith(says)
    assert do in error.hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("artefact", "artifact"),
        ("artifacts", "artifact"),
        ("dry_run", "dry-run"),
        ("dryrun", "dry-run"),
        ("function_name", "function-name"),
        ("functionname", "function-name"),
        ("environment_variables", "environment-variables"),
        ("check", "checks"),
        ("code-artifacts-dir", "artifact"),
        ("zip_file", "artifact"),
        ("region", "aws-region"),
        ("memory", "memory-size"),
    ],
)
def test_an_unknown_input_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    error = refused({**with_what_it_needs("artifact", Command.RUN), name: "s3cr3t"})
    assert error.name == name
    assert str(error) == f"{name}: it is not an input of this action"
    assert error.hint.startswith(f"Did you mean {meant}? ")
    assert "s3cr3t" not in f"{error} {error.hint}"


def test_an_unknown_input_that_is_like_none_is_refused_too() -> None:
    error = refused({**with_what_it_needs("artifact", Command.RUN), "xyzzy": ""})
    assert str(error) == "xyzzy: it is not an input of this action"
    assert error.hint.startswith("The README lists all inputs.")


def test_all_unknown_inputs_are_reported_at_once() -> None:
    error = refused({"artefact": "a", "dry_run": "true", "command": "nonsense"})
    assert str(error) == "artefact: it is not an input of this action, and neither is dry_run"
    assert error.hint.startswith("Did you mean artifact instead of artefact or dry-run instead of dry_run?")


@pytest.mark.parametrize("name", ["entrypoint", "args"])
def test_inputs_of_the_runner_itself_are_not_unknown(name: str) -> None:
    inputs = {**with_what_it_needs("artifact", Command.RUN), name: "/bin/sh"}
    assert inputs_from_environ(environ(inputs)).artifact == "build"


def test_every_misspelling_by_one_letter_is_guessed() -> None:
    for name in INPUTS:
        for place in range(len(name)):
            wrong = name[:place] + name[place + 1 :]
            if len(name) > 4 and wrong not in INPUTS:
                assert nearest(wrong) == name or difflib.SequenceMatcher(None, nearest(wrong), wrong).ratio() > 0.8
