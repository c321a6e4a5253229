"""One step: its files, its log while it runs, and the runner's result at its end."""

import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sandbox.forks import Forked
from tests.runner.commands import Annotation, Command, Log, Masks, split_lines
from tests.runner.files import OUTPUTS, SUMMARY, FileCommandError, read_pairs

SIGINT_LASTS, SIGTERM_LASTS = 7.5, 2.5
"""Seconds after each signal before the next one; then a cancelled step is killed. From ProcessInvoker.cs."""


@dataclass(frozen=True)
class Files:
    """The files that a step writes for the runner."""

    output: Path
    summary: Path
    state: Path
    env: Path
    path: Path

    def __post_init__(self) -> None:
        for file in vars(self).values():
            file.touch()


@dataclass(frozen=True)
class Ended:
    """A step that has ended."""

    code: int
    """Its exit code. Also 1 if it was 0 and the runner fails the step because of its output."""
    log: str
    """The outputs as the step wrote them."""
    outputs: Mapping[str, str]
    """The state for later steps. A post step has none."""
    summary: str
    """The summary as it is shown. Empty if it is too large."""
    annotations: tuple[Annotation, ...] = field(default=())
    """The annotations that are shown."""
    shown: str = ""
    """The log as a person sees it: without commands and secrets."""
    commands: tuple[Command, ...] = ()
    """Lines of the log that were commands, in the order in which the runner carried them out."""
    state: Mapping[str, str] = field(default_factory=dict)
    """The state for the post step."""
    handed_on: Mapping[str, str] = field(default_factory=dict)
    """The outputs for other jobs: not empty and without a secret. From JobExtension.cs."""

    @property
    def errors(self) -> list[Annotation]:
        return [annotation for annotation in self.annotations if annotation.kind == "error"]

    @property
    def result(self) -> str:
        return self.outputs.get("result", "")


def conclude(code: int, raw: str, files: Files, masks: Masks, log: Log, *, is_post: bool = False) -> Ended:
    """Return the runner's result of a step that has ended: its log was read, and its files are read now."""
    outputs, state = dict(log.outputs), dict(log.state)
    for name, file, values in (("output", files.output, outputs), ("state", files.state, state)):
        try:
            values.update(read_pairs(file.read_text(encoding="utf-8", errors="replace")))
        except FileCommandError as error:
            log.complain(f"Unable to process file command '{name}' successfully.")
            log.complain(str(error))
    summary = masks(files.summary.read_text(encoding="utf-8", errors="replace"))
    size = files.summary.stat().st_size
    if size > SUMMARY:
        summary = ""
        log.complain(f"$GITHUB_STEP_SUMMARY upload aborted, supports content up to 1024k, got {size // 1024}k.")
    outputs = {} if is_post else outputs
    handed_on = {name: value for name, value in outputs.items() if value and masks(value) == value}
    assert sum(len(value.encode("utf-16-le", "replace")) for value in handed_on.values()) <= OUTPUTS, "1 MB for a job"
    return Ended(
        code=code or (1 if log.has_failed else 0),
        log=raw,
        outputs=outputs,
        summary=summary,
        annotations=tuple(log.annotations),
        shown="".join(f"{line}\n" for line in log.shown),
        commands=tuple(log.commands),
        state=state,
        handed_on=handed_on,
    )


@dataclass
class Started:
    """A step that runs. Its stdout is read from the first wait on."""

    process: subprocess.Popen[str] | Forked
    files: Files
    masks: Masks = field(default_factory=Masks)
    is_post: bool = False
    is_debug: bool = False
    _lines: list[str] = field(default_factory=list)
    _looked_at: int = 0
    _open: int = 2
    _readers: list[threading.Thread] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._log = Log(self.masks, self.is_debug)
        # Nothing else may read it, including communicate().
        stderr, self.process.stderr = self.process.stderr, None
        assert stderr
        self._follow(stderr)

    def wait_for(self, text: str) -> None:
        """Read the log until one of its lines contains ``text``."""
        self._begin()
        with self._changed:
            while True:
                while self._looked_at < len(self._lines):
                    self._looked_at += 1
                    if text in self._lines[self._looked_at - 1]:
                        return
                if not self._open:
                    raise AssertionError(f"{text!r} is not in the log:\n{''.join(self._lines)}")
                self._changed.wait()

    def wait(self, timeout: float = 60) -> Ended:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: It does not end within these seconds.

        """
        self._begin()
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return conclude(code, "".join(self._lines), self.files, self.masks, self._log, is_post=self.is_post)

    def cancel(self) -> Ended:
        """Cancel the step as the runner does: SIGINT, SIGTERM and SIGKILL, with its pauses."""
        for number, seconds in ((signal.SIGINT, SIGINT_LASTS), (signal.SIGTERM, SIGTERM_LASTS)):
            self.process.send_signal(number)
            try:
                return self.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        self.process.kill()
        return self.wait()

    @property
    def saved(self) -> Mapping[str, str]:
        """The state that the step has saved for its post step, as the runner passes it on."""
        return saved(self.files, self._log)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.wait()

    def _begin(self) -> None:
        if len(self._readers) == 1:
            assert self.process.stdout
            self._follow(self.process.stdout)

    def _follow(self, stream: IO[str]) -> None:
        self._readers.append(threading.Thread(target=self._read, args=(stream,), daemon=True))
        self._readers[-1].start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:  # universal newlines, as in .NET
                with self._changed:
                    self._lines.append(line)
                    self._log.read(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()


def parse_annotations(log: str) -> list[Annotation]:
    """Return the annotations that the runner would show for a step with this log."""
    read = Log()
    for line in split_lines(log):
        read.read(line)
    return read.annotations


def saved(files: Files, log: Log) -> Mapping[str, str]:
    """Return the state of a main step as variables of its post step."""
    written = dict(read_pairs(files.state.read_text(encoding="utf-8")))
    return {f"STATE_{name}": value for name, value in {**log.state, **written}.items()}
