"""The files by which a step tells the runner of outputs, variables and its summary.

Commands of the user run as the same user as the action, so they can write to these files, and the runner would believe
them. The action knows what it has written itself, and undoes everything else.
"""

import os
import stat
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from promote.core.disk import writing
from promote.core.errors import DiskError

NAMES = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
"""The variables that name the files:
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#environment-files."""

UNWRITABLE = "backslashreplace"
"""How characters that cannot be encoded are written. One in a file name, for example, must not end the run."""


class CommandFiles:
    """The files of a step. Outside of a runner, there are none, and none is written."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._files = {name: Path(environ[name]) for name in NAMES if environ.get(name)}
        self._content = dict.fromkeys(self._files, b"")
        """What the files should have."""
        self._lock = threading.Lock()
        self._foreign: set[str] = set()
        """The variables that do not name a file, but for example ``/dev/null`` on a developer's machine."""
        for name, file in self._files.items():
            try:
                if _is_regular(file):
                    self._content[name] = file.read_bytes()
                else:
                    self._foreign.add(name)
            except FileNotFoundError:
                pass  # it is created when it is written
            except OSError:
                self._foreign.add(name)

    def append(self, name: str, text: str) -> None:
        """Append to the file that the variable ``name`` names.

        Raises:
            DiskError: The variable does not name a file.
            OSError: It cannot be written.

        """
        if name not in self._files:
            return
        content, file = text.encode(errors=UNWRITABLE), self._files[name]
        with self._lock, writing(file):
            if name not in self._foreign and file.exists() and not _is_regular(file):
                self._write(name)  # a command has replaced it, for example by a named pipe without a reader
            try:
                with _whole(file), file.open("ab") as sink:
                    sink.write(content)
                self._content[name] += content
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise DiskError(
                    f"{file}, which the variable {name} names, is not a file that can be written: {error.strerror}",
                    hint=f"Leave {name} as the runner sets it.",
                ) from error

    def restore(self, allowed: Collection[str]) -> list[str]:
        """Undo what others have changed, except in files of the ``allowed`` variables. Return the variables.

        Raises:
            OSError: A file cannot be restored. The others are.

        """
        problem: OSError | None = None
        with self._lock:
            watched = self._files.keys() - self._foreign - {*allowed}
            changed = [name for name in NAMES if name in watched and not self._is_own(name)]
            for name in changed:
                try:
                    with writing(self._files[name]):
                        self._write(name)
                except OSError as error:
                    problem = problem or error
        if problem:
            raise problem
        return changed

    def _write(self, name: str) -> None:
        """Write the file again as the action has left it. A command may have replaced or removed it."""
        file = self._files[name]
        if file.is_symlink() or not file.is_file():
            file.unlink(missing_ok=True)
        file.write_bytes(self._content[name])

    def _is_own(self, name: str) -> bool:
        """Whether the file has what the action has written, and what it had before. It may be large, or no file."""
        file, content = self._files[name], self._content[name]
        try:
            return _is_regular(file) and file.stat().st_size == len(content) and content == file.read_bytes()
        except FileNotFoundError:
            return not content
        except OSError:
            return False


@contextmanager
def _whole(file: Path) -> Iterator[None]:
    """Remove what a failed write to the end of ``file`` has written. The runner refuses a file with half a value."""
    size = file.stat().st_size if file.exists() else 0
    try:
        yield
    except OSError:
        with suppress(OSError):
            os.truncate(file, size)
        raise


def _is_regular(file: Path) -> bool:
    """Whether it is a file and not a link, a folder or a named pipe, which could be read for ever.

    Raises:
        FileNotFoundError: It does not exist.

    """
    return stat.S_ISREG(file.lstat().st_mode)
