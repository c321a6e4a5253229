"""README, action.yml and the code agree."""

import re
from dataclasses import fields

import yaml

from promote.inputs import Command
from promote.model import Result
from promote.report import Report
from tools.document import REPOSITORY, document

ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_readmes_tables_are_those_of_action_yml() -> None:
    assert document(README, ACTION) == README, "run: make docs"


def test_every_input_is_read_and_every_input_that_is_read_is_declared() -> None:
    sources = [(REPOSITORY / "promote" / name).read_text(encoding="utf-8") for name in ("inputs.py", "context.py")]
    read = set(re.findall(r'read\.\w+\(\s*"([a-z-]+)"', sources[0]))
    read |= {name.lower() for name in re.findall(r"INPUT_([A-Z-]+)", sources[1])}
    read |= set(re.findall(r'name, text = "([a-z-]+)"', sources[0]))
    read |= set(re.findall(r'_environment\(read, "([a-z-]+)"', sources[0]))
    assert read == set(ACTION["inputs"])


def test_every_output_is_declared_and_every_declared_one_is_set() -> None:
    assert {field.name for field in fields(Report)} >= {"result", "headline"}
    assert set(Report(Result.PROMOTED).outputs()) == set(ACTION["outputs"])


def test_commands_and_results_are_documented() -> None:
    for command in Command:
        assert f"`{command.value}`" in ACTION["inputs"]["command"]["description"]
    for result in Result:
        assert f"`{result.value}`" in ACTION["outputs"]["result"]["description"]
