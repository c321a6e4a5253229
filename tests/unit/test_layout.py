"""The architecture: imports point down, no module depends on itself, and each folder states its purpose."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.runner import REPOSITORY

HOUSE = REPOSITORY / "promote"

LAYERS = (
    {"action"},
    {"commands"},
    {"pipeline"},
    {"notes", "state", "verification"},
    {"github", "aws", "inputs"},
    {"core"},
    {""},
)
"""From top to bottom. The last one is ``promote`` itself, which has the version."""


def name_of(file: Path) -> str:
    """Return the module's dotted name."""
    parts = file.relative_to(HOUSE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in sorted(HOUSE.rglob("*.py"))}
PACKAGES = sorted(file.parent for file in MODULES.values() if file.name == "__init__.py" and file.parent != HOUSE)


def room_of(module: str) -> str:
    """Return the top-level folder or module of ``module``."""
    return module.partition(".")[2].partition(".")[0]


def floor_of(module: str) -> int:
    """Return the number of the layer, from 0 at the top."""
    return next(number for number, rooms in enumerate(LAYERS) if room_of(module) in rooms)


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield our own modules that the code imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == HOUSE.name)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import"
            module = node.module or ""
            if module.split(".")[0] == HOUSE.name:
                inner = [f"{module}.{alias.name}" for alias in node.names]
                yield from (name if name in MODULES else module for name in inner)


@cache
def arrows() -> Mapping[str, set[str]]:
    """Return the imports of each module."""
    return {
        module: set(imported(ast.parse(file.read_text(encoding="utf-8")))) - {module}
        for module, file in MODULES.items()
    }


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    for other in arrows()[module]:
        assert floor_of(module) <= floor_of(other), f"{module} imports {other}, which is above it"
        is_sibling = floor_of(module) == floor_of(other) and room_of(module) != room_of(other)
        assert not is_sibling, f"{module} imports {other}, which is beside it"


def test_no_circle() -> None:
    try:
        TopologicalSorter(arrows()).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: str(folder.relative_to(HOUSE)))
def test_each_folder_says_in_one_line_what_it_is_for(folder: Path) -> None:
    purpose = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert purpose
    assert len(purpose.splitlines()) == 1


def test_each_folder_is_a_package() -> None:
    folders = {file.parent for file in MODULES.values()}
    assert folders == {*PACKAGES, HOUSE}


def test_the_page_about_the_architecture_names_what_there_is() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(promote/[\w/.]+)`", page))
    assert len(named) > 20
    assert [path for path in sorted(named) if not (REPOSITORY / path).exists()] == []
    assert [folder.name for folder in PACKAGES if folder.parent == HOUSE and f'["{folder.name}/<br/>' not in page] == []
