"""The file that ``release-notes-path`` names."""

from pathlib import Path

import pytest

from promote.core.errors import InputError
from promote.notes.compose import write


def test_the_folders_of_the_file_are_made(tmp_path: Path) -> None:
    for text in ("first", "second"):
        assert write(tmp_path, "build/notes/all.md", text) == "build/notes/all.md"
        assert (tmp_path / "build" / "notes" / "all.md").read_text(encoding="utf-8") == f"{text}\n"


def test_a_file_that_cannot_be_written_is_an_error_of_the_input(tmp_path: Path) -> None:
    (tmp_path / "build").touch()
    with pytest.raises(InputError, match=r"release-notes-path: 'build/all.md' cannot be written: ") as caught:
        write(tmp_path, "build/all.md", "text")
    assert caught.value.hint == "Set it to a writable file in the repository."


def test_a_link_does_not_lead_out_of_the_repository(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "out").symlink_to(tmp_path)
    with pytest.raises(InputError, match="release-notes-path: it leads out of the repository"):
        write(workspace, "out/all.md", "text")
    assert not (tmp_path / "all.md").exists()
