"""The runner's files: what others write to them is undone."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from promote.github.actions.command_files import NAMES, CommandFiles
from promote.github.actions.log import ActionsLog


def append(file: Path) -> None:
    with file.open("a") as sink:
        sink.write("forged=1\n")


def rewrite(file: Path) -> None:
    file.write_bytes(b"x" * file.stat().st_size)


def remove(file: Path) -> None:
    file.unlink()


def redirect(file: Path) -> None:
    file.unlink()
    file.with_suffix(".other").write_text("forged=1\n")
    file.symlink_to(file.with_suffix(".other"))


def replace_by_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("change", [append, rewrite, remove, redirect, replace_by_pipe], ids=lambda one: one.__name__)
def test_what_others_change_is_undone(tmp_path: Path, change: Callable[[Path], None]) -> None:
    file, other = tmp_path / "output", tmp_path / "env"
    file.write_text("before=1\n")
    files = CommandFiles({"GITHUB_OUTPUT": str(file), "GITHUB_ENV": str(other), "GITHUB_PATH": ""})
    files.append("GITHUB_OUTPUT", "first=1\n")
    assert files.restore(()) == []
    change(file)
    assert files.restore(()) == ["GITHUB_OUTPUT"]
    files.append("GITHUB_OUTPUT", "second=\udcff\n")
    assert file.read_text() == "before=1\nfirst=1\nsecond=\\udcff\n"
    assert not file.is_symlink()
    assert files.restore(()) == []
    assert not other.exists()


def test_a_file_may_be_left_to_commands(tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in NAMES}
    files = CommandFiles({name: str(path) for name, path in paths.items()})
    for path in paths.values():
        append(path)
    assert files.restore({"GITHUB_STEP_SUMMARY"}) == [name for name in NAMES if name != "GITHUB_STEP_SUMMARY"]
    assert [path.read_text() for path in paths.values()] == ["", "", "", "", "forged=1\n"]


def test_a_value_that_is_hidden_outside_is_shown_in_messages_of_the_action() -> None:
    stream = io.StringIO()
    workflow = ActionsLog({}, stream, ["the token"])
    workflow.hide_outside(["preprod", "a password"])
    workflow.hide_outside(["worker's password"])
    workflow.info("preprod the token")
    assert stream.getvalue() == "preprod ***\n"
    text = "preprod the token a password worker's password"
    assert workflow.redact_outside(text) == "*** *** *** ***"
