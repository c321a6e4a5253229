"""The lines of the input ``function-name``: several functions that are released together."""

import re

from promote.core.errors import InputError
from promote.core.redaction import quoted
from promote.inputs.application import Application, FunctionInputs, require_one_application
from promote.inputs.function_name import parse_function
from promote.inputs.value import Place, Value


def parse_lines(text: str) -> Application | None:
    """Read ``function-name``: one function per line, as ``name`` or ``name = artifact``. ``#`` starts a comment.

    Return None if it is only one name.

    Raises:
        InputError: A line is invalid, or there is no function.

    """
    text = text.strip()
    if "\n" not in text and "=" not in text:
        return None
    parts: list[FunctionInputs] = []
    for number, line in enumerate(text.splitlines(), 1):
        if written := re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip():
            parts.append(_line_part(written, Place(line=number)))
    if not parts:
        raise InputError(
            "function-name",
            "it names no function, because all of its lines are comments",
            hint="Write the function's name, or `name = artifact`, one function per line.",
        )
    return require_one_application(Application(tuple(parts)))


def _line_part(line: str, place: Place) -> FunctionInputs:
    name, equals, artifact = (text.strip() for text in line.partition("="))
    if equals and not name:
        raise place.error(
            "function-name",
            f"the artifact {quoted(artifact)} has no function",
            hint="Write name = artifact.",
        )
    if equals and not artifact:
        raise place.error(
            "function-name",
            "the artifact after the = is missing",
            hint="Write name = artifact. Or write only the name, to use the code that is in $LATEST.",
        )
    if not artifact.isprintable():
        raise place.error("function-name", "the artifact contains a control character", hint="Remove it.")
    name, arn, _ = parse_function(name, place)
    return FunctionInputs(name, arn, place, {"artifact": Value(artifact, place)} if equals else {})
