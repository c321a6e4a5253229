"""The runner: log, annotations, outputs and job summary. The only user of actions_toolkit.

The runner reads commands (``::error::...``) from everything that is printed, so text from outside is made harmless
before it is printed; and a secret that was handed to us is replaced in all that leaves us.
"""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from actions_toolkit.command import Command
from actions_toolkit.file_command import prepare_key_value_message

from promote.core.redaction import Redactor

ANNOTATION_LIMIT = 4096
SUMMARY_LIMIT = 1024 * 1024
"""What the runner takes: characters of an annotation, bytes of a summary (beyond which it drops it)."""


_UNWRITABLE = "backslashreplace"
"""How half a character is written: one can come in as a file's name, for example, and must not end the run."""


def plain(text: str) -> str:
    """Make ``text`` harmless in a log: one line, no control characters, nothing that the runner takes for a command."""
    visible = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
    # "::" counts at a line's beginning, "##[" anywhere; a zero-width space leaves them readable.
    return re.sub(r"^(\s*):(?=:)", "\\1:\u200b", visible).replace("##[", "##\u200b[")


class ActionsLog:
    """What the runner offers to a step. Outside a runner, files that it does not name are not written."""

    def __init__(self, environ: Mapping[str, str], stream: TextIO, secrets: Iterable[str] = ()) -> None:
        self._stream = stream
        self._output = environ.get("GITHUB_OUTPUT", "")
        self._summary = environ.get("GITHUB_STEP_SUMMARY", "")
        self._state = environ.get("GITHUB_STATE", "")
        self.redact = Redactor(secrets)
        self._has_group = False

    def info(self, text: str) -> None:
        """Write one line into the log."""
        self._print(plain(self.redact(text)))

    def open_group(self, title: str) -> None:
        """Fold the lines that follow under ``title``, until the group is closed."""
        self._has_group = True
        self._print(str(Command("group", {}, plain(self.redact(title)))))

    def close_group(self) -> None:
        """End the group, if there is one."""
        if self._has_group:
            self._print(str(Command("endgroup", {}, "")))
        self._has_group = False

    def error(self, text: str, *, title: str, file: str = "", line: int = 0) -> None:
        """Annotate the run with an error; with ``file``, at that place of the repository."""
        self._annotate("error", text, title, {"file": file, **({"line": str(line)} if line else {})} if file else {})

    def warn(self, text: str, *, title: str) -> None:
        """Annotate the run with a warning."""
        self._annotate("warning", text, title)

    def output(self, name: str, value: str) -> None:
        """Set an output of the step."""
        if self._output:
            _append(self._output, prepare_key_value_message(name, self.redact(value)) + os.linesep)

    def state(self, name: str, value: str) -> None:
        """Save something for the post step."""
        if self._state:
            _append(self._state, prepare_key_value_message(name, value) + os.linesep)

    def summary(self, markdown: str) -> None:
        """Add to the job summary; ``markdown`` is finished, with everything from outside escaped."""
        text = self.redact(markdown)
        if len(text.encode(errors=_UNWRITABLE)) >= SUMMARY_LIMIT:  # and a line's end
            text = "The summary is larger than the runner takes; the log has everything.\n"
        if self._summary:
            _append(self._summary, text + "\n")

    def _annotate(self, kind: str, text: str, title: str, place: Mapping[str, str] | None = None) -> None:
        message = "\n".join(map(plain, self.redact(text).replace("\r\n", "\n").split("\n")))
        if len(message) > ANNOTATION_LIMIT:
            # What to do stands at the end.
            message = message[: ANNOTATION_LIMIT // 2] + "…" + message[1 - ANNOTATION_LIMIT // 2 :]
        properties = {"title": title, **(place or {})}
        self._print(
            str(Command(kind, {name: plain(self.redact(value)) for name, value in properties.items()}, message))
        )

    def _print(self, line: str) -> None:
        # A log that cannot be written (a closed pipe) is no reason to leave a promotion half done.
        with suppress(OSError, ValueError):
            self._stream.write(line.encode(errors=_UNWRITABLE).decode() + "\n")
            self._stream.flush()


def _append(file: str, text: str) -> None:
    with Path(file).open("a", encoding="utf-8", errors=_UNWRITABLE, newline="") as sink:
        sink.write(text)


SECRETS = ("INPUT_GITHUB-TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "ACTIONS_RUNTIME_TOKEN")
"""Variables whose values must not leave this process."""
