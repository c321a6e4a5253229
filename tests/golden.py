"""Golden files: what a test expects, in a file that people read in a review.

Only a person updates them, with ``WRITE_GOLDEN=1``. In CI, nothing is written: a run that could write its own
expectations would always be green.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "unit" / "golden"


def assert_golden(text: str, file: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Assert that ``file`` holds ``text``. With ``WRITE_GOLDEN``, write it instead, but never in CI."""
    if environ.get("WRITE_GOLDEN"):
        assert not environ.get("CI"), "WRITE_GOLDEN is set in CI, where golden files are never written"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return
    assert file.is_file(), f"there is no golden file {file.name}; write it with WRITE_GOLDEN=1, and review it"
    assert text == file.read_text(encoding="utf-8")


def assert_all_used(folder: Path, names: Iterable[str]) -> None:
    """Assert that each golden file of ``folder`` belongs to a case, and the other way round."""
    assert sorted(file.stem for file in folder.glob("*.md")) == sorted(names)
