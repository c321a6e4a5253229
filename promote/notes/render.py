"""Render release notes as Markdown, with the action's template or a template of the user."""

import json
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from promote.core.errors import InputError
from promote.core.redaction import quoted
from promote.core.workspace import inside
from promote.github.actions.markdown import Markdown
from promote.github.api.release_page import BODY_LIMIT
from promote.notes.model import Notes

if TYPE_CHECKING:
    from promote.notes.truncate import Task


_INPUT = "release-notes-template"
_FROM_ROOT = "Set a path from the repository's root, and check the repository out before this step."
_LARGEST = 64 * 1024
"""The most bytes of a template."""
_TIMEOUT = 30.0
"""Seconds for the process that renders. Its own limit is much lower, but the machine may be busy."""


@dataclass(frozen=True)
class Template:
    """A valid template of the user."""

    path: str
    """The path in the repository."""
    source: str


def load_template(path: str, workspace: Path) -> Template:
    """Read a template, and check what can be checked without notes. It is called before anything is deployed.

    Raises:
        InputError: The file does not exist in the repository, or it is not a valid template.

    """
    from promote.notes.template import Environment, compiled  # noqa: PLC0415 - rarely needed
    from promote.notes.template_values import ANYWHERE, Refused  # noqa: PLC0415 - the same

    try:
        file = inside(workspace, path)
        if file is None:
            raise InputError(_INPUT, f"{quoted(path)} is not in the repository", hint=_FROM_ROOT)
        if not file.is_file():
            what = "a directory" if file.is_dir() else "not there"
            raise InputError(_INPUT, f"{quoted(path)} is {what}", hint=_FROM_ROOT)
        if file.stat().st_size > _LARGEST:
            raise InputError(_INPUT, f"{path!r} is larger than 64 KB", hint="Check that it is the template.")
        source = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            _INPUT, f"{path!r} is not valid UTF-8 (byte {error.start})", hint="Save it as UTF-8."
        ) from None
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: a null character; RuntimeError: a loop of links
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(_INPUT, f"{path!r} cannot be read: {reason}", hint=_FROM_ROOT) from None
    template = Template(path, source)
    try:
        compiled(source, Environment(ANYWHERE))
    except Refused as error:
        _refuse(template, error.problem, error.hint, error.line)
    return template


def render(
    notes: Notes, template: Template | None = None, *, limit: int = BODY_LIMIT, redact: Callable[[str], str] = str
) -> Markdown:
    """Return the rendered ``notes``. If they are longer than ``limit`` characters, changes are left out.

    ``redact`` redacts secrets in each text, before the text is escaped and shortened.

    Raises:
        InputError: The user's template failed.

    """
    from promote.notes.truncate import Task  # noqa: PLC0415 - Jinja is only needed at the end

    clean = _redacted(notes, redact)
    if template:
        return _rendered_in_sandbox(Task(template.source, clean, limit), template)
    return Task(_ours(), clean, limit, is_ours=True).done()


@cache
def _ours() -> str:
    return Path(__file__).with_name("default.md.jinja").read_text(encoding="utf-8")


def _rendered_in_sandbox(task: "Task", template: Template) -> Markdown:
    """Render in a process with limits and an empty environment."""
    from promote.notes.sandbox import SECONDS  # noqa: PLC0415 - its imports are not available on every system

    endless = (
        f"it did not end within {SECONDS} seconds of CPU time",
        "Check it for endless loops and macros. A usual template takes hundredths of a second.",
    )
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "promote.notes.sandbox"],
            input=pickle.dumps(task),
            capture_output=True,
            timeout=_TIMEOUT,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired:
        _refuse(template, *endless)
    if done.returncode == -signal.SIGXCPU:
        _refuse(template, *endless)
    try:
        result = json.loads(done.stdout)
    except ValueError:
        output = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        _refuse(template, f"rendering it ended with code {done.returncode}", " ".join([*output, "Simplify it."]))
    if "markdown" not in result:
        _refuse(template, result["problem"], result["hint"], result["line"])
    return Markdown(result["markdown"])


def _refuse(template: Template, problem: str, hint: str, line: int = 0) -> NoReturn:
    where = f"line {line} of {template.path}" if line else template.path
    raise InputError(_INPUT, f"{where}: {problem}", hint=hint)


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """Return ``value`` with ``redact`` applied to each text in it."""
    if redact is str:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: _redacted(getattr(value, field.name), redact) for field in fields(value)}
        return replace(value, **parts)
    if isinstance(value, tuple):
        return tuple(_redacted(part, redact) for part in value)
    return redact(value) if type(value) is str else value
