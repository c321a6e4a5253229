"""What the steps of one job share: a number that tells them from everybody else, and the locks that they hold.

It is written before a lock is asked for, so that the post step finds it even when the main step was killed.
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
    """Where the lock and the ledger of a function are of which this job holds something."""

    arn: str
    """The function's."""
    region: str
    table: str


_Memory = tuple[str, dict[LedgerLocation, int], set[LedgerLocation], set[tuple[LedgerLocation, str]]]
"""The job's number, the locks that it holds, the functions with an endpoint for one candidate alone, and the releases
that it has begun."""


class JobState:
    """The memory of one job, in a file that all of its steps see.

    GitHub's runner shares the folder ``RUNNER_TEMP`` among a job's containers. nektos/act shares that of the command
    files alone, and hands no ``STATE_*`` to the post step of a container. Other runners may do as is documented.
    """

    def __init__(
        self, environ: Mapping[str, str], context: Context, workflow: ActionsLog, draw: Callable[[], str]
    ) -> None:
        """Read what earlier steps have left; where there is nothing, ``draw`` a number for this job."""
        name = re.sub(r"[^a-zA-Z0-9-]", "_", environ.get("GITHUB_JOB", ""))
        name = f"promote-on-success-{context.run_id}-{context.attempt}-{name}.json"
        state = environ.get("GITHUB_STATE", "")
        folders = [environ.get("RUNNER_TEMP", ""), str(Path(state).parent) if state else ""]
        self._files = [Path(folder) / name for folder in folders if folder]
        self.folder = next((file.with_suffix("") for file in self._files if file.parent.is_dir()), None)
        """Where the steps keep what they share, made by whoever needs it; None: nowhere."""
        self._workflow = workflow
        job, held, previews, begun = next(self._left(environ.get(f"STATE_{_STATE}", "")), ("", {}, set(), set()))
        self.job = job or draw()
        """The number, which this job has for itself."""
        self.held = held
        """The locks with their tokens; 0: it was asked for, and nothing more is known."""
        self.previews = previews
        """Functions that have an endpoint for one candidate alone."""
        self.begun = begun
        """The releases of several functions that are under way, each with the sort key of its record."""
        self._lock = threading.RLock()

    def begin(self, held: LedgerLocation, release: str) -> None:
        """Note a release of several functions that is about to begin; ``release`` is the sort key of its record."""
        with self._lock:
            self.begun.add((held, release))
            self._write()

    def end(self, held: LedgerLocation, release: str) -> None:
        """Strike a release out that has come to its end."""
        with self._lock:
            self.begun.discard((held, release))
            self._write()

    def add_preview(self, held: LedgerLocation) -> None:
        """Note that a function gets an endpoint for one candidate alone, which is to be removed again."""
        with self._lock:
            self.previews.add(held)
            self._write()

    def remove_preview(self, held: LedgerLocation) -> None:
        """Strike out an endpoint that was removed."""
        with self._lock:
            self.previews.discard(held)
            self._write()

    def remember(self, held: LedgerLocation, token: int = 0) -> None:
        """Note a lock that is about to be asked for or, with its ``token``, that the job keeps."""
        with self._lock:
            self.held[held] = token or self.held.get(held, 0)
            self._write()

    def forget(self, held: LedgerLocation) -> None:
        """Strike a lock out that was given back, or was not had."""
        with self._lock:
            self.held.pop(held, None)
            self._write()

    def _left(self, state: str) -> Iterator[_Memory]:
        """Yield what earlier steps have written, from each place that has something which makes sense."""
        texts = [state]
        for file in self._files:
            with suppress(OSError, ValueError):
                texts.insert(-1, file.read_text(encoding="utf-8"))
        for text in texts:
            with suppress(ValueError, TypeError, LookupError, RecursionError):
                yield _read(text)

    def _write(self) -> None:
        held = [(held.arn, held.region, held.table, token) for held, token in self.held.items()]
        previews = [(location.arn, location.region, location.table) for location in self.previews]
        begun = [
            (location.arn, location.region, location.table, release)
            for location, release in sorted(self.begun, key=str)
        ]
        text = json.dumps({"job": self.job, "held": held, "previews": previews, **({"begun": begun} if begun else {})})
        for file in self._files:
            # A folder that is not there or cannot be written: the others may do.
            with suppress(OSError):
                fresh = file.with_suffix(".new")
                fresh.write_text(text, encoding="utf-8")
                fresh.replace(file)
        self._workflow.state(_STATE, text)


def _read(text: str) -> _Memory:
    """Read what ``JobState`` has written; of the many errors that anything else gives, the caller makes one."""
    found: dict[str, Any] = json.loads(text)
    job, held = found["job"], {}
    for *names, token in found["held"]:
        if not isinstance(token, int):
            raise ValueError(token)  # noqa: TRY004 - as all that is wrong here
        held[_location(names)] = token
    if not isinstance(job, str) or not job:
        raise ValueError(job)
    begun = {(_location(names), str(release)) for *names, release in found.get("begun", [])}
    return job, held, {_location(names) for names in found.get("previews", [])}, begun


def _location(names: list[Any]) -> LedgerLocation:
    if not all(isinstance(name, str) for name in names):
        raise ValueError(names)
    return LedgerLocation(*names)
