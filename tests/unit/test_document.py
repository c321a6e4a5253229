"""README, action.yml and the code agree."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache

import pytest
import yaml

from promote.core.report import Report
from promote.core.run import Result
from promote.inputs.usage import Command
from tests.exhaustive import EXHAUSTIVE, table
from tests.simulation.mutants import MUTANTS
from tools.document import REPOSITORY, document, mutants, tables

ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_readmes_tables_are_those_of_action_yml() -> None:
    assert document(README, tables(ACTION)) == README, "run: make docs"


def test_the_table_of_mutants_is_that_of_the_last_hunt() -> None:
    caught = json.loads((REPOSITORY / "tests" / "simulation" / "caught.json").read_text(encoding="utf-8"))
    proof = (REPOSITORY / "docs" / "proof.md").read_text(encoding="utf-8")
    assert list(caught) == [mutant.name for mutant in MUTANTS], "run: make prove MUTANTS=1"
    assert document(proof, mutants(caught)) == proof, "run: make docs"


def test_the_table_of_exhaustive_tests_is_that_of_the_tests() -> None:
    page = (REPOSITORY / "docs" / "tests.md").read_text(encoding="utf-8")
    assert document(page, table()) == page, "run: make docs"
    for module, tests in EXHAUSTIVE.items():
        tree = ast.parse((REPOSITORY / "tests" / module).read_text(encoding="utf-8"))
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for test, kept in tests.items():
            assert test in functions, f"{module} has no {test}"
            assert kept.cases == 0 or functions[test].decorator_list, f"{test} has one case, which would be left out"


def test_every_input_is_read_and_every_input_that_is_read_is_declared() -> None:
    sources = [(REPOSITORY / "promote" / name).read_text(encoding="utf-8") for name in _READERS]
    read = {name for text in sources for name in re.findall(r'read\.\w+\(\s*"([a-z-]+)"', text)}
    read |= {name for text in sources for name in re.findall(r'_(?:environment|path)\(read, "([a-z-]+)"', text)}
    read |= {
        name for text in sources for name in re.findall(r'Reader\(step_values\(environ\)\)\.\w+\("([a-z-]+)"', text)
    }
    read |= {name.lower() for text in sources for name in re.findall(r"INPUT_([A-Z-]+)", text)}
    assert read == set(ACTION["inputs"])


_READERS = (
    "inputs/parse.py",
    "inputs/function_name.py",
    "inputs/step.py",
    "inputs/usage.py",
    "github/actions/context.py",
)


def test_every_output_is_declared_and_every_declared_one_is_set() -> None:
    assert {field.name for field in fields(Report)} >= {"result", "headline"}
    assert set(Report(Result.PROMOTED).outputs()) == set(ACTION["outputs"])


def test_commands_and_results_are_documented() -> None:
    for command in Command:
        assert f"`{command.value}`" in ACTION["inputs"]["command"]["description"]
    for result in Result:
        assert f"`{result.value}`" in ACTION["outputs"]["result"]["description"]


@cache
def sentences() -> list[str]:
    """Return the texts in the code, with … for each placeholder."""
    return list(_sentences())


def _sentences() -> Iterator[str]:
    for module in (REPOSITORY / "promote").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)  # type: ignore[misc] # of an f-string
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"{\w+}", "…", node.value)


def explained() -> list[str]:
    """Return the messages in the README's section on troubleshooting."""
    section = README.partition("## Troubleshooting")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)


def test_there_is_help_with_messages() -> None:
    assert len(explained()) >= 10


@pytest.mark.parametrize("message", explained())
def test_each_message_that_the_readme_explains_is_one_of_the_codes(message: str) -> None:
    # … in the README can be any text.
    pattern = ".*".join(re.escape(part.strip()) for part in message.split("…"))
    assert any(re.search(pattern, sentence, re.DOTALL) for sentence in sentences())


def test_each_link_within_the_repository_leads_somewhere() -> None:
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md"), *REPOSITORY.glob("[A-Z]*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_trust_policy_has_both_forms_of_the_subject_and_how_to_find_the_new_one() -> None:
    """A repository that was created since 2026-07-15 has a subject with numbers. The policy must accept both forms."""
    assert '"repo:octo-org@1234567/my-repository@7654321:ref:refs/heads/main"' in README
    assert '"repo:octo-org/my-repository:ref:refs/heads/main"' in README
    assert """--jq '"\\(.owner.login)@\\(.owner.id)/\\(.name)@\\(.id)"'""" in README


def test_it_is_said_where_endpoints_are_chosen_that_the_default_ones_are_public() -> None:
    security = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
    assert "They are public" in ACTION["inputs"]["endpoints"]["description"]
    assert "The default endpoints are public" in README
    assert "The default endpoints are public" in security
