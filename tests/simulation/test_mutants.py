"""The mutants apply, and one of them is caught at once. ``make prove MUTANTS=1`` tests all of them."""

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


def test_is_caught() -> None:
    command = [sys.executable, "-m", "tests.simulation.prove", "--mutant", "the token does not grow"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "5 the lock is live" in ended.stdout
