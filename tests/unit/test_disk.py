"""Errors of the runner's disk."""

import errno
import io
import os
from pathlib import Path

import pytest

from promote.aws.archive import pack
from promote.aws.errors import to_promote_error
from promote.core.disk import disk_problem, writing
from promote.core.errors import DiskError
from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState, LedgerLocation
from promote.github.actions.log import ActionsLog

FULL = Path("/dev/full")
"""A device that is always full."""

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "the disk of the runner is full, so /a cannot be written"),
        (errno.EDQUOT, "the disk quota of the runner is used up, so /a cannot be written"),
        (errno.EACCES, "/a cannot be read or written: the action may not use it"),
        (errno.EROFS, "/a cannot be read or written: the file system is read-only"),
        (errno.EMFILE, "the runner allows no more open files"),
    ],
)
def test_the_cause_is_in_words(number: int, text: str) -> None:
    explained = to_promote_error(OSError(number, os.strerror(number), "/a"))
    assert isinstance(explained, DiskError)
    assert str(explained) == text
    assert "bug" not in explained.hint


def test_a_full_disk_needs_no_name() -> None:
    found = disk_problem(OSError(errno.ENOSPC, "No space left on device"))
    assert str(found) == "the disk of the runner is full"


@pytest.mark.parametrize("error", [ConnectionResetError(errno.ECONNRESET, "reset"), OSError("anything")])
def test_other_errors_are_not_of_the_disk(error: OSError) -> None:
    assert disk_problem(error) is None


def test_a_write_names_its_file() -> None:
    with pytest.raises(OSError, match="No space left") as caught, writing("/dev/full"), FULL.open("wb", 0) as sink:
        sink.write(b"x")
    assert caught.value.filename == "/dev/full"


def test_an_archive_that_does_not_fit_is_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x = 1\n")
    with pytest.raises(OSError, match="No space left") as caught:
        pack(tmp_path, FULL, tmp_path)
    assert str(to_promote_error(caught.value)) == "the disk of the runner is full, so /dev/full cannot be written"


@pytest.mark.parametrize("is_saved_elsewhere", [True, False])
def test_one_place_for_the_state_of_the_job_is_enough(tmp_path: Path, *, is_saved_elsewhere: bool) -> None:
    location = LedgerLocation("arn", "eu-west-1", "table")
    with FULL.open("wb") as full:
        folder = tmp_path if is_saved_elsewhere else tmp_path / "missing"
        # The state is saved beside this file, too, and nobody can make a file there.
        file = f"/proc/self/fd/{full.fileno()}"
        environ = {"GITHUB_STATE": file, "RUNNER_TEMP": str(folder), "GITHUB_JOB": "deploy"}
        state = JobState(environ, Context.from_environ(environ), ActionsLog(environ, io.StringIO()), draw=lambda: "id")
        if is_saved_elsewhere:
            state.remember(location)
            return
        with pytest.raises(OSError, match="No space left") as caught:
            state.remember(location)
    assert str(to_promote_error(caught.value)) == f"the disk of the runner is full, so {file} cannot be written"
