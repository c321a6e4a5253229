"""The file ``promote.yml``: functions that are released together, with the values of their inputs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from promote.core.errors import InputError
from promote.core.redaction import quoted
from promote.core.workspace import require_inside
from promote.inputs.application import Application, FunctionInputs, require_one_application
from promote.inputs.function_name import parse_function
from promote.inputs.located_yaml import LARGEST, Located
from promote.inputs.manifest_schema import FUNCTION, WHOLE, Key, check, hint_of, refuse
from promote.inputs.value import Line, Place, Value


def parse(text: str, file: str, environment: str) -> Application:
    """Read ``text``, the content of ``file``, with the section of ``environment`` unless that is empty.

    Raises:
        InputError: The text is invalid. The error names the line.

    """
    document = check(text, file)
    functions = _mapping(document["functions"])
    _require_known_functions(functions, document, file)
    environments = _mapping(document["environments"]) if "environments" in document else {}
    here: Mapping[str, Located] = {}
    if environment and environments:
        if environment not in environments:
            refuse(
                Place(file, document["environments"].key_line),
                f"environments: there is no {environment!r}, which the input environment names",
                hint_of(environment, environments, "There are"),
            )
        here = _mapping(environments[environment])
    changed = _mapping(here["functions"]) if "functions" in here else {}
    parts = []
    for key, written in functions.items():
        place = Place(file, written.key_line, "functions")
        name, arn, _ = parse_function(key, place)
        where = f"functions.{name}."
        given = _given(_mapping(written), FUNCTION, file, where)
        if key in changed:
            given = _merged(given, _given(_mapping(changed[key]), FUNCTION, file, where))
        parts.append(FunctionInputs(name, arn, place, given))
    retired = document["retired"].value if "retired" in document else ()
    assert isinstance(retired, tuple)  # noqa: S101 - it was checked
    names = frozenset(str(item.value) for item in retired)
    for item in retired:
        if any(item.value == part.name for part in parts):
            refuse(
                Place(file, item.line),
                f"retired: {item.value} is among the functions",
                "Remove it from one of the two lists.",
            )
    given = _merged(_given(document, WHOLE, file), _given(here, WHOLE, file))
    return require_one_application(Application(tuple(parts), given, names, file))


def _mapping(value: Located) -> Mapping[str, Located]:
    """Return a value as a mapping. An empty value is an empty mapping."""
    return value.value if isinstance(value.value, Mapping) else {}


def _given(section: Mapping[str, Located], keys: Mapping[str, Key], file: str, where: str = "") -> dict[str, Value]:
    """Return the values of the inputs that a section gives."""
    return {name: _value(section[name], file, f"{where}{name}") for name in keys if name in section}


def _value(located: Located, file: str, key: str) -> Value:
    """Return a value with its place; ``manifest_schema`` has checked it."""
    content, place = located.value, Place(file, located.line, key)
    if isinstance(content, Mapping):
        return Value({name: str(item.value) for name, item in content.items()}, place)
    if isinstance(content, tuple):
        lines = tuple(Line(str(item.value), Place(file, item.line, key)) for item in content)
        return Value(lines, lines[0].place if lines else place)
    if isinstance(content, str) and located.first_line > located.line:  # a block: its lines are lines of the file
        return Value(content, Place(file, located.first_line, key), located.first_line)
    assert isinstance(content, str | int | float)  # noqa: S101 - it was checked
    return Value(content, place, first_line=0)


def _merged(given: Mapping[str, Value], changed: Mapping[str, Value]) -> dict[str, Value]:
    """Return the given values, replaced by those in ``changed``. Environment variables are merged."""
    merged = {**given, **changed}
    for name in given.keys() & changed.keys():
        old, new = given[name].content, changed[name].content
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            merged[name] = replace(changed[name], content={**old, **new})
    return merged


def _require_known_functions(functions: Mapping[str, Located], document: Mapping[str, Located], file: str) -> None:
    """Refuse a function of an environment that is not among the functions."""
    environments = _mapping(document["environments"]) if "environments" in document else {}
    for name, environment in environments.items():
        section = _mapping(environment)
        for function, values in (_mapping(section["functions"]) if "functions" in section else {}).items():
            if function not in functions:
                refuse(
                    Place(file, values.key_line),
                    f"environments.{name}.functions: there is no function {function!r}",
                    hint_of(function, functions, "The functions are"),
                )


def read_file(workspace: Path, path: str) -> str:
    """Return the text of the file.

    Raises:
        InputError: The file is not in the repository, too large, or not UTF-8.

    """
    hint = "Write its path from the repository's root, such as promote.yml. Run actions/checkout before this step."
    if not path.isprintable():
        raise InputError("application", "it contains a line break or a control character", hint="Write it on one line.")
    file = require_inside(workspace, path, "application")
    if not file.is_file():
        raise InputError(
            "application", f"{quoted(path)} {'is a directory' if file.is_dir() else 'does not exist'}", hint=hint
        )
    try:
        with file.open("rb") as source:
            content = source.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InputError("application", f"{path!r} is larger than 256 KB", hint="Check that it is the right file.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"{path!r} is not valid UTF-8 (byte {error.start})"
        raise InputError("application", problem, hint="Save it as UTF-8.") from None
    except OSError as error:
        raise InputError("application", f"{path!r} cannot be read: {error.strerror}", hint=hint) from None
