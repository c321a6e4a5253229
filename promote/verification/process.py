"""A command of the user's, run as a process: its output streamed, its end known, nothing of it left behind."""

import codecs
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from promote.core.clock import Clock
from promote.core.redaction import Redactor
from promote.verification import supervisor
from promote.verification.log_groups import Console

_LONGEST_LINE = 4096
"""Characters; what is longer is broken."""

_ENDING, _LATE_OUTPUT = 5.0, 1.0
"""Seconds for a process to go that was told to, and for the last of its output to arrive."""

_HELD_BACK = re.compile(
    r"AWS_\w*(KEY|TOKEN|SECRET|CREDENTIAL|ROLE|PROFILE|CONFIG_FILE)\w*|ACTIONS_\w*TOKEN\w*"
    r"|(GITHUB|GH)_(ENTERPRISE_)?TOKEN|(INPUT|STATE)_.*"
)
"""Variables that commands do not get: credentials of this run, and inputs, among which is GitHub's token."""


@dataclass(frozen=True)
class Surroundings:
    """What commands run in."""

    workspace: Path
    temporary: Path
    """This run's own folder."""
    shared: Path
    """A folder that the steps of one job have in common."""
    environ: Mapping[str, str] = field(repr=False)
    """The variables that they get; see ``environment``."""
    console: Console
    clock: Clock


def environment(environ: Mapping[str, str], handed_over: Sequence[str]) -> dict[str, str]:
    """Give the variables of a command: those of this step without its credentials, save those ``handed_over``."""
    kept = {name: value for name, value in environ.items() if name in handed_over or not _HELD_BACK.fullmatch(name)}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}


def run(command: Sequence[str], around: Surroundings, seconds: float, write: Callable[[str], None]) -> int | None:
    """Run ``command`` in the workspace; give its exit code, or None where it was ended after ``seconds``.

    ``write`` is called with each line of its output, from another thread.
    """
    process = subprocess.Popen(  # noqa: S603 - the user's own command, by our own program
        [sys.executable, "-I", "-S", supervisor.__file__, *command],
        cwd=around.workspace,
        env=around.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin and process.stdout  # noqa: S101, PT018 - they were asked for
    reader = threading.Thread(target=_read, args=(process.stdout, write, around.console.redact), daemon=True)
    reader.start()
    code: int | None
    try:
        code = process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        code = None
    finally:
        # Whatever it was, it ends here. What has left the session may keep the output open: it is not waited for.
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDING)
        process.kill()
        process.wait()
        reader.join(_LATE_OUTPUT)
        if not reader.is_alive():
            process.stdout.close()
    return code


def _read(stream: IO[bytes], write: Callable[[str], None], redact: Redactor) -> None:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    line = ""
    while chunk := stream.readline(_LONGEST_LINE):
        line = redact(line + decode(chunk))
        if line.endswith("\n"):
            write(line.rstrip("\r\n"))
            line = ""
        elif len(line) > _LONGEST_LINE + redact.longest:
            # What is kept may be the beginning of a secret.
            write(line[:_LONGEST_LINE])
            line = line[_LONGEST_LINE:]
    line += decode(b"", final=True)
    if line:
        write(line)
