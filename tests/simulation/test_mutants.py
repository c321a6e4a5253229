"""The mutants apply, and each is caught. ``make prove MUTANTS=1`` does the same, and notes where."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.runner import REPOSITORY
from tests.simulation.mutant import Mutant
from tests.simulation.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_stands_in_the_source(mutant: Mutant) -> None:
    spec = find_spec(mutant.module)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    assert source.count(mutant.old) == 1
    compile(source.replace(mutant.old, mutant.new), spec.origin, "exec")


def test_names_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_is_caught(mutant: Mutant) -> None:
    command = [sys.executable, "-m", "tests.simulation.prove", "--mutant", mutant.name]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "seed" in ended.stdout
