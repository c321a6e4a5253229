"""The runner's files: what others write to them is undone."""

import io
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from promote.core.errors import DiskError
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


@pytest.mark.parametrize("change", [redirect, replace_by_pipe], ids=lambda one: one.__name__)
def test_a_file_that_was_replaced_is_written_again_before_more_is_appended(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    file = tmp_path / "state"
    files = CommandFiles({"GITHUB_STATE": str(file)})
    files.append("GITHUB_STATE", "first=1\n")
    change(file)
    files.append("GITHUB_STATE", "second=2\n")
    assert (file.is_symlink(), file.read_text()) == (False, "first=1\nsecond=2\n")


def test_what_is_not_a_file_stays_as_it_is(tmp_path: Path) -> None:
    """As on a developer's machine, or with a runner that is set up wrongly."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    given = {"GITHUB_ENV": tmp_path, "GITHUB_OUTPUT": link, "GITHUB_PATH": pipe, "GITHUB_STATE": "/dev/null"}
    files = CommandFiles({name: str(path) for name, path in given.items()})
    files.append("GITHUB_OUTPUT", "first=1\n")
    files.append("GITHUB_STATE", "first=1\n")
    with pytest.raises(DiskError, match="which the variable GITHUB_ENV names, is not a file"):
        files.append("GITHUB_ENV", "first=1\n")
    assert files.restore(()) == []
    assert (pipe.is_fifo(), link.is_symlink(), Path("/dev/null").is_char_device()) == (True, True, True)


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


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size``, as on a disk that is almost full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_no_half_of_a_value_stays_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "state"
    files = CommandFiles({"GITHUB_STATE": str(file)})
    files.append("GITHUB_STATE", "first=1\n")
    with largest_file(100), pytest.raises(OSError, match="File too large"):
        files.append("GITHUB_STATE", "second=" + "2" * 200 + "\n")
    assert file.read_text() == "first=1\n"
    assert files.restore(()) == [], "nobody else has changed it"


def test_a_file_that_cannot_be_restored_does_not_keep_the_others_from_it(tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in NAMES}
    files = CommandFiles({name: str(path) for name, path in paths.items()})
    for path in paths.values():
        append(path)
    paths["GITHUB_ENV"].unlink()
    paths["GITHUB_ENV"].mkdir()
    with pytest.raises(OSError, match=str(paths["GITHUB_ENV"])):
        files.restore(())
    assert [paths[name].read_text() for name in NAMES if name != "GITHUB_ENV"] == [""] * 4
