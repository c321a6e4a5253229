"""Golden files are expectations: a run in CI compares with them, and never writes one."""

from pathlib import Path

import pytest

from tests.golden import assert_all_used, assert_golden
from tests.runner import REPOSITORY

CI = {"CI": "true"}
WRITING = {"WRITE_GOLDEN": "1"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "golden" / "case.md"


def plant(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("environ", [{}, CI])
def test_a_missing_file_fails_and_is_not_written(file: Path, environ: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match=r"there is no golden file case\.md"):
        assert_golden("new", file, environ)
    assert not file.parent.exists()


@pytest.mark.parametrize("environ", [{}, CI])
def test_other_text_fails_and_the_file_stays(file: Path, environ: dict[str, str]) -> None:
    plant(file, "old")
    with pytest.raises(AssertionError):
        assert_golden("new", file, environ)
    assert file.read_text(encoding="utf-8") == "old"
    assert_golden("old", file, environ)


@pytest.mark.parametrize("text", ["old", "new"])
@pytest.mark.parametrize("ci", ["true", "1", "false"])
def test_a_run_in_ci_that_would_write_fails_whatever_it_would_write(file: Path, text: str, ci: str) -> None:
    with pytest.raises(AssertionError, match="WRITE_GOLDEN is set in CI"):
        assert_golden(text, file, {"CI": ci, **WRITING})
    assert not file.parent.exists()
    plant(file, "old")
    with pytest.raises(AssertionError, match="WRITE_GOLDEN is set in CI"):
        assert_golden(text, file, {"CI": ci, **WRITING})
    assert file.read_text(encoding="utf-8") == "old"


def test_a_person_updates_a_file(file: Path) -> None:
    assert_golden("größe", file, WRITING)
    assert_golden("größe", file, {})
    assert_golden("new", file, WRITING)
    assert file.read_bytes() == b"new"


def test_a_file_without_a_case_and_a_case_without_a_file_are_found(file: Path) -> None:
    plant(file, "old")
    assert_all_used(file.parent, ["case"])
    for names in ([], ["case", "another"], ["another"]):
        with pytest.raises(AssertionError):
            assert_all_used(file.parent, names)


def test_one_place_writes_golden_files() -> None:
    """So what is tested here holds for every test that has golden files."""
    tests = REPOSITORY / "tests"
    readers = [path for path in tests.rglob("*.py") if '"WRITE_GOLDEN"' in path.read_text(encoding="utf-8")]
    assert sorted(path.relative_to(tests).as_posix() for path in readers) == ["golden.py", "unit/test_golden.py"]
