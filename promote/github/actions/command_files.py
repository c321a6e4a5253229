"""The files by which a step tells the runner of outputs, variables and its summary.

Commands of the user run as the same user as the action, so they can write to these files, and the runner would believe
them. The action knows what it has written itself, and undoes everything else.
"""

import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from promote.core.disk import writing

NAMES = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
"""The variables that name the files:
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#environment-files."""

_UNWRITABLE = "backslashreplace"
"""How characters that cannot be encoded are written. One in a file name, for example, must not end the run."""


class CommandFiles:
    """The files of a step. Outside of a runner, there are none, and none is written."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._files = {name: Path(environ[name]) for name in NAMES if environ.get(name)}
        self._content = dict.fromkeys(self._files, b"")
        """What the files should have."""
        self._lock = threading.Lock()
        for name, file in self._files.items():
            with suppress(FileNotFoundError):  # it is created when it is written
                self._content[name] = file.read_bytes()

    def append(self, name: str, text: str) -> None:
        """Append to the file that the variable ``name`` names.

        Raises:
            OSError: It cannot be written.

        """
        if name not in self._files:
            return
        content = text.encode(errors=_UNWRITABLE)
        with self._lock, writing(self._files[name]), self._files[name].open("ab") as sink:
            self._content[name] += content
            sink.write(content)

    def restore(self, allowed: Collection[str]) -> list[str]:
        """Undo what others have changed, except in files of the ``allowed`` variables. Return the variables.

        Raises:
            OSError: A file cannot be restored.

        """
        with self._lock:
            changed = [name for name in self._files if name not in allowed and not self._is_own(name)]
            for name in changed:
                file = self._files[name]
                if not file.is_file() or file.is_symlink():
                    file.unlink(missing_ok=True)
                file.write_bytes(self._content[name])
        return changed

    def _is_own(self, name: str) -> bool:
        """Whether the file has what the action has written, and what it had before. It may be large, or no file."""
        file, content = self._files[name], self._content[name]
        try:
            return not file.is_symlink() and file.stat().st_size == len(content) and content == file.read_bytes()
        except FileNotFoundError:
            return not content
        except OSError:
            return False
