"""The log, annotations, outputs and summary of the job. No other module uses actions_toolkit.

The runner reads commands (``::error::...``) from the log, so untrusted text is escaped before it is printed. Secrets
that the action knows are redacted in everything it writes.
"""

import errno
import os
import re
import threading
from collections.abc import Iterable, Mapping
from typing import TextIO

from actions_toolkit.command import Command
from actions_toolkit.file_command import prepare_key_value_message

from promote.core.environment import secrets_in
from promote.core.redaction import Redactor
from promote.github.actions.command_files import UNWRITABLE, CommandFiles

ANNOTATION_LIMIT = 4096
SUMMARY_LIMIT = 1024 * 1024
"""The runner's limits: characters of an annotation, and bytes of a summary. It drops a larger summary."""


_UNWRITTEN: Mapping[int, str] = {
    errno.EBADF: "stdout is closed",
    errno.EPIPE: "stdout is closed: the process that read it has ended",
    errno.ENOSPC: "the disk with the file that stdout goes to is full",
}


def plain(text: str) -> str:
    """Return ``text`` escaped for the log: one line, no control characters, and no command of the runner."""
    visible = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
    # "::" is a command at the start of a line, "##[" anywhere. With a zero-width space, they stay readable.
    return re.sub(r"^(\s*):(?=:)", "\\1:\u200b", visible).replace("##[", "##\u200b[")


class ActionsLog:
    """The log and the command files of a step. Outside of a runner, there are no command files, and none is written."""

    def __init__(self, environ: Mapping[str, str], stream: TextIO, secrets: Iterable[str] = ()) -> None:
        self._stream = stream
        self._secrets = frozenset(secrets)
        self._lock = threading.Lock()
        self.files = CommandFiles(environ)
        self.redact = self.redact_outside = Redactor(self._secrets)
        """``redact_outside`` is for text from outside, such as the output of tests: see ``hide_outside``."""
        self._has_group = False
        self.problem = ""
        """Why lines of the log could not be written; empty if all were."""

    def hide_outside(self, values: Iterable[str]) -> None:
        """Redact ``values`` in text from outside, but not in the action's own messages and outputs.

        A variable of a function may have any value, such as the name of the environment.
        """
        with self._lock:
            self._secrets |= frozenset(values)
            self.redact_outside = Redactor(self._secrets)

    def info(self, text: str) -> None:
        """Write one line to the log."""
        self._print(plain(self.redact(text)))

    def open_group(self, title: str) -> None:
        """Start a collapsible group of lines with the title ``title``."""
        self._has_group = True
        self._print(str(Command("group", {}, plain(self.redact(title)))))

    def close_group(self) -> None:
        """End the group, if one is open."""
        if self._has_group:
            self._print(str(Command("endgroup", {}, "")))
        self._has_group = False

    def error(self, text: str, *, title: str, file: str = "", line: int = 0) -> None:
        """Add an error annotation; with ``file``, at that line of the repository."""
        self._annotate("error", text, title, {"file": file, **({"line": str(line)} if line else {})} if file else {})

    def warn(self, text: str, *, title: str) -> None:
        """Add a warning annotation."""
        self._annotate("warning", text, title)

    def output(self, name: str, value: str) -> None:
        """Set an output of the step."""
        self.files.append("GITHUB_OUTPUT", prepare_key_value_message(name, self.redact(value)) + os.linesep)

    def state(self, name: str, value: str) -> None:
        """Save a value for the post step."""
        self.files.append("GITHUB_STATE", prepare_key_value_message(name, value) + os.linesep)

    def summary(self, markdown: str) -> None:
        """Add ``markdown`` to the job summary. Untrusted text in it must be escaped."""
        text = self.redact(markdown)
        if len(text.encode(errors=UNWRITABLE)) >= SUMMARY_LIMIT:  # with a line feed
            text = "The summary is larger than the runner accepts. See the log.\n"
        self.files.append("GITHUB_STEP_SUMMARY", text + "\n")

    def _annotate(self, kind: str, text: str, title: str, place: Mapping[str, str] | None = None) -> None:
        message = "\n".join(map(plain, self.redact(text).replace("\r\n", "\n").split("\n")))
        if len(message) > ANNOTATION_LIMIT:
            # The fix is at the end, so the middle is cut out.
            message = message[: ANNOTATION_LIMIT // 2] + "…" + message[1 - ANNOTATION_LIMIT // 2 :]
        properties = {"title": title, **(place or {})}
        self._print(
            str(Command(kind, {name: plain(self.redact(value)) for name, value in properties.items()}, message))
        )

    def _print(self, line: str) -> None:
        # If the log cannot be written (a closed pipe), the promotion still continues.
        try:
            self._stream.write(line.encode(errors=UNWRITABLE).decode() + "\n")
            self._stream.flush()
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else errno.EBADF  # ValueError: Python has closed it
            self.problem = _UNWRITTEN.get(number or 0, f"stdout cannot be written ({error})")


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Return the secrets in the environment variables of a step."""
    return [*(environ.get(name, "") for name in ("INPUT_GITHUB-TOKEN", "ACTIONS_RUNTIME_TOKEN")), *secrets_in(environ)]
