"""Our own workflows and those that users copy: rules that no linter knows."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from promote.inputs.model import Configuration, Inputs
from promote.inputs.parse import inputs_from_environ
from promote.inputs.usage import Command
from tools.document import REPOSITORY


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


OURS = "org/promote-on-success@v1"
INPUTS: Mapping[str, Mapping[str, Any]] = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))[
    "inputs"
]
OWN = {path.name: path for path in (REPOSITORY / ".github" / "workflows").glob("*.yml")}
EXAMPLES = {path.name: path for path in (REPOSITORY / "examples" / "workflows").glob("*.yml")}
DEPLOYED_BY_ANOTHER_TOOL = {
    "sam.yml": "sam deploy ",
    "serverless-framework.yml": "serverless deploy",
    "terraform.yml": "terraform apply ",
    "cdk.yml": "cdk deploy ",
}

ANNOUNCED = {Command.RUN, Command.PROMOTE, Command.ROLLBACK, Command.RELEASE_NOTES}
"""Commands that write release notes."""

VALUES = {
    "github.token": "",
    "job.status": "success",
    "inputs.environment": "prod",
    "inputs.reason": "the new one is slow",
    "inputs.version": "",
    "steps.candidate.outputs.candidate": f"7@{'0' * 64}@{'0' * 12}",
}
"""The values of expressions in examples."""


def load(path: Path) -> dict[str, Any]:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(workflow, dict)
    return workflow


def jobs(path: Path) -> list[tuple[str, dict[str, Any]]]:
    return list(load(path)["jobs"].items())


def steps(value: object) -> Iterator[dict[str, Any]]:
    """Find the steps in YAML at any level, because the README shows parts of workflows."""
    if isinstance(value, dict):
        if "uses" in value or "run" in value:
            yield value
        for inner in value.values():
            yield from steps(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from steps(inner)


def ours(value: object) -> list[dict[str, Any]]:
    return [step for step in steps(value) if step.get("uses") == OURS]


def read(step: Mapping[str, Any]) -> Inputs:
    """Parse a step's inputs as the action does."""
    given = {name: str(value) for name, value in step["with"].items()}
    assert not set(given) - set(INPUTS), "action.yml does not have all of these"
    values = {name: str(known.get("default", "")) for name, known in INPUTS.items()} | given
    return inputs_from_environ(
        {
            f"INPUT_{name.upper()}": re.sub(r"\$\{\{ (.*?) \}\}", lambda expression: VALUES[expression[1]], value)
            for name, value in values.items()
        }
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_action_accepts_what_an_example_gives_it(name: str) -> None:
    found = ours(load(EXAMPLES[name]))
    assert found
    for step in found:
        assert read(step).command in Command


def test_the_action_accepts_what_the_readme_gives_it() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    found = [step for block in blocks for step in ours(yaml.safe_load(block))]
    assert found
    for step in found:
        assert read(step).command in Command


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_the_permissions_that_it_needs_and_no_other(name: str) -> None:
    assert load(EXAMPLES[name])["permissions"] == {}
    for _, job in jobs(EXAMPLES[name]):
        needed = {"id-token": "write"}
        if any(str(step.get("uses")).startswith("actions/checkout@") for step in job["steps"]):
            needed["contents"] = "read"
        for step in ours(job):
            inputs = read(step)
            if inputs.command in ANNOUNCED:
                needed["contents"] = "write" if inputs.publish_release else "read"
                needed["pull-requests"] = "read"
                if inputs.github_deployments and inputs.command is not Command.RELEASE_NOTES:
                    needed["deployments"] = "write"
        assert job["permissions"] == needed


@pytest.mark.parametrize("name", DEPLOYED_BY_ANOTHER_TOOL)
def test_another_tool_deploys_between_the_lock_and_the_promotion(name: str) -> None:
    ((_, job),) = jobs(EXAMPLES[name])
    lock, deploy, promote = job["steps"][-3:]
    assert DEPLOYED_BY_ANOTHER_TOOL[name] in deploy["run"]
    locked, promoted = read(lock), read(promote)
    assert (locked.command, promoted.command) == (Command.LOCK, Command.RUN)
    assert locked.function_name == promoted.function_name
    assert "lease" in lock["with"]
    assert (promoted.artifact, promoted.configuration) == ("", Configuration())


@pytest.mark.parametrize("path", [*OWN.values(), *EXAMPLES.values()], ids=lambda path: path.name)
def test_nothing_from_outside_becomes_code(path: Path) -> None:
    for _, job in jobs(path):
        for step in job.get("steps", ()):
            assert "${{" not in step.get("run", "")
            if str(step.get("uses")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_a_checkout_leaves_no_token_in_the_clone() -> None:
    """Tests of the repository, and anything else in the job, could read it there."""
    shown = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    written = [*map(yaml.safe_load, shown), *map(load, [*OWN.values(), *EXAMPLES.values()])]
    checkouts = [step for one in written for step in steps(one) if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) > 10
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_every_action_is_pinned_and_to_one_version_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in (*OWN.values(), *EXAMPLES.values(), *(REPOSITORY / "tests" / "e2e").glob("*.yml")):
        for used in re.findall(r"^ *(?:- )?uses: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            action, _, pin = used.partition("@")
            if action.startswith("./") or used.partition(" #")[0] == OURS:
                continue
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), f"{path.name}: {used}"
            pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


def test_each_job_of_a_release_may_write_only_what_it_is_there_for() -> None:
    assert load(OWN["release.yml"])["permissions"] == {}
    found = dict(jobs(OWN["release.yml"]))
    writes = {
        name: {scope for scope, kind in job["permissions"].items() if kind == "write"} for name, job in found.items()
    }
    assert {name: scopes for name, scopes in writes.items() if scopes} == {
        "build": {"packages"},
        "image": {"attestations", "id-token", "packages"},
        "publish": {"contents"},
    }


def test_a_release_is_published_only_after_everything_else() -> None:
    found = dict(jobs(OWN["release.yml"]))
    before: set[str] = set()
    open_ends = ["publish"]
    while open_ends:
        needs = found[open_ends.pop()].get("needs", [])
        open_ends += [needs] if isinstance(needs, str) else needs
        before |= set(open_ends)
    assert before == set(found) - {"publish"}


def test_ci_runs_what_a_change_has_to_pass_with_each_python_there_is() -> None:
    found = dict(jobs(OWN["ci.yml"]))
    commands = {step["run"].partition(" ARGS=")[0] for step in steps(found) if "run" in step}
    local = text_of(".ci/run")
    assert set(re.findall(r"^make [\w-]+", local, re.MULTILINE)) <= commands
    pythons = found["test-all"]["strategy"]["matrix"]["python"]
    project = text_of("pyproject.toml")
    assert f'requires-python = ">={pythons[0]}"' in project
    built = re.search(r"^ARG BASE=(python:(\d+\.\d+)-.+)$", text_of("Dockerfile"), re.MULTILINE)
    assert built
    assert built[2] in pythons


def test_a_release_is_built_from_images_that_are_named_by_digest() -> None:
    digest = "@sha256:[0-9a-f]{64}"
    tag = re.search(r"^ARG BASE=(.+)$", text_of("Dockerfile"), re.MULTILINE)
    assert tag
    assert re.search(rf"^FROM {re.escape(tag[1])}{digest}$", text_of("requirements/base/Dockerfile"), re.MULTILINE)
    (build,) = (step for step in load(OWN["release.yml"])["jobs"]["build"]["steps"] if step.get("id") == "build")
    for name, option in (("BUILDKIT", "image=$BUILDKIT"), ("SBOM_SCANNER", "generator=$SBOM_SCANNER")):
        assert re.fullmatch(rf"[\w./:-]+{digest}", build["env"][name])
        assert option in build["run"]
    assert "requirements/base/Dockerfile" in build["run"]


def test_dependabot_knows_every_file_that_pins_something() -> None:
    updates = yaml.safe_load(text_of(".github/dependabot.yml"))["updates"]
    found = {
        (update["package-ecosystem"], folder)
        for update in updates
        for folder in update.get("directories", [update.get("directory")])
    }
    for ecosystem, pattern in (("pip", "*.txt"), ("docker", "base/Dockerfile"), ("npm", "package-lock.json")):
        folders = {
            path.parent for root in ("requirements", "sandbox", "tests") for path in (REPOSITORY / root).rglob(pattern)
        }
        assert folders
        assert {(ecosystem, f"/{folder.relative_to(REPOSITORY).as_posix()}") for folder in folders} <= found


def test_ci_runs_each_test_module_once_on_each_python() -> None:
    matrix = load(OWN["ci.yml"])["jobs"]["test-all"]["strategy"]["matrix"]
    run = [found for part in matrix["part"] for pattern in part.split() for found in REPOSITORY.glob(pattern)]
    modules = [module for found in run for module in (found.rglob("test_*.py") if found.is_dir() else [found])]
    settings = tomllib.loads(text_of("pyproject.toml"))["tool"]["pytest"]
    folders = [REPOSITORY / name for name in settings.get("ini_options", settings)["testpaths"]]
    assert sorted(modules) == sorted(module for folder in folders for module in folder.rglob("test_*.py"))
