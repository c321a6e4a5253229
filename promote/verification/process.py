"""Run a command of the user as a process. Its output is streamed, and all of its processes end with it."""

import codecs
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from promote.core.clock import Clock
from promote.core.concurrency import start_daemon
from promote.core.redaction import Redactor
from promote.github.actions.command_files import NAMES
from promote.verification import supervisor
from promote.verification.log_groups import Console

_LONGEST_LINE = 4096
"""Characters. Longer lines are broken."""

_ENDING, _LATE_OUTPUT = 5.0, 1.0
"""Seconds to wait for a process to end after the signal, and for the last of its output."""

_ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-_])")
"""Colors and cursor movements: ECMA-48, 5.4 and 8.3."""

_HELD_BACK = re.compile(
    r"AWS_\w*(KEY|TOKEN|SECRET|CREDENTIAL|ROLE|PROFILE|CONFIG_FILE)\w*|ACTIONS_\w*TOKEN\w*"
    r"|(GITHUB|GH)_(ENTERPRISE_)?TOKEN|(INPUT|STATE)_.*"
    rf"|{'|'.join(NAMES)}"
)
"""Variables that commands do not get: credentials of this run, inputs, which include GitHub's token, and the files of
the runner, by which they could change variables and outputs of the job."""


@dataclass(frozen=True)
class CommandContext:
    """The folders, variables and log of commands."""

    workspace: Path
    temporary: Path
    """The folder of this run."""
    shared: Path
    """A folder that the steps of one job share."""
    environ: Mapping[str, str] = field(repr=False)
    """Their variables. See ``environment``."""
    console: Console
    clock: Clock


def environment(environ: Mapping[str, str], handed_over: Sequence[str]) -> dict[str, str]:
    """Return the variables of a command: those of the step, without credentials that are not ``handed_over``."""
    kept = {name: value for name, value in environ.items() if name in handed_over or not _HELD_BACK.fullmatch(name)}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}


def run(command: Sequence[str], context: CommandContext, seconds: float, write: Callable[[str], None]) -> int | None:
    """Run ``command`` in the workspace. Return its exit code, or None if it was stopped after ``seconds``.

    ``write`` is called with each line of its output, from another thread. The line has no secrets and no colors.
    """
    process = subprocess.Popen(  # noqa: S603 - a command of the user
        [sys.executable, "-I", "-S", supervisor.__file__, *command],
        cwd=context.workspace,
        env=context.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin and process.stdout  # noqa: S101, PT018 - both are pipes
    reader = start_daemon(partial(_read, process.stdout, write, context.console.redact))
    code: int | None
    try:
        code = process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        code = None
    finally:
        # The command ends here in any case. A process that has left the session may keep the output open.
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
        # A secret may have a color in it, which is not shown.
        line = redact(_ESCAPE.sub("", line + decode(chunk)))
        if line.endswith("\n"):
            write(line.rstrip("\r\n"))
            line = ""
        elif len(line) > _LONGEST_LINE + redact.longest:
            # The rest may be the beginning of a secret.
            write(line[:_LONGEST_LINE])
            line = line[_LONGEST_LINE:]
    line += decode(b"", final=True)
    if line:
        write(line)
