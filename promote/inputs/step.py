"""The inputs of the step: of one function, or of several that are released together."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from promote.core.errors import InputError
from promote.inputs.application import DEFAULT, Application
from promote.inputs.function_lines import parse_lines
from promote.inputs.manifest import parse, read_file
from promote.inputs.model import Inputs
from promote.inputs.parse import inputs_from_environ
from promote.inputs.reader import Reader
from promote.inputs.usage import Command, command_of
from promote.inputs.value import step_values

OF_APPLICATIONS = frozenset(
    {
        Command.RUN,
        Command.PROMOTE,
        Command.ROLLBACK,
        Command.RELEASE_NOTES,
        Command.STATUS,
        Command.ADOPT,
        Command.UNINSTALL,
    }
)
"""The commands that work on several functions together."""


def read(environ: Mapping[str, str], workspace: Path) -> Inputs:
    """Return the step's inputs. Those of several functions are in ``parts``.

    Raises:
        InputError: An input is invalid. The error names the first one.

    """
    command_of(environ)
    found = application(environ, workspace)
    if found is None:
        return inputs_from_environ(environ)
    parts = tuple(replace(part, application=found.file) for part in found.inputs(environ))
    if len(parts) == 1:
        return replace(parts[0], retired=found.retired)
    if parts[0].command not in OF_APPLICATIONS:
        raise InputError(
            "command",
            f"{parts[0].command} works on one function, and there are {len(parts)}",
            hint="Use a step for each function, with its name in function-name.",
        )
    return replace(parts[0], parts=parts, retired=found.retired)


def application(environ: Mapping[str, str], workspace: Path) -> Application | None:
    """Return the functions that are released together; None if ``function-name`` is one name or there is no file.

    Raises:
        InputError: An input or the file is invalid. In a file or a list, the error names the line.

    """
    read = Reader(step_values(environ))
    lines, path = read.raw("function-name").strip(), read.raw("application").strip()
    if lines and path:
        raise InputError(
            "application", "it cannot be combined with function-name", hint="Name the functions in only one of them."
        )
    if lines:
        return parse_lines(lines)
    if not path and not (workspace / DEFAULT).is_file():
        return None
    return parse(read_file(workspace, path or DEFAULT), path or DEFAULT, read.raw("environment").strip())
