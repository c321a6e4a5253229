"""The state that the steps of a job share: the id of the job, its locks, preview endpoints and unfinished releases.

It is written before a lock is requested. So the post step finds it even if the main step was killed.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promote.github.actions.context import Context
from promote.github.actions.log import ActionsLog

_STATE = "promote"


@dataclass(frozen=True)
class LedgerLocation:
    """The function and the table that contain the lock and the ledger."""

    arn: str
    """The ARN of the function."""
    region: str
    table: str


_Saved = tuple[str, dict[LedgerLocation, int], set[LedgerLocation], set[tuple[LedgerLocation, str]]]
"""The id of the job, the locks that it holds, the functions with a preview endpoint, and the unfinished releases."""


class JobState:
    """The state of one job, in files that all its steps can read.

    GitHub's runner shares the folder ``RUNNER_TEMP`` between the containers of a job. nektos/act shares only the folder
    of the command files, and sets no ``STATE_*`` in the post step of a container. For other runners, the state is also
    saved as documented.
    """

    def __init__(
        self, environ: Mapping[str, str], context: Context, workflow: ActionsLog, draw: Callable[[], str]
    ) -> None:
        """Read the state of earlier steps. If there is none, ``draw`` returns a random id for this job."""
        name = re.sub(r"[^a-zA-Z0-9-]", "_", environ.get("GITHUB_JOB", ""))
        name = f"promote-on-success-{context.run_id}-{context.attempt}-{name}.json"
        state = environ.get("GITHUB_STATE", "")
        folders = [environ.get("RUNNER_TEMP", ""), str(Path(state).parent) if state else ""]
        self._files = [Path(folder) / name for folder in folders if folder]
        self.folder = next((file.with_suffix("") for file in self._files if file.parent.is_dir()), None)
        """The folder for files that the steps share, created at its first use; None if there is no place for it."""
        self._workflow = workflow
        job, locks, previews, begun = next(self._saved(environ.get(f"STATE_{_STATE}", "")), ("", {}, set(), set()))
        self.job = job or draw()
        """The random id of this job."""
        self.locks = locks
        """The locks with their tokens; 0 if the lock was requested, and it is not known whether it was acquired."""
        self.previews = previews
        """The functions with a preview endpoint."""
        self.begun = begun
        """The unfinished releases that this job began, with the sort keys of their records."""
        self._lock = threading.RLock()

    def begin(self, location: LedgerLocation, release: str) -> None:
        """Record a release before it begins; ``release`` is the sort key of its record."""
        with self._lock:
            self.begun.add((location, release))
            self._write()

    def end(self, location: LedgerLocation, release: str) -> None:
        """Remove a release that has ended."""
        with self._lock:
            self.begun.discard((location, release))
            self._write()

    def add_preview(self, location: LedgerLocation) -> None:
        """Record that a function gets a preview endpoint, which must be removed later."""
        with self._lock:
            self.previews.add(location)
            self._write()

    def remove_preview(self, location: LedgerLocation) -> None:
        """Remove a preview endpoint that was deleted."""
        with self._lock:
            self.previews.discard(location)
            self._write()

    def remember(self, location: LedgerLocation, token: int = 0) -> None:
        """Record a lock before it is requested or, with its ``token``, a lock that the job keeps."""
        with self._lock:
            self.locks[location] = token or self.locks.get(location, 0)
            self._write()

    def forget(self, location: LedgerLocation) -> None:
        """Remove a lock that was released or not acquired."""
        with self._lock:
            self.locks.pop(location, None)
            self._write()

    def _saved(self, state: str) -> Iterator[_Saved]:
        """Yield the valid states that earlier steps have saved."""
        texts = [state]
        for file in self._files:
            with suppress(OSError, ValueError):
                texts.insert(-1, file.read_text(encoding="utf-8"))
        for text in texts:
            with suppress(ValueError, TypeError, LookupError, RecursionError):
                yield _read(text)

    def _write(self) -> None:
        locks = [(location.arn, location.region, location.table, token) for location, token in self.locks.items()]
        previews = [(location.arn, location.region, location.table) for location in self.previews]
        begun = [
            (location.arn, location.region, location.table, release)
            for location, release in sorted(self.begun, key=str)
        ]
        text = json.dumps(
            {"job": self.job, "locks": locks, "previews": previews, **({"begun": begun} if begun else {})}
        )
        is_saved = False
        for file in self._files:
            # If a folder is missing or not writable, the other places may be enough.
            with suppress(OSError):
                fresh = file.with_suffix(".new")
                fresh.write_text(text, encoding="utf-8")
                fresh.replace(file)
                is_saved = True
        try:
            self._workflow.state(_STATE, text)
        except OSError:
            if not is_saved:
                raise


def _read(text: str) -> _Saved:
    """Read a saved state. Any other text raises one of several errors, which the caller ignores."""
    found: dict[str, Any] = json.loads(text)
    job, locks = found["job"], {}
    for *names, token in found["locks"]:
        if not isinstance(token, int):
            raise ValueError(token)  # noqa: TRY004 - as for any other invalid text
        locks[_location(names)] = token
    if not isinstance(job, str) or not job:
        raise ValueError(job)
    begun = {(_location(names), str(release)) for *names, release in found.get("begun", [])}
    return job, locks, {_location(names) for names in found.get("previews", [])}, begun


def _location(names: list[Any]) -> LedgerLocation:
    if not all(isinstance(name, str) for name in names):
        raise ValueError(names)
    return LedgerLocation(*names)
