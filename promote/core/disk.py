"""Errors of the runner's disk, with their cause and fix."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promote.core.errors import DiskError

_FULL = {errno.ENOSPC: "the disk of the runner is full", errno.EDQUOT: "the disk quota of the runner is used up"}
_REFUSED = {
    errno.EACCES: "the action may not use it",
    errno.EIO: "the disk of the runner failed",
    errno.EPERM: "the action may not use it",
    errno.EROFS: "the file system is read-only",
}
_MANY = {errno.EMFILE, errno.ENFILE}


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Name ``path`` in the errors of writes to it. The system names a file only if it cannot be opened."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def disk_problem(error: OSError) -> DiskError | None:
    """Return the error with cause and fix if the disk is the cause; else None."""
    number, file = error.errno or 0, str(error.filename or "")
    if number in _FULL:
        return DiskError(
            f"{_FULL[number]}{f', so {file} cannot be written' if file else ''}",
            hint="Free space on the runner before this step, such as files of earlier builds in the workspace or in "
            "RUNNER_TEMP, or use a larger runner.",
        )
    if number in _REFUSED and file:
        return DiskError(
            f"{file} cannot be read or written: {_REFUSED[number]}",
            hint="Check the owner and the permissions of the file and its folder, which an earlier step may have set.",
        )
    if number in _MANY:
        return DiskError(
            "the runner allows no more open files", hint="Raise the limit of open files of the runner (ulimit -n)."
        )
    return None
