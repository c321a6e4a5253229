"""The files that a step writes for the runner, read as in FileCommandManager.cs of actions/runner."""

from collections.abc import Iterator

SUMMARY = 1024 * 1024
"""Bytes of a summary. A larger one is not shown."""
OUTPUTS = 1024 * 1024
"""Bytes of a job's outputs together, counted as UTF-16.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idoutputs
"""


class FileCommandError(ValueError):
    """A file has an invalid format, which fails the step."""


def parse_file_command(text: str) -> dict[str, str]:
    """Parse ``name=value`` and ``name<<DELIMITER``. The last value of a name counts.

    Raises:
        FileCommandError: Something in it is neither, or a delimiter is missing.

    """
    return dict(read_pairs(text))


def read_pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield names and values. Lines before an error take effect."""
    lines = text.removeprefix("\ufeff").split("\n")  # a carriage return before it belongs to the line
    place = 0
    while place < len(lines):
        line = lines[place]
        place += 1
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
        elif heredoc >= 0:
            name, _, delimiter = line.partition("<<")
            if not (name and delimiter):
                raise FileCommandError(f"Invalid format {line!r}: neither name nor delimiter may be empty")
            if delimiter not in lines[place:]:
                raise FileCommandError(f"Invalid value of {name!r}: the delimiter {delimiter!r} does not come")
            end = lines.index(delimiter, place)
            value = "\n".join(lines[place:end])
            place = end + 1
        else:
            raise FileCommandError(f"Invalid format {line!r}")
        if not name:
            raise FileCommandError(f"Invalid format {line!r}: the name must not be empty")
        yield name, value
